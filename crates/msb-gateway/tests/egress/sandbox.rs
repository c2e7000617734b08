//! A host with addresses, and sandboxes of it that are steered to a gateway.

use msb_plan::handover::{JAVA_TRUST, READY, SOCKETS, TRUST, decode_ports};
use msb_plan::network::{
    Action, Gateway, Limits, Methods, Network, Only, Peer, Protocol, Rule, Terms, Total, Trust,
};
use msb_plan::{
    Arch, Filter, Identity, Listener, Origin, OriginId, Param, ParamKind, Plan, PolicyId, Target,
};
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, bind, listen,
    setsockopt, socket, sockopt,
};
use rustix::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Addresses of the host that the tests' servers have; the first ones look public (RFC 5737, RFC 3849).
pub const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
pub const OTHER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 11);
pub const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
pub const PUBLIC6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
/// An address that swallows what is sent to it.
pub const SILENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 99);

/// Names of /etc/hosts.
const HOSTS: &str = "127.0.0.1 localhost
203.0.113.10 api.example.org bare.example.org one.wild.example two.wild.example deep.er.wild.example xn--bcher-kva.example
203.0.113.11 other.example.org
10.1.2.3 private.example.org
127.0.0.1 rebind.example.org
169.254.169.254 metadata.example.org
203.0.113.99 silent.example.org
203.0.113.99 both.example.org
203.0.113.10 both.example.org
2001:db8::10 six.example.org
";

/// The namespace that stands for the host.
pub struct Host {
    pub dir: tempfile::TempDir,
    pub authority: crate::servers::TestAuthority,
}

pub fn sh(script: &str) {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let status = Command::new("sh").args(["-ec", script]).env("PATH", path).status().unwrap();
    assert!(status.success(), "{script}");
}

impl Host {
    pub fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let hosts = write("hosts", HOSTS);
        // `resolver.rs` answers.
        let resolv = write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
        sh(&format!(
            "mount --make-rprivate /
             ip link set lo up
             for a in {PUBLIC} {OTHER} {PRIVATE} {METADATA}; do ip addr add $a/32 dev lo; done
             ip -6 addr add {PUBLIC6}/128 dev lo nodad
             ip route add default dev lo
             mount --bind {} /etc/hosts
             mount --bind {} /etc/resolv.conf
             nft -f - <<'EOF'
             table inet host {{
 chain out {{
  type filter hook output priority 0; policy accept;
  ip daddr {SILENT} drop
 }}
}}
EOF",
            hosts.display(),
            resolv.display(),
        ));
        write("inside-resolv.conf", "nameserver 198.18.0.1\n");
        write("inside-hosts", "127.0.0.1 localhost\n");
        crate::resolver::serve();
        let authority = crate::servers::TestAuthority::new(dir.path());
        // Whoever reads files as nobody must get there.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        Host { dir, authority }
    }

    /// Gives names addresses.
    pub fn add_names<'a>(&self, names: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let lines: String = names.into_iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        let mut hosts = File::options().append(true).open(self.dir.path().join("hosts")).unwrap();
        hosts.write_all(lines.as_bytes()).unwrap();
    }
}

/// What a rule of a test says.
pub fn allow(protocol: Protocol, peer: Peer<'static>, ports: (u16, u16)) -> Rule<'static> {
    Rule {
        action: Action::Allow,
        protocol,
        peer,
        ports: vec![ports],
        terms: Terms::default(),
        origin: OriginId(1),
    }
}

pub fn deny(protocol: Protocol, peer: Peer<'static>, ports: (u16, u16)) -> Rule<'static> {
    Rule { action: Action::Deny, ..allow(protocol, peer, ports) }
}

pub fn only(mut rule: Rule<'static>, methods: u8, paths: &[&'static str]) -> Rule<'static> {
    rule.terms.only = Some(Only { methods: Methods(methods), paths: paths.to_vec() });
    rule
}

pub fn limited(mut rule: Rule<'static>, limits: Limits) -> Rule<'static> {
    rule.terms.limits = limits;
    rule
}

/// A name with its address inside.
pub const fn name(name: &'static str, number: u8) -> Peer<'static> {
    Peer::Name { name, address: [198, 18, 1, number] }
}

pub fn v4(address: Ipv4Addr) -> Peer<'static> {
    Peer::V4 { first: address.octets(), bits: 32 }
}

/// A policy of a test.
#[derive(Default)]
pub struct Policy {
    pub rules: Vec<Rule<'static>>,
    pub totals: Vec<Total>,
    pub listens: Vec<msb_plan::network::Listen>,
    /// `$key`, as the first parameter.
    pub secret: Option<String>,
}

/// What tests know of a batch: it begins, has one message, and ends.
const BATCH: [u8; 60] = {
    let mut batch = [0; 60];
    let kinds: [[u8; 2]; 3] = [[16, 0], [0, 10], [17, 0]];
    let mut index = 0;
    while index < 3 {
        batch[index * 20] = 20;
        batch[index * 20 + 4] = kinds[index][0];
        batch[index * 20 + 5] = kinds[index][1];
        index += 1;
    }
    batch
};

impl Policy {
    pub fn of(rules: impl IntoIterator<Item = Rule<'static>>) -> Policy {
        Policy { rules: rules.into_iter().collect(), ..Policy::default() }
    }

    fn bytes(&self) -> Vec<u8> {
        let reads = |rule: &Rule<'_>| rule.protocol == Protocol::Https && rule.terms.reads_requests();
        let trust = |file| self.rules.iter().any(reads).then(|| Trust { file, places: vec![] });
        let origin = OriginId(0);
        let key = Param { name: "key", kind: ParamKind::Secret, default: None, origin };
        let program = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];
        let plan = Plan {
            target: Target {
                kernel_min: (5, 12),
                landlock_abi_min: 0,
                tier_min: msb_plan::Tier::Full,
                origin,
            },
            policy: PolicyId { name: "test", edition: 2026, sha256: [7; 32], origin },
            params: self.secret.iter().map(|_| key).collect(),
            identity: Identity {
                uid: 1000,
                gid: 1000,
                hostname: "sandbox",
                cwd: None,
                capabilities: 0,
                keyring: msb_plan::Keyring::New,
                terminal: None,
                write_execute_denied: None,
                mount_table: msb_plan::MountTable::Hidden,
                origin,
            },
            mounts: vec![],
            denies: vec![],
            searches: vec![],
            files: vec![],
            claims: vec![],
            network: Network::Gateway(Gateway {
                batch: &BATCH,
                refusals: &BATCH,
                marks: vec![],
                rules: self.rules.clone(),
                totals: self.totals.clone(),
                listens: self.listens.clone(),
                trust: trust("etc/msb/ca.pem"),
                java_trust: trust("etc/msb/ca.jks"),
                claims: vec![],
                origin,
            }),
            limits: msb_plan::Limits::default(),
            filters: vec![Filter {
                arch: Arch::X86_64,
                listener: Listener::None,
                program: &program,
                kills: &[],
                origin,
            }],
            env: vec![],
            command: vec![],
            origins: vec![
                Origin { file: "test.msb", line: 1, column: 1, text: "policy test {" },
                Origin { file: "test.msb", line: 7, column: 3, text: "allow something" },
            ],
        };
        msb_plan::encode(&plan).unwrap_or_else(|error| panic!("{error:?}"))
    }
}

type Task = Box<dyn FnOnce() + Send>;

/// A network namespace whose packets go to a gateway.
pub struct Sandbox {
    tasks: Sender<Task>,
    pub gateway: Child,
    control: Option<OwnedFd>,
    pub audit: PathBuf,
    /// Certificates that programs inside trust.
    pub trust: PathBuf,
    /// The port of the host of each that is published.
    pub ports: Vec<u16>,
    pub started: Duration,
}

impl Sandbox {
    pub fn new(host: &Host, policy: &Policy) -> Sandbox {
        Sandbox::after("true", host, policy)
    }

    /// With something that a shell does before the gateway starts.
    pub fn after(before: &str, host: &Host, policy: &Policy) -> Sandbox {
        let (ours, theirs) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let mut plan = File::from(rustix::fs::memfd_create("plan", rustix::fs::MemfdFlags::empty()).unwrap());
        plan.write_all(&policy.bytes()).unwrap();
        plan.rewind().unwrap();
        let id = host.dir.path().join(format!("audit-{}", ours.as_raw_fd()));
        let audit = File::create(&id).unwrap();
        for fd in [theirs.as_fd(), audit.as_fd()] {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
        }
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{before}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_msb-gateway")])
            .args(["--plan-fd", &plan.as_raw_fd().to_string()])
            .args(["--sockets-fd", &theirs.as_raw_fd().to_string()])
            .args(["--audit-fd", &audit.as_raw_fd().to_string()])
            .env("SSL_CERT_FILE", &host.authority.file)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some(secret) = &policy.secret {
            command.args(["--set", &format!("key={secret}")]);
        }
        let begun = Instant::now();
        let gateway = command.spawn().unwrap();
        drop((theirs, plan, audit));
        let (tasks, waiting) = channel::<Task>();
        let dir = host.dir.path().to_owned();
        std::thread::spawn(move || {
            enter(&dir);
            for task in waiting {
                task();
            }
        });
        let trust = host.dir.path().join(format!("trust-{}.pem", ours.as_raw_fd()));
        let mut sandbox = Sandbox {
            tasks,
            gateway,
            control: Some(ours),
            audit: id,
            trust,
            ports: vec![],
            started: Duration::ZERO,
        };
        let sockets = sandbox.run(sockets);
        sandbox.hand_over(&sockets);
        sandbox.ports = sandbox.await_ready();
        sandbox.started = begun.elapsed();
        sandbox
    }

    /// Runs something inside.
    pub fn run<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = channel();
        self.tasks.send(Box::new(move || drop(done.send(task())))).unwrap();
        result.recv().expect("the task inside panicked")
    }

    /// Begins something inside, beside what runs there; what it will come to.
    pub fn start<T: Send + 'static>(
        &self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> std::sync::mpsc::Receiver<T> {
        self.run(move || {
            let (done, result) = channel();
            std::thread::spawn(move || drop(done.send(task())));
            result
        })
    }

    /// Runs a shell script inside; what it prints, with how it ended.
    pub fn sh(&self, script: &str) -> (String, Option<i32>) {
        let (script, trust) = (script.to_owned(), self.trust.clone());
        self.run(move || {
            let output = Command::new("timeout")
                .args(["30", "sh", "-c", &script])
                .envs(
                    ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"]
                        .map(|it| (it, &trust)),
                )
                .env("GIT_SSL_CAINFO", &trust)
                .output()
                .unwrap();
            let text = [output.stdout, output.stderr].concat();
            (String::from_utf8_lossy(&text).into_owned(), output.status.code())
        })
    }

    fn hand_over(&self, sockets: &[OwnedFd]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(6))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds: Vec<_> = sockets.iter().map(|it| it.as_fd()).collect();
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
        let control = self.control.as_ref().unwrap();
        let message = [SOCKETS, 0b11_1111];
        rustix::net::sendmsg(control, &[IoSlice::new(&message)], &mut ancillary, SendFlags::empty()).unwrap();
    }

    fn await_ready(&self) -> Vec<u16> {
        loop {
            match self.message() {
                (b, _) if b.first() == Some(&READY) => return decode_ports(&b[1..]).collect(),
                (b, Some(fd)) if b.first() == Some(&TRUST) => {
                    let mut pem = Vec::new();
                    File::from(fd).read_to_end(&mut pem).unwrap();
                    std::fs::write(&self.trust, pem).unwrap();
                }
                // A key store is a thing of Java's: the test of real clients has it read.
                (b, Some(_)) if b.first() == Some(&JAVA_TRUST) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The gateway's next message.
    pub fn message(&self) -> (Vec<u8>, Option<OwnedFd>) {
        let mut bytes = [0_u8; msb_plan::handover::MESSAGE_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let control = self.control.as_ref().unwrap();
        let read = rustix::net::recvmsg(
            control,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::empty(),
        )
        .unwrap()
        .bytes;
        let fd = ancillary.drain().find_map(|it| match it {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        (bytes[..read].to_vec(), fd)
    }

    /// Answers one request for a socket inside.
    pub fn make(&self) {
        let (message, _) = self.message();
        assert_eq!(message, [msb_plan::handover::MAKE, msb_plan::handover::V4_STREAM]);
        let made = self
            .run(|| socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = [made.as_fd()];
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
        let control = self.control.as_ref().unwrap();
        let message = [msb_plan::handover::MADE];
        rustix::net::sendmsg(control, &[IoSlice::new(&message)], &mut ancillary, SendFlags::empty()).unwrap();
    }

    /// Ends the sandbox; what the log says.
    pub fn end(mut self) -> Vec<serde_json::Value> {
        self.control = None;
        let begun = Instant::now();
        let status = self.gateway.wait().unwrap();
        assert!(status.success(), "the gateway ended with {status}");
        assert!(begun.elapsed() < Duration::from_secs(1), "it ends with the sandbox");
        self.log()
    }

    /// What the log says.
    pub fn log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.audit).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.control = None;
        // It may have ended already.
        let _ = self.gateway.wait();
    }
}

/// Makes the network that the launcher makes, but for what nf_tables refuses early: the gateway decides alone.
fn enter(dir: &Path) {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
    let (resolv, hosts) = (dir.join("inside-resolv.conf"), dir.join("inside-hosts"));
    sh(&format!(
        "ip link set lo up
         ip addr add 198.18.0.2/32 dev lo; ip -6 addr add 2001:2::2/128 dev lo nodad
         ip route add local 0.0.0.0/0 dev lo src 198.18.0.2
         ip -6 route add local ::/0 dev lo src 2001:2::2
         mount --bind {} /etc/resolv.conf
         mount --bind {} /etc/hosts
         nft -f - <<'EOF'
table inet egress {{
 chain pre {{ type filter hook prerouting priority mangle; policy accept;
  ip daddr {{ 127.0.0.0/8, 198.18.0.2 }} accept
  ip6 daddr {{ ::1, 2001:2::2 }} accept
  meta nfproto ipv4 meta l4proto {{ tcp, udp }} tproxy ip to 198.18.0.1:1 accept
  meta nfproto ipv6 meta l4proto {{ tcp, udp }} tproxy ip6 to [2001:2::1]:1 accept
 }}
}}
EOF",
        resolv.display(),
        hosts.display(),
    ));
}

/// The sockets of the handover, in the order of their bits.
fn sockets() -> Vec<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let (v4, v6) = (AddressFamily::Inet, AddressFamily::Inet6);
    let gateway4 = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 1), 1));
    let gateway6 = SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1), 1, 0, 0));
    let mut all = Vec::new();
    for family in [v4, v6] {
        let tcp = socket(family, SockType::Stream, flags, None).unwrap();
        setsockopt(&tcp, sockopt::ReuseAddr, &true).unwrap();
        transparent(&tcp, family);
        match family {
            AddressFamily::Inet => bind(tcp.as_raw_fd(), &gateway4).unwrap(),
            _ => bind(tcp.as_raw_fd(), &gateway6).unwrap(),
        }
        listen(&tcp, Backlog::MAXCONN).unwrap();
        all.push(tcp);
    }
    for family in [v4, v6] {
        let udp = socket(family, SockType::Datagram, flags, None).unwrap();
        transparent(&udp, family);
        match family {
            AddressFamily::Inet => {
                setsockopt(&udp, sockopt::Ipv4OrigDstAddr, &true).unwrap();
                bind(udp.as_raw_fd(), &gateway4).unwrap();
            }
            _ => {
                setsockopt(&udp, sockopt::Ipv6OrigDstAddr, &true).unwrap();
                bind(udp.as_raw_fd(), &gateway6).unwrap();
            }
        }
        all.push(udp);
    }
    for family in [v4, v6] {
        all.push(socket(family, SockType::Raw, flags, SockProtocol::Raw).unwrap());
    }
    all
}

fn transparent(socket: &OwnedFd, family: AddressFamily) {
    if family == AddressFamily::Inet6 {
        setsockopt(socket, sockopt::Ipv6V6Only, &true).unwrap();
    }
    // Of IPv6 too: `ipv6_setsockopt` passes options of `SOL_IP` on, and both set one flag.
    setsockopt(socket, sockopt::IpTransparent, &true).unwrap();
}

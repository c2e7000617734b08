//! What the network of a sandbox lets through by itself: every way around its rules, tried from inside.
//!
//! The gateway here is one that decides nothing and notes what is steered to it (`probes/egress/gateway.py`), so that
//! what does not get there was refused by the kernel.

use msb_testkit::{Account, Ended, Need, Workspace, accounts, finish, probes_dir, skip};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

const POLICY: &str = r#"edition 2026
policy net(workspace: dir) {
  include std.base
  include std.python
  limits { memory 1GiB  pids 64  wall 1min }
  syscalls { allow @network-io }
  fs { read $workspace at /work }
  net {
    allow tcp "name.example":8443
    allow tcp 198.51.100.7:8000..8099, udp 198.51.100.7:5300
    allow tcp [2001:db8::7]:8000
RULES
  }
}
"#;

/// A sandbox with the gateway of the tests.
struct Stage {
    workspace: Workspace,
    plan: PathBuf,
    notes: PathBuf,
}

impl Stage {
    /// `None`, with the skip counted, without Python.
    fn new(account: Account, rules: &str) -> Option<Stage> {
        if !std::path::Path::new("/usr/bin/python3").is_file() {
            skip(Need::Python, "there is no /usr/bin/python3");
            return None;
        }
        let workspace = Workspace::new(account);
        for script in ["gateway.py", "attacks.py"] {
            workspace.copy(&probes_dir().join("egress").join(script), &format!("work/{script}"));
        }
        let notes = workspace.write("notes", b"");
        workspace.own();
        let gateway = workspace.join("gateway.py");
        std::fs::set_permissions(&gateway, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("its mode");
        let plan = workspace.compile(&POLICY.replace("RULES", rules));
        Some(Stage { workspace, plan, notes })
    }

    fn command(&self, inside: &[&str]) -> Command {
        let mut command = self.workspace.command(self.workspace.bin().join("msb-launch"));
        command.arg(&self.plan).args(["--gateway".as_ref(), self.workspace.join("gateway.py").as_os_str()]);
        command.args(["--set", &self.workspace.setting(), "--"]).args(inside);
        command.env("MSB_TEST_NOTES", &self.notes);
        command
    }

    fn run(&self, inside: &[&str]) -> Ended {
        finish(&mut self.command(inside), 60)
    }

    fn notes(&self) -> Vec<String> {
        let notes = std::fs::read_to_string(&self.notes).expect("notes");
        notes.lines().map(str::to_owned).collect()
    }
}

/// What each attempt of attacks.py gives. What gets through names whom the gateway was asked for.
const EXPECTED: &[(&str, &str)] = &[
    ("name", "198.18.1.0 8443"),
    ("address", "198.51.100.7 8000"),
    ("address_mapped", "198.51.100.7 8000"),
    ("address_v6", "2001:db8::7 8000"),
    ("datagram", "198.51.100.7 5300"),
    ("datagram_large", "198.51.100.7 5300"),
    ("source_port_is_destination_port", "198.51.100.7 8042"),
    ("own_server", "own"),
    ("own_server_on_every_address_is_not_asked_for_others", "198.51.100.7 8000"),
    ("own_server_at_the_name_is_not_asked", "198.18.1.0 8443"),
    ("own_server_on_every_address_is_not_asked_for_what_is_denied", "ECONNREFUSED"),
    ("denied_address", "ECONNREFUSED"),
    ("denied_port", "ECONNREFUSED"),
    ("denied_address_mapped", "ECONNREFUSED"),
    ("denied_address_v6", "ECONNREFUSED"),
    ("denied_name_port", "ECONNREFUSED"),
    ("other_inside_address", "ECONNREFUSED"),
    ("leased_address_without_wildcard", "ECONNREFUSED"),
    ("host_loopback", "ECONNREFUSED"),
    ("metadata", "ECONNREFUSED"),
    ("gateway_socket", "ECONNREFUSED"),
    ("gateway_other_port", "ECONNREFUSED"),
    ("nonblocking", "ECONNREFUSED"),
    ("reconnect_after_unspec", "ECONNREFUSED"),
    ("fastopen_sendto", "ECONNREFUSED"),
    ("fastopen_connect", "ECONNREFUSED"),
    ("datagram_denied", "EPERM"),
    ("datagram_denied_v6", "EPERM"),
    ("datagram_connected_sendto_elsewhere", "EPERM"),
    ("datagram_reconnected", "EPERM"),
    ("sendmmsg_elsewhere", "EPERM"),
    ("multicast", "EPERM"),
    ("broadcast", "EPERM"),
    ("multipath_tcp", "EACCES"),
    ("udp_lite", "EACCES"),
    ("sctp", "EACCES"),
    ("dccp", "EACCES"),
    ("ping", "EACCES"),
    ("raw", "EACCES"),
    ("raw_with_a_high_bit", "EACCES"),
    ("packet", "EACCES"),
    ("vsock", "EACCES"),
    ("netlink", "EACCES"),
    ("mark", "EPERM"),
    ("transparent", "EPERM"),
    ("repair", "EPERM"),
    ("bound_to_device", "ECONNREFUSED"),
    ("source_routed", "EPERM"),
    ("bound_to_gateway_socket", "EACCES"),
    ("bound_to_dns", "EACCES"),
    ("spoofed_source", "nothing"),
    ("spoofed_source_datagram", "EPERM"),
    ("loopback_source", "nothing"),
    ("meeting_oneself", "nothing"),
    ("new_namespace", "EPERM"),
];

#[test]
fn nothing_gets_around_the_rules() {
    for account in accounts() {
        let Some(stage) = Stage::new(account, "") else { return };
        let ended = stage.run(&["/usr/bin/python3", "/work/attacks.py"]);
        assert_eq!(ended.code(), 0, "{}\n{}", ended.out(), ended.err());
        let out = ended.out();
        let found: BTreeMap<&str, &str> = out.lines().filter_map(|line| line.split_once(' ')).collect();
        let wrong: Vec<_> =
            EXPECTED.iter().filter(|(name, expected)| found.get(name) != Some(expected)).collect();
        let unknown: Vec<_> =
            found.keys().filter(|name| EXPECTED.iter().all(|(known, _)| known != *name)).collect();
        assert!(
            wrong.is_empty() && unknown.is_empty(),
            "{account:?}: expected {wrong:?} {unknown:?}, found {out}"
        );

        // What the gateway was asked for is what was allowed, and nothing else.
        let asked: Vec<String> =
            stage.notes().into_iter().filter(|it| it.starts_with("tcp") || it.starts_with("udp")).collect();
        let allowed =
            ["tcp 198.18.1.0 8443", "tcp 198.51.100.7 80", "tcp 2001:db8::7 8000", "udp 198.51.100.7 5300"];
        assert!(asked.len() >= 8, "{asked:?}");
        assert!(asked.iter().all(|it| allowed.iter().any(|allowed| it.starts_with(allowed))), "{asked:?}");
    }
}

/// The rules gone, as by somebody who kept every capability: nothing is open. The host's root takes them away here.
#[test]
fn without_rules_nothing_is_open() {
    for account in accounts() {
        let Some(stage) = Stage::new(account, "") else { return };
        let script = "python3 /work/attacks.py address; read go; \
                      exec python3 /work/attacks.py address denied_address datagram";
        let mut command = stage.command(&["sh", "-c", script]);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut launcher = command.spawn().expect("starts");
        let mut out = std::io::BufReader::new(launcher.stdout.take().expect("piped"));
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
        assert_eq!(line, "address 198.51.100.7 8000\n");
        let init = sandbox_of(launcher.id());
        let mut flush = std::process::Command::new("nsenter");
        flush.args(["--target", &init.to_string(), "--net", "nft", "flush", "ruleset"]);
        flush.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let flushed = finish(&mut flush, 20);
        if flushed.code() != 0 {
            skip(Need::Nft, "nft cannot be run in the sandbox's namespaces");
            drop(launcher.stdin.take());
            launcher.wait().expect("ends");
            continue;
        }
        std::io::Write::write_all(&mut launcher.stdin.take().expect("piped"), b"go\n").expect("written");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut out, &mut rest).expect("read");
        launcher.wait().expect("ends");
        assert_eq!(rest, "address ECONNREFUSED\ndatagram ECONNREFUSED\ndenied_address ECONNREFUSED\n");
        assert_eq!(
            stage.notes().iter().filter(|it| it.starts_with("tcp") || it.starts_with("udp")).count(),
            1
        );
    }
}

/// The sandbox's first process: the launcher's child that is in another network namespace.
fn sandbox_of(launcher: u32) -> u32 {
    let namespace = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    let children =
        std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).expect("children");
    let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    let other = |pid: &u32| namespace(*pid) != namespace(launcher);
    pids.into_iter().find(other).expect("a child in a namespace of its own")
}

#[test]
fn when_the_gateway_ends_everything_does() {
    for account in accounts() {
        let Some(stage) = Stage::new(account, "") else { return };
        let mut command = stage.command(&["sh", "-c", "echo ready; sleep 100"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut launcher = command.spawn().expect("starts");
        let mut ready = [0; 6];
        std::io::Read::read_exact(launcher.stdout.as_mut().expect("piped"), &mut ready).expect("ready");
        let sandbox = sandbox_of(launcher.id());
        let children =
            std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", launcher.id())).expect("children");
        let gateway: i32 = children
            .split_whitespace()
            .find(|pid| **pid != sandbox.to_string())
            .and_then(|pid| pid.parse().ok())
            .expect("the gateway");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(gateway), nix::sys::signal::Signal::SIGKILL)
            .expect("killed");
        let ended = launcher.wait_with_output().expect("ends");
        assert_eq!(ended.status.code(), Some(137));
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(
            said.contains("everything inside was killed, because the network gateway had ended"),
            "{said}"
        );
    }
}

#[test]
fn without_a_gateway_nothing_starts() {
    let Some(stage) = Stage::new(Account::current(), "") else { return };
    let mut command = stage.command(&["echo", "started"]);
    command.env("MSB_TEST_FAIL", "1");
    let ended = finish(&mut command, 20);
    assert_eq!((ended.code(), ended.out().as_str()), (125, ""));
    assert!(ended.err().contains("could not start the network gateway"), "{}", ended.err());
    assert!(ended.err().contains("policy.msb:8: net {"), "{}", ended.err());
}

/// A port is published by sockets that the sandbox's init makes on demand.
#[test]
fn a_published_port_is_dialled_from_inside() {
    for account in accounts() {
        let Some(stage) = Stage::new(account, "    listen tcp host:8888") else { return };
        let server = "import socket; s = socket.create_server(('127.0.0.1', 8888)); \
                      c = socket.create_connection(('198.51.100.7', 8000)); c.recv(100); \
                      a, _ = s.accept(); print(a.recv(100).decode(), end=''); a.sendall(b'hello from inside')";
        let mut command = stage.command(&["/usr/bin/python3", "-c", server]);
        command.env("MSB_TEST_DIAL", "8888");
        let ended = finish(&mut command, 30);
        assert_eq!((ended.code(), ended.out().as_str()), (0, "hello from outside\n"), "{}", ended.err());
        assert!(stage.notes().contains(&"dialled hello from inside".to_owned()), "{:?}", stage.notes());
    }
}

/// Certificates of the run are where programs look for them, and the secret's source goes to the gateway alone.
#[test]
fn certificates_and_secrets_go_where_they_belong() {
    for account in accounts() {
        let rules = "    allow https \"api.example\" inject $key";
        let Some(mut stage) = Stage::new(account, "") else { return };
        let with_key =
            POLICY.replace("(workspace: dir)", "(workspace: dir, key: secret)").replace("RULES", rules);
        stage.plan = stage.workspace.compile(&with_key);
        let script = "cat \"$SSL_CERT_FILE\"; cat /etc/ssl/certs/ca-certificates.crt; echo $NODE_EXTRA_CA_CERTS; \
                      echo $JAVA_TOOL_OPTIONS; cat /etc/msb-certificates.jks; env | grep -c KEY_OF_TEST";
        let launch = |set: &str| {
            let mut command = stage.workspace.command(stage.workspace.bin().join("msb-launch"));
            command
                .arg(&stage.plan)
                .args(["--gateway".as_ref(), stage.workspace.join("gateway.py").as_os_str()]);
            command.args(["--set", &stage.workspace.setting(), "--set", set, "--", "sh", "-c", script]);
            command.env("MSB_TEST_NOTES", &stage.notes).env("MSB_TEST_TRUST", "certificates\n");
            command.env("KEY_OF_TEST", "secret");
            finish(&mut command, 30)
        };
        let ended = launch("key=env:KEY_OF_TEST");
        assert_eq!(
            ended.out(),
            "certificates\ncertificates\n/etc/msb-certificates.pem\n\
             -Djavax.net.ssl.trustStore=/etc/msb-certificates.jks\ncertificates\n0\n",
            "{}",
            ended.err()
        );
        assert_eq!(
            stage.notes().first().map(String::as_str),
            Some("arguments --plan-fd --sockets-fd --set key=env:KEY_OF_TEST")
        );
        // By value it would be in an argument vector.
        let ended = launch("key=sk-123");
        assert_eq!(ended.code(), 125);
        assert!(ended.err().contains("could not take a secret by value"), "{}", ended.err());
    }
}

//! Names inside, as resolvers of real programs ask for them, and hosts that are given at launch.

use msb_testkit::{Need, World, accounts, check_inside, finish, has, skip};
use std::process::Command;

const POLICY: &str = r#"edition 2026
policy net(workspace: dir, key: secret) {
  include std.base
  include std.python
  include std.node
  limits { memory 4GiB  pids 128  wall 1min }
  syscalls { allow @network-io, @system-service }
  accept MSB0809, MSB0816 because "the world of the test has plain servers"
  fs { write $workspace at /work  scratch /tmp size 64MiB inodes 1000 }
  env { pass PATH  set HOME = "/tmp" }
  net {
    allow http "web.example"
    allow tls "tls.example"
    allow tcp "bücher.example":443
    allow tls "*.wild.example"
  }
}
"#;

#[test]
fn dig_is_answered_as_by_a_server() {
    let status = |words: &str| format!("dig +noall +comments {words} | grep -o 'status: [A-Z]*'");
    check_inside(
        POLICY,
        Some,
        &[
            ("dig +short web.example", "0 198.18.1."),
            ("dig +short +tcp web.example", "0 198.18.1."),
            ("dig +short +noedns web.example", "0 198.18.1."),
            ("dig +short +bufsize=512 +dnssec +cookie web.example", "0 198.18.1."),
            ("dig +short +ignore +bufsize=4096 a.wild.example", "0 198.19."),
            // A name in mixed case comes back as it was asked for (0x20).
            ("dig +noall +answer wEb.ExAmPLe | head -c 12", "0 wEb.ExAmPLe."),
            // A refusal says so, by UDP and TCP, and nothing is said to who does not speak EDNS.
            (
                "dig other.example | grep -o 'EDE: .*'",
                "0 EDE: 15 (Blocked): (no rule of the sandbox's policy names other.example)",
            ),
            ("dig +tcp other.example | grep -c 'EDE: 15 (Blocked)'", "0 1"),
            ("dig +noedns other.example | grep -c EDE", "1 0"),
            ("dig web.example | grep -c EDE", "1 0"),
            (&status("+edns=1 +noednsnegotiation web.example"), "0 status: BADVERS"),
            (&status("+edns=1 web.example"), "0 status: NOERROR"),
            (&status("other.example"), "0 status: NXDOMAIN"),
            (&status("wild.example"), "0 status: NXDOMAIN"),
            (&status("_dmarc.a.wild.example TXT"), "0 status: NXDOMAIN"),
            (&status("CH TXT version.bind"), "0 status: NOTIMP"),
            // There is nothing of another kind, which is not the same as no such name.
            (
                "for kind in AAAA HTTPS SVCB TXT SRV MX NS CAA SOA; do dig +noall +comments +answer web.example $kind \
             | grep -c 'NOERROR'; done | sort | uniq -c | tr -s ' '",
                "0  9 1",
            ),
            ("dig +short web.example ANY", "0 198.18.1."),
            // An address inside leads back to its name, and no other does.
            ("dig +short -x $(dig +short web.example)", "0 web.example."),
            ("dig +short -x $(dig +short a.wild.example)", "0 a.wild.example."),
            ("dig -x 203.0.113.10 | grep -c NXDOMAIN", "0 1"),
            ("dig -x 2001:db8::1 | grep -c NXDOMAIN", "0 1"),
            // Unicode, and what becomes of it.
            ("dig +short xn--bcher-kva.example | head -c 7", "0 198.18."),
            ("dig +short XN--BCHER-KVA.Example. | head -c 7", "0 198.18."),
        ],
    );
}

#[test]
fn resolvers_of_programs_find_the_same() {
    let node = |script: &str| format!("node -e '{script}'");
    let lookup = "const d = require(\"dns\"), show = (e, a) => console.log(e ? e.code : JSON.stringify(a)); ";
    check_inside(
        POLICY,
        Some,
        &[
            ("cat /etc/resolv.conf", "0 nameserver 198.18.0.1 "),
            ("getent hosts web.example | cut -c1-9", "0 198.18.1."),
            ("getent ahostsv4 WEB.Example. | head -1 | cut -c1-9", "0 198.18.1."),
            // IPv4 alone: who wants IPv6 gets IPv4 in its form.
            ("getent ahostsv6 web.example | head -1 | cut -c1-16", "0 ::ffff:198.18.1."),
            ("getent hosts web", "2 "),
            ("getent hosts other.example", "2 "),
            ("getent hosts localhost | cut -d' ' -f1", "0 ::1"),
            (
                "python3 -c 'import socket; print(socket.getaddrinfo(\"web.example\", 80, type=1)[0][4])'",
                "0 ('198.18.1.",
            ),
            (
                "python3 -c 'import socket; print({i[0].name for i in socket.getaddrinfo(\"web.example\", 80)})'",
                "0 {'AF_INET'}",
            ),
            (
                "python3 -c 'import socket; socket.getaddrinfo(\"web.example\", 80, socket.AF_INET6)'",
                "1 Traceback",
            ),
            (
                "python3 -c 'import socket; print(socket.gethostbyname(\"b\\u00fccher.example\"))'",
                "0 198.18.1.",
            ),
            (
                "python3 -c 'import socket; print(socket.gethostbyaddr(socket.gethostbyname(\"web.example\"))[0])'",
                "0 web.example",
            ),
            (&node(&format!("{lookup} d.lookup(\"web.example\", show)")), "0 \"198.18.1."),
            (&node(&format!("{lookup} d.lookup(\"b\\u00fccher.example\", show)")), "0 \"198.18.1."),
            (&node(&format!("{lookup} d.lookup(\"other.example\", show)")), "0 ENOTFOUND"),
            (&node(&format!("{lookup} d.resolve4(\"web.example\", show)")), "0 [\"198.18.1."),
            (&node(&format!("{lookup} d.resolve6(\"web.example\", show)")), "0 ENODATA"),
            (&node(&format!("{lookup} d.resolveMx(\"web.example\", show)")), "0 ENODATA"),
            (&node(&format!("{lookup} d.resolveSrv(\"_http._tcp.web.example\", show)")), "0 ENOTFOUND"),
            (
                "node -e 'fetch(\"http://web.example/a\").then(a => a.text()).then(t => console.log(t.trim()))'",
                "0 203.0.113.10 GET /a host=web.example",
            ),
        ],
    );
}

/// The resolver of musl asks for both kinds of addresses at once, and takes the first error for all.
#[test]
fn musl_finds_the_same() {
    const PROGRAM: &str = "#include <netdb.h>\n#include <stdio.h>\n#include <arpa/inet.h>\n\
        int main(int n, char **a) { struct addrinfo *r, h = {.ai_socktype = 1};\n\
        int e = getaddrinfo(a[1], 0, &h, &r); if (e) { puts(gai_strerror(e)); return 1; }\n\
        char t[64]; for (; r; r = r->ai_next) { getnameinfo(r->ai_addr, r->ai_addrlen, t, 64, 0, 0, 1); puts(t); }\n\
        return 0; }\n";
    if !has("musl-gcc") {
        skip(Need::Clients, "musl-gcc is missing");
        return;
    }
    let prepare = |world: World| {
        let source = world.workspace.write("resolve.c", PROGRAM.as_bytes());
        let program = world.workspace.join("resolve");
        let mut compiler = Command::new("musl-gcc");
        let made = finish(compiler.arg("-static").arg("-o").arg(&program).arg(source), 60);
        assert_eq!(made.code(), 0, "{}", made.err());
        world.workspace.own();
        Some(world)
    };
    let policy = POLICY.replace("write $workspace at /work", "run $workspace at /work");
    check_inside(
        &policy,
        prepare,
        &[
            ("/work/resolve web.example", "0 198.18.1."),
            ("/work/resolve a.wild.example", "0 198.19."),
            ("/work/resolve xn--bcher-kva.example", "0 198.18.1."),
            ("/work/resolve other.example", "1 Name does not resolve"),
            ("/work/resolve web", "1 Name does not resolve"),
        ],
    );
}

const GIVEN: &str = r#"edition 2026
policy given(workspace: dir, key: secret, site: host = "web.example") {
  include std.base
  limits { memory 1GiB  pids 128  wall 1min }
  syscalls { allow @network-io, @system-service }
  accept MSB0809 because "the world of the test has plain servers"
  fs { read $workspace at /work }
  env { pass PATH }
  net {
    allow http $site
    allow tcp "raw.example":9000
    deny tcp "denied.example", tcp private
  }
  assert {
    deny connect http "api.example":80 because "it is somebody else's"
    deny connect tcp "seen.example"
  }
}
"#;

/// A host that is given at launch is one name, whatever its spelling, and everything else ends the launch with a line.
#[test]
fn a_host_is_given_by_its_name() {
    let curl = "for site in web.example other.example; do curl -sS -m 10 http://$site/ || echo none; done 2>&1 | cut -c1-40";
    let (web, other) = ("203.0.113.10 GET / host=web.example", "203.0.113.10 GET / host=other.example");
    for account in accounts() {
        let Some(world) = World::new(account) else { return };
        for (given, expected) in [
            (&[][..], [web, "none"]),
            (&["--set", "site=web.example"], [web, "none"]),
            (&["--set", "site=WEB.Example."], [web, "none"]),
            (&["--set", "site=other.example"], ["none", other]),
            // Its address is private, which only shows when it is dialled.
            (&["--set", "site=private.example"], ["none", "none"]),
            // Also named by another rule, on another port.
            (&["--set", "site=raw.example"], ["none", "none"]),
        ] {
            let ended = world.run(GIVEN, given, &["bash", "-c", curl]);
            let out = ended.out();
            let found: Vec<&str> =
                out.lines().filter(|line| line.starts_with("203.") || *line == "none").collect();
            let starts = |(found, expected): (&&str, &str)| {
                expected.starts_with(*found) || found.starts_with(expected)
            };
            assert_eq!(found.len(), 2, "{account:?} {given:?} {out} {}", ended.err());
            assert!(found.iter().zip(expected).all(starts), "{account:?} {given:?} {out} {}", ended.err());
        }
        for (given, code, line, says) in [
            ("203.0.113.10", "MSB1125", 10, "an address, and a parameter stands for a name"),
            ("2001:db8::10", "MSB1125", 10, "an address, and a parameter stands for a name"),
            ("203.0.113.0/24", "MSB1125", 10, "an address, and a parameter stands for a name"),
            ("169.254.169.254", "MSB1125", 10, "an address, and a parameter stands for a name"),
            ("*.example", "MSB1125", 10, "many names, and a parameter stands for one"),
            ("localhost", "MSB1125", 10, "which no parameter may stand for"),
            ("host", "MSB1125", 10, "which no parameter may stand for"),
            ("metadata.google.internal", "MSB1125", 10, "which no parameter may stand for"),
            ("any", "MSB1125", 10, "which no parameter may stand for"),
            ("web.example:80", "MSB1125", 10, "which is no name of a host"),
            ("http://web.example/", "MSB1125", 10, "which is no name of a host"),
            ("no name", "MSB1125", 10, "which is no name of a host"),
            ("", "MSB1125", 10, "which is no name of a host"),
            ("denied.example", "MSB1125", 12, "this line denies all that a parameter would allow"),
            // An assertion is decided again.
            ("api.example", "MSB1124", 15, "assert"),
            ("seen.example", "MSB1124", 16, "assert"),
        ] {
            let ended = world.run(GIVEN, &["--set", &format!("site={given}")], &["true"]);
            let err = ended.err();
            assert_eq!(ended.code(), 125, "{given}: {err}");
            // In one line, however it was broken for the terminal.
            let text = err.split_whitespace().collect::<Vec<_>>().join(" ");
            let says = says.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(text.contains(code) && text.contains(&says), "{given}: {err}");
            assert!(text.contains(&format!("policy.msb:{line}:")), "{given}: {err}");
        }
    }
}

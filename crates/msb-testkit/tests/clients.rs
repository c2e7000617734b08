//! curl and its like in a sandbox, on a host with an internet of its own: what the policy names is reached, and nothing
//! else.

use msb_testkit::{Need, World, accounts, binaries, check_inside, finish, skip};
use std::process::Command;

const POLICY: &str = r#"edition 2026
policy net(workspace: dir, key: secret) {
  include std.base
  include std.python
  limits { memory 2GiB  pids 128  wall 1min }
  syscalls { allow @network-io, @system-service  errno EPERM personality where persona != 0 }
  accept MSB0809 because "the world of the test has plain servers"
  fs { write $workspace at /work  scratch /tmp size 64MiB inodes 1000 }
  env { pass PATH  set HOME = "/tmp" }
  net {
    allow http "web.example"
    allow tcp "raw.example":9000, udp "raw.example":5300
    allow tls "tls.example"
    allow https "api.example" only GET, HEAD inject $key
    allow http "private.example"
    allow tcp host:5432
    listen tcp host:8888
RULES
  }
}
"#;

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    check_inside(&POLICY.replace("RULES", ""), with_files, cases);
}

/// A file of three megabytes to download.
fn with_files(world: World) -> Option<World> {
    std::fs::write(world.directory.join("www/file"), vec![b'x'; 3_000_000]).expect("a file");
    Some(world)
}

const CURL: &str = "curl -sS -m 10";

#[test]
fn curl_reaches_what_is_named() {
    check(&[
        (&format!("{CURL} http://web.example/a"), "0 203.0.113.10 GET /a host=web.example key=None"),
        (&format!("{CURL} -I http://web.example/"), "0 HTTP/1.1 200"),
        (&format!("{CURL} https://tls.example/"), "0 203.0.113.12 GET / host=tls.example"),
        // The secret is the gateway's: what the program sends in its place is replaced.
        (&format!("{CURL} https://api.example/"), "0 203.0.113.13 GET / host=api.example key=Bearer sk-4711"),
        (
            &format!("{CURL} -H 'Authorization: Bearer mine' https://api.example/"),
            "0 203.0.113.13 GET / host=api.example key=Bearer sk-4711",
        ),
        ("env | grep -c sk-4711", "1 0"),
        (
            &format!("{CURL} -o /work/file -w '%{{size_download}}' https://api.example/files/file"),
            "0 3000000",
        ),
        (
            "python3 -c 'import socket; print(socket.create_connection((\"raw.example\", 9000)).recv(9))'",
            "0 b'raw'",
        ),
        (
            "python3 -c 'import socket; print(socket.create_connection((\"host\", 5432)).recv(9))'",
            "0 b'host'",
        ),
        (
            "python3 -c 'import socket; s = socket.socket(2, 2); s.settimeout(5); \
                 s.connect((\"raw.example\", 5300)); s.send(b\"hi\"); print(s.recv(99))'",
            "0 b'echo hi'",
        ),
    ]);
}

#[test]
fn curl_is_refused_everything_else() {
    check(&[
        (&format!("{CURL} http://other.example/"), "6 curl: (6) Could not resolve host"),
        (&format!("{CURL} http://nowhere.example/"), "6 curl: (6) Could not resolve host"),
        (&format!("{CURL} http://203.0.113.10/"), "7 curl: (7) Failed to connect"),
        (&format!("{CURL} http://web.example:81/"), "7 curl: (7) Failed to connect"),
        (&format!("{CURL} http://169.254.169.254/"), "7 curl: (7) Failed to connect"),
        (&format!("{CURL} http://127.0.0.1:5432/"), "7 curl: (7) Failed to connect"),
        // Another name on the same server, with this one's address.
        (&format!("{CURL} -H 'Host: other.example' http://web.example/"), "0 {"),
        (
            &format!(
                "a=$(getent hosts tls.example | cut -d' ' -f1); {CURL} --connect-to twin.example:443:$a:443 https://twin.example/"
            ),
            "35 curl: (35)",
        ),
        (&format!("{CURL} -w '%{{http_code}}' -d x https://api.example/"), "0 {"),
        (&format!("{CURL} -o /dev/null -w '%{{http_code}}' -d x https://api.example/"), "0 403"),
        (&format!("{CURL} -o /dev/null -w '%{{http_code}}' -X DELETE https://api.example/"), "0 403"),
        // A name that leads to a private address.
        (&format!("{CURL} -o /dev/null -w '%{{http_code}}' http://private.example/"), "0 403"),
    ]);
}

#[test]
fn other_clients_reach_the_same() {
    check(&[
        ("wget -qO- https://api.example/", "0 203.0.113.13 GET / host=api.example key=Bearer sk-4711"),
        ("wget -qO- http://web.example/", "0 203.0.113.10 GET / host=web.example"),
        ("wget -qO- http://other.example/", "4 "),
        (
            "python3 -c 'import urllib.request as u; print(u.urlopen(\"https://api.example/p\").read().decode())'",
            "0 203.0.113.13 GET /p host=api.example",
        ),
        ("getent hosts web.example | cut -c1-7", "0 198.18."),
        ("dig +short api.example", "0 198.18.1."),
        ("dig +tcp +short api.example", "0 198.18.1."),
        ("dig +short AAAA api.example", "0  "),
        ("dig +short TXT api.example", "0  "),
        ("dig nowhere.example | grep -c NXDOMAIN", "0 1"),
        ("dig +short +time=1 +tries=1 @203.0.113.9 api.example | head -c 20", "0 "),
    ]);
}

/// Git by its protocol for plain servers, pip and npm from mirrors that are files.
#[test]
fn developers_tools_work_through_rules_for_reading() {
    for account in accounts() {
        let Some(world) = World::new(account).and_then(with_files) else { return };
        let www = world.directory.join("www");
        let make = "git init -q --bare repo.git && git init -q work && cd work && echo hello > README && git add . \
            && git -c user.name=t -c user.email=t@example commit -qm one && git push -q ../repo.git HEAD:main \
            && cd ../repo.git && git symbolic-ref HEAD refs/heads/main && git update-server-info";
        let made = finish(Command::new("sh").args(["-c", make]).current_dir(&www), 30);
        if made.code() != 0 {
            skip(Need::Clients, "git is missing");
            return;
        }
        let policy = POLICY.replace("RULES", "");
        let script = "git clone -q https://api.example/files/repo.git /work/clone && cat /work/clone/README; \
             git clone -q https://other.example/files/repo.git /work/other 2>/dev/null; echo $?";
        let ended = world.run(&policy, &[], &["bash", "-c", script]);
        assert_eq!(ended.out(), "hello\n128\n", "{account:?} {}", ended.err());
    }
}

/// A server of the sandbox on the host's loopback, on whichever loopback it listens, and a log of all of it.
#[test]
fn a_published_port_is_reached_from_the_host_and_everything_is_logged() {
    for (account, at) in accounts().into_iter().flat_map(|it| [(it, "127.0.0.1"), (it, "::1")]) {
        let Some(world) = World::new(account).and_then(with_files) else { return };
        let policy = world.workspace.write("policy.msb", POLICY.replace("RULES", "").as_bytes());
        let bin = binaries().msbc.clone();
        assert!(bin.is_file());
        let script = format!(
            "{msbc} run {policy} --set {setting} --set key=env:KEY --audit {base}/audit --report {base}/report -- \
               timeout 20 python3 -m http.server 8888 --bind {at} --directory /work >/dev/null 2>&1 & \
             for i in $(seq 100); do curl -sS -m 5 http://127.0.0.1:8888/README.md 2>/dev/null && break; sleep 0.1; done; \
             curl -sS -m 5 http://127.0.0.1:8888/README.md; kill $!; wait",
            msbc = world.workspace.bin().join("msbc").display(),
            policy = policy.display(),
            setting = world.workspace.setting(),
            base = world.workspace.base().join("home").display(),
        );
        let ended = finish(&mut world.host(&["sh", "-c", &script]), 60);
        assert_eq!(ended.out(), "a checkout\na checkout\n", "{account:?} {}", ended.err());
        let log = std::fs::read_to_string(world.workspace.home().join("audit")).expect("a log");
        assert!(log.lines().count() >= 2 && log.contains("\"totals\""), "{log}");
        assert!(!log.contains("sk-4711"), "{log}");
        assert!(log.contains("\"address\":\"127.0.0.1:8888\"") && log.contains("\"listen\""), "{log}");
    }
}

/// Ports that the launch chooses: said on standard error, by both addresses of the loopback, while it runs; in the report,
/// and by `--json`.
#[test]
fn a_port_that_is_chosen_is_told_while_it_runs() {
    let outside = "import json, subprocess, sys, time, urllib.request as u\n\
        def get(where):\n\
        \x20   for _ in range(100):\n\
        \x20       try: return u.urlopen(f'http://{where}/', timeout=5).read().decode()\n\
        \x20       except OSError: time.sleep(0.1)\n\
        p = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, text=True)\n\
        if '--json' in sys.argv:\n\
        \x20   line = next(it for it in map(json.loads, p.stderr) if it['event'] == 'published')\n\
        \x20   print(line['host'], line['inside'], line['protocol']); port = line['port']\n\
        else:\n\
        \x20   line = next(it for it in p.stderr if ' is tcp port ' in it); port = int(line.split(':')[2].split()[0])\n\
        \x20   print(line.replace(str(port), 'PORT').split(' (')[0])\n\
        print(get(f'127.0.0.1:{port}') == get(f'[::1]:{port}') == get(f'localhost:{port}'))\n\
        p.terminate(); p.wait()\n\
        report = [json.loads(line) for line in open('REPORT')]\n\
        print([it['port'] == port for it in report if it['event'] == 'published'])\n";
    for (account, json) in accounts().into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let Some(world) = World::new(account).and_then(with_files) else { return };
        let policy = POLICY.replace("listen tcp host:8888", "listen tcp host:0 at 8888").replace("RULES", "");
        let policy = world.workspace.write("policy.msb", policy.as_bytes());
        let report = world.workspace.home().join("report");
        let outside = outside.replace("REPORT", report.to_str().expect("UTF-8"));
        let outside = world.workspace.write("outside.py", outside.as_bytes());
        let mut command = world.host(&["python3"]);
        command.arg(outside).arg(world.workspace.bin().join("msbc")).arg("run").arg(policy);
        command.args(["--set", &world.workspace.setting(), "--set", "key=env:KEY"]);
        command.arg("--report").arg(&report).args(json.then_some("--json"));
        let ended = finish(command.args(["--", "python3", "-m", "http.server", "8888"]), 60);
        let said = if json {
            "localhost 8888 tcp\n"
        } else {
            "msbc: localhost:PORT is tcp port 8888 of the sandbox\n"
        };
        assert_eq!(ended.out(), format!("{said}True\n[True]\n"), "{account:?} {}", ended.err());
    }
}

/// A published port of datagrams, a socket of the host by its path, and a secret that a program prints.
#[test]
fn datagrams_are_published_sockets_are_shown_and_commands_print_secrets() {
    for account in accounts() {
        let Some(world) = World::new(account) else { return };
        let home = world.workspace.home();
        let rules = "listen udp host:8889\n    allow unix SOCKET"
            .replace("SOCKET", home.join("socket").to_str().expect("UTF-8"));
        let policy = world.workspace.write("policy.msb", POLICY.replace("RULES", &rules).as_bytes());
        let inside = "import socket, urllib.request as u\n\
            print(u.urlopen('https://api.example/p').read().decode().strip(), flush=True)\n\
            s = socket.socket(socket.AF_UNIX); s.connect('SOCKET'); print(s.recv(9).decode(), flush=True)\n\
            d = socket.socket(2, 2); d.bind(('127.0.0.1', 8889))\n\
            data, peer = d.recvfrom(99); d.sendto(b'inside got ' + data, peer)\n\
            data, peer = d.recvfrom(99); d.sendto(b'and ' + data, peer)\n";
        let inside = inside.replace("SOCKET", home.join("socket").to_str().expect("UTF-8"));
        world.workspace.write("work/inside.py", inside.as_bytes());
        let outside = "import os, socket, subprocess, sys\n\
            s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); s.listen()\n\
            p = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, text=True)\n\
            print(p.stdout.readline(), end='')\n\
            c, _ = s.accept(); c.sendall(b'outside'); print(p.stdout.readline(), end='')\n\
            d = socket.socket(2, 2); d.settimeout(1); d.connect(('127.0.0.1', 8889))\n\
            def ask(text):\n\
            \x20   for _ in range(20):\n\
            \x20       d.send(text)\n\
            \x20       try: return d.recv(99)\n\
            \x20       except (TimeoutError, ConnectionRefusedError): pass\n\
            print(ask(b'one').decode()); print(ask(b'two').decode()); sys.exit(p.wait())\n";
        let outside = world.workspace.write("outside.py", outside.as_bytes());
        let mut command = world.host(&["python3"]);
        command
            .arg(outside)
            .arg(home.join("socket"))
            .arg(world.workspace.bin().join("msbc"))
            .arg("run")
            .arg(policy);
        command.args(["--set", &world.workspace.setting(), "--set", "key=command:echo sk-printed", "--"]);
        let ended = finish(command.args(["python3", "/work/inside.py"]), 60);
        let expected = "203.0.113.13 GET /p host=api.example key=Bearer sk-printed\noutside\n\
            inside got one\nand two\n";
        assert_eq!(ended.out(), expected, "{account:?} {}", ended.err());
    }
}

/// A policy must not execute anything on the host, and a program that fails says why.
#[test]
fn a_command_that_prints_a_secret_is_named_by_who_launches() {
    let Some(world) = accounts().first().and_then(|account| World::new(*account)) else { return };
    let policy =
        POLICY.replace("RULES", "").replace("key: secret", "key: secret = \"command:touch /work/made\"");
    let mut command = world.host(&[]);
    command.arg(world.workspace.bin().join("msbc")).arg("run");
    command.arg(world.workspace.write("policy.msb", policy.as_bytes()));
    let ended = finish(command.args(["--set", &world.workspace.setting(), "--", "true"]), 60);
    assert_ne!(ended.code(), 0);
    assert!(!world.workspace.join("made").exists());
    let policy = world.workspace.write("policy.msb", POLICY.replace("RULES", "").as_bytes());
    let mut command = world.host(&[]);
    command.arg(world.workspace.bin().join("msbc")).arg("run").arg(policy);
    command.args([
        "--set",
        &world.workspace.setting(),
        "--set",
        "key=command:ls /no/such/file",
        "--",
        "true",
    ]);
    let ended = finish(&mut command, 60);
    assert_eq!(ended.code(), 125);
    assert!(ended.err().contains("cannot access '/no/such/file'"), "{}", ended.err());
    assert!(ended.err().contains("MSB1122"), "{}", ended.err());
}

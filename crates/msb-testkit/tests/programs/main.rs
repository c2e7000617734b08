//! The clients that developers use, in a sandbox, against servers of the test: each one reaches what its rule allows,
//! read by the gateway (`seen.example`) and not (`sealed.example`), and is refused the rest at once, in words.

mod clients;

use clients::with_scripts;
use msb_testkit::{Need, World, check_inside, finish, has, skip};
use std::path::Path;
use std::process::Command;

const POLICY: &str = r#"edition 2026
policy programs(workspace: dir, key: secret, other: secret) {
  include std.base
  include std.python
  include std.node
  limits { memory 4GiB  pids 256  wall 2min }
  syscalls { allow @network-io, @system-service  errno EPERM personality where persona != 0 }
  fs { write $workspace at /work  run CLIENTS  read /etc/java-17-openjdk optional  scratch /tmp size 128MiB inodes 4000 }
  env { pass PATH  set HOME = "/tmp" }
  net {
    allow https "seen.example" only GET, HEAD, POST inject $key
    allow https "reading.example" only GET, HEAD
    allow https "models.example" only POST /v1/chat/completions inject $key
    allow https "claude.example" only POST /v1/messages inject $other
    allow https "calls.example" only POST /test.Echo/*
    allow https "calls-few.example" only POST /test.Echo/* rate 2/h burst 2  quota 1MiB
    allow tls "sealed.example", tls "calls-sealed.example"
    allow tcp "git.example":22
  }
}
"#;

fn policy(clients: &Path) -> String {
    POLICY.replace("CLIENTS", clients.to_str().expect("UTF-8"))
}

/// What a program that prints status and body gives for an allowed and for a refused request; `%` is the command.
fn fetches(command: &str, unknown: &str) -> Vec<(String, String)> {
    let with = |words: &str| format!("timeout 20 {command} {words}");
    vec![
        (with("GET https://seen.example/echo/a"), "0 200 GET /echo/a key=Bearer sk-4711".to_owned()),
        (with("GET https://sealed.example/echo/b"), "0 200 GET /echo/b key=None".to_owned()),
        (
            with("DELETE https://reading.example/echo/c"),
            "0 403 {\"detail\":\"DELETE /echo/c is not allowed on".to_owned(),
        ),
        (
            format!(
                "{} | grep -o 'allow https .* only DELETE /echo/c' | head -1",
                with("DELETE https://reading.example/echo/c")
            ),
            "0 allow https \"reading.example\":443 only DELETE /echo/c".replace('"', "\\\""),
        ),
        (with("GET https://denied.example/"), unknown.to_owned()),
    ]
}

#[track_caller]
fn check(clients: &Path, prepare: impl Fn(World) -> World, cases: &[(String, String)]) {
    let cases: Vec<(&str, &str)> = cases.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    check_inside(&policy(clients), |world| Some(prepare(with_scripts(world))), &cases);
}

fn own(cases: &[(&str, &str)]) -> Vec<(String, String)> {
    cases.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn libraries_of_python() {
    let Some(clients) = clients::python() else { return };
    let python = format!("{}/bin/python /work/clients.py", clients.display());
    let mut cases = Vec::new();
    for (library, unknown) in [
        ("requests", "1 ConnectionError:"),
        ("httpx", "1 ConnectError:"),
        ("aiohttp", "1 ClientConnectorDNSError:"),
    ] {
        cases.extend(fetches(&format!("{python} {library}"), unknown));
    }
    for host in ["seen", "sealed"] {
        cases.push((
            format!("{python} chunks POST https://{host}.example/echo/p | cut -d' ' -f1-3,5-"),
            if host == "seen" { "0 200 POST /echo/p sk-4711 one two" } else { "0 200 POST /echo/p one two" }
                .to_owned(),
        ));
        cases.push((
            format!("{python} events - https://{host}.example"),
            "0 data: one gone data: two".to_owned(),
        ));
        cases.push((format!("{python} socket - wss://{host}.example/socket"), "0 hi again".to_owned()));
    }
    // A WebSocket is a GET: where that is refused, so is it.
    cases.push((format!("{python} chunks POST https://reading.example/"), "0 403 {".to_owned()));
    check(&clients, |world| world, &cases);
}

/// What agents do all day: a chat that is streamed, with a key that the program does not have.
#[test]
fn models() {
    let Some(clients) = clients::python() else { return };
    let python = format!("timeout 60 {}/bin/python /work/clients.py", clients.display());
    let cases = own(&[
        (
            &format!("{python} openai - https://models.example"),
            "0 Bearer sk-4711 hi  403 GET /v1/files is not allowed on \"models.example\": its rules allow POST /v1/chat/completions",
        ),
        (
            &format!("{python} anthropic - https://claude.example"),
            "0 sk-4712 hi  403 allow https \"claude.example\":443 only GET /v1/models inject $other",
        ),
        (
            &format!("{python} openai - https://denied.example | tail -1"),
            "0 APIConnectionError: Connection error.",
        ),
        ("env | grep -c 'sk-47'", "1 0"),
    ]);
    check(&clients, |world| world, &cases);
}

/// uv, which is neither Python nor OpenSSL.
#[test]
fn uv() {
    let Some(clients) = clients::python() else { return };
    let uv = |host: &str, to: &str| {
        format!(
            "UV_CACHE_DIR=/tmp/uv-{to} UV_HTTP_TIMEOUT=8 timeout 30 {0}/bin/uv pip install --quiet --python {0}/bin/python \
             --index-url https://{host}.example/simple/ --target /tmp/{to} hello",
            clients.display()
        )
    };
    let shown = |to: &str| format!("PYTHONPATH=/tmp/{to} python3 -c 'import hello; print(hello.TEXT)'");
    let cases = own(&[
        (&format!("{} && {}", uv("seen", "a"), shown("a")), "0 hello from the index"),
        (&format!("{} && {}", uv("sealed", "b"), shown("b")), "0 hello from the index"),
        (&format!("{} 2>&1 | grep -c 'dns error'", uv("denied", "c")), "0 1"),
    ]);
    check(&clients, |world| world, &cases);
}

#[test]
fn grpc() {
    let Some(clients) = clients::python() else { return };
    let python = clients.join("bin/python");
    let call = |host: &str| format!("timeout 20 {} /work/calls.py call {host}", python.display());
    let stream = |host: &str| format!("timeout 20 {} /work/calls.py stream {host}", python.display());
    let cases = [
        (call("calls.example"), "0 echo hi".to_owned()),
        (call("calls-sealed.example"), "0 echo hi".to_owned()),
        (stream("calls.example"), "0 echo one echo two echo three 0".to_owned()),
        (stream("calls-sealed.example"), "0 echo one echo two echo three 0".to_owned()),
        // Each call counts, whatever is said in it; the third is one too many.
        (stream("calls-few.example"), "0 echo one echo two echo three 0".to_owned()),
        (call("calls-few.example"), "0 echo hi".to_owned()),
        (call("calls-few.example"), "1 UNAVAILABLE".to_owned()),
        (
            format!(
                "timeout 20 {} /work/clients.py two - https://calls.example/test.Echo/Say",
                python.display()
            ),
            "0 200 HTTP/2 echo hi".to_owned(),
        ),
        // To where only reading is allowed: HTTP/2 is not spoken there, or the call is refused.
        (call("denied.example"), "1 UNAVAILABLE".to_owned()),
    ];
    check(&clients, |world| world.with_calls(&python), &cases);
}

#[test]
fn pip() {
    let Some(clients) = clients::python() else { return };
    let pip = |host: &str, to: &str| {
        format!(
            "timeout 30 {}/bin/python -m pip --disable-pip-version-check --no-cache-dir install --retries 0 --quiet \
             --index-url https://{host}.example/simple/ --target /tmp/{to} hello",
            clients.display()
        )
    };
    let cases = [
        (
            format!("{} && PYTHONPATH=/tmp/a python3 -c 'import hello; print(hello.TEXT)'", pip("seen", "a")),
            "0 hello from the index",
        ),
        (
            format!(
                "{} && PYTHONPATH=/tmp/b python3 -c 'import hello; print(hello.TEXT)'",
                pip("sealed", "b")
            ),
            "0 hello from the index",
        ),
        (format!("{} 2>&1 | tail -1", pip("denied", "c")), "0 ERROR: No matching distribution"),
    ]
    .map(|(command, expected)| (command, expected.to_owned()));
    check(&clients, |world| world, &cases);
}

#[test]
fn node() {
    if !has("node") {
        return skip(Need::Node, "node is missing");
    }
    let mut cases = fetches("node /work/fetch.mjs", "1 ENOTFOUND");
    cases.extend(fetches("node --use-openssl-ca /work/fetch.mjs", "1 ENOTFOUND"));
    check(Path::new("/usr/bin"), |world| world, &cases);
}

#[test]
fn npm() {
    if !has("npm") {
        return skip(Need::Npm, "npm is missing");
    }
    let npm = |host: &str, to: &str| {
        format!(
            "mkdir -p /tmp/{to} && cd /tmp/{to} && timeout 60 npm install --silent --no-audit --no-fund --no-update-notifier \
             --fetch-retries 0 --prefix . --registry https://{host}.example/npm/ hello"
        )
    };
    let cases = own(&[
        (&format!("{} && node -p 'require(\"hello\")'", npm("seen", "a")), "0 hello from the registry"),
        (&format!("{} && node -p 'require(\"hello\")'", npm("sealed", "b")), "0 hello from the registry"),
        (
            &format!("{} || echo refused", npm("denied", "c").replace("--silent", "--loglevel=error")),
            "0 npm error code ENOTFOUND",
        ),
    ]);
    check(Path::new("/usr/bin"), |world| world, &cases);
}

/// A sparse registry. `cargo vendor` needs no compiler, so that cargo is the one file that goes inside.
#[test]
fn cargo() {
    let Some(cargo) = std::env::var_os("CARGO").filter(|cargo| Path::new(cargo).is_file()) else {
        return skip(Need::Clients, "cargo is not what started this");
    };
    let prepare = |world: World| {
        world.workspace.copy(Path::new(&cargo), "work/cargo");
        for host in ["seen", "sealed", "denied", "reading"] {
            let package = "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
            let needs = "[dependencies]\nhello = { version = \"1.0.0\", registry = \"mirror\" }\n";
            let registry = format!("[registries.mirror]\nindex = \"sparse+https://{host}.example/index/\"\n");
            let write = |path: &str, text: &str| {
                world.workspace.write(&format!("work/{host}/{path}"), text.as_bytes());
            };
            write("Cargo.toml", &format!("{package}{needs}"));
            write("src/lib.rs", "");
            write(".cargo/config.toml", &format!("{registry}[net]\nretry = 0\n"));
        }
        world.workspace.own();
        Some(world)
    };
    let policy = POLICY
        .replace(
            "write $workspace at /work  run CLIENTS",
            "write $workspace at /work  run $workspace at /work",
        )
        .replace("\"reading.example\" only GET, HEAD", "\"reading.example\" only GET /echo/**");
    let vendor = |host: &str| {
        format!(
            "{{ cd /work/{host} && CARGO_HOME=/tmp/{host} timeout 60 /work/cargo vendor --quiet >/tmp/out 2>&1; \
             code=$?; cat vendor/hello/src/lib.rs 2>/dev/null || grep -v '^ *$' /tmp/out; (exit $code); }}"
        )
    };
    check_inside(
        &policy,
        prepare,
        &[
            (&vendor("seen"), "0 //! hello from the index of crates"),
            (&vendor("sealed"), "0 //! hello from the index of crates"),
            (&format!("{} | grep -c 'Could not resolve host: denied.example'", vendor("denied")), "0 1"),
            (&format!("{} | grep -c 'only GET /index/config.json'", vendor("reading")), "0 1"),
        ],
    );
}

#[test]
fn java() {
    let Some(clients) = clients::java() else { return };
    let fetch = format!("java -XX:TieredStopAtLevel=1 -cp {} Fetch", clients.display());
    let quiet = |(command, expected): (String, String)| {
        (format!("{{ {command}; }} 2>&1 | grep -v 'Picked up'"), expected)
    };
    let mut cases: Vec<_> = fetches(&fetch, "0 Exception in thread").into_iter().map(quiet).collect();
    // Without the variable as well, where Java's own store is one that the run's stands in for.
    if Path::new("/etc/ssl/certs/java/cacerts").exists() {
        cases.push((
            format!("env -u JAVA_TOOL_OPTIONS {fetch} GET https://seen.example/echo/a"),
            "0 200 GET /echo/a key=Bearer sk-4711".to_owned(),
        ));
    }
    check(&clients, |world| world, &cases);
}

#[test]
fn go() {
    let Some(clients) = clients::go() else { return };
    let cases = fetches(
        &clients.join("fetch").display().to_string(),
        "1 Get \"https://denied.example/\": dial tcp: lookup denied.example",
    );
    check(&clients, |world| world, &cases);
}

/// A repository that git's own protocols serve.
fn with_repository(world: World) -> World {
    let make = "set -e; git init -q --bare repo.git; git init -q work; cd work; echo hello > README; git add .; \
        git -c user.name=t -c user.email=t@example commit -qm one; git push -q ../repo.git HEAD:main; \
        cd ../repo.git; git symbolic-ref HEAD refs/heads/main";
    let made = finish(Command::new("sh").args(["-c", make]).current_dir(world.directory.join("www")), 30);
    assert_eq!(made.code(), 0, "{}", made.err());
    world
}

#[test]
fn git_by_https() {
    if !has("git") {
        return skip(Need::Git, "git is missing");
    }
    let clone = |host: &str, to: &str| {
        format!("timeout 20 git clone -q https://{host}.example/git/repo.git /tmp/{to}")
    };
    let push = "git -c user.name=t -c user.email=t@example commit -q --allow-empty -m two && timeout 20 git push -q origin HEAD:";
    let cases = own(&[
        (&format!("{} && cat /tmp/a/README", clone("seen", "a")), "0 hello"),
        (&format!("cd /tmp/a && {push}seen && git ls-remote origin seen | cut -f2"), "0 refs/heads/seen"),
        (&format!("{} && cat /tmp/b/README", clone("sealed", "b")), "0 hello"),
        (
            &format!("cd /tmp/b && {push}sealed && git ls-remote origin sealed | cut -f2"),
            "0 refs/heads/sealed",
        ),
        // Fetching is a POST in git's protocol: a rule for GET alone refuses it.
        (&clone("reading", "c"), "128 error: RPC failed; HTTP 403"),
        (
            &clone("denied", "d"),
            "128 fatal: unable to access 'https://denied.example/git/repo.git/': Could not resolve host",
        ),
    ]);
    check(Path::new("/usr/bin"), with_repository, &cases);
}

/// What a program that is refused prints, at each stage: enough for who reads it, a person or a model, to know why.
#[test]
fn a_refused_program_says_why() {
    let policy = POLICY
        .replace("run CLIENTS", "run /usr/bin")
        .replace("\"reading.example\" only GET, HEAD", "\"reading.example\" only GET /echo/**");
    const CURL: &str = "curl -sS -m 10";
    let needs = |path: &str| {
        format!(
            "Forbidden by the sandbox's policy, which needs: allow https \"reading.example\":443 only GET {path}"
        )
    };
    let twin = "a=$(getent hosts sealed.example | cut -d' ' -f1)";
    let cases = [
        // Its name.
        (format!("{CURL} https://denied.example/"), "6 curl: (6) Could not resolve host: denied.example".to_owned()),
        (
            "git ls-remote https://denied.example/git/repo.git".to_owned(),
            "128 fatal: unable to access 'https://denied.example/git/repo.git/': Could not resolve host".to_owned(),
        ),
        ("wget -nv -O- https://denied.example/".to_owned(), "4 wget: unable to resolve host address".to_owned()),
        // Its address and port.
        (format!("{CURL} https://203.0.113.20/"), "7 curl: (7) Failed to connect to 203.0.113.20 port 443".to_owned()),
        (format!("{CURL} http://seen.example/"), "7 curl: (7) Failed to connect to seen.example port 80".to_owned()),
        // The name in TLS.
        (
            format!("{twin}; {CURL} --connect-to seen.example:443:$a:443 https://seen.example/ 2>&1 | grep -o 'unrecognized name'"),
            "0 unrecognized name".to_owned(),
        ),
        // The request.
        (format!("{CURL} -f https://reading.example/npm/hello"), "22 curl: (22) The requested URL returned error: 403".to_owned()),
        (format!("{CURL} -i https://reading.example/npm/hello | head -1"), format!("0 HTTP/1.1 403 {}", needs("/npm/hello"))),
        (
            format!("{CURL} https://reading.example/npm/hello | grep -c '\"needed\":\"allow https'"),
            "0 1".to_owned(),
        ),
        (
            format!("{CURL} -H 'Accept: text/html, */*' https://reading.example/npm/hello"),
            "0 the sandbox's policy does not let this request through: GET /npm/hello is not allowed on \"reading.example\"".to_owned(),
        ),
        (
            "wget -nv -O- https://reading.example/npm/hello 2>&1 | grep -o 'ERROR 403: .*'".to_owned(),
            format!("0 ERROR 403: {}", needs("/npm/hello")),
        ),
        (
            "python3 -c 'import urllib.request as u; u.urlopen(\"https://reading.example/npm/hello\")' 2>&1 | tail -1".to_owned(),
            format!("0 urllib.error.HTTPError: HTTP Error 403: {}", needs("/npm/hello")),
        ),
        (
            "git ls-remote https://reading.example/git/repo.git".to_owned(),
            "128 fatal: unable to access 'https://reading.example/git/repo.git/': The requested URL returned error: 403".to_owned(),
        ),
        (
            "node -e 'fetch(\"https://reading.example/npm/hello\").then(a => console.log(a.status, a.statusText))'".to_owned(),
            format!("0 403 {}", needs("/npm/hello")),
        ),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    if !(has("git") || Path::new("/usr/local/bin/git").exists()) || !has("node") {
        return skip(Need::Clients, "git or node is missing");
    }
    check_inside(&policy, Some, &cases);
}

/// What package managers make of it.
#[test]
fn package_managers_say_why() {
    if !has("npm") {
        return skip(Need::Npm, "npm is missing");
    }
    let Some(clients) = clients::python() else { return };
    let policy = policy(&clients)
        .replace("\"reading.example\" only GET, HEAD", "\"reading.example\" only GET /echo/**");
    let npm = "mkdir -p /tmp/n && cd /tmp/n && timeout 60 npm install --loglevel=error --no-audit --no-fund \
        --no-update-notifier --fetch-retries 0 --prefix . --registry https://reading.example/npm/ hello 2>&1";
    let pip = format!(
        "timeout 30 {}/bin/python -m pip --disable-pip-version-check --no-cache-dir download --retries 0 \
         https://reading.example/wheels/hello-1.0-py3-none-any.whl 2>&1",
        clients.display()
    );
    let phrase =
        "Forbidden by the sandbox's policy, which needs: allow https \"reading.example\":443 only GET";
    let cases = [
        (format!("{npm} | grep -c '{}'", phrase.replace('\'', ".")), "0 1".to_owned()),
        (format!("{npm} | grep -c 'GET /npm/hello is not allowed on'"), "0 1".to_owned()),
        (
            format!("{pip} | grep -o '403 Client Error: .*' | tail -1"),
            format!("0 403 Client Error: {phrase} /wheels/hello-1.0-py3-none-any.whl for url"),
        ),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    check_inside(&policy, |world| Some(with_scripts(world)), &cases);
}

#[test]
fn git_by_ssh() {
    if !has("git") || !has("ssh") || !has("sshd") {
        return skip(Need::Ssh, "git, ssh or sshd is missing");
    }
    let with_key = |world: World| {
        let world = with_repository(world);
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(world.directory.join("key"));
        let made = finish(&mut make, 30);
        assert_eq!(made.code(), 0, "{}", made.err());
        for file in ["key", "key.pub"] {
            world.workspace.copy(&world.directory.join(file), &format!("work/{file}"));
        }
        world.workspace.own();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(world.workspace.join("key"), private).expect("its mode");
        world
    };
    let ssh = "GIT_SSH_COMMAND='ssh -F none -i /work/key -o BatchMode=yes -o LogLevel=ERROR -o StrictHostKeyChecking=no -o UserKnownHostsFile=/tmp/known'";
    let repository = "ssh://root@git.example$(cat /work/where)/www/repo.git";
    let cases = own(&[
        (&format!("{ssh} timeout 20 git clone -q {repository} /tmp/a && tail -n 1 /tmp/a/README"), "0 hello"),
        (
            &format!(
                "{ssh} timeout 20 git clone -q {} /tmp/b",
                repository.replace("git.example", "denied.example")
            ),
            "128 ssh: Could not resolve hostname denied.example",
        ),
        (
            &format!(
                "{ssh} timeout 20 git clone -q {} /tmp/c",
                repository.replace("git.example", "203.0.113.22")
            ),
            "128 ssh: connect to host 203.0.113.22 port 22: Connection refused",
        ),
    ]);
    let with_place = |world: World| {
        let world = with_key(world);
        let place = world.directory.to_str().expect("UTF-8").to_owned();
        world.workspace.write("work/where", place.as_bytes());
        world
    };
    check(Path::new("/usr/bin"), with_place, &cases);
}

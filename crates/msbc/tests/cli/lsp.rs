//! msbc lsp: a session as an editor has it, over standard input and output.

use crate::host::Host;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn new(host: &Host) -> Session {
        let mut command = host.command(Path::new(env!("CARGO_BIN_EXE_msbc")));
        command.arg("lsp").env("XDG_CACHE_HOME", host.path("caches"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Session { child, input, output }
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("it listens");
        self.input.flush().expect("it listens");
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).expect("a header");
            match line.trim_end().split_once(": ") {
                Some(("Content-Length", bytes)) => length = bytes.parse().expect("a number"),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).expect("a body");
        serde_json::from_slice(&body).expect("JSON")
    }

    fn ask(&mut self, id: u32, method: &str, params: &Value) -> Value {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let answer = self.receive();
        assert_eq!(answer["id"], id, "{answer}");
        answer["result"].clone()
    }

    fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }
}

#[test]
fn a_session_from_beginning_to_end() {
    let host = Host::new();
    let mut session = Session::new(&host);
    let answer =
        session.ask(1, "initialize", &json!({"processId": null, "rootUri": null, "capabilities": {}}));
    assert_eq!(answer["serverInfo"]["name"], "msbc");
    for provider in ["hoverProvider", "definitionProvider", "documentFormattingProvider"] {
        assert_eq!(answer["capabilities"][provider], true);
    }
    session.notify("initialized", &json!({}));

    let uri = format!("file://{}", host.path("agent.msb").display());
    let text = String::from_utf8(host.read("agent.msb")).expect("text").replace("512MiB", "512");
    let document = json!({"uri": uri, "languageId": "msb", "version": 1, "text": text});
    session.notify("textDocument/didOpen", &json!({"textDocument": document}));
    let published = session.receive();
    assert_eq!(published["method"], "textDocument/publishDiagnostics");
    let found = published["params"]["diagnostics"].as_array().expect("a list");
    assert!(found.iter().any(|it| it["code"] == "MSB0003"), "{published}");

    let id = json!({"uri": uri});
    let line = text.lines().position(|line| line.contains("include std.base")).expect("it is there");
    let at = json!({"textDocument": id, "position": {"line": line, "character": 16}});
    let hover = session.ask(2, "textDocument/hover", &at);
    assert!(hover["contents"]["value"].as_str().expect("a text").contains("profile std.base"), "{hover}");
    let there = session.ask(3, "textDocument/definition", &at);
    let file = host.path("caches/microsandbox/std/base.msb");
    assert_eq!(there["uri"], format!("file://{}", file.display()));
    assert!(std::fs::read_to_string(file).expect("a file").contains("profile base"));

    assert_eq!(session.ask(4, "shutdown", &Value::Null), Value::Null);
    session.notify("exit", &Value::Null);
    let status = session.child.wait().expect("its end");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn an_editor_that_goes_away_ends_it() {
    let host = Host::new();
    let session = Session::new(&host);
    let Session { mut child, input, output } = session;
    drop((input, output));
    assert!(child.wait().expect("its end").code().is_some());
}

//! A process of the host that listens, shares memory and holds a secret, and counts who comes (`probes/canary.py`).

use crate::checklist::probes_dir;
use crate::workspace::Workspace;
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// Who came to a [`Canary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visits {
    /// Signals that it received.
    pub signals: u64,
    /// Connections.
    pub streams: u64,
    /// Datagrams.
    pub datagrams: u64,
}

/// The running process. It ends, and takes away what it set up, when its standard input closes: on drop, and
/// when the test dies.
#[derive(Debug)]
pub struct Canary {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    facts: Map<String, Value>,
}

impl Canary {
    /// Starts it as the workspace's account, since another user's process would be out of reach anyway.
    ///
    /// # Panics
    /// When python3 is missing or the process does not come up.
    #[must_use]
    pub fn start(workspace: &Workspace, nonce: &str, unix_paths: &[PathBuf]) -> Canary {
        let script = workspace.copy(&probes_dir().join("canary.py"), "host/canary.py");
        workspace.own();
        let mut command = workspace.command("/usr/bin/python3");
        command.arg(script).arg(format!("msb-canary-{nonce}")).env("MSB_CANARY", nonce);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("/usr/bin/python3: {error}"));
        let mut input = child.stdin.take();
        let Some(output) = child.stdout.take() else { panic!("the canary has no output") };
        let orders = json!({ "nonce": nonce, "unix_paths": unix_paths });
        if let Some(input) = &mut input {
            writeln!(input, "{orders}").unwrap_or_else(|error| panic!("the canary does not listen: {error}"));
        }
        let mut canary = Canary { child, input, output: BufReader::new(output), facts: Map::new() };
        canary.facts = canary.line();
        canary
    }

    /// What it set up, for the probes.
    #[must_use]
    pub fn facts(&self) -> &Map<String, Value> {
        &self.facts
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it and says who came.
    ///
    /// # Panics
    /// When it was killed: then somebody came indeed.
    #[must_use]
    pub fn end(mut self) -> Visits {
        assert!(self.is_alive(), "the canary is dead");
        self.input = None;
        let visits = self.line();
        let count = |name: &str| visits.get(name).and_then(Value::as_u64).unwrap_or(u64::MAX);
        Visits { signals: count("signals"), streams: count("stream"), datagrams: count("datagram") }
    }

    fn line(&mut self) -> Map<String, Value> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        match (read, serde_json::from_str(&line)) {
            (Ok(_), Ok(Value::Object(facts))) => facts,
            _ => panic!("the canary said `{line}`"),
        }
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.input = None;
        // It removes its System V objects first, so it is waited for and not killed.
        let _ = self.child.wait();
    }
}

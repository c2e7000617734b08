//! The session: messages in, messages out.

use crate::Host;
use crate::analysis::{Overlay, check, tree};
use crate::answers::{self, Open};
use crate::place::{self, Encoding, Places, path_of};
use crate::{folding, rename};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, RequestId, Response};
use msb_compile::Options;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Speaks the protocol on standard input and output until the editor says that it is over.
///
/// # Errors
/// In a few words, where the editor breaks the protocol or goes away.
pub fn serve(host: &dyn Host) -> Result<(), String> {
    let (connection, threads) = Connection::stdio();
    session(&connection, host)?;
    // The writer ends when nobody can give it anything any more.
    drop(connection);
    threads.join().map_err(|error| error.to_string())
}

/// A session over any connection.
pub(crate) fn session(connection: &Connection, host: &dyn Host) -> Result<(), String> {
    let (id, params) = connection.initialize_start().map_err(|error| error.to_string())?;
    let encoding = encoding(&params);
    let answer = json!({
        "capabilities": capabilities(encoding),
        "serverInfo": {"name": "msbc", "version": env!("CARGO_PKG_VERSION")},
    });
    connection.initialize_finish(id, answer).map_err(|error| error.to_string())?;
    let mut server = Server { connection, host, encoding, texts: BTreeMap::new(), changed: BTreeSet::new() };
    if params.pointer("/capabilities/workspace/didChangeWatchedFiles/dynamicRegistration")
        == Some(&json!(true))
    {
        server.watch();
    }
    let mut waiting: VecDeque<Message> = VecDeque::new();
    let mut over = false;
    loop {
        waiting.extend(connection.receiver.try_iter());
        let Some(message) = waiting.pop_front() else {
            // Who types quickly waits for findings once, and for an answer never behind them.
            server.publish_changed();
            let Ok(message) = connection.receiver.recv() else { return Ok(()) };
            waiting.push_back(message);
            continue;
        };
        match message {
            Message::Request(request) if over => {
                server.refuse(request.id, ErrorCode::InvalidRequest, "nothing is answered after `shutdown`");
            }
            Message::Request(request) if request.method == "shutdown" => {
                over = true;
                server.send(Response::new_ok(request.id, ()));
            }
            Message::Request(request) if waiting.iter().any(|it| cancels(it, &request.id)) => {
                server.refuse(request.id, ErrorCode::RequestCanceled, "cancelled");
            }
            Message::Request(request) => server.request(request),
            Message::Notification(notification) if notification.method == "exit" => {
                // The protocol wants another exit code where nobody asked for the end before.
                return if over { Ok(()) } else { Err("`exit` without `shutdown`".to_owned()) };
            }
            Message::Notification(notification) => server.notification(&notification),
            Message::Response(_) => {}
        }
    }
}

/// Whether a message says that nobody waits for the answer to `id` any more.
fn cancels(message: &Message, id: &RequestId) -> bool {
    let Message::Notification(it) = message else { return false };
    let cancelled = &it.params["id"];
    it.method == "$/cancelRequest" && serde_json::to_value(id).is_ok_and(|id| id == *cancelled)
}

/// UTF-8 where the editor offers it, which saves counting.
fn encoding(params: &Value) -> Encoding {
    let offered = params.pointer("/capabilities/general/positionEncodings").and_then(Value::as_array);
    let utf8 = offered.is_some_and(|all| all.iter().any(|it| it == "utf-8"));
    if utf8 { Encoding::Utf8 } else { Encoding::Utf16 }
}

fn capabilities(encoding: Encoding) -> Value {
    json!({
        "positionEncoding": if encoding == Encoding::Utf8 { "utf-8" } else { "utf-16" },
        // What changed, and not the whole text with each key.
        "textDocumentSync": {"openClose": true, "change": 2, "save": {"includeText": false}},
        "hoverProvider": true,
        "completionProvider": {"triggerCharacters": ["$", "@", ".", " ", "("]},
        "definitionProvider": true,
        "referencesProvider": true,
        "documentHighlightProvider": true,
        "renameProvider": {"prepareProvider": true},
        "foldingRangeProvider": true,
        "documentFormattingProvider": true,
        "documentSymbolProvider": true,
        "codeLensProvider": {"resolveProvider": false},
        "codeActionProvider": {"codeActionKinds": ["quickfix", "source.fixAll"]},
    })
}

/// Makes a change: of the range that it names, or of everything where it names none.
fn change(text: &mut String, change: &Value, encoding: Encoding) {
    let Some(new) = change["text"].as_str() else { return };
    if change["range"].is_null() {
        return new.clone_into(text);
    }
    let places = Places::new(text, encoding);
    let byte = |end: &str| places.byte(&change["range"][end]);
    if let (Some(start), Some(end)) = (byte("start"), byte("end")) {
        text.replace_range(start..end.max(start), new);
    }
}

/// A text in the editor, and the editor's number for this state of it.
struct Text {
    text: String,
    version: Value,
}

struct Server<'a> {
    connection: &'a Connection,
    host: &'a dyn Host,
    encoding: Encoding,
    /// By URI.
    texts: BTreeMap<String, Text>,
    /// Texts of which the findings are to be told again.
    changed: BTreeSet<String>,
}

impl Server<'_> {
    fn send(&self, message: impl Into<Message>) {
        // An editor that is gone is noticed at the next read.
        let _ = self.connection.sender.send(message.into());
    }

    fn refuse(&self, id: RequestId, code: ErrorCode, why: &str) {
        self.send(Response::new_err(id, code as i32, why.to_owned()));
    }

    /// Has the editor tell of policies that change on the disk: others may import them.
    fn watch(&self) {
        let options = json!({"watchers": [{"globPattern": "**/*.msb"}]});
        let registration = json!({"id": "policies", "method": "workspace/didChangeWatchedFiles", "registerOptions": options});
        let params = json!({"registrations": [registration]});
        let id = RequestId::from("watch".to_owned());
        self.send(Request::new(id, "client/registerCapability".to_owned(), params));
    }

    fn notification(&mut self, notification: &Notification) {
        if notification.method == "workspace/didChangeWatchedFiles" {
            return self.changed_beside(None);
        }
        let document = &notification.params["textDocument"];
        let Some(uri) = document["uri"].as_str() else { return };
        match notification.method.as_str() {
            "textDocument/didOpen" => {
                let text = document["text"].as_str().unwrap_or_default().to_owned();
                self.texts.insert(uri.to_owned(), Text { text, version: document["version"].clone() });
            }
            "textDocument/didChange" => {
                let changes = notification.params["contentChanges"].as_array();
                let (Some(changes), Some(text)) = (changes, self.texts.get_mut(uri)) else { return };
                changes.iter().for_each(|it| change(&mut text.text, it, self.encoding));
                text.version = document["version"].clone();
            }
            "textDocument/didClose" => {
                self.texts.remove(uri);
                self.changed.remove(uri);
                let params = json!({"uri": uri, "diagnostics": []});
                self.send(Notification::new("textDocument/publishDiagnostics".to_owned(), params));
            }
            // The text is what it was; files that only the disk has may be others.
            "textDocument/didSave" => {}
            _ => return,
        }
        self.changed_beside(Some(uri));
    }

    /// A text changed, or files on the disk did: its own findings are to be told again, and those of what imports.
    fn changed_beside(&mut self, changed: Option<&str>) {
        let concerned = |(uri, it): &(&String, &Text)| changed == Some(uri) || it.text.contains("import");
        let concerned: Vec<String> =
            self.texts.iter().filter(concerned).map(|(uri, _)| uri.clone()).collect();
        self.changed.extend(concerned);
    }

    fn publish_changed(&mut self) {
        for uri in std::mem::take(&mut self.changed) {
            self.publish(&uri);
        }
    }

    fn publish(&self, uri: &str) {
        let Some(text) = self.texts.get(uri) else { return };
        let found =
            self.with(uri, |open, files| answers::diagnostics(open, &check(files, open.path, open.tree)));
        let mut params = json!({"uri": uri, "diagnostics": found.unwrap_or(json!([]))});
        if text.version.is_i64() {
            params["version"] = text.version.clone();
        }
        self.send(Notification::new("textDocument/publishDiagnostics".to_owned(), params));
    }

    /// What `answer` says about an open text; `None` where it is not open.
    fn with<T>(&self, uri: &str, answer: impl FnOnce(&Open<'_>, &Overlay<'_>) -> T) -> Option<T> {
        let text = &self.texts.get(uri)?.text;
        // A text that was never saved has a name all the same, so that messages can name it.
        let path = path_of(uri).unwrap_or_else(|| uri.to_owned());
        let tree = tree(&path, text);
        let places = Places::new(text, self.encoding);
        let open = Open { uri, path: &path, text, tree: &tree, places };
        let others: Vec<(String, &String)> = self
            .texts
            .iter()
            .filter(|(other, _)| *other != uri)
            .filter_map(|(uri, it)| Some((path_of(uri)?, &it.text)))
            .collect();
        let mut all = vec![(path.as_str(), text.as_str())];
        all.extend(others.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        Some(answer(&open, &Overlay { files: self.host, open: all }))
    }

    /// The editor's own name of a file, where it has it open.
    fn uri_of(&self, path: &str) -> String {
        let open = self.texts.keys().find(|uri| path_of(uri).as_deref() == Some(path));
        open.cloned().unwrap_or_else(|| place::uri_of(path))
    }

    fn request(&self, request: Request) {
        let params = &request.params;
        let uri = params["textDocument"]["uri"].as_str().unwrap_or_default();
        let at = |open: &Open<'_>| open.places.byte(&params["position"]).unwrap_or_default();
        let answer = match request.method.as_str() {
            "textDocument/hover" => self.with(uri, |open, _| answers::hovered(open, at(open))),
            "textDocument/completion" => self.with(uri, |open, _| answers::completions(open, at(open))),
            "textDocument/definition" => {
                self.with(uri, |open, files| answers::definition(open, at(open), files, self.host))
            }
            "textDocument/references" => {
                let declaration = params.pointer("/context/includeDeclaration") == Some(&json!(true));
                self.with(uri, |open, files| {
                    rename::references(open, files, at(open), declaration, &|path| self.uri_of(path))
                })
            }
            "textDocument/documentHighlight" => self.with(uri, |open, _| rename::highlights(open, at(open))),
            "textDocument/prepareRename" => {
                self.with(uri, |open, files| rename::prepared(open, files, at(open)))
            }
            "textDocument/rename" => {
                let name = params["newName"].as_str().unwrap_or_default();
                let renamed = self.with(uri, |open, files| {
                    rename::renamed(open, files, at(open), name, &|path| self.uri_of(path))
                });
                match renamed {
                    Some(Err(why)) => return self.refuse(request.id, ErrorCode::RequestFailed, &why),
                    Some(Ok(edit)) => Some(edit),
                    None => None,
                }
            }
            "textDocument/foldingRange" => self.with(uri, |open, _| folding::folds(open)),
            "textDocument/formatting" => self.with(uri, |open, _| answers::formatting(open)),
            "textDocument/codeLens" => {
                self.with(uri, |open, files| answers::lenses(open, &check(files, open.path, open.tree)))
            }
            "textDocument/documentSymbol" => self.with(uri, |open, _| answers::symbols(open)),
            "textDocument/codeAction" => self.with(uri, |open, files| {
                let byte = |end: &str| open.places.byte(&params["range"][end]).unwrap_or_default();
                let range = (byte("start"), byte("end"));
                let checked = check(files, open.path, open.tree);
                let all = msb_compile::fix(files, open.path, &Options::default()).text;
                answers::actions(open, &checked, range, all)
            }),
            other => {
                let why = format!("`{other}` is not known");
                return self.refuse(request.id, ErrorCode::MethodNotFound, &why);
            }
        };
        self.send(Response::new_ok(request.id, answer.unwrap_or(Value::Null)));
    }
}

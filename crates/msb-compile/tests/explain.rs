//! What `explain` says would change a decision is typed, and changes it.

mod common;

use common::{Beside, files};
use msb_compile::{Explained, Options, explain};

const REQUESTS: &[&str] = &[
    "open /etc/shadow for read",
    "open /etc/ssl/certs/x for read",
    "open /usr/bin/x for write",
    "open /usr/bin/sh for run",
    "open /tmp/x for write",
    "open /work/x for read",
    "open /work/x for write",
    "open /work/.git/hooks/x for write",
    "open /data/x for read",
    "open /in/secrets/x for read",
    "open ~/.ssh/id for read",
    "syscall mount",
    "syscall bpf",
    "syscall ptrace",
    "syscall swapon",
    "syscall finit_module",
    "syscall add_key",
    "syscall openat2",
    "syscall clone3",
    "syscall read",
    "syscall personality",
    "syscall mlock",
    "syscall mmap(prot: PROT_WRITE|PROT_EXEC)",
    "syscall ioctl(cmd: TIOCSTI)",
    "syscall socket(domain: AF_INET)",
    "env HOME",
    "env LANG",
    "env EDITOR",
    "env PATH",
    "connect tcp 10.0.0.5:22",
    "connect https \"api.openai.com\":443",
    "connect tcp metadata:80",
    "listen tcp host:8080",
    "listen tcp 127.0.0.2:0 at 3000",
    "request GET https \"en.wikipedia.org\" /wiki/Sandbox",
    "request POST https \"en.wikipedia.org\":443 /w/api.php",
    "request POST https://api.openai.com/v1/chat/completions",
    "request DELETE https://api.openai.com:443/v1/files/1?x=1&y=2",
    "request GET http://10.0.0.5/",
    "request GET http://127.0.0.1:8000/a",
    "connect unix /run/x.sock",
    "connect udp 10.0.0.5:53",
    "connect tls \"api.openai.com\":443",
    "connect http \"api.openai.com\":80",
    "connect https \"en.wikipedia.org\":443",
    "connect tcp host:5432",
    "connect udp any:123",
    "listen udp host:5353",
    "call web_search(query: \"x\", max_results: 5)",
    "call web_search(query: \"x\", max_results: 50)",
    "call build(profile: \"debug\")",
    "call git_push(branch: \"agent/x\")",
    "call git_push(branch: \"main\")",
    "call publish_table(name: \"sum\", table: [])",
];

fn ask(name: &str, text: &str, request: &str) -> Vec<Explained> {
    let policies = msb_compile::policies(&Beside(name, text.as_bytes()), name);
    // Of several the first: a request is put to one.
    let options = Options { policy: policies.into_iter().next(), ..Options::default() };
    explain(&Beside(name, text.as_bytes()), name, &options, request).answers
}

/// The words of a suggestion, typed.
fn typed(text: &str, answer: &Explained) -> Option<String> {
    let quoted = |words: &str| Some(words.split('`').nth(1)?.to_owned());
    let mut edited = text.to_owned();
    for part in answer.change.split(", and ") {
        if part == "take this line away" || part.ends_with("` in place of this line") {
            let rule = answer.rule.as_ref()?;
            let line = edited.lines().nth(usize::try_from(rule.line).ok()? - 1)?.to_owned();
            let with = line.replacen(&rule.text, &quoted(part).unwrap_or_default(), 1);
            edited = edited.replacen(&line, &with, 1);
        } else if part == "take the tool away" {
            edited = without_tool(&edited, &answer.rule.as_ref()?.text)?;
        } else if let Some(net) = part.strip_suffix(" in place of `net none`") {
            edited = edited.replacen("net none", &quoted(net)?, 1);
        } else {
            let line = part.split('`').nth(1)?;
            let section = part.split('`').nth(3).unwrap_or("net");
            let statement = match line.strip_prefix("net {") {
                Some(_) => line.to_owned(),
                None => format!("{section} {{ {line} }}"),
            };
            edited = match edited.contains("net none") && section == "net" {
                true => edited.replacen("net none", &statement, 1),
                // The first policy of the file is the one that is asked.
                false => {
                    let head = edited.find("\npolicy ")?;
                    let body = head + edited[head..].find('{')? + 1;
                    format!("{}\n{statement}\n{}", &edited[..body], &edited[body..])
                }
            };
        }
    }
    Some(edited)
}

/// The policy without the declaration of a tool: its head, and its braces where it has some.
fn without_tool(text: &str, name: &str) -> Option<String> {
    let start = text.find(&format!("tool {name}("))?;
    let end_of = |from: usize, open: char, close: char| {
        let mut depth = 0;
        text[from..].char_indices().find_map(|(at, c)| {
            depth += i32::from(c == open) - i32::from(c == close);
            (c == close && depth == 0).then_some(from + at + 1)
        })
    };
    let head = end_of(start, '(', ')')?;
    let body = head + text[head..].find(['{', '\n'])?;
    let end = if text[body..].starts_with('{') { end_of(body, '{', '}')? } else { body };
    Some(format!("{}{}", &text[..start], &text[end..]))
}

#[test]
fn every_suggestion_changes_the_decision() {
    let (mut tried, mut calls) = (0, 0);
    for (name, bytes) in files("examples", "msb").into_iter().chain(files("conformance/accept", "msb")) {
        let Ok(text) = String::from_utf8(bytes) else { continue };
        // The parser's cases have little in them.
        if name.starts_with("syntax-") {
            continue;
        }
        for request in REQUESTS {
            for answer in ask(&name, &text, request) {
                let there_is_none = ["no", "pass what"].iter().any(|start| answer.change.starts_with(start));
                if there_is_none {
                    continue;
                }
                let say = || format!("{name}: {request}: {answer:?}");
                let edited = typed(&text, &answer).unwrap_or_else(|| panic!("{}", say()));
                let again = ask(&name, &edited, request);
                let other = again.iter().any(|it| it.allowed != answer.allowed);
                let same =
                    again.iter().any(|it| (it.allowed, &it.request) == (answer.allowed, &answer.request));
                // Of a tool that is gone nothing can be asked any more.
                let gone = answer.change == "take the tool away" && again.is_empty();
                assert!(gone || other && !same, "{}\n{again:?}\n{edited}", say());
                tried += 1;
                calls += usize::from(request.starts_with("call "));
            }
        }
    }
    assert!(tried > 200 && calls > 3, "only {tried} suggestions, {calls} of them about calls");
}

/// A deny that stands in a profile, what every sandbox refuses, what no line alone changes: said, and nothing else.
#[test]
fn where_there_is_no_edit_none_is_named() {
    let (name, bytes) =
        files("examples", "msb").into_iter().find(|it| it.0 == "hello-agent.msb").expect("it");
    let text = String::from_utf8(bytes).expect("text");
    for (request, words) in [
        ("open /work/.git/hooks/x for write", "no single line of the policy changes it: see std.workspace:"),
        ("syscall ioctl(cmd: TIOCSTI)", "nothing allows it: every sandbox refuses it"),
        ("open /usr/bin/x for write", "no single line of the policy changes it: see std.base:"),
        ("syscall openat2", "no single line of the policy changes it: see std.base:"),
    ] {
        let answers = ask(&name, &text, request);
        assert!(answers[0].change.starts_with(words), "{request}: {}", answers[0].change);
    }
}

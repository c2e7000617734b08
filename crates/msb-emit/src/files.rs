//! The files that every program expects in /etc and that must not come from the host: who is who, and
//! what `localhost` is, and whom to ask for names.

use crate::mounts::Mount;
use crate::net::Net;
use crate::path::below;
use crate::{EmitError, ir, plan};
use plan::network::{GATEWAY_V4, HOST_NAMES, HOST_V4};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The name that the sandbox's user and group have inside.
const USER: &str = "agent";
/// The id that files of unmapped owners show; /proc/sys/kernel/overflowuid, proc(5).
const NOBODY: u32 = 65534;

/// A file in /etc.
pub(crate) struct File {
    rest: &'static str,
    content: String,
}

impl File {
    fn path(&self) -> plan::Path<'static> {
        plan::Path { base: plan::Base::Root, rest: self.rest }
    }

    pub(crate) fn emit(&self, origin: plan::OriginId) -> plan::File<'_> {
        plan::File { path: self.path(), content: self.content.as_bytes(), origin }
    }
}

/// Those of the files that no mount shows: what the policy grants there wins.
pub(crate) fn generate(
    policy: &ir::Policy,
    net: Option<&Net<'_>>,
    mounts: &[Mount<'_>],
) -> Result<Vec<File>, EmitError> {
    let resolves = if net.is_some() { "files dns" } else { "files" };
    let mut all = vec![
        File { rest: "etc/group", content: group(policy) },
        File { rest: "etc/hosts", content: hosts(policy, net) },
        File {
            rest: "etc/nsswitch.conf",
            content: format!("passwd: files\ngroup: files\nshadow: files\nhosts: {resolves}\n"),
        },
        File { rest: "etc/passwd", content: passwd(policy)? },
    ];
    if net.is_some() {
        let gateway = Ipv4Addr::from(GATEWAY_V4);
        all.push(File { rest: "etc/resolv.conf", content: format!("nameserver {gateway}\n") });
    }
    let ignored = ignored(policy);
    if !ignored.is_empty() {
        let settings = "[core]\n\texcludesFile = /etc/gitignore\n".to_owned();
        all.push(File { rest: "etc/gitconfig", content: settings });
        all.push(File { rest: "etc/gitignore", content: ignored });
    }
    let shown = |file: &File| mounts.iter().any(|mount| below(mount.target, file.path()).is_some());
    Ok(all.into_iter().filter(|file| !shown(file)).collect())
}

/// gitignore(5): the placeholders of denied places, which nobody inside can have made, and which `git add --all` would
/// commit.
fn ignored(policy: &ir::Policy) -> String {
    // In a set, so that the order of rules does not show.
    let patterns: BTreeSet<String> = policy.masks().map(|(depth, rest)| pattern(depth, rest)).collect();
    patterns.into_iter().collect()
}

/// The line of gitignore(5) for `rest`.
fn pattern(depth: ir::Depth, rest: &str) -> String {
    let mut line = String::from(match depth {
        ir::Depth::Top => "/",
        ir::Depth::Any => "**/",
    });
    for c in rest.chars() {
        if matches!(c, '*' | '?' | '[' | '\\' | ' ') {
            line.push('\\');
        }
        line.push(c);
    }
    line + "\n"
}

/// passwd(5). A name for everybody else, because files of the host's root show as nobody's inside.
fn passwd(policy: &ir::Policy) -> Result<String, EmitError> {
    let ir::Exec { uid, gid, .. } = policy.exec;
    let home = home(policy)?;
    let mut content = format!("{USER}:x:{uid}:{gid}:{USER}:{home}:/bin/sh\n");
    if uid != NOBODY {
        content += &format!("nobody:x:{NOBODY}:{NOBODY}:nobody:/:/usr/sbin/nologin\n");
    }
    Ok(content)
}

/// group(5).
fn group(policy: &ir::Policy) -> String {
    let gid = policy.exec.gid;
    let mut content = format!("{USER}:x:{gid}:\n");
    if gid != NOBODY {
        content += &format!("nogroup:x:{NOBODY}:\n");
    }
    content
}

/// hosts(5).
fn hosts(policy: &ir::Policy, net: Option<&Net<'_>>) -> String {
    let name = &policy.exec.hostname;
    let mut content = format!("127.0.0.1 localhost\n::1 localhost\n127.0.0.1 {name}\n");
    if net.is_some_and(Net::dials_host) {
        content += &format!("{} {}\n", Ipv4Addr::from(HOST_V4), HOST_NAMES.join(" "));
    }
    content
}

/// The home directory of `USER`: what the policy sets `HOME` to, where that is known here.
fn home(policy: &ir::Policy) -> Result<&str, EmitError> {
    let set = policy.env.iter().find_map(|rule| match &rule.kind {
        ir::EnvKind::Set { name, value: ir::Text::Literal(value) } if name == "HOME" => {
            Some((value.as_str(), rule.origin))
        }
        _ => None,
    });
    match set {
        None | Some(("", _)) => Ok("/"),
        Some((value, origin)) if value.contains(|c: char| c == ':' || c.is_control()) => {
            Err(EmitError::Home { value: value.to_owned(), origin })
        }
        Some((value, _)) => Ok(value),
    }
}

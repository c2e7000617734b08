//! Devices: the standard ones, and single nodes of the host.

use super::options::Options;
use crate::context::Context;
use crate::paths::{self, shown};
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Base, FsKind};
use msb_syntax::ast::{PathExpr, PathKind};

/// Nodes that keep nothing and tell nothing.
const HARMLESS: &[&str] = &["null", "zero", "full", "random", "urandom"];
/// What is made for each sandbox, by `device @std` alone.
const PRIVATE: &[&str] = &["ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr"];

/// Nodes, below /dev, that are a way around the sandbox: memory, kernel log, disks, terminals, input,
/// machines, networks and file systems of one's own. `*` stands for the rest of the name.
const FORBIDDEN: &[(&str, &str)] = &[
    ("autofs", "serves mounts to the host"),
    ("bcache*", "is a disk"),
    ("block/*", "is a disk"),
    ("bsg/*", "is a disk"),
    ("btrfs-control", "gives disks to a file system"),
    ("console", "is the host's terminal"),
    ("cpu/*", "sets registers of the processor"),
    ("cuse", "makes devices of the host"),
    ("dax*", "is the memory of the machine"),
    ("disk/*", "is a disk"),
    ("dm-*", "is a disk"),
    ("fb*", "shows and draws what is on the screen"),
    ("fuse", "serves file systems to the kernel"),
    ("hd*", "is a disk"),
    ("hidraw*", "types for the user"),
    ("hvc*", "is the host's terminal"),
    ("input/*", "reads what the user types"),
    ("iommu", "is the machine's hardware"),
    ("kmem", "is the memory of the kernel"),
    ("kmsg", "is the log of the kernel"),
    ("kvm", "runs machines, by a large part of the kernel"),
    ("loop*", "makes disks of files"),
    ("mapper/*", "is a disk"),
    ("md*", "is a disk"),
    ("mem", "is the memory of the machine"),
    ("mmcblk*", "is a disk"),
    ("mtd*", "is a disk"),
    ("nbd*", "is a disk"),
    ("net/*", "is a network of its own"),
    ("ng*", "is a disk"),
    ("nvme*", "is a disk"),
    ("pmem*", "is a disk"),
    ("port", "is the machine's hardware"),
    ("pts/*", "is a terminal of the host"),
    ("ram*", "is a disk"),
    ("sd*", "is a disk"),
    ("sg*", "is a disk"),
    ("snapshot", "is the memory of the machine"),
    ("sr*", "is a disk"),
    ("tty", "is the user's terminal"),
    ("tty0", "is the user's terminal"),
    ("ublk*", "is a disk"),
    ("uhid", "types for the user"),
    ("uinput", "types for the user"),
    ("uio*", "is the machine's hardware"),
    ("userfaultfd", "makes races in the kernel winnable"),
    ("vcs*", "reads what is on the screen"),
    ("vd*", "is a disk"),
    ("vfio/*", "is the machine's hardware"),
    ("vhost-*", "is a network of its own"),
    ("vsock", "is a way to the machine's host"),
    ("watchdog*", "stops the machine"),
    ("xvd*", "is a disk"),
    ("zram*", "is a disk"),
];

pub(super) fn device(cx: &mut Context<'_>, expr: &PathExpr, options: &Options) -> Option<FsKind> {
    match &expr.kind {
        PathKind::Group(name) if name == "@std" => return Some(FsKind::StdDevices),
        PathKind::Group(name) => {
            cx.say(
                Diagnostic::new(codes::UNKNOWN_GROUP, format!("unknown group of devices `{name}`"))
                    .label(expr.span, "no group of devices has this name")
                    .help("write `device @std`"),
            );
            return None;
        }
        PathKind::Var { name, .. } => {
            cx.say(forbidden(expr.span, &format!("${}", name.node), "could be any device of the host"));
            return None;
        }
        PathKind::Path(_) => {}
    }
    let path = paths::place(cx, expr)?.path;
    let name = shown(cx, &path);
    let node = path.rest.strip_prefix("dev/").filter(|_| path.base == Base::Root);
    let Some(node) = node else {
        cx.say(
            Diagnostic::new(codes::DEVICE_BEYOND_STD, format!("`{name}` is not below /dev"))
                .label(expr.span, "who may make a node elsewhere is not known")
                .help("write `device @std`"),
        );
        return None;
    };
    if PRIVATE.contains(&node) {
        cx.say(
            Diagnostic::new(codes::DEVICE_BEYOND_STD, format!("`{name}` of the host is not for sharing"))
                .label(expr.span, "a private one comes with `@std`")
                .help("write `device @std`"),
        );
        return None;
    }
    if HARMLESS.contains(&node) {
        return Some(FsKind::Device { path, optional: options.optional });
    }
    if let Some(why) = why_forbidden(node) {
        cx.say(forbidden(expr.span, &name, why));
        return None;
    }
    cx.say(
        Diagnostic::new(codes::DEVICE_OF_THE_HOST, format!("`{name}` is a driver of the host"))
            .label(expr.span, "every request that the driver knows is open to the program")
            .help(format!("say why with `accept {} because \"…\"`", codes::DEVICE_OF_THE_HOST)),
    );
    Some(FsKind::Device { path, optional: options.optional })
}

fn why_forbidden(node: &str) -> Option<&'static str> {
    let is = |pattern: &str| match pattern.strip_suffix('*') {
        Some(beginning) => node.starts_with(beginning),
        None => node == pattern,
    };
    // /dev/tty1 to /dev/tty63 are the screen's; ttyUSB0 and ttyACM0 are cables.
    let screen =
        node.strip_prefix("tty").is_some_and(|n| n.bytes().next().is_some_and(|b| b.is_ascii_digit()));
    if screen {
        return Some("is a terminal of the host");
    }
    FORBIDDEN.iter().find(|(pattern, _)| is(pattern)).map(|(_, why)| *why)
}

fn forbidden(span: Span, path: &str, why: &str) -> Diagnostic {
    Diagnostic::new(codes::DEVICE_BEYOND_STD, format!("device `{path}` is a way around the sandbox"))
        .label(span, why)
        .help("write `device @std` for null, zero, full, random, urandom, a private terminal and /dev/shm")
}

//! A policy as bytes: what its identity is the hash of.
//!
//! Two policies have the same bytes exactly if they have the same rules: neither the order of rules nor the
//! places in the sources where they stand are in them. Every item is a tag and its fields; numbers are 64-bit
//! little endian, strings and lists begin with their length, so that no two policies share bytes.

use std::collections::BTreeSet;

use crate::{
    Arch, Base, Endpoint, EnvKind, Expected, FsKind, Limits, Links, Missing, Net, NetKind, NetLimits, Op,
    OpenAsked, OpenClaim, ParamKind, Path, Peer, Policy, Pred, Rights, SyscallAction, SyscallRule, Text,
    Tool, ToolParam, ToolType, Width, Word,
};

/// First bytes; the number grows when the meaning of the rest changes.
const MAGIC: &[u8] = b"msb-policy 2\0";

impl Policy {
    /// The bytes of everything that the policy means; see the module's comment.
    #[must_use]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut out = Bytes(MAGIC.to_vec());
        out.text(&self.name).number(u64::from(self.edition));
        // Paths name parameters by position, so their order means something.
        out.list(self.params.iter().map(|param| {
            let mut one = Bytes::default();
            let kind = match param.kind {
                ParamKind::Dir => 0,
                ParamKind::File => 1,
                ParamKind::Text => 2,
                ParamKind::Host => 3,
                ParamKind::Secret => 4,
                ParamKind::Number => 5,
            };
            one.text(&param.name).number(kind);
            one.option(param.default.as_deref(), |one, default| {
                one.text(default);
            });
            one
        }));
        out.set(self.fs.iter().map(|rule| fs(&rule.kind)));
        match &self.net {
            Net::None { .. } => {
                out.number(0);
            }
            Net::Rules { rules, .. } => {
                out.number(1);
                out.set(rules.iter().map(|rule| net(&rule.kind)));
            }
        }
        out.set(self.archs.iter().map(|it| {
            let mut one = Bytes::default();
            one.number(arch(*it));
            one
        }));
        out.set(self.syscalls.iter().map(syscall));
        action(&mut out, self.syscall_default.0);
        limits(&mut out, &self.limits);
        out.number(self.capabilities.0);
        out.set(self.env.iter().map(|rule| env(&rule.kind)));
        let exec = &self.exec;
        out.list(exec.command.iter().map(|word| Bytes(word.as_bytes().to_vec())));
        out.number(u64::from(exec.uid)).number(u64::from(exec.gid)).text(&exec.hostname);
        out.option(exec.cwd.as_ref(), |out, (cwd, _)| path(out, cwd));
        out.number(u64::from(exec.terminal.is_some()));
        out.set(self.tools.iter().map(tool));
        out.option(self.sandbox.landlock_abi_min, |out, limit| {
            out.number(u64::from(limit.value));
        });
        out.number(u64::from(self.sandbox.tier_landlock.is_some()));
        out.number(u64::from(self.sandbox.mdwe.is_some()));
        out.set(self.claims.iter().map(claim));
        out.0
    }
}

#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn number(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.extend(text.as_bytes());
        self
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Items whose order means something.
    fn list(&mut self, items: impl Iterator<Item = Self>) {
        let items: Vec<_> = items.map(|item| item.0).collect();
        self.number(items.len() as u64);
        for item in items {
            self.number(item.len() as u64);
            self.0.extend(item);
        }
    }

    /// Items of which neither order nor repetition means anything.
    fn set(&mut self, items: impl Iterator<Item = Self>) {
        let items: BTreeSet<_> = items.map(|item| item.0).collect();
        self.list(items.into_iter().map(Self));
    }
}

fn path(out: &mut Bytes, path: &Path) {
    match path.base {
        Base::Root => out.number(0),
        Base::Home => out.number(1),
        Base::Param(index) => out.number(2).number(index as u64),
    };
    out.text(&path.rest);
}

fn rights(out: &mut Bytes, rights: Rights) {
    out.number(u64::from(rights.read) | u64::from(rights.write) << 1 | u64::from(rights.run) << 2);
}

fn missing(out: &mut Bytes, missing: Missing) {
    out.number(match missing {
        Missing::Mask { directory: false } => 0,
        Missing::Mask { directory: true } => 1,
        Missing::Fail => 2,
        Missing::Skip => 3,
    });
}

fn fs(kind: &FsKind) -> Bytes {
    let mut out = Bytes::default();
    match kind {
        FsKind::Grant { source, target, rights: granted, optional, links } => {
            out.number(0);
            path(&mut out, source);
            path(&mut out, target);
            rights(&mut out, *granted);
            out.number(u64::from(*optional)).number(u64::from(*links == Links::Refuse));
        }
        FsKind::Scratch { target, size_bytes, inodes } => {
            out.number(1);
            path(&mut out, target);
            out.number(*size_bytes).number(*inodes);
        }
        FsKind::Deny { path: denied, rights: taken, missing: absent } => {
            out.number(2);
            path(&mut out, denied);
            rights(&mut out, *taken);
            missing(&mut out, *absent);
        }
        FsKind::DenyFound { search, rights: taken, missing: absent } => {
            out.number(9);
            path(&mut out, &search.root);
            out.number(u64::from(search.depth)).text(&search.beside).text(&search.rest);
            rights(&mut out, *taken);
            missing(&mut out, *absent);
        }
        FsKind::StdDevices => {
            out.number(3);
        }
        FsKind::ProcSelf => {
            out.number(4);
        }
        FsKind::Overlay { source, target, size_bytes, inodes, run, optional, links } => {
            out.number(5);
            path(&mut out, source);
            path(&mut out, target);
            out.number(*size_bytes).number(*inodes).number(u64::from(*run));
            out.number(u64::from(*optional)).number(u64::from(*links == Links::Refuse));
        }
        FsKind::Device { path: node, optional } => {
            out.number(6);
            path(&mut out, node);
            out.number(u64::from(*optional));
        }
        FsKind::Socket { source, target, optional, links } => {
            out.number(7);
            path(&mut out, source);
            path(&mut out, target);
            out.number(u64::from(*optional)).number(u64::from(*links == Links::Refuse));
        }
        FsKind::ProcAll => {
            out.number(8);
        }
    }
    out
}

fn net(kind: &NetKind) -> Bytes {
    let mut out = Bytes::default();
    match kind {
        NetKind::Allow { endpoint: to, terms } => {
            out.number(0);
            endpoint(&mut out, to);
            out.option(terms.only.as_ref(), |out, only| {
                out.set(only.methods.iter().map(|method| Bytes(method.word().as_bytes().to_vec())));
                out.set(only.paths.iter().map(|path| Bytes(path.as_bytes().to_vec())));
            });
            out.option(terms.inject, |out, param| {
                out.number(param as u64);
            });
            out.number(u64::from(terms.inspect)).number(u64::from(terms.optional));
            net_limits(&mut out, &terms.limits);
        }
        NetKind::Deny(to) => {
            out.number(1);
            endpoint(&mut out, to);
        }
        NetKind::Listen(at) => {
            out.number(2);
            endpoint(&mut out, &at.at);
            out.option(at.inside, |out, inside| {
                out.number(inside.into());
            });
        }
        NetKind::Total(all) => {
            out.number(4);
            net_limits(&mut out, all);
        }
    }
    out
}

fn tool(tool: &Tool) -> Bytes {
    let mut out = Bytes::default();
    out.text(&tool.name);
    out.set(tool.params.iter().map(tool_param));
    out.option(tool.result.as_ref(), |out, ty| out.0.extend(tool_type(ty).0));
    out.list(tool.exec.iter().map(|word| {
        let mut one = Bytes::default();
        match word {
            Word::Literal(text) => one.number(0).text(text),
            Word::Param(name) => one.number(1).text(name),
            Word::Open(index) => one.number(2).number(*index as u64),
        };
        one
    }));
    out.option(tool.stdin.as_deref(), |out, text| {
        out.text(text);
    });
    out.option(tool.sandbox.as_ref(), |out, sandbox| {
        out.text(&sandbox.name);
        out.option(sandbox.policy.as_ref(), |out, policy| out.0.extend(policy.canonical_bytes()));
    });
    net_limits(&mut out, &NetLimits { rate: tool.rate, ..NetLimits::default() });
    for value in [tool.quota, tool.timeout_ms, tool.concurrency, tool.result_bytes] {
        out.option(value, |out, value| {
            out.number(value);
        });
    }
    for flag in [tool.confirm, tool.shim, tool.log_args] {
        out.number(u64::from(flag));
    }
    out
}

fn claim(claim: &OpenClaim) -> Bytes {
    let mut out = Bytes::default();
    out.number(u64::from(claim.expected == Expected::Allowed));
    match &claim.asked {
        OpenAsked::Path { path: at, access, below } => {
            out.number(0).text(access.word()).number(u64::from(*below));
            path(&mut out, at);
        }
        OpenAsked::Connect(to) => {
            out.number(1);
            endpoint(&mut out, to);
        }
        OpenAsked::Call(text) => {
            out.number(2).text(text);
        }
    }
    out
}

fn tool_param(param: &ToolParam) -> Bytes {
    let mut out = Bytes::default();
    out.text(&param.name).number(u64::from(param.optional));
    out.0.extend(tool_type(&param.ty).0);
    out
}

fn tool_type(ty: &ToolType) -> Bytes {
    let mut out = Bytes::default();
    match ty {
        ToolType::Bool => {
            out.number(0);
        }
        ToolType::Int { min, max } => {
            out.number(1).number(min.cast_unsigned()).number(max.cast_unsigned());
        }
        ToolType::Number => {
            out.number(2);
        }
        ToolType::Text { min, max, pattern } => {
            out.number(3).number(*min).number(*max);
            out.option(pattern.as_deref(), |out, pattern| {
                out.text(pattern);
            });
        }
        ToolType::OneOf(words) => {
            out.number(4);
            out.set(words.iter().map(|word| Bytes(word.as_bytes().to_vec())));
        }
        ToolType::List { of, min, max } => {
            out.number(5).number(*min).number(*max);
            out.0.extend(tool_type(of).0);
        }
        ToolType::Record(fields) => {
            out.number(6);
            out.set(fields.iter().map(tool_param));
        }
        ToolType::Path { under } => {
            out.number(7);
            path(&mut out, under);
        }
        ToolType::Json => {
            out.number(8);
        }
    }
    out
}

fn endpoint(out: &mut Bytes, endpoint: &Endpoint) {
    out.text(endpoint.protocol.word());
    match &endpoint.peer {
        Peer::Any => out.number(0),
        Peer::Private => out.number(1),
        Peer::Metadata => out.number(2),
        Peer::Loopback => out.number(3),
        Peer::Host(host) => out.number(4).text(&host.to_string()),
        Peer::Param(index) => out.number(5).number(*index as u64),
    };
    out.set(endpoint.ports.iter().map(|(first, last)| {
        let mut one = Bytes::default();
        one.number(u64::from(*first)).number(u64::from(*last));
        one
    }));
}

fn net_limits(out: &mut Bytes, limits: &NetLimits) {
    let NetLimits { rate, up_bytes, down_bytes, both_bytes, connections } = limits;
    out.option(*rate, |out, rate| {
        out.number(rate.count).number(rate.period_us).number(rate.burst);
    });
    for value in [*up_bytes, *down_bytes, *both_bytes, connections.map(u64::from)] {
        out.option(value, |out, value| {
            out.number(value);
        });
    }
}

fn syscall(rule: &SyscallRule) -> Bytes {
    let mut out = Bytes::default();
    out.number(arch(rule.arch)).number(u64::from(rule.nr)).number(u64::from(rule.implied));
    action(&mut out, rule.action);
    out.0.extend(predicate(&rule.predicate).0);
    out
}

fn arch(arch: Arch) -> u64 {
    match arch {
        Arch::X86_64 => 0,
        Arch::Aarch64 => 1,
        Arch::I386 => 2,
        Arch::X32 => 3,
    }
}

fn action(out: &mut Bytes, action: SyscallAction) {
    match action {
        SyscallAction::Allow => out.number(0),
        SyscallAction::Errno(errno) => out.number(1).number(u64::from(errno)),
        SyscallAction::Kill => out.number(2),
        SyscallAction::Log => out.number(3),
        SyscallAction::Trap => out.number(4),
        SyscallAction::Notify => out.number(5),
    };
}

fn predicate(pred: &Pred) -> Bytes {
    let bits = |width: Width| match width {
        Width::W32 => 32,
        Width::W64 => 64,
    };
    let mut out = Bytes::default();
    match pred {
        Pred::True => {
            out.number(0);
        }
        Pred::Compare { argument, width, op, value } => {
            let op = match op {
                Op::Eq => 0,
                Op::Ne => 1,
                Op::Lt => 2,
                Op::Le => 3,
                Op::Gt => 4,
                Op::Ge => 5,
            };
            out.number(1).number(u64::from(*argument)).number(bits(*width)).number(op).number(*value);
        }
        Pred::Masked { argument, width, mask, value } => {
            out.number(2).number(u64::from(*argument)).number(bits(*width)).number(*mask).number(*value);
        }
        Pred::Not(inner) => {
            out.number(3);
            out.0.extend(predicate(inner).0);
        }
        Pred::All(all) => {
            out.number(4);
            out.set(all.iter().map(predicate));
        }
        Pred::Any(any) => {
            out.number(5);
            out.set(any.iter().map(predicate));
        }
    }
    out
}

fn limits(out: &mut Bytes, limits: &Limits) {
    out.number(u64::from(limits.hard));
    for (_, limit) in limits.by_word() {
        out.option(limit.map(|limit| limit.value), |out, value| {
            out.number(value);
        });
    }
}

fn env(kind: &EnvKind) -> Bytes {
    let mut out = Bytes::default();
    match kind {
        EnvKind::Pass { name, prefix } => {
            out.number(0).text(name).number(u64::from(*prefix));
        }
        EnvKind::Set { name, value } => {
            out.number(1).text(name);
            match value {
                Text::Literal(text) => out.number(0).text(text),
                Text::Param(index) => out.number(1).number(*index as u64),
            };
        }
    }
    out
}

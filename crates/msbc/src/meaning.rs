//! What a file means, be it a policy or a plan: the plan's mounts, limits, variables and filter read back.
//!
//! A filter is read back exactly. It has no loops, so each of its paths is a conjunction of tests on words of the
//! arguments, and the paths that lead to one action are the rule for it.

mod net;

use crate::cli::Policy as PolicyFile;
use crate::input::{self, Disk};
use crate::output::Output;
use crate::show::bpf::{self, Instruction};
use crate::{Exit, show};
use msb_compile::{Checked, Options};
use msb_plan::{MAGIC, MountKind, PLAN_BYTES_MAX, Plan};
use msb_policy as ir;
use msb_policy::Policy;

/// Where a meaning comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// A text.
    Policy,
    /// A plan, which does not say which line each call and variable comes from.
    Plan,
}

/// The policy in `file`, or the one that a plan was made of; what is wrong is said.
pub(crate) fn read(file: &PolicyFile, output: &mut Output) -> Result<(Policy, From), Exit> {
    let path = file.file.display();
    let bytes_max = u64::try_from(PLAN_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let bytes = input::read(&file.file, bytes_max).map_err(|reason| {
        output.message(&format!("cannot read `{path}`: {reason}"));
        Exit::Wrong
    })?;
    if bytes.starts_with(&MAGIC) {
        let plan = msb_plan::decode(&bytes).map_err(|error| {
            output.message(&format!("`{path}` is not a plan that can be applied: {}", show::words(error)));
            Exit::Wrong
        })?;
        return of_plan(plan.plan()).map(|policy| (policy, From::Plan)).ok_or_else(|| {
            output.message(&format!("the filter of `{path}` was not made by this compiler; ask its policy"));
            Exit::Wrong
        });
    }
    let Some(name) = file.file.to_str() else {
        output.message(&format!("the path `{path}` is not UTF-8: rename the file"));
        return Err(Exit::Usage);
    };
    let options = Options { policy: file.name.clone(), ..Options::default() };
    let Checked { policy, diagnostics, sources, .. } = msb_compile::check(&Disk, name, &options);
    policy.map(|policy| (policy, From::Policy)).ok_or_else(|| {
        output.findings(&diagnostics, &sources);
        Exit::Wrong
    })
}

/// The policy of `plan`; `None` if its filter tests, or its network has, what no rule can say.
pub(crate) fn of_plan(plan: &Plan<'_>) -> Option<Policy> {
    let origin = |id: msb_plan::OriginId| ir::OriginId(u32::from(id.0));
    let filter = plan.filters.first()?;
    let arch = match filter.arch {
        msb_plan::Arch::X86_64 => ir::Arch::X86_64,
        msb_plan::Arch::Aarch64 => ir::Arch::Aarch64,
    };
    let identity = &plan.identity;
    Some(Policy {
        name: plan.policy.name.to_owned(),
        edition: plan.policy.edition,
        origin: origin(plan.policy.origin),
        params: plan.params.iter().map(|param| self::param(param, origin(param.origin))).collect(),
        fs: files(plan, origin),
        net: net::net(plan, origin)?,
        syscalls: calls(filter, arch)?,
        syscall_default: (ir::SyscallAction::Errno(1), origin(filter.origin)),
        arch,
        limits: limits(plan, origin),
        capabilities: (identity.capabilities, origin(identity.origin)),
        env: plan.env.iter().map(|rule| env(rule, origin(plan.policy.origin))).collect(),
        exec: ir::Exec {
            command: plan.command.iter().map(|word| (*word).to_owned()).collect(),
            uid: identity.uid,
            gid: identity.gid,
            cwd: identity.cwd.map(|(cwd, at)| (path(cwd), origin(at))),
            hostname: identity.hostname.to_owned(),
            origin: origin(identity.origin),
        },
        tools: Vec::new(),
        origins: plan
            .origins
            .iter()
            .map(|it| ir::Origin {
                file: it.file.to_owned(),
                line: it.line,
                column: it.column,
                text: it.text.to_owned(),
            })
            .collect(),
    })
}

fn param(param: &msb_plan::Param<'_>, origin: ir::OriginId) -> ir::Param {
    ir::Param {
        name: param.name.to_owned(),
        kind: match param.kind {
            msb_plan::ParamKind::Dir => ir::ParamKind::Dir,
            msb_plan::ParamKind::File => ir::ParamKind::File,
            msb_plan::ParamKind::Text => ir::ParamKind::Text,
            msb_plan::ParamKind::Host => ir::ParamKind::Host,
            msb_plan::ParamKind::Secret => ir::ParamKind::Secret,
        },
        default: param.default.map(str::to_owned),
        origin,
    }
}

fn path(path: msb_plan::Path<'_>) -> ir::Path {
    let base = match path.base {
        msb_plan::Base::Root => ir::Base::Root,
        msb_plan::Base::Home => ir::Base::Home,
        msb_plan::Base::Param(index) => ir::Base::Param(usize::from(index)),
    };
    ir::Path { base, rest: path.rest.to_owned() }
}

fn rights(rights: msb_plan::Rights) -> ir::Rights {
    use msb_plan::Rights as R;
    ir::Rights {
        read: rights.contains(R::READ),
        write: rights.contains(R::WRITE),
        run: rights.contains(R::RUN),
    }
}

fn files(plan: &Plan<'_>, origin: impl Fn(msb_plan::OriginId) -> ir::OriginId) -> Vec<ir::FsRule> {
    let mounts = plan.mounts.iter().map(|mount| {
        let target = path(mount.target);
        let kind = match mount.kind {
            MountKind::Bind { source, rights: granted } => ir::FsKind::Grant {
                source: path(source),
                target,
                rights: rights(granted),
                optional: mount.presence == msb_plan::Presence::Optional,
            },
            MountKind::Scratch { size_bytes, inodes, .. } => {
                ir::FsKind::Scratch { target, size_bytes, inodes }
            }
            MountKind::Proc(_) => ir::FsKind::ProcSelf,
            MountKind::Dev { .. } => ir::FsKind::StdDevices,
        };
        ir::FsRule { kind, origin: origin(mount.origin) }
    });
    let denies = plan.denies.iter().map(|deny| {
        let missing = match deny.missing {
            msb_plan::Missing::MaskFile => ir::Missing::Mask { directory: false },
            msb_plan::Missing::MaskDir => ir::Missing::Mask { directory: true },
            msb_plan::Missing::Fail => ir::Missing::Fail,
            msb_plan::Missing::Skip => ir::Missing::Skip,
        };
        let kind = ir::FsKind::Deny { path: path(deny.path), rights: rights(deny.rights), missing };
        ir::FsRule { kind, origin: origin(deny.origin) }
    });
    mounts.chain(denies).collect()
}

fn limits(plan: &Plan<'_>, origin: impl Fn(msb_plan::OriginId) -> ir::OriginId) -> ir::Limits {
    fn one<T: Copy>(
        limit: Option<msb_plan::Limit<T>>,
        origin: impl Fn(msb_plan::OriginId) -> ir::OriginId,
    ) -> Option<ir::Limit<T>> {
        limit.map(|limit| ir::Limit { value: limit.value, origin: origin(limit.origin) })
    }
    let limits = plan.limits;
    ir::Limits {
        hard: limits.hold == msb_plan::Hold::Cgroup,
        memory_bytes: one(limits.memory_bytes, &origin),
        pids: one(limits.pids, &origin),
        cpu_percent: one(limits.cpu_percent, &origin),
        wall_ms: one(limits.wall_ms, &origin),
        files: one(limits.files, &origin),
    }
}

fn env(rule: &msb_plan::Env<'_>, origin: ir::OriginId) -> ir::EnvRule {
    let kind = match *rule {
        msb_plan::Env::Pass { name } => ir::EnvKind::Pass { name: name.to_owned(), prefix: false },
        msb_plan::Env::PassPrefix { prefix } => ir::EnvKind::Pass { name: prefix.to_owned(), prefix: true },
        msb_plan::Env::Set { name, value } => ir::EnvKind::Set {
            name: name.to_owned(),
            value: match value {
                msb_plan::Text::Literal(text) => ir::Text::Literal(text.to_owned()),
                msb_plan::Text::Param(index) => ir::Text::Param(usize::from(index)),
            },
        },
    };
    ir::EnvRule { kind, origin }
}

/// Paths through a filter for one call: more than any rule that the compiler writes has.
const PATHS_MAX: usize = 1 << 14;

/// A rule for each call and each of its actions.
fn calls(filter: &msb_plan::Filter<'_>, arch: ir::Arch) -> Option<Vec<ir::SyscallRule>> {
    let program = bpf::instructions(filter.program);
    let origin = ir::OriginId(u32::from(filter.origin.0));
    let mut rules = Vec::new();
    for call in msb_syscalls::all(arch) {
        let mut ways: Vec<(ir::SyscallAction, Vec<ir::Pred>)> = Vec::new();
        let walk = Walk { program: &program, audit_arch: filter.arch.audit(), nr: call.nr };
        walk.from(0, Word::Known(0), &mut Vec::new(), &mut ways)?;
        let mut actions: Vec<ir::SyscallAction> = ways.iter().map(|(action, _)| *action).collect();
        actions.sort_unstable();
        actions.dedup();
        for action in &actions {
            let conditions =
                ways.iter().filter(|(way, _)| way == action).map(|(_, all)| ir::Pred::All(all.clone()));
            let predicate =
                if actions.len() == 1 { ir::Pred::True } else { ir::Pred::Any(conditions.collect()) };
            rules.push(ir::SyscallRule { nr: call.nr, action: *action, predicate, origin, implied: false });
        }
    }
    Some(rules)
}

/// What the accumulator holds.
#[derive(Debug, Clone, Copy)]
enum Word {
    Known(u32),
    /// A half of an argument, and the bits of it that are kept.
    Argument {
        index: u8,
        high: bool,
        mask: u32,
    },
}

struct Walk<'a> {
    program: &'a [Instruction],
    audit_arch: u32,
    nr: u32,
}

impl Walk<'_> {
    /// Every way from the instruction `at` to a return, with what must hold on it.
    fn from(
        &self,
        at: usize,
        word: Word,
        held: &mut Vec<ir::Pred>,
        ways: &mut Vec<(ir::SyscallAction, Vec<ir::Pred>)>,
    ) -> Option<()> {
        let Instruction { code, jt, jf, k } = *self.program.get(at)?;
        match code {
            0x20 => self.from(at + 1, self.load(k)?, held, ways),
            0x05 => self.from(at + 1 + usize::try_from(k).ok()?, word, held, ways),
            0x54 => {
                let kept = match word {
                    Word::Known(value) => Word::Known(value & k),
                    Word::Argument { index, high, mask } => Word::Argument { index, high, mask: mask & k },
                };
                self.from(at + 1, kept, held, ways)
            }
            0x06 => {
                if ways.len() == PATHS_MAX {
                    return None;
                }
                ways.push((action(k)?, held.clone()));
                Some(())
            }
            0x15 | 0x25 | 0x35 | 0x45 => {
                let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
                match word {
                    Word::Known(value) => {
                        let holds = match code {
                            0x15 => value == k,
                            0x25 => value > k,
                            0x35 => value >= k,
                            _ => value & k != 0,
                        };
                        self.from(if holds { yes } else { no }, word, held, ways)
                    }
                    Word::Argument { index, high, mask } => {
                        let test = test(code, index, high, mask, k)?;
                        for (next, holds) in [(yes, test.clone()), (no, ir::Pred::Not(Box::new(test)))] {
                            held.push(holds);
                            // A way that no arguments take is none.
                            if ir::Pred::All(held.clone()).satisfiable() {
                                self.from(next, word, held, ways)?;
                            }
                            held.pop();
                        }
                        Some(())
                    }
                }
            }
            _ => None,
        }
    }

    /// A word of `struct seccomp_data` by its offset.
    fn load(&self, offset: u32) -> Option<Word> {
        match offset {
            0 => Some(Word::Known(self.nr)),
            4 => Some(Word::Known(self.audit_arch)),
            16..64 if offset.is_multiple_of(4) => {
                let index = u8::try_from((offset - 16) / 8).ok()?;
                Some(Word::Argument { index, high: !offset.is_multiple_of(8), mask: u32::MAX })
            }
            _ => None,
        }
    }
}

/// A test of a word as a condition on the argument.
fn test(code: u16, argument: u8, high: bool, mask: u32, k: u32) -> Option<ir::Pred> {
    let width = if high { ir::Width::W64 } else { ir::Width::W32 };
    let place = |bits: u32| if high { u64::from(bits) << 32 } else { u64::from(bits) };
    let masked = |mask, value| ir::Pred::Masked { argument, width, mask: place(mask), value: place(value) };
    let compare = |op, value| ir::Pred::Compare { argument, width, op, value };
    match code {
        0x15 if k & !mask != 0 => Some(ir::Pred::Any(Vec::new())),
        0x15 => Some(masked(mask, k)),
        0x45 => Some(ir::Pred::Not(Box::new(masked(mask & k, 0)))),
        _ if mask != u32::MAX => None,
        0x25 if high => Some(compare(ir::Op::Gt, place(k) | u64::from(u32::MAX))),
        0x25 => Some(compare(ir::Op::Gt, place(k))),
        _ => Some(compare(ir::Op::Ge, place(k))),
    }
}

/// `SECCOMP_RET_*` of linux/seccomp.h; `None` for what asks somebody.
fn action(value: u32) -> Option<ir::SyscallAction> {
    match value & 0xffff_0000 {
        0x7fff_0000 => Some(ir::SyscallAction::Allow),
        0x7ffc_0000 => Some(ir::SyscallAction::Log),
        0x0005_0000 => Some(ir::SyscallAction::Errno(u16::try_from(value & 0xffff).ok()?)),
        0x0003_0000 => Some(ir::SyscallAction::Trap),
        0x8000_0000 => Some(ir::SyscallAction::Kill),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

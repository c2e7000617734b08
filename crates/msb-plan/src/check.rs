//! What must hold of a plan before a launcher may apply it.

mod network;

use crate::event::LimitKind;
use crate::{
    Base, CAPABILITY_MAX, CLAIMS_MAX, COMMAND_MAX, CPU_PERCENT_MAX, CPU_TIME_MS_MIN, CPUSET_MAX, DENIES_MAX,
    ENV_MAX, Env, FILES_MAX, FILTER_INSTRUCTIONS_MAX, FILTERS_MAX, Filter, HOSTNAME_BYTES_MAX,
    INSTRUCTION_BYTES, IO_BYTES_MIN, IO_WEIGHT_MAX, KILL_BYTES, KILLS_MAX, LANDLOCK_ABI_MAX, Listener,
    MEMORY_BYTES_MAX, MEMORY_BYTES_MIN, MOUNTS_MAX, MountKind, OPEN_FILES_MAX, OPEN_FILES_MIN,
    ORIGIN_TEXT_BYTES_MAX, ORIGINS_MAX, OriginId, PARAMS_MAX, PATH_BYTES_MAX, PIDS_MAX, ParamKind, Path,
    Plan, Rights, SEARCH_DEPTH_MAX, SEARCHES_MAX, TEXT_BYTES_MAX, Text, WALL_MS_MAX,
};
use core::ops::RangeInclusive;

/// A plan whose bounds, references, paths and filters were checked: the one type a launcher takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPlan<'a>(Plan<'a>);

/// What is wrong with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// A list or a string is longer than its bound.
    TooLong,
    /// An index points past the end of its list, or to a parameter of another kind.
    Reference,
    /// A path has an empty, `.` or `..` component, a NUL byte, a `/` at an end, or a base that its place forbids;
    /// or a file lies below a mount.
    Path,
    /// A parameter, variable or host name is empty or has a character that it must not have.
    Name,
    /// Two parameters, mounts, denies, files, variables or filters are for the same thing.
    Duplicate,
    /// User or group id 0 or 2³²−1, or a capability that does not exist.
    Identity,
    /// A size, an id or a limit is 0 or too large.
    Value,
    /// A set of rights that has unknown bits, or that lacks what its place needs.
    Rights,
    /// A filter that the kernel would refuse, or that this launcher does not load.
    Filter,
    /// A batch for nf_tables that is not one, or network rules that do not fit together.
    Network,
}

impl<'a> CheckedPlan<'a> {
    /// Checks `plan`.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(plan: Plan<'a>) -> Result<CheckedPlan<'a>, Invalid> {
        bounds(&plan)?;
        policy(&plan)?;
        params(&plan)?;
        identity(&plan)?;
        mounts(&plan)?;
        searches(&plan)?;
        files(&plan)?;
        claims(&plan)?;
        network::network(&plan)?;
        limits(&plan)?;
        filters(&plan)?;
        environment(&plan)?;
        Ok(CheckedPlan(plan))
    }

    /// The plan, for a launcher that denies more on its own account.
    #[must_use]
    pub fn into_plan(self) -> Plan<'a> {
        self.0
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan<'a> {
        &self.0
    }
}

/// Kinds of parameters, a bit each.
type Kinds = u8;
const NO_KIND: Kinds = 0;
const DIR: Kinds = 1 << ParamKind::Dir as u8;
const PLACES: Kinds = DIR | 1 << ParamKind::File as u8;
const TEXT: Kinds = 1 << ParamKind::Text as u8;
const HOST: Kinds = 1 << ParamKind::Host as u8;
const SECRET: Kinds = 1 << ParamKind::Secret as u8;

fn ensure(holds: bool, otherwise: Invalid) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Refuses two in `list` that are the `same`.
fn distinct<T>(list: &[T], same: impl Fn(&T, &T) -> bool) -> Result<(), Invalid> {
    let mut list = list;
    while let [one, rest @ ..] = list {
        ensure(!rest.iter().any(|other| same(one, other)), Invalid::Duplicate)?;
        list = rest;
    }
    Ok(())
}

fn bounds(plan: &Plan<'_>) -> Result<(), Invalid> {
    let within = plan.params.len() <= PARAMS_MAX
        && plan.mounts.len() <= MOUNTS_MAX
        && plan.denies.len() <= DENIES_MAX
        && plan.searches.len() <= SEARCHES_MAX
        && plan.files.len() <= FILES_MAX
        && plan.claims.len() <= CLAIMS_MAX
        && plan.filters.len() <= FILTERS_MAX
        && plan.env.len() <= ENV_MAX
        && plan.command.len() <= COMMAND_MAX
        && plan.origins.len() <= ORIGINS_MAX;
    ensure(within, Invalid::TooLong)
}

fn policy(plan: &Plan<'_>) -> Result<(), Invalid> {
    text(plan.policy.name)?;
    ensure(!plan.policy.name.is_empty(), Invalid::Name)?;
    origin(plan, plan.policy.origin)?;
    origin(plan, plan.target.origin)?;
    ensure(plan.target.landlock_abi_min <= LANDLOCK_ABI_MAX, Invalid::Value)?;
    for at in &plan.origins {
        text(at.file)?;
        ensure(at.text.len() <= ORIGIN_TEXT_BYTES_MAX, Invalid::TooLong)?;
        ensure(at.line > 0 && at.column > 0, Invalid::Value)?;
    }
    plan.command.iter().try_for_each(|word| text(word))
}

fn params(plan: &Plan<'_>) -> Result<(), Invalid> {
    distinct(&plan.params, |one, other| one.name == other.name)?;
    for param in &plan.params {
        origin(plan, param.origin)?;
        param.default.map_or(Ok(()), text)?;
        let name = param.name.as_bytes();
        let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-';
        ensure(!name.is_empty() && name.len() <= 64 && name.iter().all(plain), Invalid::Name)?;
    }
    Ok(())
}

fn identity(plan: &Plan<'_>) -> Result<(), Invalid> {
    let who = &plan.identity;
    origin(plan, who.origin)?;
    let real = |id: u32| id != 0 && id != u32::MAX;
    ensure(real(who.uid) && real(who.gid), Invalid::Identity)?;
    ensure(who.capabilities >> (CAPABILITY_MAX + 1) == 0, Invalid::Identity)?;
    let host = who.hostname.as_bytes();
    let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'.';
    ensure(!host.is_empty() && host.len() <= HOSTNAME_BYTES_MAX && host.iter().all(plain), Invalid::Name)?;
    let asked = [who.terminal, who.write_execute_denied];
    asked.into_iter().flatten().try_for_each(|at| origin(plan, at))?;
    // A terminal is a file in the sandbox's own devpts.
    let has_terminals = plan.mounts.iter().any(|mount| matches!(mount.kind, MountKind::Dev { .. }));
    ensure(who.terminal.is_none() || has_terminals, Invalid::Identity)?;
    match who.cwd {
        Some((cwd, at)) => path(plan, &cwd, DIR).and(origin(plan, at)),
        None => Ok(()),
    }
}

fn mounts(plan: &Plan<'_>) -> Result<(), Invalid> {
    distinct(&plan.mounts, |one, other| same(&one.target, &other.target))?;
    for mount in &plan.mounts {
        origin(plan, mount.origin)?;
        path(plan, &mount.target, PLACES)?;
        ensure(mount.target != Path { base: Base::Root, rest: "" }, Invalid::Path)?;
        match &mount.kind {
            MountKind::Bind { source, rights, .. } => {
                path(plan, source, PLACES)?;
                grant(*rights)?;
            }
            MountKind::Overlay { source, size_bytes, inodes, rights, .. } => {
                path(plan, source, DIR)?;
                grant(*rights)?;
                ensure(rights.contains(Rights::WRITE), Invalid::Rights)?;
                ensure(*size_bytes > 0 && *inodes > 0, Invalid::Value)?;
            }
            MountKind::Device { source } | MountKind::Socket { source, .. } => path(plan, source, PLACES)?,
            MountKind::Scratch { size_bytes, inodes, rights } => {
                grant(*rights)?;
                ensure(rights.contains(Rights::WRITE), Invalid::Rights)?;
                ensure(*size_bytes > 0 && *inodes > 0, Invalid::Value)?;
            }
            MountKind::Proc(_) => {
                ensure(mount.target == Path { base: Base::Root, rest: "proc" }, Invalid::Path)?;
            }
            MountKind::Dev { shm_bytes } => {
                ensure(*shm_bytes > 0, Invalid::Value)?;
                ensure(mount.target == Path { base: Base::Root, rest: "dev" }, Invalid::Path)?;
            }
        }
    }
    distinct(&plan.denies, |one, other| same(&one.path, &other.path))?;
    for deny in &plan.denies {
        origin(plan, deny.origin)?;
        path(plan, &deny.path, PLACES)?;
        ensure(deny.rights != Rights::NONE && Rights::ALL.contains(deny.rights), Invalid::Rights)?;
    }
    Ok(())
}

fn searches(plan: &Plan<'_>) -> Result<(), Invalid> {
    for search in &plan.searches {
        origin(plan, search.origin)?;
        path(plan, &search.root, DIR)?;
        // Below a directory that nothing is known of, each is a path as any.
        let below = |rest| Path { base: Base::Root, rest };
        path(plan, &below(search.beside), NO_KIND)?;
        path(plan, &below(search.rest), NO_KIND)?;
        let named = !search.beside.is_empty() && !search.rest.is_empty();
        ensure(named && !search.beside.contains('/'), Invalid::Path)?;
        ensure(search.depth <= SEARCH_DEPTH_MAX, Invalid::Value)?;
        ensure(search.rights != Rights::NONE && Rights::ALL.contains(search.rights), Invalid::Rights)?;
    }
    Ok(())
}

fn grant(rights: Rights) -> Result<(), Invalid> {
    ensure(Rights::ALL.contains(rights) && rights.contains(Rights::READ), Invalid::Rights)
}

fn files(plan: &Plan<'_>) -> Result<(), Invalid> {
    distinct(&plan.files, |one, other| same(&one.path, &other.path))?;
    for file in &plan.files {
        origin(plan, file.origin)?;
        // Written through a mount, it would land on the host.
        ensure(!plan.mounts.iter().any(|mount| covers(&mount.target, &file.path)), Invalid::Path)?;
        path(plan, &file.path, NO_KIND)?;
        ensure(file.path.base == Base::Root && !file.path.rest.is_empty(), Invalid::Path)?;
        ensure(file.content.len() <= TEXT_BYTES_MAX, Invalid::TooLong)?;
    }
    Ok(())
}

fn claims(plan: &Plan<'_>) -> Result<(), Invalid> {
    for claim in &plan.claims {
        origin(plan, claim.origin)?;
        path(plan, &claim.path, PLACES)?;
        ensure([Rights::READ, Rights::WRITE, Rights::RUN].contains(&claim.right), Invalid::Rights)?;
    }
    Ok(())
}

/// Whether they are one; lengths first, which mostly differ.
fn same(one: &Path<'_>, other: &Path<'_>) -> bool {
    one.rest.len() == other.rest.len() && one == other
}

/// Whether `outer` is `inner` or one of its ancestors, as far as their bases tell.
fn covers(outer: &Path<'_>, inner: &Path<'_>) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    outer.base == inner.base
        && (outer.rest.is_empty() || inner.rest.strip_prefix(outer.rest).is_some_and(below))
}

fn limits(plan: &Plan<'_>) -> Result<(), Invalid> {
    for (kind, limit) in plan.limits.each() {
        origin(plan, limit.origin)?;
        ensure(limit_range(kind).contains(&limit.value), Invalid::Value)?;
    }
    // What swap is besides.
    ensure(plan.limits.swap_bytes.is_none() || plan.limits.memory_bytes.is_some(), Invalid::Value)
}

/// The values that a limit of this kind can have, in the unit of its field of [`crate::Limits`].
#[must_use]
pub fn limit_range(kind: LimitKind) -> RangeInclusive<u64> {
    match kind {
        LimitKind::Memory => MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX,
        LimitKind::Swap | LimitKind::FileSize | LimitKind::Output => 0..=MEMORY_BYTES_MAX,
        LimitKind::Pids => 1..=u64::from(PIDS_MAX),
        LimitKind::Cpu => 1..=u64::from(CPU_PERCENT_MAX),
        LimitKind::Cpuset => 1..=CPUSET_MAX,
        LimitKind::CpuTime => CPU_TIME_MS_MIN..=WALL_MS_MAX,
        LimitKind::Wall => 1..=WALL_MS_MAX,
        LimitKind::Files => u64::from(OPEN_FILES_MIN)..=u64::from(OPEN_FILES_MAX),
        LimitKind::Io => IO_BYTES_MIN..=MEMORY_BYTES_MAX,
        LimitKind::IoWeight => 1..=IO_WEIGHT_MAX,
    }
}

fn filters(plan: &Plan<'_>) -> Result<(), Invalid> {
    ensure(!plan.filters.is_empty(), Invalid::Filter)?;
    distinct(&plan.filters, |one, other| one.arch == other.arch)?;
    for filter in &plan.filters {
        origin(plan, filter.origin)?;
        program(filter)?;
        kills(plan, filter)?;
    }
    Ok(())
}

fn kills(plan: &Plan<'_>, filter: &Filter<'_>) -> Result<(), Invalid> {
    let whole = filter.kills.len().is_multiple_of(KILL_BYTES);
    ensure(whole && filter.kills.len() <= KILL_BYTES * KILLS_MAX, Invalid::Filter)?;
    filter.killing().try_for_each(|(_, at)| origin(plan, at))?;
    ensure(filter.killing().is_sorted_by(|(a, _), (b, _)| a < b), Invalid::Filter)
}

/// The instructions that seccomp takes from a program: seccomp_check_filter in kernel/seccomp.c, of which
/// our emitter uses these.
mod bpf {
    pub(super) const LD_W_ABS: u16 = 0x20;
    pub(super) const JMP_JA: u16 = 0x05;
    pub(super) const JMP_JEQ_K: u16 = 0x15;
    pub(super) const JMP_JGT_K: u16 = 0x25;
    pub(super) const JMP_JGE_K: u16 = 0x35;
    pub(super) const JMP_JSET_K: u16 = 0x45;
    pub(super) const ALU_AND_K: u16 = 0x54;
    pub(super) const RET_K: u16 = 0x06;
    /// sizeof(struct seccomp_data).
    pub(super) const DATA_BYTES: u32 = 64;
    pub(super) const RET_KILL_PROCESS: u32 = 0x8000_0000;
    pub(super) const RET_USER_NOTIF: u32 = 0x7fc0_0000;
    pub(super) const RET_LOG: u32 = 0x7ffc_0000;
    pub(super) const RET_TRAP: u32 = 0x0003_0000;
    pub(super) const RET_ALLOW: u32 = 0x7fff_0000;
    pub(super) const RET_ERRNO_MIN: u32 = 0x0005_0001;
    /// MAX_ERRNO of linux/err.h; the kernel lowers anything above to it.
    pub(super) const RET_ERRNO_MAX: u32 = 0x0005_0000 | 4095;
}

fn program(filter: &Filter<'_>) -> Result<(), Invalid> {
    let (instructions, rest) = filter.program.as_chunks::<INSTRUCTION_BYTES>();
    let count = instructions.len();
    ensure(rest.is_empty() && count > 0 && count <= FILTER_INSTRUCTIONS_MAX, Invalid::Filter)?;
    let mut notifies = false;
    for (at, &[c0, c1, jt, jf, k0, k1, k2, k3]) in instructions.iter().enumerate() {
        let code = u16::from_le_bytes([c0, c1]);
        let k = u32::from_le_bytes([k0, k1, k2, k3]);
        let lands = |offset: u64| at as u64 + 1 + offset < count as u64;
        let good = match code {
            bpf::LD_W_ABS => k.is_multiple_of(4) && k < bpf::DATA_BYTES,
            bpf::JMP_JA => lands(u64::from(k)),
            bpf::JMP_JEQ_K | bpf::JMP_JGT_K | bpf::JMP_JGE_K | bpf::JMP_JSET_K => {
                lands(u64::from(jt)) && lands(u64::from(jf))
            }
            bpf::ALU_AND_K => true,
            bpf::RET_K => {
                notifies |= k == bpf::RET_USER_NOTIF;
                returns(k)
            }
            _ => false,
        };
        ensure(good, Invalid::Filter)?;
    }
    // The last instruction must return: forward jumps alone then reach a return on every path.
    let ends = instructions.last().is_some_and(|i| u16::from_le_bytes([i[0], i[1]]) == bpf::RET_K);
    ensure(ends && notifies == (filter.listener != Listener::None), Invalid::Filter)
}

/// The actions that a policy can ask for. Errno 0 would report success for a call that was not made; the
/// others (TRACE, KILL_THREAD, data beside TRAP and LOG) no policy asks for.
fn returns(action: u32) -> bool {
    matches!(
        action,
        bpf::RET_ALLOW
            | bpf::RET_LOG
            | bpf::RET_TRAP
            | bpf::RET_KILL_PROCESS
            | bpf::RET_USER_NOTIF
            | bpf::RET_ERRNO_MIN..=bpf::RET_ERRNO_MAX
    )
}

fn environment(plan: &Plan<'_>) -> Result<(), Invalid> {
    let name = |name: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        ensure(!name.is_empty() && name.len() <= 256 && name.bytes().all(plain), Invalid::Name)
    };
    distinct(&plan.env, |one, other| key(one) == key(other))?;
    for rule in &plan.env {
        match *rule {
            Env::Pass { name: n } => name(n)?,
            Env::PassPrefix { prefix } => name(prefix)?,
            Env::Set { name: n, value } => {
                name(n)?;
                match value {
                    Text::Literal(value) => text(value)?,
                    Text::Param(index) => param(plan, index, TEXT)?,
                }
            }
        }
    }
    Ok(())
}

/// What a rule is about: whole names, passed or set, and prefixes are two kinds of thing.
fn key<'a>(rule: &Env<'a>) -> (bool, &'a str) {
    match *rule {
        Env::Pass { name } | Env::Set { name, .. } => (false, name),
        Env::PassPrefix { prefix } => (true, prefix),
    }
}

fn text(text: &str) -> Result<(), Invalid> {
    ensure(text.len() <= TEXT_BYTES_MAX, Invalid::TooLong)?;
    ensure(!text.as_bytes().contains(&0), Invalid::Name)
}

fn origin(plan: &Plan<'_>, id: OriginId) -> Result<(), Invalid> {
    ensure(usize::from(id.0) < plan.origins.len(), Invalid::Reference)
}

fn param(plan: &Plan<'_>, index: u8, kinds: Kinds) -> Result<(), Invalid> {
    let found = plan.params.get(usize::from(index)).ok_or(Invalid::Reference)?;
    ensure(kinds & 1 << found.kind as u8 != 0, Invalid::Reference)
}

fn path(plan: &Plan<'_>, path: &Path<'_>, kinds: Kinds) -> Result<(), Invalid> {
    ensure(path.rest.len() < PATH_BYTES_MAX, Invalid::TooLong)?;
    ensure(!path.rest.as_bytes().contains(&0), Invalid::Path)?;
    let plain = |component: &[u8]| !matches!(component, b"" | b"." | b"..") && component.len() <= 255;
    // By bytes: to look for a character takes several times as long.
    let mut components = path.rest.as_bytes().split(|b| *b == b'/');
    ensure(path.rest.is_empty() || components.all(plain), Invalid::Path)?;
    match path.base {
        Base::Root | Base::Home => Ok(()),
        Base::Param(index) => {
            param(plan, index, kinds)?;
            let file = plan.params.get(usize::from(index)).is_some_and(|p| p.kind == ParamKind::File);
            ensure(!file || path.rest.is_empty(), Invalid::Path)
        }
    }
}

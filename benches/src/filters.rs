//! Filters for one policy by three compilers, and what each costs: `c/filter.c` measures, this compares.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cases::compile_c;
use msb_policy::{Arch, Op, OriginId, Policy, Pred, SyscallAction, SyscallRule, Width};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// A condition as all three can say it: the argument, a mask and the value of the masked bits.
type Condition = (u8, u64, u64);

/// Calls of the policy that are allowed for some arguments, and for which: one of the conditions holds.
const CHECKED: &[(&str, &[Condition])] = &[
    ("socket", &[(0, ALL, 1), (0, ALL, 2), (0, ALL, 10)]),
    ("socketpair", &[(0, ALL, 1)]),
    ("prctl", &[(0, ALL, 15), (0, ALL, 16), (0, ALL, 38)]),
    ("clone", &[(0, 0x7e02_0000, 0)]),
    ("personality", &[(0, ALL, 0), (0, ALL, 0xffff_ffff)]),
];
const ALL: u64 = 0xffff_ffff;
/// EPERM.
const DENIED: u16 = 1;

/// The numbers that are allowed whatever the arguments, and those that are for some.
fn calls() -> (Vec<u32>, Vec<(u32, &'static [Condition])>) {
    let number = |name: &str| msb_syscalls::find(Arch::X86_64, name).map(|call| call.nr);
    let checked: Vec<_> =
        CHECKED.iter().filter_map(|(name, conditions)| Some((number(name)?, *conditions))).collect();
    let service = msb_syscalls::expand(Arch::X86_64, "@system-service").unwrap_or_default();
    let open = service.iter().map(|call| call.nr).filter(|nr| checked.iter().all(|(other, _)| other != nr));
    (open.collect(), checked)
}

/// The policy: an agent's, of some 300 calls of which five have conditions.
#[must_use]
pub fn policy() -> Policy {
    let origin = OriginId(0);
    let (open, checked) = calls();
    let rule = |nr, predicate| SyscallRule {
        arch: Arch::X86_64,
        nr,
        action: SyscallAction::Allow,
        predicate,
        origin,
        implied: false,
    };
    let one = |&(argument, mask, value): &Condition| match mask {
        ALL => Pred::Compare { argument, width: Width::W32, op: Op::Eq, value },
        mask => Pred::Masked { argument, width: Width::W32, mask, value },
    };
    let any = |(nr, all): &(u32, &[Condition])| rule(*nr, Pred::Any(all.iter().map(one).collect()));
    Policy {
        syscalls: open.iter().map(|nr| rule(*nr, Pred::True)).chain(checked.iter().map(any)).collect(),
        syscall_default: (SyscallAction::Errno(DENIED), origin),
        ..Policy::closed("filters", Arch::X86_64, origin)
    }
}

/// One filter.
#[derive(Debug)]
struct Filter {
    name: &'static str,
    /// Empty for none.
    program: Vec<u8>,
}

/// What the kernel runs for every number when it loads a filter of one instruction: `BPF_RET | BPF_K`, ALLOW.
const ALLOW_ALL: [u8; 8] = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];

fn ours() -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(msb_seccomp::compile(&policy(), msb_seccomp::Options::default())?.bytes())
}

fn theirs() -> Result<Vec<u8>, Box<dyn Error>> {
    let (open, checked) = calls();
    let mut rules: std::collections::BTreeMap<i64, Vec<SeccompRule>> =
        open.iter().map(|nr| (i64::from(*nr), Vec::new())).collect();
    for (nr, conditions) in checked {
        let one = |&(argument, mask, value): &Condition| {
            let op = if mask == ALL { SeccompCmpOp::Eq } else { SeccompCmpOp::MaskedEq(mask) };
            SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?])
        };
        rules.insert(i64::from(nr), conditions.iter().map(one).collect::<Result<_, _>>()?);
    }
    let (mismatch, matched) = (SeccompAction::Errno(DENIED.into()), SeccompAction::Allow);
    let program: BpfProgram = SeccompFilter::new(rules, mismatch, matched, TargetArch::x86_64)?.try_into()?;
    let bytes = |i: &seccompiler::sock_filter| {
        let ([c0, c1], [k0, k1, k2, k3]) = (i.code.to_le_bytes(), i.k.to_le_bytes());
        [c0, c1, i.jt, i.jf, k0, k1, k2, k3]
    };
    Ok(program.iter().flat_map(bytes).collect())
}

/// libseccomp's, as a tree (its attribute `CTL_OPTIMIZE` at 2) or as a list; `None` where it is not installed.
fn libseccomp(program: &Path, tree: bool) -> Result<Vec<u8>, Box<dyn Error>> {
    let (open, checked) = calls();
    let (denied, allow) = (0x0005_0000 | u32::from(DENIED), 0x7fff_0000u32);
    let mut text = format!("default {denied}\n");
    for nr in open {
        writeln!(text, "{allow} {nr} 0")?;
    }
    for (nr, conditions) in checked {
        for (argument, mask, value) in conditions {
            writeln!(text, "{allow} {nr} 1 {argument} mask {mask} {value}")?;
        }
    }
    let mut command = Command::new(program);
    command.arg("filter").args(tree.then_some("tree")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().ok_or("no pipe")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    if output.status.success() { Ok(output.stdout) } else { Err("libseccomp takes not all rules".into()) }
}

/// What was measured of one filter, sorted.
#[derive(Debug, Default, Clone)]
struct Times {
    /// To load it; one allowed, checked, denied and unknown call; to launch. Nanoseconds.
    columns: [Vec<f64>; 6],
}

impl Times {
    fn median(&self, column: usize) -> f64 {
        let sorted = &self.columns[column];
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn cc(source: &Path, to: &Path, libraries: &[&str]) -> Result<(), Box<dyn Error>> {
    let output = Command::new("cc").args(["-O2", "-o"]).arg(to).arg(source).args(libraries).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// Measures all filters in `dir`, in one run of `rounds` rounds in random order, and gives back the table.
///
/// # Errors
/// When a program can't be built or a filter can't be loaded. libseccomp is left out where it is not installed.
pub fn filters(dir: &Path, rounds: usize) -> Result<String, Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let meter = dir.join("filter");
    cc(&here.join("c/filter.c"), &meter, &[])?;
    let program = dir.join("true");
    compile_c(&here.join("c/true.c"), &program)?;
    let mut filters = vec![
        Filter { name: "no filter", program: Vec::new() },
        Filter { name: "one instruction", program: ALLOW_ALL.to_vec() },
        Filter { name: "msb-seccomp", program: ours()? },
        Filter { name: "seccompiler", program: theirs()? },
    ];
    let mut table = String::new();
    let peer = dir.join("libseccomp");
    match cc(&here.join("../crates/msb-testkit/c/libseccomp.c"), &peer, &["-lseccomp"]) {
        Ok(()) => {
            filters.push(Filter { name: "libseccomp, tree", program: libseccomp(&peer, true)? });
            filters.push(Filter { name: "libseccomp, list", program: libseccomp(&peer, false)? });
        }
        Err(_) => writeln!(table, "left out: libseccomp is not installed (package libseccomp-dev)")?,
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let file = dir.join(format!("{index}.bpf"));
        std::fs::write(&file, &filter.program)?;
        files.push(if filter.program.is_empty() { PathBuf::from("-") } else { file });
    }
    let mut command = Command::new(&meter);
    command.arg(rounds.to_string()).arg(&program).args(&files);
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let mut times = vec![Times::default(); filters.len()];
    for line in std::str::from_utf8(&output.stdout)?.lines() {
        let mut words = line.split(' ');
        let index: usize = words.next().unwrap_or_default().parse()?;
        let row = times.get_mut(index).ok_or("a filter that is not there")?;
        for (column, word) in row.columns.iter_mut().zip(words) {
            column.push(word.parse()?);
        }
    }
    for column in times.iter_mut().flat_map(|times| &mut times.columns) {
        column.sort_unstable_by(f64::total_cmp);
    }
    write_table(&mut table, &filters, &times)?;
    Ok(table)
}

fn write_table(table: &mut String, filters: &[Filter], times: &[Times]) -> std::fmt::Result {
    let (none, one) = (&times[0], &times[1]);
    let (open, checked) = calls();
    writeln!(
        table,
        "{} calls allowed, {} of them for some arguments",
        open.len() + checked.len(),
        checked.len()
    )?;
    writeln!(
        table,
        "{:<18} {:>6} {:>9} {:>8} {:>8} {:>9} {:>9} {:>8} {:>8}",
        "filter", "length", "load µs", "÷ ours", "launch", "allowed", "checked", "denied", "unknown"
    )?;
    let ours = times[2].median(0);
    for (filter, times) in filters.iter().zip(times) {
        write!(table, "{:<18} {:>6}", filter.name, filter.program.len() / 8)?;
        write!(table, " {:>9.1} {:>8.2}", times.median(0) / 1e3, times.median(0) / ours)?;
        write!(table, " {:>8.3}", times.median(5) / none.median(5))?;
        let added = |column: usize| times.median(column) - none.median(column);
        writeln!(table, " {:>+9.0} {:>+9.0} {:>+8.0} {:>+8.0}", added(1), added(2), added(3), added(4))?;
    }
    writeln!(
        table,
        "(medians; launch is a ratio to no filter; calls are nanoseconds more than with no filter)"
    )?;
    writeln!(table, "msb-seccomp loads in {:.1} µs more than one instruction", (ours - one.median(0)) / 1e3)
}

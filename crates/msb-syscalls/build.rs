//! Turns `data/*.tsv` into constant tables, so that nothing is parsed when a program starts, and refuses data
//! that contradicts itself. What the columns mean stands at the head of each file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::{env, fs, path::Path};

fn main() {
    let sets: Vec<Vec<String>> = rows("constants", 3);
    let set_names: BTreeSet<&str> = sets.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(set_names.len(), sets.len(), "constants.tsv: a set stands twice");

    let mut out = String::new();
    constants(&mut out, &sets);
    names(&mut out, "ERRNOS", "errno", "u16");
    names(&mut out, "CAPABILITIES", "capabilities", "u32");
    names(&mut out, "FREQUENCIES", "frequency", "u32");
    since(&mut out);
    let prototypes = rows("prototypes", 2);
    let prototypes: BTreeMap<&str, &str> =
        prototypes.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    for (table, file, narrow) in [
        ("X86_64", "x86_64", u64::MAX),
        ("AARCH64", "aarch64", u64::MAX),
        ("I386", "i386", 0),
        ("X32", "x32", X32_COMPAT_MIN),
    ] {
        calls(&mut out, table, &rows(file, 2), narrow, &prototypes, &set_names);
    }
    let directory = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&directory).join("tables.rs"), out).expect("OUT_DIR is writable");
}

/// From this number on x32 calls take what 32-bit programs give: `__x32_compat_sys_*` of syscall_64.tbl.
const X32_COMPAT_MIN: u64 = 0x4000_0000 + 512;

/// The rows of `data/NAME.tsv` with at least `columns` columns each; the last may be empty.
fn rows(name: &str, columns: usize) -> Vec<Vec<String>> {
    let path = format!("data/{name}.tsv");
    println!("cargo::rerun-if-changed={path}");
    let text = fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let row: Vec<String> = line.split('\t').map(str::to_owned).collect();
            assert!(row.len() >= columns, "{path}: `{line}` lacks a column");
            row
        })
        .collect()
}

fn constants(out: &mut String, sets: &[Vec<String>]) {
    out.push_str("pub(crate) static SETS: &[ConstantSet] = &[\n");
    for row in sets {
        let (name, field) = (&row[0], number(&row[1]));
        write!(out, "ConstantSet {{ name: {name:?}, field: {field:#x}, members: &[").expect("a String grows");
        let mut seen = BTreeSet::new();
        for member in row[2].split(' ') {
            let (constant, value) = member.split_once('=').expect("NAME=value");
            assert!(seen.insert(constant), "{name}: {constant} stands twice");
            let value = number(value);
            write!(out, "Constant {{ name: {constant:?}, value: {value:#x} }}, ").expect("a String grows");
        }
        out.push_str("] },\n");
    }
    out.push_str("];\n");
}

fn names(out: &mut String, table: &str, file: &str, number_type: &str) {
    writeln!(out, "pub(crate) static {table}: &[({number_type}, &str)] = &[").expect("a String grows");
    for row in rows(file, 2) {
        writeln!(out, "({}, {:?}),", number(&row[0]), row[1]).expect("a String grows");
    }
    out.push_str("];\n");
}

fn since(out: &mut String) {
    out.push_str("pub(crate) static SINCE: &[(&str, &str)] = &[\n");
    for row in rows("since", 2) {
        writeln!(out, "({:?}, {:?}),", row[1], row[0]).expect("a String grows");
    }
    out.push_str("];\n");
}

/// The table of one architecture; from the number `narrow` on arguments have at most 32 bits.
fn calls(
    out: &mut String,
    table: &str,
    rows: &[Vec<String>],
    narrow: u64,
    prototypes: &BTreeMap<&str, &str>,
    sets: &BTreeSet<&str>,
) {
    writeln!(out, "pub(crate) static {table}: &[Syscall] = &[").expect("a String grows");
    let mut before = None;
    let mut seen = BTreeSet::new();
    for row in rows {
        let (nr, name) = (number(&row[0]), row[1].as_str());
        assert!(before < Some(nr), "{table}: {name} is out of order");
        assert!(seen.insert(name), "{table}: {name} stands twice");
        before = Some(nr);
        let prototype = row.get(2).map_or_else(|| prototypes[name], String::as_str);
        write!(out, "Syscall {{ name: {name:?}, nr: {nr}, args: &[").expect("a String grows");
        let words: Vec<&str> = prototype.split(' ').filter(|word| !word.is_empty()).collect();
        assert!(words.len() <= 6, "{name} has more than six arguments");
        for word in words {
            let (arg, spelled) = word.split_once(':').expect("argument:kind");
            write!(out, "Arg {{ name: {arg:?}, kind: {} }}, ", kind(spelled, nr >= narrow, sets))
                .expect("a String grows");
        }
        out.push_str("] },\n");
    }
    out.push_str("];\n");
}

/// The kind that is written `spelled`; of a register of 32 bits the kernel looks at no more.
fn kind(spelled: &str, narrow: bool, sets: &BTreeSet<&str>) -> String {
    let (base, set) = match spelled.split_once(['=', '|']) {
        Some((base, set)) => (base, Some(set)),
        None => (spelled, None),
    };
    let (bits, signed) = match base {
        "fd" => return "Kind::Fd".to_owned(),
        "ptr" => return "Kind::Pointer".to_owned(),
        "ushort" => ("B16", false),
        "int" => ("B32", true),
        "uint" => ("B32", false),
        "long" if narrow => ("B32", true),
        "ulong" if narrow => ("B32", false),
        "long" => ("B64", true),
        "ulong" => ("B64", false),
        _ => panic!("`{spelled}` is not a kind"),
    };
    let Some(set) = set else {
        return format!("Kind::Int {{ bits: Bits::{bits}, signed: {signed} }}");
    };
    assert!(sets.contains(set), "`{set}` is not a set of constants");
    let variant = if spelled.contains('|') { "Flags" } else { "Enum" };
    format!("Kind::{variant} {{ set: {set:?}, bits: Bits::{bits}, signed: {signed} }}")
}

fn number(text: &str) -> u64 {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("`{text}` is not a number"))
}

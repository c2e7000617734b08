//! Tests of arguments in the words of the language.

use crate::filter::Way;
use msb_policy::{Op, Pred, Width};
use msb_syscalls::{Arg, Bits, ConstantSet, Kind, Syscall, constant_set};

/// Sets whose names mean something else with another argument (`NETLINK_ROUTE` and `IPPROTO_IP` are both 0): their
/// values are written as numbers.
const AMBIGUOUS: &[&str] = &["ip_protocol", "socket_option", "ipc_cmd"];
/// More bits than a person names: those that are left over are named instead.
const BITS_NAMED_MAX: u32 = 16;

/// The condition that one of `ways` is taken; `None` where the language has no words for it.
pub(crate) fn condition(call: &Syscall, ways: &[Way]) -> Option<String> {
    let mut terms: Vec<(Way, Option<Pred>)> = Vec::new();
    for way in ways {
        // Ways that differ in the value of one argument are one with several values.
        let equal = way.iter().position(|test| matches!(test, Pred::Compare { op: Op::Eq, .. }));
        let mut rest = way.clone();
        let value = equal.map(|at| rest.remove(at));
        terms.push((rest, value));
    }
    let mut written: Vec<String> = Vec::new();
    let mut done = vec![false; terms.len()];
    for (at, (rest, value)) in terms.iter().enumerate() {
        if done.get(at).copied().unwrap_or(true) {
            continue;
        }
        let argument = value.as_ref().and_then(argument_of);
        let mut values = Vec::new();
        for (other, (its_rest, its_value)) in terms.iter().enumerate().skip(at) {
            let same = argument.is_some()
                && its_rest == rest
                && its_value.as_ref().and_then(argument_of) == argument;
            if other == at || same {
                values.extend(its_value.as_ref());
                if let Some(done) = done.get_mut(other) {
                    *done = true;
                }
            }
        }
        written.push(conjunction(call, &values, rest)?);
    }
    written.sort_by_key(String::len);
    Some(written.join(" or "))
}

fn argument_of(test: &Pred) -> Option<u8> {
    match test {
        Pred::Compare { argument, .. } | Pred::Masked { argument, .. } => Some(*argument),
        _ => None,
    }
}

fn conjunction(call: &Syscall, values: &[&Pred], rest: &Way) -> Option<String> {
    let mut parts: Vec<(u8, String)> = Vec::new();
    if let Some(argument) = values.first().and_then(|one| argument_of(one)) {
        let arg = arg(call, argument)?;
        let mut numbers: Vec<u64> = values.iter().filter_map(|test| value_of(test)).collect();
        numbers.sort_unstable();
        let mut names: Vec<String> = numbers.iter().map(|number| value(arg.kind, *number)).collect();
        let text = match (names.pop(), names.is_empty()) {
            (Some(one), true) => format!("{} == {one}", arg.name),
            // An address is compared with nothing but NULL.
            (Some(_), false) if arg.kind == Kind::Pointer => return None,
            (last, _) => {
                names.extend(last);
                format!("{} in {{{}}}", arg.name, names.join(", "))
            }
        };
        parts.push((argument, text));
    }
    for (at, test) in rest.iter().enumerate() {
        let argument = argument_of(test).or_else(|| match test {
            Pred::Not(inner) => argument_of(inner),
            _ => None,
        })?;
        let arg = arg(call, argument)?;
        if let Pred::Compare { op: Op::Ge, value: first, width, .. } = test
            && let Some(Pred::Compare { op: Op::Le, value: last, argument: its, width: its_width }) =
                rest.get(at + 1)
            && (*its, its_width) == (argument, width)
        {
            wide_enough(arg, *width)?;
            parts.push((argument, format!("{} in {}..{}", arg.name, number(*first), number(*last))));
            continue;
        }
        let after_range = at.checked_sub(1).and_then(|before| rest.get(before)).is_some_and(|before| {
            matches!((before, test), (
                Pred::Compare { op: Op::Ge, argument: a, width: v, .. },
                Pred::Compare { op: Op::Le, argument: b, width: w, .. },
            ) if (a, v) == (b, w))
        });
        if !after_range {
            parts.push((argument, one(arg, test)?));
        }
    }
    parts.sort_by_key(|(argument, _)| *argument);
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    Some(parts.join(" and "))
}

fn arg(call: &Syscall, argument: u8) -> Option<Arg> {
    call.args.get(usize::from(argument)).copied()
}

fn value_of(test: &Pred) -> Option<u64> {
    match test {
        Pred::Compare { value, .. } => Some(*value),
        _ => None,
    }
}

/// Whether a comparison of this width is the one that the language makes of the argument.
fn wide_enough(arg: Arg, width: Width) -> Option<()> {
    let own = if arg.kind.bits() == Bits::B64 { Width::W64 } else { Width::W32 };
    (own == width && arg.kind.bits() != Bits::B16 && arg.kind != Kind::Pointer).then_some(())
}

/// One test of `arg`.
fn one(arg: Arg, test: &Pred) -> Option<String> {
    let name = arg.name;
    match test {
        Pred::Compare { op: Op::Eq, value: number, .. } => {
            Some(format!("{name} == {}", value(arg.kind, *number)))
        }
        Pred::Compare { op, value: number, width, .. } => {
            wide_enough(arg, *width)?;
            // Of the two ways to say it the one with the rounder number: `> 4096`, not `>= 4097`.
            let (op, number) = match (op, number.checked_sub(1), number.checked_add(1)) {
                (Op::Ge, Some(less), _) if less.trailing_zeros() > number.trailing_zeros() => (Op::Gt, less),
                (Op::Le, _, Some(more)) if more.trailing_zeros() > number.trailing_zeros() => (Op::Lt, more),
                _ => (*op, *number),
            };
            Some(format!("{name} {} {}", sign(op), self::number(number)))
        }
        Pred::Masked { mask, value, .. } => bits(arg, *mask, *value, true),
        Pred::Not(inner) => match inner.as_ref() {
            Pred::Compare { op: Op::Eq, value: number, .. } => {
                Some(format!("{name} != {}", value(arg.kind, *number)))
            }
            Pred::Masked { mask, value, .. } => bits(arg, *mask, *value, false),
            _ => None,
        },
        _ => None,
    }
}

fn sign(op: Op) -> &'static str {
    match op {
        Op::Eq => "==",
        Op::Ne => "!=",
        Op::Lt => "<",
        Op::Le => "<=",
        Op::Gt => ">",
        Op::Ge => ">=",
    }
}

/// `arg & mask == number`, or its contrary. Members of an enumerated field are one thing, bits beside it another.
fn bits(arg: Arg, mask: u64, number: u64, holds: bool) -> Option<String> {
    let (name, every) = (arg.name, arg.kind.bits().mask());
    if mask & !every != 0 {
        return None;
    }
    if mask == every {
        return Some(format!("{name} {} {}", if holds { "==" } else { "!=" }, value(arg.kind, number)));
    }
    if arg.kind == Kind::Pointer {
        return None;
    }
    let set = arg.kind.set().and_then(constant_set);
    let field = set.map_or(0, |set| set.field & every);
    let has = |how: &str, bits: u64| format!("{name} has {how} {}", flags(arg.kind, bits));
    let mut parts = Vec::new();
    let (ones, zeros) = (number & mask & !field, mask & !number & !field);
    match mask & field {
        0 => {}
        whole if whole == field => parts.push(has("all", number & field)),
        part if part.count_ones() + (field & !part).count_ones() <= 6 => {
            // Every member of the field that has these bits.
            let mut members = Vec::new();
            let mut member = 0_u64;
            loop {
                if member & part == number & part {
                    members.push(value(arg.kind, member));
                }
                member = member.wrapping_sub(field) & field;
                if member == 0 {
                    break;
                }
            }
            parts.push(format!("{name} has any {}", members.join(" | ")));
        }
        _ => return None,
    }
    if ones != 0 {
        parts.push(has("all", ones));
    }
    let left = every & !field & !zeros;
    if zeros.count_ones() > BITS_NAMED_MAX && field == 0 && left != 0 {
        parts.push(has("only", left));
    } else if zeros != 0 {
        // The contrary of `has any` is what a person writes who denies it.
        if !holds && parts.is_empty() {
            return Some(has("any", zeros));
        }
        parts.push(format!("not {}", has("any", zeros)));
    }
    Some(match (parts.as_slice(), holds) {
        ([one], false) => format!("not {one}"),
        (_, false) => format!("not ({})", parts.join(" and ")),
        (_, true) => parts.join(" and "),
    })
}

/// A number as the language reads it.
fn number(number: u64) -> String {
    if number < 0x1_0000 { number.to_string() } else { format!("{number:#x}") }
}

fn named(kind: Kind) -> Option<&'static ConstantSet> {
    kind.set().filter(|set| !AMBIGUOUS.contains(set)).and_then(constant_set)
}

/// A value of an argument, by its name where it has one.
fn value(kind: Kind, number: u64) -> String {
    if kind == Kind::Pointer && number == 0 {
        return "NULL".to_owned();
    }
    let every = kind.bits().mask();
    let member = named(kind).and_then(|set| set.members.iter().find(|it| it.value & every == number));
    member.map_or_else(|| self::number(number), |member| member.name.to_owned())
}

/// Bits as an OR of names, what has no name as a number.
fn flags(kind: Kind, bits: u64) -> String {
    let Some(set) =
        named(kind).filter(|set| set.field == 0 || bits & set.field == 0 || bits & !set.field == 0)
    else {
        return number(bits);
    };
    if set.field != 0 && bits & !set.field == 0 {
        return value(kind, bits);
    }
    let mut rest = bits;
    let mut members: Vec<_> =
        set.members.iter().filter(|it| it.value != 0 && it.value & set.field == 0).collect();
    members.sort_by_key(|it| (std::cmp::Reverse(it.value.count_ones()), it.value));
    let mut words = Vec::new();
    for member in members {
        if rest & member.value == member.value {
            rest &= !member.value;
            words.push((member.value, member.name.to_owned()));
        }
    }
    words.sort();
    if rest != 0 || words.is_empty() {
        words.push((u64::MAX, format!("{rest:#x}")));
    }
    words.into_iter().map(|(_, word)| word).collect::<Vec<_>>().join(" | ")
}

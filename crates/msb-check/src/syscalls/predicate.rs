//! Conditions on arguments: names to positions, constants to numbers, on the width that the kernel looks at.

use crate::context::{Context, written};
use crate::values::article;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Op, Pred, Solution, Width};
use msb_resolve::{describe, nearest};
use msb_syntax::ast::{self, CompareOp, Has, Name, PredKind, Spanned, Value};
use msb_syscalls::{Bits, Kind, Syscall, constant, constant_set, sets_with};

/// An argument of a call.
#[derive(Clone, Copy)]
struct Argument {
    position: u8,
    kind: Kind,
}

/// The condition for `call`; `None` where something was reported.
pub(crate) fn lower(cx: &mut Context<'_>, pred: &ast::Pred, call: &Syscall) -> Option<Pred> {
    match &pred.kind {
        PredKind::Or(all) => many(cx, all, call).map(Pred::Any),
        PredKind::And(all) => many(cx, all, call).map(Pred::All),
        PredKind::Not(inner) => lower(cx, inner, call).map(|inner| Pred::Not(Box::new(inner))),
        PredKind::Compare { arg, op, value } => {
            let argument = argument(cx, arg, call)?;
            if matches!(argument.kind, Kind::Pointer) {
                return pointer(cx, argument, arg, *op, value);
            }
            let number = self::value(cx, value, arg, argument)?;
            compare(cx, argument, *op, number, pred.span)
        }
        PredKind::In { arg, values } => {
            let argument = comparable(cx, arg, call)?;
            let equal = |value| self::value(cx, value, arg, argument).map(|number| equal(argument, number));
            // Every value is looked at, so that all that is wrong is said.
            let all: Vec<Option<Pred>> = values.iter().map(equal).collect();
            all.into_iter().collect::<Option<Vec<Pred>>>().map(Pred::Any)
        }
        PredKind::Range { arg, from, to } => range(cx, arg, from, to, pred.span, call),
        PredKind::Has { arg, how, flags } => {
            let argument = comparable(cx, arg, call)?;
            let all: Vec<Option<u64>> = flags.iter().map(|flag| value(cx, flag, arg, argument)).collect();
            let numbers = all.into_iter().collect::<Option<Vec<u64>>>()?;
            has(cx, argument, *how, &numbers, pred.span)
        }
    }
}

fn many(cx: &mut Context<'_>, all: &[ast::Pred], call: &Syscall) -> Option<Vec<Pred>> {
    let lowered: Vec<Option<Pred>> = all.iter().map(|pred| lower(cx, pred, call)).collect();
    lowered.into_iter().collect()
}

/// What manual pages call arguments that have other names in the kernel, and these.
const OF_MANUALS: &[(&[&str], &[&str])] = &[
    (&["dirfd", "dirfd1"], &["dfd"]),
    (&["olddirfd"], &["olddfd", "olddirfd"]),
    (&["newdirfd"], &["newdfd", "newdirfd"]),
    (&["pathname", "path", "file", "fname"], &["filename", "pathname", "path", "name"]),
    (&["oldpath"], &["oldname"]),
    (&["newpath"], &["newname"]),
    (&["request", "op", "operation", "ioctl"], &["cmd", "request", "option", "op"]),
    (&["signal", "signum", "signo"], &["sig", "signum"]),
    (&["sockfd", "fildes", "filedes", "socket"], &["fd"]),
    (&["length", "size", "nbytes", "n"], &["len", "count", "size"]),
    (&["address", "start"], &["addr", "start"]),
    (&["family", "af"], &["domain", "family"]),
    (&["option", "opt"], &["cmd", "option", "optname"]),
    (&["flag", "oflag", "oflags", "options"], &["flags", "option", "options"]),
];

fn argument(cx: &mut Context<'_>, name: &Name, call: &Syscall) -> Option<Argument> {
    if let Some((position, kind)) = call.arg(&name.node) {
        return Some(Argument { position: u8::try_from(position).ok()?, kind });
    }
    // A condition is looked at for each call of a list; what all of them lack is said of the first.
    if cx.said_at(codes::UNKNOWN_ARGUMENT, name.span) {
        return None;
    }
    let unknown =
        Diagnostic::new(codes::UNKNOWN_ARGUMENT, format!("`{}` has no argument `{}`", call.name, name.node))
            .label(name.span, format!("the call is `{call}`"));
    // `arg2` and `a2`, as filters of other tools count.
    let counted =
        ["args", "arg", "a"].iter().find_map(|prefix| name.node.strip_prefix(prefix)?.parse::<usize>().ok());
    if let Some(meant) = counted.and_then(|position| call.args.get(position)) {
        cx.say(
            unknown
                .help(format!("write `{}`: arguments go by their names", meant.name))
                .edit(name.span, meant.name),
        );
        return None;
    }
    let of_manual = || {
        let (_, ours) = OF_MANUALS.iter().find(|(theirs, _)| theirs.contains(&name.node.as_str()))?;
        ours.iter().find(|ours| call.arg(ours).is_some()).copied()
    };
    let meant = of_manual().or_else(|| nearest(&name.node, call.args.iter().map(|arg| arg.name)));
    cx.say(match meant {
        Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
        None if call.args.is_empty() => unknown.help("take the `where` away: the call has no arguments"),
        None => {
            let names: Vec<String> = call.args.iter().map(|arg| format!("`{}`", arg.name)).collect();
            unknown.help(format!("write one of {}", names.join(", ")))
        }
    });
    None
}

/// The argument, if what it holds can be compared with more than `NULL`.
fn comparable(cx: &mut Context<'_>, name: &Name, call: &Syscall) -> Option<Argument> {
    let argument = argument(cx, name, call)?;
    if matches!(argument.kind, Kind::Pointer) {
        cx.say(pointer_compared(name, name.span));
        return None;
    }
    Some(argument)
}

fn pointer(
    cx: &mut Context<'_>,
    argument: Argument,
    name: &Name,
    op: CompareOp,
    value: &Spanned<Value>,
) -> Option<Pred> {
    let null = match &value.node {
        Value::Int(0) => true,
        Value::Ident(word) => word == "NULL",
        _ => false,
    };
    match (op, null) {
        (CompareOp::Eq, true) => Some(equal(argument, 0)),
        (CompareOp::Ne, true) => Some(Pred::Not(Box::new(equal(argument, 0)))),
        _ => {
            cx.say(pointer_compared(name, value.span));
            None
        }
    }
}

fn pointer_compared(name: &Name, span: Span) -> Diagnostic {
    Diagnostic::new(codes::POINTER_COMPARED, format!("argument `{}` is an address", name.node))
        .label(span, "the filter cannot look at what lies there, and the program can change it")
        .help(format!("compare another argument, or only `{} == NULL`", name.node))
}

fn width(kind: Kind) -> Width {
    match kind.bits() {
        Bits::B16 | Bits::B32 => Width::W32,
        Bits::B64 => Width::W64,
    }
}

fn masked(argument: Argument, mask: u64, value: u64) -> Pred {
    Pred::Masked { argument: argument.position, width: width(argument.kind), mask, value: value & mask }
}

fn equal(argument: Argument, value: u64) -> Pred {
    if argument.kind.bits() == Bits::B16 {
        return masked(argument, Bits::B16.mask(), value);
    }
    Pred::Compare { argument: argument.position, width: width(argument.kind), op: Op::Eq, value }
}

fn compare(cx: &mut Context<'_>, argument: Argument, op: CompareOp, value: u64, span: Span) -> Option<Pred> {
    let op = match op {
        CompareOp::Eq => return Some(equal(argument, value)),
        CompareOp::Ne => return Some(Pred::Not(Box::new(equal(argument, value)))),
        CompareOp::Lt => Op::Lt,
        CompareOp::Le => Op::Le,
        CompareOp::Gt => Op::Gt,
        CompareOp::Ge => Op::Ge,
    };
    ordered(cx, argument, span)?;
    Some(Pred::Compare { argument: argument.position, width: width(argument.kind), op, value })
}

/// Whether an order of values is one that a filter can see.
fn ordered(cx: &mut Context<'_>, argument: Argument, span: Span) -> Option<()> {
    if argument.kind.bits() == Bits::B16 {
        cx.say(
            Diagnostic::new(codes::NOT_ENFORCED, "an order of 16-bit values is not enforced by this version")
                .label(span, "the kernel looks at 16 bits of this argument")
                .help("compare with `==` or `has`"),
        );
        return None;
    }
    Some(())
}

fn range(
    cx: &mut Context<'_>,
    name: &Name,
    from: &Spanned<u64>,
    to: &Spanned<u64>,
    span: Span,
    call: &Syscall,
) -> Option<Pred> {
    let argument = comparable(cx, name, call)?;
    ordered(cx, argument, span)?;
    if from.node > to.node {
        cx.say(
            Diagnostic::new(codes::EMPTY_RANGE, format!("the range `{}..{}` is empty", from.node, to.node))
                .label(from.span.to(to.span), "begins after its end")
                .help(format!("write `{}..{}`", to.node, from.node)),
        );
        return None;
    }
    let (first, last) =
        (fits(cx, from.node, from.span, name, argument), fits(cx, to.node, to.span, name, argument));
    let bound =
        |op, value| Pred::Compare { argument: argument.position, width: width(argument.kind), op, value };
    Some(Pred::All(vec![bound(Op::Ge, first?), bound(Op::Le, last?)]))
}

/// `has any`, `has all`, `has only`. Members of an enumerated field (`SOCK_STREAM` of a socket's type,
/// `O_RDWR` of open's flags) are compared as values of that field, the others as bits:
/// docs/adr/0005-has-knows-fields.md.
fn has(cx: &mut Context<'_>, argument: Argument, how: Has, numbers: &[u64], span: Span) -> Option<Pred> {
    let every = argument.kind.bits().mask();
    let field = argument.kind.set().and_then(constant_set).map_or(0, |set| set.field & every);
    // A number such as 0x80002 is a member of the field and bits at once.
    let in_field = |number: &u64| field != 0 && (number & field != 0 || number & !field == 0);
    let values: Vec<u64> =
        numbers.iter().filter(|number| in_field(number)).map(|number| number & field).collect();
    let bits: u64 = numbers.iter().fold(0, |bits, number| bits | (number & !field));
    let of_field = || Pred::Any(values.iter().map(|value| masked(argument, field, *value)).collect());
    if values.is_empty() && bits == 0 {
        let outcome = if how == Has::Any { "never" } else { "always" };
        if how != Has::Only {
            cx.say(
                Diagnostic::new(codes::CONSTANT_BIT_TEST, format!("a test for no bits {outcome} holds"))
                    .label(span, "the value is 0")
                    .help("compare with `==`"),
            );
        }
    }
    Some(match how {
        Has::Any => {
            let no_bit = masked(argument, bits, 0);
            let mut any: Vec<Pred> = Vec::new();
            if bits != 0 {
                any.push(Pred::Not(Box::new(no_bit)));
            }
            if !values.is_empty() {
                any.push(of_field());
            }
            Pred::Any(any)
        }
        Has::All => {
            let mut all: Vec<Pred> = Vec::new();
            if bits != 0 {
                all.push(masked(argument, bits, bits));
            }
            all.extend(values.iter().map(|value| masked(argument, field, *value)));
            Pred::All(all)
        }
        Has::Only => {
            let mut all = vec![masked(argument, every & !field & !bits, 0)];
            if field != 0 {
                all.push(if values.is_empty() { masked(argument, field, 0) } else { of_field() });
            }
            Pred::All(all)
        }
    })
}

/// The number of a value, if it belongs to the argument and fits it.
fn value(cx: &mut Context<'_>, value: &Spanned<Value>, name: &Name, argument: Argument) -> Option<u64> {
    match &value.node {
        Value::Int(number) => fits(cx, *number, value.span, name, argument),
        Value::Ident(word) => {
            let set = argument.kind.set();
            if let Some(number) = set.and_then(|set| constant(set, word)) {
                return Some(number & argument.kind.bits().mask());
            }
            if let Some(known) = cx.resolved.constants.get(word) {
                if let Value::Int(number) = known.node {
                    return fits(cx, number, value.span, name, argument);
                }
                let is = describe(&known.node);
                let declared = known.span;
                cx.say(
                    Diagnostic::new(
                        codes::WRONG_TYPE,
                        format!("expected an int, found {} {is}", article(is)),
                    )
                    .label(value.span, format!("`{word}` is {} {is}", article(is)))
                    .label(declared, "declared here")
                    .help("compare with a number or a constant of the kernel"),
                );
                return None;
            }
            cx.say(unknown_constant(word, value.span, name, argument.kind));
            None
        }
        Value::Flags(all) => {
            let numbers: Vec<Option<u64>> =
                all.iter().map(|flag| self::value(cx, flag, name, argument)).collect();
            numbers.into_iter().try_fold(0, |bits, number| Some(bits | number?))
        }
        other => {
            let is = describe(other);
            cx.say(
                Diagnostic::new(
                    codes::WRONG_TYPE,
                    format!("expected a number or a constant, found {} {is}", article(is)),
                )
                .label(value.span, format!("`{}` is a number", name.node))
                .help("write a number or a constant of the kernel, without a unit"),
            );
            None
        }
    }
}

fn fits(cx: &mut Context<'_>, number: u64, span: Span, name: &Name, argument: Argument) -> Option<u64> {
    let mask = argument.kind.bits().mask();
    if number <= mask {
        return Some(number);
    }
    let bits = mask.count_ones();
    let text = written(cx, span);
    cx.say(
        Diagnostic::new(codes::CONSTANT_TOO_WIDE, format!("`{text}` is wider than `{}`", name.node))
            .label(span, format!("the kernel looks at {bits} bits"))
            .help(format!("write at most `{mask:#x}`")),
    );
    None
}

fn unknown_constant(word: &str, span: Span, name: &Name, kind: Kind) -> Diagnostic {
    let own = kind.set();
    let others = sets_with(word);
    if let Some(other) = others.first() {
        let message = match own {
            Some(own) => format!("`{word}` is not a member of `{own}`"),
            None => format!("`{}` takes a number, not `{word}`", name.node),
        };
        return Diagnostic::new(codes::WRONG_FLAG, message).label(span, format!("is one of `{other}`")).help(
            match own.and_then(constant_set).and_then(|set| set.members.first()) {
                Some(member) => {
                    let such_as = usual(own.unwrap_or("")).unwrap_or(member.name);
                    format!("write one of `{}`, such as `{such_as}`", own.unwrap_or(""))
                }
                None => "write a number".to_owned(),
            },
        );
    }
    let label = if msb_syscalls::errno(word).is_some() {
        "is an error, and nothing that a call is given"
    } else if word.starts_with("CAP_") {
        "is a capability: `caps` has them"
    } else {
        "no constant has this name"
    };
    let unknown =
        Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown constant `{word}`")).label(span, label);
    const STREAMS: &[&str] = &["stdin", "stdout", "stderr"];
    if let Some(number) = STREAMS.iter().position(|stream| word.eq_ignore_ascii_case(stream)) {
        return unknown.help(format!("write `{number}`")).edit(span, number.to_string());
    }
    let known = own.and_then(constant_set).map_or(&[][..], |set| set.members);
    match nearest(word, known.iter().map(|member| member.name)) {
        Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(span, meant),
        None => unknown.help(match own {
            Some(own) => match usual(own) {
                Some(such_as) => format!("write one of `{own}`, such as `{such_as}`, or a number"),
                None => match known {
                    [only] => format!("write a number, or `{}`", only.name),
                    _ => format!("write one of `{own}`, or a number"),
                },
            },
            None => "write a number".to_owned(),
        }),
    }
}

/// A member of a set of constants that people write; the first by number is seldom one.
fn usual(set: &str) -> Option<&'static str> {
    const USUAL: &[(&str, &str)] = &[
        ("address_family", "AF_INET"),
        ("clone_flags", "CLONE_NEWUSER"),
        ("ioctl_cmd", "TIOCSTI"),
        ("map_flags", "MAP_SHARED"),
        ("open_flags", "O_CREAT"),
        ("prot", "PROT_EXEC"),
        ("sock_type", "SOCK_STREAM"),
    ];
    USUAL.iter().find(|(name, _)| *name == set).map(|(_, member)| *member)
}

/// Warns of an order of values that the kernel reads as signed: to a filter, -1 is more than every other one. An
/// allow should not let negative values in by it, nor a deny let them pass.
///
/// Gives back whether it did.
pub(super) fn signed(
    cx: &mut Context<'_>,
    written: &ast::Pred,
    pred: &Pred,
    call: &Syscall,
    makes: bool,
) -> bool {
    // Of what never holds by itself the sign is the reason; a contradiction has a finding of its own.
    if !matches!(written.kind, PredKind::Compare { .. }) && pred.witness() == Solution::Nothing {
        return false;
    }
    let mut orders = Vec::new();
    ordered_by(written, &mut orders);
    for (name, span) in orders {
        let Some((position, kind)) = call.arg(&name.node) else { continue };
        let is_signed = match kind {
            Kind::Int { signed, .. } | Kind::Enum { signed, .. } | Kind::Flags { signed, .. } => signed,
            Kind::Fd => true,
            Kind::Pointer => false,
        };
        let Ok(argument) = u8::try_from(position) else { continue };
        let least = (kind.bits().mask() >> 1) + 1;
        let negative = Pred::Compare { argument, width: width(kind), op: Op::Ge, value: least };
        let matches = Pred::All(vec![pred.clone(), negative]).satisfiable();
        if !is_signed || matches != makes {
            continue;
        }
        let name = &name.node;
        let (label, help) = if makes {
            ("negative values are more than every other one", format!("add `and {name} < 0x{least:x}`"))
        } else {
            (
                "negative values are more than every other one, and pass",
                format!("add `or {name} >= 0x{least:x}`"),
            )
        };
        cx.say(
            Diagnostic::new(
                codes::SIGNED_COMPARED,
                format!("`{name}` is signed, and a filter compares without a sign"),
            )
            .label(span, label)
            .help(help),
        );
        return true;
    }
    false
}

/// The comparisons by order in `pred`.
fn ordered_by<'a>(pred: &'a ast::Pred, orders: &mut Vec<(&'a Name, Span)>) {
    match &pred.kind {
        PredKind::Or(all) | PredKind::And(all) => all.iter().for_each(|pred| ordered_by(pred, orders)),
        PredKind::Not(inner) => ordered_by(inner, orders),
        PredKind::Compare { arg, op, .. } if !matches!(op, CompareOp::Eq | CompareOp::Ne) => {
            orders.push((arg, pred.span));
        }
        PredKind::Compare { .. } | PredKind::In { .. } | PredKind::Range { .. } | PredKind::Has { .. } => {}
    }
}

/// Warns of a condition with one outcome only.
///
/// `whole` is the condition with its `where`, if it is for this call alone.
pub(super) fn constant_outcome(
    cx: &mut Context<'_>,
    written: &ast::Pred,
    pred: &Pred,
    call: &Syscall,
    whole: Option<Span>,
) {
    let name = call.name;
    let searches = [pred.witness(), Pred::True.witness_without(pred)];
    if searches.contains(&Solution::GivenUp) {
        cx.say(
            Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, "this condition is too involved")
                .label(written.span, format!("when it holds for `{name}` cannot be said in moderate time"))
                .help("say it in fewer parts"),
        );
    } else if searches[0] == Solution::Nothing {
        cx.say(
            Diagnostic::new(codes::PREDICATE_NEVER, "this condition never holds")
                .label(
                    written.span,
                    format!("no arguments of `{name}` fulfil it, so the rule decides nothing"),
                )
                .help(match &written.kind {
                    PredKind::Has { how: Has::All, flags, .. } if flags.len() > 1 => {
                        "write `has any`: these are values of one field, and a call has one of them"
                    }
                    _ => "take the rule away, or say `or` where `and` is too much",
                }),
        );
    } else if searches[1] == Solution::Nothing {
        cx.say({
            let found = Diagnostic::new(codes::PREDICATE_ALWAYS, "this condition always holds")
                .label(written.span, format!("all arguments of `{name}` fulfil it"))
                .help("take the `where` away");
            match whole {
                Some(whole) => found.edit(whole, ""),
                None => found,
            }
        });
    }
}

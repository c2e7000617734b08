//! Numbers with their units, exact or refused.
//!
//! `GB` is 10⁹ and `GiB` is 2³⁰ bytes; durations concatenate (`1h30min`) and are kept in microseconds.
//! A value that does not fit 64 bits is an error and never wraps.

use crate::token::Kind;

/// Units of sizes, in bytes.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Units of durations and of the period of a rate, in microseconds.
const DURATIONS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// What people write instead of a unit, in lower case, and what they may mean.
const MISTAKEN: [(&str, &[&str]); 22] = [
    ("b", &["B"]),
    ("byte", &["B"]),
    ("bytes", &["B"]),
    ("k", &["KiB", "KB"]),
    ("kb", &["KiB", "KB"]),
    ("m", &["MiB", "MB", "min"]),
    ("mb", &["MiB", "MB"]),
    ("g", &["GiB", "GB"]),
    ("gb", &["GiB", "GB"]),
    ("t", &["TiB", "TB"]),
    ("sec", &["s"]),
    ("secs", &["s"]),
    ("second", &["s"]),
    ("seconds", &["s"]),
    ("mins", &["min"]),
    ("minute", &["min"]),
    ("minutes", &["min"]),
    ("hr", &["h"]),
    ("hour", &["h"]),
    ("hours", &["h"]),
    ("day", &["d"]),
    ("days", &["d"]),
];

/// Digits after the point that are read at most; more than a byte of a `TB` needs.
const FRACTION_DIGITS_MAX: usize = 18;

/// Why a number is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It does not fit 64 bits.
    TooBig,
    /// No such unit; what to write instead, and the same as text where there is one answer.
    Unit(String, Option<String>),
    /// A fraction where only sizes have one.
    Fraction(String),
    /// A blank before the unit; how it is written without one.
    Apart(String),
    /// A leading zero, which elsewhere means octal.
    LeadingZero(String),
    /// Not a hexadecimal number.
    Hex,
    /// Not an address.
    Address,
}

/// The number at the beginning of `text`, which begins with a digit: its length in bytes, the token's
/// kind (a stand-in where it is wrong) and what is wrong. `before` is the word before it, which may say what
/// it measures.
pub(crate) fn number(text: &str, before: &str) -> (usize, Kind, Option<Wrong>) {
    let (length, kind, wrong) = joined(text, before);
    if wrong.is_none()
        && matches!(kind, Kind::Int(_))
        && !text.starts_with("0x")
        && let Some((end, unit)) = unit_apart(text, length)
    {
        let (_, kind, _) = joined(&format!("{}{unit}", &text[..length]), before);
        let written = format!("{}{unit}", &text[..length]);
        return (end, kind, Some(Wrong::Apart(written)));
    }
    (length, kind, wrong)
}

/// The unit that a blank divides from the number which ends at `length`: where it ends, and how it is written.
/// `60 per minute` is a rate.
fn unit_apart(text: &str, length: usize) -> Option<(usize, String)> {
    let rest = &text[length..];
    let word_at = |at: usize| {
        let blank = run(text.as_bytes(), at, |b| b == b' ' || b == b'\t');
        let end = run(text.as_bytes(), blank, |b| b.is_ascii_alphanumeric() || b == b'_');
        (end, text.get(blank..end).unwrap_or_default())
    };
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let (end, word) = word_at(length);
    let unit_named = |word: &str| {
        let exact = SIZES.iter().chain(&DURATIONS).find(|(name, _)| *name == word).map(|&(name, _)| name);
        let lower = word.to_ascii_lowercase();
        let mistaken =
            MISTAKEN.iter().find(|(wrong, right)| *wrong == lower && right.len() == 1 && wrong.len() > 1);
        exact.or(mistaken.and_then(|(_, right)| right.first().copied()))
    };
    if word == "per" {
        let (end, period) = word_at(end);
        let period = unit_named(period).filter(|unit| unit_of(&DURATIONS, unit).is_some())?;
        return Some((end, format!("/{period}")));
    }
    // One letter may be anything.
    unit_named(word).filter(|_| word.len() > 1).map(|unit| (end, unit.to_owned()))
}

/// What a word before a number measures, where that is always the same.
fn measured(before: &str) -> Option<Measure> {
    match before {
        "memory" | "swap" | "size" | "result" | "output" | "fsize" | "quota" => Some(Measure::Size),
        "wall" | "cpu_time" | "timeout" => Some(Measure::Duration),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Size,
    Duration,
}

fn joined(text: &str, before: &str) -> (usize, Kind, Option<Wrong>) {
    if text.starts_with("0x") || text.starts_with("0X") {
        return hex(text);
    }
    if let Some(found) = ipv4(text) {
        return found;
    }
    let bytes = text.as_bytes();
    let whole = run(bytes, 0, |b| b.is_ascii_digit() || b == b'_');
    let mut end = whole;
    // One point with digits after it is a fraction, `..` is a range.
    while bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = run(bytes, end + 1, |b| b.is_ascii_digit() || b == b'_');
    }
    let fraction = &text[whole..end];
    let unit_end = run(bytes, end, |b| b.is_ascii_alphanumeric() || b == b'_');
    let unit = &text[end..unit_end];

    if !unit.is_empty() {
        let (kind, wrong) = with_unit(&text[..whole], fraction, unit, measured(before));
        return (unit_end, kind, wrong);
    }
    let is_rate = bytes.get(end) == Some(&b'/') && bytes.get(end + 1).is_some_and(u8::is_ascii_alphabetic);
    let is_percent = bytes.get(end) == Some(&b'%');
    let (length, kind, wrong) = match integer(&text[..whole]) {
        None => (end, Kind::Int(u64::MAX), Some(Wrong::TooBig)),
        Some(count) if is_rate => {
            let period_end = run(bytes, end + 1, |b| b.is_ascii_alphanumeric() || b == b'_');
            let period = &text[end + 1..period_end];
            match unit_of(&DURATIONS, period).filter(|_| period != "ms" && period != "us") {
                Some(micros) => (period_end, Kind::Rate(count, micros), None),
                None => {
                    let lower = period.to_ascii_lowercase();
                    let meant = MISTAKEN.iter().find(|(wrong, right)| *wrong == lower && right.len() == 1);
                    let meant = meant.and_then(|(_, right)| right.first());
                    let meant = meant.filter(|unit| unit_of(&DURATIONS, unit).is_some());
                    let fix = meant.map(|unit| format!("{count}/{unit}"));
                    let written = fix.clone().unwrap_or_else(|| format!("{count}/min"));
                    let help = format!("periods are `s`, `min`, `h` and `d`: write `{written}`");
                    (period_end, Kind::Rate(count, 1), Some(Wrong::Unit(help, fix)))
                }
            }
        }
        Some(count) if is_percent => (end + 1, Kind::Percent(count), None),
        Some(count) => (end, Kind::Int(count), leading_zero(&text[..whole], count)),
    };
    if fraction.is_empty() || wrong.is_some() {
        return (length, kind, wrong);
    }
    let written = &text[..end];
    let help = match fraction.matches('.').count() {
        _ if is_percent => format!("write `{}%`", &text[..whole]),
        1 => format!("write `\"{written}\"` for text, or a size such as `{written}GiB`"),
        _ => format!("write `\"{written}\"` for text"),
    };
    (length, kind, Some(Wrong::Fraction(help)))
}

/// `0644` means octal elsewhere and would mean 644 here.
fn leading_zero(digits: &str, value: u64) -> Option<Wrong> {
    let plain = digits.replace('_', "");
    if plain.len() < 2 || !plain.starts_with('0') {
        return None;
    }
    Some(Wrong::LeadingZero(match u64::from_str_radix(&plain, 8) {
        Ok(octal) if octal != value => format!("write `{value}`, or `0x{octal:x}` if octal is meant"),
        _ => format!("write `{value}`"),
    }))
}

fn hex(text: &str) -> (usize, Kind, Option<Wrong>) {
    let end = run(text.as_bytes(), 2, |b| b.is_ascii_alphanumeric() || b == b'_');
    let digits = text[2..end].replace('_', "");
    if digits.is_empty() || text.starts_with("0X") || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return (end, Kind::Int(0), Some(Wrong::Hex));
    }
    match u64::from_str_radix(&digits, 16) {
        Ok(value) => (end, Kind::Int(value), None),
        Err(_) => (end, Kind::Int(u64::MAX), Some(Wrong::TooBig)),
    }
}

/// Four numbers with points between, and a prefix length.
fn ipv4(text: &str) -> Option<(usize, Kind, Option<Wrong>)> {
    let bytes = text.as_bytes();
    let mut end = 0;
    for octet in 0..4 {
        if octet > 0 {
            end += usize::from(bytes.get(end) == Some(&b'.'));
        }
        let after = run(bytes, end, |b| b.is_ascii_digit());
        let follows_point = octet == 0 || bytes[end - 1] == b'.';
        if after == end || after - end > 3 || !follows_point {
            return None;
        }
        end = after;
    }
    let mut valid = text[..end].parse::<std::net::Ipv4Addr>().is_ok();
    if bytes.get(end) == Some(&b'/') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        let after = run(bytes, end + 1, |b| b.is_ascii_digit());
        valid &= text[end + 1..after].parse::<u8>().is_ok_and(|length| length <= 32);
        end = after;
    }
    let after = run(bytes, end, is_address_rest);
    valid &= after == end;
    Some((after, Kind::Address, (!valid).then_some(Wrong::Address)))
}

/// What makes an address longer than four numbers; `..` is left for the parser.
fn is_address_rest(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Digits and a unit, or digits and units in turn.
fn with_unit(whole: &str, fraction: &str, unit: &str, measure: Option<Measure>) -> (Kind, Option<Wrong>) {
    if let Some(bytes) = unit_of(&SIZES, unit) {
        return match size(whole, fraction, bytes) {
            Some(value) => (Kind::Size(value), None),
            None => (Kind::Size(u64::MAX), Some(Wrong::TooBig)),
        };
    }
    match duration(whole, unit) {
        Some(_) if !fraction.is_empty() => {
            let help = "write the smaller unit too, such as `1h30min` for an hour and a half".to_owned();
            (Kind::Duration(u64::MAX), Some(Wrong::Fraction(help)))
        }
        Some(Some(value)) => (Kind::Duration(value), None),
        Some(None) => (Kind::Duration(u64::MAX), Some(Wrong::TooBig)),
        None => {
            let (help, only) = guess(whole, fraction, unit, measure);
            let stand_in = match measure {
                Some(Measure::Duration) => Kind::Duration(u64::MAX),
                _ => Kind::Size(u64::MAX),
            };
            (stand_in, Some(Wrong::Unit(help, only)))
        }
    }
}

/// What to write instead, and the same as text where there is one answer.
fn guess(whole: &str, fraction: &str, unit: &str, measure: Option<Measure>) -> (String, Option<String>) {
    // `1h30`: what the next smaller unit is, is plain.
    let without_digits = unit.trim_end_matches(|c: char| c.is_ascii_digit());
    let smaller = [("h", "min"), ("min", "s")].into_iter().find(|(larger, _)| without_digits == *larger);
    if let Some((_, smaller)) = smaller.filter(|_| without_digits != unit) {
        let written = format!("{whole}{unit}{smaller}");
        return (format!("write `{written}`"), Some(written));
    }
    let lower = unit.to_ascii_lowercase();
    let by_case = SIZES.iter().chain(&DURATIONS).map(|&(name, _)| name);
    let by_case: Vec<&str> = by_case.filter(|name| name.eq_ignore_ascii_case(unit)).collect();
    let mistaken = MISTAKEN.iter().find(|(wrong, _)| *wrong == lower).map_or(&[][..], |&(_, right)| right);
    let guesses = if mistaken.is_empty() { &by_case[..] } else { mistaken };
    let fits = |unit: &&&str| match measure {
        Some(Measure::Size) => unit_of(&SIZES, unit).is_some(),
        Some(Measure::Duration) => unit_of(&DURATIONS, unit).is_some(),
        None => true,
    };
    let guesses: Vec<&str> = guesses.iter().filter(fits).copied().collect();
    if guesses.is_empty() {
        let help = "units are `B`, `KiB`, `MiB`, `GiB`, `TiB`, `KB`, `MB`, `GB`, `TB` for sizes and `us`, `ms`, `s`, \
                    `min`, `h`, `d` for durations";
        return (help.to_owned(), None);
    }
    let written: Vec<String> = guesses.iter().map(|unit| format!("{whole}{fraction}{unit}")).collect();
    let help = format!("write `{}`", written.join("` or `"));
    // A fraction of a duration is wrong with every unit.
    let exact = fraction.is_empty() || SIZES.iter().any(|(name, _)| Some(name) == guesses.first());
    (help, written.first().filter(|_| guesses.len() == 1 && exact).cloned())
}

fn unit_of(units: &[(&str, u64)], name: &str) -> Option<u64> {
    units.iter().find(|(unit, _)| *unit == name).map(|&(_, value)| value)
}

/// `None` if the digits do not fit 64 bits.
fn integer(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// Exact, and rounded down to a whole byte; `None` if it does not fit.
fn size(whole: &str, fraction: &str, unit_bytes: u64) -> Option<u64> {
    let whole = integer(whole)?.checked_mul(unit_bytes)?;
    let mut digits = fraction.bytes().filter(u8::is_ascii_digit);
    if fraction.matches('.').count() > 1 || digits.clone().count() > FRACTION_DIGITS_MAX {
        return None;
    }
    // Below 10¹⁸ · 2⁴⁰ < 2¹⁰⁰.
    let (value, scale) = digits.try_fold((0u128, 1u128), |(value, scale), digit| {
        Some((value.checked_mul(10)?.checked_add(u128::from(digit - b'0'))?, scale.checked_mul(10)?))
    })?;
    let part = value.checked_mul(u128::from(unit_bytes))? / scale;
    whole.checked_add(u64::try_from(part).ok()?)
}

/// `rest` is the unit of `first` and may go on with digits and units. The outer `None`: it is no
/// duration; the inner: it does not fit.
fn duration(first: &str, rest: &str) -> Option<Option<u64>> {
    let mut digits = first;
    let mut rest = rest;
    let mut sum = Some(0u64);
    loop {
        let unit_end = run(rest.as_bytes(), 0, |b| b.is_ascii_alphabetic());
        let micros = unit_of(&DURATIONS, &rest[..unit_end])?;
        let part = integer(digits).and_then(|count| count.checked_mul(micros));
        sum = sum.zip(part).and_then(|(sum, part)| sum.checked_add(part));
        rest = &rest[unit_end..];
        if rest.is_empty() {
            return Some(sum);
        }
        let digits_end = run(rest.as_bytes(), 0, |b| b.is_ascii_digit());
        (digits, rest) = rest.split_at(digits_end);
        if digits.is_empty() {
            return None;
        }
    }
}

/// The end of the run of bytes that `belongs` accepts, from `start`.
fn run(bytes: &[u8], start: usize, belongs: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|&byte| !belongs(byte)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;

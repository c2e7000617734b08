//! Numbers with their units, exact or refused.
//!
//! `GB` is 10⁹ and `GiB` is 2³⁰ bytes; durations concatenate (`1h30min`) and are kept in microseconds.
//! A value that does not fit 64 bits is an error and never wraps.

mod guess;

use crate::token::Kind;
use guess::{
    Measure, address6, clock, fraction_of, guess, in_parts, measured, mistaken, short_address, unit_apart,
};

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

/// Digits after the point that are read at most; more than a byte of a `TB` needs.
const FRACTION_DIGITS_MAX: usize = 18;

/// Why a number is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It does not fit 64 bits.
    TooBig,
    /// No such unit; what to write instead, and the same as text where there is one answer.
    Unit(String, Option<String>),
    /// A fraction where only sizes have one; what to write instead, and the same as text.
    Fraction(String, Option<String>),
    /// A blank before the unit; how it is written without one.
    Apart(String),
    /// Parts of a duration, or a `%`, with blanks between; how it is written without them.
    Parts(String),
    /// A comma where fractions have a point; how it is written here.
    Comma(String),
    /// A hexadecimal number where a unit has to stand, which would be read as a digit; what to write instead.
    HexUnit(String),
    /// A leading zero, which elsewhere means octal.
    LeadingZero(String),
    /// Not a hexadecimal number.
    Hex,
    /// Not an address.
    Address,
    /// More than 32 bits of an IPv4 address.
    Prefix,
    /// An address that is not written out, or has no brackets; how it is written here.
    AddressForm(String),
    /// A time as clocks show it; how it is written here.
    Clock(String),
}

/// The number at the beginning of `text`, which begins with a digit: its length in bytes, the token's
/// kind (a stand-in where it is wrong) and what is wrong. `before` is the word before it, which may say what
/// it measures.
pub(crate) fn number(text: &str, before: &str) -> (usize, Kind, Option<Wrong>) {
    if let Some(found) = address6(text).or_else(|| short_address(text)).or_else(|| clock(text, before)) {
        return found;
    }
    let measure = measured(before);
    let (length, kind, wrong) = joined(text, before);
    if text.starts_with("0x") && matches!(measure, Some(Measure::Size | Measure::Duration | Measure::Cpus)) {
        let value = text[2..length].trim_end_matches('B');
        let help = match u64::from_str_radix(value, 16) {
            Ok(bytes) if measure == Some(Measure::Size) => {
                format!("write `{bytes}B`: units stand behind decimal digits")
            }
            _ => "write decimal digits and a unit".to_owned(),
        };
        return (length, Kind::Size(u64::MAX), Some(Wrong::HexUnit(help)));
    }
    if wrong.is_none()
        && let Some((end, right)) = in_parts(text, length, &kind, measure)
    {
        let wrong = if right.contains('.') { Wrong::Comma(right) } else { Wrong::Parts(right) };
        return (end, kind, Some(wrong));
    }
    let apart = wrong.is_none() && matches!(kind, Kind::Int(_)) || matches!(wrong, Some(Wrong::Fraction(..)));
    if apart
        && !text.starts_with("0x")
        && let Some((end, unit)) = unit_apart(text, length)
    {
        let written = format!("{}{unit}", &text[..length]);
        let (_, kind, wrong) = joined(&written, before);
        return (end, kind, Some(wrong.unwrap_or(Wrong::Apart(written))));
    }
    (length, kind, wrong)
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
                    let meant = mistaken(period).iter().find(|unit| unit_of(&DURATIONS, unit).is_some());
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
    let (help, only) = fraction_of(&text[..whole], fraction, is_percent, measured(before));
    (length, kind, Some(Wrong::Fraction(help, only)))
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
        if valid && text[end + 1..after].parse::<u8>().is_ok_and(|length| length > 32) {
            return Some((after, Kind::Address, Some(Wrong::Prefix)));
        }
        valid &= text[end + 1..after].parse::<u8>().is_ok();
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
            let (help, only) = guess::fraction_of_duration(whole, fraction, unit);
            (Kind::Duration(u64::MAX), Some(Wrong::Fraction(help, only)))
        }
        Some(Some(value)) => (Kind::Duration(value), None),
        Some(None) => (Kind::Duration(u64::MAX), Some(Wrong::TooBig)),
        None => {
            let (help, only) = guess(whole, fraction, unit, measure);
            let stand_in = match measure {
                Some(Measure::Duration) => Kind::Duration(u64::MAX),
                Some(Measure::Cpus) => Kind::Percent(100),
                Some(Measure::Count | Measure::Year) => Kind::Int(u64::MAX),
                _ => Kind::Size(u64::MAX),
            };
            (stand_in, Some(Wrong::Unit(help, only)))
        }
    }
}

/// What to write at most where the number at the beginning of `text` is too big.
pub(crate) fn greatest(text: &str) -> String {
    let digits = run(text.as_bytes(), 0, |b| b.is_ascii_digit() || b == b'_' || b == b'.');
    let unit_end = run(text.as_bytes(), digits, |b| b.is_ascii_alphabetic());
    let unit = &text[digits..unit_end];
    let (most, unit) = match unit_of(&SIZES, unit).or_else(|| unit_of(&DURATIONS, unit)) {
        Some(value) => (u64::MAX / value, unit),
        None => (u64::MAX, ""),
    };
    format!("write at most `{most}{unit}`")
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

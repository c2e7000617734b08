//! What people write who mean a number of this language: units of other ones, blanks, fractions, times of a clock,
//! addresses without brackets. Nothing here decides what is accepted.

use super::{DURATIONS, SIZES, Wrong, integer, run, unit_of};
use crate::token::Kind;
use std::net::Ipv6Addr;

/// What people write instead of a unit, in lower case, and what they may mean.
const MISTAKEN: &[(&[&str], &[&str])] = &[
    (&["b", "byte", "bytes"], &["B"]),
    (&["k", "kb", "kilobyte", "kilobytes"], &["KiB", "KB"]),
    (&["kibibyte", "kibibytes", "ki"], &["KiB"]),
    (&["m"], &["MiB", "MB", "min"]),
    (&["mb", "meg", "megs", "megabyte", "megabytes"], &["MiB", "MB"]),
    (&["mebibyte", "mebibytes", "mi"], &["MiB"]),
    (&["g", "gb", "gig", "gigs", "gigabyte", "gigabytes"], &["GiB", "GB"]),
    (&["gibibyte", "gibibytes", "gi"], &["GiB"]),
    (&["t", "tb", "terabyte", "terabytes"], &["TiB", "TB"]),
    (&["tebibyte", "tebibytes", "ti"], &["TiB"]),
    (&["usec", "usecs", "microsecond", "microseconds"], &["us"]),
    (&["msec", "msecs", "millis", "millisecond", "milliseconds"], &["ms"]),
    (&["sec", "secs", "second", "seconds"], &["s"]),
    (&["mins", "minute", "minutes"], &["min"]),
    (&["hr", "hrs", "hour", "hours"], &["h"]),
    (&["day", "days"], &["d"]),
];

/// What a word that is no unit may mean.
pub(super) fn mistaken(unit: &str) -> &'static [&'static str] {
    let lower = unit.to_ascii_lowercase();
    MISTAKEN.iter().find(|(wrong, _)| wrong.contains(&lower.as_str())).map_or(&[], |&(_, right)| right)
}

/// What a number stands for, as far as the word before it says so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Size,
    Duration,
    /// So many of something.
    Count,
    /// CPUs, or a share of one.
    Cpus,
    /// Of an edition.
    Year,
}

/// What a word before a number measures, where that is always the same.
pub(super) fn measured(before: &str) -> Option<Measure> {
    match before {
        "memory" | "swap" | "size" | "result" | "output" | "fsize" | "quota" | "io" => Some(Measure::Size),
        "wall" | "cpu_time" | "timeout" => Some(Measure::Duration),
        "pids" | "files" | "inodes" | "connections" | "concurrency" | "burst" | "cpuset" | "io_weight" => {
            Some(Measure::Count)
        }
        "cpu" => Some(Measure::Cpus),
        "edition" => Some(Measure::Year),
        _ => None,
    }
}

/// The unit that a blank divides from the number which ends at `length`: where it ends, and how it is written, or
/// as it stands where it may be two. `60 per minute` is a rate.
pub(super) fn unit_apart(text: &str, length: usize) -> Option<(usize, String)> {
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
        let only = match mistaken(word) {
            [only] => Some(*only),
            _ => None,
        };
        exact.or(only)
    };
    if word == "per" {
        let (end, period) = word_at(end);
        let period = unit_named(period).filter(|unit| unit_of(&DURATIONS, unit).is_some())?;
        return Some((end, format!("/{period}")));
    }
    // One letter may be anything.
    if word.len() < 2 {
        return None;
    }
    let unit = unit_named(word).or_else(|| (!mistaken(word).is_empty()).then_some(word))?;
    Some((end, unit.to_owned()))
}

/// `1h 30min`, `50 %` and `1,5GiB`: where the number that is read up to `length` ends, and how it is written here.
pub(super) fn in_parts(
    text: &str,
    length: usize,
    kind: &Kind,
    measure: Option<Measure>,
) -> Option<(usize, String)> {
    let bytes = text.as_bytes();
    let blank = run(bytes, length, |b| b == b' ' || b == b'\t');
    let digits = run(bytes, blank, |b| b.is_ascii_digit());
    let unit = run(bytes, digits, |b| b.is_ascii_alphabetic());
    let number = text.get(..length)?;
    match kind {
        Kind::Int(_) if blank > length && bytes.get(blank) == Some(&b'%') => {
            Some((blank + 1, format!("{number}%")))
        }
        Kind::Duration(_) if blank > length && digits > blank && measure == Some(Measure::Duration) => {
            let is_duration = unit_of(&DURATIONS, &text[digits..unit]).is_some();
            is_duration.then(|| (unit, format!("{number}{}", &text[blank..unit])))
        }
        Kind::Int(_) if bytes.get(length) == Some(&b',') => {
            let digits = run(bytes, length + 1, |b| b.is_ascii_digit());
            let unit = run(bytes, digits, |b| b.is_ascii_alphabetic());
            let size = unit_of(&SIZES, &text[digits..unit]).is_some() && measure == Some(Measure::Size);
            // Three digits are thousands as well.
            let fraction = matches!(digits - length - 1, 1 | 2);
            (size && fraction).then(|| (unit, format!("{number}.{}", &text[length + 1..unit])))
        }
        _ => None,
    }
}

/// What to write instead, and the same as text where there is one answer.
pub(super) fn guess(
    whole: &str,
    fraction: &str,
    unit: &str,
    measure: Option<Measure>,
) -> (String, Option<String>) {
    let one = |written: String| (format!("write `{written}`"), Some(written));
    if let Some(written) = chained(whole, fraction, unit, measure) {
        return one(written);
    }
    let lower = unit.to_ascii_lowercase();
    let number = integer(whole).filter(|_| fraction.is_empty());
    if measure == Some(Measure::Cpus) {
        // Thousandths of a CPU, as clusters count.
        if let Some(milli) = number.filter(|_| lower == "m") {
            return one(format!("{}%", milli / 10));
        }
        if ["core", "cores", "cpu", "cpus", "vcpu", "vcpus"].contains(&lower.as_str()) {
            return match number {
                Some(cpus) => one(cpus.to_string()),
                None => fraction_of(whole, fraction, false, measure),
            };
        }
        return ("write a number of CPUs, such as `2`, or a share of one, such as `50%`".to_owned(), None);
    }
    if measure == Some(Measure::Count) {
        let power = || 10u64.checked_pow(lower.strip_prefix('e')?.parse().ok()?);
        let times = match lower.as_str() {
            "k" => Some(1_000),
            "m" => Some(1_000_000),
            _ => power(),
        };
        return match number.zip(times).and_then(|(number, times)| number.checked_mul(times)) {
            Some(written) => one(written.to_string()),
            None => ("write a whole number without a unit".to_owned(), None),
        };
    }
    if lower.strip_prefix('e').is_some_and(|power| power.bytes().all(|b| b.is_ascii_digit())) {
        return ("write the number in full, with its unit: `1GB` and not `1e9`".to_owned(), None);
    }
    let by_case = SIZES.iter().chain(&DURATIONS).map(|&(name, _)| name);
    let by_case: Vec<&str> = by_case.filter(|name| name.eq_ignore_ascii_case(unit)).collect();
    let meant = mistaken(unit);
    let guesses = if meant.is_empty() { &by_case[..] } else { meant };
    let fits = |unit: &&&str| match measure {
        Some(Measure::Size) => unit_of(&SIZES, unit).is_some(),
        Some(Measure::Duration) => unit_of(&DURATIONS, unit).is_some(),
        _ => true,
    };
    let guesses: Vec<&str> = guesses.iter().filter(fits).copied().collect();
    if guesses.is_empty() {
        const OF_SIZES: &str = "`B`, `KiB`, `MiB`, `GiB`, `TiB`, `KB`, `MB`, `GB` and `TB`";
        const OF_DURATIONS: &str = "`us`, `ms`, `s`, `min`, `h` and `d`";
        let help = match measure {
            Some(Measure::Size) => format!("units are {OF_SIZES}"),
            Some(Measure::Duration) => format!("units are {OF_DURATIONS}"),
            _ => format!("units are {OF_SIZES} for sizes, and {OF_DURATIONS} for durations"),
        };
        return (help, None);
    }
    if let Some(bare) = guesses
        .first()
        .filter(|unit| guesses.len() == 1 && !fraction.is_empty() && unit_of(&DURATIONS, unit).is_some())
    {
        return fraction_of_duration(whole, fraction, bare);
    }
    let written: Vec<String> = guesses.iter().map(|unit| format!("{whole}{fraction}{unit}")).collect();
    let help = format!("write `{}`", written.join("` or `"));
    (help, written.into_iter().next().filter(|_| guesses.len() == 1))
}

/// `1h30`, `1h30m`, `2hr15sec`: what each unit is, is plain.
fn chained(whole: &str, fraction: &str, unit: &str, measure: Option<Measure>) -> Option<String> {
    if !fraction.is_empty() || measure.is_some_and(|it| it != Measure::Duration) {
        return None;
    }
    let mut written = whole.to_owned();
    let mut rest = unit;
    let mut last: Option<&str> = None;
    loop {
        let letters = run(rest.as_bytes(), 0, |b| b.is_ascii_alphabetic());
        let name = &rest[..letters];
        let is_duration = |unit: &&str| unit_of(&DURATIONS, unit).is_some();
        let exact = DURATIONS.iter().map(|&(name, _)| name).find(|unit| *unit == name);
        let guessed = || mistaken(name).iter().copied().find(is_duration);
        // At the end a unit may be left out: it is the next smaller one.
        let left_out = || match last {
            Some("h") => Some("min"),
            Some("min") => Some("s"),
            _ => None,
        };
        let unit = if name.is_empty() { left_out() } else { exact.or_else(guessed) }?;
        written.push_str(unit);
        last = Some(unit);
        rest = &rest[letters..];
        let digits = run(rest.as_bytes(), 0, |b| b.is_ascii_digit());
        if digits == 0 {
            break;
        }
        written.push_str(&rest[..digits]);
        rest = &rest[digits..];
    }
    // A single unit is not a chain, and may be a size.
    let several = unit.bytes().any(|b| b.is_ascii_digit());
    (rest.is_empty() && several).then_some(written)
}

/// A fraction of what has none.
pub(super) fn fraction_of(
    whole: &str,
    fraction: &str,
    is_percent: bool,
    measure: Option<Measure>,
) -> (String, Option<String>) {
    let one = |written: String| (format!("write `{written}`"), Some(written));
    if is_percent {
        return (format!("write a whole number of percent, such as `{whole}%`"), None);
    }
    let digits = fraction.strip_prefix('.').filter(|digits| !digits.contains('.'));
    let hundredths = digits.and_then(|digits| {
        let digits = digits.replace('_', "");
        let two = if digits.len() == 1 { format!("{digits}0") } else { digits.get(..2)?.to_owned() };
        integer(whole)?.checked_mul(100)?.checked_add(integer(&two)?)
    });
    match (measure, hundredths) {
        (Some(Measure::Cpus), Some(percent)) => return one(format!("{percent}%")),
        (Some(Measure::Year), _) => return one(whole.to_owned()),
        (Some(Measure::Count), _) => return ("write a whole number".to_owned(), None),
        (Some(Measure::Duration), _) => {
            return (format!("write a unit, such as `{whole}min`, and the smaller one for the rest"), None);
        }
        _ => {}
    }
    let help = match digits {
        Some(_) => {
            format!("write `\"{whole}{fraction}\"` for text, or a size such as `{whole}{fraction}GiB`")
        }
        None => format!("write `\"{whole}{fraction}\"` for text"),
    };
    (help, None)
}

/// `1.5h` in whole units.
pub(super) fn fraction_of_duration(whole: &str, fraction: &str, unit: &str) -> (String, Option<String>) {
    let digits = fraction.strip_prefix('.').unwrap_or_default();
    let micros = unit_of(&DURATIONS, unit).and_then(|unit| {
        let scale = 10u64.checked_pow(u32::try_from(digits.len()).ok()?)?;
        let part = integer(digits)?.checked_mul(unit)?;
        let exact = part.is_multiple_of(scale).then(|| part / scale)?;
        integer(whole)?.checked_mul(unit)?.checked_add(exact)
    });
    let Some(mut left) = micros.filter(|&micros| micros > 0 && !digits.is_empty()) else {
        return ("write the smaller unit too, such as `1h30min` for an hour and a half".to_owned(), None);
    };
    let mut written = String::new();
    for (name, micros) in DURATIONS.iter().rev() {
        let count = left / micros;
        if count > 0 {
            written.push_str(&format!("{count}{name}"));
        }
        left %= micros;
    }
    (format!("write `{written}`"), Some(written))
}

/// As much of a text as an address needs, so that a long run of digits is not looked at again and again.
fn beginning(text: &str) -> &[u8] {
    const ADDRESS_BYTES_MAX: usize = 48;
    &text.as_bytes()[..text.len().min(ADDRESS_BYTES_MAX)]
}

/// `2001:db8::1` and `2001:db8::1:443` without brackets, of which this gives the first reading.
pub(super) fn address6(text: &str) -> Option<(usize, Kind, Option<Wrong>)> {
    let end = run(beginning(text), 0, |b| b.is_ascii_hexdigit() || b == b':');
    let address = &text[..end];
    if address.matches(':').count() < 2 || address.parse::<Ipv6Addr>().is_err() {
        return None;
    }
    let prefix =
        text[end..].strip_prefix('/').map_or(0, |rest| run(rest.as_bytes(), 0, |b| b.is_ascii_digit()));
    let prefix = if prefix == 0 { "" } else { &text[end..end + 1 + prefix] };
    // A short last group of decimal digits behind `::` is more likely a port.
    let split = address.rsplit_once(':').filter(|(before, port)| {
        matches!(*port, "22" | "25" | "53" | "80" | "443" | "8080" | "8443")
            && before.contains("::")
            && !before.ends_with(':')
            && prefix.is_empty()
    });
    let written = match split {
        Some((address, port)) => format!("[{address}]:{port}"),
        None => format!("[{address}]{prefix}"),
    };
    Some((end + prefix.len(), Kind::Address, Some(Wrong::AddressForm(written))))
}

/// `10.0/16`, of which the rest is zero.
pub(super) fn short_address(text: &str) -> Option<(usize, Kind, Option<Wrong>)> {
    let end = run(beginning(text), 0, |b| b.is_ascii_digit() || b == b'.');
    let octets: Vec<&str> = text[..end].split('.').collect();
    if octets.len() > 3 || !octets.iter().all(|octet| octet.parse::<u8>().is_ok()) {
        return None;
    }
    let rest = text[end..].strip_prefix('/')?;
    let digits = run(rest.as_bytes(), 0, |b| b.is_ascii_digit());
    let length = rest[..digits].parse::<u8>().ok().filter(|&length| length <= 32)?;
    let whole = [octets, vec!["0"; 3]].concat();
    let written = format!("{}/{length}", whole.get(..4)?.join("."));
    Some((end + 1 + digits, Kind::Address, Some(Wrong::AddressForm(written))))
}

/// `00:05:00`, and `5:00` where a duration stands.
pub(super) fn clock(text: &str, before: &str) -> Option<(usize, Kind, Option<Wrong>)> {
    let end = run(beginning(text), 0, |b| b.is_ascii_digit() || b == b':');
    let parts: Vec<&str> = text[..end].split(':').collect();
    let of_duration = measured(before) == Some(Measure::Duration);
    let plausible = parts.iter().all(|part| (1..=2).contains(&part.len()));
    let names: &[&str] = match parts.len() {
        3 => &["h", "min", "s"],
        2 if of_duration => &["min", "s"],
        _ => return None,
    };
    if !plausible {
        return None;
    }
    let counts = parts.iter().map(|part| integer(part).unwrap_or(0)).zip(names);
    let written: String =
        counts.filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    let written = if written.is_empty() { "0s".to_owned() } else { written };
    Some((end, Kind::Duration(u64::MAX), Some(Wrong::Clock(written))))
}

use super::{Wrong, number};
use crate::token::Kind;

#[track_caller]
fn check(text: &str, length: usize, kind: Kind) {
    assert_eq!(number(text, ""), (length, kind, None), "{text}");
}

#[track_caller]
fn refuse(text: &str, expected: &str) {
    let (length, _, wrong) = number(text, "");
    assert!(length > 0 && length <= text.len());
    let shown = match wrong {
        None => "fine".to_owned(),
        Some(Wrong::Unit(help, _) | Wrong::Fraction(help, _) | Wrong::LeadingZero(help)) => help,
        Some(other) => format!("{other:?}"),
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn values_are_exact() {
    check("0", 1, Kind::Int(0));
    check("1_000,", 5, Kind::Int(1000));
    check("18446744073709551615", 20, Kind::Int(u64::MAX));
    check("0xffff_ffff_ffff_ffff", 21, Kind::Int(u64::MAX));
    check("1..20", 1, Kind::Int(1));
    check("0B", 2, Kind::Size(0));
    check("2GB", 3, Kind::Size(2_000_000_000));
    check("1.5GiB", 6, Kind::Size(3 << 29));
    check("0.1KiB", 6, Kind::Size(102));
    check("1.9B", 4, Kind::Size(1));
    check("16777215.999999999999999999TiB", 30, Kind::Size(u64::MAX));
    check("1h30min ", 7, Kind::Duration(5_400_000_000));
    check("250us", 5, Kind::Duration(250));
    check("10/min", 6, Kind::Rate(10, 60_000_000));
    check("400%", 4, Kind::Percent(400));
    check("10.0.0.0/8", 10, Kind::Address);
    check("169.254.169.254:80", 15, Kind::Address);
}

#[test]
fn what_does_not_fit_is_refused() {
    refuse("18446744073709551616", "TooBig");
    refuse("0x1_0000_0000_0000_0000", "TooBig");
    refuse("16777216TiB", "TooBig");
    refuse("213503983d", "TooBig");
    refuse("213503982d9h", "TooBig");
    refuse("18446744073709551616/s", "TooBig");
    refuse("0.1234567890123456789GB", "TooBig");
}

#[test]
fn unknown_units_come_with_a_guess() {
    refuse("512mb", "write `512MiB` or `512MB`");
    refuse("5m", "write `5MiB` or `5MB` or `5min`");
    refuse("1.5g", "write `1.5GiB` or `1.5GB`");
    refuse("5kib", "write `5KiB`");
    refuse("30sec", "write `30s`");
    refuse("10/m", "periods are `s`, `min`, `h` and `d`: write `10/min`");
    refuse("10/ms", "periods are `s`, `min`, `h` and `d`: write `10/min`");
    refuse("2 gigabytes", "write `2GiB` or `2GB`");
    refuse("1e9", "write the number in full, with its unit: `1GB` and not `1e9`");
    refuse(
        "3abc",
        "units are `B`, `KiB`, `MiB`, `GiB`, `TiB`, `KB`, `MB`, `GB` and `TB` for sizes, and `us`, `ms`, `s`, `min`, \
         `h` and `d` for durations",
    );
}

#[test]
fn chains_of_units_are_plain() {
    refuse("1h30", "write `1h30min`");
    refuse("1h30m", "write `1h30min`");
    refuse("2hr15sec", "write `2h15s`");
    refuse("00:05:00", "Clock(\"5min\")");
    refuse("01:00:30", "Clock(\"1h30s\")");
}

#[test]
fn the_word_before_says_what_is_meant() {
    let helps = |before: &str, text: &str| match number(text, before).2 {
        Some(Wrong::Unit(help, _) | Wrong::Fraction(help, _)) => help,
        other => format!("{other:?}"),
    };
    assert_eq!(helps("cpu", "500m"), "write `50%`");
    assert_eq!(helps("cpu", "0.5"), "write `50%`");
    assert_eq!(helps("cpu", "2cores"), "write `2`");
    assert_eq!(helps("inodes", "10k"), "write `10000`");
    assert_eq!(helps("wall", "5m"), "write `5min`");
    assert_eq!(helps("memory", "5m"), "write `5MiB` or `5MB`");
    assert_eq!(helps("edition", "2026.1"), "write `2026`");
    assert_eq!(helps("wall", "5:00"), "Some(Clock(\"5min\"))");
}

#[test]
fn fractions_are_for_sizes() {
    refuse("1.5h", "write `1h30min`");
    refuse("0.25d", "write `6h`");
    refuse("1.3333us", "write the smaller unit too, such as `1h30min` for an hour and a half");
    refuse("3.12", "write `\"3.12\"` for text, or a size such as `3.12GiB`");
    refuse("3.12.1", "write `\"3.12.1\"` for text");
    refuse("1.5%", "write a whole number of percent, such as `1%`");
}

#[test]
fn octal_is_not_read_as_decimal() {
    refuse("0644", "write `644`, or `0x1a4` if octal is meant");
    refuse("00", "write `0`");
    refuse("09", "write `9`");
    refuse("0x", "Hex");
    refuse("0xfg", "Hex");
    refuse("0X1f", "Hex");
}

#[test]
fn addresses_are_checked() {
    refuse("256.1.1.1", "Address");
    refuse("10.0.0.0/33", "Prefix");
    refuse("10.0/16", "AddressForm(\"10.0.0.0/16\")");
    refuse("2001:db8::1", "AddressForm(\"[2001:db8::1]\")");
    refuse("2001:db8::1:443", "AddressForm(\"[2001:db8::1]:443\")");
    refuse("2001:db8::/32", "AddressForm(\"[2001:db8::]/32\")");
    refuse("1.2.3.4x", "Address");
    refuse("01.2.3.4", "Address");
}

//! Numbers, and what to write in the place of those that are none here.

use super::Lexer;
use crate::number::{self, Wrong};
use crate::scan::{clipped, offset};
use crate::token::Kind;
use msb_diag::codes;

impl<'a> Lexer<'a> {
    pub(super) fn number(&mut self) {
        let before = self.measured_by();
        let (length, kind, wrong) = number::number(self.rest(), before);
        let written = clipped(&self.rest()[..length]);
        if let Some(wrong) = wrong {
            let fix = match &wrong {
                Wrong::Unit(_, fix) => fix.clone(),
                Wrong::Apart(fix) | Wrong::Parts(fix) | Wrong::AddressForm(fix) | Wrong::Clock(fix) => {
                    Some(fix.clone())
                }
                Wrong::Comma(fix) => Some(fix.clone()),
                Wrong::Fraction(_, fix) => fix.clone(),
                _ => None,
            };
            let (code, message, help) = match wrong {
                Wrong::TooBig => {
                    let help = number::greatest(self.rest());
                    (codes::NUMBER_OUT_OF_RANGE, format!("`{written}` is too big"), help)
                }
                Wrong::Unit(help, _) => {
                    (codes::NUMBER_WITHOUT_UNIT, format!("`{written}` has no known unit"), help)
                }
                Wrong::Apart(right) => (
                    codes::NUMBER_WITHOUT_UNIT,
                    format!("`{written}` has a blank before its unit"),
                    format!("write `{right}`"),
                ),
                Wrong::Parts(right) => (
                    codes::NUMBER_WITHOUT_UNIT,
                    format!("`{written}` has a blank in it"),
                    format!("write `{right}`"),
                ),
                Wrong::Comma(right) => (
                    codes::NUMBER_WITHOUT_UNIT,
                    format!("`{written}` has a comma in the place of a point"),
                    format!("write `{right}`"),
                ),
                Wrong::HexUnit(help) => {
                    (codes::NUMBER_WITHOUT_UNIT, format!("`{written}` has no known unit"), help)
                }
                Wrong::Fraction(help, _) => (
                    codes::NUMBER_WITHOUT_UNIT,
                    format!("`{written}` has a fraction, which only sizes have"),
                    help,
                ),
                Wrong::LeadingZero(help) => (
                    codes::UNEXPECTED,
                    format!("`{written}` begins with a zero, which could mean octal"),
                    help,
                ),
                Wrong::Hex => {
                    let help = "write `0x` and the digits `0` to `9`, `a` to `f`".to_owned();
                    (codes::UNEXPECTED, format!("`{written}` is not a hexadecimal number"), help)
                }
                Wrong::Address => {
                    let help = "write four numbers of at most 255, such as `10.0.0.0/8`".to_owned();
                    (codes::UNEXPECTED, format!("`{written}` is not an address"), help)
                }
                Wrong::Prefix => {
                    let help = "write at most 32 bits behind the `/`, such as `10.0.0.0/8`".to_owned();
                    (codes::UNEXPECTED, format!("`{written}` is not a range of addresses"), help)
                }
                Wrong::AddressForm(right) => {
                    let why = if right.starts_with('[') {
                        ": IPv6 addresses have brackets"
                    } else {
                        ": addresses have four numbers"
                    };
                    let message = format!("`{written}` is not an address as it is written here");
                    (codes::UNEXPECTED, message, format!("write `{right}`{why}"))
                }
                Wrong::Clock(right) => (
                    codes::NUMBER_WITHOUT_UNIT,
                    format!("`{written}` is a time of a clock"),
                    format!("write `{right}`"),
                ),
            };
            self.error(code, length, message, help);
            if let Some(fix) = fix {
                self.fix_last(fix);
            }
        }
        self.push(kind, length);
    }

    /// `.5GiB`, and not the end of a range or a part of a name.
    pub(super) fn fraction_alone(&self) -> bool {
        let digit = self.text.as_bytes().get(self.at + 1).is_some_and(u8::is_ascii_digit);
        let joined =
            self.tokens.last().is_some_and(|it| it.end == offset(self.at) && it.kind != Kind::Sign("="));
        digit && !joined
    }

    pub(super) fn fraction(&mut self) {
        let rest = self.rest();
        let digits = rest[1..]
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '%')
            .map_or(rest.len(), |end| 1 + end);
        let written = &rest[..digits];
        self.error(
            codes::NUMBER_WITHOUT_UNIT,
            digits,
            format!("`{}` begins with a point", clipped(written)),
            format!("write `0{}`", clipped(written)),
        );
        self.fix_last(format!("0{written}"));
        self.push(Kind::Size(u64::MAX), digits);
    }

    /// The word before the next token, `=` and `:` apart: it may say what a number measures.
    pub(super) fn measured_by(&self) -> &'a str {
        let mut before =
            self.tokens.iter().rev().map(|token| self.text.get(token.range()).unwrap_or_default());
        before.find(|text| !matches!(*text, "=" | ":" | "<=")).unwrap_or(self.setting)
    }
}

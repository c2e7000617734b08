//! Reading a plan: the encoding of postcard (<https://postcard.jamesmunns.com/wire-format>), the one way of writing
//! each value and no other.
//!
//! postcard itself writes plans, and the tests hold both against each other. It reads what is not canonical too, so that
//! everything had to be written again and compared; and what serde makes of so many types was a sixth of the launcher.
//! Here nothing is returned but values: what is wrong is remembered, and asked for once, at the end.

use crate::ORIGINS_MAX;
use alloc::vec::Vec;

/// No list of a plan has more; each has its own bound besides (`check`).
const LIST_MAX: usize = ORIGINS_MAX;

/// The bytes that are left, and whether anything was wrong with those before.
pub(crate) struct Reader<'a> {
    left: &'a [u8],
    broken: bool,
}

impl<'a> Reader<'a> {
    /// Reads all of `bytes` as one value; `None` when that is not what they are.
    pub(crate) fn read<T: Wire<'a>>(bytes: &'a [u8]) -> Option<T> {
        let mut reader = Reader { left: bytes, broken: false };
        let value = T::read(&mut reader);
        (!reader.broken && reader.left.is_empty()).then_some(value)
    }

    /// Remembers that this is no value. Nothing is left to be read from here on, so that every list ends.
    #[cold]
    #[inline(never)]
    fn fail(&mut self) {
        self.broken = true;
        self.left = &[];
    }

    /// The next `count` bytes; none when there are fewer.
    #[inline(never)]
    fn take(&mut self, count: usize) -> &'a [u8] {
        match self.left.split_at_checked(count) {
            Some((taken, left)) => {
                self.left = left;
                taken
            }
            None => {
                self.fail();
                &[]
            }
        }
    }

    #[inline(never)]
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// An integer of at most `bits`: seven bits a byte, the lowest first, in as few bytes as hold it.
    #[inline(never)]
    fn integer(&mut self, bits: u32) -> u64 {
        // Most are small.
        if let Some((&byte @ ..0x80, left)) = self.left.split_first() {
            self.left = left;
            return u64::from(byte);
        }
        let mut value = 0_u64;
        let mut shift = 0;
        loop {
            let byte = self.byte();
            let part = u64::from(byte & 0x7f);
            let fits = shift < bits && (bits - shift >= 7 || part >> (bits - shift) == 0);
            // A last byte of 0 says nothing.
            if !fits || (byte == 0 && shift > 0) {
                self.fail();
                return 0;
            }
            value |= part << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    #[inline(never)]
    fn length(&mut self) -> usize {
        usize::try_from(self.integer(usize::BITS)).unwrap_or(usize::MAX)
    }

    /// How many values a list has. Each takes a byte at least: no more memory is asked for than there are bytes to fill it.
    #[inline(never)]
    fn count(&mut self) -> usize {
        let count = self.length();
        if count <= self.left.len().min(LIST_MAX) {
            return count;
        }
        self.fail();
        0
    }

    /// 0 or 1.
    #[inline(never)]
    fn bit(&mut self) -> bool {
        let byte = self.byte();
        if byte > 1 {
            self.fail();
        }
        byte == 1
    }
}

/// A value that a plan has.
pub(crate) trait Wire<'a>: Sized {
    /// Reads it; anything where there is none, which `reader` then remembers.
    fn read(reader: &mut Reader<'a>) -> Self;
}

impl Wire<'_> for bool {
    fn read(reader: &mut Reader<'_>) -> bool {
        reader.bit()
    }
}

impl Wire<'_> for u8 {
    fn read(reader: &mut Reader<'_>) -> u8 {
        reader.byte()
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Wire<'_> for $type {
            fn read(reader: &mut Reader<'_>) -> $type {
                <$type>::try_from(reader.integer(<$type>::BITS)).unwrap_or(0)
            }
        }
    )*};
}
integers!(u16, u32, u64);

impl<'a> Wire<'a> for &'a [u8] {
    #[inline(never)]
    fn read(reader: &mut Reader<'a>) -> &'a [u8] {
        let length = reader.length();
        reader.take(length)
    }
}

impl<'a> Wire<'a> for &'a str {
    #[inline(never)]
    fn read(reader: &mut Reader<'a>) -> &'a str {
        let text = core::str::from_utf8(Wire::read(reader));
        text.unwrap_or_else(|_| {
            reader.fail();
            ""
        })
    }
}

impl<const N: usize> Wire<'_> for [u8; N] {
    fn read(reader: &mut Reader<'_>) -> [u8; N] {
        reader.take(N).first_chunk().copied().unwrap_or([0; N])
    }
}

impl<'a, A: Wire<'a>, B: Wire<'a>> Wire<'a> for (A, B) {
    fn read(reader: &mut Reader<'a>) -> (A, B) {
        let first = A::read(reader);
        (first, B::read(reader))
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Option<T> {
    fn read(reader: &mut Reader<'a>) -> Option<T> {
        reader.bit().then(|| T::read(reader))
    }
}

impl<'a, T: Wire<'a>> Wire<'a> for Vec<T> {
    #[inline(never)]
    fn read(reader: &mut Reader<'a>) -> Vec<T> {
        (0..reader.count()).map(|_| T::read(reader)).collect()
    }
}

/// How structures and enumerations are read: fields and variants, in the order of their declaration. Without one of them
/// it does not compile.
macro_rules! wire {
    ($(struct $name:ty { $($field:tt),* })*) => {$(
        impl<'a> $crate::wire::Wire<'a> for $name {
            fn read(reader: &mut $crate::wire::Reader<'a>) -> Self {
                // The fields of an expression are evaluated as they are written.
                Self { $($field: $crate::wire::Wire::read(reader)),* }
            }
        }
    )*};
    ($(enum $name:ty {
        $zero:ident $({ $($zero_field:ident),* })? $(($($zero_one:tt),*))?
        $(, $variant:ident $({ $($field:ident),* })? $(($($one:tt),*))?)*
    })*) => {$(
        impl<'a> $crate::wire::Wire<'a> for $name {
            fn read(reader: &mut $crate::wire::Reader<'a>) -> Self {
                // Whoever adds a variant adds it here.
                let _ = |value: &Self| match value { Self::$zero { .. } $(| Self::$variant { .. })* => () };
                let tag = reader.variant(const { [stringify!($zero) $(, stringify!($variant))*].len() });
                let mut number = 1;
                $(
                    if tag == number {
                        return Self::$variant
                            $({ $($field: $crate::wire::Wire::read(reader)),* })?
                            $(($($crate::wire::one!($one reader)),*))?;
                    }
                    number += 1;
                )*
                let _ = number;
                Self::$zero
                    $({ $($zero_field: $crate::wire::Wire::read(reader)),* })?
                    $(($($crate::wire::one!($zero_one reader)),*))?
            }
        }
    )*};
}
macro_rules! one {
    (_ $reader:ident) => {
        $crate::wire::Wire::read($reader)
    };
}
pub(crate) use {one, wire};

impl Reader<'_> {
    /// The number of a variant, of which there are `count`; the first where there is none of this number.
    #[inline(never)]
    pub(crate) fn variant(&mut self, count: usize) -> usize {
        let number = usize::try_from(self.integer(u32::BITS)).unwrap_or(usize::MAX);
        if number < count {
            return number;
        }
        self.fail();
        0
    }

    /// Remembers that this is no value of its type.
    pub(crate) fn refuse(&mut self) {
        self.fail();
    }
}

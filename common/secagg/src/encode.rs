//! Canonical encoding: one value, one byte string.
//!
//! Little-endian integers, `u32`-prefixed bytes and lists, fields in declaration order, nothing
//! optional on the wire but an explicit presence byte. Everything that is hashed, signed, recorded
//! or sent goes through this encoding, so what was signed is what is resent after a restart.
//! Protobuf bytes are never hashed: they are not canonical.

use crate::digest::Digest;

/// The longest list or byte string a reader accepts, so that a hostile length cannot exhaust
/// memory.
pub const MAX_FIELD: u32 = 1 << 28;

/// The bytes are not the canonical encoding of the expected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed bytes for {what}")]
pub struct Malformed {
    /// The value that was expected.
    pub what: &'static str,
}

/// A value with exactly one byte representation.
pub trait Canonical: Sized {
    /// Appends the value to `out`.
    fn write(&self, out: &mut Vec<u8>);
    /// Reads one value off the front of `input`.
    ///
    /// # Errors
    /// [`Malformed`] when the bytes end early or hold an impossible value.
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed>;

    /// The canonical bytes of the value.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// The value whose canonical bytes are exactly `bytes`.
    ///
    /// # Errors
    /// [`Malformed`] also when bytes are left over.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader { rest: bytes };
        let value = Self::read(&mut reader)?;
        if reader.rest.is_empty() {
            Ok(value)
        } else {
            Err(Malformed {
                what: "trailing bytes",
            })
        }
    }

    /// SHA-256 over the domain `tag` and the canonical bytes.
    fn digest(&self, tag: &str) -> Digest {
        Digest::of(tag, &[&self.to_bytes()])
    }
}

/// A cursor over canonical bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Malformed { what })?;
        self.rest = rest;
        Ok(head)
    }

    /// The next byte, which stays.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn length(&mut self, what: &'static str) -> Result<usize, Malformed> {
        let length = u32::read(self)?;
        // A list of anything takes at least one byte an element: an absurd length is refused before
        // any allocation.
        if length > MAX_FIELD || length as usize > self.rest.len() {
            return Err(Malformed { what });
        }
        Ok(length as usize)
    }
}

macro_rules! canonical_number {
    ($($number:ty),*) => {$(
        impl Canonical for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                const WHAT: &str = stringify!($number);
                let bytes = input.take(size_of::<$number>(), WHAT)?;
                Ok(<$number>::from_le_bytes(bytes.try_into().map_err(|_| Malformed { what: WHAT })?))
            }
        }
    )*};
}
canonical_number!(u16, u32, u64, i64, i128, f64);

impl Canonical for u8 {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        input
            .take(1, "u8")?
            .first()
            .copied()
            .ok_or(Malformed { what: "u8" })
    }
}

impl Canonical for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::read(input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed { what: "bool" }),
        }
    }
}

impl Canonical for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.as_bytes(), out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = input.length("text")?;
        let bytes = input.take(length, "text")?;
        String::from_utf8(bytes.to_vec()).map_err(|_| Malformed { what: "text" })
    }
}

/// Appends a `u32` length and the bytes.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

pub(crate) fn write_length(length: usize, out: &mut Vec<u8>) {
    // Every list here is bounded far below u32::MAX; a longer one saturates and is refused by any
    // reader.
    u32::try_from(length).unwrap_or(u32::MAX).write(out);
}

impl<T: Canonical> Canonical for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        for item in self {
            item.write(out);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = input.length("list")?;
        (0..length).map(|_| T::read(input)).collect()
    }
}

impl<T: Canonical> Canonical for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(if bool::read(input)? {
            Some(T::read(input)?)
        } else {
            None
        })
    }
}

impl<const N: usize> Canonical for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        input
            .take(N, "bytes")?
            .try_into()
            .map_err(|_| Malformed { what: "bytes" })
    }
}

impl<A: Canonical, B: Canonical> Canonical for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::read(input)?, B::read(input)?))
    }
}

/// Declares a struct together with its canonical encoding: the fields in the order in which they
/// are written.
#[macro_export]
macro_rules! canonical {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$fmeta:meta])* $fvis:vis $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$fmeta])* $fvis $field: $ty),* }
        impl $crate::encode::Canonical for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $($crate::encode::Canonical::write(&self.$field, out);)*
            }
            fn read(input: &mut $crate::encode::Reader<'_>) -> Result<Self, $crate::encode::Malformed> {
                Ok(Self { $($field: <$ty as $crate::encode::Canonical>::read(input)?),* })
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $tag:literal => $variant:ident $(($ty:ty))?),* $(,)? }) => {
        $(#[$meta])*
        $vis enum $name { $($(#[$vmeta])* $variant $(($ty))?),* }
        impl $crate::encode::Canonical for $name {
            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $($crate::canonical!(@pattern $name $variant value $($ty)?) => {
                        $crate::encode::Canonical::write(&($tag as u8), out);
                        $($crate::canonical!(@write value out $ty);)?
                    })*
                }
            }
            fn read(input: &mut $crate::encode::Reader<'_>) -> Result<Self, $crate::encode::Malformed> {
                match <u8 as $crate::encode::Canonical>::read(input)? {
                    $($tag => Ok($name::$variant $((<$ty as $crate::encode::Canonical>::read(input)?))?),)*
                    _ => Err($crate::encode::Malformed { what: stringify!($name) }),
                }
            }
        }
    };
    (@pattern $name:ident $variant:ident $value:ident $ty:ty) => { $name::$variant($value) };
    (@pattern $name:ident $variant:ident $value:ident) => { $name::$variant };
    (@write $value:ident $out:ident $ty:ty) => { $crate::encode::Canonical::write($value, $out) };
}

#[cfg(test)]
mod tests {
    use super::*;

    canonical! {
        #[derive(Debug, PartialEq)]
        struct Pair { a: u32, b: Vec<String> }
    }
    canonical! {
        #[derive(Debug, PartialEq)]
        enum Choice { 1 => Nothing, 2 => Some(Pair) }
    }

    #[test]
    fn values_come_back_and_only_from_their_own_bytes() {
        let value = Choice::Some(Pair {
            a: 7,
            b: vec!["x".into(), String::new()],
        });
        let bytes = value.to_bytes();
        assert_eq!(
            bytes,
            [2, 7, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, b'x', 0, 0, 0, 0]
        );
        assert_eq!(Choice::from_bytes(&bytes).unwrap(), value);
        for cut in 0..bytes.len() {
            assert!(Choice::from_bytes(&bytes[..cut]).is_err());
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Choice::from_bytes(&longer).is_err());
        assert_eq!(Choice::from_bytes(&[1]).unwrap(), Choice::Nothing);
        assert!(Choice::from_bytes(&[3]).is_err());
    }

    #[test]
    fn an_absurd_length_is_refused_before_any_allocation() {
        assert!(Vec::<u64>::from_bytes(&[255, 255, 255, 255]).is_err());
        assert!(String::from_bytes(&[255, 255, 255, 15]).is_err());
    }
}

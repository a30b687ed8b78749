//! SHA-256 with a domain tag, and the 32-byte value it gives.

use crate::encode::{Canonical, Malformed, Reader};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// `SHA-256(len(tag) || tag || len(field_1) || field_1 || ...)` with `u32` little-endian
    /// lengths; the tag is prefixed `motet/csa1/`, so that a digest made for one purpose never
    /// stands for another.
    pub fn of(tag: &str, fields: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        let tag = format!("motet/csa1/{tag}");
        for part in std::iter::once(&tag.as_bytes()).chain(fields) {
            hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Plain SHA-256 of a file's or blob's bytes, as `sha256sum` prints it.
    pub fn of_file(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Lower-case hexadecimal.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The first eight hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.hex().chars().take(8).collect()
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`Malformed`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, Malformed> {
        from_hex(text)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(Malformed { what: "hex digest" })
    }
}

/// Bytes of a hexadecimal text of either case, or nothing.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    // Parsing a number would take a sign for a digit: `+f` is no byte.
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Lower-case hexadecimal of any bytes.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.short())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl Canonical for Digest {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        <[u8; 32]>::read(input).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_and_the_borders_between_fields_count() {
        let base = Digest::of("t", &[b"ab", b"c"]);
        assert_ne!(base, Digest::of("u", &[b"ab", b"c"]));
        assert_ne!(base, Digest::of("t", &[b"a", b"bc"]));
        assert_eq!(Digest::from_hex(&base.hex()).unwrap(), base);
        assert!(Digest::from_hex("zz").is_err());
    }

    #[test]
    fn only_hexadecimal_digits_are_read() {
        assert_eq!(from_hex("0aF9"), Some(vec![0x0a, 0xf9]));
        assert_eq!(from_hex(""), Some(Vec::new()));
        for wrong in ["+f", "-1", " f", "0x", "f", "fg", "ff+0", "\u{e9}"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
        assert!(Digest::from_hex(&"+f".repeat(32)).is_err());
    }
}

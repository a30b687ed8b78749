//! A message authentication code: HMAC-SHA256 under a shared 32-byte secret, with a domain tag.
//!
//! Used where two people share a one-time secret that no machine in between knows, as in a join
//! code.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The message was not authenticated under this secret and tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message does not carry the code of this secret")]
pub struct BadMac;

/// `HMAC-SHA256(key, len(tag) || tag || message)` (RFC 2104), the length as `u32` little-endian and
/// the tag prefixed `motet/csa1/` as in [`Digest::of`](crate::digest::Digest::of): 32 bytes.
pub fn mac(key: &[u8; 32], tag: &str, message: &[u8]) -> [u8; 32] {
    keyed(key, tag, message).finalize().into_bytes().into()
}

/// Checks a code made by [`mac`], in a time that does not depend on where it differs.
///
/// # Errors
/// [`BadMac`].
pub fn verify(key: &[u8; 32], tag: &str, message: &[u8], code: &[u8; 32]) -> Result<(), BadMac> {
    keyed(key, tag, message)
        .verify_slice(code)
        .map_err(|_| BadMac)
}

fn keyed(key: &[u8; 32], tag: &str, message: &[u8]) -> Hmac<Sha256> {
    let tag = format!("motet/csa1/{tag}");
    // A key of exactly 32 bytes, padded to one block, is what HMAC calls the key; no length can be
    // refused.
    let mut block = [0; 64];
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mut state = Hmac::<Sha256>::new(&block.into());
    zeroize::Zeroize::zeroize(&mut block);
    // A tag is a word of this program.
    state.update(&(tag.len() as u32).to_le_bytes());
    state.update(tag.as_bytes());
    state.update(message);
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_agrees_with_an_independent_hmac() {
        let key = [7; 32];
        let oracle = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        let mut message = 16_u32.to_le_bytes().to_vec();
        message.extend_from_slice(b"motet/csa1/enrolhello");
        assert_eq!(
            aws_lc_rs::hmac::sign(&oracle, &message).as_ref(),
            mac(&key, "enrol", b"hello")
        );
    }

    #[test]
    fn another_key_tag_message_or_code_is_refused() {
        let code = mac(&[7; 32], "enrol", b"hello");
        assert_eq!(verify(&[7; 32], "enrol", b"hello", &code), Ok(()));
        assert_eq!(verify(&[8; 32], "enrol", b"hello", &code), Err(BadMac));
        assert_eq!(verify(&[7; 32], "enroll", b"hello", &code), Err(BadMac));
        assert_eq!(verify(&[7; 32], "enrolh", b"ello", &code), Err(BadMac));
        assert_eq!(verify(&[7; 32], "enrol", b"hellp", &code), Err(BadMac));
        let mut other = code;
        other[31] ^= 1;
        assert_eq!(verify(&[7; 32], "enrol", b"hello", &other), Err(BadMac));
    }
}

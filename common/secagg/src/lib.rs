//! The cryptography of the masked sum: protocol CSA-1, a pure leaf that can be reviewed on its own.
//!
//! Hospitals answer the same question with vectors of the same layout; what leaves each of them is
//! masked, and only the sum over a signed set can be unmasked. The modules in reading order:
//!
//! ```text
//! what is said        encode      one value, one byte string: everything hashed, signed, recorded or sent
//!                     digest, id  SHA-256 under a tag; node and run ids
//! what is added       layout      what each element means; ClearUpdate (one site's, secret) and Sum (all sites')
//!                     quantise    numbers to ring words and back, headroom, bounds of an acceptable sum
//!                     mask, prg   ClearUpdate -> EncodedUpdate -> MaskedUpdate; AES-256-CTR mask streams
//!                     pack        words of 16 to 64 bits as bytes without gaps
//!                     fold        masked chunks + opened masks -> Aggregate -> Sum
//! who shares what     secret      32 secret bytes, wiped, not printable; HKDF
//!                     sign        Ed25519 over tagged digests
//!                     pair        X25519 + ML-KEM-768 between two nodes, mask seeds, commitments
//!                     channel     sealed shares: HPKE with X-Wing
//!                     mac         the code over a joining site's keys
//! who can open        shamir      t of n, over GF(2^8)
//!                     threshold   colluders, openers and survivors of a line-up
//! what is on record   merkle      RFC 6962 roots and proofs
//!                     note        C2SP checkpoints, signed by the log and cosigned by its witnesses
//! what crosses        message     the eleven messages M1 to M11, what each signs, and the transcript digests T1 to T3
//! who can check       evidence    the public record of one unmasking, from which anyone repeats it
//! ```
//!
//! There is no clock, file, socket or system randomness here: every random byte comes from the
//! caller's `dice`. Nothing turns a `MaskedUpdate` back into a `ClearUpdate`. The crate is not
//! constant-time throughout: quantising and stochastic rounding take time that depends on a site's
//! own values, on that site's own machine.
#![warn(missing_docs)]

pub mod digest;
pub mod encode;
pub mod id;

pub mod fold;
pub mod layout;
pub mod mask;
mod pack;
pub mod prg;
pub mod quantise;

pub mod channel;
pub mod mac;
pub mod pair;
pub mod secret;
pub mod sign;

pub mod shamir;
pub mod threshold;

pub mod merkle;
pub mod note;

pub mod message;

pub mod evidence;

#[cfg(test)]
mod wiped;

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
//! caller's `rng`. Nothing turns a `MaskedUpdate` back into a `ClearUpdate`. The crate is not
//! constant-time throughout: quantising and stochastic rounding take time that depends on a site's
//! own values, on that site's own machine. `RULINGS.md` says what `R1` to `R13` in comments are.
//!
//! Three sites, masked and summed. Nobody is lost: only the own masks are opened.
//!
//! ```
//! use motet_secagg::{digest::*, fold::*, id::*, layout::*, mask::*, pair::*, secret::*};
//! # use rand_core::SeedableRng as _;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
//! # let ids = [1, 2, 3].map(|rank| NodeId([rank; 16]));
//! # let t2 = Digest::of("example", &[]);
//! let (ring, scale) = (Ring::Bits64, Scale::Fixed(30));
//! let blocks = vec![Block { len: 2, scale, bound: 1e6 }];
//! let layout = Layout { ring, weight_max: 1, blocks };
//! let pair = ids.map(|_| PairKeys::derive(&Secret::draw(&mut rng)));
//! let own = ids.map(|_| Secret::draw(&mut rng));
//! # let seed = |me: usize, peer: usize| {
//! #     let their = pair[peer].public();
//! #     if me < peer {
//! #         return pair[me].seed_as_lower(ids[me], ids[peer], &their, &t2);
//! #     }
//! #     let sent = pair[peer].encapsulate(ids[me], &pair[me].public())?;
//! #     pair[me].seed_as_upper(ids[me], ids[peer], &their, &sent, &t2)
//! # };
//!
//! let mut uploads = Vec::new();
//! for (me, answer) in [[3.0, 189.5], [5.0, 301.0], [2.0, 144.0]].iter().enumerate() {
//!     let mut peers = Vec::new();
//!     for peer in (0..3).filter(|peer| *peer != me) {
//!         let both_know = seed(me, peer)?;
//!         peers.push((Sign::of(ids[me], ids[peer]), both_know));
//!     }
//!     let update = ClearUpdate::new(1, answer.to_vec());
//!     let encoded = update.encode(&layout, 3, &Secret::draw(&mut rng))?;
//!     let own = self_seed(&own[me], &t2);
//!     uploads.push(encoded.mask(Masks { own, peers }));
//! }
//!
//! let shape = Shape::of(&layout);
//! let opened = own.map(|b| (Sign::Minus, self_seed(&b, &t2)));
//! let payloads: Vec<&[u8]> = uploads.iter().map(|upload| &upload.chunks[0][..]).collect();
//! let words = fold_chunk(&shape, 0, &payloads, &opened, 3)?;
//! let sum = Aggregate { ring, words };
//! let sum = sum.decode(&layout, 3, set_digest(&ids))?;
//! assert_eq!(sum.values, [10.0, 634.5]);
//! # Ok(())
//! # }
//! ```
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

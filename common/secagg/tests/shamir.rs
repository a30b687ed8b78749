//! Shares against `blahaj`, an implementation by other people.
//!
//! Both compute byte by byte in the field of 256 elements, but they name its elements differently:
//! ours reduces by `x^8 + x^4 + x^3 + x + 1`, the polynomial of AES, theirs by
//! `x^8 + x^4 + x^3 + x^2 + 1`. There is only one such field, so some renaming of the elements keeps sums and products: it
//! sends `x` to a root of our polynomial in their field. Under it shares combine across, in both
//! directions, and every weight of Lagrange's formula is computed by code that is not ours.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use blahaj::{Share as TheirShare, Sharks};
use motet_secagg::secret::Secret;
use motet_secagg::shamir::{Share, combine, split};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// The product in their field, from its polynomial.
fn their_product(a: u8, b: u8) -> u8 {
    let (mut product, mut power) = (0_u8, a);
    for bit in 0..8 {
        if b >> bit & 1 == 1 {
            product ^= power;
        }
        power = if power & 0x80 == 0 {
            power << 1
        } else {
            power << 1 ^ 0x1d
        };
    }
    product
}

/// What each of our elements is called in their field.
fn renaming() -> [u8; 256] {
    let powers =
        |root: u8| std::iter::successors(Some(1), move |power| Some(their_product(*power, root)));
    let is_root = |root: &u8| {
        let at = |degree: usize| powers(*root).nth(degree).unwrap();
        at(8) ^ at(4) ^ at(3) ^ at(1) ^ at(0) == 0
    };
    let root = (2..=255).find(is_root).unwrap();
    let images: Vec<u8> = powers(root).take(8).collect();
    std::array::from_fn(|element| {
        images
            .iter()
            .enumerate()
            .filter(|(bit, _)| element >> bit & 1 == 1)
            .fold(0, |sum, (_, image)| sum ^ image)
    })
}

#[test]
fn shares_combine_across_implementations() {
    let to = renaming();
    let mut from = [0; 256];
    for (ours, theirs) in (0..=255).zip(to) {
        from[usize::from(theirs)] = ours;
    }
    let rename = |table: &[u8; 256], byte: u8| table[usize::from(byte)];
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    for (t, n) in [(2, 3), (3, 5), (5, 7), (8, 10), (11, 16), (167, 250)] {
        let secret = Secret::draw(&mut rng);
        let skip = rng.next_u32() as usize % (n - t + 1);

        // Ours to theirs: every abscissa and every byte under its other name.
        let shares = split(&secret, t, n, &mut rng).unwrap();
        let renamed: Vec<TheirShare> = (1_u8..)
            .zip(&shares)
            .skip(skip)
            .take(t)
            .map(|(x, share)| {
                let bytes: Vec<u8> = std::iter::once(x)
                    .chain(*share.expose())
                    .map(|byte| rename(&to, byte))
                    .collect();
                TheirShare::try_from(bytes.as_slice()).unwrap()
            })
            .collect();
        let recovered = Sharks(t as u8).recover(&renamed).unwrap();
        assert_eq!(
            recovered,
            secret.expose().map(|byte| rename(&to, byte)),
            "{t} of {n}"
        );

        // Theirs to ours.
        let dealt = Sharks(t as u8)
            .dealer_rng(secret.expose(), &mut rng)
            .take(n);
        let shares: Vec<(u8, Share)> = dealt
            .skip(skip)
            .take(t)
            .map(|share| {
                let bytes: Vec<u8> = Vec::from(&share)
                    .into_iter()
                    .map(|byte| rename(&from, byte))
                    .collect();
                (bytes[0], Share::copied(bytes[1..].try_into().unwrap()))
            })
            .collect();
        let recovered = combine(&shares).unwrap();
        assert_eq!(
            *recovered.expose(),
            secret.expose().map(|byte| rename(&from, byte)),
            "{t} of {n}"
        );
    }
}

#[test]
fn the_renaming_keeps_sums_and_products() {
    let to = renaming();
    // The product in our field by its polynomial: what `src/shamir.rs` tests its own against.
    let ours = |a: u8, b: u8| {
        let (mut product, mut power) = (0_u8, a);
        for bit in 0..8 {
            product ^= if b >> bit & 1 == 1 { power } else { 0 };
            power = if power & 0x80 == 0 {
                power << 1
            } else {
                power << 1 ^ 0x1b
            };
        }
        product
    };
    for a in 0..=255 {
        for b in 0..=255 {
            let (x, y) = (to[usize::from(a)], to[usize::from(b)]);
            assert_eq!(to[usize::from(a ^ b)], x ^ y);
            assert_eq!(to[usize::from(ours(a, b))], their_product(x, y));
        }
    }
}

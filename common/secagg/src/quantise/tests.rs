//! Tests of the module above.

use super::*;
use rand_core::SeedableRng as _;

fn rng() -> rand_chacha::ChaCha20Rng {
    rand_chacha::ChaCha20Rng::from_seed([5; 32])
}

#[test]
fn halves_go_to_the_even_neighbour() {
    for (x, bits, expected) in [
        (0.5, 0, 0),
        (1.5, 0, 2),
        (2.5, 0, 2),
        (-0.5, 0, 0),
        (-1.5, 0, -2),
        (-2.5, 0, -2),
        (2.500_000_000_000_001, 0, 3),
        (0.499_999_999_999_999_94, 0, 0),
        (2.0_f64.powi(-41), 40, 0),
        (3.0 * 2.0_f64.powi(-41), 40, 2),
        (f64::from_bits(1), 40, 0),
        (f64::MIN_POSITIVE, 255, 0),
        (-0.0, 40, 0),
    ] {
        assert_eq!(fixed(x, bits), Some(expected), "{x} at {bits}");
    }
    assert_eq!(fixed(1e300, 0), None);
    assert_eq!(fixed(f64::NAN, 0), None);
    assert_eq!(fixed(f64::INFINITY, 0), None);
    assert_eq!(fixed(-2.0_f64.powi(85), 40), Some(-(1 << 125)));
    assert_eq!(fixed(2.0_f64.powi(86), 41), None);
}

/// Where the scaled value is within the exact integers of f64, the processor rounds the same way.
#[test]
fn fixed_point_agrees_with_the_processor() {
    let mut rng = rng();
    for _ in 0..100_000 {
        let x = (rng.next_u64().cast_signed() as f64) * 2.0_f64.powi(-60);
        for bits in [0, 3, 20, 40] {
            let expected = (x * power_of_two(i32::from(bits))).round_ties_even() as i128;
            assert_eq!(fixed(x, bits), Some(expected));
        }
    }
}

#[test]
fn limbs_carry_an_i128_and_sum_without_loss() {
    let mut rng = rng();
    for sites in [1_i64, 2, 7, 250] {
        for round in 0..2_000 {
            let mut sums = [0_i64; 4];
            let mut exact = 0_i128;
            for _ in 0..sites {
                // Exponents from -50 to 74 and both signs, so that terms cancel and carries run all
                // the way.
                let exponent = i32::try_from(rng.next_u32() % 125).unwrap() - 50;
                let unit = rng.next_u64().cast_signed() as f64 * 2.0_f64.powi(-63);
                let x = if round == 0 {
                    2.0_f64.powi(74)
                } else {
                    unit * 2.0_f64.powi(exponent)
                };
                let value = fixed(x, LIMB_FRACTION).unwrap();
                exact += value;
                for (sum, limb) in sums.iter_mut().zip(limbs(value)) {
                    *sum += limb.cast_signed();
                }
            }
            assert_eq!(join(sums, sites), Some(exact as f64));
        }
    }
}

#[test]
fn sums_of_limbs_beyond_128_bits_still_round_once() {
    // Multiples of 2^20 near the top of the range: their sum divided by 2^20 fits an i128, which is
    // the reference.
    let mut rng = rng();
    for sites in [16_i64, 250] {
        for negative in [false, true] {
            for _ in 0..2_000 {
                let (mut sums, mut exact) = ([0_i64; 4], 0_i128);
                for _ in 0..sites {
                    let high = u128::from(rng.next_u64()) << 42 | u128::from(rng.next_u64() >> 22);
                    let value = i128::try_from(high).unwrap() << 20;
                    let value = if negative { -value } else { value };
                    exact += value >> 20;
                    for (sum, limb) in sums.iter_mut().zip(limbs(value)) {
                        *sum += limb.cast_signed();
                    }
                }
                assert_eq!(join(sums, sites), Some(exact as f64 * 2.0_f64.powi(20)));
            }
        }
    }
}

#[test]
fn one_sticky_bit_decides_a_tie() {
    // 2^129 + 2^76 is halfway between two f64; one unit in the lowest limb tips it, one less tips
    // it back.
    let sites = 1000;
    let half = [0, 0, 1 << 12, 1 << 33];
    assert_eq!(join(half, sites), Some(2.0_f64.powi(129)));
    assert_eq!(
        join([1, 0, 1 << 12, 1 << 33], sites),
        Some(2.0_f64.powi(129) + 2.0_f64.powi(77))
    );
    assert_eq!(
        join(
            [
                i64::from(u32::MAX),
                i64::from(u32::MAX),
                (1 << 12) - 1,
                1 << 33
            ],
            sites
        ),
        Some(2.0_f64.powi(129))
    );
    // The odd neighbour goes up to even.
    assert_eq!(
        join([0, 0, 3 << 12, 1 << 33], sites),
        Some(2.0_f64.powi(129) + 2.0_f64.powi(78))
    );
    assert_eq!(
        join([1, 0, 0, -(1 << 33)], sites),
        Some(-(2.0_f64.powi(129)))
    );
}

#[test]
fn limb_sums_no_site_could_have_made_are_refused() {
    assert!(join([0, 0, 0, 3 << 30], 3).is_some());
    assert!(join([0, 0, 0, (3 << 30) + 1], 3).is_none());
    assert!(join([0, 0, 0, -(3 << 30) - 1], 3).is_none());
    assert!(join([-1, 0, 0, 0], 3).is_none());
    assert!(join([0, 3 * i64::from(u32::MAX) + 1, 0, 0], 3).is_none());
}

#[test]
fn stochastic_rounding_has_the_right_mean() {
    let mut rng = rng();
    let draws = 200_000;
    for (y, bits) in [(0.3, 0), (-0.3, 0), (0.000_7, 8), (-5.9, 1), (2.0, 3)] {
        let target = y * power_of_two(i32::from(bits));
        let rounded: Vec<i64> = (0..draws).map(|_| stochastic(y, bits, &mut rng)).collect();
        assert!(rounded.iter().all(|q| (*q as f64 - target).abs() < 1.0));
        let mean = rounded.iter().sum::<i64>() as f64 / f64::from(draws);
        // Five standard errors of a coin; an integer is never moved.
        let fraction = target - target.floor();
        let allowed = 5.0 * (fraction * (1.0 - fraction) / f64::from(draws)).sqrt();
        assert!((mean - target).abs() <= allowed, "{mean} for {target}");
    }
}

#[test]
fn most_fractional_bits_that_leave_headroom() {
    let exact = |sites, bound| fixed_bits(Ring::Bits64, sites, bound, 40, 30);
    assert_eq!(exact(10, 9_381), Some(40));
    assert_eq!(exact(10, 10_000_000), Some(35));
    assert_eq!(exact(1, 1 << 22), Some(40));
    assert_eq!(exact(1, (1 << 22) + 1), Some(39));
    assert_eq!(exact(1, 1 << 32), Some(30));
    assert_eq!(exact(1, (1 << 32) + 1), None);
    assert_eq!(exact(u32::MAX, u64::MAX), None);
    assert_eq!(fixed_bits(Ring::Bits32, 4, 1, 40, 8), Some(28));
    let mut rng = rng();
    for _ in 0..10_000 {
        let (sites, bound) = (
            1 + rng.next_u32() % 300,
            1 + (rng.next_u64() >> (20 + rng.next_u32() % 40)),
        );
        let slow = (0..=40_u32)
            .rev()
            .find(|bits| u128::from(sites) * u128::from(bound) * (1 << bits) <= 1 << 62);
        assert_eq!(
            fixed_bits(Ring::Bits64, sites, bound, 40, 0).map(u32::from),
            slow
        );
    }
}

fn layout(ring: Ring, scale: Scale, bound: f64, weight_max: u32) -> Layout {
    Layout {
        ring,
        weight_max,
        blocks: vec![Block {
            len: 1,
            scale,
            bound,
        }],
    }
}

#[test]
fn headroom_is_exact_at_its_edge() {
    let edge = 2.0_f64.powi(22);
    for scale in [Scale::Fixed(38), Scale::Weighted(38)] {
        let at = |bound| layout(Ring::Bits64, scale, bound, 1).headroom(4);
        assert_eq!(at(edge), Ok(()));
        assert_eq!(
            at(edge.next_up()),
            Err(InputRefusal::Headroom { sites: 4, block: 0 })
        );
        for bound in [-1.0, f64::NAN, f64::INFINITY, f64::MAX] {
            assert!(at(bound).is_err());
        }
    }
    let weight = |most| layout(Ring::Bits32, Scale::Fixed(0), 1.0, most).headroom(4);
    assert_eq!(weight(1 << 28), Ok(()));
    assert_eq!(
        weight((1 << 28) + 1),
        Err(InputRefusal::Headroom { sites: 4, block: 1 })
    );
    let limbs = |ring| layout(ring, Scale::Limbs, 0.0, 1).headroom(250);
    assert_eq!(limbs(Ring::Bits64), Ok(()));
    assert_eq!(
        limbs(Ring::Bits32),
        Err(InputRefusal::LimbsRing { block: 0 })
    );
}

/// The rule itself in integers: bounds are dyadic, so that rounding up by hand is exact.
#[test]
fn headroom_is_the_rule_in_every_ring() {
    let mut rng = rng();
    for ring in [
        Ring::Bits16,
        Ring::Bits20,
        Ring::Bits24,
        Ring::Bits32,
        Ring::Bits64,
    ] {
        let room = 1_u128 << (ring.bits() - 2);
        for _ in 0..4_000 {
            let sites = 1 + rng.next_u32() % 300;
            let (bits, fraction) = (rng.next_u32() % 12, rng.next_u32() % 12);
            // Around the edge as often as anywhere: the largest bound that fits, and a few units to
            // both sides.
            let edge = ((room / u128::from(sites)) >> bits) << fraction;
            let units = match rng.next_u32() % 3 {
                0 => u128::from(rng.next_u64() >> (12 + rng.next_u32() % 52)),
                _ => (edge + u128::from(rng.next_u32() % 5)).saturating_sub(2),
            };
            if units >= 1 << 53 {
                continue;
            }
            let bound = units as f64 * 2.0_f64.powi(-fraction.cast_signed());
            let fits = u128::from(sites) * (units << bits).div_ceil(1 << fraction) <= room;
            for scale in [Scale::Fixed(bits as u8), Scale::Weighted(bits as u8)] {
                let refused = layout(ring, scale, bound, 1).headroom(sites).err();
                assert_eq!(
                    refused,
                    (!fits).then_some(InputRefusal::Headroom { sites, block: 0 })
                );
            }
        }
        let edge = room as f64;
        for (bound, fits) in [
            (edge - 1.0, true),
            (edge, true),
            (edge.next_up(), false),
            (edge + 1024.0, false),
        ] {
            assert_eq!(
                layout(ring, Scale::Fixed(0), bound, 1).headroom(1).is_ok(),
                fits,
                "{bound}"
            );
        }
        let Ok(most) = u32::try_from(room) else {
            continue;
        };
        for (weight, fits) in [(most - 1, true), (most, true), (most + 1, false)] {
            assert_eq!(
                layout(ring, Scale::Fixed(0), 0.0, weight)
                    .headroom(1)
                    .is_ok(),
                fits,
                "{weight}"
            );
        }
    }
}

//! What a site may put in and what a sum may look like: everything else is refused, by place and
//! never by value.

use motet_secagg::digest::Digest;
use motet_secagg::fold::{Aggregate, RangeViolation, plain_sum};
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale, Sum};
use motet_secagg::mask::InputRefusal;
use motet_secagg::secret::Secret;
use proptest::prelude::*;

const RINGS: [Ring; 5] = [
    Ring::Bits16,
    Ring::Bits20,
    Ring::Bits24,
    Ring::Bits32,
    Ring::Bits64,
];

fn layout(ring: Ring, scale: Scale, bound: f64) -> Layout {
    let blocks = vec![
        Block {
            len: 1,
            scale: Scale::Fixed(4),
            bound: 1.0,
        },
        Block {
            len: 2,
            scale,
            bound,
        },
    ];
    Layout {
        ring,
        weight_max: 10,
        blocks,
    }
}

fn refusal(layout: &Layout, weight: u32, values: &[f64]) -> Option<InputRefusal> {
    ClearUpdate::new(weight, values.to_vec())
        .encode(layout, 3, &Secret::new([1; 32]))
        .err()
}

#[test]
fn a_site_keeps_its_bounds_or_sends_nothing() {
    let not_finite = Some(InputRefusal::NotFinite { block: 1 });
    let out_of_range = Some(InputRefusal::OutOfRange { block: 1 });
    let limit = 2.0_f64.powi(86);
    let cases = [
        (Ring::Bits16, Scale::Fixed(10), 5.0, 5.0),
        (Ring::Bits16, Scale::Weighted(10), 5.0, 5.0),
        (Ring::Bits20, Scale::Weighted(14), 5.0, 5.0),
        (Ring::Bits24, Scale::Fixed(18), 5.0, 5.0),
        (Ring::Bits32, Scale::Fixed(10), 5.0, 5.0),
        (Ring::Bits32, Scale::Weighted(10), 5.0, 5.0),
        (Ring::Bits64, Scale::Fixed(40), 5.0, 5.0),
        (Ring::Bits64, Scale::Limbs, 0.0, limit.next_down()),
    ];
    for (ring, scale, bound, largest) in cases {
        let layout = layout(ring, scale, bound);
        for sign in [1.0, -1.0] {
            assert_eq!(refusal(&layout, 1, &[1.0, 0.0, sign * largest]), None);
            assert_eq!(
                refusal(&layout, 1, &[1.0, 0.0, sign * largest.next_up()]),
                out_of_range
            );
            assert_eq!(
                refusal(&layout, 1, &[1.0, sign * f64::MAX, 0.0]),
                out_of_range
            );
            assert_eq!(
                refusal(&layout, 1, &[1.0, sign * f64::INFINITY, 0.0]),
                not_finite
            );
        }
        assert_eq!(refusal(&layout, 1, &[1.0, f64::NAN, 0.0]), not_finite);
        assert_eq!(refusal(&layout, 1, &[1.0, -0.0, f64::from_bits(1)]), None);
        assert_eq!(
            refusal(&layout, 1, &[0.0; 2]),
            Some(InputRefusal::Length {
                expected: 3,
                got: 2
            })
        );
        assert_eq!(
            refusal(&layout, 1, &[0.0; 4]),
            Some(InputRefusal::Length {
                expected: 3,
                got: 4
            })
        );
        assert_eq!(refusal(&layout, 0, &[0.0; 3]), Some(InputRefusal::Weight));
        assert_eq!(refusal(&layout, 11, &[0.0; 3]), Some(InputRefusal::Weight));
        assert_eq!(refusal(&layout, 10, &[0.0; 3]), None);
    }
}

#[test]
fn no_refusal_tells_a_value() {
    let layout = layout(Ring::Bits32, Scale::Fixed(10), 5.0);
    for values in [
        [0.0, 77.125, 0.0],
        [77.125, 0.0, 0.0],
        [0.0, 77.125, f64::NAN],
    ] {
        let text = refusal(&layout, 1, &values).unwrap().to_string();
        assert!(!text.contains("77"), "{text}");
    }
}

fn decode(layout: &Layout, words: &[i64], sites: u32) -> Result<Sum, RangeViolation> {
    let mut words: Vec<u64> = words.iter().map(|word| word.cast_unsigned()).collect();
    words
        .iter_mut()
        .for_each(|word| *word &= layout.ring.largest());
    Aggregate {
        ring: layout.ring,
        words,
    }
    .decode(layout, sites, Digest([0; 32]))
}

#[test]
fn a_sum_stays_within_what_honest_sites_can_make() {
    let beyond = Err(RangeViolation::Block { block: 1 });
    for ring in RINGS {
        // Fixed: 3 sites * 5 * 2^10.
        let exact = layout(ring, Scale::Fixed(10), 5.0);
        assert_eq!(
            decode(&exact, &[3, 48, 15_360, -15_360], 3).unwrap().values,
            [3.0, 15.0, -15.0]
        );
        assert_eq!(
            decode(&exact, &[3, 49, 0, 0], 3),
            Err(RangeViolation::Block { block: 0 })
        );
        assert_eq!(decode(&exact, &[3, 0, 15_361, 0], 3), beyond);
        assert_eq!(decode(&exact, &[3, 0, 0, -15_361], 3), beyond);
        // Weighted: 5 * 2^10 * (12 of 10) + one unit a site.
        let mean = layout(ring, Scale::Weighted(10), 5.0);
        let sum = decode(&mean, &[12, 0, 6_147, -6_147], 3).unwrap();
        assert_eq!((sum.weight, sum.sites), (12, 3));
        assert_eq!(sum.values[1], 6_147.0 * 10.0 / 1024.0);
        assert_eq!(decode(&mean, &[12, 0, 6_148, 0], 3), beyond);
        assert_eq!(decode(&mean, &[12, 0, 0, -6_148], 3), beyond);
        // Weights: between 1 and 10 a site.
        for (weight, fine) in [(2, false), (3, true), (30, true), (31, false), (-3, false)] {
            let refused = decode(&exact, &[weight, 0, 0, 0], 3).err();
            assert_eq!(refused, (!fine).then_some(RangeViolation::Weight));
        }
        assert_eq!(
            decode(&exact, &[0, 0, 0, 0], 0),
            Err(RangeViolation::Weight)
        );
        assert_eq!(decode(&exact, &[3, 0, 0], 3), Err(RangeViolation::Layout));
        let other = if ring == Ring::Bits32 {
            Ring::Bits64
        } else {
            Ring::Bits32
        };
        assert!(decode(&exact, &[3, 0, 0, 0], 3).is_ok());
        let wrong = Aggregate {
            ring: other,
            words: vec![3, 0, 0, 0],
        };
        assert_eq!(
            wrong.decode(&exact, 3, Digest([0; 32])),
            Err(RangeViolation::Layout)
        );
    }
}

#[test]
fn sites_at_their_bounds_are_always_accepted() {
    for ring in RINGS {
        for scale in [Scale::Fixed(7), Scale::Weighted(7)] {
            // 0.3 * 2^7 is no integer: the bound rounds up, the values at it must still pass.
            let layout = layout(ring, scale, 0.3);
            for weight in 1..=10 {
                let site = |sign: f64| ClearUpdate::new(weight, vec![sign, sign * 0.3, sign * 0.3]);
                for sites in 1..40 {
                    for sign in [1.0, -1.0] {
                        let sum = plain_sum(
                            &layout,
                            Digest([0; 32]),
                            (0..sites).map(|_| site(sign)).collect(),
                        );
                        assert_eq!(sum.unwrap().weight, u64::from(weight) * sites);
                    }
                }
            }
        }
    }
}

#[test]
fn a_weighted_mean_is_right_to_its_rounding() {
    let layout = Layout {
        ring: Ring::Bits32,
        weight_max: 10,
        blocks: vec![Block {
            len: 1000,
            scale: Scale::Weighted(16),
            bound: 8.0,
        }],
    };
    let site = |weight, x: f64| {
        ClearUpdate::new(weight, (0..1000).map(|i| x + f64::from(i) * 1e-3).collect())
    };
    let updates = vec![site(10, 1.0), site(1, -7.0), site(5, 0.25)];
    let sum = plain_sum(&layout, Digest([0; 32]), updates).unwrap();
    for (i, value) in (0..1000).zip(&sum.values) {
        let step = f64::from(i) * 1e-3;
        let exact = 10.0 * (1.0 + step) + (step - 7.0) + 5.0 * (0.25 + step);
        assert!(
            (value - exact).abs() <= 3.0 * 10.0 / 65_536.0,
            "{value} for {exact}"
        );
    }
    assert_eq!(sum.weight, 16);
}

#[test]
fn a_sum_at_the_edge_of_its_ring_keeps_its_sign() {
    for ring in RINGS {
        let most = 2.0_f64.powi(ring.bits().cast_signed() - 4);
        let layout = Layout {
            ring,
            weight_max: 1,
            blocks: vec![Block {
                len: 2,
                scale: Scale::Fixed(0),
                bound: most,
            }],
        };
        let site = || ClearUpdate::new(1, vec![most, -most]);
        let sum = plain_sum(&layout, Digest([0; 32]), (0..4).map(|_| site()).collect()).unwrap();
        assert_eq!(sum.values, [4.0 * most, -4.0 * most]);
        assert_eq!(
            plain_sum(&layout, Digest([0; 32]), (0..5).map(|_| site()).collect()),
            Err(InputRefusal::Headroom { sites: 5, block: 0 })
        );
    }
}

proptest! {
    /// What comes back differs from the exact sum by half a unit a site in fixed point, and by less
    /// than a whole one where rounding is a die.
    #[test]
    fn numbers_come_back_to_their_rounding_in_every_ring(
        sites in proptest::collection::vec((1_u32..=10, -5.0..=5.0_f64, -5.0..=5.0_f64), 1..4), spare in 0_u8..5,
    ) {
        for ring in RINGS {
            // 3 * 5 * 2^(B-6) is below 2^(B-2).
            let bits = u8::try_from(ring.bits()).unwrap().min(50) - 6 - spare;
            let blocks = vec![
                Block { len: 1, scale: Scale::Fixed(bits), bound: 5.0 },
                Block { len: 1, scale: Scale::Weighted(bits), bound: 5.0 },
            ];
            let layout = Layout { ring, weight_max: 10, blocks };
            let updates = sites.iter().map(|(weight, x, y)| ClearUpdate::new(*weight, vec![*x, *y])).collect();
            let sum = plain_sum(&layout, Digest([0; 32]), updates).unwrap();
            let (unit, count) = (2.0_f64.powi(-i32::from(bits)), sites.len() as f64);
            let fixed: f64 = sites.iter().map(|(_, x, _)| x).sum();
            let mean: f64 = sites.iter().map(|(weight, _, y)| f64::from(*weight) * y).sum();
            // What f64 itself loses in the two sums above and in x * w/w_max.
            let slack = 1e-12;
            prop_assert!((sum.values[0] - fixed).abs() <= count * unit / 2.0 + slack);
            prop_assert!((sum.values[1] - mean).abs() <= 10.0 * count * unit + slack);
        }
    }
}

#[test]
fn rounding_does_not_pull_a_mean_in_any_ring() {
    const MANY: u32 = 40_000;
    for ring in RINGS {
        let scale = Scale::Weighted(8);
        let layout = Layout {
            ring,
            weight_max: 10,
            blocks: vec![Block {
                len: MANY,
                scale,
                bound: 4.0,
            }],
        };
        for x in [0.3, -0.3, 3.999, -0.001] {
            let site = |weight| ClearUpdate::new(weight, vec![x; MANY as usize]);
            let sum =
                plain_sum(&layout, Digest([0; 32]), vec![site(7), site(10), site(3)]).unwrap();
            let mean = sum.values.iter().sum::<f64>() / f64::from(MANY);
            // Three rng a number, each with a variance of at most a quarter of a unit (10/2^8)
            // squared; five times the standard error.
            let allowed = 5.0 * (3.0_f64 / 4.0 / f64::from(MANY)).sqrt() * 10.0 / 256.0;
            assert!(
                (mean - 20.0 * x).abs() <= allowed,
                "{ring:?}: {mean} for {}",
                20.0 * x
            );
        }
    }
}

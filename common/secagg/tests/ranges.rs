//! What a site may put in and what a sum may look like: everything else is refused, by place and never by value.

use motet_secagg::digest::Digest;
use motet_secagg::fold::{Aggregate, RangeViolation, plain_sum};
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale, Sum};
use motet_secagg::mask::InputRefusal;
use motet_secagg::secret::Secret;

fn layout(ring: Ring, scale: Scale, bound: f64) -> Layout {
    let blocks = vec![Block { len: 1, scale: Scale::Fixed(4), bound: 1.0 }, Block { len: 2, scale, bound }];
    Layout { ring, weight_max: 10, blocks }
}

fn refusal(layout: &Layout, weight: u32, values: &[f64]) -> Option<InputRefusal> {
    ClearUpdate::new(weight, values.to_vec()).encode(layout, 3, &Secret::new([1; 32])).err()
}

#[test]
fn a_site_keeps_its_bounds_or_sends_nothing() {
    let not_finite = Some(InputRefusal::NotFinite { block: 1 });
    let out_of_range = Some(InputRefusal::OutOfRange { block: 1 });
    let limit = 2.0_f64.powi(86);
    let cases = [
        (Ring::Bits32, Scale::Fixed(10), 5.0, 5.0),
        (Ring::Bits32, Scale::Weighted(10), 5.0, 5.0),
        (Ring::Bits64, Scale::Fixed(40), 5.0, 5.0),
        (Ring::Bits64, Scale::Limbs, 0.0, limit.next_down()),
    ];
    for (ring, scale, bound, largest) in cases {
        let layout = layout(ring, scale, bound);
        for sign in [1.0, -1.0] {
            assert_eq!(refusal(&layout, 1, &[1.0, 0.0, sign * largest]), None);
            assert_eq!(refusal(&layout, 1, &[1.0, 0.0, sign * largest.next_up()]), out_of_range);
            assert_eq!(refusal(&layout, 1, &[1.0, sign * f64::MAX, 0.0]), out_of_range);
            assert_eq!(refusal(&layout, 1, &[1.0, sign * f64::INFINITY, 0.0]), not_finite);
        }
        assert_eq!(refusal(&layout, 1, &[1.0, f64::NAN, 0.0]), not_finite);
        assert_eq!(refusal(&layout, 1, &[1.0, -0.0, f64::from_bits(1)]), None);
        assert_eq!(refusal(&layout, 1, &[0.0; 2]), Some(InputRefusal::Length { expected: 3, got: 2 }));
        assert_eq!(refusal(&layout, 1, &[0.0; 4]), Some(InputRefusal::Length { expected: 3, got: 4 }));
        assert_eq!(refusal(&layout, 0, &[0.0; 3]), Some(InputRefusal::Weight));
        assert_eq!(refusal(&layout, 11, &[0.0; 3]), Some(InputRefusal::Weight));
        assert_eq!(refusal(&layout, 10, &[0.0; 3]), None);
    }
}

#[test]
fn no_refusal_tells_a_value() {
    let layout = layout(Ring::Bits32, Scale::Fixed(10), 5.0);
    for values in [[0.0, 77.125, 0.0], [77.125, 0.0, 0.0], [0.0, 77.125, f64::NAN]] {
        let text = refusal(&layout, 1, &values).unwrap().to_string();
        assert!(!text.contains("77"), "{text}");
    }
}

fn decode(layout: &Layout, words: &[i64], sites: u32) -> Result<Sum, RangeViolation> {
    let mut words: Vec<u64> = words.iter().map(|word| word.cast_unsigned()).collect();
    if layout.ring == Ring::Bits32 {
        words.iter_mut().for_each(|word| *word &= u64::from(u32::MAX));
    }
    Aggregate { ring: layout.ring, words }.decode(layout, sites, Digest([0; 32]))
}

#[test]
fn a_sum_stays_within_what_honest_sites_can_make() {
    let beyond = Err(RangeViolation::Block { block: 1 });
    for ring in [Ring::Bits32, Ring::Bits64] {
        // Fixed: 3 sites * 5 * 2^10.
        let exact = layout(ring, Scale::Fixed(10), 5.0);
        assert_eq!(decode(&exact, &[3, 48, 15_360, -15_360], 3).unwrap().values, [3.0, 15.0, -15.0]);
        assert_eq!(decode(&exact, &[3, 49, 0, 0], 3), Err(RangeViolation::Block { block: 0 }));
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
        assert_eq!(decode(&exact, &[0, 0, 0, 0], 0), Err(RangeViolation::Weight));
        assert_eq!(decode(&exact, &[3, 0, 0], 3), Err(RangeViolation::Layout));
        let other = if ring == Ring::Bits32 { Ring::Bits64 } else { Ring::Bits32 };
        assert!(decode(&exact, &[3, 0, 0, 0], 3).is_ok());
        let wrong = Aggregate { ring: other, words: vec![3, 0, 0, 0] };
        assert_eq!(wrong.decode(&exact, 3, Digest([0; 32])), Err(RangeViolation::Layout));
    }
}

#[test]
fn sites_at_their_bounds_are_always_accepted() {
    for ring in [Ring::Bits32, Ring::Bits64] {
        for scale in [Scale::Fixed(7), Scale::Weighted(7)] {
            // 0.3 * 2^7 is no integer: the bound rounds up, the values at it must still pass.
            let layout = layout(ring, scale, 0.3);
            for weight in 1..=10 {
                let site = |sign: f64| ClearUpdate::new(weight, vec![sign, sign * 0.3, sign * 0.3]);
                for sites in 1..40 {
                    for sign in [1.0, -1.0] {
                        let sum =
                            plain_sum(&layout, Digest([0; 32]), (0..sites).map(|_| site(sign)).collect());
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
        blocks: vec![Block { len: 1000, scale: Scale::Weighted(16), bound: 8.0 }],
    };
    let site =
        |weight, x: f64| ClearUpdate::new(weight, (0..1000).map(|i| x + f64::from(i) * 1e-3).collect());
    let updates = vec![site(10, 1.0), site(1, -7.0), site(5, 0.25)];
    let sum = plain_sum(&layout, Digest([0; 32]), updates).unwrap();
    for (i, value) in (0..1000).zip(&sum.values) {
        let step = f64::from(i) * 1e-3;
        let exact = 10.0 * (1.0 + step) + (step - 7.0) + 5.0 * (0.25 + step);
        assert!((value - exact).abs() <= 3.0 * 10.0 / 65_536.0, "{value} for {exact}");
    }
    assert_eq!(sum.weight, 16);
}

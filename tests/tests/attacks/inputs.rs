//! Answers that are no numbers, too large, or would wrap: A12, and rulings R8 and R9.

use super::refused;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{self, LONGEST_WHY};
use motet_secagg::digest::Digest;
use motet_secagg::fold::{Aggregate, RangeViolation, plain_sum};
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale};
use motet_secagg::mask::InputRefusal;
use motet_secagg::message::{Message, Refused};
use motet_secagg::quantise::fixed_bits;
use motet_tests::attack::fair::Ended;
use motet_tests::attack::lie::Lie;

/// What a node makes of a value in either block of its answer to an honest plan, in the layout of
/// models.
fn answer(weight: u32, value: f64) -> Result<usize, Refusal> {
    let fixed = answers(weight, [1.0, value, 1.0]);
    assert_eq!(
        fixed.is_ok(),
        answers(weight, [1.0, 1.0, value]).is_ok(),
        "{value} in the weighted block"
    );
    fixed
}

fn answers(weight: u32, values: [f64; 3]) -> Result<usize, Refusal> {
    let mut lie = Lie::with_sites(3);
    let blocks = vec![
        Block {
            len: 2,
            scale: Scale::Fixed(8),
            bound: 1000.0,
        },
        Block {
            len: 1,
            scale: Scale::Weighted(9),
            bound: 1000.0,
        },
    ];
    lie.cast.layout = Layout {
        ring: Ring::Bits32,
        weight_max: 8,
        blocks,
    };
    lie.nodes[0].answer = Some((weight, values.to_vec()));
    let plan = lie.draft(1);
    lie.begin(plan);
    let said = lie.join(0);
    if said.is_err() {
        assert!(
            lie.nodes[0].said.is_empty() && lie.nodes[0].acts.is_empty(),
            "a refused answer leaves no trace"
        );
    }
    said.map(|said| said.len())
}

#[test]
fn attack_a12_what_is_no_number_or_out_of_range_never_leaves_the_site() {
    for value in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1000.5,
        -1001.0,
        f64::MAX,
        f64::from(f32::MAX),
    ] {
        refused(answer(1, value), Code::InputRefused);
    }
    for weight in [0, 9, u32::MAX] {
        refused(answer(weight, 1.0), Code::InputRefused);
    }
    for value in [0.0, -0.0, f64::MIN_POSITIVE / 2.0, -1000.0, 1000.0] {
        assert_eq!(answer(8, value).unwrap(), 1);
    }
}

#[test]
fn attack_a12_no_refusal_of_an_answer_tells_a_value() {
    let refusal = answer(1, 987_654.0).unwrap_err();
    assert!(!refusal.to_string().contains("987"), "{refusal}");
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
fn ruling_r08_the_sum_of_the_largest_answers_fits_and_one_more_unit_is_refused() {
    // 2^22 * 2^4 * 16 = 2^30 = 2^(B-2).
    layout(Ring::Bits32, Scale::Fixed(4), f64::from(1 << 22), 8)
        .headroom(16)
        .unwrap();
    let over = layout(
        Ring::Bits32,
        Scale::Fixed(4),
        f64::from(1 << 22) + 0.0625,
        8,
    )
    .headroom(16);
    assert_eq!(
        over,
        Err(InputRefusal::Headroom {
            sites: 16,
            block: 0
        })
    );
    let sites = layout(Ring::Bits32, Scale::Fixed(4), f64::from(1 << 22), 8).headroom(17);
    assert_eq!(
        sites,
        Err(InputRefusal::Headroom {
            sites: 17,
            block: 0
        })
    );
    // The weight has a slot and a bound of its own.
    layout(Ring::Bits32, Scale::Fixed(4), 1.0, 1 << 26)
        .headroom(16)
        .unwrap();
    let weight = layout(Ring::Bits32, Scale::Fixed(4), 1.0, (1 << 26) + 1).headroom(16);
    assert_eq!(
        weight,
        Err(InputRefusal::Headroom {
            sites: 16,
            block: 1
        })
    );
}

#[test]
fn ruling_r08_a_sum_that_honest_sites_cannot_make_is_not_accepted() {
    let (sites, set) = (4, Digest::of("set", &[]));
    let decode = |layout: &Layout, weight: u64, word: i64| {
        let words = vec![weight, word.cast_unsigned() & layout.ring.largest()];
        Aggregate {
            ring: layout.ring,
            words,
        }
        .decode(layout, sites, set)
        .map(|sum| sum.weight)
    };
    let exact = layout(Ring::Bits32, Scale::Fixed(4), 10.0, 8);
    assert_eq!(decode(&exact, 32, 640), Ok(32));
    assert_eq!(decode(&exact, 4, -640), Ok(4));
    assert_eq!(
        decode(&exact, 4, 641),
        Err(RangeViolation::Block { block: 0 })
    );
    assert_eq!(
        decode(&exact, 4, -641),
        Err(RangeViolation::Block { block: 0 })
    );
    assert_eq!(
        decode(&exact, 3, 0),
        Err(RangeViolation::Weight),
        "fewer than one each"
    );
    assert_eq!(
        decode(&exact, 33, 0),
        Err(RangeViolation::Weight),
        "more than all may have"
    );
    // Weighted: what the weights allow, and one unit of rounding a site.
    let weighted = layout(Ring::Bits32, Scale::Weighted(4), 10.0, 8);
    assert_eq!(decode(&weighted, 16, 160 * 2 + 4), Ok(16));
    assert_eq!(
        decode(&weighted, 16, 160 * 2 + 5),
        Err(RangeViolation::Block { block: 0 })
    );
    let other = Aggregate {
        ring: Ring::Bits64,
        words: vec![4, 0],
    };
    assert_eq!(
        other.decode(&exact, sites, set).unwrap_err(),
        RangeViolation::Layout
    );
}

#[test]
fn ruling_r09_the_ring_of_64_bits_holds_its_edge_and_refuses_beyond() {
    // 2^20 * 2^40 * 4 = 2^62.
    let edge = layout(Ring::Bits64, Scale::Fixed(40), f64::from(1 << 20), 1);
    edge.headroom(4).unwrap();
    let beyond = layout(
        Ring::Bits64,
        Scale::Fixed(40),
        f64::from(1 << 20) + 2.0_f64.powi(-32),
        1,
    );
    assert_eq!(
        beyond.headroom(4),
        Err(InputRefusal::Headroom { sites: 4, block: 0 })
    );
    assert_eq!(
        edge.headroom(5),
        Err(InputRefusal::Headroom { sites: 5, block: 0 })
    );
    // Nothing saturates on the way: the largest values of four sites come back exactly, of either
    // sign.
    for value in [f64::from(1 << 20), -f64::from(1 << 20)] {
        let updates = (0..4).map(|_| ClearUpdate::new(1, vec![value])).collect();
        let sum = plain_sum(&edge, Digest::of("set", &[]), updates).unwrap();
        assert_eq!(sum.values, [4.0 * value]);
    }
    assert_eq!(Ring::Bits64.largest(), u64::MAX);
}

#[test]
fn ruling_r09_the_scale_follows_from_public_facts_and_is_refused_below_thirty_bits() {
    let bits = |sites, bound| fixed_bits(Ring::Bits64, sites, bound, 40, 30);
    assert_eq!(
        bits(10, 9_381),
        Some(40),
        "the pooled rows of the stroke data"
    );
    assert_eq!(bits(10, 10_000_000), Some(35));
    assert_eq!(bits(4, 1 << 20), Some(40));
    assert_eq!(bits(4, (1 << 20) + 1), Some(39));
    assert_eq!(bits(4, 1 << 30), Some(30));
    assert_eq!(bits(4, (1 << 30) + 1), None);
}

/// An attempt of five sites of which the first `many` answer the plan with this.
fn refusing(many: usize, code: &str, why: &str) -> Ended {
    let mut lie = Lie::with_sites(5);
    let plan = lie.draft(1);
    lie.begin(plan);
    let plan = lie.root();
    let no = Message::Refused(Refused {
        plan,
        code: code.to_owned(),
        why: why.to_owned(),
    });
    lie.fair(&[], &mut |site, message| match message {
        Message::Advert(_) if site < many => Some(no.clone()),
        message => Some(message),
    })
}

#[test]
fn a_refusal_carries_a_reason_only_where_two_texts_do_not_agree() {
    let said = |refusal: &Refusal| match member::refused(Digest::default(), refusal) {
        Message::Refused(refused) => refused.why,
        other => panic!("{other:?}"),
    };
    for code in Code::ALL {
        let why = said(&Refusal::new(*code, "column `age`"));
        assert_eq!(
            why,
            if *code == Code::SchemaRefused {
                "column `age`"
            } else {
                ""
            },
            "{}",
            code.as_str()
        );
    }
    assert!(said(&Refusal::new(Code::SchemaRefused, "é".repeat(1000))).len() <= LONGEST_WHY);
    // Nor does a coordinator take one in, from a site that would say it.
    for (code, why) in [
        ("too_few_rows", "7 rows"),
        ("unheard_of", "7"),
        ("schema_refused", &"x".repeat(500)),
    ] {
        let ended = refusing(1, code, why);
        let taken = ended
            .refused
            .iter()
            .all(|(site, refusal)| (*site, refusal.code) != (0, Code::Malformed));
        assert!(!taken, "{code}");
    }
    assert!(
        refusing(1, "schema_refused", "column `age`")
            .refused
            .is_empty()
    );
}

#[test]
fn what_too_many_sites_refuse_for_good_ends_at_once_and_anything_else_has_its_time() {
    for (many, code, ends) in [
        (5, "schema_refused", Some(Code::SchemaRefused)),
        (5, "log_inconsistent", Some(Code::LineUpTooSmall)),
        (1, "schema_refused", None),
    ] {
        let ended = refusing(many, code, "");
        assert_eq!(ended.code, ends, "{code} of {many}");
        assert_eq!(ended.released.is_some(), ends.is_none());
    }
}

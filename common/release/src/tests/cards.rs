//! What a reader of the card must find, and what a title must not do to it.

use crate::{Context, sample};
use motet_recipes::Outcome;

fn text(outcome: &Outcome, context: &Context) -> String {
    sample::card(&*sample::shown(outcome), context)
}

#[test]
fn the_card_answers_what_a_clinician_asks() {
    let card = text(&sample::logistic(), &sample::context());
    for wanted in [
        "not a medical device",
        "9,381 patients at 10 sites in 10 countries; 813 of them",
        "| FINL | FI |",
        "ITAL (IT), not in the sums from round 3 on",
        "1 of the 12 sites that were asked is in no sum of this release: NORW (NO).",
        "Every number in this release comes from the sites in the table",
        "by difference",
        "No patient's row left a site",
        "| `age` | 0.03536 | 0.004182 | 1.036 | 1.028 to 1.045 | <0.001 |",
        "| `unconscious` | 3.15 | 0.1962 | 23.3 | 15.9 to 34.3 | <0.001 |",
        "1000 score bins: the exact value differs by at most 0.0016",
        "| Calibration intercept | 0.000 |",
        "motet release verify DIR --governance 3f3f",
        "- `forest.svg`: odds ratios",
        "Licence: not stated",
    ] {
        assert!(card.contains(wanted), "{wanted}\n{card}");
    }
    assert!(!card.contains("NaN"));
    let lost_none = Context {
        sites_lost: Vec::new(),
        ..sample::context()
    };
    assert!(text(&sample::logistic(), &lost_none).contains("No site was lost"));
}

#[test]
fn a_network_warns_that_averaging_can_harm_a_site() {
    let card = text(&sample::fedavg(), &sample::context());
    assert!(card.contains("the weights may also have been trained on the lost sites"));
    assert!(card.contains("can harm a site") && card.contains("| `layers.0.weight` | 16 x 13 |"));
    assert!(!text(&sample::logistic(), &sample::context()).contains("can harm a site"));
}

#[test]
fn a_title_cannot_draw_headings_links_or_tags() {
    let context = Context {
        title: "x\n# Approved <b>by</b> [all](http://x) | **yes**".to_owned(),
        outcome: "a`b|c".to_owned(),
        ..sample::context()
    };
    let card = text(&sample::logistic(), &context);
    assert!(card.starts_with(
        "# Model card: x \\# Approved &lt;b&gt;by&lt;/b&gt; \\[all\\](http://x) \\| \\*\\*yes\\*\\*\n"
    ));
    assert_eq!(
        card.lines().filter(|line| line.starts_with("# ")).count(),
        1
    );
    assert!(card.contains("| Outcome | `a b c` |"));
}

#[test]
fn small_counts_and_missing_numbers_are_put_in_words() {
    let Outcome::Summary(mut summary) = sample::summary() else {
        unreachable!()
    };
    summary.variables[0].missing = 4;
    summary.variables[1].variance = f64::NAN;
    let card = text(&Outcome::Summary(summary), &sample::context());
    assert!(
        card.contains("| fewer than 10 |")
            && card.contains("not available")
            && !card.contains("NaN")
    );
}

#[test]
fn a_card_says_that_a_model_tells_the_number_that_stands_not_beside_it() {
    let card = |outcome: &Outcome, context: &Context| {
        sample::card(&*sample::protected(outcome, context), context)
    };
    let strict = |context: Context| Context {
        smallest_cell: 100_000,
        ..context
    };
    let (cox, of_times) = sample::survival::cox(|_| ());
    let (network, of_network) = sample::survival::network();
    for (outcome, context, words) in [
        (
            sample::logistic(),
            sample::context(),
            "can work out how many",
        ),
        (sample::fedavg(), sample::context(), "can estimate how many"),
        (cox, of_times, "can work out how many"),
        (network, of_network, "can estimate how many"),
    ] {
        assert!(!card(&outcome, &context).contains("Whoever has the model"));
        let card = card(&outcome, &strict(context));
        assert!(card.contains(words), "{card}");
    }
}

#[test]
fn a_card_speaks_of_curves_where_it_has_them_and_of_small_sites_where_they_are_left_out() {
    let card = |outcome: &Outcome, context: &Context| {
        sample::card(&*sample::protected(outcome, context), context)
    };
    let joined = "steps of the ROC curve and calibration groups";
    assert!(card(&sample::logistic(), &sample::context()).contains(joined));
    for (name, (outcome, context)) in sample::survival::all() {
        assert!(!card(&outcome, &context).contains(joined), "{name}");
    }
    let own = card(&sample::summary(), &sample::context());
    assert!(!own.contains(joined) && own.contains("No site with fewer than"));
    for (name, outcome) in sample::run::all() {
        if name == "count" {
            let every = Context {
                min_rows: 0,
                ..sample::run::context(name)
            };
            let own = card(&outcome, &every);
            assert!(!own.contains(joined) && !own.contains("No site with fewer"));
            assert!(own.contains("A site took part however few patients it had."));
        }
    }
}

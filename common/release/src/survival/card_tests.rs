//! Cards of the survival recipes that are run in the samples.

use crate::Context;
use crate::sample::{self, survival as of_times};
use motet_recipes::Outcome;

fn text(outcome: &Outcome, context: &Context) -> String {
    sample::card(&*sample::shown(outcome), context)
}

#[test]
fn the_card_says_what_a_hazard_ratio_is_and_what_the_risk_sets_show() {
    let (outcome, context) = of_times::cox(|_| ());
    let card = text(&outcome, &context);
    for wanted in [
        "a Cox regression",
        "A hazard is the rate",
        "| `drowsy` | ",
        "at any site. Events at the same time were treated by Efron's method",
        "Harrell's C",
        "Grambsch and Therneau",
        "their values can be worked out from these sums",
        "5 events or more apart",
        "Times are those of `days`, in the unit of that column.",
        "- `forest.svg`: hazard ratios",
        "- `baseline.svg`: the share without the event for an average patient",
    ] {
        assert!(card.contains(wanted), "{wanted}\n{card}");
    }
    let (outcome, context) = of_times::cox(|recipe| {
        (recipe.strata, recipe.clock) = (motet_recipes::Strata::Site, motet_recipes::Clock::Off);
    });
    let card = text(&outcome, &context);
    assert!(card.contains("No time of an event and no group at risk left a site"));
    assert!(card.contains("There is no baseline hazard") && card.contains("This was not tested"));
    assert!(!card.contains("can be worked out from these sums"));
}

#[test]
fn the_card_of_curves_says_what_was_withheld_and_from_whom() {
    let (outcome, context) = of_times::km(2, |recipe| recipe.marks = vec![90.0]);
    let card = text(&outcome, &context);
    for wanted in [
        "survival curves (Kaplan-Meier)",
        "Withheld: steps of fewer than 5 events",
        "withheld from readers of this folder, not from them",
        "Log-rank test: chi-square",
        "1 degree of freedom",
        "| `without <aspirin>` | 90 |",
    ] {
        assert!(card.contains(wanted), "{wanted}\n{card}");
    }
    let Outcome::KaplanMeier(mut found) = outcome else {
        unreachable!()
    };
    found.curves[0].rows = 2;
    found.curves[0].events = None;
    let card = text(&Outcome::KaplanMeier(found), &context);
    assert!(
        card.contains("in the groups that are shown")
            && card.contains("| fewer than 5 | fewer than 5 |")
    );
}

#[test]
fn an_end_of_an_interval_that_is_kept_back_is_not_called_open() {
    let (outcome, context) = of_times::km(2, |_| ());
    let Outcome::KaplanMeier(mut found) = outcome else {
        unreachable!()
    };
    let curve = &mut found.curves[0];
    (curve.median, curve.median_low, curve.median_high) = (Some(7.5), Some(3.0), None);
    curve.withheld = true;
    let card = text(&Outcome::KaplanMeier(found.clone()), &context);
    assert!(
        card.contains("| 7.5 | 3 to not shown |") && !card.contains("3 to open"),
        "{card}"
    );
    found.curves[0].withheld = false;
    assert!(text(&Outcome::KaplanMeier(found.clone()), &context).contains("| 7.5 | 3 to open |"));
    found.curves[0].rows = 0;
    (found.curves[0].median, found.curves[0].median_low) = (None, None);
    assert!(text(&Outcome::KaplanMeier(found), &context).contains("| no patient |"));
}

#[test]
fn the_card_of_a_network_for_a_time_says_that_it_ranks_only() {
    let (outcome, context) = of_times::network();
    let card = text(&outcome, &context);
    assert!(card.contains("The model ranks patients") && card.contains("can harm a site"));
    assert!(!card.contains("NaN"));
}

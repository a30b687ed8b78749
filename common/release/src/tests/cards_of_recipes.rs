//! What a reader must find in the cards of the recipes that are run in the samples.

use crate::Context;
use crate::sample::{self, run};
use motet_recipes::Family;
use motet_recipes::{Outcome, gbdt};

fn card(name: &str, outcome: &Outcome) -> String {
    let card = text(outcome, &run::context(name));
    assert!(!card.contains("NaN"), "{card}");
    card
}

fn text(outcome: &Outcome, context: &Context) -> String {
    sample::card(&*sample::protected(outcome, context), context)
}

fn holds(card: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(card.contains(wanted), "{wanted}\n{card}");
    }
}

#[test]
fn a_regression_says_what_its_coefficients_and_errors_are() {
    let linear = card("linear", &run::glm(Family::Linear, |_| ()));
    holds(
        &linear,
        &[
            "a linear regression",
            "Student's t with 693 degrees",
            "| 95% CI |",
            "R squared",
        ],
    );
    assert!(!linear.contains("ratio above 1"));
    let robust = card(
        "poisson",
        &run::glm(Family::Poisson, |recipe| {
            recipe.errors = motet_recipes::Errors::Hc1
        }),
    );
    holds(
        &robust,
        &[
            "robust (sandwich, HC1)",
            "| Rate ratio | 95% CI |",
            "by the normal distribution",
        ],
    );
    let lasso = card(
        "lasso",
        &run::glm(Family::Linear, |recipe| recipe.lasso = 20.0),
    );
    holds(
        &lasso,
        &[
            "There are no standard errors",
            "chosen by the fit itself (lasso)",
        ],
    );
    let logistic = card("logistic-robust", &run::glm(Family::Logistic, |_| ()));
    holds(
        &logistic,
        &[
            "| Odds ratio |",
            "How well it predicts",
            "odds ratios with their confidence intervals",
        ],
    );
}

#[test]
fn a_weight_is_named_with_what_it_says() {
    let Outcome::Glm(mut fit) = run::glm(Family::Linear, |_| ()) else {
        unreachable!()
    };
    for (kind, words) in [
        (
            motet_recipes::WeightKind::Precision,
            "as its precision: a patient of weight 2 is one patient",
        ),
        (
            motet_recipes::WeightKind::Frequency,
            "as its frequency: a row of weight 2 is two equal patients",
        ),
    ] {
        fit.weight_kind = Some(kind);
        let context = Context {
            weight: Some("times".to_owned()),
            ..run::context("linear")
        };
        let card = text(&Outcome::Glm(fit.clone()), &context);
        holds(&card, &["A row was weighted by `times`", words]);
    }
}

#[test]
fn knots_that_were_found_stand_on_the_card() {
    let card = card("splines", &run::splines());
    holds(
        &card,
        &[
            "outer two at 5% and 95%",
            "- `crp`, 4 degrees of freedom: `ns(crp, knots = c(",
            "Boundary.knots = c(",
            "of the quantile",
        ],
    );
    assert!(!self::card("linear", &run::glm(Family::Linear, |_| ())).contains("knots"));
}

#[test]
fn few_events_are_put_in_words() {
    let Outcome::Glm(mut fit) = run::glm(Family::Logistic, |_| ()) else {
        unreachable!()
    };
    fit.events = Some(3);
    let few = card("logistic", &Outcome::Glm(fit.clone()));
    holds(&few, &["fewer than 5 of them had the outcome"]);
    assert!(!few.contains("How well it predicts") && !few.contains("Deviance without"));
    fit.events = Some(fit.rows - 3);
    holds(
        &card("logistic", &Outcome::Glm(fit)),
        &["all but fewer than 5 of them"],
    );
}

#[test]
fn trees_say_what_was_held_out() {
    let held = card("gbdt", &run::trees(gbdt::Loss::Logistic, 0.3));
    holds(
        &held,
        &[
            "held out: they chose how many trees",
            "| `drowsy` |",
            "`report.json` says under `model`",
        ],
    );
    let all = card("gbdt-number", &run::trees(gbdt::Loss::Squared, 0.0));
    holds(
        &all,
        &[
            "No patients were held out.",
            "**Nothing was held out:**",
            "Root mean squared error",
        ],
    );
}

#[test]
fn counts_and_distributions_are_readable() {
    let count = card("count", &run::rounded());
    holds(
        &count,
        &[
            "| Patients | 9,380 | 1 of 10 | 9,335 to 9,420 |",
            "| With the outcome | 790 | 3 of 10 | 755 to 9,385 |",
            "at most 830",
        ],
    );
    let summary = card("distributions", &run::distributions());
    holds(
        &summary,
        &[
            "Quantiles (50% is the median)",
            "&lt;i&gt;C&lt;/i&gt;",
            "| withheld |",
            "anova F(2, 697)",
            "that of one patient",
        ],
    );
    let network = card("fednumber", &run::network());
    holds(
        &network,
        &[
            "multiply what the last gives by `outcome.sd`",
            "R squared",
            "can harm a site",
        ],
    );
}

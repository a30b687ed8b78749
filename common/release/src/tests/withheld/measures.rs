//! What no measure of a model gives back.

use super::{page_of, same};
use crate::{Context, sample};
use motet_recipes::{Averaged, Outcome};

#[test]
fn few_on_one_side_of_one_half_follow_from_no_accuracy() {
    let with = |outcome: &mut Outcome, high: u64, right: f64| {
        let metrics = match outcome {
            Outcome::Glm(fit) => &mut fit.evaluation.as_mut().unwrap().metrics,
            Outcome::FedAvg(Averaged::YesNo(model)) => &mut model.metrics,
            Outcome::Gbdt(trees) => match &mut trees.fit {
                motet_recipes::Fit::Classes { metrics, .. } => metrics,
                motet_recipes::Fit::Numbers { .. } => unreachable!(),
            },
            _ => unreachable!(),
        };
        metrics.sides = [9381 - high, high];
        metrics.accuracy = 0.9 + right / 9381.0;
    };
    for (name, mut outcome) in [
        ("logistic", sample::logistic()),
        ("fedavg", sample::fedavg()),
        (
            "gbdt",
            sample::run::trees(motet_recipes::gbdt::Loss::Logistic, 0.0),
        ),
    ] {
        let context = Context {
            smallest_cell: 5,
            ..sample::run::context(name)
        };
        let mut page = |high: u64, right: f64| {
            with(&mut outcome, high, right);
            page_of(&outcome, &context)
        };
        let told = page(5, 1.0).join("\n");
        assert!(!told.contains("on one side of risk 0.5"), "{told}");
        for side in [1, 9380] {
            let few = page(side, 1.0);
            for right in [-3.0, 0.0, 4.0] {
                for at in 0..4 {
                    let high = if side == 1 { 1 + at } else { side - at };
                    same(&page(high, right), &few, &format!("{name} {high}"));
                }
            }
            let card = few.join("\n");
            let why = "Not told: fewer than 5 patients are on one side of risk 0.5";
            assert!(card.contains(why), "{name} {card}");
        }
    }
}

#[test]
fn few_with_the_outcome_follow_from_no_measure_of_a_network_or_of_trees() {
    let (few, most) = (20, 19);
    let context = |name| Context {
        smallest_cell: few,
        ..sample::run::context(name)
    };
    let bins = |rows: u64, events: u64| -> Vec<motet_recipes::CalibrationBin> {
        let bin = |at: u64| motet_recipes::CalibrationBin {
            predicted: at as f64 / 100.0,
            observed: if at == 9 { events as f64 / 100.0 } else { 0.0 },
            rows: if at == 9 { 100 } else { (rows - 100) / 9 },
        };
        (0..10).map(bin).collect()
    };
    let measures = |of: &mut motet_recipes::Metrics, events: u64| {
        (of.accuracy, of.brier) = (1.0 - events as f64 / 1000.0, events as f64 / 1000.0);
        (of.auc, of.calibration_slope) = (0.5 + 1.0 / events as f64, events as f64);
    };
    let network = |events: u64| {
        let Outcome::FedAvg(Averaged::YesNo(mut model)) = sample::fedavg() else {
            unreachable!()
        };
        let without = events > 500;
        let own = if without { 1000 - events } else { events };
        (model.rows, model.events) = (1000, events);
        model.calibration = bins(1000, own);
        model.roc = vec![(0.0, 0.0), (0.0, 1.0 / own as f64), (1.0, 1.0)];
        measures(&mut model.metrics, own);
        page_of(&Outcome::FedAvg(Averaged::YesNo(model)), &context("fedavg"))
    };
    let mut fitted = sample::run::trees(motet_recipes::gbdt::Loss::Logistic, 0.0);
    let mut trees = |events: u64| {
        let Outcome::Gbdt(model) = &mut fitted else {
            unreachable!()
        };
        (model.rows, model.events) = (1000, Some(events));
        model.history[0].training = events as f64;
        let own = events.min(1000 - events);
        if let motet_recipes::Fit::Classes {
            metrics,
            roc,
            calibration,
        } = &mut model.fit
        {
            *calibration = bins(1000, own);
            *roc = vec![(0.0, 0.0), (0.0, 1.0 / own as f64), (1.0, 1.0)];
            measures(metrics, own);
        }
        page_of(&fitted, &context("gbdt"))
    };
    for events in 1..=most {
        same(&network(events), &network(12), &format!("{events}"));
        same(
            &network(1000 - events),
            &network(988),
            &format!("{events} without"),
        );
        same(&trees(events), &trees(12), &format!("{events}"));
        same(
            &trees(1000 - events),
            &trees(988),
            &format!("{events} without"),
        );
    }
    let card = trees(12).join("\n");
    assert!(
        card.contains("fewer than 20 of them had the outcome. Whoever has the model"),
        "{card}"
    );
    assert!(card.contains("Not told: fewer than 20 patients"), "{card}");
    let card = network(988).join("\n");
    assert!(card.contains("all but fewer than 20 of them had") && card.contains("Not told"));
    let many = trees(few).join("\n") + &network(few).join("\n");
    assert!(
        !many.contains("Whoever has") && !many.contains("Not told"),
        "{many}"
    );
}

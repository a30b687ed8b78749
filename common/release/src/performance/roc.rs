//! ROC curve: how well the model tells patients with the outcome from those without.

use super::scene::Scene;
use crate::kit::axis::Axis;
use crate::kit::canvas::{BLUE, GREY, Ink, Pen, RULE};
use crate::kit::frame::Frame;
use crate::kit::picture::{Heading, Picture, big_number, draw, lines, outcome_name};
use crate::kit::words::bound;

/// `roc.svg` with the curve through (false positive share, true positive share); nothing without a
/// curve.
pub(crate) fn roc(scene: &Scene<'_>, curve: &[(f64, f64)]) -> Option<Picture> {
    let curve: Vec<(f64, f64)> = curve
        .iter()
        .copied()
        .filter(|p| p.0.is_finite() && p.1.is_finite())
        .collect();
    if curve.len() < 2 {
        return None;
    }
    let auc = scene.metrics.auc;
    let outcome = outcome_name(scene.context);
    let area = if auc.is_finite() {
        format!(": area under the curve {auc:.3}")
    } else {
        String::new()
    };
    let heading = Heading {
        title: format!("ROC curve for {outcome}{area}"),
        how_to_read:
            "Every point of the curve is one choice of the risk from which a patient is flagged. \
                      Further up and to the left is better."
                .to_owned(),
    };
    let frame = Frame {
        left: 210.0,
        right: 920.0,
        top: 160.0,
        bottom: 870.0,
        x: percent(),
        y: percent(),
    };
    let svg = draw(scene.context, scene.rows, &heading, |canvas| {
        let without = format!("Patients without {outcome} who are flagged (1 - specificity)");
        let with = format!("Patients with {outcome} who are flagged (sensitivity)");
        frame.draw(canvas, &without, &with);
        canvas.dashes(frame.at(0.0, 0.0), frame.at(1.0, 1.0), Pen(RULE, 2));
        let chance = frame.at(0.72, 0.66);
        canvas.text(chance, "chance alone", &Ink::new(GREY, 20.0));
        let points: Vec<_> = curve.iter().map(|&(x, y)| frame.at(x, y)).collect();
        canvas.path(&points, Pen(BLUE, 4));
        let mut y = 250.0;
        if auc.is_finite() {
            y = big_number(
                canvas,
                (1000.0, y),
                &format!("{auc:.3}"),
                "area under the curve (AUC)",
            ) + 52.0;
            y = lines(canvas, (1000.0, y), &in_words(auc, outcome)) + 18.0;
        }
        if scene.metrics.auc_error_bound.is_finite() {
            let text = format!(
                "Counted from {} score bins added up under masks, so the exact area may differ by up to {}.",
                scene.metrics.auc_bins,
                bound(scene.metrics.auc_error_bound)
            );
            y = lines(canvas, (1000.0, y), &text) + 18.0;
        }
        lines(canvas, (1000.0, y), scene.measured);
    });
    Some(Picture {
        name: "roc.svg".to_owned(),
        svg,
        shows: "how well the model tells patients apart",
    })
}

fn percent() -> Axis {
    Axis::linear(0.0, 1.0).in_percent()
}

fn in_words(auc: f64, outcome: &str) -> String {
    format!(
        "Of 100 random pairs of a patient with and a patient without \
         {outcome}, the model gives the one with it the \
         higher risk in about {:.0}.",
        auc * 100.0
    )
}

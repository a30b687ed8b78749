//! Pictures of a release as SVG, 1600 by 1000, for a clinician's slide.
//!
//! One look for all: a title in plain words, a line that says how to read it, one plot, and a
//! footnote with the study, the sites and the patients. Colours are from the Okabe-Ito palette,
//! which colour-blind readers can tell apart.

mod axis;
mod calibration;
mod canvas;
mod convergence;
mod curves;
mod forest;
mod glm;
mod groups;
mod histograms;
mod roc;
mod survival;
mod trees;

use crate::context::Context;
use canvas::{BLUE, Canvas, GREY, HEIGHT, INK, Ink, LEFT, WIDTH};
use motet_recipes::{CalibrationBin, Metrics, Outcome};

pub(super) use groups::draw as groups;
pub(super) use roc::bound;

/// Every picture the outcome has data for, as file name and SVG text.
pub(super) fn all(outcome: &Outcome, context: &Context) -> Vec<(String, String)> {
    match outcome {
        Outcome::FedAvg(model) => {
            let scene = Scene {
                context,
                rows: model.rows,
                metrics: &model.metrics,
                measured: FITTED,
            };
            let settling = convergence::fedavg(model, context);
            let performance = performance(&scene, &model.roc, &model.calibration);
            settling.into_iter().chain(performance).collect()
        }
        Outcome::Summary(summary) => histograms::all(summary, context),
        Outcome::Glm(fit) => glm::all(fit, context),
        Outcome::Gbdt(model) => trees::all(model, context),
        Outcome::FedNumber(model) => convergence::number(model, context).into_iter().collect(),
        Outcome::Count(_) => Vec::new(),
        Outcome::Cox(fit) => survival::cox(fit, context),
        Outcome::KaplanMeier(found) => survival::km(found, context),
        Outcome::FedTime(model) => survival::fedtime(model, context),
    }
}

/// `roc.svg` and `calibration.svg`.
fn performance(
    scene: &Scene<'_>,
    curve: &[(f64, f64)],
    bins: &[CalibrationBin],
) -> Vec<(String, String)> {
    let (curve, bins) = (roc::draw(scene, curve), calibration::draw(scene, bins));
    curve.into_iter().chain(bins).collect()
}

/// What the pictures of a model's performance share.
struct Scene<'a> {
    context: &'a Context,
    rows: u64,
    metrics: &'a Metrics,
    /// On which patients, as a sentence.
    measured: &'static str,
}

const FITTED: &str =
    "Measured on the patients the model was fitted to: expect less in new patients.";
const HELD_OUT: &str = "Measured on patients of the same sites who were held out of the training.";

/// Draws a picture with its heading and footnote around `inside`; `description` is read out by
/// screen readers.
fn picture(
    context: &Context,
    rows: u64,
    heading: &Heading,
    inside: impl FnOnce(&mut Canvas),
) -> String {
    let mut canvas = Canvas::new(&heading.title, &heading.how_to_read);
    let room = f64::from(WIDTH) - 2.0 * LEFT;
    canvas.text_within((LEFT, 62.0), &heading.title, &Ink::bold(INK, 40.0), room);
    canvas.text_within(
        (LEFT, 108.0),
        &heading.how_to_read,
        &Ink::new(GREY, 23.0),
        room,
    );
    inside(&mut canvas);
    let from = format!(
        "Study {}, {}, {} patients. Only masked sums left the sites. Run {}.",
        context.study,
        context.sites_in_words(),
        thousands(rows),
        context.run.chars().take(8).collect::<String>()
    );
    let foot = f64::from(HEIGHT) - 26.0;
    canvas.text_within((LEFT, foot), &from, &Ink::new(GREY, 19.0), 1180.0);
    let by = if context.consortium.is_empty() {
        &context.software
    } else {
        &context.consortium
    };
    canvas.text_within(
        (f64::from(WIDTH) - LEFT, foot),
        by,
        &Ink::new(GREY, 19.0).right_aligned(),
        240.0,
    );
    canvas.finish()
}

/// The two lines at the top.
struct Heading {
    title: String,
    how_to_read: String,
}

/// The outcome column as it stands in a sentence.
fn outcome_name(context: &Context) -> &str {
    if context.outcome.is_empty() {
        "the outcome"
    } else {
        &context.outcome
    }
}

/// A big number with a line below it, in the panel at the right; gives the height after it.
fn big_number(canvas: &mut Canvas, at: (f64, f64), value: &str, label: &str) -> f64 {
    canvas.text_within(at, value, &Ink::bold(BLUE, 58.0), 560.0);
    canvas.text_within((at.0, at.1 + 46.0), label, &Ink::new(INK, 23.0), 560.0);
    at.1 + 46.0
}

/// Lines of running text in the panel at the right; gives the height after them.
fn lines(canvas: &mut Canvas, at: (f64, f64), text: &str) -> f64 {
    let ink = Ink::new(GREY, 22.0);
    let mut y = at.1;
    for line in wrapped(text, 54) {
        canvas.text_within((at.0, y), &line, &ink, 600.0);
        y += 32.0;
    }
    y
}

/// Breaks at spaces so that no line has more than `width` characters, unless a word has.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// "9,381".
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Context, Site, sample};
    use super::*;

    /// Reads an XML text of the kind SVG needs: tags nest and close, attributes are quoted,
    /// entities are known. Gives the text between the tags.
    fn well_formed(svg: &str) -> String {
        let mut open: Vec<String> = Vec::new();
        let mut shown = String::new();
        let mut rest = svg;
        while let Some(at) = rest.find('<') {
            let (text, tag) = rest.split_at(at);
            assert!(
                open.is_empty() == text.trim().is_empty() || !open.is_empty(),
                "text outside: {text}"
            );
            for entity in text.split('&').skip(1) {
                assert!(
                    ["amp;", "lt;", "gt;", "quot;", "apos;"]
                        .iter()
                        .any(|e| entity.starts_with(e)),
                    "{entity}"
                );
            }
            shown.push_str(text);
            let end = tag.find('>').expect("a tag ends");
            let inner = &tag[1..end];
            assert!(!inner.contains('<'), "{inner}");
            if let Some(name) = inner.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name));
            } else {
                assert_eq!(inner.matches('"').count() % 2, 0, "{inner}");
                if !inner.ends_with('/') {
                    open.push(inner.split_whitespace().next().unwrap().to_owned());
                }
            }
            rest = &tag[end + 1..];
        }
        assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
        assert!(svg.chars().all(|c| c == '\n' || !c.is_control()));
        shown
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&apos;", "'")
            .replace("&amp;", "&")
    }

    #[test]
    fn every_picture_is_well_formed_and_names_the_study_and_its_size() {
        for outcome in [sample::logistic(), sample::fedavg()] {
            for (name, svg) in all(&outcome, &sample::context()) {
                let shown = well_formed(&svg);
                assert!(
                    shown.contains("ist-death14") && shown.contains("10 sites in 10 countries"),
                    "{name}"
                );
                assert!(shown.contains("9,381 patients"), "{name}");
                assert!(!svg.contains("NaN") && !svg.contains(">inf"), "{name}");
            }
        }
    }

    #[test]
    fn pictures_of_recipes_that_are_run_are_well_formed_whatever_names_they_hold() {
        for (name, outcome) in sample::run::all() {
            let nasty = "<b>&\"y\"</b>".to_owned();
            let context = Context {
                outcome: nasty.clone(),
                study: nasty,
                ..sample::run::context(name)
            };
            for (file, svg) in all(&outcome, &context) {
                assert!(well_formed(&svg).contains("<b>&\"y\"</b>"), "{name} {file}");
                assert!(
                    !svg.contains("<b>") && !svg.contains("NaN") && !svg.contains(">inf"),
                    "{name} {file}"
                );
            }
        }
    }

    #[test]
    fn many_distributions_go_on_several_pictures_and_withheld_ones_say_so() {
        let Outcome::Summary(mut summary) = sample::run::distributions() else {
            unreachable!()
        };
        let details = summary.details.as_mut().unwrap();
        let mut gone = details.distributions[0].clone();
        gone.withhold();
        gone.quantiles
            .iter_mut()
            .for_each(|quantile| quantile.estimate = f64::NAN);
        details.distributions = (0..14)
            .map(|at| details.distributions[at % 4].clone())
            .collect();
        details.distributions.push(gone);
        let pictures = all(
            &Outcome::Summary(summary),
            &sample::run::context("distributions"),
        );
        let names: Vec<&str> = pictures.iter().map(|picture| picture.0.as_str()).collect();
        assert_eq!(names, ["histograms.svg", "histograms-2.svg"]);
        for (_, svg) in &pictures {
            assert!(well_formed(svg).contains("age") && !svg.contains("NaN"));
            assert!(svg.contains("Withheld: it would"), "{svg}");
        }
    }

    #[test]
    fn the_forest_plot_names_every_coefficient_however_many_there_are() {
        let Outcome::Glm(fit) = sample::hard() else {
            unreachable!()
        };
        let pictures = all(&Outcome::Glm(fit.clone()), &sample::context());
        let forest = pictures
            .iter()
            .filter(|(name, _)| name.starts_with("forest"));
        assert_eq!(forest.clone().count(), 3);
        let shown: String = forest.map(|(_, svg)| well_formed(svg)).collect();
        for coefficient in &fit.coefficients {
            assert!(shown.contains(&coefficient.name), "{}", coefficient.name);
        }
    }

    #[test]
    fn titles_and_names_with_markup_are_shown_and_not_obeyed() {
        let nasty = "<script>alert('x')</script> & \"co\" \u{7}]]>";
        let context = Context {
            consortium: nasty.to_owned(),
            study: nasty.to_owned(),
            outcome: nasty.to_owned(),
            sites: vec![
                Site {
                    name: nasty.to_owned(),
                    country: "<&".to_owned()
                };
                10
            ],
            ..sample::context()
        };
        for (name, svg) in all(&sample::logistic(), &context) {
            assert!(!svg.contains("<script"), "{name}");
            assert!(
                well_formed(&svg).contains("<script>alert('x')</script> & \"co\""),
                "{name}"
            );
        }
    }

    #[test]
    fn numbers_that_do_not_exist_leave_gaps_and_no_panic() {
        let Outcome::Glm(mut fit) = sample::logistic() else {
            unreachable!()
        };
        let none = f64::NAN;
        let evaluation = fit.evaluation.as_mut().unwrap();
        evaluation.metrics.auc = none;
        evaluation.metrics.auc_error_bound = none;
        evaluation.metrics.calibration_slope = none;
        evaluation.calibration[0].observed = none;
        fit.coefficients[1].estimate = none;
        fit.coefficients[2].uncertainty.as_mut().unwrap().ci_high = f64::INFINITY;
        fit.coefficients[3].estimate = 900.0;
        fit.history[0].step = none;
        fit.history[1].loglik = f64::NEG_INFINITY;
        for (name, svg) in all(&Outcome::Glm(fit.clone()), &sample::context()) {
            well_formed(&svg);
            assert!(!svg.contains("NaN") && !svg.contains(">inf"), "{name}");
        }
        let evaluation = fit.evaluation.as_mut().unwrap();
        evaluation.roc.clear();
        evaluation.calibration.clear();
        fit.history.clear();
        fit.coefficients.clear();
        assert!(all(&Outcome::Glm(fit), &sample::context()).is_empty());
    }

    #[test]
    fn numbers_are_grouped_and_text_is_wrapped() {
        assert_eq!(
            [0, 999, 1000, 9381, 1234567].map(thousands),
            ["0", "999", "1,000", "9,381", "1,234,567"]
        );
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    }
}

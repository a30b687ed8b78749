//! Pictures as any reader of SVG sees them.

use crate::kit::picture::Picture;
use crate::sample::pictures;
use crate::{Context, Site, sample};
use motet_recipes::Outcome;

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
        for Picture { name, svg, .. } in pictures(&outcome, &sample::context()) {
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
        for Picture {
            name: file, svg, ..
        } in pictures(&outcome, &context)
        {
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
    let drawn = pictures(
        &Outcome::Summary(summary),
        &sample::run::context("distributions"),
    );
    let names: Vec<&str> = drawn.iter().map(|picture| picture.name.as_str()).collect();
    assert_eq!(names, ["histograms.svg", "histograms-2.svg"]);
    for Picture { svg, .. } in &drawn {
        assert!(well_formed(svg).contains("age") && !svg.contains("NaN"));
        assert!(svg.contains("Withheld: it would"), "{svg}");
    }
}

#[test]
fn the_forest_plot_names_every_coefficient_however_many_there_are() {
    let Outcome::Glm(fit) = sample::hard() else {
        unreachable!()
    };
    let drawn = pictures(&Outcome::Glm(fit.clone()), &sample::context());
    let forest = drawn
        .iter()
        .filter(|picture| picture.name.starts_with("forest"));
    assert_eq!(forest.clone().count(), 3);
    let shown: String = forest.map(|picture| well_formed(&picture.svg)).collect();
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
    for Picture { name, svg, .. } in pictures(&sample::logistic(), &context) {
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
    for Picture { name, svg, .. } in pictures(&Outcome::Glm(fit.clone()), &sample::context()) {
        well_formed(&svg);
        assert!(!svg.contains("NaN") && !svg.contains(">inf"), "{name}");
    }
    let evaluation = fit.evaluation.as_mut().unwrap();
    evaluation.roc.clear();
    evaluation.calibration.clear();
    fit.history.clear();
    fit.coefficients.clear();
    assert!(pictures(&Outcome::Glm(fit), &sample::context()).is_empty());
}

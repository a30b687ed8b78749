//! Outcomes for the tests of this folder: the numbers of the logistic fit are those of the
//! International Stroke Trial, ten European countries, death within 14 days.

pub(crate) mod judged;
pub(crate) mod run;
pub(crate) mod survival;

use crate::card::{self, Files};
use crate::context::{Context, LostSite, Site};
use crate::kit::picture::Picture;
use crate::meaning::stepped;
use crate::methods;
use crate::report::Report;
use crate::shown::Shown;
use motet_recipes::fedavg::FedAvgOutcome;
use motet_recipes::glm::GlmOutcome;
use motet_recipes::summary::SummaryOutcome;
use motet_recipes::{
    Averaged, CalibrationBin, Epoch, Errors, Estimate, Evaluation, Family, Layer, Metrics, Outcome,
    Step, Uncertainty, Variable,
};

/// The outcome as it is, with its few patients.
pub(crate) fn shown(outcome: &Outcome) -> Box<dyn Shown> {
    methods::shown(outcome.clone())
}

/// The outcome without its few patients.
pub(crate) fn protected(outcome: &Outcome, context: &Context) -> Box<dyn Shown> {
    let mut shown = shown(outcome);
    shown.protect(context);
    shown
}

/// The card of what is shown.
pub(crate) fn card(shown: &dyn Shown, context: &Context) -> String {
    let files = Files {
        weights: shown.weights().holds,
        pictures: &shown.pictures(context),
    };
    card::text(shown, 12, &files, context)
}

/// The report of what is shown.
pub(crate) fn report(shown: &dyn Shown, context: &Context) -> String {
    let report = Report {
        context,
        rounds: 12,
        sites: 10,
        steps: stepped(&shown.effects(), context),
    };
    String::from_utf8(shown.report(&report).unwrap()).unwrap()
}

/// The pictures of an outcome as it is.
pub(crate) fn pictures(outcome: &Outcome, context: &Context) -> Vec<Picture> {
    shown(outcome).pictures(context)
}

const COEFFICIENTS: [(&str, f64, f64); 14] = [
    ("(intercept)", -6.32703510375322, 0.4297332768118403),
    ("age", 0.03535541982433427, 0.004182496391676844),
    ("male", 0.11725279089730963, 0.08182768472558155),
    ("delay_h", -0.017359902949724476, 0.003627684002992518),
    ("sbp", 0.0022240629675772433, 0.0014197285086215018),
    ("drowsy", 1.3597879921316298, 0.08974536762084685),
    ("unconscious", 3.149875122211336, 0.1962151379210388),
    ("infarct_ct", 0.1945607407536472, 0.08418450473479867),
    ("n_deficits", 0.15470549594614158, 0.03916856488699468),
    ("tacs", 0.3523296989018961, 0.10575977423193411),
    ("lacs", -0.696621461973922, 0.16997256862049032),
    ("pocs", 0.12694740851738662, 0.14019646907137787),
    ("aspirin", -0.008439851936259216, 0.07949408678661926),
    ("heparin", 0.002860350995542923, 0.07940612849898682),
];

const BINS: [(f64, f64, u64); 10] = [
    (0.011158, 0.008529, 938),
    (0.017982, 0.010661, 938),
    (0.023978, 0.015991, 938),
    (0.030989, 0.034115, 938),
    (0.039491, 0.040512, 938),
    (0.050212, 0.046908, 938),
    (0.065458, 0.068230, 938),
    (0.097077, 0.118337, 938),
    (0.182002, 0.192964, 938),
    (0.348022, 0.330138, 939),
];

/// Sensitivity at false positive shares 0, 0.02, 0.04, ... 1.
const ROC: [f64; 51] = [
    0.002, 0.169, 0.263, 0.331, 0.406, 0.478, 0.523, 0.556, 0.589, 0.636, 0.674, 0.701, 0.724,
    0.740, 0.759, 0.780, 0.793, 0.804, 0.818, 0.827, 0.835, 0.847, 0.857, 0.870, 0.876, 0.888,
    0.892, 0.902, 0.916, 0.920, 0.929, 0.936, 0.950, 0.950, 0.961, 0.963, 0.968, 0.970, 0.972,
    0.977, 0.978, 0.984, 0.988, 0.989, 0.989, 0.990, 0.991, 0.995, 0.996, 0.999, 1.0,
];

pub(crate) fn context() -> Context {
    let site = |(name, country): (&str, &str)| Site {
        name: name.to_owned(),
        country: country.to_owned(),
    };
    let sites = [
        ("BELG", "BE"),
        ("CZEC", "CZ"),
        ("FINL", "FI"),
        ("NETH", "NL"),
        ("NORW", "NO"),
        ("POLA", "PL"),
        ("PORT", "PT"),
        ("SPAI", "ES"),
        ("SWED", "SE"),
        ("SWIT", "CH"),
    ];
    Context {
        consortium: "Stroke Alliance".to_owned(),
        study: "ist-death14".to_owned(),
        title: "Death within 14 days after ischaemic stroke".to_owned(),
        question: "Which findings at admission go with death within 14 days?".to_owned(),
        purpose: "53(1)(e)".to_owned(),
        dataset: "ist".to_owned(),
        outcome: "dead14".to_owned(),
        filter: Some("age >= 18".to_owned()),
        features: COEFFICIENTS
            .iter()
            .skip(1)
            .map(|c| c.0.to_owned())
            .collect(),
        run: "5f0c8a3de1b24976a0c1d2e3f4a5b6c7".to_owned(),
        recipe: "logistic".to_owned(),
        parameters: vec![
            ("ridge".to_owned(), "0".to_owned()),
            ("tolerance".to_owned(), "1e-10".to_owned()),
        ],
        tolerance: Some(1e-10),
        sites: sites.map(site).into(),
        sites_lost: vec![LostSite {
            name: "ITAL".to_owned(),
            country: "IT".to_owned(),
            round: 3,
        }],
        sites_absent: vec![Site {
            name: "NORW".to_owned(),
            country: "NO".to_owned(),
        }],
        on_site_loss: "continue".to_owned(),
        min_sites: 3,
        min_rows: 10,
        colluders: 3,
        smallest_cell: 10,
        started: "2026-11-20T09:14:02Z".to_owned(),
        finished: "2026-11-20T09:14:41Z".to_owned(),
        bytes_up: Some(1_843_200),
        governance: "3f".repeat(32),
        software: "motet 0.1.0".to_owned(),
        ..Context::default()
    }
}

fn metrics() -> Metrics {
    Metrics {
        auc: 0.8093353885219524,
        auc_bins: 1000,
        auc_error_bound: 0.0015835259893215178,
        accuracy: 0.9149344419571475,
        sides: [9281, 100],
        brier: 0.06858593919691582,
        calibration_slope: 1.0000000000000442,
        calibration_intercept: -3.1e-15,
    }
}

fn roc() -> Vec<(f64, f64)> {
    ROC.iter()
        .enumerate()
        .map(|(i, &y)| (i as f64 / 50.0, y))
        .collect()
}

fn calibration() -> Vec<CalibrationBin> {
    BINS.iter()
        .map(|&(predicted, observed, rows)| CalibrationBin {
            predicted,
            observed,
            rows,
        })
        .collect()
}

fn estimate(name: &str, estimate: f64, se: f64) -> Estimate {
    Estimate {
        name: name.to_owned(),
        estimate,
        uncertainty: (se > 0.0).then(|| Uncertainty {
            se,
            statistic: estimate / se,
            p: libm::exp(-0.5 * (estimate / se) * (estimate / se)),
            ci_low: estimate - 1.959963984540054 * se,
            ci_high: estimate + 1.959963984540054 * se,
        }),
    }
}

pub(crate) fn logistic() -> Outcome {
    let steps = [
        (-6502.4137, 2.171),
        (-3061.1402, 1.402),
        (-2401.2051, 0.6621),
        (-2278.9313, 0.3177),
        (-2264.9716, 0.0563),
        (-2264.6876, 1.64e-3),
        (-2264.6874243, 1.21e-6),
        (-2264.687424311281, 7.3e-13),
    ];
    Outcome::Glm(GlmOutcome {
        family: Family::Logistic,
        errors: Errors::Model,
        rounds: 12,
        sites: 10,
        rows: 9381,
        weight_kind: None,
        weight: 9381.0,
        mean: 813.0 / 9381.0,
        events: Some(813),
        converged: true,
        loglik: Some(-2264.687424311281),
        null_loglik: Some(-2765.069293536031),
        deviance: 2.0 * 2264.687424311281,
        null_deviance: 2.0 * 2765.069293536031,
        pearson: 9233.8,
        dispersion: 1.0,
        df: 9367,
        r_squared: None,
        knots: Vec::new(),
        coefficients: COEFFICIENTS
            .iter()
            .map(|&(name, log_odds, se)| estimate(name, log_odds, se))
            .collect(),
        evaluation: Some(Evaluation {
            metrics: metrics(),
            roc: roc(),
            calibration: calibration(),
        }),
        history: (1..)
            .zip(steps)
            .map(|(round, (loglik, step))| Step {
                round,
                loglik,
                step,
            })
            .collect(),
    })
}

/// The fit again with 60 more variables of long names, hardly fixed, missing or nearly 1, and a
/// perfect model.
pub(crate) fn hard() -> Outcome {
    let Outcome::Glm(mut fit) = logistic() else {
        unreachable!()
    };
    for i in 0..60 {
        let se = [0.01, 0.3, 2.0, 9.0, f64::INFINITY, f64::NAN][i % 6];
        let log_odds = f64::from(i as u32 % 7) - 3.0;
        let name = format!("extra_{i}_with_quite_a_long_name_that_has_to_be_fitted");
        fit.coefficients.push(estimate(&name, log_odds, se));
    }
    let evaluation = fit.evaluation.as_mut().unwrap();
    evaluation.roc = vec![(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)];
    for bin in &mut evaluation.calibration {
        (bin.predicted, bin.observed) = if bin.predicted < 0.05 {
            (0.0, 0.0)
        } else {
            (1.0, 1.0)
        };
    }
    fit.converged = false;
    fit.history.truncate(1);
    Outcome::Glm(fit)
}

pub(crate) fn fedavg() -> Outcome {
    let epoch = |round: u32| {
        let left = libm::exp(-f64::from(round) / 6.0);
        Epoch {
            round,
            loss: 0.2412 + 0.44 * left,
        }
    };
    let layer = |name: &str, shape: &[usize]| Layer {
        name: name.to_owned(),
        shape: shape.to_vec(),
        values: (0..shape.iter().product())
            .map(|i| f64::from(i as u32) / 7.0 - 1.0)
            .collect(),
    };
    Outcome::from(Averaged::YesNo(FedAvgOutcome {
        rounds: 44,
        sites: 10,
        rows: 9381,
        events: 813,
        layers: vec![
            layer("standardise.mean", &[13]),
            layer("standardise.sd", &[13]),
            layer("layers.0.weight", &[16, 13]),
            layer("layers.0.bias", &[16]),
            layer("layers.1.weight", &[1, 16]),
            layer("layers.1.bias", &[1]),
        ],
        metrics: metrics(),
        roc: roc(),
        calibration: calibration(),
        history: (1..=40).map(epoch).collect(),
    }))
}

pub(crate) fn summary() -> Outcome {
    let variable = |name: &str, missing, mean, variance| Variable {
        name: name.to_owned(),
        count: 9381 - missing,
        missing,
        few_missing: false,
        mean,
        variance,
    };
    let variables = vec![
        variable("age", 0, 71.24, 134.6),
        variable("sbp", 41, 160.3, 763.1),
    ];
    Outcome::Summary(SummaryOutcome {
        rounds: 2,
        sites: 10,
        variables,
        details: None,
    })
}

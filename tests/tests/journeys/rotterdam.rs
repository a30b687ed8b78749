//! Two cohorts of breast cancer, Rotterdam and GBSG, through the real system: Cox fits, curves and
//! log-rank test are those of one pooled table. Their rows come from an LGPL package and are not in
//! this repository: the environment's `MOTET_ROTTERDAM_GBSG` names the table (see
//! common/recipes/tests/reference/PROVENANCE.md).
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_recipes::{
    AnyMethod, Clock, Cox, Grid, Grouping, KaplanMeier, Outcome, Recipe, Rows, Strata, Ties, Times,
};
use motet_tests::consortium::Consortium;
use motet_tests::trial::{Trial, close, is_the_fit, reference};
use ndarray::{Array1, Array2};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
/// A cohort that lay at one site alone would be that site: each is dealt out to three.
const SITES: [&str; 6] = [
    "gbsg-1",
    "gbsg-2",
    "gbsg-3",
    "rotterdam-1",
    "rotterdam-2",
    "rotterdam-3",
];
const COHORTS: [&str; 2] = ["DE_gbsg", "NL_rotterdam"];
const FEATURES: [&str; 9] = [
    "age",
    "meno",
    "size_20_50",
    "size_gt50",
    "grade3",
    "nodes",
    "pgr",
    "er",
    "hormon",
];
const YES_NO: [&str; 6] = [
    "meno",
    "size_20_50",
    "size_gt50",
    "grade3",
    "hormon",
    "event",
];

/// A patient: features, days, event, cohort, site.
struct Patient {
    x: Vec<f64>,
    days: f64,
    event: f64,
    cohort: f64,
    site: f64,
}

/// The tables and the schema in a folder, and the same patients in one table.
fn dealt(table: &str, folder: &Path) -> Vec<Patient> {
    let text = std::fs::read_to_string(table).expect("MOTET_ROTTERDAM_GBSG names a file");
    let (header, lines) = text.split_once('\n').expect("a header");
    let header: Vec<&str> = header.trim().split(',').collect();
    let at = |name: &str| {
        header
            .iter()
            .position(|known| *known == name)
            .expect("a column")
    };
    let mut files = SITES.map(|_| format!("{},cohort\n", header[1..].join(",")));
    let mut patients = Vec::new();
    for (nth, line) in lines.lines().map(str::trim).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        let cohort = COHORTS
            .iter()
            .position(|name| *name == fields[0])
            .expect("a cohort");
        let site = 3 * cohort + nth % 3;
        files[site].push_str(&format!("{},{}\n", fields[1..].join(","), fields[0]));
        let number = |name: &str| fields[at(name)].parse::<f64>().expect("a number");
        patients.push(Patient {
            x: FEATURES.iter().map(|name| number(name)).collect(),
            days: number("time_days"),
            event: number("event"),
            cohort: cohort as f64,
            site: site as f64,
        });
    }
    for (site, text) in SITES.iter().zip(files) {
        std::fs::write(folder.join(format!("{site}.csv")), text).expect("writable");
    }
    let mut schema = "[dataset]\nname = \"breast\"\n".to_owned();
    for name in &header[1..] {
        let kind = if YES_NO.contains(name) {
            "bool"
        } else {
            "float"
        };
        schema.push_str(&format!("\n[columns.{name}]\ntype = \"{kind}\"\n"));
    }
    schema.push_str(&format!(
        "\n[columns.cohort]\ntype = \"category\"\nlevels = {COHORTS:?}\n"
    ));
    std::fs::write(folder.join("schema.toml"), schema).expect("writable");
    patients
}

/// What a method says of one pooled table, with nothing masked.
fn pooled(recipe: &Recipe, patients: &[Patient], group: fn(&Patient) -> f64) -> Outcome {
    let width = if matches!(recipe.method, AnyMethod::Cox(_)) {
        FEATURES.len()
    } else {
        0
    };
    let x = Array2::from_shape_fn((patients.len(), width), |(row, at)| patients[row].x[at]);
    let column = |value: fn(&Patient) -> f64| patients.iter().map(value).collect::<Array1<f64>>();
    let (y, days, group) = (column(|p| p.event), column(|p| p.days), column(group));
    let rows = Rows {
        time: Some(days.view()),
        group: Some(group.view()),
        ..Rows::new(x.view()).outcome(y.view())
    };
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed([1; 32]);
    recipe.alone(&rows, &mut rng).expect("a finite estimate")
}

/// A share in whole thousandths.
fn in_thousandths(found: &Value, want: &Value) {
    let [found, want] = [found, want].map(|of| of.as_f64().expect("a share"));
    assert!((found - want).abs() <= 0.0005, "{found} {want}");
}

/// The last time shown at which more than half have had no event, and the first at which less than
/// half have not.
fn around_half(curve: &Value) -> (f64, f64) {
    let lists = ["points", "marks"].map(|key| curve[key].as_array().expect("a list"));
    let shown: Vec<[f64; 2]> = lists
        .into_iter()
        .flatten()
        .map(|point| ["time", "survival"].map(|key| point[key].as_f64().expect("a number")))
        .collect();
    let above = shown.iter().filter(|[_, share]| *share > 0.5005);
    let below = shown.iter().filter(|[_, share]| *share < 0.4995);
    (
        above.fold(0.0_f64, |last, [time, _]| last.max(*time)),
        below.fold(f64::INFINITY, |first, [time, _]| first.min(*time)),
    )
}

fn in_three_digits(found: &Value, want: &Value) {
    let [found, want] = [found, want].map(|of| of.as_f64().expect("a number"));
    assert!((found / want - 1.0).abs() <= 0.02, "{found} {want}");
}

fn log_rank(found: &Value, want: &Value) {
    // Steps are joined, and figures beside them have three digits.
    in_three_digits(&found["statistic"], &want["chi2"]);
    assert_eq!(found["df"], want["df"]);
    for (at, group) in found["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .enumerate()
    {
        close("observed", &group["observed"], &want["observed"][at]);
        in_three_digits(&group["expected"], &want["expected"][at]);
    }
}

#[test]
fn two_cohorts_at_six_sites_are_one_table() {
    let Ok(table) = std::env::var("MOTET_ROTTERDAM_GBSG") else {
        // Straight to the terminal: the test runner keeps back what a passing test prints.
        let word = b"SKIPPED: MOTET_ROTTERDAM_GBSG does not name the table rotterdam_gbsg.csv\n";
        std::io::stderr().write_all(word).expect("a terminal");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let patients = dealt(&table, folder.path());
    let mut trial = Trial::with(Consortium::start(PROGRAM), folder.path(), "breast", &SITES);
    trial.allow_exact_times();
    let want = reference("rotterdam_gbsg_cox");
    let times = "times = \"exact\"\nstep = 1\nhorizon = 7043\n";
    let explained = "time = \"time_days\"\nevent = \"event\"\n";
    let cohorts = format!("group = \"cohort\"\n[data.levels]\ncohort = {COHORTS:?}\n");
    let data = format!("{explained}features = {FEATURES:?}\n");
    let by_cohort = format!("{data}{cohorts}");
    for (id, data, options, key) in [
        ("efron", &data, "", "cox_efron"),
        ("breslow", &data, "ties = \"breslow\"\n", "cox_breslow"),
        (
            "efron-by-cohort",
            &by_cohort,
            "strata = \"group\"\n",
            "cox_efron_stratified_by_site",
        ),
        (
            "breslow-by-cohort",
            &by_cohort,
            "strata = \"group\"\nties = \"breslow\"\n",
            "cox_breslow_stratified_by_site",
        ),
    ] {
        let report = trial.report(id, data, &format!("kind = \"cox\"\n{times}{options}"));
        is_the_fit(&report, &want[key], "se");
        assert_eq!(
            (report["rows"].as_u64(), report["events"].as_u64()),
            (Some(3668), Some(2012))
        );
    }
    let grid = Grid {
        step: 1.0,
        horizon: 7043.0,
        times: Times::Exact,
    };
    for (id, options, ties) in [
        ("efron-by-site", "", Ties::Efron),
        ("breslow-by-site", "ties = \"breslow\"\n", Ties::Breslow),
    ] {
        let report = trial.report(
            id,
            &data,
            &format!("kind = \"cox\"\n{times}strata = \"site\"\n{options}"),
        );
        // No reference has these five strata: the same strata of one pooled table, by a column.
        let levels = SITES.map(str::to_owned).into();
        let strata = Strata::Group(Grouping {
            column: "site".into(),
            levels,
        });
        let columns = FEATURES.map(str::to_owned).into();
        let clock = Clock::Identity;
        let cox = Cox {
            strata,
            ties,
            clock,
            ..Cox::new(columns, "time_days".into(), "event".into(), grid)
        };
        let Outcome::Cox(want) = pooled(&Recipe::from(cox), &patients, |p| p.site) else {
            unreachable!()
        };
        for (found, want) in report["coefficients"]
            .as_array()
            .expect("a list")
            .iter()
            .zip(&want.coefficients)
        {
            close(&want.name, &found["estimate"], &want.estimate.into());
            close(&want.name, &found["se"], &want.se.into());
        }
        close("log-likelihood", &report["loglik"], &want.loglik.into());
        println!("{id}: log-likelihood {}", report["loglik"]);
    }
    curves(&trial, &patients, &format!("{explained}{cohorts}"), &want);
}

/// Curves and log-rank test by cohort: days as they are, which every site allows, and on a grid of
/// 30 days.
fn curves(trial: &Trial, patients: &[Patient], data: &str, want: &Value) {
    let recipe =
        "kind = \"km\"\nmarks = [372, 748, 1698]\ntau = 2945\ntimes = \"exact\"\nhorizon = 7043\n";
    let report = trial.report("curves", data, recipe);
    log_rank(&report["log_rank"], &want["logrank_by_site"]);
    for (curve, cohort) in report["curves"]
        .as_array()
        .expect("curves")
        .iter()
        .zip(COHORTS)
    {
        let known = &want["kaplan_meier"][cohort];
        for at in 0..3 {
            in_thousandths(&curve["marks"][at]["survival"], &known["at"][at]["S"]);
        }
        // Read from the steps that are shown, which join five events or a few more: never earlier,
        // and no later than these and the thousandths of their shares make it.
        let [told, exact] =
            [&curve["median"], &known["median"]].map(|of| of.as_f64().expect("a time"));
        let (before, after) = around_half(curve);
        assert!(
            before < exact && exact <= told && told <= after,
            "{before} {exact} {told} {after}"
        );
        assert!(curve["rmst"].is_null(), "{curve}");
    }
    println!("curves: log-rank {}", report["log_rank"]["statistic"]);

    let months = "kind = \"km\"\ntimes = \"grid\"\nstep = 30\nhorizon = 7050\n";
    let report = trial.report("curves-by-month", data, months);
    let grid = Grid {
        step: 30.0,
        horizon: 7050.0,
        times: Times::Grid,
    };
    let group = Some(Grouping {
        column: "cohort".into(),
        levels: COHORTS.map(str::to_owned).into(),
    });
    let recipe = KaplanMeier {
        group,
        ..KaplanMeier::new("time_days".into(), "event".into(), grid)
    };
    let Outcome::KaplanMeier(want) = pooled(&Recipe::from(recipe), patients, |p| p.cohort) else {
        unreachable!()
    };
    let test = want.log_rank.expect("two groups");
    close(
        "log-rank",
        &report["log_rank"]["statistic"],
        &test.test.statistic.into(),
    );
    println!(
        "curves-by-month: log-rank {}",
        report["log_rank"]["statistic"]
    );
}

//! Every family of methods through the real system, masked: processes, study files, releases. The
//! figures are those of other programs on one pooled table.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use motet_tests::trial::{Trial, close, is_the_fit, json, reference};
use serde_json::Value;
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const REGIONS: [&str; 6] = ["northeast", "south", "west", "midwest", "europe", "canada"];
const COUNTRIES: [&str; 10] = [
    "BELG", "CZEC", "ITAL", "NETH", "NORW", "POLA", "PORT", "SPAI", "SWED", "SWIT",
];
const HOSPITALS: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];

const REGIONS_OF_EUROPE: [&str; 3] = ["north", "middle", "south"];
const TUMOUR: &str = "features = [\"age_at_index\", \"race_black_or_african_american\", \"race_asian\", \
    \"ajcc_pathologic_m_mx\", \"ajcc_pathologic_stage_stage_iia\", \"ajcc_pathologic_stage_stage_iib\", \
    \"ajcc_pathologic_stage_stage_iiia\", \"ajcc_pathologic_stage_stage_iiic\", \
    \"primary_diagnosis_lobular_carcinoma_nos\", \"prior_malignancy_yes\", \"treatment_or_therapy_yes\"]\n";
const SURVIVAL: &str = "time = \"days\"\nevent = \"death\"\n";
const DAYS: &str = "times = \"exact\"\nstep = 1\nhorizon = 8700\n";

#[test]
fn survival_of_six_regions_is_that_of_one_table() {
    let mut trial = Trial::new(PROGRAM, "breast-tcga", "tcga-brca", &REGIONS);
    // Exact times are each site's own to allow.
    trial.propose(
        "not-allowed",
        &format!("{SURVIVAL}{TUMOUR}"),
        &format!("kind = \"cox\"\n{DAYS}"),
    );
    trial.consortium.wait("it has arrived", |c| {
        c.desk("south", &["study", "show", "not-allowed"]).code == 0
    });
    let card = trial
        .consortium
        .desk("south", &["study", "show", "not-allowed"])
        .done();
    assert!(
        card.contains("ATTENTION: times are taken as they are"),
        "{card}"
    );
    let refused = trial
        .consortium
        .desk("south", &["study", "approve", "not-allowed"]);
    assert!(
        refused.code == 3 && refused.err.contains("exact_times"),
        "{}",
        refused.err
    );
    trial.allow_exact_times();

    let want = reference("breast_tcga_cox");
    let data = format!("{SURVIVAL}{TUMOUR}");
    for (id, options, key) in [
        ("cox-efron", "", "cox_efron"),
        ("cox-breslow", "ties = \"breslow\"\n", "cox_breslow"),
        (
            "cox-by-site",
            "strata = \"site\"\n",
            "cox_efron_stratified_by_site",
        ),
    ] {
        let report = trial.report(id, &data, &format!("kind = \"cox\"\n{DAYS}{options}"));
        is_the_fit(&report, &want[key], "se");
        assert_eq!(
            (report["rows"].as_u64(), report["events"].as_u64()),
            (Some(1088), Some(151))
        );
        let index = &report["metrics"];
        // The reference ranks patients across the sites; within sites there are other pairs.
        if id == "cox-by-site" {
            continue;
        }
        let off = (index["c_index"].as_f64().expect("C")
            - want[key]["cindex"].as_f64().expect("C"))
        .abs();
        assert!(
            off <= index["c_index_error_bound"].as_f64().expect("its bound") + 1e-12,
            "{index}: {off}"
        );
    }
    let recipe = format!("kind = \"km\"\n{DAYS}marks = [257, 456, 850]\ntau = 1686\n");
    let report = trial.report("curve", SURVIVAL, &recipe);
    let curve = &report["curves"][0];
    let pooled = &want["kaplan_meier"]["pooled"];
    for point in pooled["at"].as_array().expect("points").iter().take(3) {
        let points = curve["marks"].as_array().expect("marks");
        let found = points
            .iter()
            .find(|found| found["time"] == point["t"])
            .expect("a point at this time");
        // Steps of few events are joined, and shares told in thousandths.
        let off = |of: &Value| of.as_f64().expect("a share");
        assert!((off(&found["survival"]) - off(&point["S"])).abs() <= 0.0005);
    }
    assert!(curve["rmst"].is_null(), "{curve}");
    assert!(
        trial.pictures("curve").contains(&"survival.svg".to_owned()),
        "{:?}",
        trial.pictures("curve")
    );

    // All 39 columns have no finite estimate: a reason, and no numbers.
    let header = std::fs::read_to_string(demo_file("breast-tcga/canada.csv")).expect("readable");
    let columns = header.lines().next().expect("a header").split(',');
    let columns: Vec<String> = columns
        .filter(|column| !["train", "death", "days"].contains(column))
        .map(|column| format!("\"{column}\""))
        .collect();
    assert_eq!(columns.len(), 39);
    let data = format!("{SURVIVAL}features = [{}]\n", columns.join(", "));
    let shown = ends_without_a_result(&trial, "cox-all", &data, &format!("kind = \"cox\"\n{DAYS}"));
    assert!(
        shown.contains("linear combination") || shown.contains("no finite estimate"),
        "{shown}"
    );
    println!(
        "cox-all: {}",
        shown
            .lines()
            .find(|line| line.contains("column"))
            .unwrap_or_default()
            .trim()
    );
}

/// Runs a study that ends without a result, and what the operator is told.
fn ends_without_a_result(trial: &Trial, id: &str, data: &str, recipe: &str) -> String {
    trial.propose(id, data, recipe);
    trial.start(id);
    trial.consortium.wait("the run has ended", |c| {
        let runs = c.operate(&["run", "list", id]).out;
        assert!(!runs.contains("released"), "{runs}");
        runs.contains("failed")
    });
    let list = json(
        &trial
            .consortium
            .operate(&["run", "list", id, "--json"])
            .done(),
    );
    let run = list["runs"][0]["run"].as_str().expect("its id").to_owned();
    trial.consortium.operate(&["run", "show", &run]).done()
}

/// In which part of Europe a country of the stroke tables lies.
fn region(site: &str) -> &'static str {
    match site {
        "NORW" | "SWED" | "NETH" | "BELG" => "north",
        "ITAL" | "SPAI" | "PORT" => "south",
        _ => "middle",
    }
}

/// The stroke tables with each patient's follow-up and outcome after six months beside, and a schema
/// that knows them.
fn follow_up(folder: &Path) {
    let beside = |name: &str| {
        let path = demo_file(&format!("../../common/recipes/tests/data/{name}.csv"));
        std::fs::read_to_string(path).expect("readable")
    };
    let [days, outcomes] = ["stroke_followup", "stroke_outcome"].map(beside);
    for site in COUNTRIES {
        let table =
            std::fs::read_to_string(demo_file(&format!("stroke/{site}.csv"))).expect("readable");
        let mut beside = days
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{site},")));
        let mut outcomes = outcomes
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{site},")));
        let mut lines = table.lines();
        let mut text = format!(
            "{},region,days,died,occode\n",
            lines.next().expect("a header")
        );
        for line in lines {
            text.push_str(&format!(
                "{line},{},{},{}\n",
                region(site),
                beside.next().expect("as many patients"),
                outcomes.next().expect("as many outcomes")
            ));
        }
        assert!(beside.next().is_none() && outcomes.next().is_none());
        std::fs::write(folder.join(format!("{site}.csv")), text).expect("writable");
    }
    let schema = std::fs::read_to_string(demo_file("stroke/schema.toml")).expect("readable");
    let levels = format!("{COUNTRIES:?}");
    let more = format!(
        "\n[columns.days]\ntype = \"int\"\n\n[columns.died]\ntype = \"bool\"\n\n\
         [columns.occode]\ntype = \"ordered\"\nlevels = [\"1\", \"2\", \"3\", \"4\"]\nmissing = [\"0\", \"9\"]\n\n\
         [columns.country]\ntype = \"category\"\nlevels = {levels}\n\n\
         [columns.region]\ntype = \"category\"\nlevels = {REGIONS_OF_EUROPE:?}\n"
    );
    std::fs::write(folder.join("schema.toml"), schema + &more).expect("writable");
}

#[test]
fn follow_up_of_ten_countries_is_that_of_one_table() {
    let consortium = Consortium::start(PROGRAM);
    let folder = tempfile::tempdir().expect("a folder");
    follow_up(folder.path());
    let mut trial = Trial::with(consortium, folder.path(), "ist", &COUNTRIES);
    trial.allow_exact_times();
    let want = reference("stroke_cox");
    let half_a_year = "times = \"exact\"\nstep = 1\nhorizon = 182\n";
    let data = format!(
        "time = \"days\"\nevent = \"died\"\nfeatures = {}\n",
        want["features"]
    );
    for (id, options, key) in [
        ("stroke-cox", "", "cox_efron"),
        (
            "stroke-by-site",
            "strata = \"site\"\n[evaluation]\ngroups = [\"male\", \"age\"]\ncuts.age = [65, 80]\n",
            "cox_efron_stratified_by_site",
        ),
    ] {
        let report = trial.report(
            id,
            &data,
            &format!("kind = \"cox\"\n{half_a_year}{options}"),
        );
        is_the_fit(&report, &want[key], "se");
        assert_eq!(
            (report["rows"].as_u64(), report["events"].as_u64()),
            (Some(9381), Some(1861))
        );
        if id == "stroke-by-site" {
            let groups = report["subgroups"].as_array().expect("groups");
            let sum = |key: &str| {
                groups
                    .iter()
                    .filter_map(|level| level[key].as_u64())
                    .sum::<u64>()
            };
            assert_eq!((sum("rows"), sum("events")), (2 * 9381, 2 * 1861));
            for level in groups.iter().filter(|level| level["not_shown"].is_null()) {
                let of = |key: &str| level[key].as_f64().expect("a number");
                assert!(
                    0.5 < of("c_index_ci_low") && of("c_index_ci_low") < of("c_index"),
                    "{level}"
                );
                assert!(
                    of("c_index") < of("c_index_ci_high") && of("c_index_ci_high") < 0.9,
                    "{level}"
                );
            }
        }
    }
    outcome_after_six_months(&trial);
    // Each country a group of its own: that is each hospital's curve, and the run ends before
    // anything is added up.
    let data = format!(
        "time = \"days\"\nevent = \"died\"\ngroup = \"country\"\n[data.levels]\ncountry = {COUNTRIES:?}\n"
    );
    let shown = ends_without_a_result(
        &trial,
        "stroke-countries",
        &data,
        &format!("kind = \"km\"\n{half_a_year}"),
    );
    let words = "column `country` has its level `BELG`; column `country` has its level `CZEC`";
    assert!(shown.contains(words), "{shown}");
    // Three of them together are a group.
    let data = format!(
        "time = \"days\"\nevent = \"died\"\ngroup = \"region\"\n[data.levels]\nregion = {REGIONS_OF_EUROPE:?}\n"
    );
    let report = trial.report(
        "stroke-curves",
        &data,
        &format!("kind = \"km\"\n{half_a_year}"),
    );
    let groups = report["log_rank"]["groups"].as_array().expect("groups");
    let observed: f64 = groups
        .iter()
        .filter_map(|group| group["observed"].as_f64())
        .sum();
    assert_eq!((groups.len(), observed), (3, 1861.0));
}

/// Dead, dependent, not recovered, recovered: one odds ratio a column, masked, as of one table.
fn outcome_after_six_months(trial: &Trial) {
    let want = &reference("ordinal")["stroke"];
    let data = format!(
        "outcome = \"occode\"\nfeatures = {}\n[data.levels]\noccode = [\"1\", \"2\", \"3\", \"4\"]\n",
        want["columns"]
    );
    let report = trial.report("stroke-outcome", &data, "kind = \"ordinal\"\n");
    assert_eq!(report["rows"], want["rows"]);
    for (found, estimate, error) in [
        ("coefficients", "coefficients", "se"),
        ("thresholds", "thresholds", "thresholds_se"),
    ] {
        let found = report[found].as_array().expect("a list");
        assert_eq!(
            found.len(),
            want[estimate].as_array().expect("a list").len()
        );
        for (at, found) in found.iter().enumerate() {
            close(estimate, &found["estimate"], &want[estimate][at]);
            close(error, &found["se"], &want[error][at]);
        }
    }
    close("log-likelihood", &report["loglik"], &want["loglik"]);
    let test = &report["proportional_odds"]["global"];
    close("test", &test["statistic"], &want["parallel"]["all"]);
    assert_eq!(test["df"], want["parallel"]["df"]);
    assert_eq!(report["levels"][3]["rows"], want["levels"][3]);
}

/// Columns of the stroke tables, all countries together, and the regions as levels.
fn pooled(columns: &[&str]) -> Vec<Vec<f64>> {
    let mut rows = Vec::new();
    for site in COUNTRIES {
        let table =
            std::fs::read_to_string(demo_file(&format!("stroke/{site}.csv"))).expect("readable");
        let mut lines = table
            .lines()
            .map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().expect("a header");
        let at = |name: &&str| {
            header
                .iter()
                .position(|known| known == name)
                .expect("a column")
        };
        let places: Vec<usize> = columns.iter().map(at).collect();
        for line in lines {
            let numbers = places
                .iter()
                .map(|at| line[*at].parse::<f64>().expect("a number"));
            let levels = REGIONS_OF_EUROPE[1..]
                .iter()
                .map(|level| f64::from(u8::from(*level == region(site))));
            rows.push(numbers.chain(levels).collect());
        }
    }
    rows
}

#[test]
fn a_spline_finds_its_knots_and_each_region_is_a_level() {
    let consortium = Consortium::start(PROGRAM);
    let folder = tempfile::tempdir().expect("a folder");
    follow_up(folder.path());
    let trial = Trial::with(consortium, folder.path(), "ist", &COUNTRIES);
    let data = format!(
        "outcome = \"dead14\"\nfeatures = [\"age\", \"male\", \"sbp\", \"region\"]\n[data.levels]\nregion = {REGIONS_OF_EUROPE:?}\n"
    );
    let formula = "dead14 ~ age + male + ns(sbp, 3) + region";
    let report = trial.report(
        "spline",
        &data,
        &format!("kind = \"logistic\"\nformula = \"{formula}\"\n"),
    );
    let written = report["knots"][0]["r"]
        .as_str()
        .expect("the spline as R writes it");
    println!(
        "spline: {written}, each within {}",
        report["knots"][0]["within"]
    );
    let card =
        std::fs::read_to_string(trial.consortium.path("spline.release/card.md")).expect("readable");
    assert!(card.contains(written), "{card}");

    // One pooled table with these knots, and nothing masked.
    let rows = pooled(&["age", "male", "sbp", "dead14"]);
    let mut pressures: Vec<f64> = rows.iter().map(|row| row[2]).collect();
    pressures.sort_by(f64::total_cmp);
    let knots = [
        &report["knots"][0]["boundary"][0],
        &report["knots"][0]["knots"][1],
    ];
    for (knot, part) in knots.into_iter().zip([0.05, 2.0 / 3.0]) {
        let want = pressures[((pressures.len() - 1) as f64 * part) as usize];
        assert!(
            (knot.as_f64().expect("a knot") - want).abs() <= 0.9,
            "{knot} {want}"
        );
    }
    let levels = || {
        REGIONS_OF_EUROPE[1..]
            .iter()
            .map(|level| format!("region_{level}"))
            .collect()
    };
    let design = motet_recipes::Formula::parse(&formula.replace("ns(sbp, 3)", written))
        .and_then(|f| {
            f.design(|name| {
                Some(if name == "region" {
                    levels()
                } else {
                    vec![name.to_owned()]
                })
            })
        })
        .expect("a formula");
    let order = [0, 1, 2].into_iter().chain(4..6).collect::<Vec<usize>>();
    let x =
        ndarray::Array2::from_shape_fn((rows.len(), 5), |(row, column)| rows[row][order[column]]);
    let y: ndarray::Array1<f64> = rows.iter().map(|row| row[3]).collect();
    let recipe = motet_recipes::Glm::new(design, "dead14".into(), motet_recipes::Family::Logistic);
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed([1; 32]);
    let table = motet_recipes::Rows::new(x.view()).outcome(y.view());
    let want = match motet_recipes::Recipe::from(recipe).alone(&table, &mut rng) {
        Ok(motet_recipes::Outcome::Glm(want)) => want,
        other => unreachable!("{other:?}"),
    };
    assert_eq!((want.rows, want.coefficients.len()), (9381, 1 + 2 + 3 + 2));
    for (found, want) in report["coefficients"]
        .as_array()
        .expect("a list")
        .iter()
        .zip(&want.coefficients)
    {
        close(&want.name, &found["estimate"], &want.estimate.into());
        close(
            &want.name,
            &found["se"],
            &want.uncertainty.as_ref().expect("an error").se.into(),
        );
    }
    close(
        "log-likelihood",
        &report["loglik"],
        &want.loglik.expect("one").into(),
    );
}

#[test]
fn regressions_and_trees_of_ten_countries_are_those_of_one_table() {
    let trial = Trial::new(PROGRAM, "stroke", "ist", &COUNTRIES);
    let want = &reference("glm")["fits"];
    let columns = |fit: &str| -> String {
        let names: Vec<String> = want[fit]["columns"]
            .as_array()
            .expect("a list")
            .iter()
            .map(Value::to_string)
            .collect();
        names.join(", ")
    };
    let data = format!(
        "outcome = \"n_deficits\"\nfeatures = [{}]\n",
        columns("stroke_poisson")
    );
    let report = trial.report("deficits", &data, "kind = \"poisson\"\nerrors = \"hc1\"\n");
    is_the_fit(&report, &want["stroke_poisson"], "hc1");
    let outcome = want["stroke_linear"]["outcome"]
        .as_str()
        .expect("its outcome");
    let data = format!(
        "outcome = \"{outcome}\"\nfeatures = [{}]\n",
        columns("stroke_linear")
    );
    let report = trial.report("pressure", &data, "kind = \"linear\"\n");
    is_the_fit(&report, &want["stroke_linear"], "se");
    close(
        "R squared",
        &report["r_squared"],
        &want["stroke_linear"]["r_squared"],
    );

    let data = "outcome = \"dead14\"\nfeatures = [\"age\", \"male\", \"sbp\", \"drowsy\", \"unconscious\", \"n_deficits\"]\n";
    let file = trial.propose(
        "trees",
        data,
        "kind = \"gbdt\"\ntrees = 6\ndepth = 2\nvalidation = 0.0\n",
    );
    // Before anything is trained, the patients are counted.
    let counting = std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            trial
                .consortium
                .operate(&["study", "feasibility", &file, "--json"])
        });
        trial
            .sites
            .iter()
            .for_each(|site| trial.consortium.approve(site, "trees-count"));
        counting.join().expect("it ends")
    });
    let counted = json(counting.done().lines().last().expect("the report"));
    let total = counted["rows"]["rounded"].as_u64().expect("a count");
    assert!(
        total.is_multiple_of(10) && total.abs_diff(9381) <= 50,
        "{counted}"
    );
    let again = json(
        trial
            .consortium
            .operate(&["study", "feasibility", &file, "--json"])
            .done()
            .lines()
            .last()
            .expect("it"),
    );
    assert_eq!(
        again["rows"], counted["rows"],
        "asked again, the answer is the same one"
    );
    trial.start("trees");
    trial.consortium.wait("the trees are released", |c| {
        c.operate(&["run", "list", "trees"])
            .out
            .contains("released")
    });
    let out = trial.consortium.path("trees.release");
    trial
        .consortium
        .operate(&["release", "get", "trees", "--out", &out])
        .done();
    let report = json(&std::fs::read_to_string(format!("{out}/report.json")).expect("readable"));
    assert!(
        report["metrics"]["auc"].as_f64().expect("an AUC") > 0.7,
        "{}",
        report["metrics"]
    );
}

#[test]
fn averaging_with_control_variates_and_a_verdict_for_each_hospital() {
    let mut trial = Trial::new(PROGRAM, "heart", "heart", &HOSPITALS);
    let data = "outcome = \"y\"\nfeatures = [\"age\", \"sex\", \"trestbps\", \"thalach\", \"exang\", \"oldpeak\"]\n";
    let report = trial.report(
        "scaffold",
        data,
        "kind = \"scaffold\"\nrounds = 6\nlocal_epochs = 2\nbatch = 0\nlr = 0.2\n",
    );
    let losses: Vec<f64> = report["history"]
        .as_array()
        .expect("a history")
        .iter()
        .map(|round| round["loss"].as_f64().expect("a loss"))
        .collect();
    assert!(
        losses.windows(2).all(|pair| pair[1] < pair[0]),
        "{losses:?}"
    );
    let swiss = trial.local("switzerland", "scaffold");
    assert_eq!(swiss["verdict"], "too small to judge", "one class: {swiss}");
    let cleveland = trial.local("cleveland", "scaffold");
    let verdict = cleveland["verdict"].as_str().expect("a verdict");
    assert!(
        ["gains", "harmed", "no clear difference"].contains(&verdict),
        "{verdict}"
    );
    assert!(
        cleveland["comparison"]["local_only"]["brier"]["ci_low"].is_number(),
        "{cleveland}"
    );
    // What a site keeps for itself is gone with the study.
    let kept = std::fs::read_dir(trial.consortium.path("cleveland/memory"))
        .expect("a folder")
        .count();
    assert_eq!(kept, 0);
    let data = "features = [\"age\", \"trestbps\", \"cp\"]\n[data.levels]\ncp = [\"1\", \"2\", \"3\", \"4\"]\n";
    let recipe = "kind = \"summary\"\nedges = { age = { from = 0, to = 120, bins = 24 } }\nquantiles = [0.5]\n";
    let report = trial.report("table", data, recipe);
    assert_eq!(report["variables"][0]["name"], "age");
    trial.consortium.nodes.clear();
}

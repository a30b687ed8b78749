//! Every family of methods through the real system, masked: processes, study files, releases. The figures are those of other
//! programs on one pooled table.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const REGIONS: [&str; 6] = ["northeast", "south", "west", "midwest", "europe", "canada"];
const COUNTRIES: [&str; 10] =
    ["BELG", "CZEC", "ITAL", "NETH", "NORW", "POLA", "PORT", "SPAI", "SWED", "SWIT"];
const HOSPITALS: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];

struct Trial {
    consortium: Consortium,
    sites: Vec<&'static str>,
    dataset: &'static str,
}

impl Trial {
    fn new(scene: &str, dataset: &'static str, sites: &[&'static str]) -> Self {
        Self::with(Consortium::start(PROGRAM), &demo_file(scene), dataset, sites)
    }

    /// With the tables and the schema of a folder.
    fn with(
        mut consortium: Consortium,
        folder: &Path,
        dataset: &'static str,
        sites: &[&'static str],
    ) -> Self {
        let address = consortium.address();
        let schema = folder.join("schema.toml");
        for site in sites {
            let csv = folder.join(format!("{site}.csv"));
            consortium.add_site_behind(site, &address, dataset, &csv, &schema);
            consortium.start_node(site, &[]);
        }
        Self { consortium, sites: sites.to_vec(), dataset }
    }

    /// Lets every site take times as they are, or not.
    fn allow_exact_times(&mut self) {
        for site in self.sites.clone() {
            let settings = self.consortium.path(&format!("{site}/node.toml"));
            let text = std::fs::read_to_string(&settings).expect("join wrote it");
            assert!(text.contains("exact_times = false"), "{text}");
            std::fs::write(&settings, text.replace("exact_times = false", "exact_times = true"))
                .expect("writable");
            self.consortium.kill_node(site);
            self.consortium.start_node(site, &[]);
        }
    }

    fn propose(&self, id: &str, data: &str, recipe: &str) -> String {
        let file = self.consortium.path(&format!("{id}.toml"));
        let text = format!(
            "[study]\nid = \"{id}\"\ntitle = \"{id}\"\nquestion = \"What do all patients together say about it?\"\n\
             purpose = \"53(1)(e)\"\nends = 2099-12-31\n\n[data]\ndataset = \"{}\"\n{data}\n[recipe]\n{recipe}\n\
             [rounds]\njoin = \"60s\"\nshare = \"60s\"\nupload = \"60s\"\nsign = \"60s\"\nreveal = \"60s\"\n",
            self.dataset
        );
        std::fs::write(&file, text).expect("writable");
        self.consortium.operate(&["study", "propose", &file]).done();
        file
    }

    fn start(&self, id: &str) {
        self.sites.iter().for_each(|site| self.consortium.approve(site, id));
        self.consortium.operate(&["run", "start", id]).done();
    }

    /// The report of a study that is proposed, approved, run, fetched and verified.
    fn report(&self, id: &str, data: &str, recipe: &str) -> Value {
        self.propose(id, data, recipe);
        let began = Instant::now();
        self.start(id);
        self.consortium.wait("the run is released", |c| {
            let runs = c.operate(&["run", "list", id]).out;
            assert!(!runs.contains("failed"), "{runs}\n{}", c.logs());
            runs.contains("released")
        });
        let seconds = began.elapsed().as_secs_f64();
        let out = self.consortium.path(&format!("{id}.release"));
        self.consortium.operate(&["release", "get", id, "--out", &out]).done();
        self.consortium.motet(&["release", "verify", &out, "--as", &self.consortium.operator()]).done();
        let report = json(&std::fs::read_to_string(format!("{out}/report.json")).expect("readable"));
        let left = self.consortium.desk(self.sites[0], &["ledger", "show", "--json"]).done();
        let frames = json(&left);
        let frames = frames.as_array().or_else(|| frames.get("frames")?.as_array()).expect("frames").clone();
        let bytes: u64 = frames
            .iter()
            .filter(|frame| frame["study"] == id)
            .filter_map(|frame| frame["bytes"].as_u64())
            .sum();
        println!(
            "{id}: {} rounds, {:.1} kB from one of {} sites, {seconds:.1} s",
            report["rounds"],
            bytes as f64 / 1e3,
            self.sites.len()
        );
        assert_eq!(report["sites"], self.sites.len());
        report
    }

    fn pictures(&self, id: &str) -> Vec<String> {
        let folder = self.consortium.path(&format!("{id}.release"));
        let names = std::fs::read_dir(folder).expect("a folder");
        names
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|n| n.ends_with(".svg"))
            .collect()
    }

    fn local(&self, site: &str, study: &str) -> Value {
        let path = self.consortium.path(&format!("{site}/local/{study}.json"));
        self.consortium.wait("the site's own report is written", |_| std::path::Path::new(&path).exists());
        json(&std::fs::read_to_string(path).expect("readable"))
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

fn reference(name: &str) -> Value {
    let path = demo_file(&format!("../../common/recipes/tests/reference/{name}.json"));
    json(&std::fs::read_to_string(path).expect("readable"))
}

fn close(what: &str, got: &Value, want: &Value) {
    let (got, want) = (got.as_f64().expect(what), want.as_f64().expect(what));
    assert!((got - want).abs() <= 1e-8 * (1.0 + want.abs()), "{what}: {got} instead of {want}");
}

/// Coefficients, standard errors and log-likelihood.
fn is_the_fit(report: &Value, want: &Value, errors: &str) {
    let coefficients = report["coefficients"].as_array().expect("coefficients");
    assert_eq!(coefficients.len(), want["coef"].as_array().expect("a list").len());
    for (at, found) in coefficients.iter().enumerate() {
        close(&format!("coefficient {at}"), &found["estimate"], &want["coef"][at]);
        close(&format!("error {at}"), &found["se"], &want[errors][at]);
    }
    close("log-likelihood", &report["loglik"], &want["loglik"]);
}

const TUMOUR: &str = "features = [\"age_at_index\", \"race_black_or_african_american\", \"race_asian\", \
    \"ajcc_pathologic_m_mx\", \"ajcc_pathologic_stage_stage_iia\", \"ajcc_pathologic_stage_stage_iib\", \
    \"ajcc_pathologic_stage_stage_iiia\", \"ajcc_pathologic_stage_stage_iiic\", \
    \"primary_diagnosis_lobular_carcinoma_nos\", \"prior_malignancy_yes\", \"treatment_or_therapy_yes\"]\n";
const SURVIVAL: &str = "time = \"days\"\nevent = \"death\"\n";
const DAYS: &str = "times = \"exact\"\nstep = 1\nhorizon = 8700\n";

#[test]
fn survival_of_six_regions_is_that_of_one_table() {
    let mut trial = Trial::new("breast-tcga", "tcga-brca", &REGIONS);
    // Exact times are each site's own to allow.
    trial.propose("not-allowed", &format!("{SURVIVAL}{TUMOUR}"), &format!("kind = \"cox\"\n{DAYS}"));
    trial.consortium.wait("it has arrived", |c| c.desk("south", &["study", "show", "not-allowed"]).code == 0);
    let card = trial.consortium.desk("south", &["study", "show", "not-allowed"]).done();
    assert!(card.contains("ATTENTION: times are taken as they are"), "{card}");
    let refused = trial.consortium.desk("south", &["study", "approve", "not-allowed"]);
    assert!(refused.code == 3 && refused.err.contains("exact_times"), "{}", refused.err);
    trial.allow_exact_times();

    let want = reference("breast_tcga_cox");
    let data = format!("{SURVIVAL}{TUMOUR}");
    for (id, options, key) in [
        ("cox-efron", "", "cox_efron"),
        ("cox-breslow", "ties = \"breslow\"\n", "cox_breslow"),
        ("cox-by-site", "strata = \"site\"\n", "cox_efron_stratified_by_site"),
    ] {
        let report = trial.report(id, &data, &format!("kind = \"cox\"\n{DAYS}{options}"));
        is_the_fit(&report, &want[key], "se");
        assert_eq!((report["rows"].as_u64(), report["events"].as_u64()), (Some(1088), Some(151)));
        let index = &report["metrics"];
        // The reference ranks patients across the sites; within sites there are other pairs.
        if id == "cox-by-site" {
            continue;
        }
        let off = (index["c_index"].as_f64().expect("C") - want[key]["cindex"].as_f64().expect("C")).abs();
        assert!(off <= index["c_index_error_bound"].as_f64().expect("its bound") + 1e-12, "{index}: {off}");
    }
    let recipe = format!("kind = \"km\"\n{DAYS}marks = [257, 456, 850]\ntau = 1686\nmin_cell = 0\n");
    let report = trial.report("curve", SURVIVAL, &recipe);
    let curve = &report["curves"][0];
    let pooled = &want["kaplan_meier"]["pooled"];
    for point in pooled["at"].as_array().expect("points").iter().take(3) {
        let points = curve["marks"].as_array().expect("marks");
        let found = points.iter().find(|found| found["time"] == point["t"]).expect("a point at this time");
        close("survival", &found["survival"], &point["S"]);
    }
    close("restricted mean", &curve["rmst"]["mean"], &pooled["rmst"]["value"]);
    assert!(trial.pictures("curve").contains(&"survival.svg".to_owned()), "{:?}", trial.pictures("curve"));

    // All 39 columns have no finite estimate: a reason, and no numbers.
    let header = std::fs::read_to_string(demo_file("breast-tcga/canada.csv")).expect("readable");
    let columns = header.lines().next().expect("a header").split(',');
    let columns: Vec<String> = columns
        .filter(|column| !["train", "death", "days"].contains(column))
        .map(|column| format!("\"{column}\""))
        .collect();
    assert_eq!(columns.len(), 39);
    let data = format!("{SURVIVAL}features = [{}]\n", columns.join(", "));
    trial.propose("cox-all", &data, &format!("kind = \"cox\"\n{DAYS}"));
    trial.start("cox-all");
    trial.consortium.wait("the run has ended", |c| {
        let runs = c.operate(&["run", "list", "cox-all"]).out;
        assert!(!runs.contains("released"), "{runs}");
        runs.contains("failed")
    });
    let list = json(&trial.consortium.operate(&["run", "list", "cox-all", "--json"]).done());
    let run = list["runs"][0]["run"].as_str().expect("its id").to_owned();
    let shown = trial.consortium.operate(&["run", "show", &run]).done();
    assert!(shown.contains("linear combination") || shown.contains("no finite estimate"), "{shown}");
    println!("cox-all: {}", shown.lines().find(|line| line.contains("column")).unwrap_or_default().trim());
}

/// The stroke tables with each patient's follow-up beside, and a schema that knows it.
fn follow_up(folder: &Path) {
    let path = demo_file("../../common/recipes/tests/data/stroke_followup.csv");
    let days = std::fs::read_to_string(path).expect("readable");
    for site in COUNTRIES {
        let table = std::fs::read_to_string(demo_file(&format!("stroke/{site}.csv"))).expect("readable");
        let mut beside = days.lines().filter_map(|line| line.strip_prefix(&format!("{site},")));
        let mut lines = table.lines();
        let mut text = format!("{},days,died\n", lines.next().expect("a header"));
        for line in lines {
            text.push_str(&format!("{line},{}\n", beside.next().expect("as many patients")));
        }
        assert!(beside.next().is_none());
        std::fs::write(folder.join(format!("{site}.csv")), text).expect("writable");
    }
    let schema = std::fs::read_to_string(demo_file("stroke/schema.toml")).expect("readable");
    let levels = format!("{COUNTRIES:?}");
    let more = format!(
        "\n[columns.days]\ntype = \"int\"\n\n[columns.died]\ntype = \"bool\"\n\n\
         [columns.country]\ntype = \"category\"\nlevels = {levels}\n"
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
    let data = format!("time = \"days\"\nevent = \"died\"\nfeatures = {}\n", want["features"]);
    for (id, options, key) in [
        ("stroke-cox", "", "cox_efron"),
        (
            "stroke-by-site",
            "strata = \"site\"\n[evaluation]\ngroups = [\"male\", \"age\"]\ncuts.age = [65, 80]\n",
            "cox_efron_stratified_by_site",
        ),
    ] {
        let report = trial.report(id, &data, &format!("kind = \"cox\"\n{half_a_year}{options}"));
        is_the_fit(&report, &want[key], "se");
        assert_eq!((report["rows"].as_u64(), report["events"].as_u64()), (Some(9381), Some(1861)));
        if id == "stroke-by-site" {
            let groups = report["subgroups"].as_array().expect("groups");
            let sum = |key: &str| groups.iter().filter_map(|level| level[key].as_u64()).sum::<u64>();
            assert_eq!((sum("rows"), sum("events")), (2 * 9381, 2 * 1861));
            for level in groups.iter().filter(|level| level["not_shown"].is_null()) {
                let of = |key: &str| level[key].as_f64().expect("a number");
                assert!(0.5 < of("c_index_ci_low") && of("c_index_ci_low") < of("c_index"), "{level}");
                assert!(of("c_index") < of("c_index_ci_high") && of("c_index_ci_high") < 0.9, "{level}");
            }
        }
    }
    // Each country a group: the card says so, and every site allows it.
    let data = format!(
        "time = \"days\"\nevent = \"died\"\ngroup = \"country\"\n[data.levels]\ncountry = {COUNTRIES:?}\n"
    );
    let report = trial.report("stroke-curves", &data, &format!("kind = \"km\"\n{half_a_year}min_cell = 0\n"));
    let (found, known) = (&report["log_rank"], &want["logrank_by_site"]);
    close("log-rank", &found["statistic"], &known["chi2"]);
    assert_eq!(found["df"], known["df"]);
    close("its p", &found["p"], &known["p"]);
    for (at, group) in found["groups"].as_array().expect("groups").iter().enumerate() {
        close("observed", &group["observed"], &known["observed"][at]);
        close("expected", &group["expected"], &known["expected"][at]);
    }
}

#[test]
fn regressions_and_trees_of_ten_countries_are_those_of_one_table() {
    let trial = Trial::new("stroke", "ist", &COUNTRIES);
    let want = &reference("glm")["fits"];
    let columns = |fit: &str| -> String {
        let names: Vec<String> =
            want[fit]["columns"].as_array().expect("a list").iter().map(Value::to_string).collect();
        names.join(", ")
    };
    let data = format!("outcome = \"n_deficits\"\nfeatures = [{}]\n", columns("stroke_poisson"));
    let report = trial.report("deficits", &data, "kind = \"poisson\"\nerrors = \"hc1\"\n");
    is_the_fit(&report, &want["stroke_poisson"], "hc1");
    let outcome = want["stroke_linear"]["outcome"].as_str().expect("its outcome");
    let data = format!("outcome = \"{outcome}\"\nfeatures = [{}]\n", columns("stroke_linear"));
    let report = trial.report("pressure", &data, "kind = \"linear\"\n");
    is_the_fit(&report, &want["stroke_linear"], "se");
    close("R squared", &report["r_squared"], &want["stroke_linear"]["r_squared"]);

    let data = "outcome = \"dead14\"\nfeatures = [\"age\", \"male\", \"sbp\", \"drowsy\", \"unconscious\", \"n_deficits\"]\n";
    let file = trial.propose("trees", data, "kind = \"gbdt\"\ntrees = 6\ndepth = 2\nvalidation = 0.0\n");
    // Before anything is trained, the patients are counted.
    let counting = std::thread::scope(|scope| {
        let counting = scope.spawn(|| trial.consortium.operate(&["study", "feasibility", &file, "--json"]));
        trial.sites.iter().for_each(|site| trial.consortium.approve(site, "trees-count"));
        counting.join().expect("it ends")
    });
    let counted = json(counting.done().lines().last().expect("the report"));
    let total = counted["rows"]["rounded"].as_u64().expect("a count");
    assert!(total.is_multiple_of(10) && total.abs_diff(9381) <= 50, "{counted}");
    let again = json(
        trial
            .consortium
            .operate(&["study", "feasibility", &file, "--json"])
            .done()
            .lines()
            .last()
            .expect("it"),
    );
    assert_eq!(again["rows"], counted["rows"], "asked again, the answer is the same one");
    trial.start("trees");
    trial
        .consortium
        .wait("the trees are released", |c| c.operate(&["run", "list", "trees"]).out.contains("released"));
    let out = trial.consortium.path("trees.release");
    trial.consortium.operate(&["release", "get", "trees", "--out", &out]).done();
    let report = json(&std::fs::read_to_string(format!("{out}/report.json")).expect("readable"));
    assert!(report["metrics"]["auc"].as_f64().expect("an AUC") > 0.7, "{}", report["metrics"]);
}

#[test]
fn averaging_with_control_variates_and_a_verdict_for_each_hospital() {
    let mut trial = Trial::new("heart", "heart", &HOSPITALS);
    let data =
        "outcome = \"y\"\nfeatures = [\"age\", \"sex\", \"trestbps\", \"thalach\", \"exang\", \"oldpeak\"]\n";
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
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
    let swiss = trial.local("switzerland", "scaffold");
    assert_eq!(swiss["verdict"], "too small to judge", "one class: {swiss}");
    let cleveland = trial.local("cleveland", "scaffold");
    let verdict = cleveland["verdict"].as_str().expect("a verdict");
    assert!(["gains", "harmed", "no clear difference"].contains(&verdict), "{verdict}");
    assert!(cleveland["comparison"]["local_only"]["brier"]["ci_low"].is_number(), "{cleveland}");
    // What a site keeps for itself is gone with the study.
    let kept = std::fs::read_dir(trial.consortium.path("cleveland/memory")).expect("a folder").count();
    assert_eq!(kept, 0);
    let data =
        "features = [\"age\", \"trestbps\", \"cp\"]\n[data.levels]\ncp = [\"1\", \"2\", \"3\", \"4\"]\n";
    let recipe =
        "kind = \"summary\"\nedges = { age = { from = 0, to = 120, bins = 24 } }\nquantiles = [0.5]\n";
    let report = trial.report("table", data, recipe);
    assert_eq!(report["variables"][0]["name"], "age");
    trial.consortium.nodes.clear();
}

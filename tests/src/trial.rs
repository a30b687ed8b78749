//! A trial of methods through the real system, masked: processes, study files, releases. The
//! figures that they are held to are those of other programs on one pooled table.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use crate::consortium::{Consortium, demo_file};
use serde_json::Value;
use std::path::Path;
use std::time::Instant;

/// A consortium whose sites have joined with a table each.
pub struct Trial {
    /// Its processes.
    pub consortium: Consortium,
    /// Its sites.
    pub sites: Vec<&'static str>,
    dataset: &'static str,
}

impl Trial {
    /// With the tables and the schema of a demo.
    pub fn new(program: &str, scene: &str, dataset: &'static str, sites: &[&'static str]) -> Self {
        Self::with(
            Consortium::start(program),
            &demo_file(scene),
            dataset,
            sites,
        )
    }

    /// With the tables and the schema of a folder.
    pub fn with(
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
        Self {
            consortium,
            sites: sites.to_vec(),
            dataset,
        }
    }

    /// Lets every site take times as they are.
    pub fn allow_exact_times(&mut self) {
        for site in self.sites.clone() {
            let settings = self.consortium.path(&format!("{site}/node.toml"));
            let text = std::fs::read_to_string(&settings).expect("join wrote it");
            assert!(text.contains("exact_times = false"), "{text}");
            std::fs::write(
                &settings,
                text.replace("exact_times = false", "exact_times = true"),
            )
            .expect("writable");
            self.consortium.kill_node(site);
            self.consortium.start_node(site, &[]);
        }
    }

    /// Proposes a study and gives its file.
    pub fn propose(&self, id: &str, data: &str, recipe: &str) -> String {
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

    /// Lets every site approve it and starts its run.
    pub fn start(&self, id: &str) {
        self.sites
            .iter()
            .for_each(|site| self.consortium.approve(site, id));
        self.consortium.operate(&["run", "start", id]).done();
    }

    /// The report of a study that is proposed, approved, run, fetched and verified.
    pub fn report(&self, id: &str, data: &str, recipe: &str) -> Value {
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
        self.consortium
            .operate(&["release", "get", id, "--out", &out])
            .done();
        self.consortium
            .motet(&[
                "release",
                "verify",
                &out,
                "--as",
                &self.consortium.operator(),
            ])
            .done();
        let report =
            json(&std::fs::read_to_string(format!("{out}/report.json")).expect("readable"));
        let frames = self.consortium.frames(self.sites[0]);
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

    /// The pictures of a release that was fetched.
    pub fn pictures(&self, id: &str) -> Vec<String> {
        let folder = self.consortium.path(&format!("{id}.release"));
        let names = std::fs::read_dir(folder).expect("a folder");
        names
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|n| n.ends_with(".svg"))
            .collect()
    }

    /// What a site found for itself.
    pub fn local(&self, site: &str, study: &str) -> Value {
        let path = self.consortium.path(&format!("{site}/local/{study}.json"));
        self.consortium
            .wait("the site's own report is written", |_| {
                std::path::Path::new(&path).exists()
            });
        json(&std::fs::read_to_string(path).expect("readable"))
    }
}

/// A JSON text.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

/// The figures of another program.
pub fn reference(name: &str) -> Value {
    let path = demo_file(&format!("../../common/recipes/tests/reference/{name}.json"));
    json(&std::fs::read_to_string(path).expect("readable"))
}

/// Equal within the tolerance of an exact federated fit.
pub fn close(what: &str, got: &Value, want: &Value) {
    let (got, want) = (got.as_f64().expect(what), want.as_f64().expect(what));
    assert!(
        (got - want).abs() <= 1e-8 * (1.0 + want.abs()),
        "{what}: {got} instead of {want}"
    );
}

/// Coefficients, standard errors and log-likelihood.
pub fn is_the_fit(report: &Value, want: &Value, errors: &str) {
    let coefficients = report["coefficients"].as_array().expect("coefficients");
    assert_eq!(
        coefficients.len(),
        want["coef"].as_array().expect("a list").len()
    );
    for (at, found) in coefficients.iter().enumerate() {
        close(
            &format!("coefficient {at}"),
            &found["estimate"],
            &want["coef"][at],
        );
        close(&format!("error {at}"), &found["se"], &want[errors][at]);
    }
    close("log-likelihood", &report["loglik"], &want["loglik"]);
}

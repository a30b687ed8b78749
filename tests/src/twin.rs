//! A second consortium that is the first one, copied: the same keys, rosters and approved studies
//! on another port. What hangs on a study's text, its roster and its data comes out the same in
//! both, whatever happens to one of them.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use crate::consortium::Consortium;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;

impl Consortium {
    /// Ends all processes, and gives a copy of the folder that listens elsewhere. Nothing runs then
    /// in either.
    pub fn twin(&mut self) -> Self {
        self.nodes.clear();
        self.coordinator = None;
        let dir = tempfile::tempdir().expect("a temporary folder");
        copy(self.dir.path(), dir.path());
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a free port").to_string();
        readdress(dir.path(), &self.address(), &address);
        Self {
            program: self.program.clone(),
            dir,
            identity: self.identity.clone(),
            coordinator: None,
            nodes: Vec::new(),
            env: self.env.clone(),
        }
    }

    /// The coordinator and these sites run.
    pub fn start_all(&mut self, sites: &[&str]) {
        self.start_coordinator();
        sites.iter().for_each(|site| self.start_node(site, &[]));
    }

    /// Whether a run of the study is released; a run that failed ends the test.
    pub fn is_released(&self, study: &str) -> bool {
        let runs = self.operate(&["run", "list", study]);
        assert!(
            !runs.out.contains("failed"),
            "{}\n{}",
            runs.out,
            self.logs()
        );
        runs.out.contains("released")
    }

    /// How many sums this site's update went into, each of all `sites` sites and none twice, by the
    /// site's own ledger.
    pub fn contributions(&self, site: &str, sites: usize) -> usize {
        let text = self.desk(site, &["ledger", "verify", "--json"]).done();
        let value: Value = serde_json::from_str(&text).expect("valid JSON");
        let receipts = value
            .get("receipts")
            .and_then(Value::as_array)
            .expect("receipts");
        let released = |receipt: &&Value| {
            receipt
                .get("became")
                .is_some_and(|became| became == "released")
        };
        let place = |receipt: &Value| -> (String, u64) {
            let whole = receipt.get("sites") == Some(&Value::from(sites))
                && receipt.get("own_upload") == Some(&Value::from(true));
            assert!(whole, "{site}: {receipt}");
            let study = receipt
                .get("study")
                .and_then(Value::as_str)
                .expect("a study")
                .to_owned();
            (
                study,
                receipt
                    .get("round")
                    .and_then(Value::as_u64)
                    .expect("a round"),
            )
        };
        let places: Vec<(String, u64)> = receipts.iter().filter(released).map(place).collect();
        let distinct: BTreeSet<&(String, u64)> = places.iter().collect();
        assert_eq!(
            distinct.len(),
            places.len(),
            "{site}: a round counted twice"
        );
        places.len()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    let mode = std::fs::metadata(from).expect("readable").permissions();
    std::fs::set_permissions(to, mode).expect("the owner's own");
    for entry in std::fs::read_dir(from).expect("readable") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("room");
        }
    }
}

/// Writes another address into every file that people write.
fn readdress(folder: &Path, old: &str, new: &str) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            readdress(&path, old, new);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = std::fs::read_to_string(&path).expect("utf-8");
            std::fs::write(&path, text.replace(old, new)).expect("writable");
        }
    }
}

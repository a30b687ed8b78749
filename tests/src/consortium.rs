//! A consortium of real processes for the journeys: one coordinator, several nodes, every step by
//! the commands that people type. Processes are ended by id when the value is dropped.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a step may take before the journey fails; generous, because test machines are slow and
/// shared.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running process that ends with this value.
pub struct Process(pub Child);

impl Process {
    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends it a signal, such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.0.id());
        let sent = Command::new("sh")
            .args(["-c", &line])
            .status()
            .expect("a shell");
        assert!(sent.success(), "{line}");
    }

    /// Asks it to end, as a service manager does, and gives its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.0.wait().expect("a child").code()
    }

    /// Waits until it has ended by itself; false after a limit that only bounds a hang.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while start.elapsed() < limit {
            if self.0.try_wait().expect("a child").is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One coordinator and its sites in a temporary folder.
pub struct Consortium {
    /// The program under test.
    pub program: PathBuf,
    /// Everything lies here.
    pub dir: tempfile::TempDir,
    /// The coordinator, while it runs.
    pub coordinator: Option<Process>,
    /// The nodes that run, by name.
    pub nodes: Vec<(String, Process)>,
    /// Extra environment of every process started.
    pub env: Vec<(String, String)>,
    /// The operator's identity folder, in `dir`.
    pub identity: String,
}

/// What a command printed and how it ended.
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Said {
    /// The output of a command that must succeed.
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "out:\n{}\nerr:\n{}", self.out, self.err);
        self.out
    }

    /// The standard error of a command that must be refused with this stable code.
    pub fn refused(self, code: &str) -> String {
        assert_eq!(self.code, 3, "out:\n{}\nerr:\n{}", self.out, self.err);
        assert!(self.err.contains(code), "`{code}` is not in:\n{}", self.err);
        self.err
    }
}

impl Consortium {
    /// `motet init`, then the coordinator.
    pub fn start(program: &str) -> Self {
        Self::begin(program, "hub/operator", &[], |_| {})
    }

    /// The same with the operator's folder beside the coordinator's and the governance key in a
    /// third, sealed.
    pub fn start_apart(program: &str, passphrase: &str) -> Self {
        let files = [
            ("--operator", "op"),
            ("--governance", "stick"),
            ("--governance-passphrase-file", "phrase"),
        ];
        Self::begin(program, "op", &files, |c| {
            let line = format!("{passphrase}\n");
            motet_proto::keyfile::write_new_secret(Path::new(&c.path("phrase")), line.as_bytes())
                .expect("writable");
        })
    }

    fn begin(
        program: &str,
        identity: &str,
        files: &[(&str, &str)],
        prepare: impl FnOnce(&Self),
    ) -> Self {
        let mut consortium = Self {
            program: PathBuf::from(program),
            dir: tempfile::tempdir().expect("a temporary folder"),
            coordinator: None,
            nodes: Vec::new(),
            env: Vec::new(),
            identity: identity.to_owned(),
        };
        prepare(&consortium);
        let hub = consortium.path("hub");
        let more: Vec<String> = files
            .iter()
            .flat_map(|(flag, name)| [(*flag).to_owned(), consortium.path(name)])
            .collect();
        let mut line = vec!["init", &hub, "--name", "trial", "--country", "NL"];
        line.extend(more.iter().map(String::as_str));
        consortium.motet(&line).done();
        let config = format!("{hub}/coordinator.toml");
        let text = std::fs::read_to_string(&config).expect("init wrote it");
        let quick: String = text
            .lines()
            .filter(|line| !line.starts_with("lease"))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&config, format!("{quick}lease = \"1s\"\n")).expect("writable");
        consortium.start_coordinator();
        consortium
    }

    /// A path inside the consortium's folder, as text.
    pub fn path(&self, name: &str) -> String {
        self.dir
            .path()
            .join(name)
            .to_str()
            .expect("utf-8")
            .to_owned()
    }

    /// Starts the coordinator and waits until it answers.
    pub fn start_coordinator(&mut self) {
        self.start_coordinator_with(&[]);
    }

    /// Starts the coordinator with more arguments and does not wait.
    pub fn spawn_coordinator(&mut self, extra: &[&str]) {
        let config = self.path("hub/coordinator.toml");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("coordinator.log"))
            .expect("log");
        let args = [&["coordinator", "--config", &config], extra].concat();
        let child = self
            .command(&args)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.coordinator = Some(Process(child.expect("the program starts")));
    }

    /// Starts the coordinator with more arguments and waits until it answers, or has ended.
    pub fn start_coordinator_with(&mut self, extra: &[&str]) {
        self.spawn_coordinator(extra);
        let start = Instant::now();
        while self.motet(&["site", "list", "--as", &self.operator()]).code != 0 {
            let ended = self
                .coordinator
                .as_mut()
                .is_some_and(|c| c.0.try_wait().ok().flatten().is_some());
            if ended && !extra.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the coordinator does not answer\n{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The operator's identity folder.
    pub fn operator(&self) -> String {
        self.path(&self.identity)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .stdin(Stdio::null())
            .env_remove("MOTET_IDENTITY");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub fn motet(&self, args: &[&str]) -> Said {
        self.command(args)
            .output()
            .expect("the program starts")
            .into()
    }

    /// Runs an operator's command to its end.
    pub fn operate(&self, args: &[&str]) -> Said {
        let operator = self.operator();
        self.motet(&[args, &["--as", &operator]].concat())
    }

    /// Runs a command of a site's desk to its end.
    pub fn desk(&self, site: &str, args: &[&str]) -> Said {
        let dir = self.path(site);
        self.motet(&[&["node"], args, &["--dir", &dir]].concat())
    }

    /// An invitation's join code.
    pub fn invite(&self, site: &str, country: &str) -> String {
        let said = self
            .operate(&["site", "invite", site, "--country", country])
            .done();
        said.lines().last().expect("the code").to_owned()
    }

    /// This site approves studies that go on without a site that is lost: see [`going_on`].
    pub fn let_one_leave(&self, site: &str) {
        let settings = self.path(&format!("{site}/node.toml"));
        let text = std::fs::read_to_string(&settings).expect("join wrote it");
        let let_go = text.replace("\nmax_set_change = 0", "\nmax_set_change = 1");
        assert_ne!(text, let_go, "the sample has the line");
        std::fs::write(&settings, let_go).expect("writable");
    }

    /// Invites a site, joins it, gives it a dataset, and starts its node.
    pub fn add_site(
        &mut self,
        site: &str,
        country: &str,
        dataset: &str,
        csv: &Path,
        schema: &Path,
    ) {
        let code = self.invite(site, country);
        self.desk(site, &["join", &code]).done();
        self.let_one_leave(site);
        let (csv, schema) = (
            csv.to_str().expect("utf-8"),
            schema.to_str().expect("utf-8"),
        );
        self.desk(
            site,
            &["data", "add", dataset, "--csv", csv, "--schema", schema],
        )
        .done();
        self.start_node(site, &[]);
    }

    /// Makes the coordinator wait this long for a process that comes back.
    pub fn set_lease(&mut self, lease: &str) {
        let config = self.path("hub/coordinator.toml");
        let text = std::fs::read_to_string(&config).expect("init wrote it");
        let rest: String = text
            .lines()
            .filter(|line| !line.starts_with("lease"))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&config, format!("{rest}lease = \"{lease}\"\n")).expect("writable");
        self.coordinator = None;
        self.start_coordinator();
    }

    /// Where the coordinator listens.
    pub fn address(&self) -> String {
        let text =
            std::fs::read_to_string(self.path("hub/coordinator.toml")).expect("init wrote it");
        let line = text
            .lines()
            .find(|line| line.starts_with("listen"))
            .expect("where it listens");
        line.split('"').nth(1).expect("an address").to_owned()
    }

    /// Invites a site, joins it, gives it a dataset; its node will dial `address` and does not run
    /// yet.
    pub fn add_site_behind(
        &mut self,
        site: &str,
        address: &str,
        dataset: &str,
        csv: &Path,
        schema: &Path,
    ) {
        let code = self.invite(site, "NL");
        self.desk(site, &["join", &code]).done();
        self.let_one_leave(site);
        let (csv, schema) = (
            csv.to_str().expect("utf-8"),
            schema.to_str().expect("utf-8"),
        );
        self.desk(
            site,
            &["data", "add", dataset, "--csv", csv, "--schema", schema],
        )
        .done();
        let settings = self.path(&format!("{site}/node.toml"));
        let text = std::fs::read_to_string(&settings).expect("join wrote it");
        let direct = self.address();
        assert!(text.contains(&direct), "{text}");
        std::fs::write(&settings, text.replace(&direct, address)).expect("writable");
    }

    /// Starts a site's node.
    pub fn start_node(&mut self, site: &str, extra: &[&str]) {
        self.start_node_under(&[], site, extra);
    }

    /// Starts a site's node under another command, such as one that puts it into a network of its
    /// own.
    pub fn start_node_under(&mut self, outer: &[&str], site: &str, extra: &[&str]) {
        let dir = self.path(site);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path(&format!("{site}.log")))
            .expect("log");
        let errors = log.try_clone().expect("log");
        let own = [&["node", "run", "--dir", &dir], extra].concat();
        let mut command = match outer.split_first() {
            None => self.command(&own),
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command
                    .args(rest)
                    .arg(&self.program)
                    .args(&own)
                    .stdin(Stdio::null());
                command
            }
        };
        let child = command.stdout(log).stderr(errors).spawn();
        self.nodes
            .push((site.to_owned(), Process(child.expect("the program starts"))));
    }

    /// Ends a site's node as a power cut would.
    pub fn kill_node(&mut self, site: &str) {
        self.nodes.retain(|(name, _)| name != site);
    }

    /// A site's node, which runs.
    pub fn node(&mut self, site: &str) -> &mut Process {
        let found = self.nodes.iter_mut().find(|(name, _)| name == site);
        found.map(|(_, process)| process).expect("it runs")
    }

    /// The coordinator, which runs.
    pub fn hub(&mut self) -> &mut Process {
        self.coordinator.as_mut().expect("it runs")
    }

    /// Waits until something holds.
    pub fn wait(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain until {what}\n{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Approves a study at a site as soon as it has arrived there.
    pub fn approve(&self, site: &str, study: &str) {
        self.wait("the study has arrived", |c| {
            c.desk(site, &["study", "show", study]).code == 0
        });
        self.desk(site, &["study", "approve", study]).done();
    }

    /// The same with the word that lets its sums differ from those of another study over the same
    /// data by the sites that the card names, and by those that may stay `away`.
    pub fn approve_again(&self, site: &str, study: &str, away: &str) {
        self.wait("the study has arrived", |c| {
            c.desk(site, &["study", "show", study]).code == 0
        });
        let again = if away.is_empty() {
            "--again".to_owned()
        } else {
            format!("--again={away}")
        };
        self.desk(site, &["study", "approve", study, &again]).done();
    }

    /// Proposes the heart study under a name of its own, with phases long enough for a process to
    /// come back, and lets these sites approve it.
    pub fn propose_patient(&self, name: &str, sites: &[&str]) {
        let file = self.path(&format!("{name}.toml"));
        let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).expect("readable");
        let patient = ["join", "share", "sign", "reveal"]
            .into_iter()
            .fold(text, |text, phase| {
                text.replace(
                    &format!("\n{phase} = \"10s\""),
                    &format!("\n{phase} = \"60s\""),
                )
            });
        std::fs::write(&file, patient.replace("heart-disease", name)).expect("writable");
        self.operate(&["study", "propose", &file]).done();
        sites.iter().for_each(|site| self.approve(site, name));
    }

    /// What has left a site, frame by frame, by its own ledger.
    pub fn frames(&self, site: &str) -> Vec<Value> {
        let text = self.desk(site, &["ledger", "show", "--json"]).done();
        let value: Value = serde_json::from_str(&text).expect("valid JSON");
        let frames = value.as_array().or_else(|| value.get("frames")?.as_array());
        frames.expect("a list of frames").clone()
    }

    /// The report of a study that is released, without what names study and run or tells the time:
    /// what an undisturbed run gives too.
    pub fn figures(&self, study: &str) -> Value {
        let out = self.path(&format!("{study}.release"));
        self.operate(&["release", "get", study, "--out", &out])
            .done();
        let text = std::fs::read_to_string(format!("{out}/report.json")).expect("readable");
        std::fs::remove_dir_all(out).expect("removable");
        let mut report: Value = serde_json::from_str(&text).expect("valid JSON");
        let names_and_times = [
            "study",
            "study_digest",
            "run",
            "started",
            "finished",
            "created",
        ];
        report
            .as_object_mut()
            .expect("an object")
            .retain(|key, _| !names_and_times.contains(&key.as_str()));
        report
    }

    /// What every process has written to its log, for a failing journey.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        let mut paths: Vec<PathBuf> = std::fs::read_dir(self.dir.path())
            .expect("readable")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        paths.sort();
        for path in paths
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        {
            let log = std::fs::read_to_string(path).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            text.push_str(&format!("--- {}\n", path.display()));
            tail.iter()
                .rev()
                .for_each(|line| text.push_str(&format!("{line}\n")));
        }
        text
    }
}

/// The text of a study of the demo that goes on without a site that is lost.
pub fn going_on(name: &str) -> String {
    let text = std::fs::read_to_string(demo_file(name)).expect("readable");
    let going_on = text.replace("on_site_loss = \"pause\"", "on_site_loss = \"continue\"");
    assert_ne!(
        text, going_on,
        "the study says what it does when it loses a site"
    );
    going_on
}

/// A file of the demo's data, which the journeys use too.
pub fn demo_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../cli/demo")
        .join(name)
}

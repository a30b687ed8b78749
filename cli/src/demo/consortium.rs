//! A consortium on this machine: one coordinator and one node a site, each a process of its own,
//! joined, approved and run by the very commands that a consortium types.

use super::data::{Data, Site};
use super::process::{Process, run, words};
use crate::args::Init;
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity};
use crate::loss::Loss;
use motet_common::enrol::Role;
use motet_common::study::Study;
use motet_proto::v1;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long a process may take to be ready; a slow laptop takes two seconds.
const READY: Duration = Duration::from_secs(60);

/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// A hospital of the demo.
pub(crate) struct Member {
    /// Which.
    pub(crate) site: Site,
    /// Its node's folder.
    pub(crate) dir: PathBuf,
    /// Its node.
    pub(crate) process: Process,
}

impl Member {
    /// What its node writes for its own steward about a study.
    pub(crate) fn report(&self, study: &Study) -> PathBuf {
        self.dir.join("local").join(format!("{}.json", study.id))
    }
}

/// Everything that runs. Dropping it ends every process.
pub(crate) struct Consortium {
    /// The operator.
    pub(crate) identity: Identity,
    /// Our line to the coordinator.
    pub(crate) desk: Desk,
    /// The daemon of the consortium.
    pub(crate) coordinator: Process,
    /// The hospitals.
    pub(crate) members: Vec<Member>,
    program: PathBuf,
}

impl Consortium {
    /// Makes keys, starts the coordinator, and lets every site join, map its data, which lies in
    /// `dir`/extracts, and start its node.
    ///
    /// # Errors
    /// The first command that fails, with its own words.
    pub(crate) async fn start(dir: &Path, data: &'static Data, losses: &[Loss]) -> Done<Self> {
        let program =
            std::env::current_exe().map_err(Failure::io("find", Path::new("this program")))?;
        let home = dir.join("consortium");
        let made = crate::init::make(&Init {
            dir: home.clone(),
            name: format!("Motet demo: {}", data.title),
            country: "NL".to_owned(),
            min_sites: 3,
            listen: None,
            address: None,
            operator: None,
            governance: None,
            governance_passphrase_file: None,
        })
        .await?;
        shorten_lease(Path::new(&made.config))?;
        let args = words!["coordinator", "--config", &made.config];
        let mut coordinator = Process::start(&program, &args, &dir.join("coordinator.log"))?;
        let identity = Identity::open(Some(&made.operator))?;
        let mut desk = reach(&identity, &mut coordinator).await?;
        let members = join_all(&program, dir, data, losses, &identity, &mut desk).await?;
        let mut consortium = Self {
            identity,
            desk,
            coordinator,
            members,
            program,
        };
        consortium.all_connected().await?;
        Ok(consortium)
    }

    /// Proposes a study and lets every steward approve it, also where its sums and those of the
    /// study before differ by these hospitals.
    ///
    /// # Errors
    /// A proof that does not hold, a study that cannot run, a steward's command that fails.
    pub(crate) async fn agree(&mut self, text: &str, lost: &[&str]) -> Done<Study> {
        let study = Study::parse(text).map_err(|error| Failure::failed(error.to_string(), ""))?;
        crate::propose::submit(&self.identity, &mut self.desk, text, &study).await?;
        let mut decisions = JoinSet::new();
        let again = (!lost.is_empty()).then(|| format!("--again={}", lost.join(",")));
        for member in &self.members {
            let program = self.program.clone();
            let dir = member.dir.clone();
            let id = study.id.clone();
            let again = again.clone();
            decisions.spawn(async move { approve(&program, &dir, &id, again).await });
        }
        all(decisions).await?;
        self.all_approved(&study.id).await?;
        Ok(study)
    }

    fn member(&mut self, at: usize) -> Done<&mut Member> {
        let member = self.members.get_mut(at);
        member.ok_or_else(|| Failure::failed(format!("there is no site {at}"), ""))
    }

    /// Lets a site's node dial another address from now on.
    ///
    /// # Errors
    /// When its settings cannot be changed, or it does not start again.
    pub(crate) async fn reroute(&mut self, at: usize, address: &str) -> Done {
        let member = self.member(at)?;
        member.process.stop();
        let dir = member.dir.clone();
        let settings = dir.join("node.toml");
        let text = std::fs::read_to_string(&settings).map_err(Failure::io("read", &settings))?;
        let text = text.replace(&self.identity.card.address, address);
        std::fs::write(&settings, text).map_err(Failure::io("write", &settings))?;
        // The old line must be known to be gone, or it would be taken for the new one.
        let began = Instant::now();
        while self.away().await?.is_empty() && began.elapsed() < READY {
            tokio::time::sleep(LOOK).await;
        }
        let args = words!["node", "run", "--dir", &dir];
        let process = Process::start(&self.program, &args, &dir.join("rerouted.log"))?;
        self.member(at)?.process = process;
        self.all_connected().await
    }

    /// Waits until every steward's decision has reached the coordinator.
    async fn all_approved(&mut self, id: &str) -> Done {
        let began = Instant::now();
        loop {
            let studies = self
                .desk
                .list_studies(v1::ListStudiesRequest { id: id.to_owned() })
                .await?
                .into_inner()
                .studies;
            let sites = studies.iter().flat_map(|study| &study.sites);
            let silent: Vec<&str> = sites
                .filter(|site| site.decision() != v1::StewardDecision::Approved)
                .map(|site| site.site.as_str())
                .collect();
            if silent.is_empty() {
                return Ok(());
            }
            if began.elapsed() > READY {
                let what = format!(
                    "approvals of `{id}` that did not arrive within {} s: {}",
                    READY.as_secs(),
                    silent.join(", ")
                );
                return Err(Failure::failed(
                    what,
                    "the logs lie in the demo's folder, under consortium/",
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The sites whose line does not stand.
    async fn away(&mut self) -> Done<Vec<String>> {
        let members = self
            .desk
            .list_members(v1::ListMembersRequest {})
            .await?
            .into_inner()
            .members;
        Ok(members
            .into_iter()
            .filter(|member| member.role() == v1::MemberRole::Site && !member.connected)
            .map(|member| member.name)
            .collect())
    }

    /// Waits until every node's line stands.
    async fn all_connected(&mut self) -> Done {
        let began = Instant::now();
        loop {
            let away = self.away().await?;
            if away.is_empty() {
                return Ok(());
            }
            for member in &mut self.members {
                if member.process.is_over() {
                    let what = format!(
                        "the node of {} did not start; {}",
                        member.site.name,
                        member.process.last_words()
                    );
                    return Err(Failure::failed(
                        what,
                        "the logs lie in the demo's folder, under consortium/",
                    ));
                }
            }
            if began.elapsed() > READY {
                let what = format!(
                    "not connected after {} s: {}",
                    READY.as_secs(),
                    away.join(", ")
                );
                return Err(Failure::failed(
                    what,
                    "the logs lie in the demo's folder, under consortium/",
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until every node that lives has written its own report of a study; it fits its own
    /// rows for it.
    pub(crate) async fn own_reports(&mut self, study: &Study) {
        let began = Instant::now();
        let mut missing =
            |member: &mut Member| !member.report(study).exists() && !member.process.is_over();
        while self.members.iter_mut().any(&mut missing) && began.elapsed() < READY {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The program's own file, for the commands that check the releases.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Ends every process.
    pub(crate) fn stop(&mut self) {
        self.members
            .iter_mut()
            .for_each(|member| member.process.stop());
        self.coordinator.stop();
    }
}

/// Waits for the coordinator to answer.
async fn reach(identity: &Identity, coordinator: &mut Process) -> Done<Desk> {
    let began = Instant::now();
    loop {
        let failure = match identity.desk().await {
            Ok(mut desk) => match desk.about(v1::AboutRequest {}).await {
                Ok(_) => return Ok(desk),
                Err(status) => status.into(),
            },
            Err(failure) => failure,
        };
        if coordinator.is_over() {
            let what = format!(
                "the coordinator did not start; {}",
                coordinator.last_words()
            );
            return Err(Failure::failed(
                what,
                "the logs lie in the demo's folder, under consortium/",
            ));
        }
        if began.elapsed() > READY {
            return Err(failure);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn join_all(
    program: &Path,
    dir: &Path,
    data: &'static Data,
    losses: &[Loss],
    identity: &Identity,
    desk: &mut Desk,
) -> Done<Vec<Member>> {
    let mut joining = JoinSet::new();
    for site in data.sites {
        let invited =
            crate::members::invite(identity, desk, site.name, site.country, Role::Site, 1).await?;
        let loss = losses
            .iter()
            .find(|loss| loss.site == site.name)
            .map(Loss::drill);
        let program = program.to_owned();
        let dir = dir.to_owned();
        let site = *site;
        joining.spawn(async move { join(&program, &dir, site, data, invited.code, loss).await });
    }
    let mut members = all(joining).await?;
    members.sort_by_key(|member| member.site.name);
    Ok(members)
}

/// What a hospital writes that approves a study which goes on without a site that is lost, and
/// times on a fine grid where the studies over its data need it.
fn allow(settings: &Path, data: &Data) -> Done {
    let text = std::fs::read_to_string(settings).map_err(Failure::io("read", settings))?;
    let mut text = text.replace("\nmax_set_change = 0", "\nmax_set_change = 1");
    if data.exact_times {
        text = text.replace("\nexact_times = false", "\nexact_times = true");
    }
    std::fs::write(settings, text).map_err(Failure::io("write", settings))
}

/// What a hospital types, in its order: join, data add, run.
async fn join(
    program: &Path,
    dir: &Path,
    site: Site,
    data: &'static Data,
    code: String,
    loss: Option<String>,
) -> Done<Member> {
    let home = dir.join("nodes").join(site.name);
    let csv = dir.join("extracts").join(format!("{}.csv", site.name));
    let schema = dir.join("extracts/schema.toml");
    run(program, words!["node", "join", "-", "--dir", &home], &code).await?;
    allow(&home.join("node.toml"), data)?;
    run(
        program,
        words![
            "node",
            "data",
            "add",
            data.dataset,
            "--csv",
            csv,
            "--schema",
            schema,
            "--dir",
            &home
        ],
        "",
    )
    .await?;
    let mut args = words!["node", "run", "--dir", &home];
    args.extend(loss.into_iter().flat_map(|loss| words!["--drill", loss]));
    let process = Process::start(program, &args, &dir.join(format!("{}.log", site.name)))?;
    Ok(Member {
        site,
        dir: home,
        process,
    })
}

/// A steward's approval of what the card shows, as soon as the proposal has arrived at the node.
async fn approve(program: &Path, dir: &Path, id: &str, again: Option<String>) -> Done {
    let began = Instant::now();
    let mut command = words!["node", "study", "approve", id, "--dir", dir];
    command.extend(again.map(Into::into));
    loop {
        match run(
            program,
            words!["node", "study", "show", id, "--dir", dir],
            "",
        )
        .await
        {
            Ok(_) => break,
            Err(failure)
                if began.elapsed() > READY || !failure.to_string().contains("study_unknown") =>
            {
                return Err(failure);
            }
            Err(_) => tokio::time::sleep(4 * LOOK).await,
        }
    }
    run(program, command, "").await.map(drop)
}

/// Everything that was begun, or the first failure.
async fn all<T: 'static>(mut tasks: JoinSet<Done<T>>) -> Done<Vec<T>> {
    let mut done = Vec::new();
    while let Some(task) = tasks.join_next().await {
        done.push(task.map_err(|error| Failure::failed(error.to_string(), ""))??);
    }
    Ok(done)
}

/// Between processes of one machine a broken connection is a dead process: nobody needs to be
/// waited for.
fn shorten_lease(config: &Path) -> Done {
    let text = std::fs::read_to_string(config).map_err(Failure::io("read", config))?;
    let others: String = text
        .lines()
        .filter(|line| !line.starts_with("lease"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(config, format!("{others}lease = \"2s\"\n"))
        .map_err(Failure::io("write", config))
}

//! The command line as clap sees it: every command, every flag, and the help that explains them.

pub mod bench;
mod demo;
mod members;

use clap::{Args, Parser, Subcommand};
pub use demo::{Demo, Scene};
pub use members::{InvitePerson, InviteSite, JoinPerson, Person, PersonRole, Remove, Site};
use motet_coordinator::drill::Drill;
use std::path::PathBuf;

/// Motet: hospitals compute together, patients' rows stay where they are.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused (with a stable code on standard error and
/// in --json).
#[derive(Parser)]
#[command(
    name = "motet",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Motet {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Make a consortium: keys, authority, configuration, and the operator's identity
    Init(Init),
    /// Run the consortium's coordinator
    Coordinator(Coordinator),
    /// A hospital's node (the same commands as the program motet-node)
    Node(Box<motet_node::cli::NodeArgs>),
    /// Invite, list and remove sites
    #[command(subcommand)]
    Site(Site),
    /// Invite, list and remove operators and researchers, or join as one
    #[command(subcommand)]
    Person(Person),
    /// What datasets there are
    #[command(subcommand)]
    Data(Data),
    /// Propose, check, list and withdraw studies
    #[command(subcommand)]
    Study(Study),
    /// Start and follow runs
    #[command(subcommand)]
    Run(Run),
    /// Fetch and verify results
    #[command(subcommand)]
    Release(Release),
    /// Check and export the consortium's ledger
    #[command(subcommand)]
    Ledger(Ledger),
    /// Copy the coordinator's state while it runs, check such a copy, put it back
    #[command(subcommand)]
    Backup(Backup),
    /// A whole consortium on this machine, on real data, in front of your eyes
    Demo(Demo),
    /// What this machine's processes need for it
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// Who calls: the folder made by `motet init` (DIR/operator) or by `motet person join`.
#[derive(Args, Clone)]
pub struct As {
    /// Identity folder; without it, MOTET_IDENTITY, else the platform's configuration folder
    #[arg(
        long = "as",
        value_name = "DIR",
        env = "MOTET_IDENTITY",
        hide_env_values = true
    )]
    pub identity: Option<PathBuf>,
}

/// Who calls, and for whom the answer is.
#[derive(Args, Clone)]
pub struct Read {
    #[command(flatten)]
    pub who: As,
    /// Print one JSON value with the same facts instead of text
    #[arg(long)]
    pub json: bool,
}

/// For commands that the governance key signs.
#[derive(Args, Clone, Default)]
pub struct Govern {
    /// File whose one line is the passphrase of the governance key: readable by you alone (mode
    /// 0600), a pipe, or `-` for standard input; without it the terminal asks, where the key has
    /// one
    #[arg(
        long,
        value_name = "FILE",
        env = "MOTET_GOVERNANCE_PASSPHRASE_FILE",
        hide_env_values = true
    )]
    pub governance_passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub struct Init {
    /// Folder to make, the coordinator's; a folder that holds anything is refused
    pub dir: PathBuf,
    /// Folder to make for the operator: identity, governance key, secrets of invitations. The
    /// coordinator never reads it: it belongs on another machine; without this, DIR/operator
    #[arg(long, value_name = "DIR")]
    pub operator: Option<PathBuf>,
    /// Folder of its own for the governance key, such as a medium that is plugged in for a proposal
    /// only
    #[arg(long, value_name = "DIR")]
    pub governance: Option<PathBuf>,
    /// File whose one line is a passphrase: the governance key is sealed under it. Readable by you
    /// alone (mode 0600), a pipe, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub governance_passphrase_file: Option<PathBuf>,
    /// Name of the consortium, as stewards will read it
    #[arg(long)]
    pub name: String,
    /// Country of the coordinator and the operator: two capital letters
    #[arg(long, value_name = "CC")]
    pub country: String,
    /// Fewest sites in any sum, whatever a study asks for
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=250))]
    pub min_sites: u32,
    /// Address to listen on, HOST:PORT; without it a free port of this machine only
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Address that nodes dial, HOST:PORT, when it differs from --listen (a public name, 0.0.0.0, a
    /// gateway)
    #[arg(long, value_name = "ADDR")]
    pub address: Option<String>,
}

#[derive(Args)]
pub struct Coordinator {
    /// The coordinator.toml that `motet init` wrote
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A rehearsal: the process ends itself at ROUND:ENTRY
    #[arg(long, hide = true)]
    pub drill: Option<Drill>,
}

#[derive(Subcommand)]
pub enum Data {
    /// Datasets that the sites' stewards tell of, so that a study is drafted without guessing:
    /// columns with type, unit, declared range, and levels and years where they are told
    Catalogue(Catalogue),
}

#[derive(Args)]
pub struct Catalogue {
    /// Of this site only
    #[arg(long, value_name = "SITE")]
    pub site: Option<String>,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Subcommand)]
pub enum Study {
    /// Propose a study: checks it, verifies every site's keys, signs the roster
    Propose(ProposeStudy),
    /// Check a study file: survivors, quorum, and what stewards will ask about
    Lint(LintStudy),
    /// How many patients a study would have: rounded counts, suppressed at the sites, before
    /// anything is trained
    Feasibility(Feasibility),
    /// Studies and how many sites have approved
    List(Read),
    /// One study: its roster and every site's decision
    Show(Named),
    /// Withdraw a study: no run of it starts or goes on
    Withdraw(NamedWrite),
}

#[derive(Args)]
pub struct ProposeStudy {
    /// The study file
    pub file: PathBuf,
    #[command(flatten)]
    pub govern: Govern,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct Feasibility {
    /// The study file whose patients are counted
    pub file: PathBuf,
    /// Each site rounds its count to a multiple of this
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub multiple: u32,
    /// Count without the sites whose stewards have not decided, once enough have approved
    #[arg(long)]
    pub without_undecided: bool,
    #[command(flatten)]
    pub govern: Govern,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct LintStudy {
    /// The study file
    pub file: PathBuf,
    /// Check for this many enrolled sites instead of asking the coordinator
    #[arg(long, value_name = "N")]
    pub sites: Option<usize>,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct Named {
    /// Its id; of a run, the first digits are enough
    pub id: String,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct NamedRun {
    /// The first digits of its id, or the id of a study, which stands for its latest run
    #[arg(value_name = "RUN|STUDY")]
    pub id: String,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct NamedWrite {
    /// Its id; of a run, the first digits are enough
    pub id: String,
    #[command(flatten)]
    pub who: As,
}

#[derive(Subcommand)]
pub enum Run {
    /// Start a run of a study
    Start(StartRun),
    /// Follow a run to its end
    Watch(NamedRun),
    /// Runs, latest first
    List(ListRuns),
    /// Why a run stands where it stands, and what to do
    Show(NamedRun),
    /// Give a run up
    Abandon(NamedWrite),
}

#[derive(Args)]
pub struct StartRun {
    /// Id of the study
    pub study: String,
    /// Follow it to the release, waiting for approvals on the way
    #[arg(long)]
    pub wait: bool,
    /// Begin without the sites whose stewards have not decided, and without approved ones that are
    /// still away when the study's `join` is over; they stay out for good. Also for a run that
    /// waits for them now. Without it a run waits, however long, for everyone who has not declined
    #[arg(long)]
    pub without_undecided: bool,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct ListRuns {
    /// Only runs of this study
    pub study: Option<String>,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Subcommand)]
pub enum Release {
    /// Releases of a study
    List(ListReleases),
    /// Fetch a release folder
    Get(GetRelease),
    /// Check a release folder, or the proof file of one, offline: digests, signatures, proofs
    Verify(VerifyRelease),
}

#[derive(Args)]
pub struct ListReleases {
    /// Id of the study
    pub study: String,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct GetRelease {
    /// Id of the study
    pub study: String,
    /// The run; without it the latest that was released
    #[arg(long)]
    pub run: Option<String>,
    /// Folder to make; a folder that holds anything is refused
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct VerifyRelease {
    /// The release folder, or a file that `motet ledger proof` wrote
    pub path: PathBuf,
    /// Trust the governance key of this identity or site folder
    #[arg(long = "as", value_name = "DIR", conflicts_with = "governance")]
    pub identity: Option<PathBuf>,
    /// Trust this governance key: its fingerprint, as `motet init` printed it, or the key itself,
    /// as in coordinator.toml (64 hexadecimal digits either way)
    #[arg(long, value_name = "FINGERPRINT|KEY")]
    pub governance: Option<String>,
    /// Print one JSON value with the same facts instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum Ledger {
    /// Recompute every chain of an export, offline; without a file, of the coordinator's ledger as
    /// it is now; or make the sums of a run again from the masked uploads
    Verify(VerifyLedger),
    /// Take the coordinator's ledger as it is where `ledger.head`, the file that says where its
    /// streams ended, is missing or damaged. Only where you know that nothing was put back or lost;
    /// a ledger that lacks what a sound file says is not taken
    Accept(AcceptLedger),
    /// Write the coordinator's ledger as JSON lines
    Export(ExportLedger),
    /// Write what ties a release to its study's log into one file, which anyone checks offline
    Proof(Proof),
}

#[derive(Args)]
pub struct VerifyLedger {
    /// An export
    pub file: Option<PathBuf>,
    /// Instead of chains, check the sums of this run: each stands in the study's log with its set
    /// before it, and is made again bit for bit from the masked uploads, where they are still kept.
    /// The first digits of the run are enough; the id of a study stands for its latest run. For
    /// operators: nobody else but the sites is given sums and uploads
    #[arg(long, value_name = "RUN", conflicts_with = "file")]
    pub recompute: Option<String>,
    /// Check the coordinator's state folder itself, on its machine, whether it runs or not: chains,
    /// released files, and that nothing is missing at the end of any stream. The coordinator.toml
    /// that `motet init` wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "recompute"])]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct AcceptLedger {
    /// The coordinator.toml that `motet init` wrote; the coordinator must not run
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print one JSON value with the same facts instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct ExportLedger {
    /// File to write; one that exists is refused
    pub file: PathBuf,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Args)]
pub struct Proof {
    /// The release folder, its manifest.json, or the id of a study (then the coordinator is asked)
    pub release: String,
    /// Of a study, the run; its first digits are enough; without it the latest that was released
    #[arg(long)]
    pub run: Option<String>,
    /// File to write; one that exists is refused; without it STUDY.proof.json in this folder
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub read: Read,
}

#[derive(Subcommand)]
pub enum Backup {
    /// Copy ledger and released files as they are at one moment; the coordinator may run. Run it on
    /// the coordinator's machine, as the coordinator's user. Masked uploads are not copied: they
    /// are good for open rounds and for recomputing the latest sums only
    Make(MakeBackup),
    /// Check a backup, offline: every chain, every file, nothing missing. Nothing is written
    Verify(VerifyBackup),
    /// Put a backup back into an empty state folder. Rounds that were open in it are abandoned when
    /// the coordinator starts. A site whose copy of a study's log is ahead of the backup refuses
    /// that study as forked
    Restore(RestoreBackup),
}

#[derive(Args)]
pub struct MakeBackup {
    /// The coordinator.toml that `motet init` wrote
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Folder to make; one that exists is refused
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Copy the coordinator's keys too, readable by their owner only. Whoever has them can take the
    /// coordinator's place
    #[arg(long)]
    pub with_keys: bool,
    /// Print one JSON value with the same facts instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct VerifyBackup {
    /// The backup
    pub dir: PathBuf,
    /// Print one JSON value with the same facts instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct RestoreBackup {
    /// The backup
    pub dir: PathBuf,
    /// The coordinator.toml of the coordinator to restore; its state folder must be empty. Keys
    /// that are in the backup and not in its keys folder are put there
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print one JSON value with the same facts instead of text
    #[arg(long)]
    pub json: bool,
}

impl Command {
    /// Whether the answer, and a failure too, is for a program.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Init(_) | Self::Coordinator(_) | Self::Node(_) => false,
            Self::Site(Site::List(read)) | Self::Person(Person::List(read)) => read.json,
            Self::Site(_) | Self::Person(_) => false,
            Self::Data(Data::Catalogue(args)) => args.read.json,
            Self::Study(command) => match command {
                Study::Propose(args) => args.read.json,
                Study::Lint(args) => args.read.json,
                Study::Feasibility(args) => args.read.json,
                Study::List(read) => read.json,
                Study::Show(args) => args.read.json,
                Study::Withdraw(_) => false,
            },
            Self::Run(command) => match command {
                Run::Start(args) => args.read.json,
                Run::Watch(args) | Run::Show(args) => args.read.json,
                Run::List(args) => args.read.json,
                Run::Abandon(_) => false,
            },
            Self::Release(command) => match command {
                Release::List(args) => args.read.json,
                Release::Get(args) => args.read.json,
                Release::Verify(args) => args.json,
            },
            Self::Ledger(command) => match command {
                Ledger::Verify(args) => args.read.json,
                Ledger::Accept(args) => args.json,
                Ledger::Export(args) => args.read.json,
                Ledger::Proof(args) => args.read.json,
            },
            Self::Backup(command) => match command {
                Backup::Make(args) => args.json,
                Backup::Verify(args) => args.json,
                Backup::Restore(args) => args.json,
            },
            Self::Demo(args) => args.json,
            Self::Bench(bench::Bench::Recipes(args)) => args.json,
        }
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;

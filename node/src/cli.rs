//! The commands of a hospital, the same as `motet-node ...` and `motet node ...`.
//!
//! Every command takes `--dir` and works while the node runs. `--json` gives the same facts as the text. The process ends
//! with 0 when it is done, 1 when it failed, 2 for wrong usage, 3 for a refusal, whose stable code is printed.

use crate::drill::Drill;
use crate::home::{Home, Paths};
use crate::studies::Studies;
use crate::{NodeError, clock, data_desk, desk, doctor, join, ledger_desk, output, permits, status, steward, switch};
use clap::{Args, Subcommand};
use motet_secagg::sign::SecretKey;
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to do at this hospital.
#[derive(Debug, Args)]
pub struct NodeArgs {
    #[command(subcommand)]
    command: NodeCommand,
}

/// Where the site's folder is, and how to answer.
#[derive(Debug, Clone, Args)]
struct At {
    /// The site's folder, made by `join`
    #[arg(long, value_name = "DIR", env = "MOTET_NODE_DIR")]
    dir: PathBuf,
    /// Answer in JSON: the same facts
    #[arg(long)]
    json: bool,
}

/// The steward's passphrase, for a sealed key.
#[derive(Debug, Clone, Args)]
struct Sign {
    /// File whose one line is the passphrase of the steward's key; without it the terminal asks
    #[arg(long, value_name = "FILE")]
    steward_passphrase_file: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Join a consortium: makes the site's keys here and gets its certificate
    Join(JoinArgs),
    /// Run the node: dials out, answers approved studies, prints one line per event
    Run(RunArgs),
    /// Datasets of this site
    #[command(subcommand)]
    Data(DataCommand),
    /// Studies: look, approve, decline, withdraw
    #[command(subcommand)]
    Study(StudyCommand),
    /// Permits: the legal authority for a study
    #[command(subcommand)]
    Permit(PermitCommand),
    /// What left this hospital, frame by frame
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Stop answering, at once and across restarts
    Stop(Plain),
    /// Answer approved studies again after `stop`
    Resume(Plain),
    /// Check keys, disk, data, policy, DNS, TLS and clock; each line says what to send to IT
    Doctor(Plain),
    /// The site at a glance
    Status(Plain),
}

/// A command without further words.
#[derive(Debug, Args)]
pub struct Plain {
    #[command(flatten)]
    at: At,
}

/// `join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The join code: the last line of `motet site invite`; `-` reads it from standard input
    code: String,
    /// The site's name, as the operator invited it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Its country, as the operator invited it
    #[arg(long, value_name = "CC")]
    country: Option<String>,
    #[command(flatten)]
    sign: Sign,
    #[command(flatten)]
    at: At,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A rehearsal of a lost site: the process ends itself when a round reaches this phase
    #[arg(long, value_name = "PHASE[:ROUND]", hide = true)]
    drill: Option<Drill>,
    #[command(flatten)]
    at: At,
}

/// `data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Take a dataset in: its file stays where it is, the schema is copied
    Add {
        /// The name that studies use
        name: String,
        /// The site's own file, comma- or semicolon-separated
        #[arg(long, value_name = "FILE")]
        csv: PathBuf,
        /// What its columns mean (TOML)
        #[arg(long, value_name = "FILE")]
        schema: PathBuf,
        /// Exchange a dataset of the same name
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        at: At,
    },
    /// Read it as a study would: rows used, rows left out
    Check {
        /// The dataset
        name: String,
        /// A study that reached this site
        #[arg(long, value_name = "ID")]
        study: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Each column's type, missing values and spread; stays at the site
    Profile {
        /// The dataset
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Every dataset
    List(Plain),
}

/// `study`.
#[derive(Debug, Subcommand)]
pub enum StudyCommand {
    /// Every study that reached this site, with its decision
    List(Plain),
    /// The card of a study: everything a steward needs to decide
    Show {
        /// The study
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Take part: signed over exactly this study and this roster
    Approve {
        /// The study
        id: String,
        /// The permit under which the site takes part (TOML); a copy is kept
        #[arg(long, value_name = "FILE")]
        permit: Option<PathBuf>,
        #[command(flatten)]
        sign: Sign,
        #[command(flatten)]
        at: At,
    },
    /// Do not take part
    Decline {
        /// The study
        id: String,
        /// The reason: one sentence, which the proposer reads
        #[arg(long, value_name = "TEXT")]
        why: String,
        #[command(flatten)]
        sign: Sign,
        #[command(flatten)]
        at: At,
    },
    /// Take part no longer, from the next message on
    Withdraw {
        /// The study
        id: String,
        /// The reason, if one is given: one sentence
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
        #[command(flatten)]
        sign: Sign,
        #[command(flatten)]
        at: At,
    },
}

/// `permit`.
#[derive(Debug, Subcommand)]
pub enum PermitCommand {
    /// Keep a copy of a permit under its digest
    Add {
        /// The permit (TOML)
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// The permits that are kept
    List(Plain),
}

/// `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Every frame that left: when, what kind, how many bytes
    Show {
        /// Of this study only
        #[arg(long, value_name = "ID")]
        study: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Recompute every chain of the record
    Verify(Plain),
    /// Write the whole record as lines of JSON
    Export {
        /// The file to write
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

/// Does what was asked and gives the exit code of the process.
pub fn main(args: NodeArgs) -> ExitCode {
    let json = args.command.at().json;
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::failure(json, None, &format!("cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(dispatch(args.command)) {
        Ok(code) => code,
        Err(error) => {
            output::failure(json, error.code(), &error.to_string());
            ExitCode::from(error.exit())
        }
    }
}

impl NodeCommand {
    fn at(&self) -> &At {
        match self {
            Self::Join(JoinArgs { at, .. }) | Self::Run(RunArgs { at, .. }) => at,
            Self::Stop(plain) | Self::Resume(plain) | Self::Doctor(plain) | Self::Status(plain) => &plain.at,
            Self::Data(
                DataCommand::Add { at, .. }
                | DataCommand::Check { at, .. }
                | DataCommand::Profile { at, .. }
                | DataCommand::List(Plain { at }),
            )
            | Self::Study(
                StudyCommand::List(Plain { at })
                | StudyCommand::Show { at, .. }
                | StudyCommand::Approve { at, .. }
                | StudyCommand::Decline { at, .. }
                | StudyCommand::Withdraw { at, .. },
            )
            | Self::Permit(PermitCommand::Add { at, .. } | PermitCommand::List(Plain { at }))
            | Self::Ledger(
                LedgerCommand::Show { at, .. } | LedgerCommand::Verify(Plain { at }) | LedgerCommand::Export { at, .. },
            ) => at,
        }
    }
}

async fn dispatch(command: NodeCommand) -> Result<ExitCode, NodeError> {
    let At { dir, json } = command.at().clone();
    match command {
        NodeCommand::Join(args) => do_join(args).await?,
        NodeCommand::Run(args) => return run(args).await,
        NodeCommand::Data(command) => data(command, &dir, json).await?,
        NodeCommand::Study(command) => study(command, &dir, json).await?,
        NodeCommand::Permit(command) => permit(command, &dir, json).await?,
        NodeCommand::Ledger(command) => ledger(command, &dir, json).await?,
        NodeCommand::Stop(_) => turn(&dir, json, true).await?,
        NodeCommand::Resume(_) => turn(&dir, json, false).await?,
        NodeCommand::Doctor(_) => {
            let findings = doctor::examine(&dir).await;
            output::answer(json, &findings, doctor::findings_text);
            return Ok(ExitCode::from(u8::from(!findings.healthy)));
        }
        NodeCommand::Status(_) => {
            let status = status::status(&Home::open(&dir).await?).await?;
            output::answer(json, &status, status::status_text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn do_join(args: JoinArgs) -> Result<(), NodeError> {
    let code = match args.code.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).map_err(NodeError::file("read", Path::new("-")))?,
        code => code.to_owned(),
    };
    let passphrase = args.sign.steward_passphrase_file.as_deref().map(steward::read_passphrase).transpose()?;
    let invited = join::Invited { name: args.name, country: args.country };
    let joined = join::join(&code, &invited, &args.at.dir, passphrase.as_ref()).await?;
    output::answer(args.at.json, &joined, join::joined_text);
    Ok(())
}

async fn run(args: RunArgs) -> Result<ExitCode, NodeError> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MOTET_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // `motet node run` may have a subscriber already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let home = Home::open(&args.at.dir).await?;
    let _claim = home.paths.claim()?;
    match crate::session::run(home, args.drill).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast::<NodeError>() {
            Ok(error) => Err(error),
            Err(error) => Err(match error.downcast::<motet_common::refusal::Refusal>() {
                Ok(refusal) => refusal.into(),
                Err(error) => NodeError::Unsound(format!("{error:#}")),
            }),
        },
    }
}

async fn data(command: DataCommand, dir: &Path, json: bool) -> Result<(), NodeError> {
    let paths = Paths::new(dir);
    paths.read_settings()?;
    match command {
        DataCommand::Add { name, csv, schema, replace, .. } => {
            let home = Home::open(dir).await?;
            let checked = data_desk::add(&paths, &name, &csv, &schema, replace)?;
            let text = format!("dataset {name} was added");
            crate::records::event(&home.ledger, clock::now().ms, "data-added", text).await?;
            output::answer(json, &checked, |checked| format!("added: {}", data_desk::check_text(checked)));
        }
        DataCommand::Check { name, study, .. } => {
            let study = match study {
                Some(id) => Some(Studies::read(&Home::open(dir).await?).await?.find(&id)?.proposal.study.clone()),
                None => None,
            };
            output::answer(json, &data_desk::check(&paths, &name, study.as_ref())?, data_desk::check_text);
        }
        DataCommand::Profile { name, .. } => {
            output::answer(json, &data_desk::look(&paths, &name)?, ToString::to_string);
        }
        DataCommand::List(_) => output::answer(json, &data_desk::list(&paths)?, data_desk::list_text),
    }
    Ok(())
}

async fn study(command: StudyCommand, dir: &Path, json: bool) -> Result<(), NodeError> {
    let home = Home::open(dir).await?;
    let now = clock::now();
    let (id, choice, sign) = match command {
        StudyCommand::List(_) => {
            output::answer(json, &desk::list(&home, now).await?, desk::list_text);
            return Ok(());
        }
        StudyCommand::Show { id, .. } => {
            output::answer(json, &desk::show(&home, &id, now).await?, desk::show_text);
            return Ok(());
        }
        StudyCommand::Approve { id, permit, sign, .. } => {
            let permit = permit.map(|file| permits::add(&home, &file)).transpose()?;
            (id, desk::Choice::Approve(permit), sign)
        }
        StudyCommand::Decline { id, why, sign, .. } => (id, desk::Choice::Decline(why), sign),
        StudyCommand::Withdraw { id, why, sign, .. } => (id, desk::Choice::Withdraw(why), sign),
    };
    let key = || stewards_key(&home.paths, &sign);
    let decided = desk::decide(&home, &id, &choice, now, key).await?;
    output::answer(json, &decided, desk::decided_text);
    Ok(())
}

fn stewards_key(paths: &Paths, sign: &Sign) -> Result<SecretKey, NodeError> {
    steward::open(&paths.key("steward"), || steward::ask(sign.steward_passphrase_file.as_deref()))
}

async fn permit(command: PermitCommand, dir: &Path, json: bool) -> Result<(), NodeError> {
    let home = Home::open(dir).await?;
    match command {
        PermitCommand::Add { file, .. } => {
            let permit = permits::add(&home, &file)?;
            output::answer(json, &permits::Listed::from(&permit), |_| format!("kept: {}", permit.citation()));
        }
        PermitCommand::List(_) => {
            let listed: Vec<permits::Listed> = permits::list(&home)?.iter().map(Into::into).collect();
            output::answer(json, &listed, permits::list_text);
        }
    }
    Ok(())
}

async fn ledger(command: LedgerCommand, dir: &Path, json: bool) -> Result<(), NodeError> {
    let home = Home::open(dir).await?;
    match command {
        LedgerCommand::Show { study, .. } => {
            output::answer(json, &ledger_desk::show(&home, study.as_deref()).await?, ledger_desk::show_text);
        }
        LedgerCommand::Verify(_) => {
            let verified = ledger_desk::verify(&home).await?;
            output::answer(json, &verified, ledger_desk::verify_text);
            if !verified.sound {
                let next = "stop the node, keep a copy for the inquiry and restore the folder from a backup";
                return Err(NodeError::Unsound(format!("the record was altered after it was written: {next}")));
            }
        }
        LedgerCommand::Export { file, .. } => {
            let entries = ledger_desk::export(&home, &file).await?;
            let facts = json!({"file": file, "entries": entries});
            output::answer(json, &facts, |_| format!("{entries} entries are in `{}`", file.display()));
        }
    }
    Ok(())
}

async fn turn(dir: &Path, json: bool, stopped: bool) -> Result<(), NodeError> {
    #[derive(Serialize)]
    struct Turned {
        stopped: bool,
        changed: bool,
    }
    let changed = switch::turn(&Home::open(dir).await?, stopped, clock::now()).await?;
    let text = match (stopped, changed) {
        (true, true) => "stopped: the node answers nothing until `motet-node resume`",
        (true, false) => "the node was stopped already",
        (false, true) => "resumed: the node answers approved studies again",
        (false, false) => "the node was not stopped",
    };
    output::answer(json, &Turned { stopped, changed }, |_| text.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser};

    #[derive(Parser)]
    struct Whole {
        #[command(flatten)]
        node: NodeArgs,
    }

    #[test]
    fn the_commands_of_the_interface_are_understood() {
        Whole::command().debug_assert();
        for line in [
            "join motet1-x --dir D",
            "join motet1-x --dir D --steward-passphrase-file F",
            "run --dir D",
            "run --dir D --drill upload:3",
            "data add ist --csv F --schema S.toml --dir D",
            "data check ist --study ist-death14 --dir D",
            "data profile ist --dir D --json",
            "data list --dir D",
            "study list --dir D --json",
            "study show ist --dir D",
            "study approve ist --permit P.toml --dir D",
            "study decline ist --why no --dir D",
            "study withdraw ist --dir D",
            "permit add P.toml --dir D",
            "permit list --dir D",
            "ledger show --dir D",
            "ledger verify --dir D",
            "ledger export F --dir D",
            "stop --dir D",
            "resume --dir D",
            "doctor --dir D",
            "status --dir D --json",
        ] {
            let words = std::iter::once("motet-node").chain(line.split(' '));
            let parsed = Whole::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(parsed.node.command.at().dir, Path::new("D"), "{line}");
        }
    }

    #[test]
    fn the_drill_is_not_in_the_help_and_every_flag_is_explained() {
        let mut command = Whole::command();
        let run = command.find_subcommand_mut("run").unwrap();
        assert!(!run.render_help().to_string().contains("drill"));
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(argument.get_help().is_some(), "`{}` of `{}`", argument.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&command);
    }
}

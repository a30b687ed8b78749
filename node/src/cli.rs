//! The commands of a hospital, the same as `motet-node ...` and `motet node ...`.
//!
//! Every command takes `--dir` and works while the node runs. `--json` gives the same facts as the
//! text. The process ends with 0 when it is done, 1 when it failed, 2 for wrong usage, 3 for a
//! refusal, whose stable code is printed.

mod args;

pub use args::{
    At, DataCommand, JoinArgs, LedgerCommand, NodeArgs, NodeCommand, PermitCommand, Plain,
    ReleaseCommand, RunArgs, Sign, StudyCommand,
};

use crate::home::{Home, Paths};
use crate::publish_desk::Wanted;
use crate::studies::Studies;
use crate::{
    NodeError, catalogue_desk, clock, data_desk, data_list, desk, doctor, join, ledger_desk,
    output, permits, publish_desk, release_desk, status, steward, switch,
};
use motet_common::enrol::check_name;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::Recipients;
use motet_proto::keyfile;
use motet_proto::stop::Stop;
use motet_secagg::sign::SecretKey;
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a node that is told to stop may take to close its ledger.
const CLOSING: Duration = Duration::from_secs(2);

/// Does what was asked and gives the exit code of the process.
pub fn main(args: NodeArgs) -> ExitCode {
    let json = args.command.at().is_some_and(|at| at.json);
    if let Err(error) = motet_proto::process::close() {
        return failed(json, &NodeError::Unsound(error.to_string()));
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(json, &NodeError::Unsound(format!("cannot start: {error}"))),
    };
    let code = runtime
        .block_on(dispatch(args.command))
        .unwrap_or_else(|error| failed(json, &error));
    // A computation on patients that is under way is not waited for: it is made again at the next
    // start.
    runtime.shutdown_background();
    code
}

fn failed(json: bool, error: &NodeError) -> ExitCode {
    output::failure(json, error);
    ExitCode::from(error.exit())
}

async fn dispatch(command: NodeCommand) -> Result<ExitCode, NodeError> {
    let Some(At { dir, json }) = command.at().cloned() else {
        return without_a_site(command);
    };
    match command {
        NodeCommand::Join(args) => do_join(args).await?,
        NodeCommand::Run(args) => return run(args).await,
        NodeCommand::Data(command) => data(command, &dir, json).await?,
        NodeCommand::Study(command) => study(command, &dir, json).await?,
        NodeCommand::Permit(command) => permit(command, &dir, json).await?,
        NodeCommand::Ledger(command) => ledger(command, &dir, json).await?,
        NodeCommand::Release(ReleaseCommand::Verify { folder, .. }) => {
            let remade = release_desk::verify(&Home::open(&dir).await?, &folder).await?;
            output::answer(json, &remade, release_desk::text);
            return Ok(ExitCode::from(u8::from(!remade.same)));
        }
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

/// A command that needs no folder of a site.
fn without_a_site(command: NodeCommand) -> Result<ExitCode, NodeError> {
    if let NodeCommand::Data(DataCommand::Draft {
        file,
        sheet,
        out,
        name,
    }) = command
    {
        let text = data_desk::draft(&file, sheet.as_deref(), name.as_deref(), out.as_deref())?;
        output::line(text.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

async fn do_join(args: JoinArgs) -> Result<(), NodeError> {
    let code = match (args.code, args.code_file) {
        (Some(code), _) if code != "-" => Zeroizing::new(code),
        (_, Some(file)) if file != Path::new("-") => {
            let read = keyfile::read_code(Some(&file));
            read.map_err(NodeError::file("read", &file))?
        }
        _ => keyfile::read_code(None)
            .map_err(NodeError::file("read", Path::new("standard input")))?,
    };
    if code.trim().is_empty() {
        return Err(Refusal::new(Code::BadJoinCode, "the join code is empty").into());
    }
    let passphrase = args
        .steward_passphrase_file
        .as_deref()
        .map(steward::read_passphrase)
        .transpose()?;
    let joined = join::join(&code, &args.at.dir, passphrase.as_ref()).await?;
    output::answer(args.at.json, &joined, join::joined_text);
    Ok(())
}

async fn run(args: RunArgs) -> Result<ExitCode, NodeError> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MOTET_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // `motet node run` may have a subscriber already.
    let lines = tracing_subscriber::fmt().with_ansi(motet_proto::process::is_coloured());
    let _ = lines
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    let stop = Stop::listen().map_err(NodeError::file("listen for signals of", &args.at.dir))?;
    let paths = Paths::new(&args.at.dir);
    paths.read_settings()?;
    let claim = paths.claim()?;
    let home = Home::open(&args.at.dir).await?;
    let ledger = home.ledger.clone();
    let ended = crate::session::reconnect::run(home, args.drill, &claim, &stop).await;
    // What is not closed by then is as after a power cut, which loses nothing.
    let closing = async {
        if ended.is_ok() {
            let now = clock::now().ms;
            let text = "told to stop; what is under way goes on at the next start";
            output::line(format!("{} stopping: {text}", clock::text(now)));
            let _ = crate::records::event(&ledger, now, "stopping", text).await;
        }
        ledger.close().await;
    };
    let _ = tokio::time::timeout(CLOSING, closing).await;
    match ended {
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
        DataCommand::Add {
            name,
            csv,
            schema,
            replace,
            ..
        } => {
            let home = Home::open(dir).await?;
            let mut checked = data_desk::add(&paths, &name, &csv, &schema, replace)?;
            checked.kept = desk::kept_of(&home, &name).await?;
            checked
                .kept
                .extend(publish_desk::stands(&home, &name).await?);
            let text = format!("dataset {name} was added");
            crate::records::event(&home.ledger, clock::now().ms, "data-added", text).await?;
            output::answer(json, &checked, |checked| {
                format!("added: {}", data_desk::check_text(checked))
            });
        }
        DataCommand::Check { name, study, .. } => {
            let study = match study {
                Some(id) => Some(
                    Studies::read(&Home::open(dir).await?)
                        .await?
                        .find(&id)?
                        .proposal
                        .study
                        .clone(),
                ),
                None => None,
            };
            output::answer(
                json,
                &data_desk::check(&paths, &name, study.as_ref())?,
                data_desk::check_text,
            );
        }
        DataCommand::Profile { name, .. } => {
            output::answer(json, &data_desk::look(&paths, &name)?, ToString::to_string);
        }
        DataCommand::Publish {
            name,
            columns,
            levels,
            researchers,
            no_researchers,
            yes,
            sign,
            ..
        } => {
            let wanted = Wanted {
                columns,
                levels,
                researchers: readers(researchers, no_researchers)?,
            };
            let home = Home::open(dir).await?;
            let key = || stewards_key(&home.paths, &sign);
            let card = publish_desk::publish(&home, &name, &wanted, yes, clock::now(), key).await?;
            output::answer(json, &card, publish_desk::card_text);
        }
        DataCommand::Unpublish { name, sign, .. } => {
            let home = Home::open(dir).await?;
            let key = || stewards_key(&home.paths, &sign);
            let done = publish_desk::unpublish(&home, &name, clock::now(), key).await?;
            output::answer(json, &done, publish_desk::unpublished_text);
        }
        DataCommand::Catalogue { site, .. } => {
            let home = Home::open(dir).await?;
            let (facts, text) = catalogue_desk::catalogue(&home, site.as_deref()).await?;
            output::answer(json, &facts, |_| text);
        }
        // Done before: it needs no site.
        DataCommand::Draft { .. } => {}
        DataCommand::List(_) => {
            let published = publish_desk::published(&Home::open(dir).await?).await?;
            output::answer(json, &data_list::list(&paths, &published)?, |lines| {
                data_list::list_text(lines)
            });
        }
    }
    Ok(())
}

/// Which researchers a notice is for.
fn readers(names: Option<Vec<String>>, nobody: bool) -> Result<Recipients, NodeError> {
    if nobody {
        return Ok(Recipients::Nobody);
    }
    let Some(names) = names else {
        return Ok(Recipients::Everyone);
    };
    for name in &names {
        check_name(name).map_err(|error| NodeError::Usage(error.to_string()))?;
    }
    Ok(Recipients::Named(names))
}

async fn study(command: StudyCommand, dir: &Path, json: bool) -> Result<(), NodeError> {
    let home = Home::open(dir).await?;
    let now = clock::now();
    let mut read = None;
    let (id, choice, sign) = match command {
        StudyCommand::List(_) => {
            output::answer(json, &desk::list(&home, now).await?, |lines| {
                desk::list_text(lines)
            });
            return Ok(());
        }
        StudyCommand::Show { id, .. } => {
            output::answer(json, &desk::show(&home, &id, now).await?, desk::show_text);
            return Ok(());
        }
        StudyCommand::Approve {
            id,
            permit,
            again,
            digest,
            sign,
            ..
        } => {
            read = digest;
            let permit = permit.map(|file| permits::add(&home, &file)).transpose()?;
            let choice = match again {
                Some(sites) => desk::Choice::ApproveAgain(permit, sites),
                None => desk::Choice::Approve(permit),
            };
            (id, choice, sign)
        }
        StudyCommand::Refreeze { id, sign, .. } => (id, desk::Choice::Refreeze, sign),
        StudyCommand::Decline { id, why, sign, .. } => (id, desk::Choice::Decline(why), sign),
        StudyCommand::Withdraw { id, why, sign, .. } => (id, desk::Choice::Withdraw(why), sign),
    };
    let key = || stewards_key(&home.paths, &sign);
    let decided = desk::decide(&home, &id, &choice, read.as_deref(), now, key).await?;
    output::answer(json, &decided, desk::decided_text);
    Ok(())
}

fn stewards_key(paths: &Paths, sign: &Sign) -> Result<SecretKey, NodeError> {
    steward::open(&paths.key("steward"), || {
        steward::ask(sign.steward_passphrase_file.as_deref())
    })
}

async fn permit(command: PermitCommand, dir: &Path, json: bool) -> Result<(), NodeError> {
    let home = Home::open(dir).await?;
    match command {
        PermitCommand::Add { file, .. } => {
            let permit = permits::add(&home, &file)?;
            output::answer(json, &permits::Listed::from(&permit), |_| {
                format!("kept: {}", permit.citation())
            });
        }
        PermitCommand::List(_) => {
            let listed: Vec<permits::Listed> =
                permits::list(&home)?.iter().map(Into::into).collect();
            output::answer(json, &listed, |listed| permits::list_text(listed));
        }
    }
    Ok(())
}

async fn ledger(command: LedgerCommand, dir: &Path, json: bool) -> Result<(), NodeError> {
    if let LedgerCommand::Accept(_) = command {
        let report = ledger_desk::accept(&Paths::new(dir), clock::now().ms).await?;
        let text = format!(
            "{} entries accepted as they are: from here on a record that ends before them is refused",
            report.entries
        );
        output::answer(json, &json!({"entries": report.entries}), |_| text);
        return Ok(());
    }
    let home = Home::open(dir).await?;
    match command {
        LedgerCommand::Show { study, .. } => {
            output::answer(
                json,
                &ledger_desk::show(&home, study.as_deref()).await?,
                ledger_desk::show_text,
            );
        }
        LedgerCommand::Verify(_) => {
            let verified = ledger_desk::verify(&home).await?;
            output::answer(json, &verified, ledger_desk::verify_text);
            verified.conclude()?;
        }
        // Done above: there is no record yet to be opened.
        LedgerCommand::Accept(_) => {}
        LedgerCommand::Export { file, .. } => {
            let entries = ledger_desk::export(&home, &file).await?;
            let facts = json!({"file": file, "entries": entries});
            output::answer(json, &facts, |_| {
                format!("{entries} entries are in `{}`", file.display())
            });
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

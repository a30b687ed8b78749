//! The program's entry: from the command line to the command, and from its end to an exit code.

use crate::args::{Command, Coordinator, Motet};
use crate::failure::{Done, Failure};
use crate::output::Out;
use crate::{backup, bench, catalogue, demo, init, ledger, members, release, run, study};
use clap::Parser as _;
use std::process::ExitCode;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let motet = Motet::parse();
    let json = motet.command.is_json();
    if let Err(error) = motet_proto::process::close() {
        return end(json, Err(Failure::failed(error.to_string(), "")));
    }
    let command = match motet.command {
        // The node is a program of its own, with its own way of speaking.
        Command::Node(args) => return motet_node::cli::main(*args),
        command => command,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return end(
                json,
                Err(Failure::failed(
                    format!("this system gives no threads: {error}"),
                    "",
                )),
            );
        }
    };
    let done = runtime.block_on(dispatch(command));
    // What still runs in the background of a coordinator that was told to stop is not waited for.
    runtime.shutdown_background();
    end(json, done)
}

async fn dispatch(command: Command) -> Done {
    match command {
        Command::Init(args) => init::run(&args, Out::new(false)).await,
        Command::Coordinator(args) => coordinate(&args).await,
        Command::Node(_) => Ok(()), // was taken out before: it brings its own runtime
        Command::Site(command) => members::site(&command).await,
        Command::Person(command) => members::person(&command).await,
        Command::Data(command) => catalogue::run(&command).await,
        Command::Study(command) => study::run(&command).await,
        Command::Run(command) => run::run(&command).await,
        Command::Release(command) => release::run(&command).await,
        Command::Ledger(command) => ledger::run(&command).await,
        Command::Backup(command) => backup::run(&command).await,
        Command::Demo(args) => demo::run(&args).await,
        Command::Bench(command) => bench::run(&command).await,
    }
}

async fn coordinate(args: &Coordinator) -> Done {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let lines = tracing_subscriber::fmt().with_ansi(motet_proto::process::is_coloured());
    lines
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let config = motet_coordinator::config::Config::read(&args.config)?;
    Ok(motet_coordinator::run(config, args.drill).await?)
}

/// Says why it failed, to people and with `--json` to programs too.
fn end(json: bool, done: Done) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            Out::new(json).value(&failure.json());
            crate::output::remark(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

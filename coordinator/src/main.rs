//! The binary `motet-coordinator`.

use clap::Parser;
use motet_coordinator::config::Config;
use motet_coordinator::drill::Drill;
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: motet_proto::process::Allocator = motet_proto::process::WIPES;

/// The consortium's coordinator: plans rounds, takes masked vectors, can read nothing but their
/// sum.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The configuration file that `motet init` wrote.
    #[arg(long)]
    config: PathBuf,
    /// A rehearsal: the process ends itself at ROUND:ENTRY.
    #[arg(long, hide = true)]
    drill: Option<Drill>,
}

fn main() -> anyhow::Result<()> {
    motet_proto::process::close()?;
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_ansi(motet_proto::process::is_coloured())
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(motet_coordinator::run(
        Config::read(&args.config)?,
        args.drill,
    ))
}

//! The hospital's binary: the node and its desk, and nothing of a coordinator.

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: motet_proto::process::Allocator = motet_proto::process::WIPES;

/// Motet at a hospital: a node that answers approved studies, and the desk at which a steward
/// decides.
#[derive(Parser)]
#[command(name = "motet-node", version)]
struct Command {
    #[command(flatten)]
    node: motet_node::cli::NodeArgs,
}

fn main() -> ExitCode {
    motet_node::cli::main(Command::parse().node)
}

//! The words of `motet site` and `motet person`.

use super::{As, Govern, Read};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Site {
    /// Make a join code for a hospital; the last line of the output is the code alone
    Invite(InviteSite),
    /// Sites: invited, joined, verified, connected, removed
    List(Read),
    /// Remove a site at once: its certificate opens nothing any more and its connections close
    Remove(Remove),
}

#[derive(Args)]
pub struct InviteSite {
    /// Name of the site: letters, digits, `-` and `_`
    pub name: String,
    /// Country of the site: two capital letters
    #[arg(long, value_name = "CC")]
    pub country: String,
    /// Days for which the code is good
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=90))]
    pub days: u32,
    #[command(flatten)]
    pub who: As,
}

#[derive(Args)]
pub struct Remove {
    /// Name of the member
    pub name: String,
    /// Why, for the signed record of the removal
    #[arg(long, value_name = "TEXT", default_value = "removed by the operator")]
    pub why: String,
    #[command(flatten)]
    pub govern: Govern,
    #[command(flatten)]
    pub who: As,
}

/// What a person may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PersonRole {
    /// Starts runs
    Operator,
    /// Receives releases
    Researcher,
}

#[derive(Subcommand)]
pub enum Person {
    /// Make a join code for a person; the last line of the output is the code alone
    Invite(InvitePerson),
    /// Join a consortium with a code: makes the keys here and gets a certificate
    Join(JoinPerson),
    /// Operators and researchers: invited, joined, verified
    List(Read),
    /// Remove a researcher or an operator at once: the certificate opens nothing any more and open
    /// connections close. The last operator stays
    Remove(Remove),
}

#[derive(Args)]
pub struct InvitePerson {
    /// Name of the person: letters, digits, `-` and `_`
    pub name: String,
    /// What the person may do
    #[arg(long, value_enum)]
    pub role: PersonRole,
    /// Country of the person: two capital letters; without it the inviting operator's
    #[arg(long, value_name = "CC")]
    pub country: Option<String>,
    /// Days for which the code is good
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=90))]
    pub days: u32,
    #[command(flatten)]
    pub who: As,
}

#[derive(Args)]
pub struct JoinPerson {
    /// The join code, or a file that holds it; `-` reads it from standard input. A code is a
    /// secret, and other accounts of this machine can read command lines: --code-file is the better
    /// way
    #[arg(required_unless_present = "code_file")]
    pub code: Option<String>,
    /// File that holds the join code; `-` reads it from standard input
    #[arg(long, value_name = "FILE", conflicts_with = "code")]
    pub code_file: Option<PathBuf>,
    /// Identity folder to make; without it the place where commands look first
    #[arg(
        long = "as",
        value_name = "DIR",
        env = "MOTET_IDENTITY",
        hide_env_values = true
    )]
    pub identity: Option<PathBuf>,
}

//! The words of the command line, with the help text of every flag.

use crate::drill::Drill;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do at this hospital.
#[derive(Debug, Args)]
pub struct NodeArgs {
    #[command(subcommand)]
    pub(crate) command: NodeCommand,
}

/// Where the site's folder is, and how to answer.
#[derive(Debug, Clone, Args)]
pub struct At {
    /// The site's folder, made by `join`
    #[arg(long, value_name = "DIR", env = "MOTET_NODE_DIR")]
    pub(crate) dir: PathBuf,
    /// Answer in JSON: the same facts
    #[arg(long)]
    pub(crate) json: bool,
}

/// The steward's passphrase, for a sealed key.
#[derive(Debug, Clone, Args)]
pub struct Sign {
    /// File whose one line is the passphrase of the steward's key: readable by you alone (mode
    /// 0600), a pipe, or `-` for standard input; without it the terminal asks
    #[arg(long, value_name = "FILE")]
    pub(crate) steward_passphrase_file: Option<PathBuf>,
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
    /// Studies: look, approve, refreeze, decline, withdraw
    #[command(subcommand)]
    Study(StudyCommand),
    /// Permits: the legal authority for a study
    #[command(subcommand)]
    Permit(PermitCommand),
    /// What left this hospital, frame by frame, and what became of it
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Releases, made again from this site's own record
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// Stop answering, at once and across restarts: nothing of a study leaves, open attempts are
    /// given up and forgotten
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
    pub(crate) at: At,
}

/// `join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The join code: the last line of `motet site invite`; `-` reads it from standard input. It is
    /// a secret, and other accounts of this machine can read command lines: --code-file is the
    /// better way
    #[arg(required_unless_present = "code_file")]
    pub(crate) code: Option<String>,
    /// File that holds the join code; `-` reads it from standard input
    #[arg(long, value_name = "FILE", conflicts_with = "code")]
    pub(crate) code_file: Option<PathBuf>,
    /// File whose one line becomes the passphrase of the steward's key: readable by you alone (mode
    /// 0600), a pipe, or `-` for standard input; without it the key lies there without one
    #[arg(long, value_name = "FILE")]
    pub(crate) steward_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: At,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A rehearsal of a lost site: the process ends itself when a round reaches this phase
    #[arg(long, value_name = "PHASE[:ROUND]", hide = true)]
    pub(crate) drill: Option<Drill>,
    #[command(flatten)]
    pub(crate) at: At,
}

/// `data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Take a dataset in: its file stays where it is, the schema is copied
    Add {
        /// The name that studies use
        name: String,
        /// The site's own file: a table as delimited text, packed with gzip or not, or an Excel workbook
        #[arg(long, visible_alias = "file", value_name = "FILE")]
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
    /// Write a first schema of a file: its guesses, and its questions as comments; needs no site
    Draft {
        /// The site's own file
        file: PathBuf,
        /// The sheet of a workbook of several
        #[arg(long, value_name = "NAME")]
        sheet: Option<String>,
        /// Where to write it; without it the draft is printed
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The name that studies use; without it one made of the file's
        #[arg(long)]
        name: Option<String>,
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
    /// Tell the consortium's catalogue what there is: shows exactly what would be told, column by
    /// column, and with --yes signs what was shown last. It is not renewed by itself
    Publish {
        /// The dataset
        name: String,
        /// Tell of these columns only; without it of all that studies are offered. A `private`
        /// column is never told
        #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
        columns: Option<Vec<String>>,
        /// Tell the levels of these columns, where each level has at least `min_cell` patients of
        /// node.toml (5 or more); of other columns none
        #[arg(long, value_name = "A,B,..", value_delimiter = ',')]
        levels: Vec<String>,
        /// Tell it to these researchers, who must be enrolled by then, beside the sites and
        /// operators; without it to all who are, now or later
        #[arg(
            long,
            value_name = "NAME,..",
            value_delimiter = ',',
            conflicts_with = "no_researchers"
        )]
        researchers: Option<Vec<String>>,
        /// Tell it to no researcher, but to the sites and operators
        #[arg(long)]
        no_researchers: bool,
        /// Sign what the card showed; nothing is signed where another would be told now
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        sign: Sign,
        #[command(flatten)]
        at: At,
    },
    /// Take a dataset out of the catalogue; whoever has read of it keeps what was read
    Unpublish {
        /// The dataset
        name: String,
        #[command(flatten)]
        sign: Sign,
        #[command(flatten)]
        at: At,
    },
    /// Datasets that the sites' stewards tell of: columns with type, unit, declared range, and levels
    /// and years where they are told
    Catalogue {
        /// Of this site only
        #[arg(long, value_name = "SITE")]
        site: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Every dataset, and what the catalogue was told of it last
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
    /// Take part: this site's rows for the study are read once and kept sealed, and the decision is
    /// signed over exactly the study and the roster that were read
    Approve {
        /// The study
        id: String,
        /// The permit under which the site takes part (TOML); a copy is kept
        #[arg(long, value_name = "FILE")]
        permit: Option<PathBuf>,
        /// Approve although an earlier study asked exactly the same of other sites, or sums of
        /// another study over the same data differ from this one's by a few sites: both results
        /// together show what those would say alone. It holds for the sites that the card names,
        /// and for those named here, which may stay away from one of the two
        #[arg(long, value_name = "SITE,..", num_args = 0..=1, require_equals = true, value_delimiter = ',')]
        again: Option<Vec<String>>,
        /// The study and roster that you read, as the card's last lines print them; without it the
        /// card must have been shown at this site, and nothing else stand in its place since
        #[arg(long, value_name = "SHORT")]
        digest: Option<String>,
        #[command(flatten)]
        sign: Sign,
        #[command(flatten)]
        at: At,
    },
    /// Read the rows of an approved study anew, and sign the approval over these: possible until its
    /// first sum is opened. A link is followed anew
    Refreeze {
        /// The study
        id: String,
        #[command(flatten)]
        sign: Sign,
        #[command(flatten)]
        at: At,
    },
    /// Do not take part
    Decline {
        /// The study
        id: String,
        /// The reason: one sentence, which operators read; without it the site does not take part,
        /// and nobody hears why
        #[arg(long, value_name = "TEXT", default_value = crate::desk::STAYS_OUT)]
        why: String,
        #[command(flatten)]
        sign: Sign,
        #[command(flatten)]
        at: At,
    },
    /// Take part no longer: nothing more of the study leaves, an open attempt is given up and
    /// forgotten, and the frozen rows are deleted
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
    /// Recompute every chain of the record, and list every sum that an update of this site went
    /// into, held against the studies' logs; needs no network
    Verify(Plain),
    /// Take the record as it is where `ledger.head`, the file that says where its streams ended, is
    /// missing or damaged. Only where you know that nothing was put back or lost; a record that
    /// lacks what a sound file says is not taken
    Accept(Plain),
    /// Write the whole record as lines of JSON
    Export {
        /// The file to write
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

/// `release`.
#[derive(Debug, Subcommand)]
pub enum ReleaseCommand {
    /// Make every file of a release folder again from the sums that this site has followed, and
    /// compare them byte for byte; needs no network
    Verify {
        /// The folder, as `motet release get` made it
        folder: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

impl NodeCommand {
    /// The site's folder; nothing for a command that needs none.
    pub(crate) fn at(&self) -> Option<&At> {
        Some(match self {
            Self::Data(DataCommand::Draft { .. }) => return None,
            Self::Join(JoinArgs { at, .. }) | Self::Run(RunArgs { at, .. }) => at,
            Self::Stop(plain) | Self::Resume(plain) | Self::Doctor(plain) | Self::Status(plain) => {
                &plain.at
            }
            Self::Data(
                DataCommand::Add { at, .. }
                | DataCommand::Check { at, .. }
                | DataCommand::Profile { at, .. }
                | DataCommand::Publish { at, .. }
                | DataCommand::Unpublish { at, .. }
                | DataCommand::Catalogue { at, .. }
                | DataCommand::List(Plain { at }),
            )
            | Self::Study(
                StudyCommand::List(Plain { at })
                | StudyCommand::Show { at, .. }
                | StudyCommand::Approve { at, .. }
                | StudyCommand::Refreeze { at, .. }
                | StudyCommand::Decline { at, .. }
                | StudyCommand::Withdraw { at, .. },
            )
            | Self::Release(ReleaseCommand::Verify { at, .. })
            | Self::Permit(PermitCommand::Add { at, .. } | PermitCommand::List(Plain { at }))
            | Self::Ledger(
                LedgerCommand::Show { at, .. }
                | LedgerCommand::Verify(Plain { at })
                | LedgerCommand::Accept(Plain { at })
                | LedgerCommand::Export { at, .. },
            ) => at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser};
    use std::path::Path;

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
            "join --code-file F --dir D",
            "join --code-file - --dir D",
            "join motet1-x --dir D --steward-passphrase-file F",
            "run --dir D",
            "run --dir D --drill upload:3",
            "data add ist --csv F --schema S.toml --dir D",
            "data draft F",
            "data draft F --out S.toml --name ist",
            "data check ist --study ist-death14 --dir D",
            "data profile ist --dir D --json",
            "data publish ist --columns age,sex --levels sex --researchers jane --yes --dir D",
            "data publish ist --no-researchers --dir D --json",
            "data unpublish ist --dir D",
            "data catalogue --site lyon --dir D --json",
            "data list --dir D",
            "study list --dir D --json",
            "study show ist --dir D",
            "study approve ist --permit P.toml --dir D",
            "study approve ist --digest 0123456789abcdef-0123456789abcdef --dir D",
            "study refreeze ist --dir D",
            "study decline ist --why no --dir D",
            "study decline ist --dir D",
            "study withdraw ist --dir D",
            "permit add P.toml --dir D",
            "permit list --dir D",
            "ledger show --dir D",
            "ledger verify --dir D",
            "ledger accept --dir D",
            "ledger export F --dir D",
            "release verify F --dir D",
            "stop --dir D",
            "resume --dir D",
            "doctor --dir D",
            "status --dir D --json",
        ] {
            let words = std::iter::once("motet-node").chain(line.split(' '));
            let parsed =
                Whole::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            let at = parsed.node.command.at().map(|at| at.dir.as_path());
            let wanted = (!line.starts_with("data draft")).then(|| Path::new("D"));
            assert_eq!(at, wanted, "{line}");
        }
    }

    #[test]
    fn the_drill_is_not_in_the_help_and_every_flag_is_explained() {
        let mut command = Whole::command();
        let run = command.find_subcommand_mut("run").unwrap();
        assert!(!run.render_help().to_string().contains("drill"));
        fn walk(command: &clap::Command) {
            for argument in command
                .get_arguments()
                .filter(|argument| !argument.is_hide_set())
            {
                assert!(
                    argument.get_help().is_some(),
                    "`{}` of `{}`",
                    argument.get_id(),
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&command);
    }
}

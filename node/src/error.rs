//! Why a command did not do what was asked, and the exit code that says so: 1 failed, 2 wrong
//! usage, 3 refused.

use motet_common::refusal::{Code, Refusal};
use motet_data::DataError;
use motet_ledger::LedgerError;
use motet_program::End;
use motet_proto::keyfile::KeyFileError;
use motet_proto::tls::client::ConnectError;
use motet_secagg::digest::Digest;
use motet_toml::Mistake;
use std::path::{Path, PathBuf};

/// What is wrong with a steward's key or passphrase.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StewardError {
    /// The passphrase does not open the key.
    #[error(
        "the passphrase does not open the steward's key (wrong_passphrase): nothing was signed"
    )]
    WrongPassphrase,
    /// The file is neither form of a key.
    #[error("`{}` is not a steward's key: put back the copy that you kept, or join anew with a new invitation", .0.display())]
    NotAKey(PathBuf),
    /// A passphrase that protects nothing.
    #[error("a passphrase has 8 to 1024 characters on one line: choose four or five words")]
    Passphrase,
    /// The key needs a passphrase and there is nobody to ask.
    #[error(
        "the steward's key has a passphrase: name its file with \
         --steward-passphrase-file, or run this in a terminal"
    )]
    NobodyToAsk,
    /// The file with the passphrase cannot be read.
    #[error("cannot read the passphrase file `{}`: {why}; name a file whose one line is the passphrase", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The terminal failed.
    #[error("cannot ask for the passphrase: {0}")]
    Terminal(String),
    /// The key's two halves are not one pair.
    #[error(
        "keys/steward.key and steward.pub do not belong together: put back the copies \
         that you kept of both, or join anew with a new invitation"
    )]
    Mismatch,
}

/// What a site does whose record is lost. There is no backup of a node to go back to: one would not
/// know what the node has said since, and a node must never say two things where the protocol
/// allows one.
pub(crate) const ANEW: &str = "no backup of a node is any good, because it would not know what the node has said since: stop the node and \
     keep its folder for the inquiry; the \
     operator runs `motet site remove` and \
     `motet site invite`, and `motet-node join` with the \
     new code makes a new folder. Studies \
     that are open go on without this \
     site; to have it in, they are proposed anew under \
     another id";

fn anew(error: &LedgerError) -> String {
    if error.is_loss() {
        format!("; {ANEW}")
    } else {
        String::new()
    }
}

/// One reason for the reader to do something.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Well formed, but not acceptable now.
    #[error(transparent)]
    Refused(Refusal),
    /// The program is at fault: nobody refuses anything for that, and what is in memory is not
    /// continued.
    #[error(transparent)]
    Broken(Refusal),
    /// The site's own file or schema is not acceptable.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A command that cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// The folder belongs to a site already.
    #[error(
        "`{}` is the folder of a site already (already_joined): choose \
         another folder, or look with `motet-node status`",
        .0.display()
    )]
    AlreadyJoined(PathBuf),
    /// The folder has something else in it.
    #[error("`{}` is not empty: name a folder that does not exist yet", .0.display())]
    NotEmpty(PathBuf),
    /// The folder is not that of a site.
    #[error("`{}` is not the folder of a site: `motet-node join CODE --dir {}` makes one", .0.display(), .0.display())]
    NotJoined(PathBuf),
    /// Another process runs this node.
    #[error("a node is running from `{}` already: stop that process first", .0.display())]
    Running(PathBuf),
    /// `node.toml`, or what is noted of a dataset, is not acceptable.
    #[error(transparent)]
    Toml(#[from] Mistake),
    /// A file that was given is not a permit.
    #[error(transparent)]
    Permit(Mistake),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A key file that holds no key.
    #[error("`{}` does not hold a key of 64 hexadecimal digits: put back the copy that you kept, or join anew with a new invitation", .0.display())]
    NotAKey(PathBuf),
    /// The steward's key.
    #[error(transparent)]
    Steward(#[from] StewardError),
    /// The ledger.
    #[error("{0}{way}", way = anew(.0))]
    Ledger(LedgerError),
    /// An entry that this version cannot read.
    #[error(
        "entry `{version}` of stream `{stream}` is of another kind or \
         version: install the release that wrote it"
    )]
    Entry {
        /// The stream.
        stream: &'static str,
        /// Its place.
        version: u64,
    },
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The coordinator answered with something unusable.
    #[error("{0}")]
    Coordinator(String),
    /// The operating system refused a file.
    #[error("cannot {doing} `{}`: {cause}", path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: std::io::Error,
    },
    /// A check found something; the lines before this one say what.
    #[error("{0}")]
    Unsound(String),
}

impl From<Refusal> for NodeError {
    fn from(refusal: Refusal) -> Self {
        match refusal.code {
            Code::Internal => Self::Broken(refusal),
            _ => Self::Refused(refusal),
        }
    }
}

impl From<LedgerError> for NodeError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl NodeError {
    /// For `map_err`: the system's refusal about `path`.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |cause| Self::File { doing, path, cause }
    }

    /// Whether the disk refused, which passes when it is mended.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        matches!(
            self,
            Self::File { .. }
                | Self::Ledger(LedgerError::File { .. } | LedgerError::Database { .. })
        )
    }

    /// Whether the node's record is not as it was written: trying again mends nothing.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Ledger(error) if error.is_damage())
    }

    /// The sum that is not among this site's blobs any more, or is damaged there: the coordinator
    /// has it too.
    pub(crate) fn lacks(&self) -> Option<Digest> {
        match self {
            Self::Ledger(
                LedgerError::BlobMissing { digest, .. } | LedgerError::BlobCorrupt { digest, .. },
            ) => Some(*digest),
            _ => None,
        }
    }

    /// How a command ends with it: a refusal has a stable code.
    pub fn end(&self) -> End {
        match self {
            Self::Refused(refusal) if refusal.code == Code::Storage => End::Failed,
            Self::Refused(refusal) => End::Refused(refusal.code.as_str()),
            Self::Data(error) if error.kind() == motet_data::Code::FileUnreadable => End::Failed,
            Self::Data(error) => End::Refused(error.code()),
            Self::AlreadyJoined(_) => End::Refused("already_joined"),
            Self::Steward(StewardError::WrongPassphrase) => End::Refused("wrong_passphrase"),
            Self::Usage(_) | Self::Permit(_) => End::Usage,
            _ => End::Failed,
        }
    }

    /// The stable code of a refusal; nothing for a failure.
    pub fn code(&self) -> Option<&'static str> {
        self.end().refusal()
    }

    /// The exit code of the process.
    pub fn exit(&self) -> u8 {
        self.end().exit()
    }

    /// What went wrong and, where they are two things, what to do next; others say both in one.
    pub fn parts(&self) -> (String, &str) {
        match self {
            Self::Refused(refusal) | Self::Broken(refusal) => {
                (refusal.detail.clone(), refusal.code.next())
            }
            Self::Toml(mistake) | Self::Permit(mistake) => (mistake.what(), &mistake.fix),
            other => (other.to_string(), ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_failures_and_wrong_usage_leave_with_their_own_codes() {
        let refused = NodeError::from(Refusal::from(Code::StudyUnknown));
        assert_eq!((refused.exit(), refused.code()), (3, Some("study_unknown")));
        assert_eq!(NodeError::Usage("x".into()).exit(), 2);
        assert_eq!(NodeError::NotJoined("x".into()).exit(), 1);
        assert_eq!(NodeError::from(Refusal::from(Code::Storage)).exit(), 1);
        assert_eq!(NodeError::AlreadyJoined("x".into()).exit(), 3);
        let broken = NodeError::from(Refusal::broken("x"));
        assert_eq!((broken.exit(), broken.code()), (1, None));
    }

    #[test]
    fn a_script_reads_of_a_node_what_it_reads_of_an_operators_command() {
        let refused = NodeError::from(Refusal::new(Code::StudyUnknown, "no study `x`"));
        let mistake = motet_toml::TomlFile::new("node.toml", "").mistake(
            0..0,
            "missing key `site`",
            "add it",
        );
        for (error, code, exit, what, next) in [
            (
                refused,
                "study_unknown",
                3,
                "no study `x`",
                Code::StudyUnknown.next(),
            ),
            (
                mistake.into(),
                "failed",
                1,
                "node.toml, line 1: missing key `site`",
                "add it",
            ),
            (
                NodeError::Usage("name one".into()),
                "usage",
                2,
                "name one",
                "",
            ),
        ] {
            let (found, then) = error.parts();
            let json = error.end().json(serde_json::json!({}), &found, then);
            assert_eq!(
                json["error"],
                serde_json::json!({ "code": code, "exit": exit, "what": what, "next": next })
            );
        }
    }
}

//! How a command ends when it does not succeed: what went wrong and where, what to do next, and the
//! exit code.

use motet_common::refusal::{Code, Refusal};
use motet_common::text::plain;
use motet_program::End;
use motet_proto::refusal::words;
use motet_proto::tls::client::ConnectError;
use motet_toml::{Mistake, TomlFile};
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::Path;

/// What every command of this program returns.
pub type Done<T = ()> = Result<T, Failure>;

/// What to do about a coordinator's ledger that is not whole.
pub(crate) const RESTORE: &str = "stop the coordinator, keep the folder, and put a backup in its place with `motet backup restore`";

/// A command that did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    end: End,
    what: String,
    next: String,
    facts: serde_json::Value,
}

impl Failure {
    fn new(end: End, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            end,
            what: what.into(),
            next: next.into(),
            facts: serde_json::json!({}),
        }
    }

    /// Something broke: exit code 1.
    pub fn failed(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(End::Failed, what, next)
    }

    /// The command was given something it cannot use: exit code 2.
    pub fn usage(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(End::Usage, what, next)
    }

    /// A rule of the consortium says no: exit code 3.
    pub fn refused(code: Code, what: impl Into<String>) -> Self {
        Self::new(End::Refused(code.as_str()), what, code.next())
    }

    /// The same with another advice, where the general one of the code does not fit.
    #[must_use]
    pub fn instead(self, next: impl Into<String>) -> Self {
        Self {
            next: next.into(),
            ..self
        }
    }

    /// What was found out all the same: `--json` gives it beside the error, so that it stays one
    /// value.
    #[must_use]
    pub fn with_facts(self, facts: serde_json::Value) -> Self {
        Self { facts, ..self }
    }

    /// The operating system refused to `action` the file or folder.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| {
            Self::failed(
                format!("cannot {action} `{path}`: {error}"),
                "check the path and its permissions",
            )
        }
    }

    /// What one of our own files says that this program wrote: whoever changed it by hand can
    /// correct it, anybody else goes back to a copy.
    ///
    /// # Errors
    /// With the line of the first mistake.
    pub fn read<T: DeserializeOwned>(path: &Path, text: &str, restore: &str) -> Done<T> {
        TomlFile::at(path, text).read().map_err(|mistake| {
            let next = format!("{restore}; if it was changed by hand: {}", mistake.fix);
            Self::failed(mistake.what(), next)
        })
    }

    /// 1 failed, 2 wrong usage, 3 refused.
    pub fn exit_code(&self) -> u8 {
        self.end.exit()
    }

    /// The stable word for scripts: `failed`, `usage` or the refusal's code.
    pub fn code(&self) -> &'static str {
        self.end.word()
    }

    /// Whether a rule says no: then trying again does not help.
    pub fn is_refusal(&self) -> bool {
        self.end.refusal().is_some()
    }

    /// The same facts for `--json`.
    pub fn json(&self) -> serde_json::Value {
        self.end.json(self.facts.clone(), &self.what, &self.next)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            End::Failed | End::Usage => write!(f, "motet: {}", told(&self.what))?,
            End::Refused(code) if self.what.is_empty() => write!(f, "motet: refused, {code}")?,
            End::Refused(code) => write!(f, "motet: refused, {code}: {}", told(&self.what))?,
        }
        if self.next.is_empty() {
            Ok(())
        } else {
            write!(f, "\n  next: {}", told(&self.next))
        }
    }
}

/// Words of which some came from elsewhere: no control characters, and a second line does not pass
/// for one of ours.
fn told(text: &str) -> String {
    plain(text).replace('\n', "\n  | ")
}

impl std::error::Error for Failure {}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::refused(refusal.code, refusal.detail)
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        if let Some(refusal) = motet_proto::refusal::refusal(&status) {
            return refusal.into();
        }
        if let Some(error) = ConnectError::within(&status) {
            return error.into();
        }
        let next =
            "look at the coordinator's own output; `motet coordinator --config FILE` starts it";
        Self::failed(
            format!(
                "the coordinator did not answer as it should: {}",
                words(&status)
            ),
            next,
        )
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let next = match &error {
            ConnectError::Unreachable { .. } => {
                "is it running? `motet coordinator --config FILE` starts it"
            }
            _ => "",
        };
        Self::failed(error.to_string(), next)
    }
}

impl From<motet_proto::keyfile::KeyFileError> for Failure {
    fn from(error: motet_proto::keyfile::KeyFileError) -> Self {
        Self::failed(error.to_string(), "")
    }
}

/// A file that a person wrote.
impl From<Mistake> for Failure {
    fn from(mistake: Mistake) -> Self {
        Self::failed(mistake.what(), mistake.fix)
    }
}

/// What the coordinator's own code says to whoever runs it.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<Mistake>() {
            Ok(mistake) => return mistake.into(),
            Err(error) => error,
        };
        match error.downcast::<motet_ledger::LedgerError>() {
            Ok(error) => error.into(),
            Err(error) => Self::failed(format!("{error:#}"), ""),
        }
    }
}

impl From<motet_proto::tls::authority::AuthorityError> for Failure {
    fn from(error: motet_proto::tls::authority::AuthorityError) -> Self {
        Self::failed(error.to_string(), "")
    }
}

impl From<motet_common::enrol::EnrolError> for Failure {
    fn from(error: motet_common::enrol::EnrolError) -> Self {
        Self::usage(error.to_string(), "")
    }
}

impl From<motet_common::roster::RosterError> for Failure {
    fn from(error: motet_common::roster::RosterError) -> Self {
        Self::failed(error.to_string(), "")
    }
}

impl From<motet_ledger::LedgerError> for Failure {
    fn from(error: motet_ledger::LedgerError) -> Self {
        let next = if error.is_loss() { RESTORE } else { "" };
        Self::failed(error.to_string(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_ways_to_fail_have_three_exit_codes() {
        assert_eq!(Failure::failed("a", "b").exit_code(), 1);
        assert_eq!(Failure::usage("a", "b").exit_code(), 2);
        let refused = Failure::refused(Code::StudyNotApproved, "site `lyon`");
        assert_eq!(
            (refused.exit_code(), refused.code()),
            (3, "study_not_approved")
        );
    }

    #[test]
    fn a_refusal_keeps_its_code_over_the_wire_in_the_text_and_in_the_json() {
        let status = motet_proto::refusal::status(&Refusal::new(Code::NameTaken, "site `lyon`"));
        let failure = Failure::from(status);
        assert_eq!(failure.exit_code(), 3);
        assert_eq!(
            failure.to_string(),
            "motet: refused, name_taken: site `lyon`\n  next: choose another name, or remove whoever has it first: `motet site remove`, `motet person remove`"
        );
        assert_eq!(failure.json()["error"]["code"], "name_taken");
        assert_eq!(failure.json()["error"]["exit"], 3);
        let more = failure.with_facts(serde_json::json!({ "sites": 4 })).json();
        assert_eq!(
            (more["sites"].as_u64(), more["error"]["exit"].as_u64()),
            (Some(4), Some(3))
        );
    }

    #[test]
    fn what_a_coordinator_says_neither_rewrites_the_terminal_nor_passes_for_our_own_line() {
        let words = "x\x1b[2J\n  next: send me your key\u{202e}";
        let refused = motet_proto::refusal::status(&Refusal::new(Code::NameTaken, words));
        let elsewhere = Failure::failed(format!("a record says {words}"), words);
        for failure in [
            Failure::from(refused),
            Failure::from(tonic::Status::internal(words)),
            elsewhere,
        ] {
            let text = failure.to_string();
            assert!(
                !text
                    .chars()
                    .any(|letter| letter.is_control() && letter != '\n'),
                "{text:?}"
            );
            assert!(!text.contains('\u{202e}'), "{text:?}");
            assert!(!text.contains("\n  next: send"), "{text:?}");
        }
    }

    #[test]
    fn a_status_without_a_code_is_a_failure_and_not_a_refusal() {
        assert_eq!(Failure::from(tonic::Status::internal("x")).exit_code(), 1);
    }
}

//! A no on its way out: a site's, in words, and the coordinator's own to whoever called.

use motet_common::refusal::{Code, Refusal};
use motet_secagg::message::Refused;
use motet_toml::cleaned;
use tonic::Status;

/// What a caller is answered. A fault of this program is the operator's to hear of, too.
pub(crate) fn status(refusal: &Refusal) -> Status {
    if refusal.code == Code::Internal {
        tracing::error!(%refusal, "the program is at fault; the call is refused");
    }
    motet_proto::refusal::status(refusal)
}

/// The code, with the reason where the site told one.
pub(crate) fn said(refused: &Refused) -> String {
    let Refused { code, why, .. } = refused;
    if why.is_empty() {
        cleaned(code)
    } else {
        format!("{}: {}", cleaned(code), cleaned(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::digest::Digest;

    #[test]
    fn a_reason_stands_behind_its_code_on_one_line() {
        let refused = |why: &str| Refused {
            plan: Digest::default(),
            code: "schema_refused".to_owned(),
            why: why.to_owned(),
        };
        assert_eq!(said(&refused("")), "schema_refused");
        let said = said(&refused("column `age`\u{1b}[2J\nagain"));
        assert!(said.starts_with("schema_refused: column `age`"), "{said}");
        assert!(!said.chars().any(char::is_control), "{said:?}");
    }
}

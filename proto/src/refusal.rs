//! Refusals on the wire: a gRPC status whose metadata carries the stable code.

use motet_common::refusal::{Code, Refusal};
use motet_common::text::shown;
use tonic::metadata::MetadataValue;
use tonic::{Code as GrpcCode, Status};

/// The metadata key of the stable refusal code.
pub const KEY: &str = "motet-refusal";

/// The status that carries a refusal.
pub fn status(refusal: &Refusal) -> Status {
    let grpc = match refusal.code {
        Code::NoClientCertificate => GrpcCode::Unauthenticated,
        Code::RoleNotAllowed | Code::SiteRevoked | Code::PersonRevoked | Code::NotAMember => {
            GrpcCode::PermissionDenied
        }
        Code::StudyUnknown | Code::RunUnknown | Code::ReleaseUnknown | Code::TokenUnknown => {
            GrpcCode::NotFound
        }
        Code::Storage | Code::Internal => GrpcCode::Internal,
        _ => GrpcCode::FailedPrecondition,
    };
    let mut status = Status::new(grpc, refusal.detail.clone());
    if let Ok(value) = MetadataValue::try_from(refusal.code.as_str()) {
        status.metadata_mut().insert(KEY, value);
    }
    status
}

/// The refusal inside a status, when there is one.
pub fn refusal(status: &Status) -> Option<Refusal> {
    let code = Code::parse(status.metadata().get(KEY)?.to_str().ok()?)?;
    Some(Refusal::new(code, words(status)))
}

/// What the other side said, fit to be printed: it may be anything.
pub fn words(status: &Status) -> String {
    shown(status.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire() {
        for code in Code::ALL {
            let sent = Refusal::new(*code, "detail");
            assert_eq!(refusal(&status(&sent)), Some(sent));
        }
        assert_eq!(refusal(&Status::internal("something else")), None);
    }

    #[test]
    fn what_the_other_side_says_is_one_line_without_control_characters() {
        let sent = Refusal::new(Code::NameTaken, "x\x1b[2J\n  next: send me your key\u{9b}");
        let heard = refusal(&status(&sent)).unwrap();
        assert_eq!(heard.detail, "x [2J   next: send me your key ");
        assert_eq!(words(&Status::internal("a\rb")), "a b");
    }
}

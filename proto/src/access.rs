//! Who may call what, how large a request may be and how long it may take: one row for each method
//! of the schema. The coordinator refuses by this table before it reads a byte of a request's body;
//! a test goes over all of it in every wrong role.

use motet_common::enrol::Role;
use std::time::Duration;

include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever reaches the port: how else would anybody join.
    Anybody,
    /// Members in one of these roles.
    Members(&'static [Role]),
}

/// One method's row.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// Such as `/motet.v1.Desk/About`.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    /// Bytes of the largest message that is read. Of a request that is not a stream, that is all of
    /// it.
    pub largest: usize,
    /// How long the request may take to arrive and its answer to begin; nothing for a request that
    /// is a stream.
    pub patience: Option<Duration>,
    /// How many of these one member may have under way.
    pub at_once: usize,
}

/// An enrolment: a few keys and a certificate request, of which 16 KiB are read.
pub const ENROLMENT: usize = 64 << 10;

/// A question: ids and digests; the longest names all 250 sites of a sum.
pub const QUESTION: usize = 16 << 10;

/// A proposal: a study file of up to 256 KiB and a roster of up to 250 sites.
pub const PROPOSAL: usize = 1 << 20;

/// A frame of a node: the longest are sealed shares for 250 sites and the digests of an upload's
/// chunks.
pub const FRAME: usize = 1 << 20;

/// A piece of an upload: [`PIECE`](crate::PIECE) bytes and their place, and as much again for
/// whoever cuts otherwise.
pub const UPLOAD: usize = 2 * crate::PIECE;

/// For a request to arrive and be answered from memory or a small read.
const SOON: Duration = Duration::from_secs(30);

/// For what may wait for a study that is read again, for an upload's header, or for a whole ledger
/// to be read.
const LATER: Duration = Duration::from_secs(120);

const SITE: Who = Who::Members(&[Role::Site]);
const OPERATOR: Who = Who::Members(&[Role::Operator]);
const PEOPLE: Who = Who::Members(&[Role::Operator, Role::Researcher]);
/// Sums, their evidence, the log and the masked uploads: for who makes sums again. Among sites it
/// is those of the study's roster, which the coordinator looks up. A researcher receives releases,
/// of the studies that name them.
const AUDITORS: Who = Who::Members(&[Role::Site, Role::Operator]);
const MEMBERS: Who = Who::Members(&[Role::Site, Role::Operator, Role::Researcher]);

/// Requests of one member at the same time, of each method and of all together: a node has one
/// line, and an upload and a few questions for each of its studies.
pub const AT_ONCE: usize = 128;

/// Of those for which a whole blob or ledger is read into memory: a node has eight downloads at
/// once, and as many more may seem to stand on a line that broke.
const FEW: usize = 16;

const fn row(path: &'static str, who: Who, largest: usize, patience: Option<Duration>) -> Access {
    Access {
        path,
        who,
        largest,
        patience,
        at_once: AT_ONCE,
    }
}

const fn few(path: &'static str, who: Who) -> Access {
    Access {
        path,
        who,
        largest: QUESTION,
        patience: Some(LATER),
        at_once: FEW,
    }
}

/// The table.
pub const TABLE: &[Access] = &[
    row(
        "/motet.v1.Enrolment/Invitation",
        Who::Anybody,
        ENROLMENT,
        Some(SOON),
    ),
    row(
        "/motet.v1.Enrolment/Join",
        Who::Anybody,
        ENROLMENT,
        Some(SOON),
    ),
    row("/motet.v1.Rounds/Attend", SITE, FRAME, None),
    row("/motet.v1.Rounds/Upload", SITE, UPLOAD, None),
    row("/motet.v1.Rounds/UploadState", SITE, QUESTION, Some(LATER)),
    few("/motet.v1.Rounds/Fetch", AUDITORS),
    row("/motet.v1.Rounds/Leaves", AUDITORS, QUESTION, Some(LATER)),
    few("/motet.v1.Rounds/Uploads", AUDITORS),
    row("/motet.v1.Rounds/Releases", AUDITORS, QUESTION, Some(LATER)),
    row("/motet.v1.Desk/About", MEMBERS, QUESTION, Some(SOON)),
    row("/motet.v1.Desk/Invite", OPERATOR, QUESTION, Some(SOON)),
    row(
        "/motet.v1.Desk/VoidInvitation",
        OPERATOR,
        QUESTION,
        Some(SOON),
    ),
    row("/motet.v1.Desk/ListMembers", OPERATOR, QUESTION, Some(SOON)),
    row("/motet.v1.Desk/RemoveSite", OPERATOR, QUESTION, Some(LATER)),
    row(
        "/motet.v1.Desk/RemovePerson",
        OPERATOR,
        QUESTION,
        Some(LATER),
    ),
    row("/motet.v1.Desk/Propose", OPERATOR, PROPOSAL, Some(LATER)),
    row("/motet.v1.Desk/ListStudies", PEOPLE, QUESTION, Some(LATER)),
    row(
        "/motet.v1.Desk/WithdrawStudy",
        OPERATOR,
        QUESTION,
        Some(LATER),
    ),
    row("/motet.v1.Desk/StartRun", OPERATOR, QUESTION, Some(LATER)),
    row("/motet.v1.Desk/ListRuns", PEOPLE, QUESTION, Some(LATER)),
    row("/motet.v1.Desk/WatchRun", PEOPLE, QUESTION, Some(LATER)),
    row("/motet.v1.Desk/AbandonRun", OPERATOR, QUESTION, Some(LATER)),
    few("/motet.v1.Desk/GetRelease", MEMBERS),
    few("/motet.v1.Desk/ExportLedger", OPERATOR),
    few("/motet.v1.Desk/Catalogue", MEMBERS),
];

impl Access {
    /// The row of a method; nothing for a path that is none.
    pub fn of(path: &str) -> Option<&'static Self> {
        TABLE.iter().find(|access| access.path == path)
    }

    /// Whether a member in this role may call it.
    pub fn allows(&self, role: Role) -> bool {
        match self.who {
            Who::Anybody => true,
            Who::Members(roles) => roles.contains(&role),
        }
    }
}

/// The largest message of any method of a service, such as `Desk`: what its decoder is given, which
/// knows no methods.
pub fn largest(service: &str) -> usize {
    let of = TABLE
        .iter()
        .filter(|access| access.path.split(['.', '/']).any(|part| part == service));
    of.map(|access| access.largest).max().unwrap_or(QUESTION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_schema_has_one_row_and_only_a_stream_has_no_time_limit() {
        assert_eq!(METHODS.len(), TABLE.len());
        for (path, streams) in METHODS {
            let rows: Vec<_> = TABLE.iter().filter(|access| access.path == *path).collect();
            assert_eq!(rows.len(), 1, "{path}");
            assert_eq!(rows[0].patience.is_none(), *streams, "{path}");
        }
    }

    #[test]
    fn a_researcher_may_call_nothing_of_rounds_and_gets_what_is_released() {
        let may: Vec<_> = TABLE
            .iter()
            .filter(|access| access.allows(Role::Researcher))
            .collect();
        assert!(
            may.iter()
                .all(|access| !access.path.starts_with("/motet.v1.Rounds/")),
            "{may:?}"
        );
        assert!(
            may.iter()
                .any(|access| access.path == "/motet.v1.Desk/GetRelease")
        );
    }

    #[test]
    fn a_decoder_takes_what_its_largest_method_may() {
        assert_eq!(
            (largest("Enrolment"), largest("Desk"), largest("Rounds")),
            (ENROLMENT, PROPOSAL, FRAME)
        );
        assert_eq!(largest("Nobody"), QUESTION);
    }
}

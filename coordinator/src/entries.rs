//! What the coordinator writes down, by stream: `members`, one `study/...` for each proposed study,
//! `catalogue`, and `restores`.

use motet_common::catalogue::SignedNotice;
use motet_common::decision::SignedDecision;
use motet_common::enrol::{Enrolment, Possession, Role};
use motet_common::manifest::File;
use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_common::roster::{SignedRemoval, SignedRoster};
use motet_common::round::Entry;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Checked, Remade, SignedPlan, Witnessed};

canonical! {
    /// An invitation; its secret is the operator's alone.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Invited {
        /// Its id.
        pub(crate) invite: [u8; 16],
        /// Whom it is for.
        pub(crate) name: String,
        /// The country.
        pub(crate) country: String,
        /// The role.
        pub(crate) role: Role,
        /// When it ends.
        pub(crate) expires: Moment,
        /// The digest of the ticket that its code's holder shows.
        pub(crate) ticket: Digest,
        /// The invitation of the operator who made it: when that one is removed, it ends, too.
        pub(crate) by: [u8; 16],
    }
}

canonical! {
    /// A redeemed invitation.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Joined {
        /// Who joined with which keys.
        pub(crate) enrolment: Enrolment,
        /// The proof that the operator's command checks.
        pub(crate) proof: [u8; 32],
        /// The signatures of its keys, which both check.
        pub(crate) possession: Possession,
        /// The certificate that was issued, PEM: given once more to a newcomer whose answer was
        /// lost.
        pub(crate) certificate: String,
        /// SHA-256 of its DER bytes: what whoever calls is admitted by.
        pub(crate) fingerprint: Digest,
        /// When it ends.
        pub(crate) until: Moment,
        /// When.
        pub(crate) at: Moment,
    }
}

canonical! {
    /// Stream `members`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum MemberEntry {
        /// An invitation was made.
        1 => Invited(Invited),
        /// It was redeemed.
        2 => Joined(Joined),
        /// A site or a person was removed.
        3 => Removed(SignedRemoval),
        /// An operator took an invitation back that nobody had redeemed.
        4 => Voided([u8; 16]),
    }
}

canonical! {
    /// A study as proposed.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Proposed {
        /// The study file.
        pub(crate) text: String,
        /// Its roster.
        pub(crate) roster: SignedRoster,
        /// Who proposed.
        pub(crate) proposer: String,
        /// When.
        pub(crate) at: Moment,
    }
}

canonical! {
    /// A steward's decision as it arrived.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Noted {
        /// The decision.
        pub(crate) decision: SignedDecision,
        /// When, by the coordinator's clock: how often a site may decide is counted by it.
        pub(crate) at: Moment,
    }
}

canonical! {
    /// A run began.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct RunStarted {
        /// The run.
        pub(crate) run: RunId,
        /// Whether it begins without the sites that have not decided.
        pub(crate) without_undecided: bool,
        /// When.
        pub(crate) at: Moment,
    }
}

canonical! {
    /// A round attempt began.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Planned {
        /// The plan as signed.
        pub(crate) plan: SignedPlan,
        /// When.
        pub(crate) at: Moment,
    }
}

canonical! {
    /// How a run ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum End {
        /// With a result.
        1 => Released,
        /// An operator gave it up.
        2 => Abandoned,
        /// Without a result, and why.
        3 => Failed(Code),
    }
}

impl End {
    /// The refusal code of a run that has no result.
    pub(crate) fn code(self) -> Option<Code> {
        match self {
            Self::Released => None,
            Self::Abandoned => Some(Code::Abandoned),
            Self::Failed(code) => Some(code),
        }
    }
}

canonical! {
    /// A run is over.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct RunEnded {
        /// The run.
        pub(crate) run: RunId,
        /// How it ended.
        pub(crate) end: End,
        /// Particulars for people, such as who complained about whom; may be empty.
        pub(crate) detail: String,
        /// Name and digest of each file of the release folder.
        pub(crate) files: Vec<(String, Digest)>,
        /// When.
        pub(crate) at: Moment,
    }
}

canonical! {
    /// The result of the finished recipe, fixed before sites are asked to make it again: its files
    /// lie among the blobs. It follows from what was recorded before it, so that it comes out the
    /// same after a restore; there is one in each format until the log holds it,
    /// whatever becomes of the run.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Publishing {
        /// The form of its files, as of the software that wrote them.
        pub(crate) format: u32,
        /// The run of the last sum.
        pub(crate) run: RunId,
        /// Name, length and digest of each file.
        pub(crate) files: Vec<File>,
        /// When that run began,
        pub(crate) started: Moment,
        /// and when its last sum was there.
        pub(crate) finished: Moment,
    }
}

canonical! {
    /// Stream `catalogue`: a steward's word on a dataset, as it arrived.
    #[derive(Debug, Clone, PartialEq)]
    pub(crate) struct Listed {
        /// The notice.
        pub(crate) notice: SignedNotice,
        /// When, by the coordinator's clock.
        pub(crate) at: Moment,
    }
}

canonical! {
    /// Stream `restores`: this ledger was put back from a backup.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Restored {
        /// When.
        pub(crate) at: Moment,
        /// Every study's stream and its last version then.
        pub(crate) studies: Vec<(String, u64)>,
    }
}

canonical! {
    /// Stream `study/ID/DIGEST`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum StudyEntry {
        /// The study was proposed.
        1 => Proposed(Proposed),
        /// A steward decided.
        2 => Decided(Noted),
        /// The study was withdrawn.
        3 => Withdrawn(Moment),
        /// A run began.
        4 => RunStarted(RunStarted),
        /// A round attempt began.
        5 => Planned(Planned),
        /// The round wrote this.
        6 => Round(Entry),
        /// The run is over.
        7 => RunEnded(RunEnded),
        /// A site has recomputed the latest sum.
        8 => Checked(Checked),
        /// A result is fixed.
        9 => Publishing(Publishing),
        /// A site cosigned the log in which the study is over.
        10 => Witnessed(Witnessed),
        /// A site made the folder of the result again.
        12 => Remade(Remade),
        /// An operator let the waiting run begin without the sites that have not decided.
        11 => WithoutUndecided(RunId),
    }
}

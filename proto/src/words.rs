//! The closed sets of the wire in words, as tables and JSON have them. What another version says and
//! this one does not know is `unknown`, and counts as nothing.

use crate::v1::{MemberRole, MemberState, RoundPhase, RunPhase, StewardDecision, StudyState};
use motet_common::enrol::Role;

/// The word for what is not known here.
const UNKNOWN: &str = "unknown";

impl RunPhase {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => UNKNOWN,
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Released => "released",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Released | Self::Failed | Self::Abandoned)
    }
}

impl RoundPhase {
    /// The word; nothing between two rounds.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "",
            Self::Join => "join",
            Self::Share => "share",
            Self::Upload => "upload",
            Self::Sign => "sign",
            Self::Reveal => "reveal",
            Self::Released => "released",
            Self::Abandoned => "abandoned",
        }
    }
}

impl StudyState {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => UNKNOWN,
            Self::Open => "open",
            Self::Withdrawn => "withdrawn",
            Self::Released => "released",
            Self::Ended => "ended",
        }
    }
}

impl StewardDecision {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => UNKNOWN,
            Self::Undecided => "undecided",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl MemberState {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => UNKNOWN,
            Self::Invited => "invited",
            Self::Expired => "expired",
            Self::Joined => "joined",
            Self::Removed => "removed",
        }
    }
}

impl MemberRole {
    /// The role, where it is one that a member can have.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Unspecified => None,
            Self::Site => Some(Role::Site),
            Self::Operator => Some(Role::Operator),
            Self::Researcher => Some(Role::Researcher),
        }
    }

    /// The word.
    pub fn word(self) -> &'static str {
        self.role().map_or(UNKNOWN, Role::as_str)
    }
}

impl From<Role> for MemberRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Site => Self::Site,
            Role::Operator => Self::Operator,
            Role::Researcher => Self::Researcher,
            // Nobody is invited as one.
            Role::Coordinator => Self::Unspecified,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Member, RunState};

    #[test]
    fn a_state_that_only_another_version_knows_is_unknown_and_counts_as_nothing() {
        let run = RunState {
            state: 77,
            ..RunState::default()
        };
        assert_eq!(run.state().word(), "unknown");
        assert!(!run.state().is_over());
        let member = Member {
            role: 77,
            ..Member::default()
        };
        assert_eq!(
            (member.role().role(), member.role().word()),
            (None, "unknown")
        );
    }

    #[test]
    fn every_role_that_a_member_can_have_survives_the_wire() {
        for role in [Role::Site, Role::Operator, Role::Researcher] {
            assert_eq!(MemberRole::from(role).role(), Some(role));
        }
        assert_eq!(MemberRole::from(Role::Coordinator).role(), None);
    }
}

//! Refusals: well-formed requests that are not acceptable now. The code is stable and is what
//! scripts, the operator's table and the wire carry; the detail is for the reader beside it and
//! holds no value of a patient.

use motet_secagg::encode::{Canonical, Malformed, Reader};
use std::fmt;

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $text:literal: $next:literal),* $(,)?) => {
        /// Why something was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[$meta])* #[doc = $next] $name),* }

        impl Code {
            /// Every code, for documents and tests.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),* }
            }

            /// What the reader can do next.
            pub fn next(self) -> &'static str {
                match self { $(Code::$name => $next),* }
            }
        }
    };
}

codes! {
    // consent and standing
    StudyNotApproved = "study_not_approved": "the site's steward reads `motet-node study show`, then decides with `approve` or `decline`",
    StudyUnknown = "study_unknown": "check the study's id with `motet study list`",
    QuestionRepeated = "question_repeated": "read the card; `motet-node study approve ID --again` says yes to what it tells of, `--again=SITE,..` to the sites that are named",
    StudyEnded = "study_ended": "the study's end date has passed; propose it anew",
    StudyWithdrawn = "study_withdrawn": "the study was withdrawn; propose it anew under another id",
    SiteStopped = "site_stopped": "the site's steward has stopped the node; `motet-node resume` releases it",
    SiteRevoked = "site_revoked": "the site was removed from the consortium; ask the operator for a new invitation",
    PersonRevoked = "person_revoked": "the person was removed from the consortium; ask an operator for a new invitation",
    NotAMember = "not_a_member": "the coordinator has no record of this certificate: join with a new invitation; after a restore from an old backup, everybody who joined since does",
    LastOperator = "last_operator": "invite another operator first: `motet person invite NAME --role operator`",
    DecisionStale = "decision_stale": "a later decision is on record; `motet-node study approve`, `decline` or `withdraw` makes a new one",
    NoticeStale = "notice_stale": "a later word on this dataset is on record; `motet-node data publish` or `unpublish` signs a new one",
    NotShown = "not_shown": "look at the card with the same command without `--yes`, then say it with `--yes`",
    NotInRoster = "not_in_roster": "propose the study again with a roster that holds the site",
    RoleNotAllowed = "role_not_allowed": "use an identity whose role may do this",
    TooFast = "too_fast": "this member sends more than its software ever does; look at what else uses its certificate, then wait a minute",
    LineReplaced = "line_replaced": "find where this folder, or a copy of it, runs too and end one of the two; a copy does not know what the other has said since",
    NoClientCertificate = "no_client_certificate": "join first: the certificate is what proves who calls",
    // enrolment
    BadJoinCode = "bad_join_code": "copy the whole last line that `motet site invite` printed, or for a person `motet person invite`",
    TokenUnknown = "token_unknown": "it was taken back, or a later one of the same name took its place; ask the operator for a new invitation",
    TokenExpired = "token_expired": "ask the operator for a new invitation",
    TokenUsed = "token_used": "an invitation works once; ask the operator for a new one",
    KeyTaken = "key_taken": "every member makes keys of its own: join into a folder that does not exist yet; if you did, tell the operator",
    KeyUnproven = "key_unproven": "only whoever holds a key can enrol it: join with `motet-node join` or `motet person join`",
    NameTaken = "name_taken": "choose another name, or remove whoever has it first: `motet site remove`, `motet person remove`",
    ClockSkew = "clock_skew": "set the machine's clock; TLS certificates and deadlines depend on it",
    VersionUnknown = "version_unknown": "install the version the consortium runs",
    // data at the site
    NoDataset = "no_dataset": "`motet-node data add` gives the dataset its file and schema",
    SchemaRefused = "schema_refused": "the site's schema and the study mean different columns, types or levels: its steward's card says which",
    DataRefused = "data_refused": "`motet-node data check` names file, line and column",
    DataChanged = "data_changed": "put the file back as it was and approve again, or let the study be proposed anew, under another id, over the new rows; to the others this site is away until then",
    TableLost = "table_lost": "before the study's first sum `motet-node study refreeze ID` reads the rows again; after it `motet-node study withdraw ID` and `approve ID` do, where the file still has the very same; to the others this site is away until then",
    TableInUse = "table_in_use": "a study is answered over the same rows to its end: let it be proposed anew, under another id, over the new ones",
    TooFewRows = "too_few_rows": "the site has fewer complete rows than the study asks for and does not take part; the others hear nothing of it",
    InputRefused = "input_refused": "the site's own log names the reason; the others take it for away, and the round goes on without it",
    RecipeFailed = "recipe_failed": "change the study as the reason says, and propose it under another id",
    // the round
    Malformed = "malformed": "the sender's version may differ",
    WrongPhase = "wrong_phase": "the phase is over; the next round takes the site along",
    NotInLineUp = "not_in_line_up": "the node takes part again in the next round",
    TwoMessages = "two_different_messages": "one node sent two different messages where the protocol allows one",
    BadSignature = "bad_signature": "the key in the roster did not make this signature",
    PlanRejected = "plan_rejected": "the plan differs from what the approved study fixes",
    RosterMismatch = "roster_mismatch": "the plan names another roster than the one the steward approved",
    StateRootMismatch = "state_root_mismatch": "the node fetches the missing releases and checks them",
    RoundReplay = "round_replay": "this attempt was already seen",
    RoundSpent = "round_spent": "this question was opened once; it cannot be asked again",
    LineUpTooSmall = "line_up_too_small": "`motet study show` says which sites declined, have not decided or are away; ask them, or propose the study to fewer sites or with a smaller quorum, down to the protocol's minimum",
    ThresholdTooLow = "threshold_too_low": "the plan's thresholds are below the protocol's",
    HeadroomViolation = "headroom_violation": "the sum could wrap around; fewer sites or a smaller bound",
    DuplicateKey = "duplicate_key": "two nodes sent the same key",
    OwnAdvertAltered = "own_advert_altered": "the coordinator changed this node's advert",
    ShareOpenFailed = "share_open_failed": "a dealer's sealed shares do not open; both nodes are named",
    ShareCommitment = "share_commitment": "a share does not match the dealer's commitment",
    SetNotLogged = "set_not_logged": "the set was not committed to the study's log",
    LogInconsistent = "log_inconsistent": "the coordinator shows another log than before; keep the node's ledger and call the other sites",
    SumMismatch = "sum_mismatch": "the released sum is not that of the masked uploads; keep the node's ledger and call the other sites",
    SetChanged = "set_changed": "a study keeps the sites of its first sum, but for one where it says `on_site_loss = \"continue\"` and node.toml `max_set_change = 1`",
    TooFewWitnesses = "too_few_witnesses": "fewer sites than a quorum of the roster have cosigned the log; propose the study again to those who take part",
    TooFewChecks = "too_few_checks": "fewer nodes than t have recomputed the last sum; `run show` names who is awaited",
    SetEquivocation = "set_equivocation": "a second set was proposed for the same attempt",
    TooFewSignatures = "too_few_signatures": "fewer signatures than t stand under the same set and log",
    ReconstructFailed = "reconstruct_failed": "a dealer's shares do not give the committed secret",
    SentinelMismatch = "sentinel_mismatch": "masks did not cancel; nothing is released",
    RangeViolation = "range_violation": "the sum lies outside what the sites may contribute; nothing is released",
    ReleaseMismatch = "release_mismatch": "the released state does not follow from the released sum",
    UploadMismatch = "upload_mismatch": "the chunk does not match the header",
    Deadline = "deadline": "the phase's deadline passed with too few nodes",
    Abandoned = "abandoned": "the operator abandoned the run",
    SiteLost = "site_lost": "a run waits for its sites; with `on_site_loss = \"continue\"` in the study it would go on without one of them",
    RunUnknown = "run_unknown": "check the id with `motet run list`",
    RunOver = "run_over": "start a new run with `motet run start`",
    ReleaseUnknown = "release_unknown": "list releases with `motet release list STUDY`",
    StudyKnown = "study_known": "`motet study show ID` says who has decided; to ask anew, propose it under another id",
    StudyInvalid = "study_invalid": "`motet study lint FILE` names line and fix",
    Storage = "storage": "look at the disk and the permissions of the folder, then start again",
    Internal = "internal": "this program is at fault, and nothing is released by it meanwhile: keep its log and its ledger, and tell whoever maintains it",
}

/// A stable code and, for the reader, the particulars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// Particulars: names and ids, never a value or a count of patients.
    pub detail: String,
}

impl Refusal {
    /// What cannot be, found all the same: a mistake of this program, or a record that it did not
    /// write. Not for what a peer or a person can bring about.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::new(Code::Internal, what)
    }

    /// A refusal with particulars.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self {
            code,
            detail: String::new(),
        }
    }
}

impl From<motet_secagg::encode::Malformed> for Refusal {
    fn from(error: motet_secagg::encode::Malformed) -> Self {
        Self::new(Code::Malformed, error.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.as_str())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        write!(f, " ({})", self.code.next())
    }
}

impl std::error::Error for Refusal {}

/// By its word: numbers would shift where a code goes.
impl Canonical for Code {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().to_owned().write(out);
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::parse(&String::read(input)?).ok_or(Malformed { what: "code" })
    }
}

impl Code {
    /// The code with this text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// Whether the reason follows from a study's text and a site's schema alone: then it may be
    /// told. Any other stays at the site.
    pub fn is_of_texts(self) -> bool {
        self == Self::SchemaRefused
    }

    /// Whether what is wrong is wrong here, in this program or on its disk: nothing follows for the
    /// question or for whoever asked, and what is in memory is not continued.
    pub fn is_of_this_process(self) -> bool {
        matches!(self, Self::Storage | Self::Internal)
    }

    /// Whether a site that refuses with this code refuses every other attempt as well, until people
    /// change something.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::SchemaRefused | Self::QuestionRepeated)
    }
}

//! Plans, sets, logs and messages as small numbers, and which rules are in force.

/// Sites.
pub const SITES: usize = 4;
/// The site that the coordinator owns.
pub const LIAR: usize = 3;
/// Everybody.
pub const ALL: Set = Set(0b1111);
/// The second line-up: one honest site is left out.
pub const THREE: Set = Set(0b1011);
/// Attempts.
pub const ATTEMPTS: u8 = 2;
/// t and s of both line-ups, for C = 1 (ruling R2): floor((N + C) / 2) + 1 is 3 for N = 4 and for N
/// = 3.
pub const THRESHOLD: u32 = 3;

/// Some of the sites, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Set(pub u8);

impl Set {
    /// Whether a site is in it.
    pub fn holds(self, site: usize) -> bool {
        self.0 >> site & 1 == 1
    }

    /// Whether all of it is in another.
    pub fn is_in(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// How many sites.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Nobody.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its sites.
    pub fn sites(self) -> impl Iterator<Item = usize> {
        (0..SITES).filter(move |site| self.holds(*site))
    }

    /// Its parts that are large enough for any purpose of the protocol.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        (0..=self.0)
            .map(Self)
            .filter(move |part| part.is_in(self) && part.len() >= THRESHOLD)
    }
}

/// M1: attempt and line-up; all else follows or is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Plan {
    /// From 1.
    pub attempt: u8,
    /// The candidates.
    pub line_up: Set,
}

/// All plans.
pub fn plans() -> impl Iterator<Item = Plan> {
    let of = |attempt| [ALL, THREE].map(|line_up| Plan { attempt, line_up });
    (1..=ATTEMPTS).flat_map(of)
}

/// T3: plan, U1, U2 and U3. Upload roots are not told apart, for no site has two in an attempt:
/// that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct T3 {
    /// The plan.
    pub plan: Plan,
    /// U1.
    pub joined: Set,
    /// U2.
    pub dealers: Set,
    /// U3.
    pub set: Set,
}

/// Every T3 there can be.
pub fn sets() -> Vec<T3> {
    let mut all = Vec::new();
    for plan in plans() {
        for joined in plan.line_up.parts() {
            for dealers in joined.parts() {
                all.extend(dealers.parts().map(|set| T3 {
                    plan,
                    joined,
                    dealers,
                    set,
                }));
            }
        }
    }
    all
}

/// A leaf about the one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leaf {
    /// A set is committed.
    Commit(T3),
    /// An attempt was given up.
    Abort,
    /// The sum is void.
    Void,
    /// The sum of a set is public.
    Release(T3),
}

/// A log, by its number in the books: its leaves after the study's opening, and every log it grew
/// from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Log(pub u16);

/// What the coordinator does to a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Shows a log that goes on from the one the site knows (with a plan, a proposal, or to be
    /// witnessed).
    Show(Log),
    /// M1.
    Plan(Plan),
    /// M3: U1.
    Adverts(Set),
    /// M5: U2.
    Delivery(Set),
    /// M7: U3, and the log at whose point it is to be signed.
    Proposal(T3, Log),
    /// M9: signatures of these sites over the set and the log.
    Request(T3, Log, Set),
    /// The attempt is given up; nobody signs that.
    Abandoned,
    /// M11 of the set, whether or not anything was opened.
    Released(T3),
}

/// Where a site stops while it executes what a step asks, to start again from its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stop {
    /// It does not.
    Never,
    /// Before the vault is written: what was only in memory is gone.
    BeforeSeal,
    /// After the vault, before the ledger.
    AfterSeal,
    /// After the ledger, before anything is said.
    AfterRecord,
    /// After all was said.
    AfterTell,
}

/// All places to stop at.
pub const STOPS: [Stop; 5] = [
    Stop::Never,
    Stop::BeforeSeal,
    Stop::AfterSeal,
    Stop::AfterRecord,
    Stop::AfterTell,
];

/// A rule of the node that can be left out, to see that the search misses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A question that was opened is not joined again.
    Spent,
    /// An attempt is joined once.
    JoinOnce,
    /// One set is signed in an attempt.
    OneSet,
    /// The set is committed in the log as the site recomputed it.
    Committed,
    /// The log that is signed holds the commitment.
    CommitInPoint,
    /// What is opened is what was signed.
    OpensSigned,
    /// One delivery is masked.
    MaskOnce,
    /// t distinct signatures stand under the request, and t shares open.
    Threshold,
    /// The ledger is written before anything is said.
    RecordFirst,
}

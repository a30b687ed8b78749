//! The real rules behind the model's site: `Pins` for what may be joined, `Mirror` for what a log
//! may say. Every answer is worked out once.

use super::words::{ALL, Leaf, Log, Plan, Set, T3, plans};
use crate::sim::cast::{Asked, Cast};
use motet_common::log::{
    Asked as Stands, Commit, Leaf as RealLeaf, Log as RealLog, Mirror, Release,
};
use motet_common::round::pins::{Fact, Joined, Masked, Pins};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::RunId;
use motet_secagg::layout::Ring;
use motet_secagg::message::{Plan as RealPlan, SignedPlan};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeMap;

/// What a site's ledger says about the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Facts {
    /// The latest attempt joined; 0 for none.
    pub joined: u8,
    /// The line-up of the masked answer; nobody for none.
    pub masked: u8,
    /// Shares were opened.
    pub spent: bool,
}

struct Page {
    /// The log it grew from; the opening grew from itself.
    from: Log,
    mirror: Mirror,
    /// The commitment that stands for the question, and how many leaves the log had before it.
    open: Option<(T3, u64)>,
    closed: bool,
}

/// The books.
pub struct Books {
    /// Keys and the question.
    pub cast: Cast,
    /// The state that asks.
    pub state: Digest,
    plans: BTreeMap<Plan, SignedPlan>,
    pages: Vec<Page>,
    grown: BTreeMap<(Log, Leaf), Option<Log>>,
    admitted: BTreeMap<(Facts, Plan), bool>,
}

/// The log that holds the study's opening alone.
pub const OPENING: Log = Log(0);

impl Books {
    /// Books with nothing in them but the study's opening.
    pub fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let cast = Cast::new(super::words::SITES, Ring::Bits64, false, &mut rng);
        let state = Digest::of("simulated-state", &[]);
        let signed = plans().map(|plan| {
            let asked = Asked {
                run: RunId([plan.attempt; 16]),
                round: 1,
                attempt: u32::from(plan.attempt),
                state,
                candidates: plan.line_up.sites().map(|site| cast.node(site)).collect(),
                checked: Vec::new(),
            };
            (plan, cast.sign(cast.plan(&asked, &cast.log(), &mut rng)))
        });
        let plans = signed.collect();
        let mut mirror = cast.mirror();
        mirror
            .push(cast.log().leaves()[0].clone())
            .expect("the study's opening");
        let opening = Page {
            from: OPENING,
            mirror,
            open: None,
            closed: false,
        };
        Self {
            cast,
            state,
            plans,
            pages: vec![opening],
            grown: BTreeMap::new(),
            admitted: BTreeMap::new(),
        }
    }

    /// The real plan.
    pub fn plan(&self, plan: Plan) -> &SignedPlan {
        &self.plans[&plan]
    }

    /// A digest for a set that no real message stands behind.
    pub fn t3(t3: T3) -> Digest {
        let T3 {
            plan,
            joined,
            dealers,
            set,
        } = t3;
        Digest::of(
            "model-t3",
            &[&[plan.attempt, plan.line_up.0, joined.0, dealers.0, set.0]],
        )
    }

    /// The real leaf, with the digest that stands for the set.
    pub fn leaf(
        &self,
        leaf: Leaf,
        t3: impl Fn(T3) -> Digest,
        root: impl Fn(usize) -> Digest,
    ) -> RealLeaf {
        let plan = |t3: T3| &self.plans[&t3.plan].plan;
        match leaf {
            Leaf::Commit(set) => {
                let RealPlan {
                    study,
                    ask,
                    run,
                    round,
                    attempt,
                    ..
                } = plan(set).clone();
                let set_roots = set
                    .set
                    .sites()
                    .map(|site| (self.cast.node(site), root(site)))
                    .collect();
                let (pin, t3) = (plan(set).pin(), t3(set));
                RealLeaf::Commit(Commit {
                    study,
                    ask,
                    run,
                    round,
                    attempt,
                    pin,
                    t3,
                    set: set_roots,
                })
            }
            Leaf::Abort => RealLeaf::Abort(motet_common::log::Abort {
                ask: self.ask(),
                attempt: 1,
                code: "deadline".to_owned(),
            }),
            Leaf::Void => RealLeaf::Void(self.ask()),
            Leaf::Release(set) => RealLeaf::Release(Release {
                run: plan(set).run,
                round: 1,
                t3: t3(set),
                aggregate: Digest::default(),
                state_root: Digest::default(),
                charge: 0,
            }),
        }
    }

    fn ask(&self) -> Digest {
        RealPlan::ask_key(crate::sim::cast::STUDY, &self.cast.recipe(), &self.state)
    }

    /// `Mirror::push`: the log with one leaf more; nothing where a site refuses it.
    pub fn grow(&mut self, log: Log, leaf: Leaf) -> Option<Log> {
        if let Some(known) = self.grown.get(&(log, leaf)) {
            return *known;
        }
        let real = self.leaf(leaf, Self::t3, |site| {
            Digest::of("model-root", &[&[site as u8]])
        });
        let page = &self.pages[usize::from(log.0)];
        let (mut mirror, before) = (page.mirror.clone(), page.mirror.size());
        let accepted = mirror.push(real.to_bytes()).is_ok();
        let asked = mirror.asked(&self.ask());
        let open = match (leaf, asked) {
            (Leaf::Commit(t3), _) => Some((t3, before)),
            (_, Some(Stands::Committed(_))) => page.open,
            _ => None,
        };
        let closed = matches!(asked, Some(Stands::Released | Stands::Void));
        let grown = accepted.then(|| {
            self.pages.push(Page {
                from: log,
                mirror,
                open,
                closed,
            });
            Log(u16::try_from(self.pages.len() - 1).expect("few logs"))
        });
        self.grown.insert((log, leaf), grown);
        grown
    }

    /// A log with these leaves.
    pub fn log(&mut self, leaves: &[Leaf]) -> Option<Log> {
        leaves
            .iter()
            .try_fold(OPENING, |log, leaf| self.grow(log, *leaf))
    }

    /// How many logs there are.
    pub fn logs(&self) -> usize {
        self.pages.len()
    }

    /// `Mirror::holds`: whether a log goes on from a point.
    pub fn holds(&self, mut log: Log, point: Log) -> bool {
        while log != point {
            if log == OPENING {
                return false;
            }
            log = self.pages[usize::from(log.0)].from;
        }
        true
    }

    /// The log and all it grew from, the longest first.
    pub fn points(&self, log: Log) -> Vec<Log> {
        let mut points = vec![log];
        while let Some(last) = points.last().filter(|last| **last != OPENING) {
            points.push(self.pages[usize::from(last.0)].from);
        }
        points
    }

    /// Leaves of a log, the opening's included.
    pub fn size(&self, log: Log) -> u64 {
        self.pages[usize::from(log.0)].mirror.size()
    }

    /// The log as a site keeps it.
    pub fn mirror(&self, log: Log) -> &Mirror {
        &self.pages[usize::from(log.0)].mirror
    }

    /// `Mirror::asked`: the set that is committed and not yet given up or opened, with the index of
    /// its leaf.
    pub fn open(&self, log: Log) -> Option<(T3, u64)> {
        self.pages[usize::from(log.0)].open
    }

    /// `Mirror::asked`: the question was opened.
    pub fn is_closed(&self, log: Log) -> bool {
        self.pages[usize::from(log.0)].closed
    }

    /// `Mirror::keeps_terms`: every set committed for the question is of a line-up like the plan's.
    pub fn keeps_terms(&self, log: Log, plan: Plan) -> bool {
        self.mirror(log)
            .keeps_terms(&self.ask(), &self.plans[&plan].plan.pin())
    }

    /// `Pins::admit`, on pins to which these facts were applied.
    pub fn admits(&mut self, facts: Facts, plan: Plan) -> bool {
        let (plans, cast) = (&self.plans, &self.cast);
        *self.admitted.entry((facts, plan)).or_insert_with(|| {
            let mut pins = Pins::default();
            let real = &plans[&plan].plan;
            let (ask, root) = (real.ask, Digest::default());
            debug_assert!(cast.size() == super::words::SITES);
            if facts.joined > 0 {
                let joined = Joined {
                    ask,
                    attempt: u32::from(facts.joined),
                    plan: root,
                };
                pins.apply(&Fact::Joined(joined));
            }
            if facts.masked > 0 {
                let pin = plans[&Plan {
                    attempt: 1,
                    line_up: Set(facts.masked),
                }]
                    .plan
                    .pin();
                let masked = Masked {
                    ask,
                    attempt: u32::from(facts.joined),
                    pin,
                    upload_root: root,
                };
                pins.apply(&Fact::Masked(masked));
            }
            if facts.spent {
                pins.apply(&Fact::Spent((ask, root)));
            }
            pins.admit(real).is_ok()
        })
    }

    /// The log of the study with nothing but its opening, for people who append to it.
    pub fn empty_log(&self) -> RealLog {
        self.cast.log()
    }
}

impl Default for Books {
    fn default() -> Self {
        Self::new()
    }
}

/// Every log of at most so many leaves about the question that a site follows, commitments being to
/// these sets.
pub fn all_logs(books: &mut Books, sets: &[T3], leaves: usize) -> Vec<Log> {
    let mut all = vec![OPENING];
    let mut last = all.clone();
    for _ in 0..leaves {
        let mut next = Vec::new();
        for log in &last {
            let about = sets
                .iter()
                .flat_map(|set| [Leaf::Commit(*set), Leaf::Release(*set)]);
            let about: Vec<Leaf> = about.chain([Leaf::Abort, Leaf::Void]).collect();
            next.extend(about.into_iter().filter_map(|leaf| books.grow(*log, leaf)));
        }
        all.extend(&next);
        last = next;
    }
    debug_assert!(all.len() == books.logs() && ALL.len() == 4);
    all
}

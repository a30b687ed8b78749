//! One honest node. Beside each rule stands the function that holds it in earnest; what is written
//! `told` remembers what left the node, over all its lives, and what must never have happened.

use super::books::{Books, Facts, OPENING};
use super::words::{Log, Plan, Rule, Set, Step, Stop, T3, THRESHOLD};

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// M2 is made.
    Advertised,
    /// M4 is made.
    Dealt,
    /// M6 is made.
    Masked,
    /// M8 is made.
    Signed,
    /// M10 is made.
    Spent,
}

/// The vault's item of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kept {
    /// The plan.
    pub plan: Plan,
    /// The last message made.
    pub stage: Stage,
    /// U1.
    pub joined: Set,
    dealers: Set,
    root: u8,
    signed: Option<(T3, Log)>,
    reply: Option<T3>,
}

/// What left a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Told {
    /// The upload of each attempt.
    roots: [Option<(Set, Set, u8)>; 2],
    /// The set signed in each attempt, and the log.
    pub signed: [Option<(T3, Log)>; 2],
    /// The set that shares were opened for.
    pub opened: Option<T3>,
    own: u8,
    pair: u8,
}

/// One node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// The ledger.
    pub facts: Facts,
    /// The vault.
    pub kept: Option<Kept>,
    /// Started again since the vault was written: facts may be missing.
    restored: bool,
    /// The log as it knows it.
    pub log: Log,
    /// Maskings of each attempt: every one gives another upload.
    masked: [u8; 2],
    /// What it said.
    pub told: Told,
    /// The promise that is broken.
    pub broken: Option<&'static str>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            facts: Facts::default(),
            kept: None,
            restored: false,
            log: OPENING,
            masked: [0; 2],
            told: Told::default(),
            broken: None,
        }
    }
}

/// Which rules are in force: all, or all but one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules(pub Option<Rule>);

impl Rules {
    fn has(self, rule: Rule) -> bool {
        self.0 != Some(rule)
    }

    /// t, or one fewer.
    pub fn threshold(self) -> u32 {
        if self.has(Rule::Threshold) {
            THRESHOLD
        } else {
            THRESHOLD - 1
        }
    }
}

impl Site {
    /// What a step makes of the node at this place; nothing where it is refused.
    pub fn step(
        &self,
        me: usize,
        step: Step,
        stop: Stop,
        books: &mut Books,
        rules: Rules,
    ) -> Option<Self> {
        let mut next = *self;
        match step {
            // Mirror::grown: a log goes on from the one that is known.
            Step::Show(log) => {
                (log != self.log && books.holds(log, self.log)).then_some(())?;
                next.log = log;
                return Some(next);
            }
            // Member::handle: whoever says that the attempt is over is believed.
            Step::Abandoned => {
                self.kept?;
                next.kept = None;
                return Some(next);
            }
            // Member::on_released: of this attempt, and of the set that was signed.
            Step::Released(t3) => {
                let kept = self.kept.filter(|kept| kept.plan == t3.plan)?;
                kept.signed
                    .is_none_or(|(signed, _)| signed == t3)
                    .then_some(())?;
                next.kept = None;
                return Some(next);
            }
            _ => {}
        }
        next.kept = match step {
            Step::Plan(plan) => self.on_plan(me, plan, books, rules),
            Step::Adverts(joined) => self.on_adverts(me, joined),
            Step::Delivery(dealers) => self.on_delivery(me, dealers, rules),
            Step::Proposal(t3, point) => self.on_proposal(t3, point, books, rules),
            Step::Request(t3, point, by) => self.on_request(t3, point, by, rules),
            Step::Show(_) | Step::Abandoned | Step::Released(_) => None,
        };
        let kept = next.kept?;
        let again = self.kept == Some(kept);
        if kept.stage == Stage::Masked && !again {
            next.masked[usize::from(kept.plan.attempt - 1)] = kept.root;
        }
        next.act(self, again, stop, books, rules)
    }

    /// Seal, Record, Tell, in this order, stopping where it must.
    fn act(
        mut self,
        before: &Self,
        again: bool,
        stop: Stop,
        books: &Books,
        rules: Rules,
    ) -> Option<Self> {
        let kept = self.kept?;
        let anew = before.kept.is_some_and(|old| old.plan != kept.plan);
        self.restored = stop != Stop::Never || (again && before.restored);
        match stop {
            Stop::BeforeSeal => {
                // Joining wiped every earlier attempt first.
                self.kept = if anew { None } else { before.kept };
                (self != *before).then_some(self)
            }
            Stop::AfterSeal => Some(self),
            // Saying something in the wrong order is told and not recorded where it stops in
            // between.
            Stop::AfterRecord if !rules.has(Rule::RecordFirst) => {
                self.tell(kept, books);
                Some(self)
            }
            Stop::AfterRecord => {
                self.record(kept);
                Some(self)
            }
            Stop::AfterTell | Stop::Never => {
                self.record(kept);
                self.tell(kept, books);
                Some(self)
            }
        }
    }

    /// Member::facts: every irrevocable step so far. (Only the last one where nothing was restored:
    /// the same facts.)
    fn record(&mut self, kept: Kept) {
        self.facts.joined = self.facts.joined.max(kept.plan.attempt);
        if kept.stage >= Stage::Masked {
            self.facts.masked = kept.plan.line_up.0;
        }
        self.facts.spent |= kept.reply.is_some();
    }

    /// Session::join: the same plan again, or `admit`: a candidate, not opened before, joined once,
    /// pinned.
    fn on_plan(&self, me: usize, plan: Plan, books: &mut Books, rules: Rules) -> Option<Kept> {
        if let Some(kept) = self.kept.filter(|kept| kept.plan == plan) {
            return Some(kept);
        }
        let spent = self.facts.spent && rules.has(Rule::Spent);
        let joined = if rules.has(Rule::JoinOnce) {
            self.facts.joined
        } else {
            0
        };
        let facts = Facts {
            spent,
            joined,
            ..self.facts
        };
        let due = plan.line_up.holds(me)
            && !books.is_closed(self.log)
            && books.keeps_terms(self.log, plan)
            && books.admits(facts, plan);
        let none = Set(0);
        due.then_some(Kept {
            plan,
            stage: Stage::Advertised,
            joined: none,
            dealers: none,
            root: 0,
            signed: None,
            reply: None,
        })
    }

    /// deal::check_adverts: candidates, enough of them, the own advert among them; one set only.
    fn on_adverts(&self, me: usize, joined: Set) -> Option<Kept> {
        let kept = self.kept?;
        if kept.stage != Stage::Advertised {
            return (kept.joined == joined).then_some(kept);
        }
        let due = joined.is_in(kept.plan.line_up) && joined.len() >= THRESHOLD && joined.holds(me);
        due.then_some(Kept {
            stage: Stage::Dealt,
            joined,
            ..kept
        })
    }

    /// deal::open_delivery: dealers of U1, enough of them, oneself among them; one delivery only.
    fn on_delivery(&self, me: usize, dealers: Set, rules: Rules) -> Option<Kept> {
        let kept = self.kept?;
        match kept.stage {
            Stage::Advertised => return None,
            Stage::Dealt => {}
            Stage::Masked if !rules.has(Rule::MaskOnce) && kept.dealers != dealers => {}
            _ => return (kept.dealers == dealers).then_some(kept),
        }
        let due = dealers.is_in(kept.joined) && dealers.len() >= THRESHOLD && dealers.holds(me);
        // Two are as telling as more.
        let root = (self.masked[usize::from(kept.plan.attempt - 1)] + 1).min(2);
        due.then_some(Kept {
            stage: Stage::Masked,
            dealers,
            root,
            ..kept
        })
    }

    /// Member::on_proposal and check_logged: one set; of this T2; enough; committed, in the log
    /// that is signed.
    fn on_proposal(&self, t3: T3, point: Log, books: &Books, rules: Rules) -> Option<Kept> {
        let kept = self.kept?;
        if let Some(signed) = kept.signed.filter(|_| rules.has(Rule::OneSet)) {
            return (signed == (t3, point)).then_some(kept);
        }
        let of_this = (kept.plan, kept.joined, kept.dealers) == (t3.plan, t3.joined, t3.dealers);
        let sound = t3.set.is_in(t3.dealers) && t3.set.len() >= THRESHOLD;
        if kept.stage < Stage::Masked || !of_this || !sound || !books.holds(self.log, point) {
            return None;
        }
        let open = books.open(self.log).filter(|(set, _)| *set == t3);
        let committed = open.is_some() || !rules.has(Rule::Committed);
        let in_point = open.is_none_or(|(_, index)| index < books.size(point));
        let due = committed && (in_point || !rules.has(Rule::CommitInPoint));
        due.then_some(Kept {
            stage: Stage::Signed,
            signed: Some((t3, point)),
            ..kept
        })
    }

    /// Member::on_request and check_request: what was signed, t distinct dealers; one reply only.
    fn on_request(&self, t3: T3, point: Log, by: Set, rules: Rules) -> Option<Kept> {
        let kept = self.kept?;
        if let Some(reply) = kept.reply.filter(|_| rules.has(Rule::OpensSigned)) {
            return (reply == t3).then_some(kept);
        }
        let same = kept.signed? == (t3, point) || !rules.has(Rule::OpensSigned);
        let due = same && by.is_in(kept.dealers) && by.len() >= rules.threshold();
        due.then_some(Kept {
            stage: Stage::Spent,
            reply: Some(t3),
            ..kept
        })
    }

    /// Member::last_word leaves; what it must never be is held here.
    fn tell(&mut self, kept: Kept, books: &Books) {
        let attempt = usize::from(kept.plan.attempt - 1);
        match (kept.stage, kept.signed, kept.reply) {
            (Stage::Masked, ..) => {
                let root = (kept.joined, kept.dealers, kept.root);
                if *self.told.roots[attempt].get_or_insert(root) != root {
                    self.broken = Some("I3: two uploads in one attempt");
                }
            }
            (Stage::Signed, Some(signed), _) => {
                if *self.told.signed[attempt].get_or_insert(signed) != signed {
                    self.broken = Some("I3: two sets signed in one attempt");
                }
                self.logged(signed.0, signed.1, books);
            }
            (Stage::Spent, Some((_, point)), Some(t3)) => {
                self.logged(t3, point, books);
                if *self.told.opened.get_or_insert(t3) != t3 {
                    self.broken = Some("I2: one question opened twice");
                }
                self.told.own |= t3.set.0;
                self.told.pair |= t3.dealers.0 & !t3.set.0;
                if self.told.own & self.told.pair != 0 {
                    self.broken = Some("I2: two kinds of share for one dealer");
                }
            }
            _ => {}
        }
    }

    /// I8: what is signed or opened stands in the log whose point is signed.
    fn logged(&mut self, t3: T3, point: Log, books: &Books) {
        let logs = books.points(self.log);
        let stands = books
            .points(point)
            .iter()
            .any(|log| books.open(*log).is_some_and(|(set, _)| set == t3));
        if !stands || !logs.contains(&point) {
            self.broken = Some("I8: a set is signed or opened that the signed log does not hold");
        }
    }
}

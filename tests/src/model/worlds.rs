//! What is searched: one site against everything that anybody could ever show it, and four sites of
//! which the coordinator owns one and must collect what the others really signed.

use super::books::{Books, OPENING, all_logs};
use super::search::World;
use super::site::{Rules, Site, Stage};
use super::words::{
    ATTEMPTS, LIAR, Log, Plan, SITES, STOPS, Set, Step, Stop, T3, THRESHOLD, plans, sets,
};
use std::collections::{BTreeMap, BTreeSet};

/// What happens to which site.
pub type Act = (usize, Step);

/// One site; any signature that others could make is at hand.
pub struct Alone {
    /// The books.
    pub books: Books,
    /// Which rules hold.
    pub rules: Rules,
    sets: Vec<T3>,
    /// By what they grew from.
    logs: BTreeMap<Log, Vec<Log>>,
}

impl Alone {
    /// These sets, and every log of that many leaves about them.
    pub fn new(rules: Rules, sets: Vec<T3>, leaves: usize) -> Self {
        let mut books = Books::new();
        let mut logs = BTreeMap::new();
        for log in all_logs(&mut books, &sets, leaves) {
            let from = books.points(log).get(1).copied();
            logs.entry(log).or_insert_with(Vec::new);
            from.into_iter()
                .for_each(|from| logs.entry(from).or_default().push(log));
        }
        Self {
            books,
            rules,
            sets,
            logs,
        }
    }

    /// How many logs a site may be shown.
    pub fn logs(&self) -> usize {
        self.logs.len()
    }
}

impl World for Alone {
    type State = Site;
    type Step = (Step, Stop);

    fn first(&self) -> Site {
        Site::default()
    }

    fn next(&mut self, site: &Site, found: &mut Vec<((Step, Stop), Site)>) {
        let Self {
            books,
            rules,
            sets,
            logs,
        } = self;
        let mut try_step = |step, stops: &[Stop], books: &mut Books| {
            for stop in stops {
                found.extend(
                    site.step(0, step, *stop, books, *rules)
                        .map(|next| ((step, *stop), next)),
                );
            }
        };
        for log in &logs[&site.log] {
            try_step(Step::Show(*log), &STOPS[..1], books);
        }
        plans().for_each(|plan| try_step(Step::Plan(plan), &STOPS, books));
        let Some(kept) = site.kept else { return };
        try_step(Step::Abandoned, &STOPS[..1], books);
        let of_plan = || sets.iter().filter(|t3| t3.plan == kept.plan);
        for joined in of_plan().map(|t3| t3.joined).collect::<BTreeSet<_>>() {
            try_step(Step::Adverts(joined), &STOPS, books);
        }
        for dealers in of_plan().map(|t3| t3.dealers).collect::<BTreeSet<_>>() {
            try_step(Step::Delivery(dealers), &STOPS, books);
        }
        if kept.stage < Stage::Masked {
            return;
        }
        let points = books.points(site.log);
        for t3 in sets.iter().filter(|t3| t3.plan == kept.plan) {
            for point in &points {
                try_step(Step::Proposal(*t3, *point), &STOPS, books);
                try_step(Step::Request(*t3, *point, t3.dealers), &STOPS, books);
            }
        }
    }

    fn broken(&self, site: &Site) -> Option<String> {
        site.broken.map(str::to_owned)
    }
}

/// Three honest sites and one that the coordinator owns; two logs, of which any site may be shown
/// any part of either.
pub struct Four {
    /// The books.
    pub books: Books,
    /// Which rules hold.
    pub rules: Rules,
    /// The sets that are ever proposed.
    pub sets: Vec<T3>,
    /// The logs that are ever shown.
    pub logs: Vec<Log>,
    /// Honest sites that no set tells apart from the next one.
    twins: Vec<usize>,
}

/// The honest sites.
pub const HONEST: usize = SITES - 1;

impl Four {
    /// Sites that are shown these logs, and the sets committed in them.
    pub fn new(books: Books, rules: Rules, sets: Vec<T3>, logs: &[Log]) -> Self {
        let mut shown: Vec<Log> = logs.iter().flat_map(|log| books.points(*log)).collect();
        shown.sort_unstable();
        shown.dedup();
        let alike = |site: &usize| {
            sets.iter()
                .all(|t3| t3.set.holds(*site) == t3.set.holds(site + 1))
        };
        let twins = (0..HONEST - 1).filter(alike).collect();
        Self {
            books,
            rules,
            sets,
            logs: shown,
            twins,
        }
    }

    fn step(&mut self, site: &Site, me: usize, step: Step) -> Option<Site> {
        let next = site.step(me, step, Stop::Never, &mut self.books, self.rules)?;
        let Step::Adverts(joined) = step else {
            return Some(next);
        };
        let dealers = self
            .sets
            .iter()
            .find(|t3| Some(t3.plan) == site.kept.map(|kept| kept.plan))?
            .dealers;
        debug_assert!(dealers.is_in(joined));
        next.step(
            me,
            Step::Delivery(dealers),
            Stop::Never,
            &mut self.books,
            self.rules,
        )
    }

    /// Of states that differ by an exchange of twins, one is searched.
    fn sort(&self, sites: &mut [Site; HONEST]) {
        for _ in 0..self.twins.len() {
            for twin in &self.twins {
                if sites[*twin] > sites[twin + 1] {
                    sites.swap(*twin, twin + 1);
                }
            }
        }
    }

    /// Who has signed a set under a log: the coordinator signs for its own site whatever it likes.
    pub fn signers(sites: &[Site; HONEST], t3: T3, point: Log) -> Set {
        let at = usize::from(t3.plan.attempt - 1);
        let signed = |site: &&usize| sites[**site].told.signed[at] == Some((t3, point));
        let honest = (0..HONEST).collect::<Vec<_>>();
        let honest = honest
            .iter()
            .filter(signed)
            .fold(0, |set, site| set | 1 << site);
        Set((honest | 1 << LIAR) & t3.dealers.0)
    }

    /// Sites that opened their shares for a set.
    pub fn openers(sites: &[Site; HONEST], t3: T3) -> Set {
        let honest = (0..HONEST).filter(|site| sites[*site].told.opened == Some(t3));
        let honest = honest.fold(0, |set, site| set | 1 << site);
        Set((honest | 1 << LIAR) & t3.dealers.0)
    }

    /// What the coordinator may do to one site.
    pub fn steps(&self, sites: &[Site; HONEST], me: usize) -> Vec<Step> {
        let site = &sites[me];
        let mut steps: Vec<Step> = self.logs.iter().map(|log| Step::Show(*log)).collect();
        let planned = |plan: &Plan| self.sets.iter().any(|t3| t3.plan == *plan);
        steps.extend(plans().filter(planned).map(Step::Plan));
        let Some(kept) = site.kept else { return steps };
        steps.push(Step::Abandoned);
        for t3 in self.sets.iter().filter(|t3| t3.plan == kept.plan) {
            // M3 and M5 in one: what may come between them is searched with one site alone.
            steps.push(Step::Adverts(t3.joined));
            for point in &self.logs {
                steps.push(Step::Proposal(*t3, *point));
                let by = Self::signers(sites, *t3, *point);
                if by.len() >= self.rules.threshold() {
                    steps.push(Step::Request(*t3, *point, by));
                }
            }
        }
        steps.sort_unstable();
        steps.dedup();
        steps
    }
}

impl World for Four {
    type State = [Site; HONEST];
    type Step = Act;

    fn first(&self) -> Self::State {
        [Site::default(); HONEST]
    }

    fn next(&mut self, sites: &Self::State, found: &mut Vec<(Act, Self::State)>) {
        for me in 0..HONEST {
            for step in self.steps(sites, me) {
                if let Some(site) = self.step(&sites[me], me, step) {
                    let mut next = *sites;
                    next[me] = site;
                    self.sort(&mut next);
                    found.push(((me, step), next));
                }
            }
        }
    }

    fn broken(&self, sites: &Self::State) -> Option<String> {
        let opened = self.sets.iter().filter(|t3| {
            let by = Self::openers(sites, **t3);
            // The coordinator's own share alone opens nothing.
            by.len() >= self.rules.threshold() && by != Set(1 << LIAR)
        });
        if opened.count() > 1 {
            return Some("two sets of one question found t openings each".to_owned());
        }
        let logs = |t3: &T3| {
            let at = usize::from(t3.plan.attempt - 1);
            let points = sites.iter().filter(|site| site.told.opened == Some(*t3));
            points
                .filter_map(|site| site.told.signed[at])
                .map(|(_, point)| point)
                .collect::<Vec<_>>()
        };
        for t3 in &self.sets {
            let held = |point: &Log| self.books.holds(*point, OPENING);
            let points = logs(t3);
            if points.windows(2).any(|pair| pair[0] != pair[1]) || !points.iter().all(held) {
                return Some("one set was opened under two logs".to_owned());
            }
        }
        let site = sites.iter().find_map(|site| site.broken)?;
        Some(site.to_owned())
    }
}

/// The bounds, in words.
pub fn bounds() -> String {
    let sets = sets().len();
    format!(
        "{ATTEMPTS} attempts, 2 line-ups, {sets} sets, t = s = {THRESHOLD}, the coordinator owns 1 of {SITES} sites"
    )
}

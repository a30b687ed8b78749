//! Which levels and which sites are not shown. A level of
//! few patients or few sites is hidden, and then further
//! levels until the totals of all patients cannot give one
//! back: at least two are hidden, and together they would
//! be allowed to be shown.
//!
//! Sites count whose part is not told: what a site tells of
//! all its patients can be taken off a level that holds
//! them all. So a level is of few sites when fewer than
//! `min_sites` of it keep their part, but when all tell it.
//! Of several levels together a site may lie in more than
//! one: that many do is in the first sum, and each of them
//! counts once at least.
//!
//! A site that does not tell its figures follows from the
//! total less those of all who do. Where such sites are
//! fewer than `min_sites` and not none, sites that would
//! tell are withheld beside them, the last of the roster
//! first: their number is all that is known at this point,
//! and a rule that everyone can compute must pick some.

use super::Subgroups;
use super::model::Measure;
use motet_secagg::canonical;

canonical! {
    /// Why a level is not shown.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Why {
        /// Too few rows, or too few with or without the outcome, or
        /// with a number other than 0 and 1.
        1 => Few,
        /// Too few sites have such rows.
        2 => Sites,
        /// Another level that is not shown would follow from the
        /// totals.
        3 => Beside,
        /// No patient is in it.
        4 => Empty,
        /// One patient alone would make its figures.
        5 => Unlike,
    }
}

canonical! {
    /// Who is in a level.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Level {
        /// Sites that have such rows.
        pub sites: u64,
        /// Those of them whose part nobody can take off: they do
        /// not tell figures of their own, or have patients
        /// elsewhere too.
        pub apart: u64,
        /// Rows.
        pub rows: u64,
        /// Rows with the outcome; of a number those where it is 1.
        pub events: u64,
        /// Rows without it; of a number those where it is 0, of a
        /// time all that have no event.
        pub others: u64,
        /// Why its figures are not asked for; nothing where they
        /// are.
        pub hidden: Option<Why>,
    }
}

canonical! {
    /// What is known of a place of the roster.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Place {
        /// Its site was not in the sum, or does not tell.
        1 => NotTold,
        /// Its site would tell, and is not asked.
        2 => Withheld,
        /// Its site tells.
        3 => Told,
    }
}

impl Level {
    /// Whether its figures are asked for.
    pub fn is_shown(&self) -> bool {
        self.hidden.is_none()
    }

    pub(super) fn classes(&self) -> Classes {
        Classes {
            rows: self.rows,
            events: self.events,
            others: self.others,
        }
    }
}

/// Rows of a level, a site or several levels: all, with the
/// outcome, without it, as in [`Level`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Classes {
    pub(super) rows: u64,
    pub(super) events: u64,
    pub(super) others: u64,
}

impl Measure {
    /// Whether rows, and among them those with the outcome, are
    /// enough to be shown: of a yes/no outcome as many with it
    /// and without, of a time as many events. Mean squared
    /// error and variance of a number that is 0 or 1 in these
    /// rows are a count of the ones in another form, so it is
    /// held like a yes or no; and where few rows have another
    /// number, they are few.
    pub(super) fn is_large(self, of: Classes, least: u64) -> bool {
        let is_yes_no = of.events >= least && of.others >= least;
        of.rows >= least
            && match self {
                Self::Risk => is_yes_no,
                Self::Time => of.events >= least,
                Self::Number => match of.rows.saturating_sub(of.events + of.others) {
                    0 => is_yes_no,
                    numbers => numbers >= least,
                },
            }
    }

    /// Whether these rows of a site, of whom so many have the outcome 1 and so many 0, have a part in
    /// what is told: a yes and a no, an event, or a number that is neither.
    pub(super) fn is_made_of(self, rows: f64, events: f64, zeros: f64) -> bool {
        let both = events > 0.0 && zeros > 0.0;
        match self {
            Self::Risk => both,
            Self::Time => events > 0.0,
            Self::Number => both || rows > events + zeros,
        }
    }

    /// Numbers that the first sum has of a level: of a number
    /// it counts the zeros, too, which of a yes or no are the
    /// rows less the events.
    pub(super) fn counted(self) -> usize {
        match self {
            Self::Risk | Self::Time => 4,
            Self::Number => 5,
        }
    }
}

/// What levels are hidden by.
struct Rule {
    /// Fewest rows, and fewest sites.
    least: u64,
    sites: u64,
    measure: Measure,
    /// Whether every site that wants to tell its figures does.
    open: bool,
    /// Sites that have patients in more than one level.
    both: u64,
}

impl Rule {
    /// Why a level would be hidden if it were the only one.
    fn hides(&self, level: &Level) -> Option<Why> {
        if level.rows == 0 {
            Some(Why::Empty)
        } else if !self.is_large(level.classes()) {
            Some(Why::Few)
        } else if level.apart < self.sites && !self.is_told(level) {
            Some(Why::Sites)
        } else {
            None
        }
    }

    fn is_large(&self, of: Classes) -> bool {
        self.measure.is_large(of, self.least)
    }

    /// Whether all its sites tell their figures themselves.
    fn is_told(&self, level: &Level) -> bool {
        self.open && level.apart == 0
    }

    /// Whether the totals of all patients give a hidden level
    /// back, or too few together.
    fn can_be_solved(&self, levels: &[Level]) -> bool {
        let hidden: Vec<&Level> = levels
            .iter()
            .filter(|level| level.rows > 0 && !level.is_shown())
            .collect();
        let together = Classes {
            rows: hidden.iter().map(|level| level.rows).sum(),
            events: hidden.iter().map(|level| level.events).sum(),
            others: hidden.iter().map(|level| level.others).sum(),
        };
        let all_apart: u64 = hidden.iter().map(|level| level.apart).sum();
        let most_apart = hidden.iter().fold(0, |most, level| level.apart.max(most));
        let again = self
            .both
            .saturating_mul(hidden.len().saturating_sub(1) as u64);
        let apart = all_apart.saturating_sub(again).max(most_apart);
        let is_covered = self.is_large(together)
            && (apart >= self.sites || hidden.iter().all(|level| self.is_told(level)));
        !hidden.is_empty() && (hidden.len() < 2 || !is_covered)
    }
}

/// Marks the levels of a group that are not shown. `open`:
/// every site that wants to tell its figures does, so that
/// a level of such sites alone hides nothing. `both`: sites
/// that have patients in more than one level.
pub(super) fn hide(
    levels: &mut [Level],
    limits: &Subgroups,
    measure: Measure,
    open: bool,
    both: u64,
) {
    let rule = Rule {
        least: u64::from(limits.min_cell),
        sites: u64::from(limits.min_sites),
        measure,
        open,
        both,
    };
    for level in levels.iter_mut() {
        level.hidden = rule.hides(level);
    }
    while rule.can_be_solved(levels) {
        let next = levels
            .iter_mut()
            .filter(|level| level.is_shown())
            .min_by_key(|level| level.rows);
        match next {
            Some(level) => level.hidden = Some(Why::Beside),
            None => break,
        }
    }
}

/// Marks those of the parts that are not shown: fitted
/// rows, and those held out. Nothing is told of both
/// together, so neither follows from the other.
pub(super) fn hide_parts(parts: &mut [Level], limits: &Subgroups, measure: Measure) {
    let rule = Rule {
        least: u64::from(limits.min_cell),
        sites: u64::from(limits.min_sites),
        measure,
        open: false,
        both: 0,
    };
    for part in parts {
        part.hidden = rule.hides(part);
    }
}

/// What becomes of each place, from what the sites of the
/// sum say.
pub(super) fn withhold(flags: &[u64], sites: u64, min_sites: u64) -> Vec<Place> {
    let mut places: Vec<Place> = flags
        .iter()
        .map(|flag| {
            if *flag == 1 {
                Place::Told
            } else {
                Place::NotTold
            }
        })
        .collect();
    let mut dark = sites.saturating_sub(flags.iter().sum());
    if dark > 0 {
        for place in places
            .iter_mut()
            .rev()
            .filter(|place| **place == Place::Told)
        {
            if dark >= min_sites {
                break;
            }
            (*place, dark) = (Place::Withheld, dark + 1);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Subgroups {
        Subgroups {
            groups: Vec::new(),
            sites: true,
            min_cell: 5,
            min_sites: 3,
        }
    }

    fn level(sites: u64, rows: u64, events: u64) -> Level {
        Level {
            sites,
            apart: sites,
            rows,
            events,
            others: rows - events,
            hidden: None,
        }
    }

    fn why(levels: Vec<Level>, open: bool) -> Vec<Option<Why>> {
        why_where(levels, open, 0)
    }

    fn why_where(mut levels: Vec<Level>, open: bool, both: u64) -> Vec<Option<Why>> {
        hide(&mut levels, &limits(), Measure::Risk, open, both);
        levels.iter().map(|level| level.hidden).collect()
    }

    #[test]
    fn a_small_level_does_not_follow_from_the_others() {
        let all = [level(4, 100, 50), level(4, 90, 20), level(0, 0, 0)];
        assert_eq!(why(all.to_vec(), true), [None, None, Some(Why::Empty)]);
        // 3 events: with the total known, the next smallest is hidden too.
        let small = [
            level(4, 100, 50),
            level(4, 90, 20),
            level(4, 40, 3),
            level(4, 300, 30),
        ];
        assert_eq!(
            why(small.to_vec(), true),
            [None, Some(Why::Beside), Some(Why::Few), None]
        );
        // A number that is 0 or 1 in all of a level is a yes or no there; one that has another
        // value in many rows is not.
        let mut number = small.to_vec();
        hide(&mut number, &limits(), Measure::Number, true, 4);
        let hidden: Vec<_> = number.iter().map(|level| level.hidden).collect();
        assert_eq!(hidden, [None, Some(Why::Beside), Some(Why::Few), None]);
        for (others, why) in [(0, None), (32, None), (33, Some(Why::Few))] {
            let mut number = vec![level(4, 100, 50), level(4, 90, 20), level(4, 40, 3)];
            number[2].others = others;
            hide(&mut number, &limits(), Measure::Number, true, 4);
            assert_eq!(number[2].hidden, why, "{others}");
        }
        let mut time = vec![level(4, 100, 97), level(4, 90, 20)];
        hide(&mut time, &limits(), Measure::Time, true, 4);
        assert!(
            time.iter().all(Level::is_shown),
            "almost all have an event in the end"
        );
        // 2 + 1 patients together are still too few.
        let tiny = [level(3, 100, 50), level(1, 2, 1), level(1, 1, 0)];
        assert_eq!(
            why(tiny.to_vec(), true),
            [Some(Why::Beside), Some(Why::Few), Some(Why::Few)]
        );
        // Almost all with the outcome is as telling as almost none.
        assert_eq!(
            why(vec![level(4, 100, 97), level(4, 90, 20)], true),
            [Some(Why::Few), Some(Why::Beside)]
        );
    }

    #[test]
    fn a_level_of_few_sites_is_shown_only_when_they_tell_their_figures() {
        let countries = |apart: [u64; 4]| -> Vec<Level> {
            apart
                .map(|apart| Level {
                    apart,
                    ..level(1, 100, 20)
                })
                .to_vec()
        };
        assert_eq!(why(countries([0; 4]), true), [None; 4]);
        assert_eq!(
            why(countries([0; 4]), false),
            [Some(Why::Sites); 4],
            "some of them are withheld"
        );
        // One country keeps its figures: countries that tell hide nothing beside it, whatever is
        // not asked of them.
        let found = why(countries([0, 1, 0, 0]), true);
        assert_eq!(
            found,
            [
                Some(Why::Beside),
                Some(Why::Sites),
                Some(Why::Beside),
                Some(Why::Beside)
            ]
        );
        // Three do, each for itself: their total is that of three.
        let found = why(countries([1, 1, 0, 1]), true);
        assert_eq!(
            found,
            [Some(Why::Sites), Some(Why::Sites), None, Some(Why::Sites)]
        );
        let large = [level(3, 100, 20), level(2, 100, 20), level(5, 400, 80)];
        assert_eq!(
            why(large.to_vec(), true),
            [Some(Why::Beside), Some(Why::Sites), None]
        );
        // Two of three tell: the third is the level less those.
        let one_apart = Level {
            apart: 1,
            ..level(3, 100, 20)
        };
        assert_eq!(
            why(vec![one_apart, level(5, 400, 80)], true),
            [Some(Why::Sites), Some(Why::Beside)]
        );
        // Three levels of one and the same site are one site's.
        let mut alone = vec![level(1, 30, 10); 3];
        alone.extend([level(6, 300, 90), level(6, 400, 90)]);
        assert_eq!(
            why_where(alone.clone(), true, 1)[3..],
            [Some(Why::Beside), None]
        );
        assert_eq!(why(alone, true)[3..], [None, None], "of three sites");
    }

    #[test]
    fn a_site_that_keeps_its_figures_does_not_follow_from_the_others() {
        use Place::{NotTold, Told, Withheld};
        assert_eq!(withhold(&[1, 1, 1, 1], 4, 3), [Told; 4]);
        assert_eq!(
            withhold(&[1, 0, 1, 1, 1], 5, 3),
            [Told, NotTold, Told, Withheld, Withheld]
        );
        assert_eq!(
            withhold(&[1, 0, 0, 0, 1], 5, 3),
            [Told, NotTold, NotTold, NotTold, Told]
        );
        // The second site of the roster was not in the sum: nothing of it can follow.
        assert_eq!(withhold(&[1, 0, 1, 1], 3, 3), [Told, NotTold, Told, Told]);
        assert_eq!(withhold(&[0, 1], 2, 3), [NotTold, Withheld]);
        assert_eq!(withhold(&[], 3, 3), []);
    }
}

//! The keys of `km` in a study file, and its words on the card.

use super::{Interval, KaplanMeier};
use crate::data::Data;
use crate::followup::keys::{
    MOST_TIME, explained, grid, grouping, points, times_shown, write_grid,
};
use crate::keyed::{Fineness, Keyed, Wanted, Wants};
use crate::written::{numbers, word};
use motet_toml::{Checked, Keys};

const INTERVALS: [(&str, Interval); 3] = [
    ("log-log", Interval::LogLog),
    ("log", Interval::Log),
    ("plain", Interval::Plain),
];

impl Keyed for KaplanMeier {
    type Kind = ();

    const KINDS: &'static [(&'static str, ())] = &[("km", ())];
    const WANTS: Wants = Wants {
        features: false,
        explained: Wanted::Event,
        group: true,
        sides: false,
    };

    fn kind(&self) {}

    fn read(_kind: (), keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self> {
        let (time, event) = explained(keys, data)?;
        Ok(KaplanMeier {
            time,
            event,
            group: grouping(data),
            grid: grid(keys)?,
            marks: keys.numbers("marks")?,
            tau: keys.number_given("tau", 1e-9..=MOST_TIME)?,
            interval: keys.word("interval", &INTERVALS)?,
            min_cell: keys.whole("min_cell", 5, 0..=1_000_000)?,
        })
    }

    fn write(&self, _data: &Data) -> Vec<String> {
        let mut lines = write_grid(&self.grid);
        if !self.marks.is_empty() {
            lines.push(format!("marks = {}", numbers(&self.marks)));
        }
        lines.extend(self.tau.map(|tau| format!("tau = {tau:?}")));
        lines.push(format!(
            "interval = \"{}\"",
            word(&INTERVALS, &self.interval)
        ));
        lines.push(format!("min_cell = {}", self.min_cell));
        lines
    }

    fn adds_up(&self) -> String {
        let per = if self.group.is_some() {
            " of each group"
        } else {
            ""
        };
        format!(
            "how many events there were at each time{per}, and how many patients were then still at risk"
        )
    }

    fn shows(&self) -> Vec<String> {
        vec![
            times_shown(&self.grid),
            format!(
                "steps of fewer than {} events are merged in what researchers receive; \
                 operators and the sites \
                 of the roster can read the sum itself",
                self.min_cell
            ),
        ]
    }

    fn vectors(&self) -> Vec<(&'static str, usize)> {
        let groups = self
            .group
            .as_ref()
            .map_or(1, |grouping| grouping.levels.len());
        let points = points(&self.grid, groups);
        vec![("events", groups + points), ("patients at risk", points)]
    }

    fn explains_number(&self) -> bool {
        false
    }

    fn fineness(&self) -> Fineness<'_> {
        Fineness {
            cell: Some(self.min_cell),
            grid: Some(&self.grid),
            ..Fineness::default()
        }
    }
}

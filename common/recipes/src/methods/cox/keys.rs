//! The keys of `cox` in a study file, and its words on the card.

use super::{Clock, Cox, Strata, Ties};
use crate::data::Data;
use crate::followup::keys::{explained, grid, grouping, points, times_shown, write_grid};
use crate::keyed::{Fineness, Keyed, Wanted, Wants};
use crate::written::word;
use motet_toml::{Checked, Keys};

const TIES: [(&str, Ties); 2] = [("efron", Ties::Efron), ("breslow", Ties::Breslow)];
const CLOCKS: [(&str, Clock); 3] = [
    ("km", Clock::Km),
    ("identity", Clock::Identity),
    ("off", Clock::Off),
];

/// What no round of it looks for.
const ALONE: &str = "a patient unlike all others in \
    three columns at once, or \
    in powers of a number, \
     can be fitted alone: nobody looks for one";

impl Keyed for Cox {
    type Kind = ();

    const KINDS: &'static [(&'static str, ())] = &[("cox", ())];
    const WANTS: Wants = Wants {
        features: true,
        explained: Wanted::Event,
        group: true,
        sides: false,
    };

    fn kind(&self) {}

    fn read(_kind: (), keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self> {
        let grid = grid(keys)?;
        let strata = match (keys.text("strata")?, grouping(data)) {
            (None | Some("none"), None) => Strata::None,
            (Some("site"), None) => Strata::Site,
            (Some("group"), Some(grouping)) => Strata::Group(grouping),
            (Some("group"), None) => {
                let fix =
                    "name the column as `group` in `[data]`, and its levels under `[data.levels]`";
                return keys.refuse(
                    "strata",
                    "`strata = \"group\"`, and the study names no group",
                    fix,
                );
            }
            (_, Some(grouping)) => {
                let problem = format!(
                    "`group` is `{}`, and `cox` has a group for strata only",
                    grouping.column
                );
                return keys.refuse(
                    "strata",
                    problem,
                    "write strata = \"group\", or remove `group`",
                );
            }
            (Some(other), None) => {
                let fix = "write \"none\", \"site\" or \"group\"";
                return keys.refuse("strata", format!("`strata` is {other:?}"), fix);
            }
        };
        // The usual clock needs one curve of all rows.
        let clock = if keys.given("proportional_hazards") || strata == Strata::None {
            keys.word("proportional_hazards", &CLOCKS)?
        } else {
            Clock::Identity
        };
        let (time, event) = explained(keys, data)?;
        Ok(Cox {
            columns: data.columns(),
            time,
            event,
            grid,
            strata,
            ties: keys.word("ties", &TIES)?,
            ridge: keys.number("ridge", 0.0, 0.0..=1e9)?,
            tolerance: keys.number("tolerance", 1e-10, 1e-14..=1e-6)?,
            max_rounds: keys.whole("max_rounds", 30, 1..=1000)?,
            clock,
            min_cell: keys.whole("min_cell", 5, 0..=1_000_000)?,
        })
    }

    fn write(&self, _data: &Data) -> Vec<String> {
        let strata = match self.strata {
            Strata::None => "none",
            Strata::Group(_) => "group",
            Strata::Site => "site",
        };
        let mut lines = write_grid(&self.grid);
        lines.extend([
            format!("strata = \"{strata}\""),
            format!("ties = \"{}\"", word(&TIES, &self.ties)),
            format!("ridge = {:?}", self.ridge),
            format!("tolerance = {:?}", self.tolerance),
            format!("max_rounds = {}", self.max_rounds),
            format!("proportional_hazards = \"{}\"", word(&CLOCKS, &self.clock)),
            format!("min_cell = {}", self.min_cell),
        ]);
        lines
    }

    fn adds_up(&self) -> String {
        let sums = match self.strata {
            Strata::Site => {
                "the slopes and curvatures of \
                 a Cox regression within each site, and \
                 how many pairs of \
                 its patients it ranks rightly"
            }
            _ => {
                "how many events there were at each time; at each of these \
                 times the weight \
                 and the mean columns of those still at \
                 risk; the curvatures \
                 of a Cox regression; a histogram of \
                 score and time and, \
                 of yes/no columns alone, how many sites \
                 have other values in them"
            }
        };
        format!("{sums}; at most {} steps", self.max_rounds)
    }

    fn shows(&self) -> Vec<String> {
        if self.strata == Strata::Site {
            return vec![
                "each site is compared within itself: no time of an event and no group at risk is shown"
                    .to_owned(),
                ALONE.to_owned(),
            ];
        }
        vec![
            times_shown(&self.grid),
            "where a single patient leaves \
             between two events, or few are \
             left at risk, the sums \
             of two neighbouring times show the \
             columns of those patients, \
             though not at which site: a larger \
             `step`, an earlier `horizon` or strata = \"site\" \
             shows less"
                .to_owned(),
            ALONE.to_owned(),
        ]
    }

    fn vectors(&self) -> Vec<(&'static str, usize)> {
        let columns = self.columns.len();
        let triangle = columns * (columns + 1) / 2;
        if self.strata == Strata::Site {
            return vec![
                ("counts and sums", 2 + columns),
                ("spread", 2 * columns),
                ("a step of the fit", 2 + columns + triangle),
                ("ranked pairs and drift", 3 + columns + 2 * triangle),
            ];
        }
        let groups = if let Strata::Group(grouping) = &self.strata {
            grouping.levels.len()
        } else {
            1
        };
        let points = points(&self.grid, groups);
        let tied = if self.ties == Ties::Efron { points } else { 0 };
        vec![
            ("counts and sums", 2 + columns),
            ("spread and events", 2 * columns + points),
            (
                "groups at risk",
                1 + (points + tied) * (columns + 1) + columns,
            ),
            ("curvatures", triangle),
            (
                "scores by time, and drift",
                1 + 20_000.max(4_000 * groups) + columns + 2 * triangle,
            ),
        ]
    }

    fn explains_number(&self) -> bool {
        false
    }

    fn fineness(&self) -> Fineness<'_> {
        Fineness {
            cell: Some(self.min_cell),
            grid: (self.strata != Strata::Site).then_some(&self.grid),
            ..Fineness::default()
        }
    }
}

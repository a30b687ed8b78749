//! The keys of `ordinal` in a study file, and its words on the card.

use super::Ordinal;
use crate::data::{Data, outcome};
use crate::formula;
use crate::keyed::{Keyed, Wanted, Wants};
use crate::leverage;
use crate::written::levels;
use motet_toml::{Checked, Keys};

impl Keyed for Ordinal {
    type Kind = ();

    const KINDS: &'static [(&'static str, ())] = &[("ordinal", ())];
    const WANTS: Wants = Wants {
        features: true,
        explained: Wanted::Ordered,
        group: false,
        sides: false,
    };

    fn kind(&self) {}

    fn read(_kind: (), keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self> {
        let design = formula::read(keys, data)?;
        let outcome = outcome(keys, data)?;
        let levels = levels(data, &outcome);
        Ok(Self {
            tolerance: keys.number("tolerance", 1e-10, 1e-14..=1e-4)?,
            max_rounds: keys.whole("max_rounds", 30, 1..=1000)?,
            ..Self::new(design, outcome, levels)
        })
    }

    fn write(&self, data: &Data) -> Vec<String> {
        formula::written(data)
            .chain([
                format!("tolerance = {:?}", self.tolerance),
                format!("max_rounds = {}", self.max_rounds),
            ])
            .collect()
    }

    fn adds_up(&self) -> String {
        let test = if self.cuts() > 1 {
            ", once with an effect of its own at each cut between two \
                 levels"
        } else {
            ""
        };
        format!(
            "the patients at each level \
             of the outcome; sums and squares of \
                 the columns; the \
                 slopes and curvatures of a \
                 proportional odds \
                 regression on {}{test}; at most {} steps of the fit",
            self.design.names().join(", "),
            self.max_rounds
        )
    }

    fn shows(&self) -> Vec<String> {
        vec![
            "the sums show how many patients are at each level of the \
                 outcome, how many \
                 have each yes/no column and each pair of \
                 them, and about how \
                 many of a column are below each cut \
                 between two levels: \
                 what one patient alone of all sites has \
                 shows that patient's \
                 level, though not at which site"
                .to_owned(),
            leverage::TOLD.to_owned(),
            leverage::TOLD_AT_LAST.to_owned(),
        ]
    }

    fn vectors(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("counts and sums", self.levels.len() + self.columns()),
            ("spread", 2 * self.columns()),
            // The first, which has the products of columns besides.
            ("a step of the fit", 1 + self.step() + self.products()),
            ("the final model", self.last() + 2),
        ]
    }

    fn explains_number(&self) -> bool {
        false
    }
}

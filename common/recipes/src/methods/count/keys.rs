//! The keys of `count` in a study file, and its words on the card.

use super::Count;
use crate::data::Data;
use crate::keyed::{Fineness, Keyed, Wanted, Wants};
use motet_toml::{Checked, Keys};

impl Keyed for Count {
    type Kind = ();

    const KINDS: &'static [(&'static str, ())] = &[("count", ())];
    const WANTS: Wants = Wants {
        features: false,
        explained: Wanted::Maybe,
        group: false,
        sides: false,
    };

    fn kind(&self) {}

    fn read(_kind: (), keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self> {
        let usual = Count::new(data.outcome.clone());
        Ok(Count {
            multiple: keys.whole("multiple", usual.multiple, 1..=1000)?,
            min_cell: keys.whole("min_cell", usual.min_cell, 1..=1000)?,
            ..usual
        })
    }

    fn write(&self, _data: &Data) -> Vec<String> {
        vec![
            format!("multiple = {}", self.multiple),
            format!("min_cell = {}", self.min_cell),
        ]
    }

    fn adds_up(&self) -> String {
        format!(
            "the number of your patients{}, rounded at your site to a \
             multiple of {}; fewer than {} are said as none",
            if self.outcome.is_some() {
                " and of those with the outcome"
            } else {
                ""
            },
            self.multiple,
            self.min_cell
        )
    }

    fn shows(&self) -> Vec<String> {
        Vec::new()
    }

    fn vectors(&self) -> Vec<(&'static str, usize)> {
        vec![("counts", if self.outcome.is_some() { 4 } else { 2 })]
    }

    /// It answers for a site of any size: what is small it says as none.
    fn asks_first(&self) -> bool {
        false
    }

    fn explains_number(&self) -> bool {
        false
    }

    fn fineness(&self) -> Fineness<'_> {
        Fineness {
            cell: Some(self.min_cell),
            multiple: Some(self.multiple),
            ..Fineness::default()
        }
    }
}

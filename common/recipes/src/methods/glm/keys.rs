//! The keys of the exact regressions in a study file, and their words on the card.

use super::family;
use super::{Errors, Family, Glm};
use crate::data::{Data, WeightKind, outcome};
use crate::formula;
use crate::keyed::{CALIBRATION, Keyed, OffsetWeighs, SCORE, Wanted, Wants};
use crate::leverage;
use motet_toml::{Checked, Keys};

const ERRORS: [(&str, Errors); 3] = [
    ("model", Errors::Model),
    ("hc0", Errors::Hc0),
    ("hc1", Errors::Hc1),
];

impl Keyed for Glm {
    type Kind = Family;

    const KINDS: &'static [(&'static str, Family)] = family::KINDS;
    const WANTS: Wants = Wants {
        features: true,
        explained: Wanted::Outcome,
        group: false,
        sides: true,
    };

    fn kind(&self) -> Family {
        self.family
    }

    fn read(family: Family, keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self> {
        let design = formula::read(keys, data)?;
        let outcome = outcome(keys, data)?;
        let ridge = keys.number("ridge", 0.0, 0.0..=1e9)?;
        let lasso = keys.number("lasso", 0.0, 0.0..=1e9)?;
        let errors = keys.word("errors", &ERRORS)?;
        let tolerance = keys.number("tolerance", 1e-10, 1e-14..=1e-4)?;
        let max_rounds = keys.whole("max_rounds", 30, 1..=1000)?;
        let offset = data.offset.is_some();
        let weight = data.weight_kind;
        let recipe = Glm {
            design,
            outcome,
            family,
            offset,
            weight,
            ridge,
            lasso,
            errors,
            tolerance,
            max_rounds,
        };
        Ok(recipe)
    }

    fn write(&self, data: &Data) -> Vec<String> {
        let errors = ERRORS
            .iter()
            .find(|(_, errors)| *errors == self.errors)
            .map_or("", |(word, _)| word);
        formula::written(data)
            .chain([
                format!("ridge = {:?}", self.ridge),
                format!("lasso = {:?}", self.lasso),
                format!("errors = \"{errors}\""),
                format!("tolerance = {:?}", self.tolerance),
                format!("max_rounds = {}", self.max_rounds),
            ])
            .collect()
    }

    fn adds_up(&self) -> String {
        let terms: Vec<String> = self.design.names();
        let robust = if self.errors == Errors::Model {
            ""
        } else {
            "; the squared errors by each pair of columns"
        };
        let score = if self.scored() {
            "; histograms of its score"
        } else {
            ""
        };
        format!(
            "sums and squares of the columns; \
             the slopes and curvatures of \
             a {} regression on \
             {}{robust}{score}; at most {} steps of the \
             fit",
            self.family.name(),
            terms.join(", "),
            self.max_rounds
        )
    }

    fn shows(&self) -> Vec<String> {
        let mut lines = vec![
            "the sums show how many patients have each yes/no column and \
             each pair of them, and how \
             many of a column have the outcome: \
             what one patient alone \
             of all sites has shows \
             that patient's outcome, \
             though not at which site"
                .to_owned(),
            leverage::TOLD.to_owned(),
            leverage::TOLD_AT_LAST.to_owned(),
        ];
        for (column, degrees) in self.design.sought() {
            let Some(name) = self.design.columns.get(column as usize) else {
                // No design has a term of a column that is not its own: `check`.
                continue;
            };
            lines.push(format!(
                "to place the {} knots of ns({name}, {degrees}) the sums \
                 first show mean and standard \
                 deviation of {name}, how many \
                 patients lie in each \
                 of up to 18 intervals, most of them a \
                 quarter of the standard \
                 deviation wide, and in parts of \
                 those that hold a \
                 knot (no parts of fewer than 5 \
                 patients on \
                 average, though \
                 a single part may hold one patient of \
                 all sites); the knots, \
                 from the value that 5% of all \
                 patients stay \
                 below to that which \
                 5% exceed, become public",
                degrees + 1
            ));
        }
        lines
    }

    fn vectors(&self) -> Vec<(&'static str, usize)> {
        let terms = self.design.terms.len() + 1;
        let triangle = terms * (terms + 1) / 2;
        let logistic = self.family == Family::Logistic;
        // Those of a logistic fit to the number, and the most of the others; and who decides alone.
        let mut evaluate = if logistic { 4 } else { 6 };
        let beside = usize::from(logistic)
            + usize::from(self.weight == Some(WeightKind::Precision))
            + usize::from(self.offset && self.family != Family::Linear);
        let spread = if logistic { terms - 1 } else { terms };
        let bases = if logistic { 0 } else { 3 };
        if self.family == Family::Gamma {
            evaluate += triangle;
        }
        if self.errors != Errors::Model {
            evaluate += triangle;
        }
        let mut steps = Vec::new();
        if let Some(numbers) = self.knot_vectors() {
            let names = [
                "rows and sums for the knots",
                "spread for the knots",
                "cells",
                "parts of cells",
            ];
            steps.extend(names.into_iter().zip(numbers));
        }
        steps.extend([
            ("counts and sums", 1 + beside + terms),
            ("spread", 2 * spread + bases),
            // The first, which has the products of columns besides.
            ("a step of the fit", 1 + terms + 2 * triangle),
        ]);
        if self.scored() {
            steps.extend([
                ("the final model", evaluate + SCORE),
                ("calibration", CALIBRATION),
            ]);
        } else {
            steps.push(("the final model", evaluate));
        }
        steps
    }

    fn offset_weighs(&self) -> OffsetWeighs {
        match self.family {
            Family::Linear => OffsetWeighs::Not,
            Family::Poisson | Family::Gamma | Family::Quasipoisson => OffsetWeighs::Exponent,
            Family::Logistic | Family::Quasibinomial => OffsetWeighs::Variance,
        }
    }

    fn explains_number(&self) -> bool {
        self.family != Family::Logistic
    }

    fn takes_yes_no(&self) -> bool {
        use Family::{Linear, Poisson, Quasibinomial, Quasipoisson};
        matches!(self.family, Linear | Poisson | Quasipoisson | Quasibinomial)
    }
}

//! What of a method itself the first round counts beside the columns of its study.

use crate::design::{Design, Shape, Term};

/// What of the method itself is counted beside the columns.
pub(crate) struct Beside {
    /// Its terms that are not columns themselves,
    pub(crate) products: Option<Design>,
    /// and those of them whose values are known before the fit.
    pub(crate) terms: Option<Design>,
    /// Columns, by their place, with the knots that the study gives their splines.
    pub(crate) knots: Vec<(usize, Vec<f64>)>,
    /// Columns whose histogram is released, by their place, and the edges.
    pub(crate) bins: Vec<(usize, Vec<f64>)>,
    /// How many columns, from the first, may have missing values that are counted.
    pub(crate) gaps: usize,
    /// Whether the method tells rows without a value from those with one, in every column.
    pub(crate) parts: bool,
    /// Values of a number that what is told of it solves: how many patients have each follows.
    pub(crate) common: usize,
}

impl Default for Beside {
    /// How many patients there are and the mean of a number, which all models tell in one way or
    /// another, are two equations. A method that tells its variance, too, asks for three.
    fn default() -> Self {
        Self {
            products: None,
            terms: None,
            knots: Vec::new(),
            bins: Vec::new(),
            gaps: 0,
            parts: false,
            common: 2,
        }
    }
}

impl Beside {
    /// Whether one value of the column at this place can be parted from the others: by a split, or
    /// by a term that is more than the column.
    pub(super) fn bends(&self, at: usize) -> bool {
        let in_a_term = self.products.iter().flat_map(|design| &design.terms);
        self.parts
            || in_a_term
                .flat_map(|term| &term.factors)
                .any(|factor| factor.column as usize == at)
    }

    /// Cells of all histograms: below, in each bin, above.
    pub(super) fn cells(&self) -> usize {
        self.bins.iter().map(|(_, edges)| edges.len() + 1).sum()
    }

    /// What a regression on these terms has beside the columns.
    pub(crate) fn of(design: &Design) -> Self {
        let products = products(design);
        Self {
            terms: products.clone().and_then(known),
            products,
            knots: given_knots(design),
            ..Self::default()
        }
    }
}

/// The knots that the formula gives, by the place of their column.
fn given_knots(design: &Design) -> Vec<(usize, Vec<f64>)> {
    let mut known: Vec<(usize, Vec<f64>)> = Vec::new();
    for factor in design.terms.iter().flat_map(|term| &term.factors) {
        if let Shape::Spline(spline) = &factor.shape {
            let of = (factor.column as usize, spline.knots.clone());
            if !known.contains(&of) {
                known.push(of);
            }
        }
    }
    known
}

/// The terms that are not columns themselves.
fn products(design: &Design) -> Option<Design> {
    let mut design = design.clone();
    design.terms.retain(|term| !is_column(term));
    (!design.terms.is_empty()).then_some(design)
}

fn is_column(term: &Term) -> bool {
    term.factors.len() == 1
        && term
            .factors
            .iter()
            .all(|factor| factor.shape == Shape::Plain)
}

/// The terms whose values are known before the fit.
fn known(mut design: Design) -> Option<Design> {
    design.terms.retain(|term| {
        !term
            .factors
            .iter()
            .any(|factor| matches!(factor.shape, Shape::Sought(_)))
    });
    (!design.terms.is_empty()).then_some(design)
}

//! How much of a fit one row alone decides, and one site alone: each site asks it of its own rows and
//! says a yes or a no.
//!
//! ```text
//! P   = sum over all rows of t z z'            of standardised columns and intercept, no outcome; t is 1, or what the row's
//!                                              weight makes of it, or its exposure where that is more
//! h_i = t_i z_i' P^-1 z_i                      a row's leverage (Hoaglin and Welsch 1978, American Statistician 32, 17);
//!                                              those of all rows add up to the number of coefficients
//! row    h_i > 0.45                            about as much of a direction of the coefficients is this row's as all others';
//!        of a row that counts for several: h_i > 0.45 for each of them, or h_i > 0.9
//! site   (1 - s) I - L^-1 (its own) L^-T       is not positive definite (P = L L'): in some direction the others have less
//!                                              than the twentieth part s of what as many rows have on average
//! ```
//!
//! The leverage is the largest part that the row has of P in any direction d, `sup t (d'z)^2 / d'P d`.
//! P is asked for in the first step of the climb and both are in the second, before anybody but the
//! parties of the sums is told a number that an outcome is in; and no answer depends on one. At
//! the last point both are asked for once more with P of the model's weights (Pregibon 1981, Annals
//! of Statistics 9, 705), 0.9 for 0.45 and the hundredth part for the twentieth: who counts for little
//! among the columns can be nearly all there is, as a row of a huge count, or a site where all counts
//! are high. Those answers do depend on outcomes.
//!
//! Neither a ridge nor a lasso is in P: what moves a coefficient is the row's, however far. Of a
//! direction that nobody has, which only a penalty makes fittable (`Factor::of_rows`), a row has
//! rounding, about 1e-14 of its largest column and more where columns are nearly alike, or it
//! decides: [`REST`]. What less may be is in no
//! result, see `nobody`. One that is only nearly nobody's ends the fit.

use crate::derivatives::add_square;
use crate::error::{RecipeError, Stuck};
use crate::linear::{Factor, largest, triangle};
use crate::moments::counts;
use crate::rows::Values;
use motet_secagg::layout::Block;

/// How much is too much.
#[derive(Clone, Copy)]
struct Limits {
    /// What a patient may have of a direction.
    patient: f64,
    /// What the other sites must have of each, as a part of what their rows have on average.
    others: f64,
    /// What a row may have of a direction that nobody has, as a part of its largest column.
    rest: f64,
    most_rest: f64,
}

/// What a patient may have of a direction: two who share one have half each, to the last bit.
pub(crate) const NEARLY_HALF: f64 = 0.45;
/// Among the columns.
const AMONG_COLUMNS: Limits = Limits {
    patient: NEARLY_HALF,
    others: 0.05,
    rest: REST,
    most_rest: MOST_REST,
};
/// At the last point, where an honest fit of few events has rows of a half. Rests are those of the
/// columns and were asked for; weights that are far apart leave more rounding of them.
const AT_LAST: Limits = Limits {
    patient: 0.9,
    others: 0.01,
    rest: f64::INFINITY,
    most_rest: f64::INFINITY,
};
/// Far above what rounding leaves of levels of a category, of a unit beside another and of their
/// products, 1e-13 of a few hundred rows. It grows by the root of what columns that nearly follow from
/// others leave standing, as a year and its square do.
const REST: f64 = 1e-12;
/// And this far at most: below it coefficients tell nothing of the row, see `nobody`.
const MOST_REST: f64 = 1e-9;
/// What a row that counts for several patients may have: nothing shows that it is several.
const MOST_OF_A_ROW: f64 = 0.9;
/// What a card says of it.
pub(crate) const TOLD: &str = "at the second step of the fit each site says \
    yes or no to two questions about its columns, \
    and the sum shows how many say yes: whether \
    one of its patients alone has nearly half of \
    what decides a coefficient or more (of a row \
    that counts for several, nine tenths), and \
    whether it has nearly all of it itself. One \
    yes ends the run without a result. Of three \
    patients alike, or two sites, nothing is asked";
/// What it says where the model's weights are looked at, too.
pub(crate) const TOLD_AT_LAST: &str = "at the last step each site says whether one of \
    its patients, or the site itself, has nearly \
    all that decides a coefficient by the model's \
    weights, which depend on the outcome: one yes \
    ends the run, and that it ended can tell the \
    outcome of a patient far from all others. A \
    site that lies in these answers, or in the \
    products of its columns, is not found out";

/// What is asked: of how many sites a row, and how many sites themselves, decide alone.
pub(crate) fn ask() -> Block {
    counts(2, 1.0)
}

/// What the sum says of a fit by so many sites. One site's fit of its own rows stays there, and is
/// not held to it.
pub(crate) fn absorb(
    values: &mut Values<'_>,
    sites: u32,
) -> Result<Result<(), Stuck>, RecipeError> {
    let rows = values.count("sites that decide alone")?;
    let alone = values.count("sites that decide alone")?;
    if rows.max(alone) > u64::from(sites) {
        return Err(RecipeError::Implausible {
            what: "sites that decide alone",
        });
    }
    Ok(match (rows, alone) {
        _ if sites == 1 => Ok(()),
        (0, 0) => Ok(()),
        (0, _) => Err(Stuck::OneSite),
        _ => Err(Stuck::OnePatient),
    })
}

/// P of all sites.
pub(crate) struct Whole {
    size: usize,
    factor: Factor,
    rows: u64,
}

impl Whole {
    /// `products` is the upper triangle of P over `size` terms, a sum over `rows`.
    ///
    /// # Errors
    /// The term that depends on those before it, by more than the rounding of sums.
    pub(crate) fn of(products: &[f64], size: usize, rows: u64) -> Result<Self, usize> {
        let factor = Factor::of_rows(products, size)?;
        Ok(Self { size, factor, rows })
    }

    /// Each direction that nobody has.
    pub(crate) fn nobodys(&self) -> impl Iterator<Item = Vec<f64>> {
        let places = self.factor.nobodys().iter();
        places.map(|at| self.factor.dependence(*at))
    }

    /// A site before its first row.
    pub(crate) fn site(&self) -> Site<'_> {
        self.held_to(AMONG_COLUMNS)
    }

    /// The same at the last point.
    pub(crate) fn site_at_last(&self) -> Site<'_> {
        self.held_to(AT_LAST)
    }

    fn held_to(&self, limits: Limits) -> Site<'_> {
        Site {
            whole: self,
            limits,
            cells: vec![0.0; triangle(self.size)],
            patients: 0.0,
            decides: false,
            line: Vec::with_capacity(self.size),
        }
    }
}

/// What a site has of the whole. It has no `Debug`: a leverage is a patient's.
pub(crate) struct Site<'a> {
    whole: &'a Whole,
    limits: Limits,
    /// `L^-1 (its own) L^-T`.
    cells: Vec<f64>,
    patients: f64,
    /// Whether a row so far decides alone.
    decides: bool,
    line: Vec<f64>,
}

impl Site<'_> {
    /// Adds `times z z'` of a row that counts for so many patients; gives its leverage.
    pub(crate) fn add(&mut self, times: f64, z: &[f64], patients: f64) -> f64 {
        let leverage = self.part(times, z);
        self.row(leverage, patients);
        leverage
    }

    /// Adds `times z z'` of a row that may add more of it; gives what it has so far of a leverage.
    pub(crate) fn part(&mut self, times: f64, z: &[f64]) -> f64 {
        if times == 0.0 {
            return 0.0;
        }
        self.line.clear();
        self.line.extend(z);
        let factor = &self.whole.factor;
        let leverage = times * factor.measure(&mut self.line);
        let (least, _) = factor.least();
        let most = (self.limits.rest / least.sqrt()).min(self.limits.most_rest) * largest(z);
        for at in factor.nobodys() {
            // Written so that what is no number decides.
            let is_rounding = factor.rest(*at, &self.line).abs() <= most;
            self.decides |= !is_rounding;
            if let Some(part) = self.line.get_mut(*at) {
                *part = 0.0;
            }
        }
        add_square(&mut self.cells, &self.line, times);
        leverage
    }

    /// A row of which all is added, that counts for so many patients.
    pub(crate) fn row(&mut self, leverage: f64, patients: f64) {
        self.patients += patients;
        let share = leverage <= self.limits.patient * patients.max(1.0);
        self.decides |= !(share && leverage <= MOST_OF_A_ROW);
    }

    /// Whether a row of this site decides alone.
    pub(crate) fn has_row(&self) -> bool {
        self.decides
    }

    /// Whether the site does.
    pub(crate) fn is_alone(&self) -> bool {
        let Whole { size, rows, .. } = self.whole;
        let rows = *rows as f64;
        // Where no other has a row they lack every direction all the same.
        let others = (1.0 - self.patients / rows).max(1.0 / rows);
        let most = 1.0 - self.limits.others * others;
        let left: Vec<f64> = self.cells.iter().map(|cell| -cell).collect();
        Factor::bound(&left, *size, most, 0).is_err()
    }

    /// Both, as the sum counts them.
    pub(crate) fn answer(&self) -> [f64; 2] {
        [self.has_row(), self.is_alone()].map(said)
    }
}

/// Of two looks each answer that is yes in one.
pub(crate) fn either(one: [f64; 2], other: [f64; 2]) -> [f64; 2] {
    let [rows, alone] = one;
    let [of_rows, of_site] = other;
    [rows.max(of_rows), alone.max(of_site)]
}

/// What people who watch a run are told of a step before it is known that nobody decides alone: the
/// power of ten below it.
pub(crate) fn watched(step: f64) -> f64 {
    if step > 0.0 && step.is_finite() {
        libm::exp10(libm::floor(libm::log10(step)))
    } else {
        step
    }
}

/// A yes or no as the sum counts it.
pub(crate) fn said(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows (1, x, x^2).
    fn rows(x: &[f64]) -> Vec<Vec<f64>> {
        x.iter().map(|x| vec![1.0, *x, x * x]).collect()
    }

    fn products(rows: &[Vec<f64>]) -> Vec<f64> {
        let mut cells = vec![0.0; 6];
        for row in rows {
            let mut own = vec![0.0; row.len() * (row.len() + 1) / 2];
            add_square(&mut own, row, 1.0);
            cells.resize(own.len(), 0.0);
            cells.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        cells
    }

    /// What a site of these rows says of a fit to all of them, and the leverages of its rows.
    fn said(all: &[Vec<f64>], own: &[Vec<f64>]) -> ([f64; 2], Vec<f64>) {
        let whole = Whole::of(&products(all), all[0].len(), all.len() as u64);
        let whole = whole.ok().unwrap();
        let mut site = whole.site();
        let each = own.iter().map(|row| site.add(1.0, row, 1.0)).collect();
        (site.answer(), each)
    }

    fn grid() -> Vec<f64> {
        (0..60).map(|at| f64::from(at % 20) / 10.0 - 1.0).collect()
    }

    #[test]
    fn the_leverages_of_all_rows_add_up_to_the_number_of_coefficients() {
        let all = rows(&grid());
        let (_, each) = said(&all, &all);
        assert!((each.iter().sum::<f64>() - 3.0).abs() < 1e-7);
        // Those of a straight line are 1/n + x^2 / sum x^2 about the mean.
        let line: Vec<Vec<f64>> = all.iter().map(|row| row[..2].to_vec()).collect();
        let (_, each) = said(&line, &line);
        assert!((each.iter().sum::<f64>() - 2.0).abs() < 1e-7);
        let mean = all.iter().map(|row| row[1]).sum::<f64>() / 60.0;
        let squares = all.iter().map(|row| (row[1] - mean).powi(2)).sum::<f64>();
        for (row, leverage) in all.iter().zip(each) {
            let want = 1.0 / 60.0 + (row[1] - mean).powi(2) / squares;
            assert!((leverage - want).abs() < 1e-8);
        }
    }

    #[test]
    fn a_row_far_out_decides_and_so_do_two_but_three_do_not() {
        let near = rows(&grid());
        for (times, decides) in [(1, 1.0), (2, 1.0), (3, 0.0)] {
            let far = rows(&vec![30.0; times]);
            let all = [near.clone(), far.clone()].concat();
            assert_eq!(said(&all, &far).0, [decides, 1.0], "{times}");
            assert_eq!(said(&all, &near[..20]).0, [0.0, 0.0], "{times}");
            // The same as one row that counts for so many: that it does nobody sees.
            let whole = Whole::of(&products(&all), 3, all.len() as u64)
                .ok()
                .unwrap();
            let mut site = whole.site();
            site.add(times as f64, &far[0], times as f64);
            assert_eq!(site.answer(), [1.0, 1.0], "{times}");
        }
    }

    #[test]
    fn a_row_of_no_weight_decides_nothing_and_what_is_no_number_does() {
        let all = rows(&grid());
        let whole = Whole::of(&products(&all), 3, 60).ok().unwrap();
        let mut site = whole.site();
        assert_eq!(site.add(0.0, &[1.0, 1e9, 1e18], 0.0), 0.0);
        assert!(!site.has_row());
        site.add(f64::NAN, &all[0], 1.0);
        assert_eq!(site.answer(), [1.0, 1.0]);
    }

    #[test]
    fn a_site_has_a_direction_alone_where_the_others_have_hardly_any_of_it() {
        // A column that every second of a site's rows has, and elsewhere so many of 200.
        let row = |x: bool| vec![1.0, super::said(x)];
        let own: Vec<Vec<f64>> = (0..200).map(|at| row(at % 2 == 0)).collect();
        for (having, alone) in [(0, 1.0), (2, 1.0), (10, 0.0)] {
            let others = (0..200).map(|at| row(at < having));
            let all: Vec<Vec<f64>> = own.iter().cloned().chain(others.clone()).collect();
            assert_eq!(said(&all, &own).0, [0.0, alone], "{having}");
            let others: Vec<Vec<f64>> = others.collect();
            assert_eq!(said(&all, &others).0[1], 0.0, "{having}");
        }
        assert_eq!(said(&own, &own).0, [0.0, 1.0], "there is no other");
    }

    #[test]
    fn a_direction_that_nobody_has_is_nobodys_and_one_of_one_row_is_the_rows() {
        let row = |at: u32| vec![1.0, f64::from(at % 2), f64::from(at % 2)];
        let mut all: Vec<Vec<f64>> = (0..60).map(row).collect();
        let (said_all, each) = said(&all, &all);
        assert_eq!(said_all[0], 0.0);
        assert!((each.iter().sum::<f64>() - 2.0).abs() < 1e-6);
        assert_eq!(said(&all, &all[..20]).0, [0.0, 0.0]);
        all[0][2] = 1.0;
        assert_eq!(said(&all, &all[..1]).0, [1.0, 1.0]);
        assert_eq!(said(&all, &all[1..20]).0, [0.0, 0.0]);
        assert_eq!(Whole::of(&[1.0, 1.0, 0.5], 2, 9).err(), Some(1));
    }

    #[test]
    fn however_thin_a_direction_is_who_has_it_alone_decides_or_the_fit_is_refused() {
        // The third column is the second, but for a little: of one row, or of one site.
        for exponent in 1..=6 {
            let little = 10_f64.powi(-exponent);
            let row = |at: u32, more: f64| {
                let x = f64::from(at % 2);
                vec![1.0, x, x + more]
            };
            let one: Vec<Vec<f64>> = (0..60)
                .map(|at| row(at, if at == 0 { little } else { 0.0 }))
                .collect();
            if let Ok(whole) = Whole::of(&products(&one), 3, 60) {
                let mut site = whole.site();
                site.add(1.0, &one[0], 1.0);
                assert!(site.has_row(), "{exponent}");
            }
            let of_site: Vec<Vec<f64>> = (0..60)
                .map(|at| {
                    row(
                        at,
                        if at < 20 {
                            little * f64::from(at % 3)
                        } else {
                            0.0
                        },
                    )
                })
                .collect();
            if let Ok(whole) = Whole::of(&products(&of_site), 3, 60) {
                let mut site = whole.site();
                for row in &of_site[..20] {
                    site.add(1.0, row, 1.0);
                }
                assert!(site.is_alone() || site.has_row(), "{exponent}");
            }
        }
    }

    #[test]
    fn of_a_step_people_see_the_power_of_ten_below_it() {
        for (step, told) in [
            (0.999, 0.1),
            (1.0, 1.0),
            (9.99, 1.0),
            (0.023, 0.01),
            (3.7e-11, 1e-11),
        ] {
            let seen = watched(step);
            assert!((seen / told - 1.0).abs() < 1e-12, "{step} {seen}");
        }
        assert_eq!(watched(0.0), 0.0);
        assert!(watched(f64::NAN).is_nan() && watched(f64::INFINITY).is_infinite());
    }

    #[test]
    fn one_site_is_not_held_to_it_and_no_more_say_yes_than_there_are() {
        let absorbed = |sum: [f64; 2], sites| absorb(&mut Values::from(&sum), sites);
        assert_eq!(absorbed([0.0, 0.0], 3), Ok(Ok(())));
        assert_eq!(absorbed([0.0, 2.0], 3), Ok(Err(Stuck::OneSite)));
        assert_eq!(absorbed([1.0, 2.0], 3), Ok(Err(Stuck::OnePatient)));
        assert_eq!(absorbed([1.0, 1.0], 1), Ok(Ok(())));
        assert!(absorbed([4.0, 0.0], 3).is_err());
        assert!(absorbed([0.0, 0.5], 3).is_err());
    }
}

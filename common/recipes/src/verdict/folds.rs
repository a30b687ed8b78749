//! The models of a comparison: the common one less a fold,
//! the site's own, and the personal one, each on rows that
//! it has not seen.

use crate::compared::Common;
use crate::derivatives;
use crate::linear::{Factor, difference};
use crate::loss::{Loss, Table};
use crate::network::{Network, Training, flat};
use crate::newton::{Climb, Limits, Near, Newton};
use crate::score::logistic as risk;
use motet_secagg::digest::Digest;
use motet_secagg::layout::Sum;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

/// Parts of the rows.
const FOLDS: usize = 5;
/// The part of the information that must be left where some
/// rows are taken away.
const LEFT: f64 = 1e-6;
/// The local model: strength of the ridge on standardised
/// columns, largest last step, most steps.
const LOCAL: Limits = Limits {
    ridge: 1.0,
    lasso: 0.0,
    tolerance: 1e-9,
    max_rounds: 50,
    unit: 1.0,
    rows: 1,
    separable: true,
    intercepts: 1,
    near: Near::Turned,
};
/// The personal model: steps of the whole table, their
/// length, strength of the pull.
const STEPS: u32 = 200;
const RATE: f64 = 0.2;
const PULL: f64 = 0.1;

/// Some rows of the site.
pub(super) struct Part {
    pub(super) x: Array2<f64>,
    pub(super) y: Array1<f64>,
}

impl Part {
    pub(super) fn of(x: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>, rows: &[usize]) -> Self {
        Self {
            x: x.select(Axis(0), rows),
            y: y.select(Axis(0), rows),
        }
    }

    fn pick(&self, rows: &[usize]) -> Self {
        Self::of(self.x.view(), self.y.view(), rows)
    }

    /// Places of each fold: events and others are dealt in
    /// turn, each from the first fold on.
    fn folds(&self) -> Vec<Vec<usize>> {
        let mut folds = vec![Vec::new(); FOLDS];
        for class in [1.0, 0.0] {
            let places = self
                .y
                .iter()
                .enumerate()
                .filter(|(_, y)| **y == class)
                .map(|(place, _)| place);
            for (turn, place) in places.enumerate() {
                if let Some(fold) = folds.get_mut(turn % FOLDS) {
                    fold.push(place);
                }
            }
        }
        folds
    }
}

impl Common<'_> {
    /// Risks of every row from models that have not seen it;
    /// nothing where a local model has no fit.
    pub(super) fn held_out(&self, all: &Part) -> Option<HeldOut> {
        let zeros = vec![0.0; all.y.len()];
        let mut held = HeldOut {
            common: zeros.clone(),
            local: zeros.clone(),
            personal: zeros,
        };
        let flat_network = Network::new(all.x.ncols(), &[]);
        let folds = all.folds();
        for (at, fold) in folds.iter().enumerate() {
            let others = folds.iter().enumerate().filter(|(other, _)| *other != at);
            let rest = all.pick(
                &others
                    .flat_map(|(_, fold)| fold.iter().copied())
                    .collect::<Vec<_>>(),
            );
            let part = all.pick(fold);
            let common = self.without(&part);
            let personal = self.personal(&common, &rest);
            let local = self.local(&rest)?;
            let risks = [
                (&mut held.common, self.risks(&self.network, &common, &part)),
                (&mut held.local, self.risks(&flat_network, &local, &part)),
                (
                    &mut held.personal,
                    self.risks(&self.network, &personal, &part),
                ),
            ];
            for (all, some) in risks {
                for (place, risk) in fold.iter().zip(some) {
                    if let Some(cell) = all.get_mut(*place) {
                        *cell = risk;
                    }
                }
            }
        }
        Some(held)
    }

    /// The common model without these rows, where it can be
    /// had: their gradient and information leave the pooled
    /// ones.
    fn without(&self, part: &Part) -> Vec<f64> {
        self.stepped(part)
            .unwrap_or_else(|| self.parameters.clone())
    }

    /// The step that leaves them out; nothing where there is
    /// none to be had.
    fn stepped(&self, part: &Part) -> Option<Vec<f64>> {
        let pooled = self.pooled.as_ref()?;
        let terms = pooled.beta.len();
        let sums = derivatives::answer(
            part.x.view(),
            part.y.view(),
            self.moments,
            &pooled.beta,
            &pooled.basis,
        );
        let (gradient, information) = sums.get(1..)?.split_at_checked(terms)?;
        let left = difference(&pooled.information, information);
        // Where nearly nothing is left it is rounding.
        if *left.first()? <= LEFT * pooled.information.first()? {
            return None;
        }
        let step = pooled
            .basis
            .back(Factor::of(&left, terms, pooled.ridge).ok()?.solve(gradient));
        let beta = difference(&pooled.beta, &step);
        Some(flat(&beta)).filter(|beta| beta.iter().all(|value| value.is_finite()))
    }

    /// Ridge regression of these rows.
    pub(super) fn local(&self, part: &Part) -> Option<Vec<f64>> {
        let mut climb = Newton::new(part.x.ncols());
        for round in 1.. {
            let values = derivatives::answer(
                part.x.view(),
                part.y.view(),
                self.moments,
                &climb.point(),
                &climb.basis,
            );
            let sum = Sum {
                sites: 1,
                set: Digest::default(),
                weight: 1,
                values,
            };
            match derivatives::absorb(&climb, &sum, round, LOCAL).ok()? {
                Climb::On(next) => climb = next,
                Climb::End(end) => return Some(flat(&end.beta)),
                Climb::Stuck(_) => return None,
            }
        }
        None
    }

    /// The common model tuned to these rows.
    pub(super) fn personal(&self, common: &[f64], part: &Part) -> Vec<f64> {
        let z = self.moments.standardised(part.x.view());
        let table = Table {
            z: &z,
            y: &part.y.to_vec(),
            time: &[],
        };
        let training = Training {
            loss: &Loss::Binary,
            epochs: STEPS,
            batch: 0,
            rate: RATE,
            clip: 0.0,
            pull: PULL,
            correction: &[],
        };
        // The whole table is not shuffled: nothing is drawn.
        self.network
            .train(
                common,
                &table,
                training,
                &mut ChaCha20Rng::from_seed([0; 32]),
            )
            .0
    }

    pub(super) fn risks(&self, network: &Network, parameters: &[f64], part: &Part) -> Vec<f64> {
        let z = self.moments.standardised(part.x.view());
        network
            .predict(parameters, &z)
            .into_iter()
            .map(risk)
            .collect()
    }
}

/// Risks of all rows, each from models that have not seen
/// the row.
pub(super) struct HeldOut {
    pub(super) common: Vec<f64>,
    pub(super) local: Vec<f64>,
    pub(super) personal: Vec<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compared::Pooled;
    use crate::moments::Moments;

    /// 60 rows with two columns; the outcome leans on both.
    fn rows() -> Part {
        let value = |at: usize, by: usize| (at * by % 61) as f64 / 30.0 - 1.0;
        let x = Array2::from_shape_fn((60, 2), |(row, column)| value(row + 1, [17, 23][column]));
        let y = (0..60).map(|row| {
            let noise = value(row + 1, 37);
            f64::from(u8::from(x[[row, 0]] - 0.7 * x[[row, 1]] + noise > 0.2))
        });
        Part { y: y.collect(), x }
    }

    fn fit(part: &Part, moments: &Moments) -> Newton {
        let mut climb = Newton::new(2);
        for round in 1.. {
            let values = derivatives::answer(
                part.x.view(),
                part.y.view(),
                moments,
                &climb.point(),
                &climb.basis,
            );
            let sum = Sum {
                sites: 1,
                set: Digest::default(),
                weight: 1,
                values,
            };
            let limits = Limits {
                ridge: 0.5,
                lasso: 0.0,
                tolerance: 1e-12,
                max_rounds: 50,
                unit: 1.0,
                rows: 1,
                separable: true,
                intercepts: 1,
                near: Near::Turned,
            };
            match derivatives::absorb(&climb, &sum, round, limits).unwrap() {
                Climb::On(next) => climb = next,
                Climb::End(end) => return end,
                Climb::Stuck(stuck) => panic!("{stuck:?}"),
            }
        }
        unreachable!()
    }

    #[test]
    fn an_exact_model_without_some_rows_is_almost_the_fit_of_the_others() {
        let (all, moments) = (
            rows(),
            Moments {
                rows: 60,
                events: 30,
                mean: vec![0.0; 2],
                sd: vec![1.0; 2],
                ..Moments::default()
            },
        );
        let newton = fit(&all, &moments);
        let pooled = |ridge| Pooled {
            beta: newton.beta.clone(),
            information: newton.information.clone(),
            basis: newton.basis.clone(),
            ridge,
        };
        let common = Common {
            network: Network::new(2, &[]),
            parameters: flat(&newton.beta),
            moments: &moments,
            pooled: Some(pooled(0.5)),
        };
        let folds = all.folds();
        let others: Vec<usize> = folds[1..].concat();
        let want = flat(&fit(&all.pick(&others), &moments).beta);
        let got = common.without(&all.pick(&folds[0]));
        let far = |a: &[f64]| {
            a.iter()
                .zip(&want)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max)
        };
        assert!(
            far(&got) < 0.15 * far(&common.parameters),
            "{got:?} {want:?} {:?}",
            common.parameters
        );
        // Without all rows there is no information left: the common model itself stands in.
        let nothing = Common {
            pooled: Some(pooled(0.0)),
            ..common
        };
        assert_eq!(nothing.without(&all), nothing.parameters);
    }

    #[test]
    fn folds_hold_every_row_once_and_equal_shares_of_events() {
        let all = rows();
        let folds = all.folds();
        let mut places = folds.concat();
        places.sort_unstable();
        assert_eq!(places, (0..60).collect::<Vec<_>>());
        let events: Vec<f64> = folds.iter().map(|fold| all.pick(fold).y.sum()).collect();
        let (most, least) = (
            events.iter().copied().fold(0.0, f64::max),
            events.iter().copied().fold(99.0, f64::min),
        );
        assert!(most - least <= 1.0, "{events:?}");
    }
}

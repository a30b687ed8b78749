//! A small feed-forward network with tanh units and one linear output, the predictor, as one flat
//! vector of parameters: for each layer the weights row by row (a row for each unit) and then the
//! biases. Without hidden layers it is a regression.
//!
//! Training is minibatch gradient descent on the mean loss. It runs inside `answer` only and need
//! not give the same bits everywhere; [`Network::start`] is part of the chain and does.
#![expect(
    clippy::indexing_slicing,
    reason = "offsets follow from `widths`, and `Network::fits` checks the length once"
)]

use crate::loss::{Loss, Table};
use motet_secagg::digest::Digest;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Rng as _, SeedableRng as _};

/// The shape of a network.
pub(crate) struct Network {
    /// Inputs, units of each hidden layer, and 1.
    widths: Vec<usize>,
}

/// How a site trains.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Training<'a> {
    pub(crate) loss: &'a Loss,
    pub(crate) epochs: u32,
    /// Rows of a minibatch; 0 for the whole table.
    pub(crate) batch: usize,
    pub(crate) rate: f64,
    /// The longest gradient of the loss, all parameters together; 0 for any length.
    pub(crate) clip: f64,
    /// Strength of the pull back to the parameters it starts from.
    pub(crate) pull: f64,
    /// Added to every gradient; empty for nothing.
    pub(crate) correction: &'a [f64],
}

impl Network {
    pub(crate) fn new(inputs: usize, hidden: &[u32]) -> Self {
        let hidden = hidden.iter().map(|units| *units as usize);
        Self {
            widths: std::iter::once(inputs).chain(hidden).chain([1]).collect(),
        }
    }

    /// (inputs, units) of each layer.
    pub(crate) fn layers(
        &self,
    ) -> impl DoubleEndedIterator<Item = (usize, usize)> + ExactSizeIterator {
        self.widths.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.layers()
            .map(|(inputs, units)| (inputs + 1) * units)
            .sum()
    }

    pub(crate) fn fits(&self, parameters: &[f64]) -> bool {
        parameters.len() == self.parameters()
    }

    /// The model before the first round: zero without hidden layers (the problem is convex), else
    /// weights uniform in +-sqrt(6 / (inputs + units)) (Glorot and Bengio 2010) from ChaCha20 under
    /// the seed, biases zero.
    pub(crate) fn start(&self, seed: &Digest) -> Vec<f64> {
        if self.widths.len() == 2 {
            return vec![0.0; self.parameters()];
        }
        let mut rng = ChaCha20Rng::from_seed(Digest::of("recipes/start", &[&seed.0]).0);
        let mut parameters = Vec::with_capacity(self.parameters());
        for (inputs, units) in self.layers() {
            let limit = (6.0 / (inputs + units) as f64).sqrt();
            parameters.extend((0..inputs * units).map(|_| {
                let unit = (rng.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0; // 2^53
                limit * (2.0 * unit - 1.0)
            }));
            parameters.extend(std::iter::repeat_n(0.0, units));
        }
        parameters
    }

    /// The linear predictor of a row; leaves the activations of the hidden layers in `hidden`.
    pub(crate) fn forward(
        &self,
        parameters: &[f64],
        row: &[f64],
        hidden: &mut Vec<Vec<f64>>,
    ) -> f64 {
        hidden.resize(self.widths.len() - 2, Vec::new());
        let mut at = 0;
        for (depth, (inputs, units)) in self.layers().enumerate() {
            let (weights, biases) =
                parameters[at..at + (inputs + 1) * units].split_at(inputs * units);
            at += (inputs + 1) * units;
            let (before, after) = hidden.split_at_mut(depth);
            let input = before.last().map_or(row, Vec::as_slice);
            let sums = weights
                .chunks_exact(inputs)
                .zip(biases)
                .map(|(weights, bias)| {
                    weights
                        .iter()
                        .zip(input)
                        .map(|(weight, input)| weight * input)
                        .sum::<f64>()
                        + bias
                });
            match after.first_mut() {
                Some(activations) => {
                    activations.clear();
                    activations.extend(sums.map(f64::tanh));
                }
                None => return sums.sum(),
            }
        }
        0.0
    }

    /// Adds the gradient of one row's loss to `gradient`; `rest` is the slope of the loss in its
    /// predictor.
    fn backward(
        &self,
        parameters: &[f64],
        row: &[f64],
        hidden: &[Vec<f64>],
        rest: f64,
        gradient: &mut [f64],
    ) {
        let mut delta = vec![rest];
        let mut at = parameters.len();
        for (depth, (inputs, units)) in self.layers().enumerate().rev() {
            at -= (inputs + 1) * units;
            let input = if depth == 0 { row } else { &hidden[depth - 1] };
            let mut below = vec![0.0; if depth == 0 { 0 } else { inputs }];
            for (unit, delta) in delta.iter().enumerate() {
                let line = at + unit * inputs;
                for (cell, input) in gradient[line..line + inputs].iter_mut().zip(input) {
                    *cell += delta * input;
                }
                for (sum, weight) in below.iter_mut().zip(&parameters[line..line + inputs]) {
                    *sum += delta * weight;
                }
                gradient[at + inputs * units + unit] += delta;
            }
            // tanh' = 1 - tanh^2
            delta = below
                .iter()
                .zip(input)
                .map(|(sum, activation)| sum * (1.0 - activation * activation))
                .collect();
        }
    }

    /// The predictor of every row.
    pub(crate) fn predict(&self, parameters: &[f64], z: &[f64]) -> Vec<f64> {
        let mut hidden = Vec::new();
        z.chunks_exact(self.widths[0])
            .map(|row| self.forward(parameters, row, &mut hidden))
            .collect()
    }

    /// Writes the gradient of the mean loss of the rows that `batch` names.
    fn gradient(
        &self,
        loss: &Loss,
        parameters: &[f64],
        table: &Table<'_>,
        batch: &[usize],
        gradient: &mut [f64],
    ) {
        let inputs = self.widths[0];
        let mut hidden = Vec::new();
        let predictors: Vec<f64> = batch
            .iter()
            .map(|at| self.forward(parameters, table.row(*at, inputs), &mut hidden))
            .collect();
        let y = picked(table.y, batch);
        let slopes = loss.slopes(&predictors, &y, &picked(table.time, batch));
        gradient.fill(0.0);
        for (at, slope) in batch.iter().zip(slopes) {
            if !hidden.is_empty() {
                self.forward(parameters, table.row(*at, inputs), &mut hidden);
            }
            self.backward(parameters, table.row(*at, inputs), &hidden, slope, gradient);
        }
    }

    /// Trains a copy of `parameters` on the rows; also says how many steps that took.
    pub(crate) fn train(
        &self,
        parameters: &[f64],
        table: &Table<'_>,
        training: Training<'_>,
        rng: &mut impl CryptoRng,
    ) -> (Vec<f64>, u64) {
        let rows = table.y.len();
        let start = parameters;
        let mut parameters = start.to_vec();
        let mut steps = 0;
        let mut gradient = vec![0.0; start.len()];
        let mut order: Vec<usize> = (0..rows).collect();
        let batch = if training.batch == 0 {
            rows
        } else {
            training.batch.min(rows)
        };
        for _ in 0..training.epochs {
            if batch < rows {
                shuffle(&mut order, rng);
            }
            for batch in order.chunks(batch.max(1)) {
                self.gradient(training.loss, &parameters, table, batch, &mut gradient);
                clip(&mut gradient, training.clip);
                for (slope, correction) in gradient.iter_mut().zip(training.correction) {
                    *slope += correction;
                }
                for ((parameter, slope), from) in parameters.iter_mut().zip(&gradient).zip(start) {
                    *parameter -= training.rate * (slope + training.pull * (*parameter - from));
                }
                steps += 1;
            }
        }
        (parameters, steps)
    }
}

/// Shortens a gradient that is longer than `longest`; 0 leaves every length.
fn clip(gradient: &mut [f64], longest: f64) {
    let length = gradient
        .iter()
        .map(|slope| slope * slope)
        .sum::<f64>()
        .sqrt();
    if longest > 0.0 && length > longest {
        gradient
            .iter_mut()
            .for_each(|slope| *slope *= longest / length);
    }
}

/// Fisher and Yates; the bias of the multiplication is below 2^-32.
pub(crate) fn shuffle(order: &mut [usize], rng: &mut impl CryptoRng) {
    for last in (1..order.len()).rev() {
        let pick = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, pick as usize);
    }
}

/// Parameters of a network without hidden layers: the intercept stands last.
pub(crate) fn flat(beta: &[f64]) -> Vec<f64> {
    let (intercept, slopes) = beta
        .split_first()
        .map_or((0.0, beta), |(first, rest)| (*first, rest));
    slopes.iter().copied().chain([intercept]).collect()
}

impl Table<'_> {
    /// The columns of a row.
    fn row(&self, at: usize, inputs: usize) -> &[f64] {
        &self.z[at * inputs..(at + 1) * inputs]
    }
}

/// The values of some rows; none where there are none of any row.
fn picked(values: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter()
        .filter_map(|at| values.get(*at).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(loss: &Loss) -> Training<'_> {
        Training {
            loss,
            epochs: 1,
            batch: 0,
            rate: 0.5,
            clip: 0.0,
            pull: 0.0,
            correction: &[],
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let network = Network::new(3, &[4, 2, 3]);
        assert_eq!(network.parameters(), 4 * 4 + 5 * 2 + 3 * 3 + 4);
        let parameters = network.start(&Digest([7; 32]));
        let z: Vec<f64> = (0..12)
            .map(|at| f64::from(at * 7 % 11) / 5.0 - 1.0)
            .collect();
        let table = Table {
            z: &z,
            y: &[1.0, 0.0, 1.0, 1.0],
            time: &[2.0, 3.0, 5.0, 2.0],
        };
        for loss in [Loss::Binary, Loss::Number, Loss::Time("t".into())] {
            let mut gradient = vec![0.0; parameters.len()];
            network.gradient(&loss, &parameters, &table, &[0, 1, 2, 3], &mut gradient);
            for at in 0..parameters.len() {
                let value = |shift: f64| {
                    let mut moved = parameters.clone();
                    moved[at] += shift;
                    loss.mean(&network.predict(&moved, &z), &table)
                };
                let slope = (value(1e-5) - value(-1e-5)) / 2e-5;
                assert!(
                    (gradient[at] - slope).abs() < 1e-9,
                    "{loss:?}, parameter {at}"
                );
            }
        }
    }

    #[test]
    fn minibatches_follow_the_generator_and_the_whole_table_needs_none() {
        let network = Network::new(1, &[]);
        let table = Table {
            z: &[0.5, -1.0, 2.0, 0.1, -0.7],
            y: &[1.0, 0.0, 1.0, 0.0, 1.0],
            time: &[],
        };
        let train = |batch: usize, seed: u8| {
            let training = Training {
                epochs: 3,
                batch,
                ..training(&Loss::Binary)
            };
            network.train(
                &[0.0, 0.0],
                &table,
                training,
                &mut ChaCha20Rng::from_seed([seed; 32]),
            )
        };
        assert_ne!(train(2, 1), train(2, 2));
        assert_eq!(train(2, 1), train(2, 1));
        assert_eq!(train(0, 1), train(0, 2));
        assert_eq!(train(0, 1), train(5, 2));
        assert_eq!((train(2, 1).1, train(0, 1).1), (9, 3));
    }

    #[test]
    fn a_long_gradient_is_shortened_and_a_pull_leads_back() {
        let network = Network::new(1, &[]);
        let table = Table {
            z: &[1.0, 1.0],
            y: &[30.0, 50.0],
            time: &[],
        };
        let step = |training: Training<'_>| {
            network
                .train(
                    &[0.0, 0.0],
                    &table,
                    training,
                    &mut ChaCha20Rng::from_seed([0; 32]),
                )
                .0
        };
        // The gradient at zero is (-40, -40).
        assert_eq!(step(training(&Loss::Number)), [20.0, 20.0]);
        let clipped = step(Training {
            clip: 2.0,
            ..training(&Loss::Number)
        });
        assert!((clipped[0] - 0.5_f64.sqrt()).abs() < 1e-12 && clipped[0] == clipped[1]);
        assert_eq!(
            step(Training {
                correction: &[40.0, 30.0],
                ..training(&Loss::Number)
            }),
            [0.0, 5.0]
        );
        let far = step(Training {
            epochs: 200,
            ..training(&Loss::Number)
        });
        // Both parameters pulled to zero: w = 40 / (2 + pull).
        let held = step(Training {
            epochs: 200,
            rate: 0.1,
            pull: 2.0,
            ..training(&Loss::Number)
        });
        assert!((far[0] - 20.0).abs() < 1e-9 && (held[0] - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_no_identity() {
        let mut order: Vec<usize> = (0..100).collect();
        shuffle(&mut order, &mut ChaCha20Rng::from_seed([1; 32]));
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}

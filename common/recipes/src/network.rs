//! A small feed-forward network with tanh units and one logistic output, as one flat vector of parameters: for each layer
//! the weights row by row (a row for each unit) and then the biases. Without hidden layers it is logistic regression.
//!
//! Training is plain minibatch gradient descent on the mean cross-entropy. It runs inside `answer` only and need not give
//! the same bits everywhere; [`Network::start`] is part of the chain and does.
#![expect(
    clippy::indexing_slicing,
    reason = "offsets follow from `widths`, and `Network::fits` checks the length once"
)]

use crate::score::{log_likelihood, logistic};
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
pub(crate) struct Training {
    pub(crate) epochs: u32,
    /// Rows of a minibatch; 0 for the whole table.
    pub(crate) batch: usize,
    pub(crate) rate: f64,
}

impl Network {
    pub(crate) fn new(inputs: usize, hidden: &[u32]) -> Self {
        let hidden = hidden.iter().map(|units| *units as usize);
        Self { widths: std::iter::once(inputs).chain(hidden).chain([1]).collect() }
    }

    /// (inputs, units) of each layer.
    pub(crate) fn layers(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> + ExactSizeIterator {
        self.widths.windows(2).map(|pair| (pair[0], pair[1]))
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.layers().map(|(inputs, units)| (inputs + 1) * units).sum()
    }

    pub(crate) fn fits(&self, parameters: &[f64]) -> bool {
        parameters.len() == self.parameters()
    }

    /// The model before the first round: zero without hidden layers (the problem is convex), else weights uniform in
    /// +-sqrt(6 / (inputs + units)) (Glorot and Bengio 2010) from ChaCha20 under the seed, biases zero.
    pub(crate) fn start(&self, seed: &Digest) -> Vec<f64> {
        if self.widths.len() == 2 {
            return vec![0.0; self.parameters()];
        }
        let mut dice = ChaCha20Rng::from_seed(Digest::of("recipes/start", &[&seed.0]).0);
        let mut parameters = Vec::with_capacity(self.parameters());
        for (inputs, units) in self.layers() {
            let limit = (6.0 / (inputs + units) as f64).sqrt();
            let mut draw = || {
                let unit = (dice.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0; // 2^53
                limit * (2.0 * unit - 1.0)
            };
            parameters.extend((0..inputs * units).map(|_| draw()));
            parameters.extend(std::iter::repeat_n(0.0, units));
        }
        parameters
    }

    /// The linear predictor of a row; leaves the activations of the hidden layers in `hidden`.
    pub(crate) fn forward(&self, parameters: &[f64], row: &[f64], hidden: &mut Vec<Vec<f64>>) -> f64 {
        hidden.resize(self.widths.len() - 2, Vec::new());
        let mut at = 0;
        for (depth, (inputs, units)) in self.layers().enumerate() {
            let (weights, biases) = parameters[at..at + (inputs + 1) * units].split_at(inputs * units);
            at += (inputs + 1) * units;
            let (before, after) = hidden.split_at_mut(depth);
            let input = before.last().map_or(row, Vec::as_slice);
            let sums = weights.chunks_exact(inputs).zip(biases).map(|(weights, bias)| {
                weights.iter().zip(input).map(|(weight, input)| weight * input).sum::<f64>() + bias
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

    /// Adds the gradient of one row's cross-entropy to `gradient`; `rest` is p - y.
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

    /// (linear predictor, outcome) of every row, and the mean cross-entropy.
    pub(crate) fn score(&self, parameters: &[f64], z: &[f64], y: &[f64]) -> (Vec<(f64, f64)>, f64) {
        let mut hidden = Vec::new();
        let rows = z.chunks_exact(self.widths[0]).zip(y);
        let pairs: Vec<(f64, f64)> =
            rows.map(|(row, y)| (self.forward(parameters, row, &mut hidden), *y)).collect();
        let loglik: f64 = pairs.iter().map(|(predictor, y)| log_likelihood(*predictor, *y)).sum();
        let loss = -loglik / pairs.len() as f64;
        (pairs, loss)
    }

    /// Trains a copy of `parameters` on the rows `z` (standardised, one after another) and outcomes `y`.
    pub(crate) fn train(
        &self,
        parameters: &[f64],
        z: &[f64],
        y: &[f64],
        training: Training,
        dice: &mut impl CryptoRng,
    ) -> Vec<f64> {
        let inputs = self.widths[0];
        let mut parameters = parameters.to_vec();
        let mut gradient = vec![0.0; parameters.len()];
        let mut hidden = Vec::new();
        let mut order: Vec<usize> = (0..y.len()).collect();
        let batch = if training.batch == 0 { y.len() } else { training.batch.min(y.len()) };
        for _ in 0..training.epochs {
            if batch < y.len() {
                shuffle(&mut order, dice);
            }
            for batch in order.chunks(batch.max(1)) {
                gradient.fill(0.0);
                for &at in batch {
                    let row = &z[at * inputs..(at + 1) * inputs];
                    let rest = logistic(self.forward(&parameters, row, &mut hidden)) - y[at];
                    self.backward(&parameters, row, &hidden, rest, &mut gradient);
                }
                let rate = training.rate / batch.len() as f64;
                for (parameter, slope) in parameters.iter_mut().zip(&gradient) {
                    *parameter -= rate * slope;
                }
            }
        }
        parameters
    }
}

/// Fisher and Yates; the bias of the multiplication is below 2^-32.
fn shuffle(order: &mut [usize], dice: &mut impl CryptoRng) {
    for last in (1..order.len()).rev() {
        let pick = (u128::from(dice.next_u64()) * (last as u128 + 1)) >> 64;
        order.swap(last, pick as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let network = Network::new(3, &[4, 2]);
        assert_eq!(network.parameters(), 4 * 4 + 5 * 2 + 3);
        let parameters = network.start(&Digest([7; 32]));
        let (row, y) = ([0.3, -1.2, 0.8], 1.0);
        let mut hidden = Vec::new();
        let rest = logistic(network.forward(&parameters, &row, &mut hidden)) - y;
        let mut gradient = vec![0.0; parameters.len()];
        network.backward(&parameters, &row, &hidden, rest, &mut gradient);
        for at in 0..parameters.len() {
            let loss = |shift: f64| {
                let mut moved = parameters.clone();
                moved[at] += shift;
                -log_likelihood(network.forward(&moved, &row, &mut Vec::new()), y)
            };
            let slope = (loss(1e-5) - loss(-1e-5)) / 2e-5;
            assert!((gradient[at] - slope).abs() < 1e-9, "parameter {at}");
        }
    }

    #[test]
    fn minibatches_follow_the_dice_and_the_whole_table_needs_none() {
        let network = Network::new(1, &[]);
        let (z, y) = ([0.5, -1.0, 2.0, 0.1, -0.7], [1.0, 0.0, 1.0, 0.0, 1.0]);
        let train = |batch: usize, seed: u8| {
            let training = Training { epochs: 3, batch, rate: 0.5 };
            network.train(&[0.0, 0.0], &z, &y, training, &mut ChaCha20Rng::from_seed([seed; 32]))
        };
        assert_ne!(train(2, 1), train(2, 2));
        assert_eq!(train(2, 1), train(2, 1));
        assert_eq!(train(0, 1), train(0, 2));
        assert_eq!(train(0, 1), train(5, 2));
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

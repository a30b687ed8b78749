//! A model as named arrays, in the order and the shapes in which other programs take it.

use crate::moments::Moments;
use crate::network::Network;

/// A named array of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// `standardise.mean`, `standardise.sd`, `layers.0.weight`, `layers.0.bias`, ...; with an
    /// outcome that is a number also `outcome.mean`, `outcome.sd`.
    pub name: String,
    /// `[units, inputs]` of weights, `[units]` of biases, `[columns]` of the standardisation.
    pub shape: Vec<usize>,
    /// Row by row.
    pub values: Vec<f64>,
}

/// The named arrays of a model, the standardisation (and the mean and standard deviation of its
/// outcome) first.
pub(crate) fn layers(
    network: &Network,
    moments: &Moments,
    outcome: Option<(f64, f64)>,
    parameters: &[f64],
) -> Vec<Layer> {
    let columns = network.layers().next().map_or(0, |(inputs, _)| inputs);
    let means = moments.mean.iter().copied();
    let deviations = moments.sd.iter().copied();
    let mut layers = vec![
        Layer::of("standardise.mean", &[columns], means),
        Layer::of("standardise.sd", &[columns], deviations),
    ];
    if let Some((mean, sd)) = outcome {
        layers.push(Layer::of("outcome.mean", &[1], [mean]));
        layers.push(Layer::of("outcome.sd", &[1], [sd]));
    }
    let mut rest = parameters.iter().copied();
    for (at, (inputs, units)) in network.layers().enumerate() {
        let name = format!("layers.{at}");
        layers.push(Layer::of(
            format!("{name}.weight"),
            &[units, inputs],
            rest.by_ref(),
        ));
        layers.push(Layer::of(format!("{name}.bias"), &[units], rest.by_ref()));
    }
    layers
}

impl Layer {
    /// An array of this shape from the first of the values.
    fn of(name: impl Into<String>, shape: &[usize], values: impl IntoIterator<Item = f64>) -> Self {
        Self {
            name: name.into(),
            shape: shape.to_vec(),
            values: values.into_iter().take(shape.iter().product()).collect(),
        }
    }
}

//! What is shown of every network that was trained by federated averaging.

use crate::context::Context;
use crate::kit::axis::Axis;
use crate::kit::canvas::VERMILION;
use crate::kit::page::Page;
use crate::kit::panels::{Panel, convergence, finite, least, most};
use crate::kit::picture::{Heading, Picture};
use crate::kit::tensor::Tensor;
use crate::kit::words::{code, digits};
use crate::shown::Weights;
use motet_recipes::{Epoch, Layer};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct EpochOut {
    round: u32,
    loss: f64,
}

#[derive(Serialize)]
pub(crate) struct LayerOut<'a> {
    name: &'a str,
    shape: &'a [usize],
}

/// The rounds as the report writes them.
pub(crate) fn epochs(history: &[Epoch]) -> Vec<EpochOut> {
    let epochs = history.iter();
    epochs
        .map(|epoch| EpochOut {
            round: epoch.round,
            loss: epoch.loss,
        })
        .collect()
}

/// The layers as the report writes them.
pub(crate) fn layers(layers: &[Layer]) -> Vec<LayerOut<'_>> {
    let layers = layers.iter();
    layers
        .map(|layer| LayerOut {
            name: &layer.name,
            shape: &layer.shape,
        })
        .collect()
}

/// The table of layers in the card.
pub(crate) fn shapes(page: &mut Page<'_>, layers: &[Layer]) {
    page.line("| Layer | Shape |\n|---|---|");
    for layer in layers {
        let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
        let shape = shape.join(" x ");
        page.line(&format!("| {} | {shape} |", code(&layer.name)));
    }
}

/// The loss at the start of the last round.
pub(crate) fn last_loss(page: &mut Page<'_>, history: &[Epoch]) {
    if let Some(last) = history.last() {
        page.line(&format!(
            "\nThe common model at the start of the last round: loss {}.",
            digits(last.loss, 4)
        ));
    }
}

pub(crate) fn cautions(page: &mut Page<'_>) {
    page.line(
        "- **Federated averaging can harm a site.** The common model \
         is a compromise and can predict worse \
         at one site than that site's own model. Each site's local \
         report compares the two: read it before \
         using the model there.",
    );
    page.line(
        "- Another start or other training parameters give another model; this one is not unique.",
    );
}

/// A tensor a layer, standardisation included.
pub(crate) fn weights(layers: &[Layer]) -> Weights {
    let tensors = layers.iter().map(|layer| {
        let values = layer.values.iter().copied();
        Tensor::new(&layer.name, layer.shape.clone(), values)
    });
    Weights {
        names: None,
        tensors: tensors.collect(),
        holds: "weights of the model, 64-bit",
    }
}

/// `convergence.svg`: loss per round.
pub(crate) fn losses(
    rows: u64,
    history: &[Epoch],
    axis: &'static str,
    context: &Context,
) -> Option<Picture> {
    let losses = finite(history.iter().map(|epoch| (epoch.round, epoch.loss)));
    let (Some(low), Some(high)) = (least(&losses), most(&losses)) else {
        return None;
    };
    let mark = losses
        .last()
        .map(|last| (last.1, format!("at the last round {:.4}", last.1)));
    let panel = Panel {
        title: "Loss (lower is better)".to_owned(),
        axis,
        y: Axis::widened(low - 0.08 * (high - low), high),
        points: losses,
        colour: VERMILION,
        mark,
    };
    Some(convergence(
        context,
        rows,
        &heading(history.len()),
        &[panel],
    ))
}

fn heading(rounds: usize) -> Heading {
    Heading {
        title: format!("Training over {rounds} rounds of federated averaging"),
        how_to_read: "In each round every site trains on its own patients and only the masked sum of the models is opened."
            .to_owned(),
    }
}

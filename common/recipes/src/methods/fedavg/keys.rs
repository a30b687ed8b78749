//! The keys of averaging in a study file, and its words on the card.

use super::rule::{self, Kind};
use super::{Adaptive, FedAvg, Rule, Weight, fraction_bits, most_rows};
use crate::data::{Data, outcome};
use crate::keyed::{CALIBRATION, Keyed, Remark, SCORE, Wanted, Wants};
use crate::loss::Loss;
use crate::written::word;
use motet_secagg::layout::Ring;
use motet_toml::{Checked, Keys, float};
use toml::Value;
use toml::map::Map;

/// Width of a hidden layer.
const MAX_HIDDEN: u32 = 16_384;
/// Hidden layers; deeper networks of tanh units do not train from here.
const MAX_LAYERS: usize = 16;
/// The rings a study may ask for, narrowest first.
const RINGS: [(u32, Ring); 4] = [
    (16, Ring::Bits16),
    (20, Ring::Bits20),
    (24, Ring::Bits24),
    (32, Ring::Bits32),
];
/// The words of `weight`.
const WEIGHTS: [(&str, Weight); 2] = [("rows", Weight::Rows), ("equal", Weight::Equal)];

impl Keyed for FedAvg {
    type Kind = Kind;

    const KINDS: &'static [(&'static str, Kind)] = rule::KINDS;
    const WANTS: Wants = Wants {
        features: true,
        explained: Wanted::Either,
        group: false,
        sides: false,
    };

    fn kind(&self) -> Kind {
        self.rule.kind()
    }

    fn read(kind: Kind, keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self> {
        let (loss, hidden) = model(keys, data)?;
        // A partial likelihood is of the whole table.
        let batch = if matches!(loss, Loss::Time(_)) { 0 } else { 32 };
        let recipe = FedAvg {
            columns: data.columns(),
            outcome: outcome(keys, data)?,
            loss,
            hidden,
            rounds: keys.whole("rounds", 20, 1..=100_000)?,
            local_epochs: keys.whole("local_epochs", 1, 1..=1000)?,
            batch: keys.whole("batch", batch, 0..=1_000_000)?,
            lr: keys.number("lr", 0.1, 1e-4..=100.0)?,
            lr_decay: keys.number("lr_decay", 1.0, 1e-9..=1.0)?,
            lr_step: keys.whole("lr_step", 1, 1..=100_000)?,
            clip: keys.number("clip", 0.0, 0.0..=1e9)?,
            rule: rule(kind, keys)?,
            server_lr: keys.number("server_lr", 1.0, 1e-4..=100.0)?,
            weight: keys.word("weight", &WEIGHTS)?,
            weight_cap: keys.number("weight_cap", 1.0, 1e-6..=1.0)?,
            ring: ring(keys)?,
        };
        Ok(recipe)
    }

    fn write(&self, _data: &Data) -> Vec<String> {
        let model = match (&self.loss, self.hidden.as_slice()) {
            (Loss::Binary, []) => "kind = \"logistic\"".to_owned(),
            (Loss::Number, []) => "kind = \"linear\"".to_owned(),
            (Loss::Time(_), []) => "kind = \"cox\"".to_owned(),
            (loss, widths) => {
                let outcome = match loss {
                    Loss::Binary => "binary",
                    Loss::Number => "number",
                    Loss::Time(_) => "time",
                };
                format!("kind = \"mlp\", hidden = {widths:?}, outcome = \"{outcome}\"")
            }
        };
        let weight = word(&WEIGHTS, &self.weight);
        let mut lines = vec![
            format!("model = {{ {model} }}"),
            format!("rounds = {}", self.rounds),
            format!("local_epochs = {}", self.local_epochs),
            format!("batch = {}", self.batch),
            format!("lr = {:?}", self.lr),
            format!("lr_decay = {:?}", self.lr_decay),
            format!("lr_step = {}", self.lr_step),
            format!("clip = {:?}", self.clip),
            format!("server_lr = {:?}", self.server_lr),
            format!("weight = \"{weight}\""),
            format!("weight_cap = {:?}", self.weight_cap),
            format!("ring = {}", self.ring.bits()),
        ];
        match self.rule {
            Rule::Average | Rule::Scaffold => {}
            Rule::Prox(mu) => lines.push(format!("mu = {mu:?}")),
            Rule::Momentum(momentum) => lines.push(format!("momentum = {momentum:?}")),
            Rule::Adam(a) | Rule::Yogi(a) | Rule::Adagrad(a) => lines.extend([
                format!("beta1 = {:?}", a.beta1),
                format!("beta2 = {:?}", a.beta2),
                format!("tau = {:?}", a.tau),
            ]),
        }
        lines
    }

    fn adds_up(&self) -> String {
        let predicts = match self.loss {
            Loss::Binary => "",
            Loss::Number => " of a number",
            Loss::Time(_) => " of the time to an event",
        };
        let model = match (self.hidden.as_slice(), &self.loss) {
            ([], Loss::Binary) => "a logistic model".to_owned(),
            ([], Loss::Number) => "a linear model".to_owned(),
            ([], Loss::Time(_)) => "a Cox model".to_owned(),
            ([width], _) => {
                format!("a neural network{predicts} with a hidden layer of {width} units")
            }
            (widths, _) => {
                format!("a neural network{predicts} with hidden layers of {widths:?} units")
            }
        };
        let counting = match (self.weight, &self.loss) {
            (Weight::Equal, _) => "the same",
            (Weight::Rows, Loss::Time(_)) => "by its events",
            (Weight::Rows, _) => "by its rows",
        };
        let cap = if self.weight_cap < 1.0 {
            format!(", though for no more than {} of all", self.weight_cap)
        } else {
            String::new()
        };
        let after = match self.loss {
            Loss::Binary => "histograms of its score at the end",
            Loss::Number => "the mean and spread of the outcome, and the squared errors at the end",
            Loss::Time(_) => {
                "the number of events, and how many pairs of patients it ranks rightly"
            }
        };
        let more = if self.rule == Rule::Scaffold {
            "; also your site's mean gradient, \
             in a sum of its own, and a \
             secret number for each \
             parameter stays at your site \
             between the rounds"
        } else {
            ""
        };
        format!(
            "sums and squares of the columns; how far {model} moved in {} \
             passes over your rows, each site counting {counting}{cap}; \
             {after}; {} rounds of training, {} bits a number there or as many as your rows need{more}",
            self.local_epochs,
            self.rounds,
            self.ring.bits()
        )
    }

    fn shows(&self) -> Vec<String> {
        let mut lines = vec![
            "how the common model moves \
             in a round shows roughly the mean \
             outcome of those with \
             each column: what one patient alone of \
             all sites has shows roughly that \
             patient's outcome, though not at which site"
                .to_owned(),
        ];
        if self.weight == Weight::Equal {
            lines.push(
                "each site counts the same: a site with few patients moves the model as much as one with many"
                    .to_owned(),
            );
        }
        lines
    }

    fn vectors(&self) -> Vec<(&'static str, usize)> {
        let columns = self.columns.len();
        let widths = self.hidden.iter().map(|width| *width as usize).chain([1]);
        let parameters: usize = std::iter::once(columns)
            .chain(widths.clone())
            .zip(widths)
            .map(|(from, to)| (from + 1) * to)
            .sum();
        // A Cox model has no intercept of its own.
        let controls = if self.rule == Rule::Scaffold {
            parameters
        } else {
            0
        };
        let (first, spread, evaluate) = match self.loss {
            Loss::Binary => (2 + columns, columns, ("the score's histograms", SCORE)),
            Loss::Number => (2 + columns, columns + 1, ("squared errors", 4)),
            Loss::Time(_) => (2 + columns, columns, ("ranked pairs", 6)),
        };
        let mut steps = vec![
            ("counts and sums", first),
            ("spread", 2 * spread),
            ("a training round", 1 + parameters + controls),
            evaluate,
        ];
        if self.loss == Loss::Binary {
            steps.push(("calibration", CALIBRATION));
        }
        steps
    }

    fn too_narrow(&self, sites: u32) -> Option<u32> {
        if fraction_bits(self.ring, sites).is_some() {
            return None;
        }
        RINGS
            .iter()
            .find(|(_, ring)| fraction_bits(*ring, sites).is_some())
            .map(|(bits, _)| *bits)
    }

    fn remarks(&self, sites: u32) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if self.weight == Weight::Equal {
            remarks.push(Remark::Note(
                "`weight = \"equal\"`: a small site counts as much as a large one".to_owned(),
            ));
        }
        remarks.extend(self.of_ring(sites));
        remarks
    }

    fn explains_number(&self) -> bool {
        self.loss == Loss::Number
    }
}

impl FedAvg {
    /// What a narrow ring leaves: bits after the point, and rows that it can count.
    fn of_ring(&self, sites: u32) -> Option<Remark> {
        let bits = self.ring.bits();
        if let Some(needed) = self.too_narrow(sites) {
            return Some(Remark::Refused(format!(
                "`ring = {bits}` leaves `{sites}` sites too few bits; write `{needed}`"
            )));
        }
        let fraction = fraction_bits(self.ring, sites).filter(|_| bits < 32)?;
        let rows = most_rows(self.ring, sites);
        Some(Remark::Note(format!(
            "`ring = {bits}`: `{sites}` sites round each change of the \
             model to 2^-{fraction}; with more than `{rows}` \
             rows together, the next wider ring is taken"
        )))
    }
}

fn rule(kind: Kind, keys: &mut Keys<'_>) -> Checked<Rule> {
    Ok(match kind {
        Kind::Average => Rule::Average,
        Kind::Prox => Rule::Prox(keys.number("mu", 0.01, 1e-9..=1e6)?),
        Kind::Momentum => Rule::Momentum(keys.number("momentum", 0.9, 0.0..=0.999_999)?),
        Kind::Adam => Rule::Adam(adaptive(keys)?),
        Kind::Yogi => Rule::Yogi(adaptive(keys)?),
        Kind::Adagrad => Rule::Adagrad(adaptive(keys)?),
        Kind::Scaffold => Rule::Scaffold,
    })
}

fn adaptive(keys: &mut Keys<'_>) -> Checked<Adaptive> {
    let usual = Adaptive::default();
    Ok(Adaptive {
        beta1: keys.number("beta1", usual.beta1, 0.0..=0.999_999)?,
        beta2: keys.number("beta2", usual.beta2, 0.0..=0.999_999)?,
        tau: keys.number("tau", usual.tau, 1e-9..=1e3)?,
    })
}

fn ring(keys: &mut Keys<'_>) -> Checked<Ring> {
    let bits = keys.whole("ring", 32, 0..=u32::MAX)?;
    match RINGS.iter().find(|(known, _)| *known == bits) {
        Some((_, ring)) => Ok(*ring),
        None => keys.refuse(
            "ring",
            format!("`ring` is `{bits}`"),
            "write 16, 20, 24 or 32",
        ),
    }
}

/// What is predicted, and the hidden layers.
fn model(keys: &mut Keys<'_>, data: &Data) -> Checked<(Loss, Vec<u32>)> {
    let usual = if data.time.is_some() {
        "cox"
    } else {
        "logistic"
    };
    let table = keys.table("model", &["kind", "hidden", "outcome"])?;
    let kind = match table {
        Some(table) => said(table, "kind").unwrap_or(NO_WORD),
        None => usual,
    };
    let given_hidden = table.is_some_and(|table| table.contains_key("hidden"));
    let given_outcome = table.and_then(|table| said(table, "outcome"));
    let (outcome, hidden) = match kind {
        "mlp" => (
            given_outcome.unwrap_or(usual_outcome(data)),
            hidden(keys, table)?,
        ),
        "logistic" | "linear" | "cox" if given_hidden => {
            let fix = "remove it, or write kind = \"mlp\"";
            return keys.refuse(
                "model",
                format!("a `{kind}` model has no `hidden` layer"),
                fix,
            );
        }
        "logistic" | "linear" | "cox" if given_outcome.is_some() => {
            let problem = format!("a `{kind}` model says by itself what it predicts");
            return keys.refuse("model", problem, "remove `outcome` from `model`");
        }
        "logistic" => ("binary", Vec::new()),
        "linear" => ("number", Vec::new()),
        "cox" => ("time", Vec::new()),
        other => {
            let fix = "use `logistic`, `linear`, `cox` or `mlp`";
            return keys.refuse("model", format!("no model {other:?}"), fix);
        }
    };
    let loss = match (outcome, &data.time) {
        ("binary", None) => Loss::Binary,
        ("number", None) => Loss::Number,
        ("time", Some(time)) => Loss::Time(time.clone()),
        ("time", None) => {
            let problem = "this model predicts the time to an event, and the study names no `time`";
            return keys.refuse("model", problem, "add `time` and `event` to `[data]`");
        }
        ("binary" | "number", Some(_)) => {
            let problem = "`time` belongs to models of the time to an event";
            return keys.refuse("model", problem, "use `cox`, or give `outcome` alone");
        }
        (other, _) => {
            let fix = "write \"binary\", \"number\" or \"time\"";
            return keys.refuse("model", format!("`outcome` is {other:?}"), fix);
        }
    };
    Ok((loss, hidden))
}

fn usual_outcome(data: &Data) -> &'static str {
    if data.time.is_some() {
        "time"
    } else {
        "binary"
    }
}

/// What stands for a word where the file has none: no word at all, which is refused as one that
/// nobody knows.
const NO_WORD: &str = "";

/// The word of a key, where it is given.
fn said<'t>(table: &'t Map<String, Value>, key: &str) -> Option<&'t str> {
    table
        .get(key)
        .map(|value| value.as_str().unwrap_or(NO_WORD))
}

/// The width of a hidden layer, or else the number that is none.
fn width(value: &Value) -> Result<u32, Option<f64>> {
    value
        .as_integer()
        .and_then(|whole| u32::try_from(whole).ok())
        .filter(|width| (1..=MAX_HIDDEN).contains(width))
        .ok_or_else(|| float(value))
}

fn hidden(keys: &Keys<'_>, table: Option<&Map<String, Value>>) -> Checked<Vec<u32>> {
    let Some(list) = table.and_then(|table| table.get("hidden")) else {
        return keys.refuse("model", "an `mlp` needs `hidden`", "write hidden = [16]");
    };
    let Some(widths) = list.as_array().filter(|widths| !widths.is_empty()) else {
        let fix = "write hidden = [16], or kind = \"logistic\"";
        return keys.refuse("model", "`hidden` is empty", fix);
    };
    if widths.len() > MAX_LAYERS {
        let problem = format!("`hidden` has `{}` layers", widths.len());
        return keys.refuse("model", problem, format!("write at most {MAX_LAYERS}"));
    }
    match widths.iter().map(width).collect::<Result<Vec<u32>, _>>() {
        Ok(widths) => Ok(widths),
        Err(width) => {
            let said = width.map_or("no number".to_owned(), |width| format!("`{width}`"));
            let problem = format!("a hidden layer is {said} wide");
            keys.refuse("model", problem, format!("write 1 to {MAX_HIDDEN}"))
        }
    }
}

//! The tables `[recipe]` and `[rounds]`, and the numbers, words and durations in them.

use super::parse::{Checked, Reading};
use super::raw::{RawModel, RawRecipe, RawRounds};
use super::{FedAvg, Logistic, Method, Rounds, SiteLoss, Weighting};
use motet_secagg::layout::Ring;
use std::ops::RangeInclusive;
use toml::Spanned;

/// Width of a hidden layer.
const MAX_HIDDEN: u32 = 16_384;
/// Hidden layers; deeper networks of tanh units do not train from here.
const MAX_LAYERS: usize = 16;
/// A phase longer than a week is a forgotten run.
const LONGEST_PHASE_S: u32 = 7 * 24 * 3600;
/// Recipes of the study file's format that this version cannot run.
const LATER: [&str; 11] = [
    "linear",
    "poisson",
    "cox",
    "km",
    "fedprox",
    "fedavgm",
    "fedadam",
    "fedyogi",
    "fedadagrad",
    "scaffold",
    "gbdt",
];

impl Reading<'_> {
    pub(super) fn method(&self, raw: &RawRecipe) -> Checked<Method> {
        let kind = raw.kind.get_ref().as_str();
        let used: &[&str] = match kind {
            "summary" => &[],
            "logistic" => &["ridge", "tolerance", "max_rounds"],
            "fedavg" => &["model", "rounds", "local_epochs", "batch", "lr", "server_lr", "weight", "ring"],
            kind if LATER.contains(&kind) => {
                let problem = format!("recipe `{kind}` is not yet available in this version");
                return self.refuse(raw.kind.span(), problem, "use `summary`, `logistic` or `fedavg`");
            }
            kind => {
                return self.refuse(
                    raw.kind.span(),
                    format!("no recipe {kind:?}"),
                    "use `summary`, `logistic` or `fedavg`",
                );
            }
        };
        if let Some((key, span)) = raw.given().into_iter().find(|(key, _)| !used.contains(key)) {
            return self.refuse(span, format!("`{key}` is not a key of recipe `{kind}`"), "remove it");
        }
        Ok(match kind {
            "logistic" => Method::Logistic(Logistic {
                ridge: self.number(&raw.ridge, "ridge", 0.0, 0.0..=1e9)?,
                tolerance: self.number(&raw.tolerance, "tolerance", 1e-10, 1e-14..=0.1)?,
                max_rounds: self.whole(&raw.max_rounds, "max_rounds", 30, 1..=1000)?,
            }),
            "fedavg" => Method::FedAvg(FedAvg {
                hidden: self.model(raw.model.as_ref())?,
                rounds: self.whole(&raw.rounds, "rounds", 20, 1..=100_000)?,
                local_epochs: self.whole(&raw.local_epochs, "local_epochs", 1, 1..=1000)?,
                batch: self.whole(&raw.batch, "batch", 32, 0..=1_000_000)?,
                lr: self.number(&raw.lr, "lr", 0.1, 1e-9..=100.0)?,
                server_lr: self.number(&raw.server_lr, "server_lr", 1.0, 1e-9..=100.0)?,
                weight: self.choice(
                    &raw.weight,
                    "weight",
                    &[("rows", Weighting::Rows), ("equal", Weighting::Equal)],
                )?,
                ring: self.ring(raw.ring.as_ref())?,
            }),
            _ => Method::Summary,
        })
    }

    fn ring(&self, bits: Option<&Spanned<u32>>) -> Checked<Ring> {
        match bits.map(|bits| (bits, *bits.get_ref())) {
            None | Some((_, 32)) => Ok(Ring::Bits32),
            Some((_, 16)) => Ok(Ring::Bits16),
            Some((_, 20)) => Ok(Ring::Bits20),
            Some((_, 24)) => Ok(Ring::Bits24),
            Some((bits, other)) => {
                self.refuse(bits.span(), format!("`ring` is `{other}`"), "write 16, 20, 24 or 32")
            }
        }
    }

    /// A ring too narrow for the sites that the study names. How many there are of a study that names none is known when it
    /// is proposed.
    pub(super) fn room(&self, raw: &RawRecipe, method: &Method, sites: usize) -> Checked<()> {
        match (&raw.ring, method.too_narrow(sites)) {
            (Some(ring), Some(needed)) => {
                let problem = format!("`ring = {}` leaves `{sites}` sites too few bits", ring.get_ref());
                self.refuse(ring.span(), problem, format!("write {needed}"))
            }
            _ => Ok(()),
        }
    }

    fn model(&self, model: Option<&Spanned<RawModel>>) -> Checked<Vec<u32>> {
        let Some(model) = model else { return Ok(Vec::new()) };
        let RawModel { kind, hidden } = model.get_ref();
        match (kind.get_ref().as_str(), hidden) {
            ("logistic", None) => Ok(Vec::new()),
            ("logistic", Some(hidden)) => self.refuse(
                hidden.span(),
                "a `logistic` model has no `hidden` layer",
                "remove it, or write kind = \"mlp\"",
            ),
            ("mlp", Some(hidden)) => match hidden.get_ref().as_slice() {
                [] => self.refuse(
                    hidden.span(),
                    "`hidden` is empty",
                    "write hidden = [16], or kind = \"logistic\"",
                ),
                widths if widths.len() > MAX_LAYERS => {
                    let problem = format!("`hidden` has `{}` layers", widths.len());
                    self.refuse(hidden.span(), problem, format!("write at most {MAX_LAYERS}"))
                }
                widths => match widths.iter().find(|width| !(1..=MAX_HIDDEN).contains(width)) {
                    None => Ok(widths.to_vec()),
                    Some(width) => {
                        let problem = format!("a hidden layer is `{width}` wide");
                        self.refuse(hidden.span(), problem, format!("write 1 to {MAX_HIDDEN}"))
                    }
                },
            },
            ("mlp", None) => self.refuse(model.span(), "an `mlp` needs `hidden`", "write hidden = [16]"),
            (other, _) => self.refuse(kind.span(), format!("no model {other:?}"), "use `logistic` or `mlp`"),
        }
    }

    pub(super) fn rounds(&self, raw: &RawRounds) -> Checked<Rounds> {
        let losses = [("pause", SiteLoss::Pause), ("continue", SiteLoss::Continue)];
        Ok(Rounds {
            join_s: self.seconds(&raw.join, "join", 30)?,
            share_s: self.seconds(&raw.share, "share", 30)?,
            upload_s: self.seconds(&raw.upload, "upload", 600)?,
            sign_s: self.seconds(&raw.sign, "sign", 30)?,
            reveal_s: self.seconds(&raw.reveal, "reveal", 30)?,
            quorum: match &raw.quorum {
                Some(_) => Some(self.whole(&raw.quorum, "quorum", 3, 3..=250)?),
                None => None,
            },
            on_site_loss: self.choice(&raw.on_site_loss, "on_site_loss", &losses)?,
        })
    }

    fn seconds(&self, value: &Option<Spanned<String>>, key: &str, default: u32) -> Checked<u32> {
        let Some(value) = value else { return Ok(default) };
        let text = value.get_ref().as_str();
        let unit = |letter: char, seconds: u32| {
            let digits =
                text.strip_suffix(letter).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse::<u32>().ok()?.checked_mul(seconds)
        };
        match unit('s', 1).or_else(|| unit('m', 60)).or_else(|| unit('h', 3600)) {
            Some(seconds) if (1..=LONGEST_PHASE_S).contains(&seconds) => Ok(seconds),
            _ => self.refuse(
                value.span(),
                format!("`{key}` is {text:?}"),
                "write \"30s\", \"10m\" or \"2h\", at most a week",
            ),
        }
    }

    pub(super) fn whole(
        &self,
        value: &Option<Spanned<u32>>,
        key: &str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Checked<u32> {
        let Some(value) = value else { return Ok(default) };
        if range.contains(value.get_ref()) {
            return Ok(*value.get_ref());
        }
        let fix = format!("write {} to {}", range.start(), range.end());
        self.refuse(value.span(), format!("`{key}` is `{}`", value.get_ref()), fix)
    }

    pub(super) fn number(
        &self,
        value: &Option<Spanned<f64>>,
        key: &str,
        default: f64,
        range: RangeInclusive<f64>,
    ) -> Checked<f64> {
        let Some(value) = value else { return Ok(default) };
        if range.contains(value.get_ref()) {
            // Adding zero turns -0 into 0: one number, one digest.
            return Ok(*value.get_ref() + 0.0);
        }
        let fix = format!("write {:?} to {:?}", range.start(), range.end());
        self.refuse(value.span(), format!("`{key}` is `{}`", value.get_ref()), fix)
    }

    /// One of a few words; the first is the default.
    fn choice<T: Copy>(
        &self,
        value: &Option<Spanned<String>>,
        key: &str,
        words: &[(&str, T); 2],
    ) -> Checked<T> {
        let [first, second] = words;
        match value.as_ref().map(|value| (value, value.get_ref().as_str())) {
            None => Ok(first.1),
            Some((_, word)) if word == first.0 => Ok(first.1),
            Some((_, word)) if word == second.0 => Ok(second.1),
            Some((value, word)) => {
                let fix = format!("write \"{}\" or \"{}\"", first.0, second.0);
                self.refuse(value.span(), format!("`{key}` is {word:?}"), fix)
            }
        }
    }
}

//! A study written back as its file, and the check that holds a study from someone else to the
//! rules of a file.

use super::evaluation;
use super::methods;
use super::parse::KIND;
use super::ranges::joined;
use super::{Meaning, Rounds, SiteLoss, Study};
use motet_recipes::data::Levels;
use motet_toml::{Checked, TomlFile};

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// Seconds as a person writes them: `30s`, `10m`, `2h`.
pub(super) fn duration(seconds: u32) -> String {
    match seconds {
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

impl Study {
    /// The study file that gives this study, with every default spelled out.
    pub fn to_toml(&self) -> String {
        let mut lines = vec![
            "[study]".to_string(),
            format!("id = {}", quoted(&self.id)),
            format!("title = {}", quoted(&self.title)),
            format!("question = {}", quoted(&self.question)),
            format!("purpose = {}", quoted(&self.purpose)),
            format!("ends = {}", self.ends),
        ];
        if !self.sites.is_empty() {
            lines.push(format!("sites = {}", list(&self.sites)));
        }
        lines.extend(
            self.recipients
                .written()
                .map(|recipients| format!("recipients = {recipients}")),
        );
        lines.extend([
            "".to_string(),
            "[data]".to_string(),
            format!("dataset = {}", quoted(&self.data.dataset)),
        ]);
        let data = &self.data;
        let outcome = if data.time.is_some() {
            "event"
        } else {
            "outcome"
        };
        for (key, column) in [
            (outcome, &data.outcome),
            ("time", &data.time),
            ("group", &data.group),
            ("offset", &data.offset),
            ("weight", &data.weight),
        ] {
            lines.extend(
                column
                    .iter()
                    .map(|column| format!("{key} = {}", quoted(column))),
            );
        }
        lines.extend(
            data.weight_kind
                .iter()
                .map(|kind| format!("weight_kind = \"{}\"", methods::weight_word(*kind))),
        );
        if !data.features.is_empty() {
            lines.push(format!("features = {}", list(&joined(&data.features))));
        }
        lines.extend(
            self.data
                .filter
                .iter()
                .map(|filter| format!("filter = {}", quoted(&filter.to_string()))),
        );
        lines.push(format!("test_fraction = {:?}", self.data.test_fraction));
        if !self.data.levels.is_empty() {
            lines.extend(["".to_string(), "[data.levels]".to_string()]);
        }
        lines.extend(
            self.data
                .levels
                .iter()
                .map(|Levels { feature, levels }| format!("{feature} = {}", list(levels))),
        );
        lines.extend(self.meanings.iter().flat_map(Meaning::write));
        lines.extend([
            "".to_string(),
            "[recipe]".to_string(),
            format!("kind = \"{}\"", self.recipe.kind()),
        ]);
        lines.extend(self.recipe.method.write(&self.data));
        lines.extend(
            self.recipe
                .judged
                .as_ref()
                .iter()
                .flat_map(|asked| evaluation::write(asked, &self.data)),
        );
        lines.extend(["".to_string(), "[privacy]".to_string()]);
        lines.push(format!("min_sites = {}", self.privacy.min_sites));
        lines.push(format!("min_rows = {}", self.privacy.min_rows));
        lines.extend(rounds_keys(&self.rounds));
        lines.join("\n") + "\n"
    }

    /// Holds a study that was decoded from someone else's bytes to the same rules as a file: what
    /// cannot be written in a study file is not a study.
    ///
    /// # Errors
    /// The first mistake, its line being that of [`Study::to_toml`].
    pub fn check(&self) -> Checked<()> {
        if Self::parse(&self.to_toml())? == *self {
            return Ok(());
        }
        TomlFile::new(KIND, "").refuse(
            0..0,
            "a value is not in its normal form",
            "propose the study from a file with this version",
        )
    }
}

fn rounds_keys(rounds: &Rounds) -> Vec<String> {
    let mut lines = vec![String::new(), "[rounds]".to_string()];
    for (key, seconds) in [
        ("join", rounds.join_s),
        ("share", rounds.share_s),
        ("upload", rounds.upload_s),
        ("sign", rounds.sign_s),
        ("reveal", rounds.reveal_s),
    ] {
        lines.push(format!("{key} = \"{}\"", duration(seconds)));
    }
    lines.extend(rounds.quorum.map(|quorum| format!("quorum = {quorum}")));
    let loss = if rounds.on_site_loss == SiteLoss::Pause {
        "pause"
    } else {
        "continue"
    };
    lines.push(format!("on_site_loss = \"{loss}\""));
    lines
}

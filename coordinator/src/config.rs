//! `coordinator.toml`: where the coordinator listens and where it keeps what it knows.

use anyhow::{Context as _, Result};
use motet_secagg::sign::PublicKey;
use motet_toml::{Checked, TomlFile};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// How long a silent node is waited for unless the file says otherwise.
const DEFAULT_LEASE_MS: u32 = 15_000;

/// Fewest sites in any study's sum: a sum of two shows each the other's.
const LEAST_SITES: u32 = 3;

/// The file as written by `motet init`; a documented sample stands beside this crate.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the consortium.
    pub consortium: String,
    /// Country of the coordinator, two capital letters.
    pub country: String,
    /// Socket address it listens on.
    pub listen: String,
    /// `host:port` that join codes carry.
    pub address: String,
    /// Folder of its keys and certificates.
    pub keys: PathBuf,
    /// Folder of its ledger, blobs and spools.
    pub state: PathBuf,
    /// How long a silent node is still waited for, in milliseconds.
    pub lease_ms: u32,
    /// Fewest sites in any study's sum.
    pub min_sites: u32,
    /// Days for which the masked uploads of every sum are kept so that auditors can recompute it;
    /// those of the latest sum are always kept until the next, or for a week after the run.
    pub retain_uploads_days: u32,
    /// The governance key: rosters and removals are signed by it.
    pub governance: PublicKey,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    consortium: String,
    country: String,
    listen: String,
    address: String,
    keys: PathBuf,
    state: PathBuf,
    lease: Option<Spanned<String>>,
    min_sites: Option<Spanned<u32>>,
    #[serde(default)]
    retain_uploads_days: u32,
    governance: Spanned<String>,
}

impl Config {
    /// Reads the file; folders in it are relative to it.
    ///
    /// # Errors
    /// Where it cannot be read, and the first mistake in it with its line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read `{}`: `motet init DIR` writes it",
                path.display()
            )
        })?;
        Ok(Self::parse(path, &text)?)
    }

    /// Reads the text of the file at `path`.
    ///
    /// # Errors
    /// The first mistake, with its line and what to write instead.
    pub fn parse(path: &Path, toml_text: &str) -> Checked<Self> {
        let file = TomlFile::at(path, toml_text);
        let raw: Raw = file.read()?;
        let base = path.parent().unwrap_or(Path::new(""));
        let governance = raw.governance;
        Ok(Self {
            keys: base.join(&raw.keys),
            state: base.join(&raw.state),
            lease_ms: raw
                .lease
                .map_or(Ok(DEFAULT_LEASE_MS), |lease| lease_ms(&file, &lease))?,
            min_sites: file.whole(&raw.min_sites, "min_sites", LEAST_SITES, LEAST_SITES..=250)?,
            governance: PublicKey::from_hex(governance.get_ref()).or_else(|_| {
                let problem = "`governance` is not a key of 64 hexadecimal digits";
                file.refuse(
                    governance.span(),
                    problem,
                    "copy it from `motet init`'s folder",
                )
            })?,
            consortium: raw.consortium,
            country: raw.country,
            listen: raw.listen,
            address: raw.address,
            retain_uploads_days: raw.retain_uploads_days,
        })
    }
}

/// A span such as `15s`, in milliseconds.
fn lease_ms(file: &TomlFile<'_>, lease: &Spanned<String>) -> Checked<u32> {
    let text = lease.get_ref().trim();
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    let parts = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    match parts.map(|(number, factor)| (number.trim().parse::<u32>(), factor)) {
        Some((Ok(number), factor)) => Ok(number.saturating_mul(factor)),
        _ => file.refuse(
            lease.span(),
            format!("`lease` is {text:?}"),
            "write a whole number with its unit: \"15s\", \"500ms\" or \"2m\"",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_sample_is_a_valid_configuration() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("coordinator.sample.toml");
        assert_eq!(Config::read(&sample).unwrap().lease_ms, 15_000);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let path = Path::new("coordinator.toml");
        let error = Config::parse(path, "consortium = \"x\"\nlissten = \"y\"\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`coordinator.toml`, line 2: unknown key `lissten`; did you mean `listen`? correct or remove it"
        );
    }

    #[test]
    fn a_value_that_cannot_be_meant_is_refused_with_its_line_and_its_fix() {
        let path = Path::new("coordinator.toml");
        let sample = include_str!("../coordinator.sample.toml");
        for (from, to, fix) in [
            ("lease = \"15s\"", "lease = \"15\"", "500ms"),
            ("lease = \"15s\"", "lease = \"-1s\"", "500ms"),
            ("min_sites = 3", "min_sites = 2", "write 3 to 250"),
            ("d75a980182b1", "d75a", "motet init"),
        ] {
            let line = 1 + sample[..sample.find(from).unwrap()].matches('\n').count();
            let error = Config::parse(path, &sample.replace(from, to)).unwrap_err();
            assert_eq!(error.line as usize, line, "{error}");
            assert!(error.fix.contains(fix), "{error}");
        }
    }
}

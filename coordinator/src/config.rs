//! `coordinator.toml`: where the coordinator listens and where it keeps what it knows.

use anyhow::{Context as _, Result, bail};
use motet_secagg::sign::PublicKey;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The file as written by `motet init`; a documented sample stands beside this crate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// How long a silent node is still waited for, such as `15s`.
    #[serde(default = "default_lease")]
    pub lease: String,
    /// Fewest sites in any study's sum.
    #[serde(default = "default_min_sites")]
    pub min_sites: u32,
    /// Days for which the masked uploads of every sum are kept so that auditors can recompute it;
    /// those of the latest sum are always kept until the next, or for a week after the run.
    #[serde(default)]
    pub retain_uploads_days: u32,
    /// The governance key, hexadecimal: rosters and removals are signed by it.
    pub governance: String,
}

fn default_lease() -> String {
    "15s".to_owned()
}

fn default_min_sites() -> u32 {
    3
}

impl Config {
    /// Reads the file; folders in it are relative to it.
    ///
    /// # Errors
    /// Names the file and, for TOML, the line and the key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read `{}`: `motet init DIR` writes it",
                path.display()
            )
        })?;
        let mut config: Self = toml::from_str(&text).with_context(|| {
            format!("`{}` is not a coordinator's configuration", path.display())
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        config.keys = base.join(&config.keys);
        config.state = base.join(&config.state);
        config.lease_ms()?;
        config.governance_key()?;
        if config.min_sites < 3 {
            bail!(
                "`min_sites` in `{}` is below 3: a sum of two sites shows each the other's",
                path.display()
            );
        }
        Ok(config)
    }

    /// The lease in milliseconds.
    ///
    /// # Errors
    /// When the text is not a number with `ms`, `s` or `m`.
    pub fn lease_ms(&self) -> Result<u32> {
        let text = self.lease.trim();
        let (number, factor) = match (
            text.strip_suffix("ms"),
            text.strip_suffix('s'),
            text.strip_suffix('m'),
        ) {
            (Some(number), _, _) => (number, 1),
            (None, Some(number), _) => (number, 1_000),
            (None, None, Some(number)) => (number, 60_000),
            _ => bail!("`lease = \"{text}\"` needs a unit: `15s`, `500ms` or `2m`"),
        };
        let number: u32 = number
            .trim()
            .parse()
            .with_context(|| format!("`lease = \"{text}\"` is not a number"))?;
        Ok(number.saturating_mul(factor))
    }

    /// The governance key.
    ///
    /// # Errors
    /// When it is not 64 hexadecimal digits.
    pub fn governance_key(&self) -> Result<PublicKey> {
        PublicKey::from_hex(&self.governance)
            .context("`governance` is not a key of 64 hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_sample_is_a_valid_configuration() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("coordinator.sample.toml");
        assert_eq!(Config::read(&sample).unwrap().lease_ms().unwrap(), 15_000);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("coordinator.toml");
        std::fs::write(&path, "consortium = \"x\"\nlissten = \"y\"\n").unwrap();
        let error = format!("{:#}", Config::read(&path).unwrap_err());
        assert!(
            error.contains("line 2") && error.contains("lissten"),
            "{error}"
        );
    }
}

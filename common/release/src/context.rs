//! What a release says besides the outcome: about the
//! study, the run and its sites.

use motet_recipes::Findings;
use serde::Serialize;
use std::collections::BTreeSet;

/// Everything about a run that its outcome does not say.
/// Texts are shown to people as they stand (and escaped
/// here).
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Name of the consortium.
    pub consortium: String,
    /// The study's id.
    pub study: String,
    /// The study's title.
    pub title: String,
    /// The study's question in plain language.
    pub question: String,
    /// EHDS Article 53(1) code of the purpose.
    pub purpose: String,
    /// Name of the dataset at the sites.
    pub dataset: String,
    /// Name of the outcome column; empty where the recipe has
    /// none.
    pub outcome: String,
    /// The rule that chose the patients, when the study has
    /// one.
    pub filter: Option<String>,
    /// The share of patients held out of the fit, when the
    /// study holds some out.
    pub held_out: Option<f64>,
    /// The column of the weight, when the study has one.
    pub weight: Option<String>,
    /// The study's feature columns in order.
    pub features: Vec<String>,
    /// What every column of the study means, the explained ones
    /// first.
    pub columns: Vec<Column>,
    /// The run, hexadecimal.
    pub run: String,
    /// Recipe kind as in the study file.
    pub recipe: String,
    /// Recipe parameters as name and value, in the order in
    /// which they are to be read.
    pub parameters: Vec<(String, String)>,
    /// How the model does in groups and at sites, when the
    /// study asks.
    pub findings: Option<Findings>,
    /// Every site of the roster, in its order: the places that
    /// figures of sites have.
    pub roster: Vec<Site>,
    /// How times to an event were read.
    pub survival: Survival,
    /// Largest coefficient step at which an exact fit stops.
    pub tolerance: Option<f64>,
    /// The set of sites behind every number of the release.
    pub sites: Vec<Site>,
    /// Sites that began and are not in that set.
    pub sites_lost: Vec<LostSite>,
    /// Sites of the roster that are in none of its sums, for
    /// whatever reason.
    pub sites_absent: Vec<Site>,
    /// What the approved study says about losing a site
    /// ("pause", "continue").
    pub on_site_loss: String,
    /// Fewest sites in a sum.
    pub min_sites: u32,
    /// Fewest rows with which a site takes part; 0 where it
    /// does however few it has.
    pub min_rows: u64,
    /// How many colluding sites the masking withstands.
    pub colluders: u32,
    /// Groups with fewer patients are merged or left out of
    /// report, card and pictures; 0 shows all.
    pub smallest_cell: u64,
    /// Day or time of the run's start and end, as text in UTC.
    pub started: String,
    /// End of the run.
    pub finished: String,
    /// Masked bytes all sites together sent, when counted.
    pub bytes_up: Option<u64>,
    /// Governance fingerprint, hexadecimal: what a reader must
    /// know to trust the folder.
    pub governance: String,
    /// Software name and version.
    pub software: String,
}

/// A column of the study, and what the study says of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub label: Option<String>,
    /// The type that every schema declares.
    #[serde(rename = "type")]
    pub kind: Option<&'static str>,
    /// UCUM code of its numbers.
    pub unit: Option<String>,
    /// Of what it is an amount.
    pub substance: Option<String>,
    /// Lowest and highest plausible value.
    pub range: Option<(f64, f64)>,
    /// The step in which its effect is told, too.
    pub per: Option<f64>,
    /// Its levels in the study's order.
    pub levels: Vec<Level>,
    /// The level that the others of a feature are compared
    /// with.
    pub reference: Option<String>,
}

/// A level of a column.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Level {
    /// As sites write it.
    pub level: String,
    /// What people call it.
    pub label: Option<String>,
}

impl Level {
    /// What people call it, where they do.
    pub(crate) fn shown(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.level)
    }
}

/// A site whose statistics are in the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name in the roster.
    pub name: String,
    /// Two-letter country code.
    pub country: String,
}

/// A site that took part in earlier rounds only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSite {
    /// Its name in the roster.
    pub name: String,
    /// Two-letter country code.
    pub country: String,
    /// First round without it.
    pub round: u64,
}

/// How a survival recipe read its times; empty for all
/// others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survival {
    /// The column of times.
    pub time: String,
    /// How tied events were treated: `efron` or `breslow`.
    pub ties: Option<&'static str>,
    /// Who is compared with whom: `site`, a column, or all with
    /// all.
    pub strata: Option<String>,
    /// The column whose levels have a curve each.
    pub group: Option<String>,
    /// `grid`: times were rounded up to the next step; `exact`:
    /// they are multiples of it.
    pub times: Option<&'static str>,
    /// Distance of two times that can be told apart, in the
    /// unit of the time column.
    pub step: Option<f64>,
    /// Who is followed longer is censored here.
    pub horizon: Option<f64>,
    /// Kind of the interval of a curve: `log-log`, `log` or
    /// `plain`.
    pub interval: Option<&'static str>,
    /// The study's own limit for numbers that are printed.
    pub min_cell: u64,
}

impl Survival {
    /// The name of the time axis: "Time (days)".
    pub(crate) fn axis(&self) -> String {
        match self.time.as_str() {
            "" => "Time".to_owned(),
            name => format!("Time ({name})"),
        }
    }
}

impl Context {
    /// The limit below which a folder about times prints no
    /// number: the study's own may be higher.
    pub(crate) fn least_in_time(&self) -> u64 {
        self.survival.min_cell.max(self.smallest_cell)
    }

    /// Fewest sites with a level, as the first round asked: one
    /// more where the study goes on without a site.
    pub(crate) fn asked_sites(&self) -> u64 {
        u64::from(self.min_sites) + u64::from(self.on_site_loss == "continue")
    }

    pub(crate) fn countries(&self) -> usize {
        self.sites
            .iter()
            .map(|site| site.country.as_str())
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// "10 sites in 9 countries".
    pub(crate) fn sites_in_words(&self) -> String {
        let sites = many(self.sites.len(), "site", "sites");
        let countries = many(self.countries(), "country", "countries");
        format!("{sites} in {countries}")
    }
}

fn many(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

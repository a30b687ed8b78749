//! `node.toml`: who the site is, where its coordinator
//! listens, and what its stewards may approve at all. The
//! documented sample beside this package is also the template
//! that `join` fills in.

use motet_common::enrol::{EnrolError, check_country, check_name, split_address};
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::{MAX_TEXT, Roster};
use motet_common::study::{
    Floors, LEAST_CELL, LEAST_MULTIPLE, LEAST_ROWS, LEAST_STEP, MOST_BINS, SiteLoss, Study,
    purpose_meaning,
};
use motet_secagg::threshold::{FEWEST_SITES, Thresholds};
use motet_toml::{Checked, Mistake, TomlFile};
use serde::Deserialize;
use toml::Spanned;

/// A wider grid of times than a hundred years is a mistake in
/// the unit. The protocol's fewest sites, as `node.toml` says
/// numbers.
const FEWEST: u32 = FEWEST_SITES as u32;
/// A site whose `node.toml` says nothing lets no site leave a set.
const NO_CHANGE: u32 = 0;

const MOST_STEP: f64 = 36_525.0;

/// The documented sample.
pub const SAMPLE: &str = include_str!("../node.toml.sample");

/// The settings of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The site's name.
    pub site: String,
    /// Two capital letters.
    pub country: String,
    /// The consortium's name.
    pub consortium: String,
    /// The coordinator's `host:port`.
    pub address: String,
    /// Sites that must be in every sum, by this site's own rule.
    pub min_sites: u32,
    /// How many sites may leave a study that says `on_site_loss =
    /// "continue"` after its first sum; where it is 0, no such
    /// study is approved.
    pub max_set_change: u32,
    /// What may be approved.
    pub limits: Limits,
}

/// What a steward may approve at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Federated methods; nothing means all.
    pub recipes: Option<Vec<String>>,
    /// Points of Article 53(1); nothing means all.
    pub purposes: Option<Vec<String>>,
    /// Whether an approval must name a permit.
    pub permit_required: bool,
    /// What no study goes below.
    pub floors: Floors,
    /// Whether this site tells a study that asks how the finished
    /// model does on its own rows.
    pub own_metrics: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    site: Spanned<String>,
    country: Spanned<String>,
    consortium: Spanned<String>,
    address: Spanned<String>,
    min_sites: Option<Spanned<u32>>,
    max_set_change: Option<u32>,
    #[serde(default)]
    limits: RawLimits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    recipes: Option<Vec<Spanned<String>>>,
    purposes: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    permit_required: bool,
    min_rows: Option<Spanned<u32>>,
    min_cell: Option<Spanned<u32>>,
    multiple: Option<Spanned<u32>>,
    step: Option<Spanned<f64>>,
    bins: Option<Spanned<u32>>,
    #[serde(default)]
    extremes: bool,
    #[serde(default)]
    exact_times: bool,
    #[serde(default)]
    own_metrics: bool,
}

/// The site's floors; each is the compiled one, or stricter.
fn floors(file: &TomlFile<'_>, limits: &RawLimits) -> Checked<Floors> {
    let step = match &limits.step {
        Some(days) if !(LEAST_STEP..=MOST_STEP).contains(days.get_ref()) => {
            let fix = format!(
                "write {LEAST_STEP} to {MOST_STEP} days, or `exact_times = true` for a finer grid"
            );
            return file.refuse(days.span(), format!("`step` is `{}`", days.get_ref()), fix);
        }
        Some(days) => *days.get_ref(),
        None => LEAST_STEP,
    };
    let [rows, cell, multiple, bins] = [
        (
            &limits.min_rows,
            "min_rows",
            LEAST_ROWS,
            LEAST_ROWS..=1_000_000,
        ),
        (&limits.min_cell, "min_cell", LEAST_CELL, LEAST_CELL..=1000),
        (
            &limits.multiple,
            "multiple",
            LEAST_MULTIPLE,
            LEAST_MULTIPLE..=1000,
        ),
        (&limits.bins, "bins", MOST_BINS, 2..=MOST_BINS),
    ]
    .map(|(given, key, usual, range)| {
        file.whole(given, key, usual, range)
            .map_err(|mistake| Mistake {
                fix: format!("{}; a site can only be stricter", mistake.fix),
                ..mistake
            })
    });
    Ok(Floors {
        min_rows: rows?,
        min_cell: cell?,
        multiple: multiple?,
        step,
        bins: bins?,
        extremes: limits.extremes,
        exact_times: limits.exact_times,
    })
}

/// Words of a list, each of them known.
fn words(
    file: &TomlFile<'_>,
    list: Option<&Vec<Spanned<String>>>,
    is_known: impl Fn(&str) -> bool,
    fix: &str,
) -> Checked<Option<Vec<String>>> {
    let Some(list) = list else { return Ok(None) };
    if let Some(word) = list.iter().find(|word| !is_known(word.get_ref())) {
        let problem = format!("`{}` is not known here", word.get_ref());
        return file.refuse(word.span(), problem, fix);
    }
    Ok(Some(
        list.iter().map(|word| word.get_ref().clone()).collect(),
    ))
}

impl Settings {
    /// Reads `node.toml`.
    ///
    /// # Errors
    /// The first mistake with its line, unknown keys included.
    pub fn parse(toml_text: &str) -> Checked<Self> {
        let file = TomlFile::new("node.toml", toml_text);
        let raw: Raw = file.read()?;
        let as_invited = "write it as the operator invited the site";
        let wrong = |at: &Spanned<String>, error: EnrolError, fix: &str| {
            file.mistake(at.span(), error.to_string(), fix)
        };
        check_name(raw.site.get_ref()).map_err(|error| wrong(&raw.site, error, as_invited))?;
        check_country(raw.country.get_ref())
            .map_err(|error| wrong(&raw.country, error, as_invited))?;
        split_address(raw.address.get_ref())
            .map_err(|error| wrong(&raw.address, error, "ask the operator for it"))?;
        let consortium = file.prose(&raw.consortium, "consortium", MAX_TEXT, false)?;
        let fewest = FEWEST;
        let min_sites = match &raw.min_sites {
            Some(number) if *number.get_ref() < fewest => {
                let problem = format!("`min_sites` is `{}`", number.get_ref());
                let fix = "3 is the least: fewer protect nobody";
                return file.refuse(number.span(), problem, fix);
            }
            Some(number) => *number.get_ref(),
            None => fewest,
        };
        let floors = floors(&file, &raw.limits)?;
        let kinds = format!("use one of {}", Study::kinds());
        let recipes = words(&file, raw.limits.recipes.as_ref(), Study::is_kind, &kinds)?;
        let purposes = words(
            &file,
            raw.limits.purposes.as_ref(),
            |word| purpose_meaning(word).is_some(),
            "write a point of Article 53(1), for instance 53(1)(e)",
        )?;
        Ok(Self {
            site: raw.site.into_inner(),
            country: raw.country.into_inner(),
            consortium,
            address: raw.address.into_inner(),
            min_sites,
            max_set_change: raw.max_set_change.unwrap_or(NO_CHANGE),
            limits: Limits {
                recipes,
                purposes,
                permit_required: raw.limits.permit_required,
                floors,
                own_metrics: raw.limits.own_metrics,
            },
        })
    }

    /// The text of `node.toml` for a site that has just joined:
    /// the sample with its own values.
    pub fn fresh(site: &str, country: &str, consortium: &str, address: &str) -> String {
        let values = [
            ("site", site),
            ("country", country),
            ("consortium", consortium),
            ("address", address),
        ];
        let fill = |line: &str| match line.split_once(" = ") {
            Some((key, _)) => match values.iter().find(|(name, _)| *name == key) {
                Some((_, value)) => format!("{key} = {}\n", quoted(value)),
                None => format!("{line}\n"),
            },
            None => format!("{line}\n"),
        };
        SAMPLE.lines().map(fill).collect()
    }

    /// Whether the site's own rules leave room for this study
    /// with this roster.
    ///
    /// # Errors
    /// `line_up_too_small` when a sum, or the figures of a group,
    /// could hold fewer sites than the site's floor,
    /// `study_not_approved` for a recipe or purpose that
    /// `node.toml` does not list, and for what lies below the
    /// site's floors.
    pub fn allow(&self, study: &Study, roster: &Roster) -> Result<(), Refusal> {
        let floor = study.privacy.min_sites as usize;
        let numbers = Thresholds::of(
            roster.entries.len(),
            roster.entries.len(),
            roster.colluders.into(),
            roster.h_min.into(),
            floor,
        )
        .map_err(|error| Refusal::new(Code::LineUpTooSmall, error.to_string()))?;
        // The plan's number comes from study and roster: a coordinator does not know this site's
        // own floor.
        if numbers.survivors < self.min_sites as usize {
            let detail = format!(
                "a sum of study `{}` may hold `{}` sites, `min_sites` of node.toml asks for `{}`",
                study.id, numbers.survivors, self.min_sites
            );
            return Err(Refusal::new(Code::LineUpTooSmall, detail));
        }
        // The figures of a group are a sum over the sites that have such patients, and what is told
        // leaves a sum over the others: not all of the sum's.
        if let Some(asked) = study
            .recipe
            .judged
            .as_ref()
            .filter(|asked| asked.min_sites < self.min_sites)
        {
            let detail = format!(
                "study `{}` shows figures of `{}` sites, `min_sites` of \
                 node.toml asks for `{}`; a study with that \
                 `min_sites` under [privacy] would do",
                study.id, asked.min_sites, self.min_sites
            );
            return Err(Refusal::new(Code::LineUpTooSmall, detail));
        }
        // Columns, levels, groups and bins lie at as many sites as the study says.
        if let Some(census) = study
            .recipe
            .census
            .as_ref()
            .filter(|census| census.min_sites < self.min_sites)
        {
            let detail = format!(
                "study `{}` asks about what `{}` sites have, `min_sites` of \
                 node.toml asks for `{}`; a study with that \
                 `min_sites` under [privacy] would do",
                study.id, census.min_sites, self.min_sites
            );
            return Err(Refusal::new(Code::LineUpTooSmall, detail));
        }
        let outside = |what: &str, word: &str| {
            Refusal::new(
                Code::StudyNotApproved,
                format!("`[limits]` of node.toml does not list the {what} `{word}`"),
            )
        };
        if !is_listed(&self.limits.recipes, study.recipe.kind()) {
            return Err(outside("recipe", study.recipe.kind()));
        }
        if let Some(below) = study.below(&self.limits.floors) {
            return Err(Refusal::new(
                Code::StudyNotApproved,
                format!("study `{}` {below}", study.id),
            ));
        }
        if study.rounds.on_site_loss == SiteLoss::Continue && self.max_set_change == 0 {
            let detail = format!(
                "study `{}` goes on without a site that leaves, and what that site \
                 told can then be computed; `max_set_change = 1` \
                 in node.toml allows that, or the proposer writes on_site_loss = \"pause\"",
                study.id
            );
            return Err(Refusal::new(Code::StudyNotApproved, detail));
        }
        if !is_listed(&self.limits.purposes, &study.purpose) {
            return Err(outside("purpose", &study.purpose));
        }
        Ok(())
    }
}

fn is_listed(list: &Option<Vec<String>>, word: &str) -> bool {
    list.as_ref()
        .is_none_or(|list| list.iter().any(|w| w == word))
}

fn quoted(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_sample_is_acceptable_also_with_every_line_in_use() {
        let settings = Settings::parse(SAMPLE).unwrap();
        assert_eq!(
            (settings.site.as_str(), settings.min_sites),
            ("amsterdam", 3)
        );
        assert_eq!(settings.limits, Limits::default());
        let all = SAMPLE
            .replace("# recipes", "recipes")
            .replace("# purposes", "purposes")
            .replace("= false", "= true");
        let limits = Settings::parse(&all).unwrap().limits;
        assert_eq!(limits.recipes.unwrap(), ["summary", "logistic"]);
        assert_eq!(limits.purposes.unwrap(), ["53(1)(e)", "53(1)(a)"]);
        assert!(limits.permit_required && limits.floors.exact_times && limits.own_metrics);
    }

    #[test]
    fn what_join_writes_is_read_back() {
        let text = Settings::fresh("ITAL", "IT", "Stroke \"Europe\"", "127.0.0.1:7000");
        let settings = Settings::parse(&text).unwrap();
        assert_eq!(
            (settings.site.as_str(), settings.country.as_str()),
            ("ITAL", "IT")
        );
        assert_eq!(
            (settings.consortium.as_str(), settings.address.as_str()),
            ("Stroke \"Europe\"", "127.0.0.1:7000")
        );
        assert!(
            text.contains("# The site's own floor"),
            "the comments travel along"
        );
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let base = "site = \"a\"\ncountry = \"NL\"\nconsortium = \"c\"\naddress = \"h:1\"\n";
        assert!(Settings::parse(base).is_ok());
        for (text, line, word) in [
            (format!("{base}colour = 1\n"), 5, "colour"),
            (format!("{base}[limits]\nmin_rows = 9\n"), 6, "write 10 to"),
            (format!("{base}[limits]\nmin_cell = 4\n"), 6, "write 5 to"),
            (format!("{base}[limits]\nmultiple = 5\n"), 6, "write 10 to"),
            (format!("{base}[limits]\nbins = 257\n"), 6, "write 2 to 256"),
            (format!("{base}[limits]\nstep = 1\n"), 6, "write 7 to"),
            (format!("{base}[limits]\nrows = 1\n"), 6, "rows"),
            (format!("{base}min_sites = 2\n"), 5, "min_sites"),
            (
                format!("{base}\n[limits]\nrecipes = [\"magic\"]\n"),
                7,
                "magic",
            ),
            (format!("{base}\n[limits]\npurposes = [\"54\"]\n"), 7, "54"),
            (base.replace("h:1", "nowhere"), 4, "nowhere"),
            (base.replace("\"NL\"", "\"nl\""), 2, "nl"),
        ] {
            let error = Settings::parse(&text).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(
            Settings::parse(&base.replace("site", "# site"))
                .unwrap_err()
                .problem
                .contains("site")
        );
    }
}

//! What is measured: each kind of recipe with a study of the stroke trial that people could ask
//! for.

use crate::failure::{Done, Failure};
use motet_common::study::Study;
use std::fmt::Write as _;

/// Days to death or to the end of follow-up, and whether the patient died: a line for each row of
/// the demo's tables.
const FOLLOW_UP: &str = include_str!("../../../common/recipes/tests/data/stroke_followup.csv");

/// What became of each patient after six months, likewise: 1 dead, 2 dependent, 3 not recovered, 4
/// recovered; 0 and 9 are not known.
const AFTER: &str = include_str!("../../../common/recipes/tests/data/stroke_outcome.csv");

/// Every column that a study may explain or use.
const COLUMNS: [&str; 13] = [
    "age",
    "male",
    "delay_h",
    "sbp",
    "drowsy",
    "unconscious",
    "infarct_ct",
    "n_deficits",
    "tacs",
    "lacs",
    "pocs",
    "aspirin",
    "heparin",
];

/// The part of the eight deficits that a patient has: an outcome between 0 and 1.
const SHARE: &str = "deficit_share";

const DAYS: &str = "times = \"grid\"\nstep = 1\nhorizon = 182\n";

/// One line of the table.
pub(super) struct Case {
    /// Its name in the table; it names its study too.
    pub(super) name: &'static str,
    /// The recipe's kind.
    pub(super) kind: &'static str,
    /// What is fitted, in short.
    pub(super) what: &'static str,
    explained: Explained,
    /// Keys of the recipe after its kind.
    keys: &'static str,
}

enum Explained {
    /// Nothing: all columns are described.
    Nothing,
    /// A column, by all others.
    Column(&'static str),
    /// A column alone.
    Only(&'static str),
    /// The time to death, by all columns.
    Death,
    /// The time to death, alone.
    Alone,
    /// What became of a patient after six months, by all columns.
    After,
}
use Explained::{After, Alone, Column, Death, Nothing, Only};

const fn case(
    name: &'static str,
    kind: &'static str,
    what: &'static str,
    explained: Explained,
    keys: &'static str,
) -> Case {
    Case {
        name,
        kind,
        what,
        explained,
        keys,
    }
}

const DEAD: Explained = Column("dead14");
const TWENTY: &str = "20 rounds, 13 columns";

/// In the order of RECIPES.md.
const CASES: [Case; 25] = [
    case("summary", "summary", "13 columns", Nothing, ""),
    case(
        "summary, quantiles",
        "summary",
        "13 columns, 3 quantiles of 2",
        Nothing,
        "edges = { age = { from = 0, to = 110, bins = 22 }, sbp = { from = 60, to = 300, bins = 24 } }\n\
         quantiles = [0.25, 0.5, 0.75]\n",
    ),
    case("count", "count", "patients and deaths", Only("dead14"), ""),
    case("linear", "linear", "12 columns", Column("sbp"), ""),
    case("logistic", "logistic", "13 columns", DEAD, ""),
    case(
        "logistic, spline",
        "logistic",
        "15 terms, knots found",
        DEAD,
        "formula = \"dead14 ~ age + male + delay_h + ns(sbp, 3) + drowsy \
         + unconscious + infarct_ct + n_deficits + tacs + \
         lacs + pocs + aspirin + heparin\"\n",
    ),
    case("poisson", "poisson", "12 columns", Column("n_deficits"), ""),
    case("gamma", "gamma", "12 columns", Column("sbp"), ""),
    case(
        "quasipoisson",
        "quasipoisson",
        "12 columns",
        Column("n_deficits"),
        "",
    ),
    case(
        "quasibinomial",
        "quasibinomial",
        "12 columns",
        Column(SHARE),
        "",
    ),
    case("ordinal", "ordinal", "13 columns, four levels", After, ""),
    case("cox, efron", "cox", "13 columns, 182 days", Death, DAYS),
    case(
        "cox, breslow",
        "cox",
        "13 columns, 182 days",
        Death,
        "times = \"grid\"\nstep = 1\nhorizon = 182\nties = \"breslow\"\n",
    ),
    case(
        "cox, strata",
        "cox",
        "13 columns, by site",
        Death,
        "times = \"grid\"\nstep = 1\nhorizon = 182\nstrata = \"site\"\n",
    ),
    case("km", "km", "182 days", Alone, DAYS),
    case("fedavg", "fedavg", TWENTY, DEAD, ""),
    case(
        "fedavg, network",
        "fedavg",
        "20 rounds, 32 and 16 units",
        DEAD,
        "model = { kind = \"mlp\", hidden = [32, 16] }\n",
    ),
    case("fedprox", "fedprox", TWENTY, DEAD, ""),
    case("fedavgm", "fedavgm", TWENTY, DEAD, ""),
    case("fedadam", "fedadam", TWENTY, DEAD, "server_lr = 0.1\n"),
    case("fedyogi", "fedyogi", TWENTY, DEAD, "server_lr = 0.1\n"),
    case(
        "fedadagrad",
        "fedadagrad",
        TWENTY,
        DEAD,
        "server_lr = 0.1\n",
    ),
    case("scaffold", "scaffold", TWENTY, DEAD, ""),
    case("gbdt", "gbdt", "20 trees of depth 3", DEAD, "trees = 20\n"),
    case(
        "gbdt, number",
        "gbdt",
        "20 trees of depth 3",
        Column("sbp"),
        "trees = 20\nloss = \"squared\"\n",
    ),
];

/// The cases of these kinds, or all.
///
/// # Errors
/// A kind that there is not.
pub(super) fn chosen(only: &[String]) -> Done<Vec<&'static Case>> {
    static ALL: [Case; 25] = CASES;
    if let Some(unknown) = only
        .iter()
        .find(|kind| !ALL.iter().any(|case| case.kind == **kind))
    {
        let mut kinds: Vec<&str> = ALL.iter().map(|case| case.kind).collect();
        kinds.dedup();
        let next = format!("the kinds are {}", kinds.join(", "));
        return Err(Failure::usage(
            format!("--only: no recipe is called `{unknown}`"),
            next,
        ));
    }
    let all = ALL.iter();
    Ok(all
        .filter(|case| only.is_empty() || only.iter().any(|kind| kind == case.kind))
        .collect())
}

/// The kinds of recipe that no case measures; a new one has none at first.
pub(super) fn unmeasured() -> Vec<String> {
    let kinds = Study::kinds();
    let unmeasured = kinds.split(", ").filter(|kind| {
        let kind = kind.trim_matches('`');
        !CASES.iter().any(|case| case.kind == kind)
    });
    unmeasured.map(str::to_owned).collect()
}

/// The features of a study that explains this column: all others.
fn features(without: &str) -> String {
    let without = if without == SHARE {
        "n_deficits"
    } else {
        without
    };
    let others: Vec<&str> = COLUMNS
        .into_iter()
        .filter(|column| *column != without)
        .collect();
    format!("features = {others:?}\n")
}

impl Case {
    /// Its study file.
    pub(super) fn study(&self) -> String {
        let id: String = self
            .name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric())
            .collect();
        let data = match &self.explained {
            Nothing => features(""),
            Column(outcome) => format!("outcome = \"{outcome}\"\n{}", features(outcome)),
            Only(outcome) => format!("outcome = \"{outcome}\"\n"),
            Death => format!("time = \"days\"\nevent = \"died\"\n{}", features("")),
            Alone => "time = \"days\"\nevent = \"died\"\n".to_owned(),
            After => format!(
                "outcome = \"occode\"\n{}[data.levels]\noccode = [\"1\", \"2\", \"3\", \"4\"]\n",
                features("")
            ),
        };
        let phases = ["join", "share", "upload", "sign", "reveal"]
            .map(|phase| format!("{phase} = \"60s\"\n"));
        format!(
            "[study]\nid = \"bench-{id}\"\ntitle = \"{}\"\nquestion = \"What does this recipe need?\"\n\
             purpose = \"53(1)(e)\"\nends = 2099-12-31\n\n[data]\ndataset = \"ist\"\n{data}\n[recipe]\nkind = \"{}\"\n{}\n\
             [rounds]\n{}",
            self.name,
            self.kind,
            self.keys,
            phases.concat()
        )
    }
}

/// What the schema says of the columns that [`with_more`] adds.
pub(super) const MORE: &str = "
[columns.days]
type = \"int\"

[columns.died]
type = \"bool\"

[columns.deficit_share]
type = \"float\"

[columns.occode]
type = \"ordered\"
levels = [\"1\", \"2\", \"3\", \"4\"]
missing = [\"0\", \"9\"]
";

/// A site's table with the follow-up of each patient, the part of the deficits and the outcome after
/// six months in four more columns; nothing where these are not of the same patients.
pub(super) fn with_more(site: &str, table: &str) -> Option<String> {
    let [mut beside, mut after] = [FOLLOW_UP, AFTER].map(|text| {
        let lines = text.lines();
        lines.filter_map(|line| line.strip_prefix(site)?.strip_prefix(','))
    });
    let (header, patients) = table.split_once('\n')?;
    let mut columns = header.split(',');
    let deficits = columns.position(|name| name == "n_deficits")?;
    let mut text = format!("{header},days,died,{SHARE},occode\n");
    for patient in patients.lines() {
        let share = patient.split(',').nth(deficits)?.parse::<f64>().ok()? / 8.0;
        let followed = beside.next()?;
        let after = after.next()?;
        let _ = writeln!(text, "{patient},{followed},{share},{after}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::study::Severity;
    use std::collections::BTreeSet;

    #[test]
    fn a_kind_is_measured_by_a_study_that_ten_sites_can_run_or_is_said_not_to_be() {
        let cases = chosen(&[]).unwrap();
        let mut ids = BTreeSet::new();
        for case in &cases {
            let study = Study::parse(&case.study())
                .unwrap_or_else(|error| panic!("{}: {error}", case.name));
            assert_eq!(study.recipe.kind(), case.kind);
            study.check().unwrap();
            assert!(
                study
                    .lint(10)
                    .iter()
                    .all(|finding| finding.severity != Severity::Error),
                "{}",
                case.name
            );
            assert!(ids.insert(study.id));
        }
        let measured = cases.iter().map(|case| format!("`{}`", case.kind));
        let told: BTreeSet<String> = measured.chain(unmeasured()).collect();
        assert_eq!(
            told,
            Study::kinds()
                .split(", ")
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
        );
        assert_eq!(chosen(&["cox".to_owned()]).unwrap().len(), 3);
        assert_eq!(chosen(&["forest".to_owned()]).err().unwrap().exit_code(), 2);
    }

    #[test]
    fn every_patient_has_a_follow_up_and_a_share() {
        let data = crate::demo::data::of(crate::args::Scene::Stroke);
        for site in data.sites {
            let table = with_more(site.name, site.csv).unwrap();
            let width = table.lines().next().unwrap().split(',').count();
            assert!(
                table
                    .lines()
                    .all(|line| line.split(',').count() == width && !line.ends_with(',')),
                "{}",
                site.name
            );
        }
    }

    #[test]
    fn a_table_of_other_patients_than_those_followed_up_is_none() {
        let site = crate::demo::data::of(crate::args::Scene::Stroke).sites[0];
        for table in ["", "age,sex\n50,1\n"] {
            assert_eq!(with_more(site.name, table), None);
        }
        assert_eq!(with_more("nowhere", site.csv), None);
    }
}

//! The digest covers every field.

use super::*;
use motet_recipes::WeightKind;

/// A column that has a label and no more: `meaning.rs` changes the other fields.
fn labelled(column: &str) -> Meaning {
    Meaning {
        column: column.to_owned(),
        label: Some("label".to_owned()),
        kind: None,
        unit: None,
        substance: None,
        labels: Vec::new(),
        range: None,
        per: None,
    }
}

/// Every field of a study changed, one by one. The patterns have no `..`: a new field does not
/// compile until it is here.
fn changes(study: &Study) -> Vec<(&'static str, Study)> {
    let Study {
        id,
        title,
        question,
        purpose,
        ends,
        sites,
        recipients,
        data,
        meanings,
        recipe: _,
        privacy,
        rounds,
    } = study.clone();
    let Data {
        dataset,
        outcome,
        time,
        group,
        offset,
        weight,
        weight_kind,
        formula,
        features,
        levels,
        filter,
        test_fraction,
    } = data.clone();
    let some = |column: &Option<String>| Some(column.clone().unwrap_or_default() + "x");
    let Privacy {
        min_sites,
        min_rows,
    } = privacy;
    let Rounds {
        join_s,
        share_s,
        upload_s,
        sign_s,
        reveal_s,
        quorum,
        on_site_loss,
    } = rounds;
    let other = |text: &str| format!("{text}x");
    let shorter = |list: &[String]| list[1..].to_vec();
    let with = |change: &dyn Fn(&mut Study)| {
        let mut changed = study.clone();
        change(&mut changed);
        changed
    };
    let loss = if on_site_loss == SiteLoss::Pause {
        SiteLoss::Continue
    } else {
        SiteLoss::Pause
    };
    vec![
        ("id", with(&|s| s.id = other(&id))),
        ("title", with(&|s| s.title = other(&title))),
        ("question", with(&|s| s.question = other(&question))),
        ("purpose", with(&|s| s.purpose = other(&purpose))),
        ("ends.year", with(&|s| s.ends.year = ends.year + 1)),
        ("ends.month", with(&|s| s.ends.month = ends.month - 1)),
        ("ends.day", with(&|s| s.ends.day = ends.day - 1)),
        ("sites", with(&|s| s.sites = shorter(&sites))),
        (
            "recipients",
            with(&|s| s.recipients = Recipients::Named(shorter(recipients.names()))),
        ),
        (
            "recipients, all",
            with(&|s| s.recipients = Recipients::Everyone),
        ),
        ("dataset", with(&|s| s.data.dataset = other(&dataset))),
        (
            "outcome",
            with(&|s| s.data.outcome = outcome.as_deref().map(other)),
        ),
        ("features", with(&|s| s.data.features = shorter(&features))),
        (
            "features, order",
            with(&|s| s.data.features = features.iter().rev().cloned().collect()),
        ),
        ("levels", with(&|s| s.data.levels = levels[1..].to_vec())),
        (
            "levels, feature",
            with(&|s| s.data.levels[0].feature = other(&levels[0].feature)),
        ),
        (
            "levels, level",
            with(&|s| s.data.levels[0].levels = shorter(&levels[0].levels)),
        ),
        (
            "filter",
            with(&|s| s.data.filter = filter.as_ref().map(|_| Filter::parse("age >= 19").unwrap())),
        ),
        ("no filter", with(&|s| s.data.filter = None)),
        (
            "test_fraction",
            with(&|s| s.data.test_fraction = test_fraction + 0.1),
        ),
        (
            "meanings",
            with(&|s| s.meanings = [&meanings[..], &[labelled("age")]].concat()),
        ),
        ("time", with(&|s| s.data.time = some(&time))),
        ("group", with(&|s| s.data.group = some(&group))),
        ("offset", with(&|s| s.data.offset = some(&offset))),
        ("weight", with(&|s| s.data.weight = some(&weight))),
        (
            "weight_kind",
            with(&|s| s.data.weight_kind = weight_kind.is_none().then_some(WeightKind::Frequency)),
        ),
        ("formula", with(&|s| s.data.formula = some(&formula))),
        (
            "recipe",
            with(&|s| s.recipe = Recipe::from(motet_recipes::Summary::new(s.columns()))),
        ),
        ("min_sites", with(&|s| s.privacy.min_sites = min_sites + 1)),
        ("min_rows", with(&|s| s.privacy.min_rows = min_rows + 30)),
        ("join", with(&|s| s.rounds.join_s = join_s + 1)),
        ("share", with(&|s| s.rounds.share_s = share_s + 1)),
        ("upload", with(&|s| s.rounds.upload_s = upload_s + 1)),
        ("sign", with(&|s| s.rounds.sign_s = sign_s + 1)),
        ("reveal", with(&|s| s.rounds.reveal_s = reveal_s + 1)),
        ("quorum", with(&|s| s.rounds.quorum = quorum.map(|q| q + 1))),
        ("no quorum", with(&|s| s.rounds.quorum = None)),
        ("on_site_loss", with(&|s| s.rounds.on_site_loss = loss)),
    ]
}

#[test]
fn no_field_changes_behind_an_approval() {
    for study in [full(), fedavg()] {
        let mut seen = vec![("unchanged", study.root())];
        for (name, changed) in changes(&study) {
            let root = changed.root();
            assert!(
                seen.iter().all(|(_, other)| *other != root),
                "{name} does not change the digest"
            );
            seen.push((name, root));
        }
    }
}

/// A value that is another one of its kind, for most keys.
fn other_value(value: &str) -> String {
    match value {
        "true" => "false".into(),
        "false" => "true".into(),
        "\"rows\"" => "\"equal\"".into(),
        "\"efron\"" => "\"breslow\"".into(),
        "\"exact\"" => "\"grid\"".into(),
        "\"grid\"" => "\"exact\"".into(),
        "\"model\"" | "\"hc1\"" => "\"hc0\"".into(),
        "\"log-log\"" => "\"plain\"".into(),
        "\"none\"" => "\"site\"".into(),
        "\"km\"" => "\"off\"".into(),
        "\"logistic\"" => "\"squared\"".into(),
        "32" => "24".into(),
        _ if value.starts_with('{') => "{ kind = \"mlp\", hidden = [3] }".into(),
        _ if value.starts_with('[') => "[0.125]".into(),
        _ => match (value.parse::<u32>(), value.parse::<f64>()) {
            (Ok(whole), _) => (whole + 1).to_string(),
            (_, Ok(number)) => format!(
                "{:?}",
                if number > 0.9 {
                    number / 2.0
                } else {
                    number * 0.5 + 1e-8
                }
            ),
            _ => value.to_owned(),
        },
    }
}

#[test]
fn no_key_of_a_recipe_changes_behind_an_approval() {
    for (kind, _, _) in super::methods::SAMPLES {
        let study = super::methods::sample(kind);
        let text = study.to_toml();
        let recipe = text
            .split_once("[recipe]\n")
            .unwrap()
            .1
            .split_once("\n\n")
            .unwrap()
            .0;
        for line in recipe.lines().skip(1) {
            let (key, value) = line.split_once(" = ").unwrap();
            if [
                "formula", "edges", "strata", "step", "horizon", "tau", "loss", "marks",
            ]
            .contains(&key)
            {
                continue; // changed below, or bound to other keys
            }
            // A lasso has no robust errors, a time to an event no batches: changed in the other
            // kinds.
            if [
                ("linear", "lasso"),
                ("logistic", "errors"),
                ("fedavgm", "batch"),
                ("fedavgm", "model"),
            ]
            .contains(&(kind, key))
            {
                continue;
            }
            // Half of it each round would come to less than a step may be.
            let other = if key == "lr_decay" {
                "0.875".to_owned()
            } else {
                other_value(value).to_string()
            };
            let changed = text.replace(line, &format!("{key} = {other}"));
            let changed =
                Study::parse(&changed).unwrap_or_else(|error| panic!("{kind}, {key}: {error}"));
            assert_ne!(
                changed.root(),
                study.root(),
                "{kind}: `{key}` does not change the digest"
            );
        }
    }
    for (kind, from, to) in [
        (
            "cox",
            "strata = \"none\"",
            "strata = \"site\"\nproportional_hazards = \"off\"",
        ),
        ("cox", "horizon = 182.0", "horizon = 181.0"),
        ("km", "step = 7.0", "step = 3.5"),
        ("km", "tau = 140.0", "tau = 133.0"),
        ("km", "marks = [91.0]", "marks = [84.0]"),
        ("linear", "+ age:sex", ""),
        (
            "summary",
            "age = [0.0, 50.0, 100.0]",
            "age = [0.0, 60.0, 100.0]",
        ),
        ("gbdt", "loss = \"logistic\"", "loss = \"squared\""),
    ] {
        let study = super::methods::sample(kind);
        let text = study.to_toml();
        assert!(text.contains(from), "{text}");
        let text = text.replace(from, to).replace(
            "\"site\"\nproportional_hazards = \"off\"\nties",
            "\"site\"\nties",
        );
        let text = if kind == "cox" {
            text.replacen("proportional_hazards = \"km\"\n", "", 1)
        } else {
            text
        };
        let changed = Study::parse(&text).unwrap_or_else(|error| panic!("{kind}: {error}\n{text}"));
        assert_ne!(changed.root(), study.root(), "{kind}: {from}");
    }
}

//! Columns by which a finished model is judged: read beside the others, and no reason to leave a
//! patient out.

use motet_common::study::Study;
use motet_data::cohort::check_schema;
use motet_data::{Code, Cohort, Schema, Table};
use motet_recipes::{Memory, Recipe};
use motet_secagg::digest::Digest;
use rand_chacha::rand_core::SeedableRng;
use std::path::Path;

const SCHEMA: &str = "[dataset]\nname = \"ward\"\n[columns.age]\ntype = \"float\"\n[columns.sex]\ntype = \"bool\"\n\
    [columns.unit]\ntype = \"category\"\nlevels = [\"B\", \"A\"]\n[columns.x]\ntype = \"float\"\n[columns.y]\ntype = \"bool\"\n";
const ROWS: &str = "age,sex,unit,x,y\n70,1,A,1.5,0\n,0,B,2,1\n40,,A,3,0\n50,1,,4,1\n60,1,B,,1\n";

fn study(evaluation: &str) -> Study {
    Study::parse(&format!(
        "[study]\nid = \"abc\"\ntitle = \"t\"\nquestion = \"q\"\npurpose = \"53(1)(e)\"\nends = 2030-01-01\n[data]\n\
         dataset = \"ward\"\noutcome = \"y\"\nfeatures = [\"x\"]\n[recipe]\nkind = \"logistic\"\n[privacy]\nmin_rows = 1\n{evaluation}"
    ))
    .unwrap()
}

const GROUPS: &str = "[evaluation]\ngroups = [\"sex\", \"age\", \"unit\"]\ncuts.age = [50]\nlevels.unit = [\"A\", \"B\", \"C\"]\n";

#[test]
fn a_patient_without_a_group_stays_and_one_without_a_feature_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ward.csv");
    std::fs::write(&path, ROWS).unwrap();
    let schema = Schema::parse(SCHEMA).unwrap();
    let cohort = |study: &Study| {
        let table = Table::open(&path, &schema, study.reads()).unwrap();
        Cohort::of(&table, study).unwrap()
    };
    let judged = cohort(&study(GROUPS));
    assert_eq!((judged.used, judged.left_out), (4, 1));
    let groups = judged.groups.as_ref().unwrap();
    assert_eq!(groups.dim(), (4, 3));
    // Levels stand in the study's order, whatever the schema's; numbers as they are.
    assert_eq!(groups.row(0).to_vec(), [1.0, 70.0, 0.0]);
    let missing = |row: usize, column: usize| groups[[row, column]].is_nan();
    assert!(missing(1, 1) && missing(2, 0) && missing(3, 2) && groups[[1, 2]] == 1.0);
    assert!(judged.rows().groups.is_some() && judged.rows().slot.is_none());
    let plain = cohort(&study(""));
    assert_eq!(
        (plain.used, &plain.x, plain.groups.is_none()),
        (4, &judged.x, true)
    );
}

#[test]
fn a_column_that_cannot_divide_the_patients_is_refused_by_its_schema() {
    let schema = Schema::parse(SCHEMA).unwrap();
    check_schema(&schema, &study(GROUPS)).unwrap();
    for (groups, column, words) in [
        ("groups = [\"weight\"]\n", "weight", "weight"),
        ("groups = [\"age\"]\n", "age", "its levels or its cuts"),
        ("groups = [\"unit\"]\n", "unit", "its levels or its cuts"),
        (
            "groups = [\"sex\"]\ncuts.sex = [1]\n",
            "sex",
            "a number with cuts",
        ),
        (
            "groups = [\"age\"]\nlevels.age = [\"1\", \"2\"]\n",
            "age",
            "a category",
        ),
        (
            "groups = [\"unit\"]\nlevels.unit = [\"A\", \"C\"]\n",
            "unit",
            "no level `B`",
        ),
    ] {
        let error = check_schema(&schema, &study(&format!("[evaluation]\n{groups}"))).unwrap_err();
        assert!(
            error.column() == Some(column) || error.kind() == Code::UnknownColumn,
            "{groups}: {error}"
        );
        assert!(error.to_string().contains(words), "{groups}: {error}");
    }
}

#[test]
fn the_card_counts_the_numbers_that_the_judgement_really_asks_for() {
    let demo = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../cli/demo")
            .join(name)
    };
    let read = |name: &str| std::fs::read_to_string(demo(name)).unwrap();
    for (sites, outcome) in [(true, "y"), (false, "y"), (true, "thalach")] {
        let text = read("heart/logistic.toml")
            .replace("outcome = \"y\"", &format!("outcome = \"{outcome}\""));
        let text = text.replace("on_site_loss = \"continue\"", "on_site_loss = \"pause\"");
        let number = outcome != "y";
        let text = if number {
            text.replace("\"thalach\", ", "")
                .replace("kind = \"logistic\"", "kind = \"linear\"")
                .replace(
                    "[data.columns.y]\nlabel = \"narrowed coronary vessel\"\n",
                    "",
                )
        } else {
            text
        };
        let evaluation = format!(
            "\n[evaluation]\ngroups = [\"sex\", \"cp\", \"age\"]\ncuts.age = [50]\nsites = {sites}\nmin_cell = 2\n"
        );
        let study = Study::parse(&(text + &evaluation)).unwrap();
        let schema = Schema::parse(&read("heart/schema.toml")).unwrap();
        let cohorts = ["cleveland", "hungarian", "va"].map(|site| {
            let table =
                Table::open(&demo(&format!("heart/{site}.csv")), &schema, study.reads()).unwrap();
            Cohort::of(&table, &study).unwrap()
        });
        let recipe: &Recipe = &study.recipe;
        let mut state = recipe.start_among(Digest::default(), 3);
        let mut asked = Vec::new();
        while let Some(question) = recipe.ask(&state, 3).unwrap() {
            asked.push(question.layout.elements());
            let answer = |(at, cohort): (usize, &Cohort)| {
                let rows = motet_recipes::Rows {
                    slot: Some(at as u32),
                    ..cohort.rows()
                };
                let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
                recipe
                    .answer(&state, &question, &rows, &Memory::default(), &mut rng)
                    .unwrap()
                    .update
            };
            let updates = cohorts.iter().enumerate().map(answer).collect();
            let sum = motet_secagg::fold::plain_sum(&question.layout, Digest::default(), updates)
                .unwrap();
            state = recipe.absorb(&state, &sum).unwrap();
        }
        let told: Vec<usize> = study
            .judging_vectors(3)
            .into_iter()
            .map(|(_, numbers)| numbers)
            .collect();
        let [first, second] = asked[asked.len() - 2..] else {
            panic!("two rounds")
        };
        assert_eq!(first, told[0], "{sites} {outcome}");
        // The second is what is told at the most: of levels that are shown only.
        let findings = recipe.findings(&state).unwrap().unwrap();
        let hidden = findings.groups.iter().flat_map(|group| &group.levels);
        let hidden = hidden
            .filter(|level| matches!(level.shown, motet_recipes::Shown::Hidden(_)))
            .count();
        let level = if number {
            5
        } else {
            (told[1] - if sites { 24 } else { 0 }) / 11
        };
        let most = told[1] - hidden * level;
        assert!(
            second <= most && second + 8 * 11 > most,
            "{sites} {outcome}: {second} of {most}"
        );
    }
}

#[test]
fn the_card_counts_the_numbers_that_both_parts_are_asked_for() {
    let patient = |at: usize| {
        let sex = if at.is_multiple_of(3) { "1" } else { "0" };
        let x = (at * 37 % 101) as f64 / 10.0;
        let y = u8::from(x + (at * 53 % 97) as f64 / 10.0 > 9.0);
        format!("p{at},50,{sex},A,{x},{y}\n")
    };
    let folder = tempfile::tempdir().unwrap();
    let keyed = SCHEMA.replace("[dataset]\n", "[dataset]\nkey = \"id\"\n");
    let schema = Schema::parse(&keyed).unwrap();
    let text = study("")
        .to_toml()
        .replace("test_fraction = 0.0", "test_fraction = 0.3");
    let study = Study::parse(&text).unwrap();
    let cohorts = [0, 300, 600].map(|first| {
        let rows: String = (first..first + 300).map(patient).collect();
        let path = folder.path().join(format!("{first}.csv"));
        std::fs::write(&path, format!("id,age,sex,unit,x,y\n{rows}")).unwrap();
        let table = Table::open(&path, &schema, study.reads()).unwrap();
        Cohort::of(&table, &study).unwrap()
    });
    let mut state = study.recipe.start_among(Digest::default(), 3);
    let mut asked = std::collections::BTreeMap::new();
    while let Some(question) = study.recipe.ask(&state, 3).unwrap() {
        asked.insert(question.phase, question.layout.elements());
        let answer = |cohort: &Cohort| {
            let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
            let (rows, memory) = (cohort.rows(), Memory::default());
            let answer = study
                .recipe
                .answer(&state, &question, &rows, &memory, &mut rng);
            answer.unwrap().update
        };
        let updates = cohorts.iter().map(answer).collect();
        let sum = motet_secagg::fold::plain_sum(&question.layout, Digest::default(), updates);
        state = study.recipe.absorb(&state, &sum.unwrap()).unwrap();
    }
    let told = study.judging_vectors(3).into_iter();
    let told: Vec<usize> = told.map(|(_, numbers)| numbers).collect();
    let phases = ["levels", "predictions", "unlike", "subgroups", "line"];
    let numbers = phases.map(|phase| asked[phase]);
    for (at, (told, asked)) in told.iter().zip(numbers).enumerate() {
        match phases[at] {
            // How many bins the histograms have follows from the scores; the card counts the most.
            "subgroups" => assert!((asked..asked * 5 / 4).contains(told), "{asked} of {told}"),
            phase => assert_eq!(*told, asked, "{phase}"),
        }
    }
    assert_eq!(told.len(), phases.len());
}

//! A steward who tells the catalogue of a dataset, with a real folder, file and ledger.

use super::*;
use crate::data_list::{Listed, list, list_text};
use crate::home::tests::make;
use tempfile::TempDir;

const NOW: Moment = Moment {
    ms: 1_795_392_000_000,
};

const SCHEMA: &str = r#"
[dataset]
name = "ward"
[columns.age]
type = "float"
label = "Age at admission"
unit = "a"
max = 120
[columns.crea]
type = "float"
unit = "umol/L"
substance = "creatinine"
use = []
[columns.mrn]
type = "int"
private = true
[columns.seen]
type = "date"
[columns.sex]
type = "category"
levels = ["f", "m"]
[columns.stage]
type = "category"
levels = ["I", "II", "III"]
"#;

/// 240 patients: every second a woman, four of stage III, years 2015 to 2018 and three patients of
/// 1999.
fn rows() -> String {
    let row = |n: usize| {
        let stage = match n {
            0..4 => "III",
            4..100 => "II",
            _ => "I",
        };
        let year = if n < 3 { 1999 } else { 2015 + n % 4 };
        let sex = if n.is_multiple_of(2) { "f" } else { "m" };
        let age = 20 + n % 70;
        format!(
            "{age}.5,{},80415{n},{year}-03-0{},{sex},{stage}\n",
            60 + n,
            1 + n % 9
        )
    };
    let all: String = (0..240).map(row).collect();
    format!("age,crea,mrn,seen,sex,stage\n{all}")
}

async fn site() -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), 1, &SecretKey::from_seed([9; 32]).public());
    let home = Home::open(folder.path()).await.unwrap();
    put(&home, &rows());
    (folder, home)
}

fn put(home: &Home, text: &str) {
    put_as(home, SCHEMA, text);
}

fn put_as(home: &Home, schema: &str, text: &str) {
    let dir = home.paths.dir();
    std::fs::write(dir.join("p.csv"), text).unwrap();
    std::fs::write(dir.join("s.toml"), schema).unwrap();
    crate::data_desk::add(
        &home.paths,
        "ward",
        &dir.join("p.csv"),
        &dir.join("s.toml"),
        true,
    )
    .unwrap();
}

fn wanted(levels: &[&str]) -> Wanted {
    Wanted {
        columns: None,
        levels: levels.iter().map(|name| (*name).to_owned()).collect(),
        researchers: Recipients::Everyone,
    }
}

fn steward() -> Result<SecretKey, NodeError> {
    Ok(SecretKey::from_seed([101; 32]))
}

fn nobody() -> Result<SecretKey, NodeError> {
    panic!("the key is not to be asked for")
}

async fn shown(home: &Home, wanted: &Wanted) -> Card {
    publish(home, "ward", wanted, false, NOW, nobody)
        .await
        .unwrap()
}

async fn sign(home: &Home, wanted: &Wanted) -> Result<Card, NodeError> {
    publish(home, "ward", wanted, true, NOW, steward).await
}

#[tokio::test]
async fn a_card_says_what_the_schema_declares_and_nothing_that_few_patients_have() {
    let (_folder, home) = site().await;
    let card = shown(&home, &wanted(&["sex", "stage"])).await;
    let lines: Vec<String> = card
        .offer
        .columns
        .iter()
        .map(|told| told.cells().join(" | "))
        .collect();
    assert_eq!(
        lines,
        [
            "age | float | a | \"Age at admission\"; allowed up to 120",
            "crea | float | umol/L | of creatinine; no filter, weight or group",
            "seen | date | - | years 2015 to 2018",
            "sex | category | - | levels \"f\", \"m\"",
            "stage | category | - | ",
        ]
    );
    assert_eq!(
        card.withheld,
        ["of `stage` its levels: one of them has fewer than 5 patients"]
    );
    assert_eq!((card.offer.rows, card.offer.rounded_to), (200, 100));
    let text = card_text(&card);
    for part in [
        "NOT SIGNED",
        "about 200",
        "no `key`",
        "--levels sex,stage",
        "--yes",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What is signed has neither: no identifier, no rare level, no first year, no extreme.
    let told = serde_json::to_string(&card.offer).unwrap();
    for never in ["mrn", "80415", "III", "1999", "20.5", "89.5", "240"] {
        assert!(!told.contains(never), "{never}: {told}");
    }
    let never = shown(&home, &wanted(&[])).await;
    assert!(
        never
            .offer
            .columns
            .iter()
            .all(|told| told.levels.is_empty())
    );
}

#[tokio::test]
async fn the_line_that_signs_is_one_line_of_a_shell_wherever_the_folder_is() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("l'institut; rm x");
    std::fs::create_dir(&dir).unwrap();
    make(&dir, 1, &SecretKey::from_seed([9; 32]).public());
    let home = Home::open(&dir).await.unwrap();
    put(&home, &rows());
    let line = shown(&home, &wanted(&[])).await.yes;
    let end = r"/l'\''institut; rm x' --yes";
    assert!(line.ends_with(end), "{line}");
}

#[tokio::test]
async fn rows_without_the_schemas_key_are_nobodys_and_make_no_level_or_year_of_enough_patients() {
    let (_folder, home) = site().await;
    let keyed = SCHEMA.replace("name = \"ward\"", "name = \"ward\"\nkey = \"mrn\"");
    let more = |key: fn(usize) -> String| {
        let row = |n: usize| format!("50,70,{},1999-03-01,f,III\n", key(n));
        let more: String = (0..5).map(row).collect();
        format!("{}{more}", rows())
    };
    put_as(&home, &keyed, &more(|_| String::new()));
    let card = shown(&home, &wanted(&["sex", "stage"])).await;
    assert_eq!(
        card.withheld,
        ["of `stage` its levels: one of them has fewer than 5 patients"]
    );
    let seen = card.offer.columns.iter().find_map(|told| told.years);
    assert_eq!(seen.map(|years| years.first), Some(2015));
    // Five patients by their keys are five.
    put_as(&home, &keyed, &more(|n| format!("9{n}")));
    let card = shown(&home, &wanted(&["sex", "stage"])).await;
    assert!(card.withheld.is_empty(), "{:?}", card.withheld);
    let seen = card.offer.columns.iter().find_map(|told| told.years);
    assert_eq!(seen.map(|years| years.first), Some(1999));
}

#[tokio::test]
async fn a_private_column_is_told_by_no_name_and_levels_only_of_a_category_that_is_told() {
    let (_folder, home) = site().await;
    for (columns, levels, code) in [
        (vec!["age", "mrn"], vec![], "unknown_column"),
        (vec!["age", "nosuch"], vec![], "unknown_column"),
        (vec!["age"], vec!["sex"], "unknown_column"),
        (vec!["age"], vec!["mrn"], "unknown_column"),
        (vec!["age"], vec!["age"], "schema_mismatch"),
    ] {
        let wanted = Wanted {
            columns: Some(columns.iter().map(|name| (*name).to_owned()).collect()),
            ..wanted(&levels)
        };
        let refused = publish(&home, "ward", &wanted, false, NOW, nobody).await;
        assert_eq!(
            refused.unwrap_err().code(),
            Some(code),
            "{columns:?} {levels:?}"
        );
    }
    let two = Wanted {
        columns: Some(vec!["sex".into(), "age".into()]),
        ..wanted(&["sex"])
    };
    let card = shown(&home, &two).await;
    let names: Vec<&str> = card
        .offer
        .columns
        .iter()
        .map(|told| told.column.as_str())
        .collect();
    assert_eq!(names, ["age", "sex"], "the order is no word of the file's");
    assert_eq!(Notices::read(&home).await.unwrap().all().count(), 0);
}

#[tokio::test]
async fn what_is_signed_is_what_was_shown_and_nothing_that_took_its_place() {
    let (_folder, home) = site().await;
    let wanted = wanted(&["sex"]);
    let unread = publish(&home, "ward", &wanted, true, NOW, nobody).await;
    assert_eq!(unread.unwrap_err().code(), Some("not_shown"));
    shown(&home, &wanted).await;
    // Meanwhile the file has become another: what would be told is not what was read.
    put(&home, &rows().replace("2018-", "2017-"));
    let changed = publish(&home, "ward", &wanted, true, NOW, nobody).await;
    assert_eq!(changed.unwrap_err().code(), Some("not_shown"));
    let other = self::wanted(&[]);
    let other = publish(&home, "ward", &other, true, NOW, nobody).await;
    assert_eq!(other.unwrap_err().code(), Some("not_shown"));
    shown(&home, &wanted).await;
    let stranger = || Ok(SecretKey::from_seed([1; 32]));
    let wrong = publish(&home, "ward", &wanted, true, NOW, stranger).await;
    assert!(matches!(
        wrong.unwrap_err(),
        NodeError::Steward(StewardError::Mismatch)
    ));
    assert_eq!(sign(&home, &wanted).await.unwrap().signed, Some(1));

    let notices = Notices::read(&home).await.unwrap();
    let signed = notices.all().next().unwrap();
    assert!(signed.is_signed_by(&home.steward) && signed.check().is_ok());
    assert_eq!(signed.notice.site, home.node());
}

#[tokio::test]
async fn a_notice_is_not_renewed_by_itself_and_its_numbers_rise_also_when_it_is_taken_out() {
    let (_folder, home) = site().await;
    let wanted = wanted(&[]);
    let none = unpublish(&home, "ward", NOW, nobody).await.unwrap();
    assert_eq!(none.signed, None);
    assert_eq!(stands(&home, "ward").await.unwrap(), None);
    shown(&home, &wanted).await;
    assert_eq!(sign(&home, &wanted).await.unwrap().signed, Some(1));
    put(
        &home,
        &format!("{}{}", rows(), rows().split_once('\n').unwrap().1),
    );
    let notices = Notices::read(&home).await.unwrap();
    let offer = notices.standing("ward").unwrap().offer().unwrap().clone();
    assert_eq!(offer.rows, 200, "as it was signed");
    assert!(
        stands(&home, "ward")
            .await
            .unwrap()
            .unwrap()
            .contains("data publish ward")
    );
    let card = shown(&home, &wanted).await;
    assert_eq!(card.offer.rows, 500);
    let text = card_text(&card);
    assert!(
        text.contains("Whoever has both sees what changed"),
        "{text}"
    );
    let rows = "rows: about 500, to the nearest 100; before: about 200, to the nearest 100";
    let years = "years of `seen`: 1999 to 2018; before: 2015 to 2018";
    assert_eq!(card.changes, [rows, years]);
    assert!(text.contains(rows), "{text}");
    assert_eq!(sign(&home, &wanted).await.unwrap().signed, Some(2));
    let gone = unpublish(&home, "ward", NOW, steward).await.unwrap();
    assert_eq!(gone.signed, Some(3));
    assert!(
        Notices::read(&home)
            .await
            .unwrap()
            .standing("ward")
            .is_none()
    );
    // Taken out or not, whoever read it has it: a later one is held against it.
    let card = shown(&home, &self::wanted(&["sex", "stage"])).await;
    assert_eq!(
        card.changes,
        [
            "levels of `sex`: \"f\", \"m\"; before: not told",
            "levels of `stage`: \"I\", \"II\", \"III\"; before: not told"
        ]
    );
    assert!(card_text(&card).contains("Whoever has both sees what changed"));
    let card = shown(&home, &wanted).await;
    assert!(card_text(&card).contains("nothing but the moment"));
    assert_eq!(sign(&home, &wanted).await.unwrap().signed, Some(4));
}

async fn listed(home: &Home) -> Vec<Listed> {
    let published = published(home).await.unwrap();
    list(&home.paths, &published).unwrap()
}

#[tokio::test]
async fn the_list_says_what_was_published_since_when_and_what_was_taken_out() {
    let (_folder, home) = site().await;
    assert!(listed(&home).await[0].published.is_none());
    shown(&home, &wanted(&[])).await;
    assert!(
        listed(&home).await[0].published.is_none(),
        "a card is no notice"
    );
    sign(&home, &wanted(&[])).await.unwrap();
    let said = list_text(&listed(&home).await);
    let when = clock::text(NOW.ms);
    assert!(
        said.contains(&format!("published {when}, number 1")),
        "{said}"
    );
    unpublish(&home, "ward", NOW, steward).await.unwrap();
    let said = list_text(&listed(&home).await);
    assert!(
        said.contains(&format!("taken out {when}, number 2")),
        "{said}"
    );
    // What the catalogue tells is listed, also where the dataset is here no more.
    sign(&home, &wanted(&[])).await.unwrap();
    std::fs::remove_dir_all(home.paths.data().join("ward")).unwrap();
    let one = listed(&home).await.remove(0);
    assert_eq!(one.published.map(|one| one.number), Some(3));
    assert!(one.problem.unwrap().contains("no dataset"));
}

#[tokio::test]
async fn where_every_name_was_used_the_desk_says_which_may_be_used_again() {
    let (_folder, home) = site().await;
    let offer = shown(&home, &wanted(&[])).await.offer;
    let key = steward().unwrap();
    for at in 0..MOST_DATASETS {
        let dataset = format!("d{at}");
        let word = Word::Published(offer.clone());
        super::sign(&home, &dataset, &word, None, NOW, &key)
            .await
            .unwrap();
    }
    let refused = publish(&home, "ward", &wanted(&[]), false, NOW, nobody).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("take one out"), "{refused}");
    unpublish(&home, "d7", NOW, steward).await.unwrap();
    let refused = publish(&home, "ward", &wanted(&[]), false, NOW, nobody).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("taken out: d7,"), "{refused}");
}

#[tokio::test]
async fn a_site_that_is_stricter_rounds_to_more_and_tells_fewer_levels() {
    let (folder, home) = site().await;
    let text = std::fs::read_to_string(home.paths.settings()).unwrap();
    let (head, _) = text.split_once("[limits]").unwrap();
    let strict = format!("{head}[limits]\nmultiple = 500\nmin_cell = 121\n");
    std::fs::write(home.paths.settings(), strict).unwrap();
    let home = Home::open(folder.path()).await.unwrap();
    let card = shown(&home, &wanted(&["sex"])).await;
    assert_eq!(card.offer.size(), "fewer than 500");
    assert_eq!(card.withheld.len(), 2, "{:?}", card.withheld);
    assert!(card.offer.columns.iter().all(|told| told.years.is_none()));
}

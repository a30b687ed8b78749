//! What was asked before of the same patients, and which yes lifts it.

use super::*;

#[tokio::test]
async fn what_was_asked_of_other_sites_is_approved_in_so_many_words_or_not_at_all() {
    let (_folder, home) = site().await;
    let put = async |id: &str, ridge: &str, sites: u8| {
        let record = proposed(study(id, ridge), roster(id, 1, sites), &governance());
        records::append(&home.ledger, STUDIES, &record)
            .await
            .unwrap();
    };
    put("ist", "0.0", 5).await;
    say(&home, Choice::Approve(None)).await.unwrap();
    // Another name, one site fewer: the difference of both results is that site.
    put("ist-again", "0.0", 4).await;
    let answer =
        async |choice: Choice| decide(&home, "ist-again", &choice, None, NOW, steward).await;
    let error = answer(Choice::Approve(None)).await.unwrap_err();
    assert_eq!((error.code(), error.exit()), (Some("question_repeated"), 3));
    assert!(error.to_string().contains("site-5"), "{error}");
    assert!(
        show(&home, "ist-again", NOW)
            .await
            .unwrap()
            .card
            .contains("EXACTLY THE SAME")
    );
    assert!(
        answer(Choice::ApproveAgain(None, Vec::new()))
            .await
            .unwrap()
            .recorded
    );
    put("ist", "0.0", 4).await;
    assert_eq!(
        say(&home, Choice::Approve(None)).await.unwrap_err().code(),
        Some("question_repeated")
    );
    put("ist-ridge", "0.5", 4).await;
    show(&home, "ist-ridge", NOW).await.unwrap();
    let other = decide(
        &home,
        "ist-ridge",
        &Choice::Approve(None),
        None,
        NOW,
        steward,
    )
    .await;
    assert!(other.unwrap().recorded);
}

/// Maps the dataset of `study` to a file of 200 patients with a key.
fn map_keyed(folder: &TempDir, home: &Home) {
    let rows: String = (0..200)
        .map(|n| format!("P{n},{},{},{}\n", 40 + n % 50, 120 + n % 70, n % 2))
        .collect();
    let schema = "[dataset]\nname = \"ist\"\nkey = \"id\"\n[columns.age]\ntype = \"float\"\n\
                  [columns.sbp]\ntype = \"float\"\n[columns.dead14]\ntype = \"bool\"\n";
    let (file, schema_file) = (folder.path().join("k.csv"), folder.path().join("k.toml"));
    std::fs::write(&file, format!("id,age,sbp,dead14\n{rows}")).unwrap();
    std::fs::write(&schema_file, schema).unwrap();
    crate::data_desk::add(&home.paths, "ist", &file, &schema_file, true).unwrap();
}

#[tokio::test]
async fn who_is_held_out_of_one_of_two_studies_is_told_by_both_in_so_many_words_or_not_at_all() {
    let (folder, home) = site().await;
    map_keyed(&folder, &home);
    let apart = |id: &str| study(id, "0.0").replace("[recipe]", "test_fraction = 0.3\n[recipe]");
    let put = async |id: &str, text: String, sites: u8| {
        let record = proposed(text, roster(id, 1, sites), &governance());
        records::append(&home.ledger, STUDIES, &record)
            .await
            .unwrap();
    };
    let answer = async |id: &str, choice: Choice| {
        let card = show(&home, id, NOW).await.unwrap().card;
        (
            card.split_whitespace().collect::<Vec<_>>().join(" "),
            decide(&home, id, &choice, None, NOW, steward).await,
        )
    };
    put("ist", apart("ist"), 5).await;
    say(&home, Choice::Approve(None)).await.unwrap();
    // Of all patients, or without others: the same sites, and what was withheld follows.
    for (id, text) in [
        ("whole", study("whole", "0.0")),
        ("others", apart("others")),
    ] {
        put(id, text, 5).await;
        let (card, refused) = answer(id, Choice::Approve(None)).await;
        let error = refused.unwrap_err();
        assert_eq!((error.code(), error.exit()), (Some("question_repeated"), 3));
        let said = "what the patients who are held out of one of them add up to";
        assert!(error.to_string().contains(said), "{error}");
        let warned =
            "ATTENTION: study ist asked EXACTLY THE SAME and held other patients out, or none";
        assert!(
            card.contains(warned) && card.contains("--again --dir"),
            "{card}"
        );
        assert!(!card.contains("of other sites"), "{card}");
        let (_, lifted) = answer(id, Choice::ApproveAgain(None, Vec::new())).await;
        assert!(lifted.unwrap().recorded);
    }
    // Another question is another matter.
    put("ridge", study("ridge", "0.5"), 5).await;
    assert!(
        answer("ridge", Choice::Approve(None))
            .await
            .1
            .unwrap()
            .recorded
    );
}

#[tokio::test]
async fn a_set_that_was_opened_for_another_study_is_held_against_a_roster_at_the_desk() {
    let (_folder, home) = site().await;
    let put = async |id: &str, text: String, roster: motet_common::roster::Roster| {
        let record = proposed(text, roster, &governance());
        records::append(&home.ledger, STUDIES, &record)
            .await
            .unwrap();
        Studies::read(&home)
            .await
            .unwrap()
            .find(id)
            .unwrap()
            .proposal
            .clone()
    };
    // One with the roster of the next, whose sum was opened without its last site.
    let first = put("first", study("first", "0.5"), roster("first", 1, 5)).await;
    let dataset = Dataset::find(&home.paths, "ist").unwrap();
    let key = home.state_key.derive(openings::KEY);
    let sites = first
        .roster
        .entries
        .iter()
        .map(|entry| (entry.node, entry.name.clone()));
    let opening = motet_common::opening::Opening {
        study: "first".to_owned(),
        digest: first.digest,
        roster: first.roster_digest,
        reading: openings::reading(&dataset, &key).unwrap(),
        set: sites.filter(|(_, name)| name != "site-5").collect(),
    };
    openings::Openings::read(&home)
        .await
        .unwrap()
        .keep(&home, opening.clone())
        .await
        .unwrap();
    put("ist", study("ist", "0.0"), roster("ist", 1, 5)).await;
    let error = say(&home, Choice::Approve(None)).await.unwrap_err();
    assert_eq!(error.code(), Some("question_repeated"));
    assert!(
        error.to_string().contains("what site-5 alone would say"),
        "{error}"
    );
    // One more sum is opened after the card was shown: what nobody read is not lifted.
    let other = motet_common::opening::Opening {
        study: "second".into(),
        digest: Digest([9; 32]),
        ..opening
    };
    openings::Openings::read(&home)
        .await
        .unwrap()
        .keep(&home, other)
        .await
        .unwrap();
    let unread = decide(
        &home,
        "ist",
        &Choice::ApproveAgain(None, Vec::new()),
        None,
        NOW,
        steward,
    )
    .await;
    assert!(
        unread.unwrap_err().to_string().contains("does not name"),
        "it was read before"
    );
    let card = show(&home, "ist", NOW).await.unwrap().card;
    assert!(
        card.contains("ATTENTION: study `first` opened a sum over the same data"),
        "{card}"
    );
    assert!(
        card.contains(" --again --dir"),
        "the command that it prints is one that works: {card}"
    );
    let lifted = say(&home, Choice::ApproveAgain(None, Vec::new()))
        .await
        .unwrap();
    assert!(
        decided_text(&lifted).contains("study `first`"),
        "{lifted:?}"
    );
    let studies = Studies::read(&home).await.unwrap();
    let ist = studies.find("ist").unwrap().proposal.digest;
    let lifted = |lines: &[&str], named: &[&str]| Lifted {
        lines: lines.iter().map(|&line| vec![line.to_owned()]).collect(),
        named: named.iter().map(|&name| name.to_owned()).collect(),
    };
    assert_eq!(
        studies.again(&ist),
        lifted(&["site-5"], &[]),
        "what the card names, and nobody else"
    );
    // Whoever else may stay away is named; a slip of the pen is not taken for a site.
    let typo = say(&home, Choice::ApproveAgain(None, vec!["site-22".into()]))
        .await
        .unwrap_err();
    assert!(typo.to_string().contains("`site-22`"), "{typo}");
    assert!(
        say(&home, Choice::ApproveAgain(None, vec!["site-2".into()]))
            .await
            .unwrap()
            .recorded
    );
    assert_eq!(
        Studies::read(&home).await.unwrap().again(&ist),
        lifted(&["site-5"], &["site-2"])
    );
    // Sets that differ by as many as a sum must hold are another matter.
    put("far", study("far", "0.7"), roster("far", 1, 9)).await;
    show(&home, "far", NOW).await.unwrap();
    assert!(
        decide(&home, "far", &Choice::Approve(None), None, NOW, steward)
            .await
            .unwrap()
            .recorded
    );
}

#[tokio::test]
async fn a_twin_that_was_approved_after_the_card_was_shown_is_lifted_by_nobody_who_did_not_read_of_it()
 {
    let (_folder, home) = site().await;
    let put = async |id: &str, sites: u8| {
        let record = proposed(study(id, "0.0"), roster(id, 1, sites), &governance());
        records::append(&home.ledger, STUDIES, &record)
            .await
            .unwrap();
    };
    put("ist", 5).await;
    put("ist-again", 4).await;
    let again = async || {
        let choice = Choice::ApproveAgain(None, Vec::new());
        decide(&home, "ist-again", &choice, None, NOW, steward).await
    };
    show(&home, "ist-again", NOW).await.unwrap();
    say(&home, Choice::Approve(None)).await.unwrap();
    let unread = again().await.unwrap_err();
    assert_eq!(unread.code(), Some("study_not_approved"));
    assert!(
        unread.to_string().contains("or its like approved"),
        "{unread}"
    );
    show(&home, "ist-again", NOW).await.unwrap();
    let lifted = again().await.unwrap();
    let text = decided_text(&lifted);
    assert!(
        text.contains("study `ist` asked exactly this")
            && text.contains("what site-5 alone would say"),
        "{text}"
    );
    let studies = Studies::read(&home).await.unwrap();
    let digest = studies.find("ist-again").unwrap().proposal.digest;
    assert_eq!(studies.again(&digest).lines, [["site-5".to_owned()]]);
}

#[test]
fn again_lifts_each_difference_of_the_card_whole_and_what_is_named_besides() {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    let near = |id: &str, sites: &[&str]| Near {
        id: id.into(),
        sites: names(sites),
    };
    let earlier = |id: &str, joined: &[&str], left: &[&str], same_question| Earlier {
        id: id.into(),
        joined: names(joined),
        left: names(left),
        same_question,
        others_held_out: id == "apart",
    };
    let near = [near("one", &["a", "b"]), near("two", &["a", "b"])];
    let earlier = [
        earlier("three", &["c"], &["d"], true),
        earlier("other", &["e"], &[], false),
        earlier("alike", &[], &[], true),
        earlier("apart", &[], &[], true),
    ];
    let roster = roster("ist", 1, 4);
    let lift = |named: &[&str]| {
        let choice = Choice::ApproveAgain(None, names(named));
        lifted(&choice, &roster, &near, &earlier)
    };
    let (of, lines) = lift(&[]).unwrap();
    assert_eq!(of.lines, [names(&["a", "b"]), names(&["c", "d"])]);
    assert!(of.named.is_empty());
    assert_eq!(lines, said(&near, &earlier));
    for (line, parts) in lines.iter().zip([
        ["study `one`", "what a, b alone would say"],
        ["study `two`", "what a, b alone would say"],
        ["study `three`", "what c, d alone would say"],
        [
            "study `apart`",
            "would show what the patients who are held out",
        ],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    assert_eq!(lines.len(), 4, "what tells nothing apart is not said");
    // A site of the roster, and one that the card names though no roster has it any more.
    let (of, lines) = lift(&["site-2", "d"]).unwrap();
    assert_eq!((of.lines.len(), of.named), (2, names(&["site-2", "d"])));
    assert!(lines[4].contains("by site-2, d are signed"), "{lines:?}");
    for unknown in ["e", "f"] {
        assert_eq!(
            lift(&["site-2", unknown]).unwrap_err().exit(),
            2,
            "{unknown}"
        );
    }
    let choice = Choice::ApproveAgain(None, Vec::new());
    let (of, lines) = lifted(&choice, &roster, &[], &[]).unwrap();
    assert_eq!(of, Lifted::default());
    assert!(
        lines.len() == 1 && lines[0].starts_with("nothing:"),
        "{lines:?}"
    );
    let (of, lines) = lifted(&Choice::Approve(None), &roster, &near, &earlier).unwrap();
    assert_eq!((of, lines), (Lifted::default(), Vec::new()));
}

#[tokio::test]
async fn a_difference_is_near_by_the_larger_minimum_and_named_once_however_often_it_was_opened() {
    let (_folder, mut home) = site().await;
    let record = proposed(study("ist", "0.0"), roster("ist", 1, 9), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    let studies = Studies::read(&home).await.unwrap();
    let proposal = studies.find("ist").unwrap().proposal.clone();
    let dataset = Dataset::find(&home.paths, "ist").unwrap();
    let key = home.state_key.derive(openings::KEY);
    let sites = proposal
        .roster
        .entries
        .iter()
        .map(|entry| (entry.node, entry.name.clone()));
    let away = ["site-7", "site-8", "site-9"];
    let opening = motet_common::opening::Opening {
        study: "first".to_owned(),
        digest: Digest([9; 32]),
        roster: proposal.roster_digest,
        reading: openings::reading(&dataset, &key).unwrap(),
        set: sites
            .filter(|(_, name)| !away.contains(&name.as_str()))
            .collect(),
    };
    for digest in [9, 10] {
        let opening = motet_common::opening::Opening {
            digest: Digest([digest; 32]),
            ..opening.clone()
        };
        let mut openings = openings::Openings::read(&home).await.unwrap();
        openings.keep(&home, opening).await.unwrap();
    }
    assert_eq!(
        openings::near(&home, &studies, &proposal).await.unwrap(),
        []
    );
    home.settings.min_sites = 4;
    let near = openings::near(&home, &studies, &proposal).await.unwrap();
    assert_eq!(near.len(), 1, "{near:?}");
    let mut sites = near[0].sites.clone();
    sites.sort();
    assert_eq!(sites, away);
}

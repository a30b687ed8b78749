//! What a site's own limits, permits and rows say at the desk.

use super::*;

#[tokio::test]
async fn rules_and_permits_of_the_site_are_kept() {
    let (_folder, mut home) = site().await;
    propose(&home, "0.0").await;
    home.settings.limits.permit_required = true;
    let error = say(&home, Choice::Approve(None)).await.unwrap_err();
    assert!(error.to_string().contains("--permit"), "{error}");
    let permit = Permit::parse(
        std::path::Path::new("P"),
        include_str!("../../permit.toml.sample"),
    )
    .unwrap();
    let error = say(&home, Choice::Approve(Some(permit.clone())))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ist-death14"), "{error}");
    let permit = Permit {
        study: None,
        ..permit
    };
    say(&home, Choice::Approve(Some(permit.clone())))
        .await
        .unwrap();
    assert!(
        list(&home, NOW).await.unwrap()[0]
            .text
            .contains(&permit.digest.hex())
    );
}

#[tokio::test]
async fn a_permit_holds_on_the_days_it_names_and_what_was_approved_without_waits_for_one() {
    let (_folder, mut home) = site().await;
    propose(&home, "0.0").await;
    say(&home, Choice::Approve(None)).await.unwrap();
    let proposal = Studies::read(&home)
        .await
        .unwrap()
        .find("ist")
        .unwrap()
        .proposal
        .clone();
    let runs = async |home: &Home, today: Date| {
        let studies = Studies::read(home).await.unwrap();
        studies
            .may_run(&proposal.digest, &proposal.roster_digest, today)
            .map(drop)
            .map_err(|why| why.to_string())
    };
    let today = clock::day(NOW);
    assert_eq!(runs(&home, today).await, Ok(()));
    home.settings.limits.permit_required = true;
    assert!(runs(&home, today).await.unwrap_err().contains("--permit"));
    let permit = Permit::parse(
        std::path::Path::new("P"),
        include_str!("../../permit.toml.sample"),
    )
    .unwrap();
    let permit = Permit {
        study: None,
        until: today,
        ..permit
    };
    let decided = say(&home, Choice::Approve(Some(permit.clone())))
        .await
        .unwrap();
    let said = decided_text(&decided);
    assert!(
        decided.recorded && said.contains(&format!("until {today}")) && said.contains("leaves"),
        "{said}"
    );
    assert_eq!(runs(&home, today).await, Ok(()));
    let later = Date {
        year: today.year + 1,
        ..today
    };
    for required in [true, false] {
        home.settings.limits.permit_required = required;
        let over = runs(&home, later).await.unwrap_err();
        assert!(
            over.contains(&permit.reference) && over.contains(&today.to_string()),
            "{over}"
        );
    }
}

#[tokio::test]
async fn the_stricter_of_the_limits_at_the_approval_and_of_now_applies() {
    let (_folder, mut home) = site().await;
    propose(&home, "0.0").await;
    (
        home.settings.max_set_change,
        home.settings.limits.own_metrics,
    ) = (1, true);
    say(&home, Choice::Approve(None)).await.unwrap();
    let limits = async |home: &Home| {
        let studies = Studies::read(home).await.unwrap();
        let limits = studies.limits(&studies.find("ist").unwrap().proposal.digest);
        (
            limits.min_sites,
            limits.max_set_change,
            limits.limits.own_metrics,
        )
    };
    let rows = async |home: &Home| {
        let studies = Studies::read(home).await.unwrap();
        studies
            .limits(&studies.find("ist").unwrap().proposal.digest)
            .limits
            .floors
            .min_rows
    };
    assert_eq!(limits(&home).await, (3, 1, true));
    (
        home.settings.min_sites,
        home.settings.max_set_change,
        home.settings.limits.own_metrics,
    ) = (4, 0, false);
    assert_eq!(limits(&home).await, (4, 0, false));
    assert!(
        say(&home, Choice::Withdraw(String::new()))
            .await
            .unwrap()
            .recorded
    );
    home.settings.min_sites = 3;
    say(&home, Choice::Approve(None)).await.unwrap();
    home.settings.limits.floors.min_rows = 30;
    assert_eq!(rows(&home).await, 30);
    say(&home, Choice::Approve(None)).await.unwrap();
    // Loosened afterwards: with another decision only.
    home.settings.limits.floors.min_rows = 10;
    assert_eq!(rows(&home).await, 30);
    (
        home.settings.max_set_change,
        home.settings.limits.own_metrics,
    ) = (1, true);
    assert_eq!(limits(&home).await, (3, 0, false));
    assert!(
        say(&home, Choice::Approve(None)).await.unwrap().recorded,
        "the same word under other limits"
    );
    assert_eq!(limits(&home).await, (3, 1, true));
}

#[tokio::test]
async fn too_few_rows_are_a_decline_like_any_other_and_what_the_card_warns_of_is_not_approved() {
    let (folder, home) = site().await;
    propose(&home, "0.0").await;
    map(&folder, &home, 9);
    let declined = say(&home, Choice::Approve(None)).await.unwrap();
    assert_eq!((declined.decision, declined.recorded), ("declined", true));
    assert_eq!(declined.text, STAYS_OUT);
    assert!(
        decided_text(&declined).contains("for you alone"),
        "{declined:?}"
    );
    assert_eq!(decision(&home).await, "declined");
    // What a steward signs who gives no reason is the very same.
    let verdict = |studies: &Studies| match &studies.find("ist").unwrap().standing {
        Standing::Decided(signed) => signed.decision.verdict.clone(),
        other => panic!("{other:?}"),
    };
    let automatic = verdict(&Studies::read(&home).await.unwrap());
    assert!(
        say(&home, Choice::Decline(STAYS_OUT.to_owned()))
            .await
            .unwrap()
            .lacks
            .is_none()
    );
    assert_eq!(verdict(&Studies::read(&home).await.unwrap()), automatic);
    map(&folder, &home, 10);
    assert_eq!(
        say(&home, Choice::Approve(None)).await.unwrap().decision,
        "approved"
    );
    // What the method refuses in the rows is found here, too, and looks the same to everybody else.
    // Rows that were frozen are not read again by another yes.
    map_in(&folder, &home, 10, "e300");
    assert!(!say(&home, Choice::Approve(None)).await.unwrap().recorded);
    say(&home, Choice::Withdraw(String::new())).await.unwrap();
    let refused = say(&home, Choice::Approve(None)).await.unwrap();
    assert_eq!(
        (refused.decision, refused.text.as_str()),
        ("declined", STAYS_OUT)
    );
    let text = decided_text(&refused);
    assert!(
        text.contains("for you alone") && text.contains("`sbp`"),
        "{text}"
    );
    map(&folder, &home, 10);
    // A column that the schema does not have.
    let text = study("other", "0.0").replace("\"sbp\"", "\"pulse\"");
    let record = proposed(text, roster("other", 1, 4), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    show(&home, "other", NOW).await.unwrap();
    let refused = decide(&home, "other", &Choice::Approve(None), None, NOW, steward)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some("unknown_column"));
    assert!(refused.to_string().contains("pulse"), "{refused}");
}

#[tokio::test]
async fn a_grid_of_times_finer_than_the_sites_step_is_approved_by_nobody() {
    let (folder, home) = site().await;
    let text = study("ist", "0.0");
    let (head, _) = text.split_once("outcome = ").unwrap();
    let curve = format!(
        "{head}time = \"sbp\"\nevent = \"dead14\"\n[recipe]\nkind = \"km\"\ntimes = \"grid\"\nstep = 1\nhorizon = 182\n"
    );
    let record = proposed(curve, roster("ist", 1, 4), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    let unit = |unit: &str| {
        let path = folder.path().join("s.toml");
        let schema = std::fs::read_to_string(&path).unwrap();
        let (head, tail) = schema.split_once("[columns.sbp]\n").unwrap();
        let (_, tail) = tail.split_once("type").unwrap();
        let schema = format!("{head}[columns.sbp]\nunit = \"{unit}\"\nround = 1\ntype{tail}");
        std::fs::write(&path, schema).unwrap();
        let csv = folder.path().join("p.csv");
        crate::data_desk::add(&home.paths, "ist", &csv, &path, true).unwrap();
    };
    unit("d");
    let refused = say(&home, Choice::Approve(None)).await.unwrap_err();
    assert_eq!(refused.code(), Some("study_not_approved"), "{refused}");
    unit("wk");
    let card = show(&home, "ist", NOW).await.unwrap().card;
    assert!(
        card.contains("your column `sbp`: `sbp` of the file, to the nearest whole"),
        "{card}"
    );
    assert_eq!(
        say(&home, Choice::Approve(None)).await.unwrap().decision,
        "approved"
    );
}

//! What is said before a study is proposed, and what a steward reads.

use super::*;
use crate::opening::Near;
use crate::roster::{Entry, HubKeys, Roster, SiteKeys};
use motet_secagg::sign::SecretKey;

fn errors(study: &Study, sites: usize) -> Vec<String> {
    let findings = study.lint(sites).into_iter();
    findings
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.message)
        .collect()
}

#[test]
fn lint_names_the_survivors_and_refuses_a_smaller_quorum() {
    let mut study = Study {
        sites: vec![],
        ..full()
    };
    for (sites, survivors) in [(4, 3), (5, 4), (7, 5), (10, 7), (16, 11)] {
        study.rounds.quorum = Some(survivors - 1);
        assert!(
            errors(&study, sites)
                .concat()
                .contains(&format!("`{survivors}` sites must stay")),
            "{sites}"
        );
        study.rounds.quorum = Some(survivors);
        assert!(errors(&study, sites).is_empty(), "{sites}");
        assert_eq!(study.quorum(sites).unwrap(), survivors as usize);
        let note = format!("`{survivors}` must stay in every sum");
        assert!(
            study
                .lint(sites)
                .iter()
                .any(|f| f.severity == Severity::Note && f.message.contains(&note))
        );
    }
    study.rounds.quorum = Some(11);
    assert!(errors(&study, 10).concat().contains("only `10` sites"));
    study.rounds.quorum = None;
    assert_eq!(study.quorum(10).unwrap(), 7);
    assert!(errors(&study, 2).concat().contains("too small"));
    study.privacy.min_sites = 9;
    assert_eq!(study.quorum(10).unwrap(), 9);
    assert!(errors(&study, 8).concat().contains("too small"));
    assert!(errors(&full(), 3).concat().contains("names `4` sites"));
    let said: Vec<String> = full().lint(4).iter().map(ToString::to_string).collect();
    assert!(
        said.iter()
            .any(|s| s.starts_with("warning") && s.contains("by difference")),
        "{said:?}"
    );
    assert!(
        said.iter().any(|s| s.contains("one honest other")),
        "{said:?}"
    );
}

pub(super) fn roster(sites: u8) -> Roster {
    let key = |seed: u8| SecretKey::from_seed([seed; 32]).public();
    let entries = (1..=sites)
        .map(|i| {
            let keys = SiteKeys {
                identity: key(i),
                steward: key(i + 100),
                witness: key(i + 150),
            };
            Entry::new(&format!("site-{i}"), "NL", keys)
        })
        .collect();
    Roster::new(
        "heart-1",
        1,
        HubKeys {
            signing: key(200),
            log: key(201),
        },
        "Open Hearts",
        entries,
    )
    .unwrap()
}

#[test]
fn the_card_says_all_a_steward_decides_on() {
    let names: Vec<String> = ["site-1", "site-2", "site-3", "site-5"]
        .map(String::from)
        .to_vec();
    let (study, roster) = (
        Study {
            sites: names,
            ..full()
        },
        roster(4),
    );
    let earlier = [Earlier {
        id: "heart-0".into(),
        joined: vec!["site-4".into()],
        left: vec![],
        same_question: true,
        others_held_out: false,
    }];
    let near = [Near {
        id: "heart-00".into(),
        sites: vec!["ZURI".into()],
    }];
    let context = CardContext {
        proposer: "Ada (operator)\u{1b}[2J",
        roster: &roster,
        earlier: &earlier,
        near: &near,
        dir: "/srv/our motet",
        floors: &Floors::default(),
    };
    let card = study.card(&context);
    let short = shortened(&study.root(), &roster.digest());
    assert!(
        study.root().hex().starts_with(&short[..16])
            && roster.digest().hex().starts_with(&short[17..])
    );
    let flat = card.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "Narrowed vessels",
        "Ada (operator)?[2J (the coordinator says so; no signature names who proposes), in the consortium Open Hearts",
        "Which findings go along",
        "scientific research",
        "`heart`, read only",
        "age, cp (one of 1, 2, 3, 4), sex",
        "age >= 18 and (sex == 1",
        "one masked vector",
        "a step of the fit: 81",
        "the coordinator, the operators of the consortium and every site of this roster, also one that declined, can read the SUM of at least 3",
        "goes to the operators of the consortium and the sites of this study; of the researchers these alone receive it: ada, \
         grace.",
        "site-3 (NL), identity key",
        "ATTENTION: site-4 is in the roster, but the study does not name it",
        "site-5 is named in the study, but is not in this roster",
        "motet-node study withdraw heart-1 --dir '/srv/our motet'",
        "until the end of 2027-12-31 (UTC)",
        "without added noise",
        "the others go on without it",
        "earlier study heart-0",
        "ATTENTION: study `heart-00` opened a sum over the same data; both together would show what ZURI alone would say. Approving takes the word `--again`",
        "this node does not sign it, unless you approve with `--again`",
        "one other honest site only",
        &format!(
            "motet-node study approve heart-1 --digest {short} --again --dir '/srv/our motet'"
        ),
    ] {
        assert!(flat.contains(words), "{words:?} is not in\n{card}");
    }
    let entry = roster.named("site-2").unwrap();
    for digest in [study.root(), roster.digest(), entry.identity.fingerprint()] {
        assert!(card.contains(&digest.hex()), "{card}");
    }
    assert!(card.chars().all(|c| c == '\n' || !c.is_control()));
    // A command stands on one line, however long it is.
    let mut prose = card
        .lines()
        .filter(|line| !line.contains("motet-node study"));
    assert!(prose.all(|line| line.chars().count() <= 110), "{card}");
    let paused = Study {
        rounds: Rounds {
            on_site_loss: SiteLoss::Pause,
            ..study.rounds.clone()
        },
        ..study
    };
    assert!(!paused.card(&context).contains("go on without it"));
    for (recipients, words) in [
        (Recipients::Nobody, "no researcher receives it"),
        (
            Recipients::Everyone,
            "ALL researchers of the consortium receive it, also those who are invited later",
        ),
    ] {
        let card = Study {
            recipients,
            ..paused.clone()
        }
        .card(&context);
        let flat = card.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words:?} is not in\n{card}");
    }
}

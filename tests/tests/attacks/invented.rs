//! Sums that nobody made: released in somebody's absence, by colluding sites alone, or as the last
//! of a study (rulings R1, R2 and R3). The evidence of each holds in itself; a site goes on only
//! from one that counts where it stands.

use super::refused;
use motet_common::log::{Abort, Commit, Leaf, Publication, Release};
use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Checked, Checkpoint, Message, Plan, Proposal, Released};
use motet_tests::attack::lie::Lie;

/// Ten sites of which three may collude: seven open, seven stay in a sum.
const SITES: usize = 10;

/// A site that was away hears of a release and of those before it that it can fetch.
#[track_caller]
fn is_not_followed(lie: &mut Lie, released: &Released) {
    let before = lie.nodes[9].disk.state;
    let told = lie.tell(9, Message::Released(released.clone()));
    refused(told, Code::SumMismatch);
    assert_eq!(lie.nodes[9].disk.state, before);
}

/// What is wrong with a plan for a plot, and how many sites play it.
type Plot = (&'static str, usize, fn(&mut Plan));

#[test]
fn ruling_r02_evidence_of_an_attempt_that_no_honest_site_would_have_joined_counts_for_nobody() {
    let all = SITES;
    let plots: [Plot; 15] = [
        ("three colluders under an honest plan", 3, |_| {}),
        ("one site fewer than must stay", 6, |_| {}),
        (
            "colluders alone, with the numbers of their own line-up",
            3,
            |plan| {
                plan.candidates.truncate(3);
                (plan.threshold, plan.min_start, plan.min_survivors) = (2, 2, 2);
            },
        ),
        ("as if nobody colluded", 4, |plan| {
            plan.candidates.truncate(4);
            (
                plan.colluders,
                plan.threshold,
                plan.min_start,
                plan.min_survivors,
            ) = (0, 3, 3, 3);
        }),
        ("a lower threshold", all, |plan| plan.threshold = 3),
        ("fewer sites in the sum", 3, |plan| {
            (plan.min_start, plan.min_survivors) = (3, 3)
        }),
        ("a start with fewer than must stay", all, |plan| {
            plan.min_start = 1
        }),
        ("another state", all, |plan| {
            plan.state_root = Digest::of("elsewhere", &[])
        }),
        ("another question", all, |plan| {
            plan.ask = Digest::of("ask", &[])
        }),
        ("another layout", all, |plan| {
            plan.layout = Digest::of("layout", &[])
        }),
        ("another weight", all, |plan| plan.weight_max += 1),
        ("another study", all, |plan| {
            plan.study_digest = Digest::of("study", &[])
        }),
        ("another recipe", all, |plan| {
            plan.recipe = Digest::of("recipe", &[])
        }),
        ("after no release of this log", all, |plan| {
            plan.previous_leaf = Digest::of("leaf", &[])
        }),
        ("before the release that it follows", all, |plan| {
            plan.previous_index += 1
        }),
    ];
    for (what, sites, change) in plots {
        let mut lie = Lie::with_sites(SITES);
        let mut plan = lie.draft(1);
        change(&mut plan);
        let released = lie.plotted(plan, sites);
        println!("{what}");
        is_not_followed(&mut lie, &released);
    }
}

#[test]
fn evidence_of_an_attempt_as_it_should_be_counts_for_who_was_away() {
    let mut lie = Lie::with_sites(SITES);
    let plan = lie.draft(1);
    let released = lie.plotted(plan, SITES);
    let said = lie.tell(9, Message::Released(released.clone())).unwrap();
    assert!(
        matches!(said.as_slice(), [Message::Checked(checked)] if checked.release == released.leaf_hash())
    );
    assert_eq!(lie.nodes[9].disk.state, released.state_root);
}

#[test]
fn ruling_r03_of_two_releases_at_once_the_first_may_not_be_made_up() {
    let mut lie = Lie::with_sites(SITES);
    let first = lie.made_up(lie.state);
    lie.state = first.state_root;
    // The second is made by colluders, in the state that the first is said to lead to.
    for sites in [3, SITES] {
        let mut lie = Lie::with_sites(SITES);
        let first = lie.made_up(lie.state);
        lie.state = first.state_root;
        let plan = lie.draft(1);
        let second = lie.plotted(plan, sites);
        is_not_followed(&mut lie, &second);
        assert_eq!(
            lie.nodes[9].disk.latest, None,
            "the first is not believed either"
        );
    }
}

#[test]
fn ruling_r03_a_sum_counts_only_after_one_that_enough_sites_made_again() {
    let mut lie = Lie::with_sites(SITES);
    let first = lie.whole_round();
    for too_few in [0, 6] {
        lie.checked = lie.checked.clone().into_iter().take(too_few).collect();
        let plan = lie.draft(1);
        assert_eq!(plan.checked.len(), too_few);
        let second = lie.plotted(plan, SITES);
        is_not_followed(&mut lie, &second);
        assert_eq!(lie.nodes[9].disk.state, first.state_root);
        // The log goes on from a fresh copy: a question is committed once.
        lie = Lie::with_sites(SITES);
        assert_eq!(lie.whole_round().state_root, first.state_root);
    }
    let plan = lie.draft(1);
    let second = lie.plotted(plan, SITES);
    lie.tell(9, Message::Released(second)).unwrap();
}

#[test]
fn ruling_r01_the_commitment_in_the_log_is_that_of_the_evidence() {
    let changes: [fn(&mut Commit); 5] = [
        |commit| commit.attempt += 1,
        |commit| commit.ask = Digest::of("ask", &[]),
        |commit| commit.pin = Digest::of("pin", &[]),
        |commit| commit.set[0].1 = Digest::of("root", &[]),
        |commit| commit.set.truncate(9),
    ];
    for change in changes {
        let mut lie = Lie::with_sites(SITES);
        let plan = lie.draft(1);
        let other = |mut commit: Commit| {
            change(&mut commit);
            commit
        };
        let released = lie.plotted_in(plan, SITES, other, None);
        let before = lie.nodes[9].disk.state;
        lie.tell(9, Message::Released(released)).unwrap_err();
        assert_eq!(lie.nodes[9].disk.state, before);
    }
}

#[test]
fn ruling_r06_a_set_that_was_signed_in_another_log_counts_in_none() {
    let mut lie = Lie::with_sites(SITES);
    let plan = lie.draft(1);
    let elsewhere = Checkpoint {
        root: Digest::of("another log", &[]),
        size: 2,
        ..lie.log.point()
    };
    let released = lie.plotted_in(plan, SITES, |commit| commit, Some(elsewhere));
    is_not_followed(&mut lie, &released);
    // Nor one that was signed before its commitment stood there.
    let mut lie = Lie::with_sites(SITES);
    let (plan, before) = (lie.draft(1), lie.log.point());
    let released = lie.plotted_in(plan, SITES, |commit| commit, Some(before));
    is_not_followed(&mut lie, &released);
}

#[test]
fn ruling_r03_no_site_cosigns_or_reports_a_result_over_a_last_sum_that_too_few_made_again() {
    let mut lie = Lie::with_sites(SITES);
    let released = lie.whole_round();
    let checked = lie.checked.clone();
    let few = |most: usize| checked.clone().into_iter().take(most).collect();
    let forged = |release: Digest| {
        let sign = |site: usize| {
            let site = &lie.cast.sites[site];
            (
                site.node,
                Checked {
                    release,
                    ..Checked::sign(Digest::of("other", &[]), site.node, &site.key)
                },
            )
        };
        (0..SITES).map(sign).collect()
    };
    let cases = [
        few(0),
        few(6),
        forged(released.leaf_hash()),
        forged(Digest::of("other", &[])),
    ];
    for case in cases {
        lie.checked = case;
        refused(lie.publish_to(0), Code::TooFewChecks);
        assert!(!lie.nodes[0].has_report);
    }
    lie.checked = few(7);
    let said = lie.publish_to(0).unwrap();
    assert!(matches!(said.as_slice(), [Message::Witnessed(_)]));
    assert!(lie.nodes[0].has_report);
}

#[test]
fn ruling_r03_a_site_that_does_not_follow_the_last_sum_cosigns_no_result_of_it() {
    let mut lie = Lie::with_sites(SITES);
    let plan = lie.draft(1);
    // Made by colluders alone: who was away is shown the end of the study only.
    let released = lie.plotted(plan, 3);
    let sign = |site: usize| {
        let site = &lie.cast.sites[site];
        (
            site.node,
            Checked::sign(released.leaf_hash(), site.node, &site.key),
        )
    };
    lie.checked = (0..3).map(sign).collect();
    lie.state = released.state_root;
    refused(lie.publish_to(9), Code::SumMismatch);
    assert!(!lie.nodes[9].has_report);
    // What it cannot fetch at all, it does not cosign either.
    lie.archive.releases.clear();
    refused(lie.publish_to(9), Code::ReleaseMismatch);
}

#[test]
fn ruling_r03_an_upload_that_is_signed_after_the_secrets_are_known_stands_in_no_sum() {
    // Everybody opens one set; a colluder of it then signs another upload, of whatever makes the
    // sum it wants.
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    let all = lie.all();
    let proposal = lie.proposal(&all);
    lie.open_with(&all, &proposal);
    let honest = lie.evidence(&proposal);
    let opened = lie.sum(&honest);
    let later = lie.uploads_again(0);
    let roots: Vec<_> = all
        .iter()
        .map(|site| {
            if *site == 0 {
                later
            } else {
                lie.roots(&[*site])[0]
            }
        })
        .collect();
    let plan = &lie.plan.as_ref().unwrap().plan;
    let abort = Abort {
        ask: plan.ask,
        attempt: plan.attempt,
        code: "deadline".to_owned(),
    };
    lie.log(&Leaf::Abort(abort));
    let commit = lie.log(&Leaf::Commit(lie.commitment(&roots)));
    let second = Proposal {
        t2: lie.t2(),
        roots,
        commit,
    };
    let forged = motet_secagg::evidence::Evidence {
        uploads: second.roots.clone(),
        point: second.commit.point.clone(),
        ..honest.clone()
    };
    let sum = lie.sum(&forged);
    assert_ne!(sum, opened, "it would be another sum");
    let released = lie.released(&forged, &sum);
    for site in all {
        // The attempt was given up, they hear.
        lie.nodes[site].restart(&lie.cast);
        let plan = lie.root();
        let given_up = motet_secagg::message::Abandoned {
            plan,
            code: "deadline".to_owned(),
        };
        lie.tell(site, Message::Abandoned(given_up)).unwrap();
        refused(
            lie.tell(site, Message::Released(released.clone())),
            Code::SumMismatch,
        );
    }
}

#[test]
fn ruling_r03_no_site_cosigns_a_result_that_tells_another_number_of_sums_that_were_too_large() {
    let mut lie = Lie::with_sites(4);
    lie.whole_round();
    refused(lie.publish_with(0, 1, true), Code::ReleaseMismatch);
    let mut lie = Lie::with_sites(4);
    lie.whole_round();
    refused(lie.publish_with(0, 0, false), Code::ReleaseMismatch);
}

/// A commitment, a release and a result that nobody made, in the log: a state and its files of the
/// coordinator's choice.
fn nobody_made(lie: &mut Lie) {
    let made_up = Digest::of("nobody made it", &[]);
    nobody_made_a_sum(lie, made_up);
    let leaf = Publication {
        format: 1,
        started: Moment { ms: 0 },
        finished: Moment { ms: 0 },
        run: RunId([1; 16]),
        files: made_up,
        state_root: made_up,
        unchecked: 0,
        last_checked: true,
    };
    lie.log(&Leaf::Publication(leaf));
}

/// A commitment and a release that nobody made.
fn nobody_made_a_sum(lie: &mut Lie, state_root: Digest) {
    let (run, made_up) = (RunId([1; 16]), Digest::of("nobody made it", &[]));
    let set = lie
        .cast
        .nodes()
        .iter()
        .map(|node| (*node, made_up))
        .collect();
    let (study, ask, t3) = ("simulated".to_owned(), made_up, made_up);
    let leaves = [
        Leaf::Commit(Commit {
            study,
            ask,
            run,
            round: 1,
            attempt: 1,
            pin: made_up,
            t3,
            set,
        }),
        Leaf::Release(Release {
            run,
            round: 1,
            t3,
            aggregate: made_up,
            state_root,
            charge: 0,
        }),
    ];
    leaves.iter().for_each(|leaf| drop(lie.log(leaf)));
}

#[test]
fn ruling_r03_no_site_joins_and_so_cosigns_over_a_release_that_it_does_not_follow() {
    let mut lie = Lie::with_sites(4);
    nobody_made(&mut lie);
    let plan = lie.draft(1);
    assert_ne!(
        plan.previous_index, 0,
        "the plan is said to come after what nobody made"
    );
    lie.begin(plan);
    refused(lie.join(0), Code::LogInconsistent);
    // Nor where the plan passes over it.
    let mut plan = lie.draft(1);
    (plan.previous_index, plan.previous_leaf) = (0, lie.log.hash(0).unwrap());
    plan.previous_proof = lie.log.inclusion(0);
    lie.begin(plan);
    refused(lie.join(0), Code::LogInconsistent);
    assert!(lie.heard.adverts.is_empty());
}

#[test]
fn ruling_r03_no_site_signs_a_set_and_so_cosigns_over_a_release_that_came_since_the_plan() {
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    nobody_made_a_sum(&mut lie, Digest::of("any state", &[]));
    let all = lie.all();
    let proposal = lie.proposal(&all);
    refused(lie.propose_to(0, &proposal), Code::SetNotLogged);
    assert!(lie.heard.signed.is_empty());
}

#[test]
fn ruling_r03_no_site_witnesses_a_log_with_a_release_that_it_does_not_follow() {
    let mut lie = Lie::with_sites(4);
    nobody_made(&mut lie);
    let stands = lie.stands();
    refused(lie.tell(0, stands), Code::ReleaseMismatch);
    // A later release does not hide it.
    let mut lie = Lie::with_sites(4);
    let made_up = Digest::of("nobody made it", &[]);
    nobody_made_a_sum(&mut lie, made_up);
    lie.state = made_up;
    let plan = lie.draft(1);
    lie.plotted(plan, 1);
    let stands = lie.stands();
    refused(lie.tell(3, stands), Code::ReleaseMismatch);
}

#[test]
fn ruling_r03_no_site_follows_a_log_with_a_release_between_a_set_and_its_sum_or_with_more_after_its_result()
 {
    // An honest set is committed and opened; before its sum is released another is, of the same
    // state, that nobody made.
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    let all = lie.all();
    let proposal = lie.proposal(&all);
    lie.open_with(&all, &proposal);
    let before = lie.log.clone();
    let evidence = lie.evidence(&proposal);
    let sum = lie.sum(&evidence);
    let honest = lie.released(&evidence, &sum);
    lie.log = before;
    nobody_made_a_sum(&mut lie, honest.state_root);
    let sandwiched = lie.released(&evidence, &sum);
    refused(
        lie.tell(0, Message::Released(sandwiched)),
        Code::LogInconsistent,
    );

    // A result of an unfinished study, hidden under the next sum.
    let mut lie = Lie::with_sites(4);
    lie.whole_round();
    lie.log(&Leaf::Publication(Publication {
        format: 1,
        started: Moment { ms: 0 },
        finished: Moment { ms: 0 },
        run: RunId([1; 16]),
        files: Digest::of("any files", &[]),
        state_root: lie.state,
        unchecked: 0,
        last_checked: true,
    }));
    let plan = lie.draft(1);
    lie.begin(plan);
    refused(lie.join(0), Code::LogInconsistent);
    let plan = lie.draft(1);
    let next = lie.plotted(plan, 4);
    refused(lie.tell(1, Message::Released(next)), Code::LogInconsistent);
}

//! The round machine under everything that goes wrong, from seeds. A failure names its seed;
//! `MOTET_SEED=123 cargo test -p motet-tests --test simulation -- --nocapture` repeats that world
//! step by step. `MOTET_ROUNDS=1000000` makes a night of it; `MOTET_FIRST_SEED` says where its
//! seeds begin.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::refusal::Code;
use motet_common::round::PhaseName;
use motet_secagg::layout::Ring;
use motet_tests::sim::net::{Script, Weather};
use motet_tests::sim::world::{ATTEMPTS, Setup, Tally, World};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{available_parallelism, scope};

/// Rounds of the long test where `MOTET_ROUNDS` does not ask for more; every world has two.
const ROUNDS: u64 = 10_000;
/// Where the seeds of the long test begin, where `MOTET_FIRST_SEED` does not say.
const FIRST_SEED: u64 = 1_000_000;

/// A number from the environment.
fn asked(variable: &str, usual: u64) -> u64 {
    let number = |text: String| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number: {text}"))
    };
    std::env::var(variable).map_or(usual, number)
}

fn world_of(seed: u64, trace: bool) -> Tally {
    let outcome = catch_unwind(AssertUnwindSafe(|| World::of_seed(seed, trace).run()));
    let hint = format!(
        "repeat it with MOTET_SEED={seed} cargo test -p motet-tests --test simulation -- --nocapture"
    );
    match outcome {
        Ok(Ok(tally)) => tally,
        Ok(Err(broken)) => panic!("seed {seed}: {}; {hint}", broken.0),
        Err(_) => panic!("seed {seed}: panicked, see above; {hint}"),
    }
}

fn add(a: Tally, b: Tally) -> Tally {
    Tally {
        rounds: a.rounds + b.rounds,
        attempts: a.attempts + b.attempts,
        released: a.released + b.released,
        smaller: a.smaller + b.smaller,
        later: a.later + b.later,
        abandoned: a.abandoned + b.abandoned,
        promised: a.promised + b.promised,
        node_starts: a.node_starts + b.node_starts,
        coordinator_starts: a.coordinator_starts + b.coordinator_starts,
        acts: a.acts + b.acts,
        effects: a.effects + b.effects,
    }
}

#[test]
fn ten_thousand_faulty_rounds_release_the_exact_sum_once_or_nothing() {
    if let Ok(seed) = std::env::var("MOTET_SEED") {
        let seed = seed.parse().expect("MOTET_SEED is a number");
        println!("{:?}", world_of(seed, true));
        return;
    }
    let threads = available_parallelism().map_or(1, NonZero::get) as u64;
    let (rounds, first) = (
        asked("MOTET_ROUNDS", ROUNDS),
        asked("MOTET_FIRST_SEED", FIRST_SEED),
    );
    let worlds = rounds / 2;
    let share = |thread: u64| {
        (thread..worlds)
            .step_by(threads as usize)
            .map(|n| world_of(first + n, false))
    };
    let total = scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|n| scope.spawn(move || share(n).fold(Tally::default(), add)))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("a world held"))
            .fold(Tally::default(), add)
    });
    println!("{total:?}");
    // The worlds are neither too kind nor too harsh to mean anything.
    assert_eq!(total.rounds, worlds * 2);
    assert!(
        total.released * 2 > rounds && total.released < rounds,
        "{total:?}"
    );
    assert!(total.promised * 3 > rounds, "{total:?}");
    for rare in [
        total.smaller,
        total.later,
        total.abandoned,
        total.node_starts,
        total.coordinator_starts,
    ] {
        assert!(rare * 50 > rounds, "{total:?}");
    }
}

/// One attempt, and whether it was released, when that many sites are lost at a phase.
fn is_released_without(size: usize, lost: usize, phase: PhaseName, ring: Ring) -> bool {
    // The last ones and the first one: a lost node is below some and above others.
    let deaths: BTreeMap<usize, PhaseName> =
        (0..lost).map(|n| ((size - n) % size, phase)).collect();
    let weather = Weather {
        script: Script {
            deaths,
            ..Script::default()
        },
        ..Weather::default()
    };
    let setup = Setup {
        weather,
        ring,
        ..Setup::calm(size)
    };
    let mut world = World::new(setup, 77 + lost as u64, false);
    let outcome = world.run();
    outcome.unwrap_or_else(|broken| {
        panic!(
            "{size} sites, {lost} lost at `{}`: {}",
            phase.as_str(),
            broken.0
        )
    });
    *world.ends().first().expect("an attempt") == PhaseName::Released
}

#[test]
fn as_many_sites_may_be_lost_at_each_phase_as_the_table_says() {
    use PhaseName::{Join, Reveal, Share, Sign, Upload};
    // sites, lost before the sum is fixed, lost after it (N - t, for t must sign and open)
    for (size, before, after) in [(3, 0, 1), (4, 1, 1), (10, 3, 3)] {
        for (phase, may) in [
            (Join, before),
            (Share, before),
            (Upload, before),
            (Sign, after),
            (Reveal, after),
        ] {
            let ring = if size == 4 {
                Ring::Bits64
            } else {
                Ring::Bits32
            };
            assert!(
                is_released_without(size, may, phase, ring),
                "{size} sites, {may} lost at {phase:?}"
            );
            assert!(
                !is_released_without(size, may + 1, phase, ring),
                "{size} sites, {} lost at {phase:?}",
                may + 1
            );
        }
    }
}

fn four_sites(script: Script) -> Setup {
    let weather = Weather {
        script,
        ..Weather::default()
    };
    Setup {
        weather,
        ring: Ring::Bits64,
        ..Setup::calm(4)
    }
}

fn released_in_one_attempt(what: &str, mut world: World) -> (Tally, World) {
    let tally = world
        .run()
        .unwrap_or_else(|broken| panic!("{what}: {}", broken.0));
    assert_eq!((tally.released, tally.attempts), (1, 1), "{what}");
    (tally, world)
}

#[test]
fn a_coordinator_that_stops_before_any_effect_of_a_round_finishes_it() {
    // One site is lost at the upload, so that both kinds of secret are opened.
    let deaths = BTreeMap::from([(1, PhaseName::Upload)]);
    let script = |coordinator_stop| Script {
        deaths: deaths.clone(),
        coordinator_stop,
        ..Script::default()
    };
    let (calm, _) =
        released_in_one_attempt("no stop", World::new(four_sites(script(None)), 5, false));
    assert!(calm.effects > 40, "{calm:?}");
    for effect in 0..calm.effects {
        let what = format!("stopped before effect {effect}");
        let (tally, _) = released_in_one_attempt(
            &what,
            World::new(four_sites(script(Some(effect))), 5, false),
        );
        assert_eq!(tally.coordinator_starts, 1, "{what}");
    }
}

#[test]
fn a_node_that_stops_after_any_of_its_acts_is_in_the_sum_all_the_same() {
    let (_, calm) = released_in_one_attempt(
        "no stop",
        World::new(four_sites(Script::default()), 6, false),
    );
    for (site, acts) in calm.acts().into_iter().enumerate() {
        assert!(acts > 10, "node {site} has {acts} acts");
        for act in 1..=acts {
            let what = format!("node {site} stopped after act {act}");
            let script = Script {
                node_stop: Some((site, act)),
                ..Script::default()
            };
            let (tally, _) =
                released_in_one_attempt(&what, World::new(four_sites(script), 6, false));
            assert_eq!((tally.node_starts, tally.smaller), (1, 0), "{what}");
        }
    }
}

#[test]
fn a_question_gets_three_attempts_and_the_next_one_starts_afresh() {
    // Two of four are lost at every upload: nothing can be released, and nothing is.
    let deaths = BTreeMap::from([(0, PhaseName::Upload), (3, PhaseName::Upload)]);
    let mut world = World::new(
        four_sites(Script {
            deaths,
            ..Script::default()
        }),
        8,
        false,
    );
    let tally = world.run().unwrap_or_else(|broken| panic!("{}", broken.0));
    assert_eq!(
        (tally.released, tally.attempts, tally.abandoned),
        (0, u64::from(ATTEMPTS), u64::from(ATTEMPTS))
    );
}

/// Runs a world as it is, then with the coordinator stopping before each of its effects, then with
/// each node stopping after each of its acts; every time what must hold is held.
fn stopped_anywhere(
    what: &str,
    setup: impl Fn(Script) -> Setup,
    script: &Script,
    must: impl Fn(&str, &World, &Tally),
) {
    let run = |name: &str, script: Script| {
        let mut world = World::new(setup(script), 9, false);
        let tally = world
            .run()
            .unwrap_or_else(|broken| panic!("{what}, {name}: {}", broken.0));
        must(&format!("{what}, {name}"), &world, &tally);
        (world, tally)
    };
    let (calm, tally) = run("no stop", script.clone());
    assert!(tally.effects > 20, "{what}: {tally:?}");
    for effect in 0..tally.effects {
        let name = format!("stopped before effect {effect}");
        let (_, tally) = run(
            &name,
            Script {
                coordinator_stop: Some(effect),
                ..script.clone()
            },
        );
        assert_eq!(tally.coordinator_starts, 1, "{what}, {name}");
    }
    for (site, acts) in calm.acts().into_iter().enumerate() {
        for act in 1..=acts {
            let name = format!("node {site} stopped after act {act}");
            run(
                &name,
                Script {
                    node_stop: Some((site, act)),
                    ..script.clone()
                },
            );
        }
    }
}

#[test]
fn sites_outside_the_line_up_witness_the_log_wherever_somebody_stops() {
    let setup = |script| Setup {
        outside: 1,
        ring: Ring::Bits20,
        ..Setup {
            weather: Weather {
                script,
                ..Weather::default()
            },
            ..Setup::calm(5)
        }
    };
    stopped_anywhere(
        "a witness",
        setup,
        &Script::default(),
        |what, world, tally| {
            assert_eq!(
                (tally.released, tally.attempts, tally.smaller),
                (1, 1, 0),
                "{what}"
            );
            assert!(world.witnesses() <= 1, "{what}");
        },
    );
    let mut world = World::new(setup(Script::default()), 9, false);
    world.run().unwrap_or_else(|broken| panic!("{}", broken.0));
    assert_eq!(world.witnesses(), 1);
}

#[test]
fn a_sum_is_made_again_by_enough_sites_before_the_next_round_wherever_somebody_stops() {
    let setup = |script| Setup {
        rounds: 2,
        ..four_sites(script)
    };
    stopped_anywhere(
        "two rounds",
        setup,
        &Script::default(),
        |what, world, tally| {
            assert_eq!(
                (tally.released, tally.attempts, tally.smaller),
                (2, 2, 0),
                "{what}"
            );
            assert_eq!(world.released().len(), 4, "{what}");
        },
    );
}

#[test]
fn a_bad_share_ends_the_attempt_and_names_both_wherever_somebody_stops() {
    let script = Script {
        bad_share: Some((2, 1)),
        ..Script::default()
    };
    stopped_anywhere("a bad share", four_sites, &script, |what, world, tally| {
        assert_eq!(
            (tally.released, tally.abandoned),
            (0, u64::from(ATTEMPTS)),
            "{what}"
        );
        let due = (Code::ShareOpenFailed, world.node(1), world.node(2));
        assert_eq!(world.complaint(), Some(due), "{what}");
    });
}

#[test]
fn a_site_that_is_left_out_discards_its_upload_and_opens_for_the_others_wherever_somebody_stops() {
    // Two of four are needed besides it to sign and open: one more may be lost, and it takes that
    // one's place.
    let deaths = BTreeMap::from([(0, PhaseName::Sign)]);
    let script = Script {
        unheard: Some(3),
        deaths,
        ..Script::default()
    };
    stopped_anywhere("left out", four_sites, &script, |what, world, tally| {
        assert_eq!(
            (tally.released, tally.attempts, tally.smaller),
            (1, 1, 1),
            "{what}"
        );
        assert!(!world.released().contains(&world.node(3)), "{what}");
    });
}

#[test]
fn a_site_that_missed_a_sum_makes_it_again_and_joins_the_next_round_wherever_somebody_stops() {
    let deaths = BTreeMap::from([(1, PhaseName::Reveal)]);
    let script = Script {
        deaths,
        comes_back: true,
        ..Script::default()
    };
    let setup = |script| Setup {
        rounds: 2,
        ..four_sites(script)
    };
    stopped_anywhere("catching up", setup, &script, |what, world, tally| {
        assert_eq!((tally.released, tally.attempts), (2, 2), "{what}");
        assert_eq!(world.released().len(), 4, "{what}");
    });
}

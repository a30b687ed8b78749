//! The chain of states: fixed bytes for fixed sums, and no sum of another question.

use crate::common::*;
use motet_recipes::summary::{Details, Scale};
use motet_recipes::{
    Adaptive, AnyMethod, Category, Census, Design, Explained, FedAvg, Glm, Grouping, Memory,
    Recipe, RecipeError, Rule, State, Subgroup, SubgroupKind, Subgroups, Summary, Weight,
};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::Sum;

/// A sum with figures made by integer arithmetic: the same on every machine.
fn sum(values: Vec<f64>) -> Sum {
    Sum {
        sites: 3,
        set: Digest([9; 32]),
        weight: 300,
        values,
    }
}

/// Moments of 300 rows with 70 events and two columns, then spread; a regression adds up the outcome
/// too.
fn moments() -> [Sum; 2] {
    [
        sum(vec![300.0, 70.0, 21_000.5, 150.0]),
        sum(vec![43_210.75, 75.25]),
    ]
}

fn regression_moments() -> [Sum; 2] {
    let [_, spread] = moments();
    [sum(vec![300.0, 70.0, 70.0, 21_000.5, 150.0]), spread]
}

fn chain(recipe: &Recipe, sums: &[Sum]) -> (State, Vec<String>) {
    let mut state = recipe.start(Digest([5; 32]));
    let mut roots = vec![state.root().short()];
    for sum in sums {
        state = recipe.absorb(&state, sum).unwrap();
        roots.push(state.root().short());
    }
    (state, roots)
}

#[test]
fn a_logistic_fit_moves_through_fixed_states() {
    let recipe = Recipe::from(Glm {
        ridge: 0.25,
        ..Glm::logistic(names(&["age", "male"]), "dead".into())
    });
    let [first, second] = regression_moments();
    let newton = |loglik: f64, part: f64, more: &[f64]| {
        let step = vec![
            loglik,
            -80.0 * part,
            12.5 * part,
            30.125 * part,
            75.0,
            1.5,
            -2.25,
            74.0,
            8.0,
            76.5,
        ];
        sum([&step[..], more].concat())
    };
    let (state, roots) = chain(
        &recipe,
        &[
            first,
            second,
            newton(-207.9, 1.0, &[300.0, 0.0, 0.0, 299.0, 8.0, 299.0]),
            newton(-300.0, 0.5, &[0.0, 0.0]),
            newton(-180.0, 0.25, &[]),
        ],
    );
    assert_eq!(
        roots,
        [
            "9cfd8764", "bc6c8635", "3df2aee8", "c62b40da", "0ffa644b", "f00a8a0c"
        ]
    );
    assert_eq!(state.progress().round, 5);
}

#[test]
fn a_summary_and_a_training_run_move_through_fixed_states() {
    let recipe = Recipe::from(Summary::new(names(&["a", "b"])));
    let (_, roots) = chain(
        &recipe,
        &[sum(vec![3.0, 0.0, 0.0, 3.0, 1.0, 0.0]), sum(vec![0.7, 0.0])],
    );
    assert_eq!(roots, ["32fdd98a", "65267f28", "cf692d4b"]);

    let recipe = Recipe::from(FedAvg {
        hidden: vec![2],
        weight: Weight::Rows,
        server_lr: 0.7,
        ..FedAvg::new(names(&["age", "male"]), "dead".into())
    });
    let [first, second] = moments();
    let mut training = vec![208.0];
    training.extend((0..9).map(|at| f64::from(at) - 4.0));
    let (_, roots) = chain(&recipe, &[first, second, sum(training)]);
    assert_eq!(roots, ["4aedf07c", "ec94e830", "ee853b02", "b7bc1d21"]);
}

#[test]
fn every_rule_of_the_server_moves_through_fixed_states() {
    let adaptive = Adaptive {
        tau: 0.125,
        ..Adaptive::default()
    };
    let rules = [
        Rule::Average,
        Rule::Prox(0.5),
        Rule::Momentum(0.75),
        Rule::Adam(adaptive),
        Rule::Yogi(adaptive),
        Rule::Adagrad(adaptive),
        Rule::Scaffold,
    ];
    let end = |rule: Rule| {
        let recipe = Recipe::from(FedAvg {
            rule,
            ..FedAvg::new(names(&["age", "male"]), "dead".into())
        });
        let [first, second] = moments();
        let mut training = vec![208.0];
        training.extend([-96.0, 33.5, 7.0]);
        if rule == Rule::Scaffold {
            training.extend([1.0, -2.0, 3.0]);
        }
        let again = sum(training
            .iter()
            .map(|value| 0.5 * value)
            .map(f64::floor)
            .collect());
        chain(&recipe, &[first, second, sum(training), again])
            .1
            .pop()
            .unwrap()
    };
    assert_eq!(
        rules.map(end),
        [
            "1ae7b5cb", "1ae7b5cb", "13137486", "14b40ad3", "0c7ce5e4", "5bc4b546", "2b135d3e"
        ]
    );
}

#[test]
fn a_server_step_without_measure_ends_in_an_error_and_not_in_the_state() {
    let fedavg = FedAvg {
        server_lr: 1e308,
        ..FedAvg::new(names(&["age", "male"]), "dead".into())
    };
    let recipe = Recipe::from(fedavg);
    let state = chain(&recipe, &moments()).0;
    let mut training = vec![208.0];
    training.extend([1200.0, 0.0, 0.0]);
    let refused = recipe
        .absorb(&state, &sum(training))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("`server_lr`"), "{refused}");
}

#[test]
fn a_seed_draws_the_network_and_nothing_else() {
    let wide = Recipe::from(FedAvg {
        hidden: vec![3],
        ..FedAvg::new(names(&["a"]), "y".into())
    });
    let flat = Recipe::from(FedAvg::new(names(&["a"]), "y".into()));
    assert_ne!(
        wide.start(Digest([1; 32])).root(),
        wide.start(Digest([2; 32])).root()
    );
    assert_eq!(
        flat.start(Digest([1; 32])).root(),
        flat.start(Digest([2; 32])).root()
    );
}

#[test]
fn a_sum_that_cannot_be_is_refused() {
    let recipe = Recipe::from(Glm::logistic(names(&["age", "male"]), "dead".into()));
    let start = recipe.start(Digest::default());
    let refused = |values: Vec<f64>| recipe.absorb(&start, &sum(values)).unwrap_err();
    assert_eq!(
        refused(vec![300.0, 70.0, 70.0, 1.0]),
        RecipeError::Mismatch { what: "sum" }
    );
    assert_eq!(
        refused(vec![300.0, 70.0, 70.0, 1.0, 1.0, 1.0]),
        RecipeError::Mismatch { what: "sum" }
    );
    assert_eq!(
        refused(vec![-300.0, 70.0, 70.0, 1.0, 1.0]),
        RecipeError::Implausible { what: "rows" }
    );
    assert_eq!(
        refused(vec![300.0, 300.5, 70.0, 1.0, 1.0]),
        RecipeError::Implausible { what: "events" }
    );
    assert_eq!(
        refused(vec![300.0, 301.0, 70.0, 1.0, 1.0]),
        RecipeError::Implausible { what: "events" }
    );
}

#[test]
fn a_first_sum_of_another_length_or_that_no_sites_can_give_is_refused() {
    let sites = heart();
    let first = |recipe: &Recipe| {
        let start = recipe.start(Digest([3; 32]));
        let question = recipe.ask(&start, 4).unwrap().unwrap();
        let answer = |site: &Site| {
            recipe
                .answer(
                    &start,
                    &question,
                    &site.rows(),
                    &Memory::default(),
                    &mut rng(1),
                )
                .unwrap()
                .update
        };
        let answers = sites.iter().map(answer).collect();
        (
            start.clone(),
            plain_sum(&question.layout, Digest::default(), answers).unwrap(),
        )
    };
    let census = |categories, outcome| Census {
        columns: names(&HEART_COLUMNS),
        categories,
        outcome,
        time: None,
        offset: None,
        weight: None,
        group: None,
        min_sites: 3,
        spare: 0,
        min_cell: 5,
        cell: 5,
        crosses: true,
        pairs: true,
    };
    let category = |column: &str, levels: &[&str], first| {
        let of = Grouping {
            column: column.into(),
            levels: names(levels),
        };
        Category { of, first }
    };
    let categories = vec![
        category("cp", &["1", "2", "3", "4"], 8),
        category("restecg", &["0", "1", "2"], 11),
    ];
    let recipe = Recipe::from(Glm::logistic(names(&HEART_COLUMNS), "y".into()))
        .counted(census(categories, Some(Explained::YesNo("y".into()))));
    let (start, sum) = first(&recipe);
    let with = |change: &dyn Fn(&mut Vec<f64>)| {
        let mut changed = sum.clone();
        change(&mut changed.values);
        recipe.absorb(&start, &changed)
    };
    assert!(with(&|_| ()).is_ok());
    // As long as what was asked for, and as long as a study's card says.
    assert_eq!(recipe.first_numbers().unwrap(), sum.values.len());
    let mismatch = RecipeError::Mismatch { what: "sum" };
    assert_eq!(with(&|values| values.push(0.0)).unwrap_err(), mismatch);
    assert_eq!(
        with(&|values| values.truncate(values.len() - 1)).unwrap_err(),
        mismatch
    );
    // Sites that have a column, rows, then of each of 14 groups whether sites have it, have enough
    // of it, and its rows.
    let (cells, refused) = (
        sum.values.len() - 3 * 2 * 14,
        RecipeError::Implausible {
            what: "the first round",
        },
    );
    for (at, of) in [
        (0, 5.0),
        (cells - 3, 745.0),
        (cells, 5.0),
        (cells + 28, 5.0),
        (cells + 56, 11.0),
    ] {
        assert_eq!(
            with(&|values| values[at] = of).unwrap_err(),
            refused,
            "{of} at {at}"
        );
    }
    assert!(with(&|values| values[0] = 0.5).is_err(), "half a site");

    let scales = vec![
        Scale {
            edges: vec![30.0, 50.0, 80.0],
            category: None
        };
        13
    ];
    let details = Some(Details::new(scales));
    let table = Recipe::from(Summary {
        columns: names(&HEART_COLUMNS),
        details,
    });
    let table = table.counted(census(Vec::new(), None));
    let (start, mut sum) = first(&table);
    assert!(table.absorb(&start, &sum).is_ok());
    *sum.values.last_mut().unwrap() = 5.0;
    assert_eq!(
        table.absorb(&start, &sum).unwrap_err(),
        refused,
        "a bin at more sites than there are"
    );

    // Nor does a site answer from a table of other columns.
    let question = recipe
        .ask(&recipe.start(Digest([3; 32])), 4)
        .unwrap()
        .unwrap();
    let narrow = Site::new(
        "narrow",
        &sites[0]
            .lines()
            .into_iter()
            .map(|line| line[1..].to_vec())
            .collect::<Vec<_>>(),
    );
    let start = recipe.start(Digest([3; 32]));
    let answer = recipe.answer(
        &start,
        &question,
        &narrow.rows(),
        &Memory::default(),
        &mut rng(1),
    );
    assert_eq!(
        answer.err().unwrap(),
        RecipeError::Columns {
            expected: 13,
            found: 12
        }
    );
}

#[test]
fn parameters_out_of_range_are_named_by_their_key() {
    let key = |recipe: Recipe| match recipe.check() {
        Err(RecipeError::Parameter { name, .. }) => name,
        other => panic!("accepted: {other:?}"),
    };
    let logistic = Glm::logistic(names(&["a", "b"]), "y".into());
    assert_eq!(
        key(Recipe::from(Glm {
            ridge: -1.0,
            ..logistic.clone()
        })),
        "ridge"
    );
    assert_eq!(
        key(Recipe::from(Glm {
            tolerance: f64::NAN,
            ..logistic.clone()
        })),
        "tolerance"
    );
    assert_eq!(
        key(Recipe::from(Glm {
            max_rounds: 0,
            ..logistic.clone()
        })),
        "max_rounds"
    );
    assert_eq!(
        key(Recipe::from(Glm {
            design: Design::plain(names(&["a", "a"])),
            ..logistic
        })),
        "features"
    );
    assert_eq!(key(Recipe::from(Summary::new(Vec::new()))), "features");
    let fedavg = FedAvg::new(names(&["a", "b"]), "y".into());
    assert_eq!(
        key(Recipe::from(FedAvg {
            hidden: vec![4, 0],
            ..fedavg.clone()
        })),
        "model.hidden"
    );
    assert_eq!(
        key(Recipe::from(FedAvg {
            hidden: vec![u32::MAX, u32::MAX],
            ..fedavg.clone()
        })),
        "model.hidden"
    );
    // A model that stands still asks every round the same of whoever is there.
    for (lr, server_lr, lr_decay, name) in [
        (0.0, 1.0, 1.0, "lr"),
        (9e-5, 1.0, 1.0, "lr"),
        (0.1, 9e-5, 1.0, "server_lr"),
        (0.1, 1.0, 0.69, "lr_decay"),
    ] {
        let slow = FedAvg {
            lr,
            server_lr,
            lr_decay,
            rounds: 20,
            ..fedavg.clone()
        };
        assert_eq!(key(Recipe::from(slow)), name, "{lr} {server_lr} {lr_decay}");
    }
    let least = FedAvg {
        lr: 1e-4,
        server_lr: 1e-4,
        rounds: 20,
        ..fedavg.clone()
    };
    assert_eq!(Recipe::from(least).check(), Ok(()));
    assert_eq!(
        Recipe::from(FedAvg {
            lr_decay: 0.7,
            rounds: 20,
            ..fedavg
        })
        .check(),
        Ok(())
    );
}

#[test]
fn questions_keep_their_headroom_for_many_sites_and_many_rows() {
    let first = |recipe: &Recipe, rows: f64| {
        let start = recipe.start(Digest::default());
        let mut sums = vec![rows, 70.0, 21_000.5, 150.0];
        if matches!(recipe.method, AnyMethod::Glm(_)) {
            sums.insert(2, 70.0);
        }
        let state = recipe.absorb(&start, &sum(sums)).unwrap();
        recipe.absorb(&state, &sum(vec![4.0 * rows, rows])).unwrap()
    };
    let logistic = Recipe::from(Glm::logistic(names(&["a", "b"]), "y".into()));
    let fedavg = Recipe::from(FedAvg {
        hidden: vec![8],
        ..FedAvg::new(names(&["a", "b"]), "y".into())
    });
    for sites in [1, 3, 10, 250] {
        for rows in [100.0, 9381.0, 1e7, 4e9] {
            for recipe in [&logistic, &fedavg] {
                let question = recipe.ask(&first(recipe, rows), sites).unwrap().unwrap();
                question.layout.headroom(sites).unwrap();
            }
        }
    }
    assert!(matches!(
        fedavg.ask(&first(&fedavg, 5e9), 3),
        Err(RecipeError::TooManyRows { .. })
    ));
}

/// A logistic fit of one step that is finished after five sums, and then its judgement.
#[test]
fn a_judged_model_moves_through_fixed_states() {
    let groups = vec![
        Subgroup {
            column: "male".into(),
            kind: SubgroupKind::YesNo,
        },
        Subgroup {
            column: "age".into(),
            kind: SubgroupKind::Bands(vec![50.0, 65.5]),
        },
    ];
    let subgroups = Subgroups {
        groups,
        sites: true,
        min_cell: 5,
        min_sites: 3,
    };
    let plain = Recipe::from(Glm::logistic(names(&["age", "male"]), "dead".into()));
    let recipe = plain.clone().judged(subgroups);
    let [first, second] = regression_moments();
    let newton = sum(vec![
        -207.9, 0.0, 0.0, 0.0, 75.0, 1.5, -2.25, 74.0, 8.0, 76.5, 300.0, 0.0, 0.0, 299.0, 8.0,
        299.0,
    ]);
    let (mut negatives, mut positives) = (vec![0.0; 1000], vec![0.0; 1000]);
    for at in 0..230 {
        negatives[at * 3] += 1.0;
    }
    for at in 0..70 {
        positives[200 + at * 9] += 1.0;
    }
    let mut evaluate = [vec![-180.0, 297.5], negatives, positives, vec![240.0]].concat();
    evaluate.extend((0..1000).map(|at| f64::from(at) / 4096.0));
    evaluate.extend([43.75, 0.0, 0.0, 75.0, 1.5, 76.5, 0.0, 0.0]);
    // Three levels are shown, one is too small and one goes dark beside it; two of three sites do
    // not tell.
    let levels = vec![
        3.0, 3.0, 200.0, 40.0, 3.0, 3.0, 100.0, 30.0, 0.0, 0.0, 0.0, 0.0, 3.0, //
        3.0, 3.0, 20.0, 4.0, 3.0, 3.0, 90.0, 30.0, 3.0, 3.0, 190.0, 36.0, 0.0, 0.0, 0.0, 0.0,
        3.0, //
        0.0, 1.0, 0.0,
    ];
    let mut state = recipe.start_among(Digest([5; 32]), 3);
    let mut roots = vec![state.root().short()];
    for sum in [first, second, newton, sum(evaluate), sum(levels)] {
        state = recipe.absorb(&state, &sum).unwrap();
        roots.push(state.root().short());
    }
    assert_eq!(state.progress().phase, "subgroups");
    let layout = recipe.ask(&state, 3).unwrap().unwrap().layout;
    let bins = (layout.blocks[0].len / 6) as usize;
    let mut figures = Vec::new();
    for (rows, events) in [(200_u32, 40_u32), (100, 30), (190, 36)] {
        let mut cells = vec![0.0; 2 * bins];
        (0..rows - events).for_each(|at| cells[at as usize * 7 % bins] += 1.0);
        (0..events).for_each(|at| cells[bins + at as usize * 11 % bins] += 1.0);
        figures.extend(cells);
    }
    figures.extend([41.5, 28.25, 29.0, 17.75, 35.5, 22.0]);
    state = recipe.absorb(&state, &sum(figures)).unwrap();
    roots.push(state.root().short());
    assert_eq!(state.progress().phase, "finished");
    assert_eq!(
        roots,
        [
            "7e82fe3a", "5b1e5d9f", "6199e7d5", "280cc04a", "a7923540", "a423da46", "bf3de38d"
        ]
    );
    // Judged or not, the method asks the same.
    assert_eq!(recipe.bare().digest("recipe"), plain.digest("recipe"));
}

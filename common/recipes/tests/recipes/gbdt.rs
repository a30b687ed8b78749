//! Boosted trees: those of one table, exactly, wherever rows lie.

use crate::common::*;
use motet_recipes::gbdt::GbdtOutcome;
use motet_recipes::gbdt::Loss;
use motet_recipes::{
    AnyState, Fit, Gbdt, Glm, Metrics, Node, Outcome, Recipe, RecipeError, State, Tree,
};
use motet_secagg::digest::Digest;
use proptest::prelude::*;

/// The whole run with the sites that `present(round)` picks, and the last state.
fn run_to_end<'a>(
    recipe: &Gbdt,
    present: impl Fn(u32) -> Vec<&'a Site>,
) -> (Result<GbdtOutcome, RecipeError>, State) {
    let recipe = Recipe::from(recipe.clone());
    recipe.check().unwrap();
    let mut state = recipe.start(Digest([3; 32]));
    let mut roots = std::collections::BTreeSet::from([state.root()]);
    while let Some(next) = round(&recipe, &state, &present(state.progress().round)) {
        state = next.unwrap();
        assert!(roots.insert(state.root()), "a state root repeats");
    }
    let outcome = recipe.outcome(&state).map(|outcome| match outcome {
        Outcome::Gbdt(outcome) => outcome,
        other => panic!("no trees: {other:?}"),
    });
    (outcome, state)
}

fn boost(recipe: &Gbdt, sites: &[Site]) -> GbdtOutcome {
    run_to_end(recipe, |_| sites.iter().collect()).0.unwrap()
}

fn pool(sites: &[Site]) -> Site {
    Site::new(
        "all",
        &sites.iter().flat_map(Site::lines).collect::<Vec<_>>(),
    )
}

/// What must not depend on where rows lie: everything but the number of sites, the last digits of
/// the metrics and so the rounds until the calibration line settles.
fn same(a: &GbdtOutcome, b: &GbdtOutcome) {
    assert_eq!(
        (&a.trees, &a.history, a.base.to_bits()),
        (&b.trees, &b.history, b.base.to_bits())
    );
    assert_eq!((a.rows, a.held, a.events), (b.rows, b.held, b.events));
    assert_eq!(a.importance, b.importance);
    match (&a.fit, &b.fit) {
        (Fit::Classes { metrics: a, .. }, Fit::Classes { metrics: b, .. }) => {
            assert_eq!((a.auc, a.accuracy), (b.auc, b.accuracy));
            assert_close(a.brier, b.brier, "brier");
        }
        (a, b) => assert_eq!(a, b),
    }
}

fn metrics(outcome: &GbdtOutcome) -> &Metrics {
    match &outcome.fit {
        Fit::Classes { metrics, .. } => metrics,
        other => panic!("no classes: {other:?}"),
    }
}

fn stroke_recipe() -> Gbdt {
    let recipe = Gbdt::new(names(&STROKE_COLUMNS), "dead14".into(), Loss::Logistic);
    Gbdt {
        trees: 40,
        validation: 0.0,
        ..recipe
    }
}

#[test]
fn ten_countries_give_the_trees_of_one_table_and_rank_as_well_as_the_logistic_fit() {
    let sites = stroke();
    let trees = boost(&stroke_recipe(), &sites);
    same(&trees, &boost(&stroke_recipe(), &[pool(&sites)]));
    assert_eq!(
        (trees.sites, trees.rows, trees.events, trees.trees.len()),
        (10, 9381, Some(813), 40)
    );
    assert!(
        trees
            .history
            .windows(2)
            .all(|pair| pair[1].training < pair[0].training)
    );
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
    let fit = logistic(run(&recipe, &sites));
    let auc = metrics(&trees).auc;
    assert!(
        auc >= fit.metrics.auc - 0.005,
        "{auc} against {}",
        fit.metrics.auc
    );
}

#[test]
fn rows_held_out_rank_as_well_too_and_say_when_to_stop() {
    let sites = stroke();
    let recipe = Gbdt {
        trees: 60,
        validation: 0.25,
        patience: 5,
        ..stroke_recipe()
    };
    let trees = boost(&recipe, &sites);
    same(&trees, &boost(&recipe, &[pool(&sites)]));
    assert_eq!(trees.rows + trees.held, 9381);
    assert!(
        (trees.held as f64 / 9381.0 - 0.25).abs() < 0.02,
        "{} held out",
        trees.held
    );
    assert!(metrics(&trees).auc > 0.75, "{}", metrics(&trees).auc);
    assert!(trees.history.iter().all(|boost| boost.held_out.is_some()));
}

/// All patients with an outcome: numbers with their missing values, and the disease.
fn heart_with_gaps(outcome: &str) -> (Vec<&'static str>, Vec<Site>) {
    let columns: Vec<&str> = [
        "age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak", "slope", "ca",
        "thal",
    ]
    .into_iter()
    .filter(|name| *name != outcome)
    .collect();
    let site = |name: &&str| {
        let (header, rows) = table("heart", name);
        let at = |column: &str| header.iter().position(|own| own == column).unwrap();
        let line = |row: &Vec<f64>| -> Option<Vec<f64>> {
            let y = row[at(outcome)];
            let y = if outcome == "num" {
                f64::from(u8::from(y > 0.0))
            } else {
                y
            };
            let cells = columns.iter().map(|column| row[at(column)]);
            (!y.is_nan()).then(|| cells.chain([y]).collect())
        };
        Site::new(name, &rows.iter().filter_map(line).collect::<Vec<_>>())
    };
    let sites = HEART.iter().map(site).collect();
    (columns, sites)
}

/// The score of a row, straight from the outcome.
fn score(outcome: &GbdtOutcome, row: &[f64]) -> f64 {
    let add = |tree: &Tree| {
        let mut at = 0;
        loop {
            match &tree.nodes[at] {
                Node::Leaf(value) => return *value,
                Node::Split(split) => {
                    let x = row[split.column as usize];
                    let left = if x.is_nan() {
                        split.missing_left
                    } else {
                        x < split.edge
                    };
                    at = split.left as usize + usize::from(!left);
                }
            }
        }
    };
    outcome.base + outcome.trees.iter().map(add).sum::<f64>()
}

/// The same method, written down plainly on rows in one table: no histograms, no levels, no sites.
/// It takes the edges that the run used and checks each split against all others.
fn check_against_plain(
    recipe: &Gbdt,
    outcome: &GbdtOutcome,
    edges: &[Vec<f64>],
    rows: &[Vec<f64>],
) {
    let unit = 1_048_576.0;
    let round = |x: f64| (x * unit).round_ties_even() / unit;
    let mut scores = vec![outcome.base; rows.len()];
    for tree in &outcome.trees {
        let derivative = |at: usize| {
            let (p, y) = (
                1.0 / (1.0 + libm::exp(-scores[at])),
                rows[at].last().unwrap(),
            );
            (round(p - y), round(p * (1.0 - p)))
        };
        let sums = |of: &[usize]| {
            of.iter().fold((0.0, 0.0), |sums, at| {
                let (g, h) = derivative(*at);
                (sums.0 + g, sums.1 + h)
            })
        };
        let value = |of: &[usize]| sums(of).0.powi(2) / (sums(of).1 + recipe.lambda);
        let part = |of: &[usize],
                    column: usize,
                    edge: f64,
                    missing_left: bool|
         -> (Vec<usize>, Vec<usize>) {
            of.iter().partition(|at| {
                let x = rows[**at][column];
                if x.is_nan() { missing_left } else { x < edge }
            })
        };
        let gain = |of: &[usize], (left, right): (Vec<usize>, Vec<usize>)| {
            let least = recipe.min_rows as usize;
            let small = left.len() < least || right.len() < least;
            let light =
                sums(&left).1 < recipe.min_child_weight || sums(&right).1 < recipe.min_child_weight;
            if small || light {
                0.0
            } else {
                0.5 * (value(&left) + value(&right) - value(of)) - recipe.gamma
            }
        };
        let mut open = vec![(0, (0..rows.len()).collect::<Vec<usize>>(), 0)];
        let mut added = vec![0.0; rows.len()];
        while let Some((node, of, level)) = open.pop() {
            let all = edges.iter().enumerate().flat_map(|(column, edges)| {
                edges
                    .iter()
                    .flat_map(move |edge| [(column, *edge, false), (column, *edge, true)])
            });
            let gains = all.map(|(column, edge, way)| gain(&of, part(&of, column, edge, way)));
            let best = if level < recipe.depth {
                gains.fold(0.0, f64::max)
            } else {
                0.0
            };
            match &tree.nodes[node] {
                Node::Leaf(leaf) => {
                    assert_eq!(best, 0.0, "a split was missed");
                    let (g, h) = sums(&of);
                    assert_eq!(*leaf, -g / (h + recipe.lambda) * recipe.learning_rate);
                    of.iter().for_each(|at| added[*at] = *leaf);
                }
                Node::Split(split) => {
                    let (left, right) =
                        part(&of, split.column as usize, split.edge, split.missing_left);
                    assert_eq!(split.gain, best, "another split is better");
                    assert_eq!(split.gain, gain(&of, (left.clone(), right.clone())));
                    let next = split.left as usize;
                    open.extend([(next, left, level + 1), (next + 1, right, level + 1)]);
                }
            }
        }
        scores
            .iter_mut()
            .zip(added)
            .for_each(|(score, added)| *score += added);
    }
}

fn edges(state: &State) -> Vec<Vec<f64>> {
    match &state.method {
        AnyState::Gbdt(state) => state
            .columns
            .iter()
            .map(|bins| bins.edges.clone())
            .collect(),
        other => panic!("no trees: {other:?}"),
    }
}

#[test]
fn missing_values_take_the_better_way_and_every_split_is_the_best_there_is() {
    let (columns, sites) = heart_with_gaps("num");
    let recipe = Gbdt {
        trees: 6,
        validation: 0.0,
        ..Gbdt::new(names(&columns), "num".into(), Loss::Logistic)
    };
    let (outcome, state) = run_to_end(&recipe, |_| sites.iter().collect());
    let outcome = outcome.unwrap();
    same(&outcome, &boost(&recipe, &[pool(&sites)]));
    let edges = edges(&state);
    assert!(
        edges
            .iter()
            .all(|edges| !edges.is_empty() && edges.len() <= 64)
    );
    check_against_plain(&recipe, &outcome, &edges, &pool(&sites).lines());
    let ways: Vec<bool> = outcome
        .trees
        .iter()
        .flat_map(|tree| &tree.nodes)
        .filter_map(|node| match node {
            Node::Split(split) => Some(split.missing_left),
            Node::Leaf(_) => None,
        })
        .collect();
    assert!(ways.contains(&true) && ways.contains(&false));
    assert!(metrics(&outcome).auc > 0.85);
}

#[test]
fn a_number_is_fitted_by_squared_loss() {
    let (columns, sites) = heart_with_gaps("thalach");
    let recipe = Gbdt {
        validation: 0.0,
        trees: 30,
        column_share: 0.5,
        ..Gbdt::new(names(&columns), "thalach".into(), Loss::Squared)
    };
    let outcome = boost(&recipe, &sites);
    let pooled = pool(&sites);
    same(&outcome, &boost(&recipe, std::slice::from_ref(&pooled)));
    let lines = pooled.lines();
    let y = |line: &Vec<f64>| *line.last().unwrap();
    let mean = lines.iter().map(y).sum::<f64>() / lines.len() as f64;
    assert!(
        (outcome.base - mean).abs() < 1e-3 * 256.0 / 1024.0,
        "{} instead of {mean}",
        outcome.base
    );
    let squares = |of: &dyn Fn(&Vec<f64>) -> f64| {
        lines
            .iter()
            .map(|line| (y(line) - of(line)).powi(2))
            .sum::<f64>()
    };
    let (rest, whole) = (squares(&|line| score(&outcome, line)), squares(&|_| mean));
    let Fit::Numbers { rmse, r2 } = outcome.fit else {
        panic!("no numbers")
    };
    assert!((rmse / (rest / lines.len() as f64).sqrt() - 1.0).abs() < 1e-4);
    let r2 = r2.unwrap();
    assert!((r2 - (1.0 - rest / whole)).abs() < 1e-4 && r2 > 0.4, "{r2}");
    assert!((outcome.history.last().unwrap().training / rmse.powi(2) - 1.0).abs() < 1e-6);
}

#[test]
fn boosting_stops_where_there_is_nothing_to_learn() {
    // The outcome is a coin that knows nothing of the columns.
    let coin = |at: u64| {
        let mixed = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 11) as f64
            / 9_007_199_254_740_992.0
    };
    let rows: Vec<Vec<f64>> = (0..900)
        .map(|at| {
            vec![
                coin(at),
                coin(at + 5000),
                f64::from(u8::from(coin(at + 9000) < 0.5)),
            ]
        })
        .collect();
    let sites = [Site::new("a", &rows[..400]), Site::new("b", &rows[400..])];
    let recipe = Gbdt {
        trees: 200,
        patience: 4,
        ..Gbdt::new(names(&["a", "b"]), "y".into(), Loss::Logistic)
    };
    let outcome = boost(&recipe, &sites);
    let losses: Vec<f64> = outcome
        .history
        .iter()
        .map(|boost| boost.held_out.unwrap())
        .collect();
    let best = losses
        .iter()
        .enumerate()
        .min_by(|a, b| a.1.total_cmp(b.1))
        .unwrap()
        .0;
    assert_eq!(
        outcome.trees.len(),
        best,
        "the trees up to the best are kept"
    );
    assert_eq!(
        losses.len(),
        best + 4 + 1,
        "and boosting ends when patience does"
    );
}

#[test]
fn a_lost_site_begins_the_run_again_with_the_others() {
    let (columns, sites) = heart_with_gaps("num");
    let recipe = Gbdt {
        trees: 3,
        ..Gbdt::new(names(&columns), "num".into(), Loss::Logistic)
    };
    let want = boost(&recipe, &sites[..3]);
    for lost in [1, 5, 9] {
        let present = |round| {
            sites
                .iter()
                .take(if round < lost { 4 } else { 3 })
                .collect()
        };
        let got = run_to_end(&recipe, present).0.unwrap();
        assert_eq!(
            got.rounds,
            lost + 1 + want.rounds,
            "one round is laid aside, then a whole run"
        );
        assert_eq!(
            GbdtOutcome {
                rounds: want.rounds,
                ..got
            },
            want
        );
    }
}

/// Rows of a small table from a few numbers: a column with gaps, one with ties, and an outcome.
fn small_table(numbers: &[(u16, u8, bool)]) -> Vec<Vec<f64>> {
    let row = |(a, b, y): &(u16, u8, bool)| {
        let gap = if a % 7 == 0 {
            f64::NAN
        } else {
            f64::from(*a) / 16.0 - 100.0
        };
        vec![gap, f64::from(b % 5), f64::from(u8::from(*y))]
    };
    numbers.iter().map(row).collect()
}

fn small_recipe(loss: Loss, by: u32) -> Gbdt {
    let factor = f64::from(by);
    Gbdt {
        trees: 3,
        bins: 8,
        lambda: factor,
        gamma: 0.01 * factor,
        min_child_weight: 0.5 * factor,
        min_rows: 2 * by,
        ..Gbdt::new(names(&["a", "b"]), "y".into(), loss)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_trees_do_not_depend_on_where_rows_lie(
        numbers in prop::collection::vec((any::<u16>(), any::<u8>(), any::<bool>()), 40..160),
        sites in 1_usize..36,
        deal in any::<u64>(),
        squared in any::<bool>(),
    ) {
        let rows = small_table(&numbers);
        prop_assume!(rows.iter().any(|row| row[2] == 1.0) && rows.iter().any(|row| row[2] == 0.0));
        let loss = if squared { Loss::Squared } else { Loss::Logistic };
        let one = [Site::new("all", &rows)];
        let (whole, state) = run_to_end(&small_recipe(loss, 1), |_| one.iter().collect());
        // A class may be held out altogether: then no partition has a fit.
        prop_assume!(whole.is_ok());
        let whole = whole.unwrap();

        let mut parts = vec![Vec::new(); sites];
        for (at, row) in rows.iter().enumerate() {
            parts[((deal ^ at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % sites].push(row.clone());
        }
        let parts: Vec<Site> = parts
            .iter()
            .enumerate()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(at, rows)| Site::new(&at.to_string(), rows))
            .collect();
        let (dealt, of_parts) = run_to_end(&small_recipe(loss, 1), |_| parts.iter().collect());
        same(&dealt.unwrap(), &whole);
        prop_assert_eq!(edges(&of_parts), edges(&state));

        // Every patient twice, at two sites, with twice the thresholds: the same trees, and gains
        // twice as large.
        let twice = [Site::new("a", &rows), Site::new("b", &rows)];
        let twice = boost(&small_recipe(loss, 2), &twice);
        prop_assert_eq!(&twice.history, &whole.history);
        for (a, b) in twice.trees.iter().flat_map(|tree| &tree.nodes).zip(whole.trees.iter().flat_map(|tree| &tree.nodes)) {
            match (a, b) {
                (Node::Split(a), Node::Split(b)) => {
                    prop_assert_eq!((a.column, a.edge, a.missing_left, a.gain), (b.column, b.edge, b.missing_left, 2.0 * b.gain));
                }
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let recipe = small_recipe(Loss::Logistic, 1);
    let fit = |recipe: &Gbdt, row: &dyn Fn(f64) -> Vec<f64>| {
        let rows: Vec<Vec<f64>> = (0..60).map(|at| row(f64::from(at))).collect();
        let site = Site::new("a", &rows);
        Recipe::from(recipe.clone()).alone(&site.rows(), &mut rng(1))
    };
    let y = |at: f64| f64::from(u8::from((at * 7.0) % 11.0 > 5.0));
    assert!(fit(&recipe, &|at| vec![at, at, y(at)]).is_ok());
    assert_eq!(
        fit(&recipe, &|at| vec![at, at, 1.0]),
        Err(RecipeError::OneClass {
            outcome: "y".into()
        })
    );
    assert_eq!(
        fit(&recipe, &|at| vec![1.5, f64::NAN, y(at)]),
        Err(RecipeError::Constant { column: "a".into() })
    );
    assert_eq!(
        fit(&recipe, &|at| vec![at, 2e12, y(at)]),
        Err(RecipeError::TooLarge {
            column: "b".into(),
            rows: 60
        })
    );
    assert_eq!(
        fit(&recipe, &|at| vec![at, at, 0.5 * y(at)]),
        Err(RecipeError::NotBinary {
            outcome: "y".into(),
            rows: (0..60).filter(|at| y(f64::from(*at)) == 1.0).count()
        })
    );
    let number = small_recipe(Loss::Squared, 1);
    assert_eq!(
        fit(&number, &|at| vec![
            at,
            at,
            if at == 4.0 { f64::NAN } else { at }
        ]),
        Err(RecipeError::NotFinite {
            column: "y".into(),
            rows: 1
        })
    );
    // An outcome without spread has no tree and no error.
    let Ok(Outcome::Gbdt(flat)) = fit(&number, &|at| vec![at, at, -7.5]) else {
        panic!("no trees")
    };
    assert_eq!((flat.trees.len(), flat.base), (0, -7.5));
    let Fit::Numbers { rmse, r2 } = flat.fit else {
        panic!("no numbers")
    };
    assert!(rmse == 0.0 && r2.is_none());
}

#[test]
fn parameters_out_of_range_are_named_by_their_key() {
    let key = |change: &dyn Fn(&mut Gbdt)| {
        let mut recipe = small_recipe(Loss::Logistic, 1);
        change(&mut recipe);
        match Recipe::from(recipe).check() {
            Err(RecipeError::Parameter { name, .. }) => name,
            other => panic!("accepted: {other:?}"),
        }
    };
    assert_eq!(key(&|recipe| recipe.trees = 0), "trees");
    assert_eq!(key(&|recipe| recipe.depth = 9), "depth");
    assert_eq!(key(&|recipe| recipe.learning_rate = 0.0), "learning_rate");
    assert_eq!(key(&|recipe| recipe.lambda = f64::NAN), "lambda");
    assert_eq!(key(&|recipe| recipe.gamma = -1.0), "gamma");
    assert_eq!(
        key(&|recipe| recipe.min_child_weight = -1.0),
        "min_child_weight"
    );
    assert_eq!(key(&|recipe| recipe.min_rows = 0), "min_rows");
    assert_eq!(key(&|recipe| recipe.bins = 65), "bins");
    assert_eq!(key(&|recipe| recipe.column_share = 0.0), "column_share");
    assert_eq!(key(&|recipe| recipe.validation = 0.6), "validation");
    assert_eq!(key(&|recipe| recipe.patience = 0), "patience");
    assert_eq!(key(&|recipe| recipe.columns.clear()), "features");
}

#[test]
fn a_run_moves_through_fixed_states() {
    let numbers: Vec<(u16, u8, bool)> = (0..120_u16)
        .map(|at| (at.wrapping_mul(9973), (at % 11) as u8, at * 7 % 13 > 6))
        .collect();
    let rows = small_table(&numbers);
    let sites = [Site::new("a", &rows[..50]), Site::new("b", &rows[50..])];
    // Up to the evaluation: scores of the logistic fit are summed with the platform's own
    // logarithm.
    let root = |loss| {
        let recipe = Recipe::from(small_recipe(loss, 1));
        let mut state = recipe.start(Digest([3; 32]));
        while state.progress().phase != "evaluate" {
            state = round(&recipe, &state, &sites.iter().collect::<Vec<_>>())
                .unwrap()
                .unwrap();
        }
        state.root().short()
    };
    assert_eq!(
        (root(Loss::Logistic), root(Loss::Squared)),
        ("3fcc0011".into(), "6c809a29".into())
    );
}

#[test]
fn a_site_may_evaluate_the_final_model_on_its_own_rows() {
    for (outcome, loss) in [("num", Loss::Logistic), ("thalach", Loss::Squared)] {
        let (columns, sites) = heart_with_gaps(outcome);
        let recipe = Gbdt {
            trees: 5,
            ..Gbdt::new(names(&columns), outcome.into(), loss)
        };
        let wrapped = Recipe::from(recipe.clone());
        let mut state = wrapped.start(Digest([3; 32]));
        while state.progress().phase != "evaluate" {
            state = round(&wrapped, &state, &sites.iter().collect::<Vec<_>>())
                .unwrap()
                .unwrap();
        }
        // The same set, as the site's own report takes it, but one site's sum.
        let set = state.pass.set.unwrap();
        while let Some(question) = wrapped.ask(&state, 1).unwrap() {
            let answer = wrapped
                .answer(
                    &state,
                    &question,
                    &sites[0].rows(),
                    &motet_recipes::Memory::default(),
                    &mut rng(1),
                )
                .unwrap();
            let sum =
                motet_secagg::fold::plain_sum(&question.layout, set, vec![answer.update]).unwrap();
            state = wrapped.absorb(&state, &sum).unwrap();
        }
        let Ok(Outcome::Gbdt(own)) = wrapped.outcome(&state) else {
            panic!("no trees")
        };
        assert_eq!(own.trees, boost(&recipe, &sites).trees);
        match own.fit {
            Fit::Classes {
                metrics,
                calibration,
                ..
            } => {
                assert!(metrics.auc > 0.7);
                assert!(
                    calibration.iter().map(|group| group.rows).sum::<u64>() < 100,
                    "a fifth of 303 rows"
                );
            }
            Fit::Numbers { rmse, r2 } => assert!(rmse > 10.0 && rmse < 30.0 && r2.unwrap() < 1.0),
        }
    }
}

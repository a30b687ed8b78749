//! Sites whose patients are divided into groups, a run over them, and the figures of their rows
//! computed directly.

use super::*;
use motet_recipes::{
    Figures, Findings, GroupFindings, RiskFigures, Shown, Subgroup, SubgroupKind, Subgroups, Why,
};

/// A site with what divides its patients.
#[derive(Clone)]
pub struct Ward {
    pub site: Site,
    pub groups: Array2<f64>,
    pub slot: Option<u32>,
    /// How many of its rows, the last ones, are held out.
    pub held_out: usize,
}

impl Ward {
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            groups: Some(self.groups.view()),
            slot: self.slot,
            held_out: self.held_out,
            ..self.site.rows()
        }
    }
}

pub fn column(name: &str, kind: SubgroupKind) -> Subgroup {
    Subgroup {
        column: name.into(),
        kind,
    }
}

pub fn asked(groups: Vec<Subgroup>, sites: bool) -> Subgroups {
    Subgroups {
        groups,
        sites,
        min_cell: 5,
        min_sites: 3,
    }
}

/// Sex, age bands, and a category of three levels that one patient in nine has no value of.
pub fn groups() -> Vec<Subgroup> {
    vec![
        column("male", SubgroupKind::YesNo),
        column("age", SubgroupKind::Bands(vec![50.0, 65.0, 80.0])),
        column("arm", SubgroupKind::Category(names(&["a", "b", "c"]))),
    ]
}

/// Sites of the stroke or heart table (age first, sex second) that tell or do not.
pub fn wards(sites: Vec<Site>, tells: impl Fn(usize) -> bool) -> Vec<Ward> {
    let mut row = 0;
    let ward = |(at, site): (usize, Site)| {
        let groups = Array2::from_shape_fn((site.x.nrows(), 3), |(at, column)| match column {
            0 => site.x[[at, 1]],
            1 => site.x[[at, 0]],
            _ if (row + at) % 9 == 4 => f64::NAN,
            _ => ((row + at) % 7 % 3) as f64,
        });
        row += site.x.nrows();
        Ward {
            groups,
            site,
            slot: tells(at).then_some(at as u32),
            held_out: 0,
        }
    };
    sites.into_iter().enumerate().map(ward).collect()
}

/// All rows of all wards in one list: features, outcome, groups.
pub fn lines(wards: &[Ward]) -> Vec<(Vec<f64>, f64, Vec<f64>)> {
    let of = |ward: &Ward| {
        let rows = ward
            .site
            .x
            .rows()
            .into_iter()
            .zip(&ward.site.y)
            .zip(ward.groups.rows());
        rows.map(|((x, y), groups)| (x.to_vec(), *y, groups.to_vec()))
            .collect::<Vec<_>>()
    };
    wards.iter().flat_map(of).collect()
}

/// The same rows at that many other sites.
pub fn dealt(wards: &[Ward], sites: usize) -> Vec<Ward> {
    let all = lines(wards);
    let deal = |site: usize| {
        let mine: Vec<_> = all
            .iter()
            .enumerate()
            .filter(|(at, _)| at * at % 61 % sites == site)
            .map(|(_, line)| line)
            .collect();
        let width = mine[0].0.len();
        let x = Array2::from_shape_fn((mine.len(), width), |(row, column)| mine[row].0[column]);
        let y: Array1<f64> = mine.iter().map(|line| line.1).collect();
        let groups =
            Array2::from_shape_fn((mine.len(), mine[0].2.len()), |(row, at)| mine[row].2[at]);
        let site = Site {
            name: format!("dealt {site}"),
            x,
            y,
            time: None,
            group: None,
        };
        Ward {
            site,
            groups,
            slot: None,
            held_out: 0,
        }
    };
    (0..sites).map(deal).collect()
}

pub fn step(recipe: &Recipe, state: &State, wards: &[&Ward]) -> Option<Result<State, RecipeError>> {
    let state = State::from_bytes(&state.to_bytes()).unwrap();
    let question = recipe.ask(&state, wards.len() as u32).unwrap()?;
    let answer = |ward: &&Ward| {
        recipe
            .answer(
                &state,
                &question,
                &ward.rows(),
                &Memory::default(),
                &mut rng(1),
            )
            .unwrap()
            .update
    };
    let updates = wards.iter().map(answer).collect();
    let ids: Vec<&[u8]> = wards.iter().map(|ward| ward.site.name.as_bytes()).collect();
    let sum = plain_sum(&question.layout, Digest::of("test/set", &ids), updates).unwrap();
    Some(recipe.absorb(&state, &sum))
}

/// The run with the wards that `present` picks of a roster of all.
pub fn finish_with(
    recipe: &Recipe,
    wards: &[Ward],
    present: impl Fn(&State) -> Vec<usize>,
) -> State {
    let mut state = recipe.start_among(Digest([3; 32]), wards.len() as u32);
    let mut roots = std::collections::BTreeSet::from([state.root()]);
    for _ in 0..300 {
        let here: Vec<&Ward> = present(&state).into_iter().map(|at| &wards[at]).collect();
        match step(recipe, &state, &here) {
            Some(next) => state = next.unwrap(),
            None => return state,
        }
        assert!(roots.insert(state.root()), "a state root repeats");
    }
    panic!("the run does not end");
}

pub fn finish(recipe: &Recipe, wards: &[Ward]) -> (Outcome, Findings) {
    let state = finish_with(recipe, wards, |_| (0..wards.len()).collect());
    (
        recipe.outcome(&state).unwrap(),
        recipe.findings(&state).unwrap().unwrap(),
    )
}

pub fn near(got: f64, want: f64, what: &str) {
    assert!(
        (got - want).abs() <= 1e-12 * (1.0 + want.abs()),
        "{what}: {got} instead of {want}"
    );
}

pub fn risk(figures: &Figures) -> &RiskFigures {
    let Figures::Risk(figures) = figures else {
        panic!("a number: {figures:?}")
    };
    figures
}

pub fn figures<'a>(findings: &'a Findings, group: &str, level: &str) -> &'a Figures {
    match shown(findings, group, level) {
        Shown::Figures(figures) => figures,
        Shown::Hidden(why) => panic!("{group}, {level}: {why:?}"),
    }
}

pub fn group<'a>(findings: &'a Findings, name: &str) -> &'a GroupFindings {
    findings
        .groups
        .iter()
        .find(|group| group.column == name)
        .unwrap()
}

pub fn shown<'a>(findings: &'a Findings, of: &str, level: &str) -> &'a Shown {
    &group(findings, of)
        .levels
        .iter()
        .find(|found| found.name == level)
        .unwrap()
        .shown
}

/// Which level a patient is in, worked out without the recipe.
pub fn level_of(group: usize, value: f64) -> &'static str {
    match group {
        _ if value.is_nan() => "missing",
        0 => ["no", "yes"][value as usize],
        1 if value < 50.0 => "below 50",
        1 if value < 65.0 => "50 to below 65",
        1 if value < 80.0 => "65 to below 80",
        1 => "80 and above",
        _ => ["a", "b", "c"][value as usize],
    }
}

pub const GROUPS: [(&str, &[&str]); 3] = [
    ("male", &["no", "yes"]),
    (
        "age",
        &[
            "below 50",
            "50 to below 65",
            "65 to below 80",
            "80 and above",
        ],
    ),
    ("arm", &["a", "b", "c", "missing"]),
];

/// Holds the figures of rows (risk, outcome) to what is computed from them directly, pair by pair.
pub fn is_of(found: &RiskFigures, rows: &[(f64, f64)], what: &str) {
    let n = rows.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| rows.iter().map(of).sum::<f64>() / n;
    type Pairs<'a> = Vec<&'a (f64, f64)>;
    let (events, others): (Pairs<'_>, Pairs<'_>) = rows.iter().partition(|(_, y)| *y == 1.0);
    assert_eq!(
        (found.rows, found.events),
        (rows.len() as u64, events.len() as u64),
        "{what}"
    );
    near(found.brier, mean(&|(p, y)| (p - y) * (p - y)), what);
    near(found.expected, mean(&|(p, _)| *p), what);
    near(found.observed, events.len() as f64 / n, what);
    near(
        found.accuracy,
        mean(&|(p, y)| f64::from(u8::from((*p >= 0.5) == (*y == 1.0)))),
        what,
    );
    let high = |rows: &[&(f64, f64)]| rows.iter().filter(|(p, _)| *p >= 0.5).count() as f64;
    near(
        found.sensitivity.unwrap(),
        high(&events) / events.len() as f64,
        what,
    );
    near(
        found.specificity.unwrap(),
        1.0 - high(&others) / others.len() as f64,
        what,
    );
    let mut won = 0.0;
    for (event, _) in &events {
        for (other, _) in &others {
            won += if event > other {
                1.0
            } else {
                f64::from(u8::from(event == other)) / 2.0
            };
        }
    }
    let auc = won / (events.len() * others.len()) as f64;
    let got = found.auc.unwrap();
    assert!(
        (got.estimate - auc).abs() <= found.auc_error_bound + 1e-12,
        "{what}: {got:?}, {auc}"
    );
    assert!(
        got.low < got.estimate && got.estimate < got.high,
        "{what}: {got:?}"
    );
    let ratio = found.ratio.unwrap();
    near(ratio.estimate, found.observed / found.expected, what);
    assert!(
        ratio.low < ratio.estimate && ratio.estimate < ratio.high,
        "{what}: {ratio:?}"
    );
}

/// Every level of the three groups against the risks that a test computed; says how many were
/// shown.
pub fn holds(findings: &Findings, all: &[(f64, f64, Vec<f64>)]) -> usize {
    let mut count = 0;
    for (at, (name, levels)) in GROUPS.iter().enumerate() {
        for level in *levels {
            let rows: Vec<(f64, f64)> = all
                .iter()
                .filter(|(_, _, groups)| level_of(at, groups[at]) == *level)
                .map(|(p, y, _)| (*p, *y))
                .collect();
            let events = rows.iter().filter(|(_, y)| *y == 1.0).count();
            match shown(findings, name, level) {
                Shown::Figures(figures) => {
                    let found = risk(figures);
                    is_of(found, &rows, &format!("{name}, {level}"));
                    assert!(
                        found.auc_error_bound < 0.06
                            && found.auc_bins as usize <= motet_recipes::subgroups::MOST_BINS,
                        "{name} {level}: {found:?}"
                    );
                    count += 1;
                }
                Shown::Hidden(Why::Few) => {
                    assert!(events < 5 || rows.len() - events < 5, "{name} {level}")
                }
                Shown::Hidden(Why::Empty) => assert!(rows.is_empty(), "{name} {level}"),
                Shown::Hidden(why) => assert_eq!(*why, Why::Beside, "{name} {level}"),
            }
        }
        let merits: Vec<f64> = group(findings, name)
            .levels
            .iter()
            .filter_map(|level| match &level.shown {
                Shown::Figures(figures) => Some(figures.merit()),
                Shown::Hidden(_) => None,
            })
            .collect();
        assert!(
            merits.windows(2).all(|pair| pair[0] <= pair[1]),
            "the worst first: {merits:?}"
        );
    }
    count
}

/// Risks of all rows from the coefficients that the outcome tells, in the units of the columns.
pub fn from_coefficients(outcome: &Outcome, wards: &[Ward]) -> Vec<(f64, f64, Vec<f64>)> {
    let Outcome::Glm(fit) = outcome else {
        panic!("no logistic outcome")
    };
    let beta: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate).collect();
    let risk = |x: &[f64]| {
        let predictor = beta[0] + x.iter().zip(&beta[1..]).map(|(x, b)| x * b).sum::<f64>();
        1.0 / (1.0 + (-predictor).exp())
    };
    lines(wards)
        .into_iter()
        .map(|(x, y, groups)| (risk(&x), y, groups))
        .collect()
}

pub fn risk_of<'a>(findings: &'a Findings, group: &str, level: &str) -> &'a RiskFigures {
    risk(figures(findings, group, level))
}

/// The same of a number: (prediction, outcome, groups) of every row.
pub fn numbers_hold(findings: &Findings, all: &[(f64, f64, Vec<f64>)]) -> usize {
    let mut count = 0;
    for (at, (name, levels)) in GROUPS.iter().enumerate() {
        for level in *levels {
            let rows: Vec<&(f64, f64, Vec<f64>)> = all
                .iter()
                .filter(|(_, _, groups)| level_of(at, groups[at]) == *level)
                .collect();
            let Shown::Figures(Figures::Number(found)) = shown(findings, name, level) else {
                continue;
            };
            let what = format!("{name}, {level}");
            let n = rows.len() as f64;
            let mean = |of: &dyn Fn(f64, f64) -> f64| {
                rows.iter().map(|(m, y, _)| of(*m, *y)).sum::<f64>() / n
            };
            let middle = mean(&|_, y| y);
            let (mse, bias) = (mean(&|m, y| (y - m) * (y - m)), mean(&|m, y| y - m));
            assert_eq!(found.rows, rows.len() as u64, "{what}");
            let close = |got: f64, want: f64| {
                assert!(
                    (got - want).abs() <= 1e-9 * (1.0 + want.abs()),
                    "{what}: {got}, {want}"
                )
            };
            close(found.mse, mse);
            close(found.bias.estimate, bias);
            close(
                found.r_squared.unwrap(),
                1.0 - mse / mean(&|_, y| (y - middle) * (y - middle)),
            );
            let spread = (rows
                .iter()
                .map(|(m, y, _)| (y - m - bias) * (y - m - bias))
                .sum::<f64>()
                / (n - 1.0)
                / n)
                .sqrt();
            close(found.bias.high, bias + 1.959_963_984_540_054 * spread);
            count += 1;
        }
    }
    count
}

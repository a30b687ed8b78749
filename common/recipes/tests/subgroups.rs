//! A model by group and by site: the figures of one pooled table, however its rows lie at sites, and no others.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use common::*;
use motet_recipes::gbdt::{self, Node};
use motet_recipes::{
    Design, Family, FedAvg, Figures, Findings, Gbdt, Glm, GroupFindings, Logistic, Loss, Memory, Outcome,
    Recipe, RecipeError, RiskFigures, Rows, Shown, SiteFindings, State, Subgroup, SubgroupKind, Subgroups,
    Why,
};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use ndarray::{Array1, Array2};

/// A site with what divides its patients.
#[derive(Clone)]
struct Ward {
    site: Site,
    groups: Array2<f64>,
    slot: Option<u32>,
}

impl Ward {
    fn rows(&self) -> Rows<'_> {
        Rows { groups: Some(self.groups.view()), slot: self.slot, ..self.site.rows() }
    }
}

fn column(name: &str, kind: SubgroupKind) -> Subgroup {
    Subgroup { column: name.into(), kind }
}

fn asked(groups: Vec<Subgroup>, sites: bool) -> Subgroups {
    Subgroups { groups, sites, min_cell: 5, min_sites: 3 }
}

/// Sex, age bands, and a category of three levels that one patient in nine has no value of.
fn groups() -> Vec<Subgroup> {
    vec![
        column("male", SubgroupKind::YesNo),
        column("age", SubgroupKind::Bands(vec![50.0, 65.0, 80.0])),
        column("arm", SubgroupKind::Category(names(&["a", "b", "c"]))),
    ]
}

/// Sites of the stroke or heart table (age first, sex second) that tell or do not.
fn wards(sites: Vec<Site>, tells: impl Fn(usize) -> bool) -> Vec<Ward> {
    let mut row = 0;
    let ward = |(at, site): (usize, Site)| {
        let groups = Array2::from_shape_fn((site.x.nrows(), 3), |(at, column)| match column {
            0 => site.x[[at, 1]],
            1 => site.x[[at, 0]],
            _ if (row + at) % 9 == 4 => f64::NAN,
            _ => ((row + at) % 7 % 3) as f64,
        });
        row += site.x.nrows();
        Ward { groups, site, slot: tells(at).then_some(at as u32) }
    };
    sites.into_iter().enumerate().map(ward).collect()
}

/// All rows of all wards in one list: features, outcome, groups.
fn lines(wards: &[Ward]) -> Vec<(Vec<f64>, f64, Vec<f64>)> {
    let of = |ward: &Ward| {
        let rows = ward.site.x.rows().into_iter().zip(&ward.site.y).zip(ward.groups.rows());
        rows.map(|((x, y), groups)| (x.to_vec(), *y, groups.to_vec())).collect::<Vec<_>>()
    };
    wards.iter().flat_map(of).collect()
}

/// The same rows at so many other sites.
fn dealt(wards: &[Ward], sites: usize) -> Vec<Ward> {
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
        let groups = Array2::from_shape_fn((mine.len(), mine[0].2.len()), |(row, at)| mine[row].2[at]);
        let site = Site { name: format!("dealt {site}"), x, y, time: None, group: None };
        Ward { site, groups, slot: None }
    };
    (0..sites).map(deal).collect()
}

fn step(recipe: &Recipe, state: &State, wards: &[&Ward]) -> Option<Result<State, RecipeError>> {
    let state = State::from_bytes(&state.to_bytes()).unwrap();
    let question = recipe.ask(&state, wards.len() as u32).unwrap()?;
    let answer = |ward: &&Ward| {
        recipe.answer(&state, &question, &ward.rows(), &Memory::default(), &mut dice(1)).unwrap().update
    };
    let updates = wards.iter().map(answer).collect();
    let ids: Vec<&[u8]> = wards.iter().map(|ward| ward.site.name.as_bytes()).collect();
    let sum = plain_sum(&question.layout, Digest::of("test/set", &ids), updates).unwrap();
    Some(recipe.absorb(&state, &sum))
}

/// The run with the wards that `present` picks of a roster of all.
fn finish_with(recipe: &Recipe, wards: &[Ward], present: impl Fn(&State) -> Vec<usize>) -> State {
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

fn finish(recipe: &Recipe, wards: &[Ward]) -> (Outcome, Findings) {
    let state = finish_with(recipe, wards, |_| (0..wards.len()).collect());
    (recipe.outcome(&state).unwrap(), recipe.findings(&state).unwrap().unwrap())
}

fn near(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()), "{what}: {got} instead of {want}");
}

fn risk(figures: &Figures) -> &RiskFigures {
    let Figures::Risk(figures) = figures else { panic!("a number: {figures:?}") };
    figures
}

fn figures<'a>(findings: &'a Findings, group: &str, level: &str) -> &'a Figures {
    match shown(findings, group, level) {
        Shown::Figures(figures) => figures,
        Shown::Hidden(why) => panic!("{group}, {level}: {why:?}"),
    }
}

fn group<'a>(findings: &'a Findings, name: &str) -> &'a GroupFindings {
    findings.groups.iter().find(|group| group.column == name).unwrap()
}

fn shown<'a>(findings: &'a Findings, of: &str, level: &str) -> &'a Shown {
    &group(findings, of).levels.iter().find(|found| found.name == level).unwrap().shown
}

/// Which level a patient is in, worked out without the recipe.
fn level_of(group: usize, value: f64) -> &'static str {
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

const GROUPS: [(&str, &[&str]); 3] = [
    ("male", &["no", "yes"]),
    ("age", &["below 50", "50 to below 65", "65 to below 80", "80 and above"]),
    ("arm", &["a", "b", "c", "missing"]),
];

/// Holds the figures of rows (risk, outcome) to what is computed from them directly, pair by pair.
fn is_of(found: &RiskFigures, rows: &[(f64, f64)], what: &str) {
    let n = rows.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| rows.iter().map(of).sum::<f64>() / n;
    type Pairs<'a> = Vec<&'a (f64, f64)>;
    let (events, others): (Pairs<'_>, Pairs<'_>) = rows.iter().partition(|(_, y)| *y == 1.0);
    assert_eq!((found.rows, found.events), (rows.len() as u64, events.len() as u64), "{what}");
    near(found.brier, mean(&|(p, y)| (p - y) * (p - y)), what);
    near(found.expected, mean(&|(p, _)| *p), what);
    near(found.observed, events.len() as f64 / n, what);
    near(found.accuracy, mean(&|(p, y)| f64::from(u8::from((*p >= 0.5) == (*y == 1.0)))), what);
    let high = |rows: &[&(f64, f64)]| rows.iter().filter(|(p, _)| *p >= 0.5).count() as f64;
    near(found.sensitivity.unwrap(), high(&events) / events.len() as f64, what);
    near(found.specificity.unwrap(), 1.0 - high(&others) / others.len() as f64, what);
    let mut won = 0.0;
    for (event, _) in &events {
        for (other, _) in &others {
            won += if event > other { 1.0 } else { f64::from(u8::from(event == other)) / 2.0 };
        }
    }
    let auc = won / (events.len() * others.len()) as f64;
    let got = found.auc.unwrap();
    assert!((got.estimate - auc).abs() <= found.auc_error_bound + 1e-12, "{what}: {got:?}, {auc}");
    assert!(got.low < got.estimate && got.estimate < got.high, "{what}: {got:?}");
    let ratio = found.ratio.unwrap();
    near(ratio.estimate, found.observed / found.expected, what);
    assert!(ratio.low < ratio.estimate && ratio.estimate < ratio.high, "{what}: {ratio:?}");
}

/// Every level of the three groups against the risks that a test computed; says how many were shown.
fn holds(findings: &Findings, all: &[(f64, f64, Vec<f64>)]) -> usize {
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
                Shown::Hidden(Why::Few) => assert!(events < 5 || rows.len() - events < 5, "{name} {level}"),
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
        assert!(merits.windows(2).all(|pair| pair[0] <= pair[1]), "the worst first: {merits:?}");
    }
    count
}

/// Risks of all rows from the coefficients that the outcome tells, in the units of the columns.
fn from_coefficients(outcome: &Outcome, wards: &[Ward]) -> Vec<(f64, f64, Vec<f64>)> {
    let Outcome::Logistic(fit) = outcome else { panic!("no logistic outcome") };
    let beta: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate).collect();
    let risk = |x: &[f64]| {
        let predictor = beta[0] + x.iter().zip(&beta[1..]).map(|(x, b)| x * b).sum::<f64>();
        1.0 / (1.0 + (-predictor).exp())
    };
    lines(wards).into_iter().map(|(x, y, groups)| (risk(&x), y, groups)).collect()
}

#[test]
fn groups_of_ten_countries_are_those_of_one_table_however_rows_lie() {
    let countries = wards(stroke(), |_| false);
    let recipe = Recipe::Logistic(Logistic::new(names(&STROKE_COLUMNS), "dead14".into()));
    let judged = recipe.judged(asked(groups(), false));
    for wards in [countries.clone(), dealt(&countries, 3), dealt(&countries, 17)] {
        let (outcome, findings) = finish(&judged, &wards);
        let shown = holds(&findings, &from_coefficients(&outcome, &wards));
        assert_eq!(shown, 10, "{findings:?}");
        assert!(findings.sites.is_empty());
    }
}

#[test]
fn groups_of_four_hospitals_are_those_of_one_table() {
    let hospitals = wards(heart(), |_| false);
    let mut recipe = Logistic::new(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let judged = Recipe::Logistic(recipe).judged(asked(groups(), false));
    for wards in [hospitals.clone(), dealt(&hospitals, 3)] {
        let (outcome, findings) = finish(&judged, &wards);
        let shown = holds(&findings, &from_coefficients(&outcome, &wards));
        assert!(shown >= 8, "{shown}: {findings:?}");
    }
}

#[test]
fn the_judgement_changes_nothing_of_the_method() {
    let countries = wards(stroke(), |_| true);
    let recipe = Recipe::Logistic(Logistic::new(names(&STROKE_COLUMNS), "dead14".into()));
    let sites: Vec<Site> = countries.iter().map(|ward| ward.site.clone()).collect();
    let plain = logistic(run(&recipe, &sites));
    let (judged, _) = finish(&recipe.judged(asked(groups(), true)), &countries);
    let judged = logistic(Ok(judged));
    assert_eq!(judged.rounds, plain.rounds + 2);
    assert_eq!(motet_recipes::LogisticOutcome { rounds: plain.rounds, ..judged }, plain);
}

#[test]
fn a_site_tells_its_own_figures_where_it_may_and_zeros_where_it_may_not() {
    let tells = |at: usize| ![1, 4, 6].contains(&at);
    let countries = wards(stroke(), tells);
    let recipe = Recipe::Logistic(Logistic::new(names(&STROKE_COLUMNS), "dead14".into()));
    let (outcome, findings) = finish(&recipe.clone().judged(asked(groups(), true)), &countries);
    assert_eq!(findings.sites.len(), 10);
    for (at, (found, ward)) in findings.sites.iter().zip(&countries).enumerate() {
        match found {
            SiteFindings::Told(figures) => {
                assert!(tells(at), "{at} tells");
                let rows: Vec<(f64, f64)> = from_coefficients(&outcome, std::slice::from_ref(ward))
                    .into_iter()
                    .map(|(p, y, _)| (p, y))
                    .collect();
                let found = risk(figures);
                assert_eq!((found.auc_bins, found.auc_error_bound), (0, 0.0));
                // Computed at the site, so without bins; the scores are log odds there, and risks here.
                let exact = RiskFigures { auc_error_bound: 1e-11, ..found.clone() };
                is_of(&exact, &rows, &ward.site.name);
            }
            SiteFindings::NotTold => assert!(!tells(at), "{at} does not tell"),
            SiteFindings::Withheld => panic!("{at} is withheld"),
        }
    }
    // With one that does not tell, two more are withheld: it would follow from the total.
    let nine = wards(stroke(), |at| at != 2);
    let (_, findings) = finish(&recipe.judged(asked(Vec::new(), true)), &nine);
    let told = findings.sites.iter().filter(|site| matches!(site, SiteFindings::Told(_))).count();
    assert_eq!(
        (told, &findings.sites[9], &findings.sites[2]),
        (7, &SiteFindings::Withheld, &SiteFindings::NotTold)
    );
}

#[test]
fn a_site_with_few_of_a_class_does_not_tell_whatever_it_may() {
    // Switzerland has 5 patients without the disease among its complete rows, or fewer.
    let hospitals = wards(heart(), |_| true);
    let few = |ward: &Ward| {
        let events = ward.site.y.sum() as usize;
        events.min(ward.site.y.len() - events)
    };
    let smallest = hospitals.iter().map(few).min().unwrap() as u32;
    let mut recipe = Logistic::new(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let mut subgroups = asked(Vec::new(), true);
    subgroups.min_cell = smallest + 1;
    let (_, findings) = finish(&Recipe::Logistic(recipe).judged(subgroups), &hospitals);
    let told = findings.sites.iter().filter(|site| matches!(site, SiteFindings::Told(_))).count();
    assert_eq!(told, 1, "one is too small, and two are withheld beside it: {:?}", findings.sites);
}

#[test]
fn a_country_of_one_site_is_shown_only_where_that_site_tells() {
    let by_country = |wards: Vec<Ward>| -> Vec<Ward> {
        let at = |(at, ward): (usize, Ward)| {
            let groups = Array2::from_elem((ward.site.x.nrows(), 1), at as f64);
            Ward { groups, ..ward }
        };
        wards.into_iter().enumerate().map(at).collect()
    };
    let country = column("country", SubgroupKind::Category(names(&STROKE)));
    let recipe = Recipe::Logistic(Logistic::new(names(&STROKE_COLUMNS), "dead14".into()));
    let judged = |sites| recipe.clone().judged(asked(vec![country.clone()], sites));
    let hidden = |findings: &Findings| {
        let levels = &findings.groups[0].levels;
        levels.iter().filter(|level| matches!(level.shown, Shown::Hidden(Why::Sites | Why::Beside))).count()
    };
    let all_tell = by_country(wards(stroke(), |_| true));
    let (outcome, findings) = finish(&judged(true), &all_tell);
    assert_eq!(hidden(&findings), 0);
    for ward in &all_tell {
        let rows = from_coefficients(&outcome, std::slice::from_ref(ward));
        let rows: Vec<(f64, f64)> = rows.into_iter().map(|(p, y, _)| (p, y)).collect();
        is_of(risk(figures(&findings, "country", &ward.site.name)), &rows, &ward.site.name);
    }
    // Sites are not asked for their figures: then a country is no way around that.
    let (_, findings) = finish(&judged(false), &all_tell);
    assert_eq!(hidden(&findings), 10);
    let three_do_not = by_country(wards(stroke(), |at| at > 2));
    let (_, findings) = finish(&judged(true), &three_do_not);
    assert_eq!(hidden(&findings), 3);
    assert_eq!(*shown(&findings, "country", "BELG"), Shown::Hidden(Why::Sites));
}

#[test]
fn every_method_with_risks_is_judged_by_the_model_it_releases() {
    let hospitals = wards(heart(), |_| false);
    let columns = names(&HEART_COLUMNS);
    let families = [Family::Logistic, Family::Quasibinomial].map(|family| {
        let mut glm = Glm::new(Design::plain(columns.clone()), "y".into(), family);
        glm.ridge = 1.0;
        Recipe::Glm(glm)
    });
    for recipe in families {
        let (outcome, findings) = finish(&recipe.judged(asked(groups(), false)), &hospitals);
        let Outcome::Glm(fit) = outcome else { panic!("no glm") };
        let beta: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate).collect();
        let risk = |x: &[f64]| {
            1.0 / (1.0 + (-beta[0] - x.iter().zip(&beta[1..]).map(|(x, b)| x * b).sum::<f64>()).exp())
        };
        let all: Vec<_> = lines(&hospitals).into_iter().map(|(x, y, g)| (risk(&x), y, g)).collect();
        if fit.family == Family::Logistic {
            assert!(holds(&findings, &all) >= 8);
        } else {
            assert!(numbers_hold(&findings, &all) >= 8);
        }
    }
    let averaged = Recipe::FedAvg(FedAvg {
        hidden: vec![4],
        rounds: 3,
        batch: 0,
        ..FedAvg::new(columns.clone(), "y".into())
    });
    let (outcome, findings) = finish(&averaged.judged(asked(groups(), false)), &hospitals);
    let model = fedavg(Ok(outcome));
    let layer = |name: &str| &model.layers.iter().find(|layer| layer.name == name).unwrap().values;
    let risk = |x: &[f64]| {
        let z: Vec<f64> = x
            .iter()
            .zip(layer("standardise.mean"))
            .zip(layer("standardise.sd"))
            .map(|((x, m), s)| (x - m) / s)
            .collect();
        let unit = |weights: &[f64], bias: f64, input: &[f64]| {
            weights.iter().zip(input).map(|(w, x)| w * x).sum::<f64>() + bias
        };
        let hidden: Vec<f64> = layer("layers.0.weight")
            .chunks(z.len())
            .zip(layer("layers.0.bias"))
            .map(|(w, b)| unit(w, *b, &z).tanh())
            .collect();
        1.0 / (1.0 + (-unit(layer("layers.1.weight"), layer("layers.1.bias")[0], &hidden)).exp())
    };
    let all: Vec<_> = lines(&hospitals).into_iter().map(|(x, y, g)| (risk(&x), y, g)).collect();
    assert!(holds(&findings, &all) >= 8);
}

fn walk(model: &motet_recipes::GbdtOutcome, x: &[f64]) -> f64 {
    model.trees.iter().fold(model.base, |score, tree| {
        let mut at = 0;
        loop {
            match &tree.nodes[at] {
                Node::Leaf(value) => return score + value,
                Node::Split(split) => {
                    let value = x[split.column as usize];
                    let left = if value.is_nan() { split.missing_left } else { value < split.edge };
                    at = split.left as usize + usize::from(!left);
                }
            }
        }
    })
}

#[test]
fn trees_are_judged_on_the_rows_they_were_not_grown_on() {
    let countries = wards(stroke(), |_| true);
    let boost = |loss, validation| {
        let columns = names(&STROKE_COLUMNS);
        Gbdt { trees: 5, depth: 2, validation, ..Gbdt::new(columns, "dead14".into(), loss) }
    };
    let all_rows = Recipe::Gbdt(boost(gbdt::Loss::Logistic, 0.0)).judged(asked(groups(), false));
    let (outcome, findings) = finish(&all_rows, &countries);
    let Outcome::Gbdt(model) = outcome else { panic!("no trees") };
    let risk = |x: &[f64]| 1.0 / (1.0 + (-walk(&model, x)).exp());
    let all: Vec<_> = lines(&countries).into_iter().map(|(x, y, g)| (risk(&x), y, g)).collect();
    // Five small trees give few scores: many ties, which the bound covers.
    for (at, (name, levels)) in GROUPS.iter().enumerate() {
        for level in *levels {
            let rows: Vec<(f64, f64)> = all
                .iter()
                .filter(|(_, _, groups)| level_of(at, groups[at]) == *level)
                .map(|(p, y, _)| (*p, *y))
                .collect();
            is_of(risk_of(&findings, name, level), &rows, level);
        }
    }
    let held_out = Recipe::Gbdt(boost(gbdt::Loss::Logistic, 0.3)).judged(asked(groups(), true));
    let (outcome, findings) = finish(&held_out, &countries);
    let Outcome::Gbdt(model) = outcome else { panic!("no trees") };
    let of = |name: &str| {
        group(&findings, name)
            .levels
            .iter()
            .filter_map(|level| match &level.shown {
                Shown::Figures(figures) => Some(figures.rows()),
                Shown::Hidden(_) => None,
            })
            .sum::<u64>()
    };
    assert_eq!((of("male"), of("age")), (model.held, model.held));
    let told = findings.sites.iter().map(|site| match site {
        SiteFindings::Told(figures) => figures.rows(),
        _ => 0,
    });
    assert_eq!(told.sum::<u64>(), model.held);
}

fn risk_of<'a>(findings: &'a Findings, group: &str, level: &str) -> &'a RiskFigures {
    risk(figures(findings, group, level))
}

/// The same of a number: (prediction, outcome, groups) of every row.
fn numbers_hold(findings: &Findings, all: &[(f64, f64, Vec<f64>)]) -> usize {
    let mut count = 0;
    for (at, (name, levels)) in GROUPS.iter().enumerate() {
        for level in *levels {
            let rows: Vec<&(f64, f64, Vec<f64>)> =
                all.iter().filter(|(_, _, groups)| level_of(at, groups[at]) == *level).collect();
            let Shown::Figures(Figures::Number(found)) = shown(findings, name, level) else { continue };
            let what = format!("{name}, {level}");
            let n = rows.len() as f64;
            let mean =
                |of: &dyn Fn(f64, f64) -> f64| rows.iter().map(|(m, y, _)| of(*m, *y)).sum::<f64>() / n;
            let middle = mean(&|_, y| y);
            let (mse, bias) = (mean(&|m, y| (y - m) * (y - m)), mean(&|m, y| y - m));
            assert_eq!(found.rows, rows.len() as u64, "{what}");
            let close = |got: f64, want: f64| {
                assert!((got - want).abs() <= 1e-9 * (1.0 + want.abs()), "{what}: {got}, {want}")
            };
            close(found.mse, mse);
            close(found.bias.estimate, bias);
            close(found.r_squared.unwrap(), 1.0 - mse / mean(&|_, y| (y - middle) * (y - middle)));
            let spread =
                (rows.iter().map(|(m, y, _)| (y - m - bias) * (y - m - bias)).sum::<f64>() / (n - 1.0) / n)
                    .sqrt();
            close(found.bias.high, bias + 1.959_963_984_540_054 * spread);
            count += 1;
        }
    }
    count
}

#[test]
fn numbers_are_judged_by_their_squared_error_and_their_bias() {
    // Blood pressure from the other columns; then the number of deficits as a count.
    let without = |column: usize| {
        let sites = stroke().into_iter().map(|site| {
            let y = site.x.column(column).to_owned();
            let keep: Vec<usize> = (0..site.x.ncols()).filter(|at| *at != column).collect();
            Site { x: site.x.select(ndarray::Axis(1), &keep), y, ..site }
        });
        let columns: Vec<String> = STROKE_COLUMNS
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != column)
            .map(|(_, name)| (*name).to_owned())
            .collect();
        (wards(sites.collect(), |at| at > 3), columns)
    };
    for (column, family) in
        [(3, Family::Linear), (3, Family::Gamma), (7, Family::Poisson), (7, Family::Quasipoisson)]
    {
        let (sites, columns) = without(column);
        let recipe = Recipe::Glm(Glm::new(Design::plain(columns), STROKE_COLUMNS[column].into(), family));
        let recipe = recipe.judged(asked(groups(), true));
        let (outcome, findings) = finish(&recipe, &sites);
        let Outcome::Glm(fit) = outcome else { panic!("no glm") };
        let beta: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate).collect();
        let mean = |x: &[f64]| {
            let predictor = beta[0] + x.iter().zip(&beta[1..]).map(|(x, b)| x * b).sum::<f64>();
            if family == Family::Linear { predictor } else { predictor.exp() }
        };
        let all: Vec<_> = lines(&sites).into_iter().map(|(x, y, g)| (mean(&x), y, g)).collect();
        assert_eq!(numbers_hold(&findings, &all), 10, "{family:?}");
        let told: Vec<u64> = findings
            .sites
            .iter()
            .map(|site| match site {
                SiteFindings::Told(figures) => figures.rows(),
                _ => 0,
            })
            .collect();
        let want: Vec<u64> =
            sites.iter().map(|ward| ward.slot.map_or(0, |_| ward.site.y.len() as u64)).collect();
        assert_eq!(told, want);
    }
    let (sites, columns) = without(3);
    let averaged =
        FedAvg { loss: Loss::Number, rounds: 3, batch: 0, ..FedAvg::new(columns.clone(), "sbp".into()) };
    let (outcome, findings) = finish(&Recipe::FedAvg(averaged).judged(asked(groups(), false)), &sites);
    let Outcome::FedNumber(model) = outcome else { panic!("no number") };
    let layer = |name: &str| &model.layers.iter().find(|layer| layer.name == name).unwrap().values;
    let mean = |x: &[f64]| {
        let z = x
            .iter()
            .zip(layer("standardise.mean"))
            .zip(layer("standardise.sd"))
            .map(|((x, m), s)| (x - m) / s);
        let f = z.zip(layer("layers.0.weight")).map(|(z, w)| z * w).sum::<f64>() + layer("layers.0.bias")[0];
        layer("outcome.mean")[0] + layer("outcome.sd")[0] * f
    };
    let all: Vec<_> = lines(&sites).into_iter().map(|(x, y, g)| (mean(&x), y, g)).collect();
    assert_eq!(numbers_hold(&findings, &all), 10);
    let trees =
        Gbdt { trees: 3, depth: 2, validation: 0.0, ..Gbdt::new(columns, "sbp".into(), gbdt::Loss::Squared) };
    let (outcome, findings) = finish(&Recipe::Gbdt(trees).judged(asked(groups(), false)), &sites);
    let Outcome::Gbdt(model) = outcome else { panic!("no trees") };
    let all: Vec<_> = lines(&sites).into_iter().map(|(x, y, g)| (walk(&model, &x), y, g)).collect();
    assert_eq!(numbers_hold(&findings, &all), 10);
}

#[test]
fn a_site_that_is_lost_at_the_end_takes_its_rows_out_of_the_fit_too() {
    let hospitals = wards(heart(), |_| true);
    let mut recipe = Logistic::new(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    for lost_in in ["levels", "subgroups"] {
        let exact = Recipe::Logistic(recipe.clone()).judged(asked(groups(), true));
        let gone = std::cell::Cell::new(false);
        let state = finish_with(&exact, &hospitals, |state| {
            gone.set(gone.get() || state.progress().phase == lost_in);
            if gone.get() { vec![0, 1, 2] } else { vec![0, 1, 2, 3] }
        });
        let (outcome, findings) = (exact.outcome(&state).unwrap(), exact.findings(&state).unwrap().unwrap());
        let fit = logistic(Ok(outcome.clone()));
        let rows: u64 = hospitals[..3].iter().map(|ward| ward.site.y.len() as u64).sum();
        assert_eq!((fit.sites, fit.rows), (3, rows));
        holds(&findings, &from_coefficients(&outcome, &hospitals[..3]));
        assert_eq!(findings.sites[3], SiteFindings::NotTold, "its place is empty");
        let plain = Recipe::Logistic(recipe.clone());
        let three: Vec<Site> = hospitals[..3].iter().map(|ward| ward.site.clone()).collect();
        assert_eq!(fit.coefficients, logistic(run(&plain, &three)).coefficients);

        let averaged = FedAvg { rounds: 3, batch: 0, ..FedAvg::new(names(&HEART_COLUMNS), "y".into()) };
        let averaged = Recipe::FedAvg(averaged).judged(asked(groups(), false));
        let gone = std::cell::Cell::new(false);
        let state = finish_with(&averaged, &hospitals, |state| {
            gone.set(gone.get() || state.progress().phase == lost_in);
            if gone.get() { vec![0, 1, 2] } else { vec![0, 1, 2, 3] }
        });
        let model = fedavg(averaged.outcome(&state));
        assert_eq!(
            (model.rows, model.history.len()),
            (rows, 3),
            "what was trained stays, what is measured does not"
        );
        let findings = averaged.findings(&state).unwrap().unwrap();
        let of_sex = &group(&findings, "male").levels;
        let told: u64 = of_sex
            .iter()
            .map(|level| match &level.shown {
                Shown::Figures(figures) => figures.rows(),
                Shown::Hidden(_) => 0,
            })
            .sum();
        assert_eq!(told, rows);
    }
}

#[test]
fn answers_that_no_honest_sites_give_are_refused() {
    let hospitals = wards(heart(), |_| true);
    let mut recipe = Logistic::new(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let judged = Recipe::Logistic(recipe).judged(asked(groups(), true));
    let all: Vec<&Ward> = hospitals.iter().collect();
    let ids: Vec<&[u8]> = hospitals.iter().map(|ward| ward.site.name.as_bytes()).collect();
    let set = Digest::of("test/set", &ids);
    let mut state = judged.start_among(Digest([3; 32]), 4);
    let mut tried = 0;
    while let Some(question) = judged.ask(&state, 4).unwrap() {
        if ["levels", "subgroups"].contains(&question.phase) {
            let answer = |ward: &&Ward| {
                judged
                    .answer(&state, &question, &ward.rows(), &Memory::default(), &mut dice(1))
                    .unwrap()
                    .update
            };
            let sum = plain_sum(&question.layout, set, all.iter().map(answer).collect()).unwrap();
            assert!(judged.absorb(&state, &sum).is_ok());
            let counted = question.layout.blocks[0].len as usize;
            // The first and last of each block: counts, sums, and what sites tell of their AUC.
            let mut places = vec![0, 1, 2, 3, counted / 2, counted - 1];
            places.extend(
                [counted, sum.values.len() - 1].into_iter().filter(|_| question.phase == "subgroups"),
            );
            for at in places {
                let mut wrong = sum.clone();
                wrong.values[at] += 1000.0;
                let refused = judged.absorb(&state, &wrong);
                assert!(
                    matches!(refused, Err(RecipeError::Implausible { .. })),
                    "{}, {at}: {refused:?}",
                    question.phase
                );
                tried += 1;
            }
            let mut short = sum.clone();
            short.values.pop();
            assert!(judged.absorb(&state, &short).is_err());
        }
        state = step(&judged, &state, &all).unwrap().unwrap();
    }
    assert_eq!(tried, 14);
}

#[test]
fn tables_and_recipes_that_do_not_fit_are_refused() {
    let hospitals = wards(heart(), |_| true);
    let mut recipe = Logistic::new(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let judged = Recipe::Logistic(recipe).judged(asked(groups(), true));
    let all: Vec<&Ward> = hospitals.iter().collect();
    let mut state = judged.start_among(Digest([3; 32]), 4);
    while judged.ask(&state, 4).unwrap().unwrap().phase != "levels" {
        state = step(&judged, &state, &all).unwrap().unwrap();
    }
    let question = judged.ask(&state, 4).unwrap().unwrap();
    let answer = |rows: &Rows<'_>| {
        let answered = judged.answer(&state, &question, rows, &Memory::default(), &mut dice(1));
        answered.map(|_| ()).unwrap_err().to_string()
    };
    let ward = &hospitals[0];
    let without = answer(&ward.site.rows());
    assert!(without.contains("`male`"), "{without}");
    let mut odd = ward.groups.clone();
    odd[[0, 0]] = 3.0;
    let odd = answer(&Rows { groups: Some(odd.view()), ..ward.rows() });
    assert!(odd.contains("`male`") && odd.contains("1 rows"), "{odd}");
    // A study that asks sites and has no roster.
    let plain = judged.start(Digest([3; 32]));
    let mut state = plain;
    let refused = loop {
        match judged.ask(&state, 4) {
            Ok(_) => state = step(&judged, &state, &all).unwrap().unwrap(),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, RecipeError::Mismatch { what: "state" });
    for recipe in [
        Recipe::Summary(motet_recipes::Summary::new(names(&["a"]))),
        Recipe::Glm(Glm {
            weight: true,
            ..Glm::new(Design::plain(names(&["a"])), "y".into(), Family::Linear)
        }),
        Recipe::FedAvg(FedAvg {
            loss: Loss::Time("t".into()),
            batch: 0,
            ..FedAvg::new(names(&["a"]), "y".into())
        }),
    ] {
        let refused = recipe.judged(asked(groups(), false)).check().unwrap_err().to_string();
        assert!(refused.contains("`evaluation`"), "{refused}");
    }
}

#[test]
fn a_judged_recipe_is_not_judged_again_and_bytes_do_not_nest() {
    let plain = Recipe::Logistic(Logistic::new(names(&["a"]), "y".into()));
    let once = plain.clone().judged(asked(groups(), false));
    assert_eq!(once.clone().judged(asked(groups(), false)), once);
    assert_eq!((once.method(), plain.method(), once.kind()), (&plain, &plain, "logistic"));
    assert_eq!(Recipe::from_bytes(&once.to_bytes()).unwrap(), once);
    // A hundred thousand marks in front must be an error and not the end of the process.
    let deep: Vec<u8> = std::iter::repeat_n(9, 100_000).chain(once.to_bytes()).collect();
    assert!(Recipe::from_bytes(&deep).is_err() && State::from_bytes(&deep).is_err());
}

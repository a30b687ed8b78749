//! Rows that are held out: no fit sees them, and the finished model does on them as one pooled table
//! of them says, computed here row by row.

use crate::common::survival::stroke_followup;
use crate::common::wards::*;
use crate::common::*;
use motet_recipes::gbdt::Loss as Split;
use motet_recipes::subgroups::{MOST_BINS, Part, Parts};
use motet_recipes::{
    Cox, Design, Family, FedAvg, Figures, Gbdt, Glm, Interval, Outcome, Recipe, RiskFigures, Shown,
    SiteFindings, Subgroups, Why,
};

const Z: f64 = 1.959_963_984_540_054;

/// The rows in an order in which about that share comes last, and is held out.
fn holding_out(wards: &[Ward], share: usize) -> Vec<Ward> {
    let is_out = |at: usize| (at * 7919 + 13) % 97 < share;
    let ward = |ward: &Ward| {
        let rows = ward.site.x.nrows();
        let (out, fitted): (Vec<usize>, Vec<usize>) = (0..rows).partition(|at| is_out(*at));
        let order = [fitted, out.clone()].concat();
        of(ward, &order, out.len())
    };
    wards.iter().map(ward).collect()
}

/// These rows of a ward, of which that many are held out.
fn of(ward: &Ward, rows: &[usize], held_out: usize) -> Ward {
    let axis = ndarray::Axis(0);
    let column = |of: &ndarray::Array1<f64>| of.select(axis, rows);
    Ward {
        site: Site {
            name: ward.site.name.clone(),
            x: ward.site.x.select(axis, rows),
            y: column(&ward.site.y),
            time: ward.site.time.as_ref().map(column),
            group: ward.site.group.as_ref().map(column),
        },
        groups: ward.groups.select(axis, rows),
        slot: ward.slot,
        held_out,
    }
}

/// The fitted rows as a table of their own, or those held out.
fn part(wards: &[Ward], held_out: bool) -> Vec<Ward> {
    let of_ward = |ward: &Ward| {
        let rows = ward.site.x.nrows();
        let fitted = rows - ward.held_out;
        let rows: Vec<usize> = if held_out { fitted..rows } else { 0..fitted }.collect();
        of(ward, &rows, 0)
    };
    wards.iter().map(of_ward).collect()
}

fn both(groups: Vec<motet_recipes::Subgroup>, sites: bool) -> Subgroups {
    asked(groups, sites).with_held_out()
}

fn of_risk(part: &Part) -> &RiskFigures {
    match &part.shown {
        Shown::Figures(figures) => risk(figures),
        Shown::Hidden(why) => panic!("{why:?}"),
    }
}

fn close(got: f64, want: f64, within: f64, what: &str) {
    assert!(
        (got - want).abs() <= within * (1.0 + want.abs()),
        "{what}: {got}, {want}"
    );
}

fn is_interval(got: Interval, want: f64, error: f64, what: &str) {
    close(got.estimate, want, 1e-8, what);
    close(got.low, want - Z * error, 1e-8, what);
    close(got.high, want + Z * error, 1e-8, what);
}

/// The calibration line of rows (risk, outcome), by Newton's method, with its errors.
fn line(rows: &[(f64, f64)]) -> [(f64, f64); 2] {
    let (mut a, mut b, mut covariance) = (0.0, 1.0, [0.0; 3]);
    for _ in 0..60 {
        let (mut gradient, mut information) = ([0.0; 2], [0.0; 3]);
        for (p, y) in rows {
            let x = (p / (1.0 - p)).ln();
            let q = 1.0 / (1.0 + (-(a + b * x)).exp());
            let w = q * (1.0 - q);
            gradient[0] += y - q;
            gradient[1] += (y - q) * x;
            for (sum, term) in information.iter_mut().zip([w, w * x, w * x * x]) {
                *sum += term;
            }
        }
        let [aa, ab, bb] = information;
        let determinant = aa * bb - ab * ab;
        covariance = [bb / determinant, -ab / determinant, aa / determinant];
        a += covariance[0] * gradient[0] + covariance[1] * gradient[1];
        b += covariance[1] * gradient[0] + covariance[2] * gradient[1];
    }
    [(a, covariance[0].sqrt()), (b, covariance[2].sqrt())]
}

/// The variance of the area under the ROC curve after DeLong, with its rows as they are.
fn delong(rows: &[(f64, f64)]) -> f64 {
    let (events, others): (Vec<&(f64, f64)>, Vec<_>) = rows.iter().partition(|(_, y)| *y == 1.0);
    let over = |high: f64, low: f64| {
        f64::from(u8::from(high > low)) + 0.5 * f64::from(u8::from(high == low))
    };
    let variance = |placed: Vec<f64>| {
        let n = placed.len() as f64;
        let mean = placed.iter().sum::<f64>() / n;
        placed.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0) / n
    };
    let (e, o) = (events.len() as f64, others.len() as f64);
    variance(
        events
            .iter()
            .map(|(p, _)| others.iter().map(|(q, _)| over(*p, *q)).sum::<f64>() / o)
            .collect(),
    ) + variance(
        others
            .iter()
            .map(|(q, _)| events.iter().map(|(p, _)| over(*p, *q)).sum::<f64>() / e)
            .collect(),
    )
}

/// Holds a part to its rows (risk, outcome).
fn holds_of(part: &Part, rows: &[(f64, f64)], what: &str) {
    let found = of_risk(part);
    is_of(found, rows, what);
    assert!(
        found.auc_bins as usize <= MOST_BINS,
        "the bins of any level"
    );
    assert!(found.auc_error_bound < 0.02, "{found:?}");
    let auc = found.auc.unwrap();
    let logit = |share: f64| (share / (1.0 - share)).ln();
    let area = auc.estimate;
    let half = Z * delong(rows).sqrt() / (area * (1.0 - area));
    close(logit(auc.low), logit(area) - half, 0.01, what);
    close(logit(auc.high), logit(area) + half, 0.01, what);
    let [(a, error_a), (b, error_b)] = line(rows);
    let found_line = part.line.unwrap();
    is_interval(found_line.intercept, a, error_a, what);
    is_interval(found_line.slope, b, error_b, what);
    // Wilson's ends are where the normal test of the share just does not reject.
    let accuracy = part.accuracy.unwrap();
    close(accuracy.estimate, found.accuracy, 1e-12, what);
    for end in [accuracy.low, accuracy.high] {
        let n = rows.len() as f64;
        let z = (accuracy.estimate - end).abs() / (end * (1.0 - end) / n).sqrt();
        close(z, Z, 1e-8, what);
    }
}

fn two(rows: &[(f64, f64, Vec<f64>)]) -> Vec<(f64, f64)> {
    rows.iter().map(|(p, y, _)| (*p, *y)).collect()
}

#[test]
fn the_fit_is_that_of_the_rest_and_both_parts_are_judged_as_one_table_says() {
    let countries = holding_out(&wards(stroke(), |_| false), 20);
    let (fitted, others) = (part(&countries, false), part(&countries, true));
    for ridge in [0.0, 50.0] {
        let mut method = Glm::logistic(names(&STROKE_COLUMNS), "dead14".into());
        method.ridge = ridge;
        let plain = Recipe::from(method);
        let (found, findings) = finish(&plain.clone().judged(both(Vec::new(), false)), &countries);
        let (outcome, _) = finish(&plain.judged(asked(groups(), false)), &fitted);
        let rest = logistic(Ok(outcome.clone()));
        let found = crate::common::LogisticFit {
            rounds: rest.rounds,
            ..logistic(Ok(found))
        };
        assert_eq!(found, rest, "no sum of the fit has seen those held out");
        let Parts {
            fitted: on_fitted,
            held_out,
        } = findings.parts.as_ref().unwrap();
        holds_of(
            on_fitted,
            &two(&from_coefficients(&outcome, &fitted)),
            "fitted",
        );
        holds_of(
            held_out,
            &two(&from_coefficients(&outcome, &others)),
            "held out",
        );
        assert!(findings.groups.is_empty() && findings.sites.is_empty());
        // The same sums as the method's own evaluation.
        let Outcome::Glm(fit) = &outcome else {
            panic!("no logistic outcome")
        };
        let metrics = &fit.evaluation.as_ref().unwrap().metrics;
        let figures = of_risk(on_fitted);
        let off = (figures.auc.unwrap().estimate - metrics.auc).abs();
        assert!(off <= figures.auc_error_bound + metrics.auc_error_bound);
        close(figures.brier, metrics.brier, 1e-12, "brier");
        close(
            on_fitted.line.unwrap().slope.estimate,
            metrics.calibration_slope,
            1e-8,
            "slope",
        );
    }
}

#[test]
fn groups_and_sites_are_judged_on_fitted_rows() {
    let countries = holding_out(&wards(stroke(), |_| true), 20);
    let fitted = part(&countries, false);
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
    let (_, with) = finish(&recipe.clone().judged(both(groups(), true)), &countries);
    let (_, without) = finish(&recipe.judged(asked(groups(), true)), &fitted);
    assert_eq!(with.groups, without.groups);
    let rows = |found: &SiteFindings| match found {
        SiteFindings::Told(figures) => figures.rows(),
        _ => 0,
    };
    assert_eq!(with.sites, without.sites);
    assert!(with.sites.iter().map(rows).sum::<u64>() > 1000);
    assert!(with.parts.is_some() && without.parts.is_none());
}

#[test]
fn a_part_of_few_patients_is_not_shown_and_the_other_is() {
    let countries = holding_out(&wards(stroke(), |_| false), 20);
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
    let events = |wards: &[Ward]| {
        wards
            .iter()
            .map(|ward| ward.site.y.sum() as u32)
            .sum::<u32>()
    };
    let least = events(&part(&countries, true)) + 1;
    let many = Subgroups {
        min_cell: least,
        ..both(Vec::new(), false)
    };
    let (_, findings) = finish(&recipe.clone().judged(many), &countries);
    let parts = findings.parts.unwrap();
    assert_eq!(parts.held_out.shown, Shown::Hidden(Why::Few));
    assert!(parts.held_out.line.is_none() && parts.held_out.accuracy.is_none());
    assert!(parts.fitted.line.is_some() && of_risk(&parts.fitted).rows > 1000);
    // One fewer and both are shown; a part of too few sites is not.
    let just = Subgroups {
        min_cell: least - 1,
        ..both(Vec::new(), false)
    };
    let (_, findings) = finish(&recipe.clone().judged(just), &countries);
    assert!(findings.parts.unwrap().held_out.line.is_some());
    let sites = Subgroups {
        min_sites: 11,
        ..both(Vec::new(), false)
    };
    let (_, findings) = finish(&recipe.judged(sites), &countries);
    assert_eq!(
        findings.parts.unwrap().held_out.shown,
        Shown::Hidden(Why::Sites)
    );
}

#[test]
fn a_part_whose_events_are_at_one_or_two_hospitals_is_not_shown() {
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
    let with = |having: usize| {
        let mut countries = holding_out(&wards(stroke(), |_| false), 20);
        for ward in countries.iter_mut().skip(having) {
            let rows = ward.site.y.len();
            let out = ward.site.y.iter_mut().skip(rows - ward.held_out);
            out.for_each(|y| *y = 0.0);
        }
        let asked = Subgroups {
            min_sites: 3,
            ..both(Vec::new(), false)
        };
        let (_, findings) = finish(&recipe.clone().judged(asked), &countries);
        findings.parts.unwrap()
    };
    let parts = with(2);
    assert_eq!(parts.held_out.shown, Shown::Hidden(Why::Sites));
    assert!(of_risk(&parts.fitted).rows > 1000);
    assert!(of_risk(&with(3).held_out).events >= 5);
}

#[test]
fn a_site_that_holds_nobody_out_does_not_answer() {
    let countries = wards(stroke(), |_| false);
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()))
        .judged(both(Vec::new(), false));
    let plain = recipe.bare();
    let holding = holding_out(&countries, 20);
    let mut state = finish_with(&plain, &part(&holding, false), |_| {
        (0..countries.len()).collect()
    });
    state.judgement = recipe.start_among(Default::default(), 10).judgement;
    let question = recipe.ask(&state, 10).unwrap().unwrap();
    let answer = |ward: &Ward| {
        let memory = motet_recipes::Memory::default();
        recipe.answer(&state, &question, &ward.rows(), &memory, &mut rng(1))
    };
    assert!(answer(&holding[0]).is_ok());
    let refused = answer(&countries[0]).err().unwrap();
    assert_eq!(refused, motet_recipes::RecipeError::NothingHeldOut);
}

#[test]
fn numbers_times_trees_and_averages_are_judged_on_both_parts() {
    let countries = holding_out(&wards(stroke(), |_| false), 20);
    let others: usize = countries.iter().map(|ward| ward.held_out).sum();
    let rows = |part: &Part| match &part.shown {
        Shown::Figures(figures) => figures.rows(),
        Shown::Hidden(why) => panic!("{why:?}"),
    };
    let columns = names(&STROKE_COLUMNS);
    let linear = Glm::new(
        Design::plain(columns.clone()),
        "dead14".into(),
        Family::Linear,
    );
    let (outcome, findings) = finish(
        &Recipe::from(linear).judged(both(Vec::new(), false)),
        &countries,
    );
    let parts = findings.parts.unwrap();
    for (of, part_of) in [(&parts.fitted, false), (&parts.held_out, true)] {
        let Outcome::Glm(fit) = &outcome else {
            panic!("no fit")
        };
        let beta: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate).collect();
        let lines = lines(&part(&countries, part_of));
        let error = |(x, y, _): &(Vec<f64>, f64, Vec<f64>)| {
            y - beta[0] - x.iter().zip(&beta[1..]).map(|(x, b)| x * b).sum::<f64>()
        };
        let n = lines.len() as f64;
        let Shown::Figures(Figures::Number(found)) = &of.shown else {
            panic!("{of:?}")
        };
        assert_eq!(found.rows, lines.len() as u64);
        close(
            found.mse,
            lines
                .iter()
                .map(|line| error(line) * error(line))
                .sum::<f64>()
                / n,
            1e-8,
            "mse",
        );
        close(
            found.bias.estimate,
            lines.iter().map(error).sum::<f64>() / n,
            1e-8,
            "bias",
        );
        assert!(of.line.is_none() && of.accuracy.is_none());
    }
    for validation in [0.0, 0.3] {
        let trees = Gbdt {
            trees: 5,
            validation,
            ..Gbdt::new(columns.clone(), "dead14".into(), Split::Logistic)
        };
        let (outcome, findings) = finish(
            &Recipe::from(trees).judged(both(Vec::new(), false)),
            &countries,
        );
        let Outcome::Gbdt(model) = outcome else {
            panic!("no trees")
        };
        let parts = findings.parts.unwrap();
        let measured = if validation > 0.0 {
            model.held
        } else {
            model.rows
        };
        assert_eq!(
            (rows(&parts.fitted), rows(&parts.held_out)),
            (measured, others as u64)
        );
        assert!(of_risk(&parts.held_out).auc.unwrap().estimate > 0.7);
    }
    let averaged = FedAvg {
        rounds: 2,
        batch: 0,
        ..FedAvg::new(columns, "dead14".into())
    };
    let (_, findings) = finish(
        &Recipe::from(averaged).judged(both(Vec::new(), false)),
        &countries,
    );
    assert_eq!(rows(&findings.parts.unwrap().held_out), others as u64);
    let followup = stroke_followup();
    let cohorts = holding_out(&wards(followup.tables(), |_| false), 20);
    let cox = Cox::new(
        followup.columns.clone(),
        "days".into(),
        "died".into(),
        followup.grid,
    );
    let (_, findings) = finish(&Recipe::from(cox).judged(both(Vec::new(), false)), &cohorts);
    let held_out = findings.parts.unwrap().held_out;
    let Shown::Figures(Figures::Time(found)) = &held_out.shown else {
        panic!("{held_out:?}")
    };
    assert!(found.c_index.unwrap().estimate > 0.6, "{found:?}");
}

/// Three wards of 100 rows with one column, of which 10 each are held out; the last of those of the
/// first ward has this `x` and `y`.
fn with_one_at(x: f64, y: f64) -> Vec<Ward> {
    let ward = |name: usize| {
        let mut rows: Vec<Vec<f64>> = (0..100)
            .map(|at| {
                let x = ((at * 37 + name * 11) % 100) as f64 / 25.0 - 2.0;
                let chance = ((at * 53 + name * 29) % 101) as f64 / 25.0 - 2.0;
                vec![x, f64::from(u8::from(x + 1.5 * chance > 0.5))]
            })
            .collect();
        if name == 0 {
            rows[99] = vec![x, y];
        }
        let site = Site::new(&format!("ward {name}"), &rows);
        Ward {
            groups: ndarray::Array2::zeros((100, 0)),
            site,
            slot: None,
            held_out: 10,
        }
    };
    (0..3).map(ward).collect()
}

fn one_column(family: Family) -> Recipe {
    let columns = names(&["x"]);
    let method = match family {
        Family::Logistic => Glm::logistic(columns, "y".into()),
        _ => Glm::new(Design::plain(columns), "y".into(), family),
    };
    Recipe::from(method).judged(both(Vec::new(), false))
}

#[test]
fn a_part_with_a_patient_far_from_all_others_is_not_shown_whatever_the_outcome() {
    for family in [Family::Logistic, Family::Linear, Family::Poisson] {
        for y in [0.0, 1.0] {
            let parts = |x: f64| {
                let (_, findings) = finish(&one_column(family), &with_one_at(x, y));
                findings.parts.unwrap()
            };
            let Parts { fitted, held_out } = parts(15.0);
            assert_eq!(held_out.shown, Shown::Hidden(Why::Unlike), "{family:?} {y}");
            assert!(held_out.line.is_none() && held_out.accuracy.is_none());
            // Of the others nothing follows from it.
            assert!(matches!(fitted.shown, Shown::Figures(_)), "{family:?} {y}");
            assert_eq!(fitted.line.is_some(), family == Family::Logistic);
            // Among the others the same patient is one of thirty.
            let near = parts(1.5).held_out;
            assert!(matches!(near.shown, Shown::Figures(_)), "{family:?} {y}");
        }
    }
}

#[test]
fn no_figure_of_a_part_is_asked_for_before_it_is_known_that_nobody_is_alone_in_it() {
    let recipe = one_column(Family::Logistic);
    let asked = |x: f64| {
        let wards = with_one_at(x, 1.0);
        let mut state = recipe.start_among(Default::default(), 3);
        let mut asked = Vec::new();
        while let Some(question) = recipe.ask(&state, 3).unwrap() {
            asked.push((question.phase, question.layout.elements()));
            let here: Vec<&Ward> = wards.iter().collect();
            state = step(&recipe, &state, &here).unwrap().unwrap();
        }
        let at = asked.iter().position(|(phase, _)| *phase == "levels");
        asked.split_off(at.unwrap())
    };
    let (alone, all) = (asked(15.0), asked(1.5));
    assert_eq!(all[..3], alone[..3]);
    assert_eq!(all[1..3], [("predictions", 6), ("unlike", 2)]);
    // The second sum has the fitted part alone, and one line.
    assert_eq!((all[3].0, alone[3].0), ("subgroups", "subgroups"));
    assert_eq!(all[3].1, 2 * alone[3].1);
    assert_eq!((all[4], alone[4]), (("line", 10), ("line", 5)));
}

#[test]
fn a_prediction_that_no_sum_holds_hides_its_part_and_the_run_goes_on() {
    // exp of it is no number; of the linear fit its square is beyond the limbs, or the outcome's is.
    for (family, x, y) in [
        (Family::Poisson, 5e3, 1.0),
        (Family::Linear, 1e14, 1.0),
        (Family::Linear, 1.5, 1e14),
    ] {
        let mut wards = with_one_at(x, y);
        if family == Family::Linear {
            // A number of more values than 0 and 1.
            let halves = wards.iter_mut().map(|ward| &mut ward.site.y);
            halves.for_each(|y| *y += 0.5);
        }
        let (_, findings) = finish(&one_column(family), &wards);
        let parts = findings.parts.unwrap();
        assert_eq!(parts.held_out.shown, Shown::Hidden(Why::Unlike));
        assert!(matches!(parts.fitted.shown, Shown::Figures(_)));
    }
}

//! What follows a Cox fit, against direct sums over one table: the check of proportional hazards,
//! the baseline hazard and the concordance.

use crate::common::survival::*;
use crate::common::*;
use motet_recipes::cox::CoxOutcome;
use motet_recipes::{Clock, Concordance, Cox, Grid, Outcome, Recipe, Strata, Ties, Times};

fn fit(recipe: &Cox, sites: &[Site]) -> CoxOutcome {
    match run(&Recipe::from(recipe.clone()), sites) {
        Ok(Outcome::Cox(outcome)) => outcome,
        other => panic!("no cox outcome: {other:?}"),
    }
}

/// `u' matrix^-1 u` by elimination with pivoting, on plain rows.
fn quadratic(mut matrix: Vec<Vec<f64>>, u: &[f64]) -> f64 {
    let size = u.len();
    for (row, u) in matrix.iter_mut().zip(u) {
        row.push(*u);
    }
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|a, b| {
                matrix[*a][column]
                    .abs()
                    .total_cmp(&matrix[*b][column].abs())
            })
            .unwrap();
        matrix.swap(column, pivot);
        let line = matrix[column].clone();
        for (at, row) in matrix
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| *at != column)
        {
            let part = row[column] / line[column];
            row.iter_mut()
                .zip(&line)
                .for_each(|(cell, line)| *cell -= part * line);
            assert!(at < size);
        }
    }
    (0..size)
        .map(|at| u[at] * matrix[at][size] / matrix[at][at])
        .sum()
}

/// All sums in the columns' own units, risk set by risk set, as the definitions have them.
struct Direct {
    /// Of g(t) z.
    score: Vec<f64>,
    /// (b, theta) x (b, theta).
    information: Vec<Vec<f64>>,
    /// At the means.
    hazard: Vec<(f64, f64)>,
}

fn direct(patients: &[Patient], fit: &CoxOutcome, ties: Ties, clock: Clock) -> Direct {
    let p = fit.means.len();
    let centred = |patient: &Patient| {
        patient
            .x
            .iter()
            .zip(&fit.means)
            .map(|(x, mean)| x - mean)
            .collect::<Vec<f64>>()
    };
    let rows: Vec<(Vec<f64>, f64, &Patient)> = patients
        .iter()
        .map(|patient| {
            let z = centred(patient);
            let score: f64 = z
                .iter()
                .zip(&fit.coefficients)
                .map(|(z, b)| z * b.estimate)
                .sum();
            (z, score.exp(), patient)
        })
        .collect();
    let mut times: Vec<f64> = patients
        .iter()
        .filter(|row| row.event == 1.0)
        .map(|row| row.days)
        .collect();
    times.sort_by(f64::total_cmp);
    times.dedup();
    let mut out = Direct {
        score: vec![0.0; p],
        information: vec![vec![0.0; 2 * p]; 2 * p],
        hazard: Vec::new(),
    };
    let (mut survival, mut hazard) = (1.0, 0.0);
    for time in times {
        let at_risk = || rows.iter().filter(|(_, _, row)| row.days >= time);
        let events: Vec<_> = at_risk()
            .filter(|(_, _, row)| row.days == time && row.event == 1.0)
            .collect();
        let (n, d) = (at_risk().count() as f64, events.len() as f64);
        let g = if clock == Clock::Km {
            1.0 - survival
        } else {
            time
        };
        survival *= 1.0 - d / n;
        for (z, _, _) in &events {
            out.score
                .iter_mut()
                .zip(z)
                .for_each(|(sum, z)| *sum += g * z);
        }
        for l in 0..events.len() {
            let f = if ties == Ties::Efron {
                l as f64 / d
            } else {
                0.0
            };
            let weight = |row: &(Vec<f64>, f64, &Patient)| {
                let tied = row.2.days == time && row.2.event == 1.0;
                row.1 * if tied { 1.0 - f } else { 1.0 }
            };
            let total: f64 = at_risk().map(weight).sum();
            hazard += 1.0 / total;
            let mean: Vec<f64> = (0..p)
                .map(|j| at_risk().map(|row| weight(row) * row.0[j]).sum::<f64>() / total)
                .collect();
            for j in 0..p {
                out.score[j] -= g * mean[j];
                for k in 0..p {
                    let second: f64 = at_risk()
                        .map(|row| weight(row) * row.0[j] * row.0[k])
                        .sum::<f64>()
                        / total;
                    let variance = second - mean[j] * mean[k];
                    out.information[j][k] += variance;
                    out.information[j][p + k] += g * variance;
                    out.information[p + j][k] += g * variance;
                    out.information[p + j][p + k] += g * g * variance;
                }
            }
        }
        out.hazard.push((time, hazard));
    }
    out
}

impl Direct {
    fn test(&self, columns: &[usize]) -> f64 {
        let p = self.score.len();
        let keep: Vec<usize> = (0..p).chain(columns.iter().map(|at| p + at)).collect();
        let pick = |row: &usize| {
            keep.iter()
                .map(|column| self.information[*row][*column])
                .collect()
        };
        let u: Vec<f64> = (0..keep.len())
            .map(|at| {
                if at < p {
                    0.0
                } else {
                    self.score[columns[at - p]]
                }
            })
            .collect();
        quadratic(keep.iter().map(pick).collect(), &u)
    }
}

fn checks_agree(cohort: &Cohort, ties: Ties, clock: Clock) {
    let recipe = Cox {
        ties,
        clock,
        min_cell: 0,
        ..Cox::new(cohort.columns.clone(), "t".into(), "e".into(), cohort.grid)
    };
    let got = fit(&recipe, &cohort.tables());
    let want = direct(&cohort.patients(), &got, ties, clock);
    let check = got.proportionality.as_ref().unwrap();
    let close = |got: f64, want: f64, what: &str| {
        assert!(
            (got - want).abs() <= 1e-7 * (1.0 + want),
            "{what}: {got} instead of {want}"
        );
    };
    for (at, (name, test)) in check.columns.iter().enumerate() {
        close(test.unwrap().statistic, want.test(&[at]), name);
        assert_eq!(test.unwrap().df, 1);
    }
    let all: Vec<usize> = (0..cohort.columns.len()).collect();
    close(check.global.unwrap().statistic, want.test(&all), "global");
    assert_eq!(check.global.unwrap().df as usize, all.len());
    assert_eq!(got.baseline.len(), 1);
    assert_eq!(got.baseline[0].hazard.len(), want.hazard.len());
    for (got, want) in got.baseline[0].hazard.iter().zip(&want.hazard) {
        assert_eq!(got.0, want.0);
        assert_close(got.1, want.1, "baseline hazard");
    }
    // With small steps joined, the same hazard at fewer times.
    let joined = fit(
        &Cox {
            min_cell: 5,
            ..recipe
        },
        &cohort.tables(),
    )
    .baseline
    .remove(0)
    .hazard;
    assert!(joined.len() <= got.events as usize / 5 && joined.len() > 10);
    assert!(
        joined
            .iter()
            .all(|step| got.baseline[0].hazard.contains(step))
    );
}

#[test]
fn checks_and_baseline_are_those_of_direct_sums() {
    for ties in [Ties::Efron, Ties::Breslow] {
        for clock in [Clock::Km, Clock::Identity] {
            checks_agree(&breast("breast_tcga_cox"), ties, clock);
        }
    }
    let mut tied = stroke_followup();
    tied.sites.truncate(3);
    for (_, patients) in &mut tied.sites {
        patients.truncate(300);
        // The direct sums know no horizon.
        for patient in patients.iter_mut().filter(|patient| patient.days > 182.0) {
            (patient.days, patient.event) = (182.0, 0.0);
        }
    }
    checks_agree(&tied, Ties::Efron, Clock::Km);
}

#[test]
fn concordance_bounds_hold_the_share_of_all_pairs() {
    for cohort in [breast("breast_tcga_cox"), stroke_followup()] {
        let recipe = Cox::new(cohort.columns.clone(), "t".into(), "e".into(), cohort.grid);
        let pooled = [site("all", &cohort.patients())];
        // One site with its own risk sets counts every pair.
        let alone = Cox {
            strata: Strata::Site,
            clock: Clock::Off,
            ..recipe.clone()
        };
        let exact = fit(&alone, &pooled).concordance;
        let binned = fit(&recipe, &cohort.tables()).concordance;
        let want = cohort.reference["cox_efron"]["cindex"].as_f64().unwrap();
        assert!(
            (exact.index - want).abs() < 1e-12 && exact.error_bound == 0.0,
            "{exact:?} {want}"
        );
        assert!(
            (binned.index - want).abs() <= binned.error_bound && binned.error_bound < 0.02,
            "{binned:?}"
        );
    }
}

/// The concordance of the binned histogram, and that of every pair of one table.
fn both(cohort: &Cohort) -> (Concordance, f64) {
    let recipe = Cox::new(cohort.columns.clone(), "t".into(), "e".into(), cohort.grid);
    let alone = Cox {
        strata: Strata::Site,
        clock: Clock::Off,
        ..recipe.clone()
    };
    let exact = fit(&alone, &[site("all", &cohort.patients())]).concordance;
    let binned = fit(&recipe, &cohort.tables()).concordance;
    assert!(
        (binned.index - exact.index).abs() <= binned.error_bound + 1e-12,
        "{binned:?} {exact:?}"
    );
    (binned, exact.index)
}

/// The cohort with these columns alone.
fn only(mut cohort: Cohort, columns: &[usize]) -> Cohort {
    cohort.columns = columns
        .iter()
        .map(|at| cohort.columns[*at].clone())
        .collect();
    for (_, patients) in &mut cohort.sites {
        patients
            .iter_mut()
            .for_each(|patient| patient.x = columns.iter().map(|at| patient.x[*at]).collect());
    }
    cohort
}

/// Columns of zeros and ones, both often.
fn yes_no(cohort: &Cohort) -> Vec<usize> {
    let patients = cohort.patients();
    let often = |at: &usize| {
        let x: Vec<f64> = patients.iter().map(|patient| patient.x[*at]).collect();
        let yes = x.iter().sum::<f64>();
        x.iter().all(|x| *x == 0.0 || *x == 1.0) && yes > 40.0 && yes + 40.0 < x.len() as f64
    };
    (0..cohort.columns.len()).filter(often).collect()
}

#[test]
fn equal_scores_of_yes_no_columns_are_in_no_doubt() {
    for cohort in [breast("breast_tcga_cox"), stroke_followup()] {
        let yes_no = yes_no(&cohort);
        for (columns, most) in [(1, 0.002), (2, 0.0025), (3, 0.004)] {
            let (binned, exact) = both(&only(cohort.clone(), &yes_no[..columns]));
            assert!(binned.error_bound < most, "{columns}: {binned:?} {exact}");
        }
        // So few times that each has a bin: then nothing is in doubt.
        let year = cohort.grid.horizon / 50.0;
        let mut coarse = only(cohort, &yes_no[..1]);
        coarse.grid = Grid {
            step: year,
            times: Times::Grid,
            ..coarse.grid
        };
        for patient in coarse.sites.iter_mut().flat_map(|(_, patients)| patients) {
            patient.days = (patient.days / year).ceil() * year;
        }
        let (binned, exact) = both(&coarse);
        assert!(
            (binned.index - exact).abs() < 1e-12 && binned.error_bound < 1e-12,
            "{binned:?} {exact}"
        );
    }
}

#[test]
fn a_column_that_only_looks_like_yes_and_no_has_the_bound_of_numbers() {
    let cohort = stroke_followup();
    let yes_no = yes_no(&cohort);
    let mut odd = only(cohort, &yes_no[..1]);
    // Four patients of one site, whose squares have the sum of their values: so has the column as a
    // whole.
    for (patient, x) in odd.sites[0].1.iter_mut().zip([0.5, 0.5, 0.5, 1.5]) {
        patient.x = vec![x];
    }
    let (binned, _) = both(&odd);
    assert!(binned.error_bound > 0.1, "{binned:?}");
}

#[test]
fn a_site_alone_gives_its_own_fit() {
    let cohort = breast("breast_tcga_cox");
    let columns = ["age_at_index", "ajcc_pathologic_stage_stage_iiia"];
    let at = columns.map(|name| {
        cohort
            .columns
            .iter()
            .position(|column| column == name)
            .unwrap()
    });
    let cut: Vec<Patient> = cohort.sites[0]
        .1
        .iter()
        .map(|patient| Patient {
            x: at.map(|at| patient.x[at]).to_vec(),
            ..patient.clone()
        })
        .collect();
    let recipe = Cox::new(names(&columns), "t".into(), "e".into(), cohort.grid);
    let alone = Recipe::from(recipe.clone()).alone(&site("a", &cut).rows(), &mut rng(1));
    let Ok(Outcome::Cox(alone)) = alone else {
        panic!("{alone:?}")
    };
    assert_eq!((alone.sites, alone.rows, alone.events), (1, 311, 59));
    let halves = fit(&recipe, &[site("a", &cut[..100]), site("b", &cut[100..])]);
    for (a, b) in alone.coefficients.iter().zip(&halves.coefficients) {
        assert_close(a.estimate, b.estimate, &a.name);
        assert_close(a.se, b.se, &a.name);
    }
}

#[test]
fn rounded_times_give_the_fit_of_rounded_times() {
    let cohort = breast("breast_tcga_cox");
    let month = Grid {
        step: 30.0,
        horizon: 3000.0,
        times: Times::Grid,
    };
    let up = |patient: &Patient| Patient {
        days: (patient.days / 30.0).ceil() * 30.0,
        ..patient.clone()
    };
    let rounded: Vec<Patient> = cohort.patients().iter().map(up).collect();
    let recipe = Cox::new(cohort.columns.clone(), "t".into(), "e".into(), month);
    let exact = Cox {
        grid: Grid {
            times: Times::Exact,
            ..month
        },
        ..recipe.clone()
    };
    let (got, want) = (
        fit(&recipe, &cohort.tables()),
        fit(&exact, &[site("all", &rounded)]),
    );
    assert_eq!(got.events, want.events);
    for (a, b) in got.coefficients.iter().zip(&want.coefficients) {
        assert_close(a.estimate, b.estimate, &a.name);
    }
}

#[test]
fn a_site_scores_the_final_model_on_its_own_rows() {
    let cohort = breast("breast_tcga_cox");
    let sites = cohort.tables();
    let recipe = Recipe::from(Cox::new(
        cohort.columns.clone(),
        "t".into(),
        "e".into(),
        cohort.grid,
    ));
    let all: Vec<&Site> = sites.iter().collect();
    let mut state = recipe.start(Default::default());
    while recipe.ask(&state, 6).unwrap().unwrap().phase != "evaluate" {
        state = round(&recipe, &state, &all).unwrap().unwrap();
    }
    let question = recipe.ask(&state, 1).unwrap().unwrap();
    let answer = recipe
        .answer(
            &state,
            &question,
            &sites[1].rows(),
            &motet_recipes::Memory::default(),
            &mut rng(1),
        )
        .unwrap();
    let set = state.pass.set.unwrap();
    let sum = motet_secagg::fold::plain_sum(&question.layout, set, vec![answer.update]).unwrap();
    let Ok(Outcome::Cox(here)) = recipe.outcome(&recipe.absorb(&state, &sum).unwrap()) else {
        panic!("no outcome")
    };
    // R's concordance of the pooled scores within the South.
    assert!(
        (here.concordance.index - 0.673_597_025_016_903_3).abs() <= here.concordance.error_bound,
        "{:?}",
        here.concordance
    );
    let check = here.proportionality.unwrap();
    assert!(check.global.is_none() && check.columns.iter().all(|(_, test)| test.is_none()));
}

/// 120 patients with two columns, days and whether the event was seen; three sites.
fn one_leaves_between() -> Vec<Site> {
    let sites = three_sites(120, |at| {
        let (days, event) = match at {
            0 => (33.0, 0.0),
            1..=3 => (35.0 + f64::from(at), 0.0),
            4 | 5 => (35.0, 1.0),
            6 => (55.0, 1.0),
            _ => (10.0 * f64::from(1 + at % 6), 1.0),
        };
        vec![f64::from(at * 37 % 101), f64::from(at % 2), days, event]
    });
    let timed = |site: Site| Site {
        x: ndarray::Array2::from_shape_fn((site.y.len(), 2), |at| site.x[at]),
        time: Some(site.x.column(2).to_owned()),
        ..site
    };
    sites.into_iter().map(timed).collect()
}

#[test]
fn neighbouring_times_show_the_columns_of_who_leaves_between_them_unless_the_step_is_wider() {
    let sites = one_leaves_between();
    let pooled: Vec<Vec<f64>> = sites.iter().flat_map(Site::lines).collect();
    let rows = pooled.len() as f64;
    let recipe = |step: f64, strata: Strata| {
        let grid = Grid {
            step,
            horizon: 60.0,
            times: Times::Grid,
        };
        let plain = Cox::new(names(&["a", "b"]), "days".into(), "event".into(), grid);
        Recipe::from(Cox {
            strata,
            clock: Clock::Identity,
            ..plain
        })
    };
    // Whoever leaves after each event point, without those who have the event there where they are
    // several: how many, and the sums of their columns, all from what is public.
    let leaving = |step: f64| {
        let sums = first_sums(&recipe(step, Strata::None), &sites);
        let cells = (60.0 / step) as usize + 1;
        let events = &sums["spread"][sums["spread"].len() - cells..];
        let points: Vec<(usize, f64)> = events
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, events)| *events > 0.0)
            .collect();
        let own = |sums: &[f64], at: usize| -> [f64; 3] {
            let s = &sums[at * 3..][..3];
            let column = |at: usize| {
                let mean = pooled.iter().map(|row| row[at]).sum::<f64>() / rows;
                let squares = pooled
                    .iter()
                    .map(|row| (row[at] - mean) * (row[at] - mean))
                    .sum::<f64>();
                (s[1 + at] * (squares / (rows - 1.0)).sqrt() + mean * s[0]) / 1_048_576.0
            };
            [s[0] / 1_048_576.0, column(0), column(1)]
        };
        let (risk, tied) = sums["risk sets"][1..].split_at(3 * points.len());
        let mut slot = 0;
        let mut found = Vec::new();
        for (at, (cell, events)) in points.iter().enumerate() {
            let (mut left, mut minus) = (own(risk, at), [0.0; 3]);
            if *events > 1.0 {
                minus = own(tied, slot);
                slot += 1;
            }
            let later = if at + 1 < points.len() {
                own(risk, at + 1)
            } else {
                [0.0; 3]
            };
            left.iter_mut()
                .zip(minus)
                .zip(later)
                .for_each(|((left, minus), later)| *left -= minus + later);
            found.push((*cell as f64 * step, left));
        }
        found
    };
    let near = |found: &[f64; 3], want: [f64; 3]| {
        found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6)
    };
    let patient = |at: u32| [1.0, f64::from(at * 37 % 101), f64::from(at % 2)];
    let after =
        |found: &[(f64, [f64; 3])], days: f64| found.iter().find(|(at, _)| *at == days).unwrap().1;
    let daily = leaving(1.0);
    assert!(
        near(&after(&daily, 30.0), patient(0)),
        "censored between two events: {daily:?}"
    );
    assert!(
        near(&after(&daily, 55.0), patient(6)),
        "the one event of a time: {daily:?}"
    );
    let wider = leaving(10.0);
    assert_eq!(wider.len(), 6);
    assert!(
        wider.iter().all(|(_, left)| (left[0] - 1.0).abs() > 0.5),
        "nobody leaves alone: {wider:?}"
    );

    // Each site within itself: no number belongs to a time, however many there are.
    let sums = |step: f64| first_sums(&recipe(step, Strata::Site), &sites);
    let numbers = |sums: std::collections::BTreeMap<&'static str, Vec<f64>>| {
        sums.into_iter()
            .map(|(phase, values)| (phase, values.len()))
            .collect::<Vec<_>>()
    };
    let told = numbers(sums(1.0));
    assert_eq!(told, numbers(sums(10.0)));
    assert_eq!(
        told,
        [
            ("evaluate", 3 + 2 + 3 + 3),
            ("moments", 4),
            ("newton", 1 + 1 + 2 + 3),
            ("spread", 2)
        ]
    );
}

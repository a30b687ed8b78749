//! Models of a time to an event by group and by site: Harrell's C of pairs at one site, counted one
//! by one.

use crate::common::survival::stroke_followup;
use crate::common::wards::*;
use crate::common::*;
use motet_recipes::{
    Averaged, Clock, Cox, FedAvg, Figures, Loss, Outcome, Recipe, Shown, SiteFindings, Strata,
    TimeFigures,
};

/// Score, time, event and level of the patients of each site.
type Scored = Vec<(f64, f64, bool, Vec<f64>)>;

/// Holds figures to the pairs of each site's patients that `pick` wants; `stratum` says who is
/// compared.
fn is_of(
    found: &TimeFigures,
    sites: &[Scored],
    pick: impl Fn(usize, &[f64]) -> bool,
    stratum: impl Fn(&[f64]) -> usize,
    what: &str,
) {
    let (mut rows, mut events, mut per_patient) = (0, 0, Vec::new());
    for (at, site) in sites.iter().enumerate() {
        let here: Vec<_> = site
            .iter()
            .filter(|(_, _, _, groups)| pick(at, groups))
            .collect();
        rows += here.len() as u64;
        events += here.iter().filter(|(_, _, event, _)| *event).count() as u64;
        for (score, time, event, groups) in &here {
            let (mut n, mut c) = (0.0, 0.0);
            for (other, later, seen, theirs) in &here {
                if stratum(groups) != stratum(theirs) {
                    continue;
                }
                let first = *event && (time < later || time == later && !seen);
                let second = *seen && (later < time || time == later && !event);
                let (high, low) = if first {
                    (score, other)
                } else {
                    (other, score)
                };
                if first || second {
                    n += 1.0;
                    c += if high > low {
                        1.0
                    } else {
                        0.5 * f64::from(u8::from(high == low))
                    };
                }
            }
            per_patient.push((n, c));
        }
    }
    assert_eq!((found.rows, found.events), (rows, events), "{what}");
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| per_patient.iter().map(|(n, c)| of(*n, *c)).sum::<f64>();
    let pairs = sum(&|n, _| n);
    let index = sum(&|_, c| c) / pairs;
    let got = found.c_index.unwrap();
    near(found.pairs, pairs / 2.0, what);
    near(got.estimate, index, what);
    let spread = sum(&|n, c| (c - index * n) * (c - index * n)).sqrt() / (pairs / 2.0);
    let logit = |share: f64| (share / (1.0 - share)).ln();
    let half = 1.959_963_984_540_054 * spread / (index * (1.0 - index));
    for (end, off) in [(got.low, -half), (got.high, half)] {
        let want = logit(index) + off;
        assert!((logit(end) - want).abs() < 1e-9, "{what}: {got:?} {want}");
    }
}

fn time(figures: &Figures) -> &TimeFigures {
    let Figures::Time(found) = figures else {
        panic!("{figures:?}")
    };
    found
}

/// `horizon` is the last time that the model looks at.
fn scored(wards: &[Ward], horizon: f64, score: impl Fn(&[f64]) -> f64) -> Vec<Scored> {
    let of = |ward: &Ward| {
        let times = ward.site.time.as_ref().unwrap();
        let rows = ward
            .site
            .x
            .rows()
            .into_iter()
            .zip(&ward.site.y)
            .zip(times)
            .zip(ward.groups.rows());
        rows.map(|(((x, y), time), groups)| {
            (
                score(&x.to_vec()),
                time.min(horizon),
                *y == 1.0 && *time <= horizon,
                groups.to_vec(),
            )
        })
        .collect()
    };
    wards.iter().map(of).collect()
}

/// Every level that is shown, and every site that tells.
fn holds(
    findings: &motet_recipes::Findings,
    sites: &[Scored],
    stratum: impl Fn(&[f64]) -> usize + Copy,
) -> usize {
    let mut count = 0;
    for (at, (name, levels)) in GROUPS.iter().enumerate() {
        for level in *levels {
            let Shown::Figures(found) = shown(findings, name, level) else {
                continue;
            };
            let pick = |_: usize, groups: &[f64]| level_of(at, groups[at]) == *level;
            is_of(
                time(found),
                sites,
                pick,
                stratum,
                &format!("{name}, {level}"),
            );
            count += 1;
        }
    }
    for (at, found) in findings.sites.iter().enumerate() {
        if let SiteFindings::Told(found) = found {
            is_of(
                time(found),
                sites,
                |site, _| site == at,
                stratum,
                &format!("site {at}"),
            );
            count += 1;
        }
    }
    count
}

#[test]
fn a_cox_model_orders_the_patients_of_each_group_as_their_pairs_say() {
    let cohort = stroke_followup();
    let countries = wards(cohort.tables(), |at| at > 5);
    let plain = Cox::new(
        cohort.columns.clone(),
        "days".into(),
        "died".into(),
        cohort.grid,
    );
    let by_site = Cox {
        strata: Strata::Site,
        clock: Clock::Off,
        ..plain.clone()
    };
    for recipe in [plain, by_site] {
        let alone = run(&Recipe::from(recipe.clone()), &cohort.tables()).unwrap();
        let (outcome, findings) = finish(
            &Recipe::from(recipe).judged(asked(groups(), true)),
            &countries,
        );
        let (Outcome::Cox(fit), Outcome::Cox(alone)) = (outcome, alone) else {
            panic!("no cox")
        };
        assert_eq!(
            (fit.coefficients.clone(), fit.rounds),
            (alone.coefficients, alone.rounds + 2)
        );
        let score = |x: &[f64]| {
            x.iter()
                .zip(&fit.coefficients)
                .map(|(x, c)| x * c.estimate)
                .sum::<f64>()
        };
        assert_eq!(
            holds(&findings, &scored(&countries, 182.0, score), |_| 0),
            10 + 4
        );
    }
}

#[test]
fn patients_of_different_strata_are_not_compared() {
    let cohort = stroke_followup();
    // Sexes as strata: the ward's first group.
    let mut tables = cohort.tables();
    for table in &mut tables {
        table.group = Some(table.x.column(1).to_owned());
    }
    let countries = wards(tables, |_| false);
    let levels = motet_recipes::Grouping {
        column: "male".into(),
        levels: names(&["0", "1"]),
    };
    let columns: Vec<String> = cohort.columns.clone();
    let mut recipe = Cox::new(columns, "days".into(), "died".into(), cohort.grid);
    (recipe.strata, recipe.clock, recipe.ridge) = (Strata::Group(levels), Clock::Off, 1.0);
    let (outcome, findings) = finish(
        &Recipe::from(recipe).judged(asked(groups(), false)),
        &countries,
    );
    let Outcome::Cox(fit) = outcome else {
        panic!("no cox")
    };
    let score = |x: &[f64]| {
        x.iter()
            .zip(&fit.coefficients)
            .map(|(x, c)| x * c.estimate)
            .sum::<f64>()
    };
    assert_eq!(
        holds(
            &findings,
            &scored(&countries, 182.0, score),
            |groups| groups[0] as usize
        ),
        10
    );
}

#[test]
fn an_averaged_model_of_a_time_is_judged_by_its_own_score() {
    let cohort = stroke_followup();
    let countries = wards(cohort.tables(), |_| true);
    let recipe = FedAvg {
        loss: Loss::Time("days".into()),
        rounds: 3,
        batch: 0,
        ..FedAvg::new(cohort.columns.clone(), "died".into())
    };
    let (outcome, findings) = finish(
        &Recipe::from(recipe).judged(asked(groups(), true)),
        &countries,
    );
    let Outcome::FedAvg(Averaged::Time(model)) = outcome else {
        panic!("no time")
    };
    let layer = |name: &str| {
        &model
            .layers
            .iter()
            .find(|layer| layer.name == name)
            .unwrap()
            .values
    };
    let score = |x: &[f64]| {
        let z = x
            .iter()
            .zip(layer("standardise.mean"))
            .zip(layer("standardise.sd"));
        z.zip(layer("layers.0.weight"))
            .map(|(((x, mean), sd), weight)| (x - mean) / sd * weight)
            .sum::<f64>()
    };
    assert_eq!(
        holds(&findings, &scored(&countries, f64::INFINITY, score), |_| 0),
        20
    );
}

//! A model by group and by site: the figures of one pooled table, however its rows lie at sites,
//! and no others.

use crate::common::wards::*;
use crate::common::*;
use motet_recipes::{Findings, Glm, Recipe, RiskFigures, Shown, SiteFindings, SubgroupKind, Why};
use ndarray::Array2;

#[test]
fn groups_of_ten_countries_are_those_of_one_table_however_rows_lie() {
    let countries = wards(stroke(), |_| false);
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
    let judged = recipe.judged(asked(groups(), false));
    for wards in [
        countries.clone(),
        dealt(&countries, 3),
        dealt(&countries, 17),
    ] {
        let (outcome, findings) = finish(&judged, &wards);
        let shown = holds(&findings, &from_coefficients(&outcome, &wards));
        assert_eq!(shown, 10, "{findings:?}");
        assert!(findings.sites.is_empty());
    }
}

#[test]
fn groups_of_four_hospitals_are_those_of_one_table() {
    let hospitals = wards(heart(), |_| false);
    let mut recipe = Glm::logistic(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let judged = Recipe::from(recipe).judged(asked(groups(), false));
    for wards in [hospitals.clone(), dealt(&hospitals, 3)] {
        let (outcome, findings) = finish(&judged, &wards);
        let shown = holds(&findings, &from_coefficients(&outcome, &wards));
        assert!(shown >= 8, "{shown}: {findings:?}");
    }
}

#[test]
fn the_judgement_changes_nothing_of_the_method() {
    let countries = wards(stroke(), |_| true);
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
    let sites: Vec<Site> = countries.iter().map(|ward| ward.site.clone()).collect();
    let plain = logistic(run(&recipe, &sites));
    let (judged, _) = finish(&recipe.judged(asked(groups(), true)), &countries);
    let judged = logistic(Ok(judged));
    assert_eq!(judged.rounds, plain.rounds + 2);
    assert_eq!(
        crate::common::LogisticFit {
            rounds: plain.rounds,
            ..judged
        },
        plain
    );
}

#[test]
fn a_site_tells_its_own_figures_where_it_may_and_zeros_where_it_may_not() {
    let tells = |at: usize| ![1, 4, 6].contains(&at);
    let countries = wards(stroke(), tells);
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
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
                // Computed at the site, so without bins; the scores are log odds there, and risks
                // here.
                let exact = RiskFigures {
                    auc_error_bound: 1e-11,
                    ..found.clone()
                };
                is_of(&exact, &rows, &ward.site.name);
            }
            SiteFindings::NotTold => assert!(!tells(at), "{at} does not tell"),
            SiteFindings::Withheld => panic!("{at} is withheld"),
        }
    }
    // With one that does not tell, two more are withheld: it would follow from the total.
    let nine = wards(stroke(), |at| at != 2);
    let (_, findings) = finish(&recipe.judged(asked(Vec::new(), true)), &nine);
    let told = findings
        .sites
        .iter()
        .filter(|site| matches!(site, SiteFindings::Told(_)))
        .count();
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
    let mut recipe = Glm::logistic(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let mut subgroups = asked(Vec::new(), true);
    subgroups.min_cell = smallest + 1;
    let (_, findings) = finish(&Recipe::from(recipe).judged(subgroups), &hospitals);
    let told = findings
        .sites
        .iter()
        .filter(|site| matches!(site, SiteFindings::Told(_)))
        .count();
    assert_eq!(
        told, 1,
        "one is too small, and two are withheld beside it: {:?}",
        findings.sites
    );
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
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
    let judged = |sites| recipe.clone().judged(asked(vec![country.clone()], sites));
    let hidden = |findings: &Findings| {
        let levels = &findings.groups[0].levels;
        levels
            .iter()
            .filter(|level| matches!(level.shown, Shown::Hidden(Why::Sites | Why::Beside)))
            .count()
    };
    let all_tell = by_country(wards(stroke(), |_| true));
    let (outcome, findings) = finish(&judged(true), &all_tell);
    assert_eq!(hidden(&findings), 0);
    for ward in &all_tell {
        let rows = from_coefficients(&outcome, std::slice::from_ref(ward));
        let rows: Vec<(f64, f64)> = rows.into_iter().map(|(p, y, _)| (p, y)).collect();
        is_of(
            risk(figures(&findings, "country", &ward.site.name)),
            &rows,
            &ward.site.name,
        );
    }
    // Sites are not asked for their figures: then a country is no way around that.
    let (_, findings) = finish(&judged(false), &all_tell);
    assert_eq!(hidden(&findings), 10);
    let three_do_not = by_country(wards(stroke(), |at| at > 2));
    let (_, findings) = finish(&judged(true), &three_do_not);
    assert_eq!(hidden(&findings), 3);
    assert_eq!(
        *shown(&findings, "country", "BELG"),
        Shown::Hidden(Why::Sites)
    );
}

//! What a judgement refuses, and what it does when a site is lost.

use crate::common::wards::*;
use crate::common::*;
use motet_recipes::{
    Design, Family, FedAvg, Gbdt, Glm, Loss, Memory, Recipe, RecipeError, Rows, Shown,
    SiteFindings, SubgroupKind, WeightKind, Why, gbdt,
};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use ndarray::Array2;

#[test]
fn a_site_that_does_not_tell_refuses_to_be_counted_as_one_that_does() {
    let hospitals = wards(heart(), |_| true);
    let mut recipe = Glm::logistic(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let recipe = Recipe::from(recipe).judged(asked(groups(), true));
    let all: Vec<&Ward> = hospitals.iter().collect();
    let mut state = recipe.start_among(Digest([3; 32]), 4);
    while state.progress().phase != "subgroups" {
        state = step(&recipe, &state, &all).unwrap().unwrap();
    }
    let question = recipe.ask(&state, 4).unwrap().unwrap();
    let answer = |slot: Option<u32>| {
        let rows = Rows {
            slot,
            place: Some(0),
            ..hospitals[0].rows()
        };
        recipe
            .answer(&state, &question, &rows, &Memory::default(), &mut rng(1))
            .map(drop)
    };
    assert_eq!(answer(Some(0)), Ok(()));
    assert_eq!(answer(None), Err(RecipeError::NotTelling));
}

#[test]
fn a_site_that_is_lost_at_the_end_takes_its_rows_out_of_the_fit_too() {
    let hospitals = wards(heart(), |_| true);
    let mut recipe = Glm::logistic(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    for lost_in in ["levels", "subgroups"] {
        let exact = Recipe::from(recipe.clone()).judged(asked(groups(), true));
        let gone = std::cell::Cell::new(false);
        let state = finish_with(&exact, &hospitals, |state| {
            gone.set(gone.get() || state.progress().phase == lost_in);
            if gone.get() {
                vec![0, 1, 2]
            } else {
                vec![0, 1, 2, 3]
            }
        });
        let (outcome, findings) = (
            exact.outcome(&state).unwrap(),
            exact.findings(&state).unwrap().unwrap(),
        );
        let fit = logistic(Ok(outcome.clone()));
        let rows: u64 = hospitals[..3]
            .iter()
            .map(|ward| ward.site.y.len() as u64)
            .sum();
        assert_eq!((fit.sites, fit.rows), (3, rows));
        holds(&findings, &from_coefficients(&outcome, &hospitals[..3]));
        assert_eq!(
            findings.sites[3],
            SiteFindings::NotTold,
            "its place is empty"
        );
        let plain = Recipe::from(recipe.clone());
        let three: Vec<Site> = hospitals[..3]
            .iter()
            .map(|ward| ward.site.clone())
            .collect();
        assert_eq!(fit.coefficients, logistic(run(&plain, &three)).coefficients);

        let averaged = FedAvg {
            rounds: 3,
            batch: 0,
            ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
        };
        let averaged = Recipe::from(averaged).judged(asked(groups(), false));
        let gone = std::cell::Cell::new(false);
        let state = finish_with(&averaged, &hospitals, |state| {
            gone.set(gone.get() || state.progress().phase == lost_in);
            if gone.get() {
                vec![0, 1, 2]
            } else {
                vec![0, 1, 2, 3]
            }
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
    let mut recipe = Glm::logistic(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let judged = Recipe::from(recipe).judged(asked(groups(), true));
    let all: Vec<&Ward> = hospitals.iter().collect();
    let ids: Vec<&[u8]> = hospitals
        .iter()
        .map(|ward| ward.site.name.as_bytes())
        .collect();
    let set = Digest::of("test/set", &ids);
    let mut state = judged.start_among(Digest([3; 32]), 4);
    let mut tried = 0;
    while let Some(question) = judged.ask(&state, 4).unwrap() {
        if ["levels", "subgroups"].contains(&question.phase) {
            let answer = |ward: &&Ward| {
                judged
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
            let sum = plain_sum(&question.layout, set, all.iter().map(answer).collect()).unwrap();
            assert!(judged.absorb(&state, &sum).is_ok());
            let counted = question.layout.blocks[0].len as usize;
            // The first and last of each block: counts, sums, and what sites tell of their AUC.
            let mut places = vec![0, 1, 2, 3, counted / 2, counted - 1];
            places.extend(
                [counted, sum.values.len() - 1]
                    .into_iter()
                    .filter(|_| question.phase == "subgroups"),
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
    let mut recipe = Glm::logistic(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let judged = Recipe::from(recipe).judged(asked(groups(), true));
    let all: Vec<&Ward> = hospitals.iter().collect();
    let mut state = judged.start_among(Digest([3; 32]), 4);
    while judged.ask(&state, 4).unwrap().unwrap().phase != "levels" {
        state = step(&judged, &state, &all).unwrap().unwrap();
    }
    let question = judged.ask(&state, 4).unwrap().unwrap();
    let answer = |rows: &Rows<'_>| {
        let answered = judged.answer(&state, &question, rows, &Memory::default(), &mut rng(1));
        answered.map(|_| ()).unwrap_err().to_string()
    };
    let ward = &hospitals[0];
    let without = answer(&ward.site.rows());
    assert!(without.contains("`male`"), "{without}");
    let mut odd = ward.groups.clone();
    odd[[0, 0]] = 3.0;
    let odd = answer(&Rows {
        groups: Some(odd.view()),
        ..ward.rows()
    });
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
        Recipe::from(motet_recipes::Summary::new(names(&["a"]))),
        Recipe::from(Glm {
            weight: Some(WeightKind::Precision),
            ..Glm::new(Design::plain(names(&["a"])), "y".into(), Family::Linear)
        }),
    ] {
        let refused = recipe
            .judged(asked(groups(), false))
            .check()
            .unwrap_err()
            .to_string();
        assert!(refused.contains("`evaluation`"), "{refused}");
    }
}

#[test]
fn a_judged_recipe_is_not_judged_again() {
    let plain = Recipe::from(Glm::logistic(names(&["a"]), "y".into()));
    let once = plain.clone().judged(asked(groups(), false));
    assert_eq!(once.clone().judged(asked(groups(), false)), once);
    assert_eq!(
        (&once.method, &once.bare().method, once.kind()),
        (&plain.method, &plain.method, "logistic")
    );
    assert_eq!(Recipe::from_bytes(&once.to_bytes()).unwrap(), once);
}

#[test]
fn two_groups_that_are_almost_one_show_the_few_between_them() {
    let mut hospitals = wards(heart(), |_| false);
    // Two women of the first hospital, one with and one without the outcome, are in the second
    // group as well as all men.
    let women = |y: f64| {
        let site = &hospitals[0].site;
        (0..site.y.len())
            .find(|at| site.x[[*at, 1]] == 0.0 && site.y[*at] == y)
            .unwrap()
    };
    let between = [women(0.0), women(1.0)];
    for (at, ward) in hospitals.iter_mut().enumerate() {
        let sex = ward.site.x.column(1).to_owned();
        ward.groups = Array2::from_shape_fn((sex.len(), 2), |(row, group)| {
            if at == 0 && group == 1 && between.contains(&row) {
                1.0
            } else {
                sex[row]
            }
        });
    }
    let groups = ["male", "almost"]
        .map(|name| column(name, SubgroupKind::YesNo))
        .to_vec();
    let mut recipe = Glm::logistic(names(&HEART_COLUMNS), "y".into());
    recipe.ridge = 1.0;
    let recipe = Recipe::from(recipe).judged(asked(groups, false));
    let all: Vec<&Ward> = hospitals.iter().collect();
    let mut sums = std::collections::BTreeMap::new();
    let mut state = recipe.start_among(Digest([3; 32]), 4);
    while let Some(question) = recipe.ask(&state, 4).unwrap() {
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
        let sum = plain_sum(
            &question.layout,
            Digest::default(),
            all.iter().map(answer).collect(),
        )
        .unwrap();
        sums.insert(
            question.phase,
            (sum.values.clone(), question.layout.blocks[0].len as usize),
        );
        state = recipe.absorb(&state, &sum).unwrap();
    }
    let findings = recipe.findings(&state).unwrap().unwrap();
    for name in ["male", "almost"] {
        for level in ["no", "yes"] {
            figures(&findings, name, level); // both levels of both groups are shown
        }
    }
    // Sites, sites apart, rows and events of no, of yes and of those without a value, and the sites
    // with several of them.
    let (levels, _) = &sums["levels"];
    assert_eq!(levels.len(), 2 * 13);
    let yes = |group: usize| &levels[13 * group + 4..][..4];
    assert_eq!((yes(1)[2] - yes(0)[2], yes(1)[3] - yes(0)[3]), (2.0, 1.0));
    // Of each level a histogram of those without and with the outcome; then the sums of risks and
    // of squared errors.
    let (values, counted) = &sums["subgroups"];
    let (counts, risks) = values.split_at(*counted);
    let (yes, almost) = (1, 3);
    let cells = counted / 4;
    let few: Vec<f64> = (0..cells)
        .map(|at| counts[almost * cells + at] - counts[yes * cells + at])
        .collect();
    let (without, with) = few.split_at(cells / 2);
    for part in [without, with] {
        assert_eq!(
            part.iter()
                .filter(|rows| **rows != 0.0)
                .copied()
                .collect::<Vec<_>>(),
            [1.0],
            "{few:?}"
        );
    }
    // From the two sums the risk of each: r and s with r + s and r^2 + (1 - s)^2.
    let known = from_coefficients(&recipe.outcome(&state).unwrap(), &hospitals);
    let [r, s] = between.map(|at| known[at].0);
    let told = [0, 1].map(|at| risks[2 * almost + at] - risks[2 * yes + at]);
    assert!((told[0] - (r + s)).abs() < 1e-8, "{told:?}, {r}, {s}");
    assert!(
        (told[1] - (r * r + (1.0 - s) * (1.0 - s))).abs() < 1e-8,
        "{told:?}, {r}, {s}"
    );
}

#[test]
fn no_level_and_no_site_of_a_model_of_numbers_tells_a_few_with_a_yes() {
    // Women: two with the outcome, at two hospitals; the first hospital has three in all.
    let mut hospitals = wards(heart(), |_| true);
    for (at, ward) in hospitals.iter_mut().enumerate() {
        let site = &mut ward.site;
        let mut few = 0;
        for row in 0..site.y.len() {
            let is_woman = site.x[[row, 1]] == 0.0;
            let may = if is_woman {
                at < 2 && few == 0
            } else {
                at > 0 || row % 120 == 0
            };
            few += usize::from(is_woman && may);
            site.y[row] = f64::from(u8::from(may && (is_woman || row % 3 == 0)));
        }
    }
    let glm = |family| {
        let mut glm = Glm::new(Design::plain(names(&HEART_COLUMNS)), "y".into(), family);
        glm.ridge = 1.0;
        Recipe::from(glm)
    };
    let averaged = FedAvg {
        loss: Loss::Number,
        rounds: 2,
        batch: 0,
        ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
    };
    let trees = Gbdt {
        trees: 2,
        depth: 2,
        validation: 0.0,
        ..Gbdt::new(names(&HEART_COLUMNS), "y".into(), gbdt::Loss::Squared)
    };
    let methods = [
        glm(Family::Linear),
        glm(Family::Poisson),
        glm(Family::Quasibinomial),
        Recipe::from(averaged),
        Recipe::from(trees),
    ];
    for recipe in methods {
        let judged = recipe.judged(asked(groups(), true));
        let (_, findings) = finish(&judged, &hospitals);
        for (level, why) in [("no", Why::Few), ("yes", Why::Beside)] {
            let Shown::Hidden(found) = shown(&findings, "male", level) else {
                panic!("{level}: mean squared error and variance give the two")
            };
            assert_eq!(*found, why, "{level}");
        }
        assert_eq!(findings.sites[0], SiteFindings::NotTold);
    }
    // Of a number that few have nothing but 0 and 1 of, all is shown.
    for ward in &mut hospitals {
        ward.site.y = ward.site.x.column(0).to_owned();
    }
    let judged = glm(Family::Linear).judged(asked(groups(), true));
    let (_, findings) = finish(&judged, &hospitals);
    assert!(matches!(shown(&findings, "male", "no"), Shown::Figures(_)));
    assert!(matches!(
        findings.sites[0],
        SiteFindings::Told(_) | SiteFindings::Withheld
    ));
}

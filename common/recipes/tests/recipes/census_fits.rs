//! How few patients or events, in which group, end a fit before it is made.

use crate::common::first_round::{
    census, ends, heart_census, plain_heart, vary_cholesterol, yes_no,
};
use crate::common::{HEART_COLUMNS, Site, heart, names, round, run_with};
use motet_recipes::*;
use motet_secagg::digest::Digest;

#[test]
fn few_events_in_all_end_the_run_and_few_at_one_hospital_do_not() {
    let events = |few: [usize; 4]| -> Vec<Site> {
        let mut sites = heart();
        for (site, few) in sites.iter_mut().zip(few) {
            site.y = (0..site.y.len())
                .map(|row| f64::from(u32::from(row < few)))
                .collect();
        }
        sites
    };
    let recipe = plain_heart().counted(heart_census());
    ends(
        &recipe,
        &events([1, 1, 1, 1]),
        "no 5 rows with outcome `y` are certain in the whole sum",
    );
    ends(
        &recipe,
        &events([30, 30, 0, 0]),
        "outcome `y` occurs at fewer than 3 of 4 sites",
    );
    let mut turned = events([1, 1, 1, 1]);
    turned
        .iter_mut()
        .for_each(|site| site.y.mapv_inplace(|y| 1.0 - y));
    ends(&recipe, &turned, "no 5 rows without outcome `y`");
    let sites = events([40, 40, 3, 40]);
    let all: Vec<&Site> = sites.iter().collect();
    let state = round(&recipe, &recipe.start(Digest([3; 32])), &all)
        .unwrap()
        .unwrap();
    assert_eq!((state.stuck(), state.progress().phase), (false, "moments"));
}

#[test]
fn where_all_columns_are_yes_or_no_each_group_of_a_coefficient_is_of_enough_patients() {
    // Of four hospitals with 80 patients each; `a` and `b` are yes in halves, the outcome in
    // thirds.
    let table = |events_of_both: usize| -> Vec<Site> {
        let site = |at: usize| {
            let line = |row: usize| {
                let (a, b) = ((row % 2) as f64, (row / 2 % 2) as f64);
                let both = a == 1.0 && b == 1.0;
                let y = if both {
                    row / 4 * 4 + at < events_of_both
                } else {
                    row.is_multiple_of(3)
                };
                vec![a, b, f64::from(u8::from(y))]
            };
            Site::new("site", &(0..80).map(line).collect::<Vec<_>>())
        };
        (0..4).map(site).collect()
    };
    // More combinations than can be counted are none that may be asked.
    let of = |columns: &[&str]| {
        let formula = Formula::parse(&format!("y ~ {}:ns(age, 2)", columns.join(":"))).unwrap();
        let design = formula.design(|name| Some(vec![name.to_owned()])).unwrap();
        let fit = Glm::new(design, "y".into(), Family::Logistic);
        let columns = [columns, &["age"]].concat();
        Recipe::from(fit)
            .counted(census(&columns, yes_no()))
            .check()
    };
    assert_eq!(of(&["a", "b", "c", "d", "e"]), Ok(()));
    let words = of(&["a", "b", "c", "d", "e", "f"]).unwrap_err().to_string();
    assert!(words.contains("more than six columns"), "{words}");
    let product = Formula::parse("y ~ a * b").unwrap();
    let design = product.design(|name| Some(vec![name.to_owned()])).unwrap();
    let fit = Recipe::from(Glm::new(design, "y".into(), Family::Logistic));
    let recipe = fit.counted(census(&["a", "b"], yes_no()));
    let words =
        "no 5 rows with a yes in `a` and a yes in `b` and the outcome are certain in the whole sum";
    ends(&recipe, &table(3), words);
    let goes_on = |recipe: &Recipe, sites: &[Site]| {
        let all: Vec<&Site> = sites.iter().collect();
        !round(recipe, &recipe.start(Digest([3; 32])), &all)
            .unwrap()
            .unwrap()
            .stuck()
    };
    assert!(goes_on(&recipe, &table(20)));
    // A group that few are in though no coefficient bears its name: a yes in one and a no in the
    // other, also beside a number.
    let thin: Vec<Site> = table(20)
        .iter()
        .enumerate()
        .map(|(at, site)| {
            let keep = |(row, line): (usize, &Vec<f64>)| {
                line[0] != 1.0 || line[1] != 0.0 || (at == 1 && row == 1)
            };
            let age = |(row, line): (usize, Vec<f64>)| vec![line[0], line[1], row as f64, line[2]];
            let lines = site.lines();
            let lines = lines
                .iter()
                .enumerate()
                .filter(|line| keep(*line))
                .map(|(_, line)| line.clone());
            Site::new(&site.name, &lines.enumerate().map(age).collect::<Vec<_>>())
        })
        .collect();
    let formula = Formula::parse("y ~ a * b + age").unwrap();
    let design = formula.design(|name| Some(vec![name.to_owned()])).unwrap();
    let beside = Recipe::from(Glm::new(design, "y".into(), Family::Logistic))
        .counted(census(&["a", "b", "age"], yes_no()));
    ends(
        &beside,
        &thin,
        "no 5 rows with a yes in `a` and a no in `b`",
    );
    // Nor is a group hidden by a number beside it in the product, or by a power that changes
    // nothing.
    for formula in ["y ~ a + age + a:age", "y ~ a + b + a:I(b^2) + age"] {
        let rare: Vec<Site> = table(20)
            .iter()
            .map(|site| {
                let line = |(row, line): (usize, Vec<f64>)| {
                    let few = f64::from(u8::from(row == 3));
                    vec![few, line[1], row as f64, line[2]]
                };
                Site::new(
                    &site.name,
                    &site
                        .lines()
                        .into_iter()
                        .enumerate()
                        .map(line)
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        let design = Formula::parse(formula)
            .unwrap()
            .design(|name| Some(vec![name.to_owned()]))
            .unwrap();
        let names: Vec<&str> = design.columns.iter().map(String::as_str).collect();
        let sites: Vec<Site> = rare
            .iter()
            .map(|site| {
                let place = |name: &&str| {
                    ["a", "b", "age"]
                        .iter()
                        .position(|known| known == name)
                        .unwrap()
                };
                let pick = |line: &Vec<f64>| {
                    names
                        .iter()
                        .map(place)
                        .chain([3])
                        .map(|at| line[at])
                        .collect()
                };
                Site::new(
                    &site.name,
                    &site.lines().iter().map(pick).collect::<Vec<Vec<f64>>>(),
                )
            })
            .collect();
        let census = census(&names, yes_no());
        let recipe = Recipe::from(Glm::new(design, "y".into(), Family::Logistic)).counted(census);
        ends(&recipe, &sites, "no 5 rows with a yes in `a`");
    }
    // Without the product no coefficient stands for that group alone, as somebody is in each of the
    // four groups (`census_pairs` has where nobody is).
    let plain = Recipe::from(Glm::logistic(names(&["a", "b"]), "y".into()));
    assert!(goes_on(
        &plain.clone().counted(census(&["a", "b"], yes_no())),
        &table(3)
    ));
    // A number among the columns, and nothing is a count in another form.
    let numbers: Vec<Site> = table(3)
        .iter()
        .map(|site| {
            let line = |(row, line): (usize, Vec<f64>)| vec![line[0], row as f64, line[2]];
            let lines: Vec<Vec<f64>> = site.lines().into_iter().enumerate().map(line).collect();
            Site::new(&site.name, &lines)
        })
        .collect();
    let plain = Recipe::from(Glm::logistic(names(&["a", "age"]), "y".into()));
    assert!(goes_on(
        &plain.counted(census(&["a", "age"], yes_no())),
        &numbers
    ));
}

#[test]
fn a_fit_of_few_events_is_no_result_also_where_a_site_was_lost() {
    let mut sites = heart();
    vary_cholesterol(&mut sites);
    for (at, site) in sites.iter_mut().enumerate() {
        let few = if at == 3 { 30 } else { 1 };
        site.y = (0..site.y.len())
            .map(|row| f64::from(u32::from(row < few)))
            .collect();
    }
    // No result where the hospital with the events is lost, and one where it stays.
    let lost_with_its_events = |recipe: &Recipe| {
        let error = run_with(recipe, |at| {
            sites.iter().take(if at < 3 { 4 } else { 3 }).collect()
        })
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no 5 rows with outcome `y` are certain"),
            "{error}"
        );
        assert!(run_with(recipe, |_| sites.iter().collect()).is_ok());
    };
    for family in [Family::Logistic, Family::Linear] {
        let ridge = Recipe::from(Glm {
            ridge: 1.0,
            family,
            ..Glm::logistic(names(&HEART_COLUMNS), "y".into())
        });
        let outcome = match family {
            Family::Logistic => Explained::YesNo("y".into()),
            _ => Explained::Number("y".into()),
        };
        let recipe = ridge.counted(Census {
            spare: 1,
            outcome: Some(outcome),
            ..heart_census()
        });
        lost_with_its_events(&recipe);
    }
    // An averaged model of a number keeps mean and error of the sites that are left.
    let averaged = Recipe::from(FedAvg {
        loss: Loss::Number,
        rounds: 4,
        ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
    });
    let recipe = averaged.counted(Census {
        spare: 1,
        outcome: Some(Explained::Number("y".into())),
        ..heart_census()
    });
    lost_with_its_events(&recipe);
}

#[test]
fn a_yes_or_no_under_a_model_of_numbers_is_held_to_the_same_floor_of_events() {
    // Three deaths, one at each of three hospitals: the mean of a linear fit would tell them.
    let deaths = |few: bool| -> Vec<Site> {
        let dead = |at: usize, row: usize| match few {
            true => f64::from(u8::from(at < 3 && row == 0)),
            false => f64::from(u8::from(row.is_multiple_of(3))),
        };
        heart()
            .iter()
            .enumerate()
            .map(|(at, site)| {
                let mut lines = site.lines();
                for (row, line) in lines.iter_mut().enumerate() {
                    let last = line.len() - 1;
                    line[last] = dead(at, row);
                }
                Site::new(&site.name, &lines)
            })
            .collect()
    };
    let number = Some(Explained::Number("y".into()));
    for family in [Family::Linear, Family::Poisson, Family::Quasibinomial] {
        let design = Design::plain(names(&HEART_COLUMNS));
        let recipe = Recipe::from(Glm::new(design, "y".into(), family));
        let recipe = recipe.counted(Census {
            outcome: number.clone(),
            ..heart_census()
        });
        ends(
            &recipe,
            &deaths(true),
            "no 5 rows with outcome `y` are certain in the whole sum",
        );
        let state = recipe.start(Digest([3; 32]));
        let sites = deaths(false);
        let all: Vec<&Site> = sites.iter().collect();
        assert!(!round(&recipe, &state, &all).unwrap().unwrap().stuck());
    }
    // A number is held to nothing of the kind: here hardly anyone has 0 or 1.
    let ages: Vec<Site> = heart()
        .iter()
        .map(|site| {
            let mut lines = site.lines();
            for (row, line) in lines.iter_mut().enumerate() {
                let last = line.len() - 1;
                line[last] = if row == 0 { 1.0 } else { line[0] };
            }
            Site::new(&site.name, &lines)
        })
        .collect();
    let design = Design::plain(names(&HEART_COLUMNS));
    let recipe = Recipe::from(Glm::new(design, "y".into(), Family::Linear));
    let recipe = recipe.counted(Census {
        outcome: number,
        ..heart_census()
    });
    let state = recipe.start(Digest([3; 32]));
    let all: Vec<&Site> = ages.iter().collect();
    assert!(!round(&recipe, &state, &all).unwrap().unwrap().stuck());
}

#[test]
fn a_few_in_the_first_group_of_a_fit_of_a_number_end_the_run() {
    // One woman at each of three hospitals: the intercept of a linear fit is their mean.
    let sites: Vec<Site> = (0..4)
        .map(|site| {
            let line = |row: usize| {
                let male = f64::from(u8::from(row > 0 || site == 3));
                vec![male, 20.0 + row as f64]
            };
            Site::new(&format!("s{site}"), &(0..30).map(line).collect::<Vec<_>>())
        })
        .collect();
    for family in [Family::Linear, Family::Gamma] {
        let fit = Glm::new(Design::plain(names(&["male"])), "y".into(), family);
        let number = Some(Explained::Number("y".into()));
        ends(
            &Recipe::from(fit).counted(census(&["male"], number)),
            &sites,
            "no 5 rows with a no, or the first level, in every column",
        );
    }
}

#[test]
fn a_risk_difference_tells_no_events_of_a_few() {
    // Deaths of a yes/no column: one among the women, many among the men.
    let sites: Vec<Site> = (0..4)
        .map(|site| {
            let line = |row: usize| {
                let male = f64::from(u8::from(row.is_multiple_of(2)));
                let dead = if row.is_multiple_of(2) {
                    row < 20
                } else {
                    row == 1 && site == 0
                };
                vec![male, f64::from(u8::from(dead))]
            };
            Site::new(&format!("s{site}"), &(0..40).map(line).collect::<Vec<_>>())
        })
        .collect();
    let number = Some(Explained::Number("y".into()));
    let fit = Glm::new(Design::plain(names(&["male"])), "y".into(), Family::Linear);
    let recipe = Recipe::from(fit).counted(census(&["male"], number));
    let state = recipe.start(Digest([3; 32]));
    let all: Vec<&Site> = sites.iter().collect();
    let state = round(&recipe, &state, &all).unwrap().unwrap();
    let error = recipe.outcome(&state).unwrap_err().to_string();
    assert!(
        error.contains("a no, or the first level, in every column"),
        "{error}"
    );
}

#[test]
fn a_few_with_a_yes_end_an_averaged_model_also_where_none_of_them_has_the_outcome() {
    // Three with the yes, one at each of three hospitals: the model standardises by their share.
    let sites = |few: usize, dead: bool| -> Vec<Site> {
        let line = |site: usize, row: usize| {
            let yes = site < 3 && row < few;
            let outcome = if yes { dead } else { row % 3 == 1 };
            vec![
                20.0 + row as f64,
                f64::from(u8::from(yes)),
                f64::from(u8::from(outcome)),
            ]
        };
        (0..4)
            .map(|site| {
                let lines: Vec<Vec<f64>> = (0..60).map(|row| line(site, row)).collect();
                Site::new(&format!("s{site}"), &lines)
            })
            .collect()
    };
    let columns = names(&["age", "dialysis"]);
    let recipe = Recipe::from(FedAvg::new(columns, "y".into()));
    let recipe = recipe.counted(census(&["age", "dialysis"], yes_no()));
    for dead in [false, true] {
        ends(
            &recipe,
            &sites(1, dead),
            "no 5 rows with a yes in `dialysis`",
        );
        let state = recipe.start(Digest([3; 32]));
        let many = sites(5, dead);
        let all: Vec<&Site> = many.iter().collect();
        assert!(!round(&recipe, &state, &all).unwrap().unwrap().stuck());
    }
}

#[test]
fn a_yes_of_fewer_patients_than_a_cell_of_the_study_ends_the_run_before_its_mean_is_told() {
    // Of four hospitals with 80 patients each; that many at the first, and one at each of two more,
    // had the test.
    let table = |first: usize| -> Vec<Site> {
        let site = |at: usize| {
            let most = [first, 1, 1, 0][at];
            let line = |row: usize| {
                let tested = row.is_multiple_of(2) && row / 2 < most;
                vec![
                    (30 + row) as f64,
                    f64::from(u8::from(tested)),
                    (row % 2) as f64,
                ]
            };
            Site::new("site", &(0..80).map(line).collect::<Vec<_>>())
        };
        (0..4).map(site).collect()
    };
    let columns = ["age", "trop"];
    let recipe = |cell: u32| {
        let fit = Recipe::from(Glm::logistic(names(&columns), "y".into()));
        fit.counted(Census {
            cell,
            ..census(&columns, yes_no())
        })
    };
    let goes_on = |recipe: &Recipe, sites: &[Site]| {
        let all: Vec<&Site> = sites.iter().collect();
        let state = round(recipe, &recipe.start(Digest([3; 32])), &all);
        !state.unwrap().unwrap().stuck()
    };
    // Seven patients in all.
    assert!(goes_on(&recipe(5), &table(5)));
    ends(&recipe(11), &table(5), "no 11 rows with a yes in `trop`");
    assert!(goes_on(&recipe(11), &table(20)));
}

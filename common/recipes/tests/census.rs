//! The first round: what lies at too few sites ends the run with its name, and what is asked after
//! it is what it was.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod common;

use common::first_round::{
    census, columns_with, ends, grouping, heart_census, plain_heart, vary_cholesterol, with, yes_no,
};
use common::{HEART_COLUMNS, Site, heart, logistic, names, rng, round, run, run_with};
use motet_recipes::*;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use ndarray::Array1;

#[test]
fn one_site_where_a_column_is_constant_is_no_reason_and_the_fit_is_what_it_was() {
    // Cholesterol is 0 in all of Switzerland, and one of its patients only is without the outcome.
    let sites = heart();
    let plain = logistic(run(&plain_heart(), &sites));
    let behind = logistic(run(&plain_heart().counted(heart_census()), &sites));
    assert_eq!(behind.coefficients, plain.coefficients);
    assert_eq!(
        (behind.rounds, behind.rows, behind.events),
        (plain.rounds + 1, plain.rows, plain.events)
    );
    assert_eq!(behind.metrics, plain.metrics);
}

#[test]
fn a_number_that_is_the_site_ends_the_run_by_name_and_so_does_its_square() {
    let sites = with(|site, _| site as f64 + 1.0);
    let columns = columns_with("hosp");
    let census = Census {
        columns: names(&columns),
        ..heart_census()
    };
    let recipe = Recipe::from(Glm::logistic(names(&columns), "y".into()));
    let words = "column `hosp` has more than 2 different values at fewer than 3 of 4 sites";
    ends(&recipe.counted(census), &sites, words);
    // A formula hides the site in a product: in one hospital alone it is not 0.
    let sites = with(|site, row| {
        if site == 0 {
            1.0
        } else {
            f64::from(u32::from(row % 2 == 0)) - 0.5
        }
    });
    let formula = Formula::parse("y ~ age + I(hosp^2)").unwrap();
    let design = formula.design(|name| Some(vec![name.to_owned()])).unwrap();
    let small: Vec<Site> = sites
        .iter()
        .map(|site| {
            let pick = |line: &Vec<f64>| vec![line[0], line[13], line[14]];
            Site::new(
                &site.name,
                &site.lines().iter().map(pick).collect::<Vec<_>>(),
            )
        })
        .collect();
    let glm = Recipe::from(Glm::new(design.clone(), "y".into(), Family::Logistic));
    let behind = glm.counted(self::census(&["age", "hosp"], yes_no()));
    ends(
        &behind,
        &small,
        "column `hosp` has more than 2 different values at fewer than 4 of 4 sites: where all patients of a site have one value",
    );
}

#[test]
fn dummies_of_the_hospitals_end_the_run_by_the_levels_name() {
    let sites = with(|site, _| f64::from(u32::from(site == 1)));
    let columns = columns_with("hosp_HU");
    let mut census = Census {
        columns: names(&columns),
        ..heart_census()
    };
    census.categories.push(Category {
        of: grouping("hosp", &["CL", "HU"]),
        first: 13,
    });
    let recipe = Recipe::from(Glm::logistic(names(&columns), "y".into()));
    ends(
        &recipe.clone().counted(census.clone()),
        &sites,
        "column `hosp` has its level `HU` at fewer than 3 of 4 sites: join the level",
    );
    // A yes or no is levels, too.
    let yes = self::census(&columns, yes_no());
    let logistic = Recipe::from(Glm::logistic(names(&columns), "y".into()));
    // Without the one whose cholesterol is constant.
    let three = |mut sites: Vec<Site>| {
        sites.remove(2);
        sites
    };
    let rare = three(with(|site, row| {
        f64::from(u32::from(site < 2 && row % 2 == 0))
    }));
    ends(
        &logistic.clone().counted(yes.clone()),
        &rare,
        "column `hosp_HU` is yes in some rows at fewer than 3 of 3 sites",
    );
    let common = three(with(|site, row| {
        f64::from(u32::from(site > 1 || row % 2 == 0))
    }));
    ends(
        &logistic.counted(yes),
        &common,
        "column `hosp_HU` is no in some rows at fewer than 3 of 3 sites",
    );
    // All but one have the level: the reference is the one that has not.
    let sites = with(|site, _| f64::from(u32::from(site != 1)));
    ends(
        &recipe.counted(census),
        &sites,
        "column `hosp` has its level `CL` at fewer than 3 of 4 sites",
    );
}

#[test]
fn knots_around_one_patient_or_one_hospital_end_the_run() {
    let sites = with(|site, row| 10.0 * (site as f64 + 1.0) + (row % 3) as f64);
    let columns = columns_with("ward");
    let small: Vec<Site> = sites
        .iter()
        .map(|site| {
            let pick = |line: &Vec<f64>| vec![line[0], line[13], line[14]];
            Site::new(
                &site.name,
                &site.lines().iter().map(pick).collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(columns.len(), 14);
    let fit = |formula: &str| {
        let design = Formula::parse(formula)
            .unwrap()
            .design(|name| Some(vec![name.to_owned()]))
            .unwrap();
        let names: Vec<&str> = design.columns.iter().map(String::as_str).collect();
        let census = census(&names, yes_no());
        Recipe::from(Glm::new(design, "y".into(), Family::Logistic)).counted(census)
    };
    let ward = fit("y ~ age + ns(ward, knots = c(21, 31), boundary = c(10, 41))");
    ends(
        &ward,
        &small,
        "column `ward` has values between the knots 10 and 21; column `ward` has values between the knots 21 and 31; ",
    );
    let age = fit("y ~ ns(age, knots = c(50, 60), boundary = c(40, 70)) + ward");
    let all: Vec<&Site> = small.iter().collect();
    assert!(
        !round(&age, &age.start(Digest([3; 32])), &all)
            .unwrap()
            .unwrap()
            .stuck()
    );
    let one = fit("y ~ ns(age, knots = c(76.5, 77), boundary = c(76, 77.5)) + ward");
    ends(&one, &small, "column `age` has values between the knots 76");
}

#[test]
fn a_group_or_stratum_that_is_the_hospital_ends_the_run_by_its_name() {
    let mut sites = heart();
    for (at, site) in sites.iter_mut().enumerate() {
        site.group = Some(Array1::from_elem(site.y.len(), at as f64));
        site.time = Some((0..site.y.len()).map(|row| row as f64 + 1.0).collect());
    }
    let hospitals = grouping("hosp", &["CL", "HU", "SW", "VA"]);
    let details = Details {
        levels: hospitals.levels.clone(),
        ..Details::new(vec![Scale::default(); 13])
    };
    let table = Recipe::from(Summary {
        columns: names(&HEART_COLUMNS),
        details: Some(details),
    });
    let grouped = Census {
        group: Some(hospitals.clone()),
        ..census(&HEART_COLUMNS, None)
    };
    let words = "column `hosp` has its level `CL`; column `hosp` has its level `HU`; ";
    ends(&table.counted(grouped), &sites, words);
    let grid = Grid {
        step: 1.0,
        horizon: 400.0,
        times: Times::Grid,
    };
    let cox = Cox {
        strata: Strata::Group(hospitals.clone()),
        clock: Clock::Off,
        ..Cox::new(names(&HEART_COLUMNS), "t".into(), "y".into(), grid)
    };
    let strata = Census {
        time: Some("t".into()),
        group: Some(hospitals),
        ..census(&HEART_COLUMNS, Some(Explained::Event("y".into())))
    };
    ends(&Recipe::from(cox).counted(strata), &sites, words);
}

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
fn the_first_sum_holds_no_exact_count_and_sees_no_row_of_weight_0() {
    let mut sites = heart();
    sites.truncate(1);
    let site = &sites[0];
    let recipe = plain_heart().counted(heart_census());
    let start = recipe.start(Digest([3; 32]));
    let question = recipe.ask(&start, 1).unwrap().unwrap();
    let answer = |recipe: &Recipe, rows: &Rows<'_>| {
        let start = recipe.start(Digest([3; 32]));
        let update = recipe
            .answer(&start, &question, rows, &Memory::default(), &mut rng(1))
            .unwrap()
            .update;
        plain_sum(&question.layout, Digest::default(), vec![update])
            .unwrap()
            .values
    };
    let values = answer(&recipe, &site.rows());
    // Of each cell of the 96 pairs of columns and first levels, of two categories: whether it is
    // there and its rows, all, with and without the outcome.
    let numbers = values.len();
    let paired = 2 * 3 * 4 * 96;
    let (values, pairs) = values.split_at(numbers - paired);
    let (any, rows) = pairs.split_at(paired / 2);
    assert!(any.iter().all(|any| *any == 0.0 || *any == 1.0));
    assert!(rows.iter().all(|rows| rows % 10.0 == 0.0) && rows.iter().any(|rows| *rows > 0.0));
    // Behind the counts, of each group of the columns: whether it is there, and its rows.
    let (values, groups) = values.split_at(values.len() - 3 * 2 * 14);
    assert!(groups[56..].iter().all(|rows| rows % 10.0 == 0.0));
    let (things, counts) = values.split_at(values.len() - 3);
    assert!(things.iter().all(|value| *value == 0.0 || *value == 1.0));
    // 303 patients, 139 with the outcome.
    assert_eq!(
        (site.y.len(), counts),
        (303, [300.0, 140.0, 160.0].as_slice())
    );
    assert_eq!(recipe.first_numbers().unwrap(), numbers);
    // The same with weights: one patient is none, and has one value of each column.
    let weighted = Recipe::from(Glm {
        weight: Some(WeightKind::Precision),
        ..Glm::new(
            Design::plain(names(&HEART_COLUMNS)),
            "y".into(),
            Family::Logistic,
        )
    });
    let weighted = weighted.counted(heart_census());
    let weight: Array1<f64> = (0..303).map(|row| f64::from(u32::from(row == 7))).collect();
    let values = answer(
        &weighted,
        &Rows {
            weight: Some(weight.view()),
            ..site.rows()
        },
    );
    let (values, pairs) = values.split_at(values.len() - paired);
    assert!(pairs[paired / 2..].iter().all(|rows| *rows == 0.0));
    let (values, groups) = values.split_at(values.len() - 3 * 2 * 14);
    assert!(groups[56..].iter().all(|rows| *rows == 0.0));
    let (things, counts) = values.split_at(values.len() - 3);
    assert_eq!(counts, [0.0; 3]);
    assert_eq!(
        things.iter().sum::<f64>(),
        3.0 + 2.0 + 5.0 + 1.0,
        "a yes or no of three columns, two levels, that five are numbers, the outcome"
    );
}

#[test]
fn where_a_run_may_lose_a_site_what_it_asks_about_lies_at_one_more() {
    // Without the last hospital the level lies at two.
    let mut sites = with(|site, row| f64::from(u32::from(site != 1 && row % 3 == 0)));
    vary_cholesterol(&mut sites);
    let columns = columns_with("ward_B");
    let mut census = Census {
        columns: names(&columns),
        ..heart_census()
    };
    census.categories.push(Category {
        of: grouping("ward", &["A", "B"]),
        first: 13,
    });
    let fit = Recipe::from(Glm::logistic(names(&columns), "y".into()));
    let stays = fit.clone().counted(census.clone());
    let all: Vec<&Site> = sites.iter().collect();
    assert!(
        !round(&stays, &stays.start(Digest([3; 32])), &all)
            .unwrap()
            .unwrap()
            .stuck()
    );
    let goes_on = fit.counted(Census { spare: 1, ..census });
    ends(
        &goes_on,
        &sites,
        "column `ward` has its level `B` at fewer than 4 of 4 sites:",
    );
    // With as many sites as a sum needs none can be lost; the third has one cholesterol only.
    let mut three = sites;
    three.remove(2);
    ends(
        &goes_on,
        &three,
        "column `ward` has its level `B` at fewer than 3 of 3 sites:",
    );
    // Where enough are left the run goes on, over one set of sites.
    let recipe = plain_heart().counted(Census {
        spare: 1,
        ..heart_census()
    });
    let sites = heart();
    let lost = run_with(&recipe, |at| {
        sites.iter().take(if at < 3 { 4 } else { 3 }).collect()
    });
    let want = logistic(run(&plain_heart(), &sites[..3]));
    assert_eq!(logistic(lost).coefficients, want.coefficients);
}

#[test]
fn a_table_that_the_method_refuses_is_refused_in_the_first_round() {
    let recipe = plain_heart().counted(heart_census());
    let start = recipe.start(Digest([3; 32]));
    let question = recipe.ask(&start, 4).unwrap().unwrap();
    let refused = |site: &Site| {
        recipe
            .answer(
                &start,
                &question,
                &site.rows(),
                &Memory::default(),
                &mut rng(1),
            )
            .err()
            .unwrap()
    };
    let mut site = heart().remove(0);
    site.x[(0, 3)] = 7.31e30;
    assert!(
        refused(&site)
            .to_string()
            .contains("the sums of column `chol`"),
        "{}",
        refused(&site)
    );
    let mut site = heart().remove(0);
    site.y[0] = 2.0;
    assert_eq!(
        refused(&site),
        RecipeError::NotBinary {
            outcome: "y".into(),
            rows: 1
        }
    );
}

#[test]
fn a_first_round_is_read_back() {
    let recipe = plain_heart().counted(heart_census());
    assert_eq!(Recipe::from_bytes(&recipe.to_bytes()).unwrap(), recipe);
    assert_eq!(recipe.clone().counted(heart_census()), recipe);
    let state = recipe.start(Digest([3; 32]));
    assert_eq!(State::from_bytes(&state.to_bytes()).unwrap(), state);
    let subgroups = Subgroups {
        groups: Vec::new(),
        sites: true,
        min_cell: 5,
        min_sites: 3,
    };
    let around = plain_heart().judged(subgroups).counted(heart_census());
    assert_eq!(Recipe::from_bytes(&around.to_bytes()).unwrap(), around);
    assert_eq!((around.bare(), around.kind()), (plain_heart(), "logistic"));
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

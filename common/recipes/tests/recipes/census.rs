//! The first round: what lies at too few sites ends the run with its name, and what is asked after
//! it is what it was.

use crate::common::first_round::{
    census, columns_with, ends, grouping, heart_census, plain_heart, vary_cholesterol, with, yes_no,
};
use crate::common::{HEART_COLUMNS, Site, heart, logistic, names, rng, round, run, run_with};
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

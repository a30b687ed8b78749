//! The first round of a table and of trees: bins, missing values and groups at too few sites.

use crate::common::first_round::{
    census, columns_with, ends, grouping, heart_census, vary_cholesterol, with, yes_no,
};
use crate::common::{HEART_COLUMNS, Site, heart, names, round, run};
use motet_recipes::gbdt::Loss;
use motet_recipes::summary::Cell;
use motet_recipes::*;
use motet_secagg::digest::Digest;

#[test]
fn a_column_that_two_hospitals_have_ends_a_table_by_name() {
    let sites = with(|site, row| if site < 2 { row as f64 } else { f64::NAN });
    let columns = columns_with("crp");
    let recipe = Recipe::from(Summary::new(names(&columns)));
    let words = "column `crp` has values at fewer than 3 of 4 sites: leave it out";
    ends(&recipe.counted(census(&columns, None)), &sites, words);
    // Among the patients of a group, as well.
    let mut sites = with(|site, row| {
        if site < 2 || row % 2 == 0 {
            row as f64
        } else {
            f64::NAN
        }
    });
    for site in &mut sites {
        site.group = Some((0..site.y.len()).map(|row| (row % 2) as f64).collect());
    }
    let details = Details {
        levels: names(&["even", "odd"]),
        ..Details::new(vec![Scale::default(); 14])
    };
    let table = Recipe::from(Summary {
        columns: names(&columns),
        details: Some(details),
    });
    let grouped = Census {
        group: Some(grouping("day", &["even", "odd"])),
        ..census(&columns, None)
    };
    ends(
        &table.counted(grouped),
        &sites,
        "column `crp` has values in group `odd` at fewer than 3 of 4 sites",
    );
}

/// Below, the bins and above of a column of numbers between 0 and 200 that the heart tables get.
fn bins(edges: &[f64], value: impl Fn(usize, usize) -> f64) -> Vec<Option<u64>> {
    let (columns, sites) = (columns_with("lab"), with(value));
    let mut scales = vec![Scale::default(); 13];
    scales.push(Scale {
        edges: edges.to_vec(),
        category: None,
    });
    let recipe = Recipe::from(Summary {
        columns: names(&columns),
        details: Some(Details::new(scales)),
    });
    let Outcome::Summary(found) = run(&recipe.counted(census(&columns, None)), &sites).unwrap()
    else {
        panic!("a table")
    };
    let lab = &found.variables[13];
    assert!(lab.mean.is_finite() && lab.variance.is_finite());
    let of = found.details.unwrap().distributions.remove(0);
    assert!(of.withheld() || of.cells().all(|rows| rows.is_some()));
    of.cells().collect()
}

#[test]
fn a_bin_of_two_hospitals_takes_the_histogram_with_it_and_leaves_the_mean() {
    let shown =
        |edges: &[f64], value: &dyn Fn(usize, usize) -> f64| !bins(edges, value).contains(&None);
    let edges = [0.0, 50.0, 100.0, 150.0, 200.0];
    // At two hospitals many, at the others none or a few.
    let two = |site: usize, row: usize| match row % 8 {
        0 if site < 2 => 160.0,
        at => 10.0 + 18.0 * at as f64,
    };
    assert!(!shown(&edges, &two));
    assert!(shown(&[0.0, 50.0, 100.0, 200.0], &two), "wider bins");
    assert!(!shown(&edges, &|site, row| match row {
        0 if site > 1 => 170.0,
        _ => two(site, row),
    }));
    // Two patients at each of them, or three: of no hospital alone, and told.
    let spread = |site: usize, row: usize| match row {
        0..3 => 160.0,
        _ => 10.0 + 18.0 * ((site + row) % 7) as f64,
    };
    assert_eq!(bins(&edges, spread)[4], Some(12));
    // Three at each of two hospitals, six in all.
    assert!(!shown(&edges, &|site, row| match row {
        0..3 if site < 2 => 160.0,
        at => (at % 90) as f64,
    }));
    // Beside a bin of three a bin of one hospital: nothing of either is told, whichever comes first.
    assert!(!shown(&edges, &|site, row| match row {
        0..=8 if site == 3 => 120.0,
        9 if site < 3 => 160.0,
        at => (at % 90) as f64,
    }));
    // Above the last edge.
    assert!(!shown(&[0.0, 50.0, 100.0, 150.0], &two));
}

#[test]
fn few_patients_in_a_bin_take_the_histogram_with_it_however_wide_the_bins_are() {
    let edges = [0.0, 10.0, 20.0, 30.0, 40.0, 1000.0, 1100.0];
    for few in 1..5 {
        let value = |site: usize, row: usize| match row {
            0 if site < few => 1000.0 + row as f64,
            at => (at % 40) as f64,
        };
        assert_eq!(bins(&edges, value), [None; 8], "{few}");
    }
    let none = bins(&edges, |_, row| (row % 40) as f64);
    assert!(none.iter().all(Option::is_some) && none[6] == Some(0));
}

#[test]
fn a_number_of_three_values_is_a_category_in_a_table() {
    let columns = columns_with("stage");
    let staged = |value: &dyn Fn(usize, usize) -> f64, recipe: Recipe, crosses| {
        let census = Census {
            crosses,
            ..census(&columns, if crosses { yes_no() } else { None })
        };
        (recipe.counted(census), with(value))
    };
    let table = |value: &dyn Fn(usize, usize) -> f64| {
        staged(value, Summary::new(names(&columns)).into(), false)
    };
    let model = |value: &dyn Fn(usize, usize) -> f64| {
        staged(
            value,
            Glm::logistic(names(&columns), "y".into()).into(),
            true,
        )
    };
    let three = |_, row: usize| 1.0 + (row % 3) as f64;
    let (recipe, sites) = table(&three);
    ends(
        &recipe,
        &sites,
        "column `stage` has more than 3 different values at fewer than 3 of 4 sites: leave it out, or name it as a category",
    );
    // Few patients of a fourth value are not seen, and many at two hospitals are not enough.
    let (recipe, sites) = table(&|site, row| if row < 4 { 4.0 } else { three(site, row) });
    ends(&recipe, &sites, "column `stage` has more than 3");
    let (recipe, sites) = table(&|site, row| {
        if site < 2 {
            (row % 4) as f64
        } else {
            three(site, row)
        }
    });
    ends(&recipe, &sites, "column `stage` has more than 3");
    let (recipe, sites) = table(&|_, row| (row % 4) as f64);
    assert!(run(&recipe, &sites).is_ok());
    // A model tells no variance by itself: a number of two values is a category there.
    let (recipe, sites) = model(&three);
    assert!(run(&recipe, &sites).is_ok());
    let (recipe, sites) = model(&|_, row| 1.0 + (row % 2) as f64);
    ends(
        &recipe,
        &sites,
        "column `stage` has more than 2 different values",
    );
}

#[test]
fn a_yes_or_no_of_a_few_unknown_is_a_number_of_three_values() {
    let columns = columns_with("flag");
    let table = Recipe::from(Summary::new(names(&columns))).counted(census(&columns, None));
    for unknown in [2.0, 9.0] {
        for (at, words) in [
            (1, "column `flag` has other values than 0 and 1 at fewer"),
            (3, "column `flag` has more than 3 different values at fewer"),
            (4, "column `flag` has more than 3 different values at fewer"),
        ] {
            for few in 1..5 {
                let sites = with(|site, row| match row {
                    _ if site < at && row < few => unknown,
                    _ => (row % 2) as f64,
                });
                ends(&table, &sites, words);
            }
        }
    }
    assert!(run(&table, &with(|_, row| (row % 2) as f64)).is_ok());
}

#[test]
fn an_outcome_of_three_values_ends_a_model_of_numbers_by_name_and_one_of_two_is_a_yes_or_no() {
    let sites = |value: &dyn Fn(usize) -> f64| -> Vec<Site> {
        let mut sites = heart();
        for site in &mut sites {
            site.y = (0..site.y.len()).map(value).collect();
        }
        sites
    };
    // Twos at a few patients only of many, then at as many as the others.
    let few = |row: usize| match row {
        0..3 => 1.0,
        3 => 2.0,
        _ => 0.0,
    };
    let many = |row: usize| (row % 3) as f64;
    let glm = |family| Glm {
        family,
        ..Glm::logistic(names(&HEART_COLUMNS), "y".into())
    };
    let averaged = FedAvg {
        loss: motet_recipes::Loss::Number,
        rounds: 1,
        ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
    };
    let methods: [Recipe; 3] = [
        glm(Family::Linear).into(),
        glm(Family::Poisson).into(),
        averaged.into(),
    ];
    for method in methods {
        let outcome = Some(Explained::Number("y".into()));
        let recipe = method.counted(Census {
            outcome,
            ..heart_census()
        });
        for value in [&few as &dyn Fn(usize) -> f64, &many] {
            let words = "outcome `y` has more than 3 different values at fewer than 3 of 4 sites: an outcome of two values is a yes or no (`bool` in the schema, with its `false` and `true`)";
            ends(&recipe, &sites(value), words);
        }
        assert!(run(&recipe, &sites(&|row| (row % 2) as f64)).is_ok());
        assert!(run(&recipe, &sites(&|row| (row % 4) as f64)).is_ok());
    }
}

#[test]
fn averages_and_linear_models_ask_for_a_fourth_value_and_one_hospital_of_all_may_lack_it() {
    let columns = columns_with("stage");
    let staged = |values: usize, fewer: usize| {
        with(move |site, row| (row % if site == 3 { fewer } else { values }) as f64)
    };
    // Three hospitals: one has two values only, or one, as where cholesterol is 0 for all.
    let three = |values: usize, fewer: usize| {
        let mut sites = staged(values, fewer);
        sites.remove(2);
        sites
    };
    let logistic = Recipe::from(Glm::logistic(names(&columns), "y".into()))
        .counted(census(&columns, yes_no()));
    for fewer in 1..=3 {
        assert!(run(&logistic, &three(3, fewer)).is_ok());
    }
    let words = "column `stage` has other values than 0 and 1 at fewer than 3 of 3 sites";
    ends(&logistic, &three(2, 3), words);
    // What tells a variance besides asks for a fourth value.
    let linear = Glm {
        family: Family::Linear,
        ..Glm::logistic(names(&columns), "y".into())
    };
    let averaged = FedAvg {
        rounds: 1,
        ..FedAvg::new(names(&columns), "y".into())
    };
    for method in [Recipe::from(linear), Recipe::from(averaged)] {
        let recipe = method.counted(census(&columns, yes_no()));
        let words = "column `stage` has more than 3 different values at fewer than 3 of 4 sites";
        ends(&recipe, &staged(3, 3), words);
        assert!(run(&recipe, &staged(4, 4)).is_ok());
    }
    // A study that may lose a hospital asks for one more, but where that one alone lacks them.
    let spare = Census {
        spare: 1,
        ..census(&columns, yes_no())
    };
    let logistic = Recipe::from(Glm::logistic(names(&columns), "y".into())).counted(spare);
    assert!(run(&logistic, &staged(3, 1)).is_ok());
}

#[test]
fn what_is_withheld_together_is_more_than_the_sites_that_the_first_round_asks_for() {
    let least = |spare| {
        let table = Summary {
            columns: names(&["x"]),
            details: Some(Details::new(vec![Scale::default()])),
        };
        let counted = Recipe::from(table).counted(Census {
            spare,
            ..census(&["x"], None)
        });
        let AnyMethod::Summary(table) = counted.method else {
            panic!("a table")
        };
        table.details.unwrap().min_sites
    };
    assert_eq!((least(0), least(1)), (3, 4));
}

#[test]
fn a_plain_table_tells_few_patients_of_no_level_also_of_the_one_without_a_column() {
    // Levels a, b and c of one category; the first has no column and is what the others leave over.
    let means = |levels: [[usize; 3]; 3]| -> Vec<bool> {
        let site = |(at, counts): (usize, [usize; 3])| {
            let of = |level: usize| {
                let is = |own| f64::from(u8::from(level == own));
                vec![vec![is(1), is(2), 0.0]; counts[level]]
            };
            Site::new(&format!("s{at}"), &(0..3).flat_map(of).collect::<Vec<_>>())
        };
        let sites: Vec<Site> = levels.into_iter().enumerate().map(site).collect();
        let counted = Census {
            categories: vec![Category {
                of: grouping("cp", &["a", "b", "c"]),
                first: 0,
            }],
            crosses: false,
            pairs: false,
            ..census(&["b", "c"], None)
        };
        let recipe = Recipe::from(Summary::new(names(&["b", "c"]))).counted(counted);
        let Outcome::Summary(found) = run(&recipe, &sites).unwrap() else {
            panic!("a table")
        };
        let told = |of: &Variable| of.mean.is_finite() && of.variance.is_finite();
        found.variables.iter().map(told).collect()
    };
    assert_eq!(means([[1, 34, 40], [1, 33, 40], [1, 33, 40]]), [false; 2]);
    assert_eq!(means([[2, 34, 40], [2, 33, 40], [2, 33, 40]]), [true, true]);
    // A level that has a column: with all the others, whichever is the smallest of them.
    assert_eq!(means([[9, 1, 40], [9, 1, 40], [9, 1, 40]]), [false; 2]);
    assert_eq!(means([[50, 1, 40], [50, 1, 40], [50, 1, 40]]), [false; 2]);
    // Three and three, each at three sites: their sum would be both.
    assert_eq!(means([[1, 1, 40], [1, 1, 40], [1, 1, 40]]), [false; 2]);
}

#[test]
fn missing_values_of_two_hospitals_are_not_told_and_rows_without_a_group_end_the_run() {
    let gaps = |lacks: &dyn Fn(usize, usize) -> bool| {
        let sites = with(|site, row| {
            if lacks(site, row) {
                f64::NAN
            } else {
                row as f64
            }
        });
        let columns = columns_with("lab");
        let recipe = Recipe::from(Summary::new(names(&columns))).counted(census(&columns, None));
        let Outcome::Summary(found) = run(&recipe, &sites).unwrap() else {
            panic!("a table")
        };
        let lab = found
            .variables
            .iter()
            .find(|variable| variable.name == "lab")
            .unwrap();
        (lab.few_missing, lab.missing > 0)
    };
    assert_eq!(
        gaps(&|site, _| site == 3),
        (true, true),
        "one hospital without the column"
    );
    assert_eq!(gaps(&|site, row| site < 2 && row % 2 == 0), (true, true));
    assert_eq!(
        gaps(&|site, row| site == 3 && row > 0 || row == 0),
        (true, true),
        "one row elsewhere hides none"
    );
    assert_eq!(
        gaps(&|site, row| site < 2 && row < 2),
        (true, true),
        "a few at two hospitals"
    );
    assert_eq!(gaps(&|_, row| row < 2), (false, true), "a few everywhere");
    assert_eq!(gaps(&|site, row| site < 3 && row % 2 == 0), (false, true));
    assert_eq!(gaps(&|_, _| false), (false, false));

    // In a group alone: among the odd rows one hospital lacks what all lack among the even ones.
    let mut sites = with(|site, row| {
        let lacks = if row % 2 == 0 { row < 10 } else { site == 3 };
        if lacks { f64::NAN } else { row as f64 }
    });
    for site in &mut sites {
        site.group = Some((0..site.y.len()).map(|row| (row % 2) as f64).collect());
    }
    let columns = columns_with("lab");
    let details = Details {
        levels: names(&["even", "odd"]),
        ..Details::new(vec![Scale::default(); 14])
    };
    let table = Recipe::from(Summary {
        columns: names(&columns),
        details: Some(details),
    });
    let grouped = Census {
        group: Some(grouping("day", &["even", "odd"])),
        ..census(&columns, None)
    };
    let Outcome::Summary(found) = run(&table.counted(grouped), &sites).unwrap() else {
        panic!("a table")
    };
    let lines = found.details.unwrap().table.unwrap().lines;
    let withheld = |name: &str| {
        let line = lines.iter().find(|line| line.name == name).unwrap();
        let withheld = line.cells.iter().all(|cell| *cell == Cell::Withheld);
        (withheld, line.test.is_none())
    };
    assert_eq!(withheld("lab"), (true, true), "and the test with them");
    assert_eq!(withheld("age"), (false, false));

    let mut sites = heart();
    for (at, site) in sites.iter_mut().enumerate() {
        let level = |row: usize| {
            if at == 3 && row < 9 {
                f64::NAN
            } else {
                (row % 2) as f64
            }
        };
        site.group = Some((0..site.y.len()).map(level).collect());
    }
    let details = Details {
        levels: names(&["even", "odd"]),
        ..Details::new(vec![Scale::default(); 13])
    };
    let table = Recipe::from(Summary {
        columns: names(&HEART_COLUMNS),
        details: Some(details),
    });
    let grouped = Census {
        group: Some(grouping("day", &["even", "odd"])),
        ..census(&HEART_COLUMNS, None)
    };
    let words = "column `day` is missing in some rows at fewer than 3 of 4 sites: leave those rows out by a `filter`";
    ends(&table.counted(grouped), &sites, words);
}

#[test]
fn missing_values_of_which_nothing_is_known_are_not_told_and_where_none_are_none_are_withheld() {
    let sites = with(|_, row| if row < 2 { f64::NAN } else { row as f64 });
    let all: Vec<&Site> = sites.iter().collect();
    let columns = columns_with("lab");
    let recipe = Recipe::from(Summary::new(names(&columns))).counted(census(&columns, None));
    let mut state = recipe.start(Digest([3; 32]));
    while let Some(next) = round(&recipe, &state, &all) {
        state = next.unwrap();
    }
    let few = |missing: Vec<bool>| -> Vec<bool> {
        let mut state = state.clone();
        state.tally.as_mut().unwrap().missing = missing;
        let Outcome::Summary(found) = recipe.outcome(&state).unwrap() else {
            panic!("a table")
        };
        let variables = found.variables.iter();
        variables.map(|variable| variable.few_missing).collect()
    };
    let lab_alone = |few: Vec<bool>| few[13] && few[..13].iter().all(|few| !few);
    assert!(few(vec![false; 14]).iter().all(|few| !few));
    // Said by the first round of a column of which every value is there now.
    assert!(lab_alone(few(vec![true; 14])));
    assert!(lab_alone(few(vec![false; 13])));
    assert!(lab_alone(few(Vec::new())));
}

#[test]
fn trees_part_no_missing_values_that_one_hospital_alone_has() {
    let columns = columns_with("lab");
    let trees = |lacks: &dyn Fn(usize, usize) -> bool| {
        let mut sites = with(|site, row| {
            if lacks(site, row) {
                f64::NAN
            } else {
                (row % 60) as f64
            }
        });
        vary_cholesterol(&mut sites);
        let trees = Gbdt {
            trees: 3,
            ..Gbdt::new(names(&columns), "y".into(), Loss::Logistic)
        };
        (
            Recipe::from(trees).counted(census(&columns, yes_no())),
            sites,
        )
    };
    let words = "column `lab` is missing in some rows at fewer than 3 of 4 sites: \
                 leave those rows out by a `filter` (`x >= 0`, also on other columns that few sites lack values of; a site that lacks all its values then has no rows), or leave the column out";
    let (recipe, sites) = trees(&|site, row| site == 3 && row > 4);
    ends(&recipe, &sites, words);
    let (recipe, sites) = trees(&|site, row| site < 2 && row == 0);
    ends(&recipe, &sites, words);
    // All such columns are named at once.
    let (recipe, mut sites) = trees(&|site, row| site == 3 && row > 30);
    let mut first = sites[2].x.column_mut(0);
    first
        .iter_mut()
        .take(60)
        .for_each(|value| *value = f64::NAN);
    let both = format!("column `{}` is missing in some rows; {words}", columns[0]);
    ends(&recipe, &sites, &both);
    // Of a hospital that lacks the column no rows would be left.
    let (recipe, mut sites) = trees(&|site, _| site == 3);
    sites.remove(2);
    let words = "column `lab` has values at fewer than 3 of 3 sites: leave it out";
    ends(&recipe, &sites, words);
    for lacks in [&|_, _| false, &|site: usize, row: usize| {
        site < 3 && row < 9
    }] as [&dyn Fn(usize, usize) -> bool; 2]
    {
        let (recipe, sites) = trees(lacks);
        assert!(matches!(run(&recipe, &sites).unwrap(), Outcome::Gbdt(_)));
    }
}

#[test]
fn a_yes_that_one_hospital_alone_has_in_a_group_takes_the_line_with_it() {
    // Dialysis: some at every hospital, among the odd rows only at one, where there are many.
    let shown = |wide: bool| {
        let mut sites = with(|site, row| {
            let has = if row % 2 == 0 {
                row % 10 == 0
            } else {
                (wide || site == 3) && row % 10 == 1
            };
            f64::from(u8::from(has))
        });
        for site in &mut sites {
            site.group = Some((0..site.y.len()).map(|row| (row % 2) as f64).collect());
        }
        let columns = columns_with("dialysis");
        let details = Details {
            levels: names(&["even", "odd"]),
            ..Details::new(vec![Scale::default(); 14])
        };
        let table = Recipe::from(Summary {
            columns: names(&columns),
            details: Some(details),
        });
        let grouped = Census {
            group: Some(grouping("day", &["even", "odd"])),
            ..census(&columns, None)
        };
        let Outcome::Summary(found) = run(&table.counted(grouped), &sites).unwrap() else {
            panic!("a table")
        };
        let lines = found.details.unwrap().table.unwrap().lines;
        let told = |name: &str| {
            let line = lines.iter().find(|line| line.name == name).unwrap();
            line.cells.iter().all(|cell| *cell != Cell::Withheld)
        };
        (told("dialysis"), told("age"), told("sex"))
    };
    assert_eq!(shown(false), (false, true, true));
    assert_eq!(shown(true), (true, true, true));
}

#[test]
fn the_first_level_of_a_category_is_held_in_groups_like_the_others_whichever_is_named_first() {
    // Levels a, b, c; among the odd rows a is at two hospitals only, where there are some of it.
    let shown = |wide: bool| {
        let sites: Vec<Site> = (0..4)
            .map(|site| {
                let line = |row: usize| {
                    let odd = !row.is_multiple_of(2);
                    let first = row % 10 < 2 && (!odd || wide || site < 2);
                    let level = if first { 0 } else { 1 + row % 3 % 2 };
                    let is = |own| f64::from(u8::from(level == own));
                    vec![is(1), is(2), 0.0]
                };
                Site::new(&format!("s{site}"), &(0..120).map(line).collect::<Vec<_>>())
            })
            .map(|mut site| {
                site.group = Some((0..site.y.len()).map(|row| (row % 2) as f64).collect());
                site
            })
            .collect();
        let details = Details {
            levels: names(&["even", "odd"]),
            ..Details::new(vec![Scale::level(0); 2])
        };
        let table = Recipe::from(Summary {
            columns: names(&["b", "c"]),
            details: Some(details),
        });
        let grouped = Census {
            categories: vec![Category {
                of: grouping("cp", &["a", "b", "c"]),
                first: 0,
            }],
            group: Some(grouping("day", &["even", "odd"])),
            crosses: false,
            pairs: false,
            ..census(&["b", "c"], None)
        };
        let Outcome::Summary(found) = run(&table.counted(grouped), &sites).unwrap() else {
            panic!("a table")
        };
        let lines = found.details.unwrap().table.unwrap().lines;
        lines
            .iter()
            .map(|line| line.cells.iter().all(|cell| *cell != Cell::Withheld))
            .collect::<Vec<bool>>()
    };
    assert_eq!(shown(true), [true, true]);
    assert_eq!(shown(false), [false, false]);
}

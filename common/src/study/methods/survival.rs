//! `cox` and `km`: the time to an event.

use super::{levels, numbers};
use motet_recipes::data::Data;
use motet_recipes::km::Interval;
use motet_recipes::{Clock, Cox, Grid, Grouping, KaplanMeier, Recipe, Strata, Ties, Times};
use motet_toml::{Checked, Keys};

const TIES: [(&str, Ties); 2] = [("efron", Ties::Efron), ("breslow", Ties::Breslow)];
const TIMES: [(&str, Times); 2] = [("grid", Times::Grid), ("exact", Times::Exact)];
const CLOCKS: [(&str, Clock); 3] = [
    ("km", Clock::Km),
    ("identity", Clock::Identity),
    ("off", Clock::Off),
];
const INTERVALS: [(&str, Interval); 3] = [
    ("log-log", Interval::LogLog),
    ("log", Interval::Log),
    ("plain", Interval::Plain),
];
/// A time beyond this is a mistake in its unit: 10,000 years of hours.
const MOST_TIME: f64 = 1e8;

fn grid(keys: &mut Keys<'_>) -> Checked<Grid> {
    if !keys.given("times") {
        let fix = "write times = \"grid\", which rounds them up to the grid, or times = \"exact\", which shows them in the sum";
        return keys.refuse("times", "`times` is missing", fix);
    }
    let times = keys.word("times", &TIMES)?;
    let step = keys.number("step", 1.0, 1e-9..=MOST_TIME)?;
    match keys.number_given("horizon", 1e-9..=MOST_TIME)? {
        Some(horizon) => Ok(Grid {
            step,
            horizon,
            times,
        }),
        None => keys.refuse(
            "horizon",
            "`horizon` is missing",
            "write the last time that counts, a multiple of `step`",
        ),
    }
}

fn grouping(data: &Data) -> Option<Grouping> {
    data.group.as_ref().map(|column| Grouping {
        column: column.clone(),
        levels: levels(data, column),
    })
}

pub(super) fn read_cox(keys: &mut Keys<'_>, data: &Data) -> Checked<Recipe> {
    let grid = grid(keys)?;
    let strata = match (keys.text("strata")?, grouping(data)) {
        (None | Some("none"), None) => Strata::None,
        (Some("site"), None) => Strata::Site,
        (Some("group"), Some(grouping)) => Strata::Group(grouping),
        (Some("group"), None) => {
            let fix =
                "name the column as `group` in `[data]`, and its levels under `[data.levels]`";
            return keys.refuse(
                "strata",
                "`strata = \"group\"`, and the study names no group",
                fix,
            );
        }
        (_, Some(grouping)) => {
            let problem = format!(
                "`group` is `{}`, and `cox` has a group for strata only",
                grouping.column
            );
            return keys.refuse(
                "strata",
                problem,
                "write strata = \"group\", or remove `group`",
            );
        }
        (Some(other), None) => {
            let fix = "write \"none\", \"site\" or \"group\"";
            return keys.refuse("strata", format!("`strata` is {other:?}"), fix);
        }
    };
    // The usual clock needs one curve of all rows.
    let clock = if keys.given("proportional_hazards") || strata == Strata::None {
        keys.word("proportional_hazards", &CLOCKS)?
    } else {
        Clock::Identity
    };
    let (time, event) = explained(data);
    Ok(Recipe::from(Cox {
        columns: data.columns(),
        time,
        event,
        grid,
        strata,
        ties: keys.word("ties", &TIES)?,
        ridge: keys.number("ridge", 0.0, 0.0..=1e9)?,
        tolerance: keys.number("tolerance", 1e-10, 1e-14..=1e-6)?,
        max_rounds: keys.whole("max_rounds", 30, 1..=1000)?,
        clock,
        min_cell: keys.whole("min_cell", 5, 0..=1_000_000)?,
    }))
}

fn explained(data: &Data) -> (String, String) {
    (
        data.time.clone().unwrap_or_default(),
        data.outcome.clone().unwrap_or_default(),
    )
}

pub(super) fn read_km(keys: &mut Keys<'_>, data: &Data) -> Checked<Recipe> {
    let (time, event) = explained(data);
    Ok(Recipe::from(KaplanMeier {
        time,
        event,
        group: grouping(data),
        grid: grid(keys)?,
        marks: keys.numbers("marks")?,
        tau: keys.number_given("tau", 1e-9..=MOST_TIME)?,
        interval: keys.word("interval", &INTERVALS)?,
        min_cell: keys.whole("min_cell", 5, 0..=1_000_000)?,
    }))
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words
        .iter()
        .find(|(_, known)| known == value)
        .map_or("", |(word, _)| word)
}

fn write_grid(grid: &Grid) -> Vec<String> {
    vec![
        format!("times = \"{}\"", word(&TIMES, &grid.times)),
        format!("step = {:?}", grid.step),
        format!("horizon = {:?}", grid.horizon),
    ]
}

pub(super) fn write_cox(recipe: &Cox) -> Vec<String> {
    let strata = match recipe.strata {
        Strata::None => "none",
        Strata::Group(_) => "group",
        Strata::Site => "site",
    };
    let mut lines = write_grid(&recipe.grid);
    lines.extend([
        format!("strata = \"{strata}\""),
        format!("ties = \"{}\"", word(&TIES, &recipe.ties)),
        format!("ridge = {:?}", recipe.ridge),
        format!("tolerance = {:?}", recipe.tolerance),
        format!("max_rounds = {}", recipe.max_rounds),
        format!(
            "proportional_hazards = \"{}\"",
            word(&CLOCKS, &recipe.clock)
        ),
        format!("min_cell = {}", recipe.min_cell),
    ]);
    lines
}

pub(super) fn write_km(recipe: &KaplanMeier) -> Vec<String> {
    let mut lines = write_grid(&recipe.grid);
    if !recipe.marks.is_empty() {
        lines.push(format!("marks = {}", numbers(&recipe.marks)));
    }
    lines.extend(recipe.tau.map(|tau| format!("tau = {tau:?}")));
    lines.push(format!(
        "interval = \"{}\"",
        word(&INTERVALS, &recipe.interval)
    ));
    lines.push(format!("min_cell = {}", recipe.min_cell));
    lines
}

pub(super) fn cox_adds_up(recipe: &Cox) -> String {
    let sums = match recipe.strata {
        Strata::Site => {
            "the slopes and curvatures of a Cox regression within each site, and how many pairs of its patients it ranks rightly"
        }
        _ => {
            "how many events there were at each time; at each of these times the weight and the mean columns of those still at \
             risk; the curvatures of a Cox regression; a histogram of score and time and, of yes/no columns alone, how many sites \
             have other values in them"
        }
    };
    format!("{sums}; at most {} steps", recipe.max_rounds)
}

pub(super) fn km_adds_up(recipe: &KaplanMeier) -> String {
    let per = if recipe.group.is_some() {
        " of each group"
    } else {
        ""
    };
    format!(
        "how many events there were at each time{per}, and how many patients were then still at risk"
    )
}

/// What the times show, and what makes them show less.
fn times_shown(grid: &Grid) -> String {
    match grid.times {
        Times::Exact => {
            "ATTENTION: times are taken as they are, so the sum shows at which exact times there was an event, single ones \
             included, though not at which site. Your site's own policy must allow that"
                .to_owned()
        }
        Times::Grid => format!(
            "times are rounded up to multiples of {} before anything is counted; the sum shows at which of these there was an \
             event, single ones included, though not at which site",
            grid.step
        ),
    }
}

pub(super) fn cox_shows(recipe: &Cox) -> Vec<String> {
    if recipe.strata == Strata::Site {
        return vec![
            "each site is compared within itself: no time of an event and no group at risk is shown"
                .to_owned(),
        ];
    }
    vec![
        times_shown(&recipe.grid),
        "where a single patient leaves between two events, or few are left at risk, the sums of two neighbouring times show the \
         columns of those patients, though not at which site: a larger `step`, an earlier `horizon` or strata = \"site\" \
         shows less"
            .to_owned(),
    ]
}

pub(super) fn km_shows(recipe: &KaplanMeier) -> Vec<String> {
    vec![
        times_shown(&recipe.grid),
        format!(
            "steps of fewer than {} events are merged in what researchers receive; operators and the sites of the roster can read the sum itself",
            recipe.min_cell
        ),
    ]
}

/// Grid points of all strata or groups.
fn points(grid: &Grid, groups: usize) -> usize {
    groups * ((grid.horizon / grid.step).round() as usize + 1)
}

pub(super) fn cox_vectors(recipe: &Cox) -> Vec<(&'static str, usize)> {
    let columns = recipe.columns.len();
    let triangle = columns * (columns + 1) / 2;
    if recipe.strata == Strata::Site {
        return vec![
            ("counts and sums", 2 + columns),
            ("spread", 2 * columns),
            ("a step of the fit", 2 + columns + triangle),
            ("ranked pairs and drift", 3 + columns + 2 * triangle),
        ];
    }
    let groups = if let Strata::Group(grouping) = &recipe.strata {
        grouping.levels.len()
    } else {
        1
    };
    let points = points(&recipe.grid, groups);
    let tied = if recipe.ties == Ties::Efron {
        points
    } else {
        0
    };
    vec![
        ("counts and sums", 2 + columns),
        ("spread and events", 2 * columns + points),
        (
            "groups at risk",
            1 + (points + tied) * (columns + 1) + columns,
        ),
        ("curvatures", triangle),
        (
            "scores by time, and drift",
            1 + 20_000.max(4_000 * groups) + columns + 2 * triangle,
        ),
    ]
}

pub(super) fn km_vectors(recipe: &KaplanMeier) -> Vec<(&'static str, usize)> {
    let groups = recipe
        .group
        .as_ref()
        .map_or(1, |grouping| grouping.levels.len());
    let points = points(&recipe.grid, groups);
    vec![("events", groups + points), ("patients at risk", points)]
}

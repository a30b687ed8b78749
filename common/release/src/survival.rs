//! What a study says about times to an event and the numbers of its run do not.

use motet_recipes::km::Interval;
use motet_recipes::{AnyMethod, Grid, Loss, Recipe, Strata, Ties, Times};

/// How a survival recipe read its times; empty for all others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survival {
    /// The column of times.
    pub time: String,
    /// How tied events were treated: `efron` or `breslow`.
    pub ties: Option<&'static str>,
    /// Who is compared with whom: `site`, a column, or all with all.
    pub strata: Option<String>,
    /// The column whose levels have a curve each.
    pub group: Option<String>,
    /// `grid`: times were rounded up to the next step; `exact`: they are multiples of it.
    pub times: Option<&'static str>,
    /// Distance of two times that can be told apart, in the unit of the time column.
    pub step: Option<f64>,
    /// Who is followed longer is censored here.
    pub horizon: Option<f64>,
    /// Kind of the interval of a curve: `log-log`, `log` or `plain`.
    pub interval: Option<&'static str>,
    /// The study's own limit for numbers that are printed.
    pub min_cell: u64,
}

impl Survival {
    /// As the study fixed it.
    pub fn of(recipe: &Recipe) -> Self {
        match &recipe.method {
            AnyMethod::Cox(recipe) => Self {
                time: recipe.time.clone(),
                ties: Some(match recipe.ties {
                    Ties::Efron => "efron",
                    Ties::Breslow => "breslow",
                }),
                strata: match &recipe.strata {
                    Strata::None => None,
                    Strata::Site => Some("site".to_owned()),
                    Strata::Group(grouping) => Some(grouping.column.clone()),
                },
                min_cell: u64::from(recipe.min_cell),
                ..Self::default()
            }
            .on(&recipe.grid),
            AnyMethod::KaplanMeier(recipe) => Self {
                time: recipe.time.clone(),
                group: recipe
                    .group
                    .as_ref()
                    .map(|grouping| grouping.column.clone()),
                interval: Some(match recipe.interval {
                    Interval::LogLog => "log-log",
                    Interval::Log => "log",
                    Interval::Plain => "plain",
                }),
                min_cell: u64::from(recipe.min_cell),
                ..Self::default()
            }
            .on(&recipe.grid),
            AnyMethod::FedAvg(recipe) => match &recipe.loss {
                Loss::Time(time) => Self {
                    time: time.clone(),
                    ties: Some("breslow"),
                    strata: Some("site".to_owned()),
                    ..Self::default()
                },
                _ => Self::default(),
            },
            _ => Self::default(),
        }
    }

    fn on(self, grid: &Grid) -> Self {
        let times = match grid.times {
            Times::Grid => "grid",
            Times::Exact => "exact",
        };
        Self {
            times: Some(times),
            step: Some(grid.step),
            horizon: Some(grid.horizon),
            ..self
        }
    }

    /// The name of the time axis: "Time (days)".
    pub(super) fn axis(&self) -> String {
        match self.time.as_str() {
            "" => "Time".to_owned(),
            name => format!("Time ({name})"),
        }
    }
}

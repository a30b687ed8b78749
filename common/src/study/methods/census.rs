//! The first round: what it counts of a study's columns, and what it tells a steward.

use super::super::{MOST_LOST, Privacy, SiteLoss, Study};
use motet_recipes::data::{Data, Levels};
use motet_recipes::{AnyMethod, Category, Census, Explained, Grouping, Recipe};

/// Fewest events, and rows without one, of a study; the rounding of the first round has the same.
const MIN_CELL: u32 = 5;

/// The method behind a first round; `count` rounds by itself and asks for nothing else.
pub(in super::super) fn behind_census(
    recipe: Recipe,
    data: &Data,
    privacy: &Privacy,
    on_site_loss: SiteLoss,
) -> Recipe {
    if matches!(recipe.method, AnyMethod::Count(_)) {
        return recipe;
    }
    let explained = |outcome: &String| {
        let outcome = outcome.clone();
        match (&data.time, recipe.method.explains_number()) {
            (Some(_), _) => Explained::Event(outcome),
            (None, true) => Explained::Number(outcome),
            (None, false) => Explained::YesNo(outcome),
        }
    };
    let grouping = |levels: &Levels| Grouping {
        column: levels.feature.clone(),
        levels: levels.levels.clone(),
    };
    let mut first = 0;
    let mut categories = Vec::new();
    for feature in &data.features {
        match data.levels.iter().find(|levels| levels.feature == *feature) {
            Some(levels) => {
                categories.push(Category {
                    of: grouping(levels),
                    first,
                });
                first += levels.levels.len() as u32 - 1;
            }
            None => first += 1,
        }
    }
    let group = data
        .group
        .as_ref()
        .and_then(|group| data.levels.iter().find(|known| known.feature == *group));
    let census = Census {
        columns: data.columns(),
        categories,
        outcome: data.outcome.as_ref().map(explained),
        time: data.time.clone(),
        offset: data.offset.clone(),
        weight: data.weight.clone(),
        group: group.map(grouping),
        min_sites: privacy.min_sites,
        spare: if on_site_loss == SiteLoss::Continue {
            MOST_LOST
        } else {
            0
        },
        min_cell: MIN_CELL,
        crosses: recipe.method.tells_counts(),
    };
    let sites = [census.min_sites, census.min_sites + census.spare];
    recipe.counted(census).withholding_beside(&sites)
}

impl Study {
    /// The numbers of the first round's vector.
    pub(super) fn census_vectors(&self) -> Vec<(&'static str, usize)> {
        self.recipe
            .first_numbers()
            .map(|numbers| ("first round", numbers))
            .into_iter()
            .collect()
    }

    /// What the first round tells, in sentences for the steward.
    pub(in super::super) fn census_tells(&self) -> Vec<String> {
        let Some(census) = self.recipe.census.as_ref() else {
            return Vec::new();
        };
        let classes = match census.outcome {
            Some(Explained::Number(_)) => ", those whose outcome is 1 and those whose outcome is 0",
            Some(_) => ", and those with and without the outcome",
            None => "",
        };
        let least = census.min_sites + census.spare;
        let mut lines = vec![
            format!(
                "the first round counts rows{classes}, rounded at your site to tens and fewer than {} as none, and at how many sites \
                 each column has values, different values, a yes and a no, and each of its levels",
                census.min_cell
            ),
            format!(
                "a column, a level, a yes or a no that fewer than {least} sites have ends the run with its name, before anything else \
                 is asked, as does a number that fewer than {least} sites have more than {} different values of (the others in {} patients \
                 or more), though one site may lack them; and so do fewer than {} patients with or without a yes/no outcome in all",
                self.recipe.common_values(),
                census.min_cell,
                census.min_cell
            ),
        ];
        if matches!(self.recipe.method, AnyMethod::Summary(_)) {
            lines.push(format!(
                "of a table it also asks whether any, and whether {0} or more, of your patients lack a value of a column, in all and in \
                 each group, or have a yes, a no or the first level of it in a group, and whether any, and {0} or more, are in each bin of a histogram",
                census.min_cell
            ));
        }
        if matches!(self.recipe.method, AnyMethod::Gbdt(_)) {
            lines.push(format!(
                "trees part who lacks a value from who has one: of a column that some of your patients lack and fewer than {least} \
                 sites have such patients, the run ends with its name"
            ));
        }
        if census.crosses {
            lines.push(format!(
                "the first round also counts, rounded in the same way, the patients of each yes/no column, level and product{}; a few \
                 with a yes or a level end the run, and where the study has no other columns a few in any of these groups",
                if census.outcome.is_some() { ", with and without the outcome" } else { "" }
            ));
        }
        lines
    }
}

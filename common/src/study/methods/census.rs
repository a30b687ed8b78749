//! The first round: what it counts of a study's columns, and what it tells a steward.

use super::super::{MOST_LOST, Privacy, SiteLoss, Study};
use motet_recipes::data::{Data, Levels};
use motet_recipes::{COMMON_EXPLAINED, Category, Census, Explained, Grouping, Recipe};

/// Fewest events, and rows without one, of a study; the rounding of the first round has the same.
const MIN_CELL: u32 = 5;

/// The method behind a first round, if one is asked before it.
pub(in super::super) fn behind_census(
    recipe: Recipe,
    data: &Data,
    privacy: &Privacy,
    on_site_loss: SiteLoss,
) -> Recipe {
    if !recipe.method.asks_first() {
        return recipe;
    }
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
    debug_assert_eq!(
        first as usize,
        data.columns().len(),
        "a place for each column"
    );
    let group = data
        .group
        .as_ref()
        .and_then(|group| data.levels.iter().find(|known| known.feature == *group));
    // Beside the levels of categories nearly every pair has an empty cell, and so have columns of
    // real tables of times: no such study would run. SECURITY.md says what that leaves open.
    let has_pairs = categories.is_empty()
        && data.time.is_none()
        && recipe.method.tells_counts()
        && recipe.exact();
    let census = Census {
        columns: data.columns(),
        categories,
        outcome: data
            .outcome
            .as_ref()
            .map(|outcome| explained(outcome, data, &recipe)),
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
        cell: MIN_CELL,
        crosses: recipe.method.tells_counts(),
        pairs: has_pairs,
    };
    let sites = [census.min_sites, census.min_sites + census.spare];
    recipe.counted(census).withholding_beside(&sites)
}

/// Fewest sites that must have a thing, in words.
fn least_sites(census: &Census) -> String {
    let [most, fewest] = [u32::MAX, census.min_sites].map(|all| census.least(all));
    if most == fewest {
        most.to_string()
    } else {
        format!("{most} ({fewest} where no more than {fewest} take part)")
    }
}

/// What the outcome is.
fn explained(outcome: &str, data: &Data, recipe: &Recipe) -> Explained {
    let mut levels = data.levels.iter();
    if let Some(levels) = levels.find(|levels| levels.feature == outcome) {
        return Explained::Ordered(grouping(levels));
    }
    let outcome = outcome.to_owned();
    match (&data.time, recipe.method.explains_number()) {
        (Some(_), _) => Explained::Event(outcome),
        (None, true) => Explained::Number(outcome),
        (None, false) => Explained::YesNo(outcome),
    }
}

fn grouping(levels: &Levels) -> Grouping {
    Grouping {
        column: levels.feature.clone(),
        levels: levels.levels.clone(),
    }
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
            Some(Explained::Ordered(_)) => ", and those at each level of the outcome",
            Some(_) => ", and those with and without the outcome",
            None => "",
        };
        let least = least_sites(census);
        let few = match census.outcome {
            Some(Explained::Ordered(_)) => format!(
                "; and so do fewer than {} patients at a level of the outcome in all",
                census.min_cell
            ),
            Some(_) => format!(
                "; and so do fewer than {} patients with or without a yes/no outcome in all",
                census.min_cell
            ),
            None => String::new(),
        };
        let mut lines = vec![
            format!(
                "the first round counts rows{classes}, rounded at your site to \
                 tens and fewer than {} as none, \
                 and at how many sites each \
                 column has values, different values, a yes and a no, \
                 and each \
                 of its levels",
                census.min_cell
            ),
            format!(
                "a column, a level, a yes or a no that fewer than {least} sites have \
                 ends the run with its name, before anything else \
                 is asked, as does a number that fewer than {least} \
                 sites have more than \
                 {} different values of (the others in {} patients \
                 or more), though one site of all may lack them: what \
                 is told of the \
                 number is then the others', and of two others each \
                 reads the other's{few}",
                self.recipe.common_values(),
                census.min_cell
            ),
            "one patient with a yes, a no or a level makes a site one that has it: \
             that others must be enough there is asked of no site"
                .to_owned(),
        ];
        lines.extend(self.recipe.method.first_tells(census.min_cell, &least));
        if let Some(Explained::Number(_)) = census.outcome {
            lines.push(format!(
                "an outcome that is no yes or no has more than {COMMON_EXPLAINED} \
                 different values (the others in {} patients or more) at \
                 {least} sites, though one site of all may lack them, or the run ends with its name",
                census.min_cell
            ));
        }
        let bent = self.recipe.bent_columns();
        if !bent.is_empty() {
            lines.push(format!(
                "a column that is split or bent (by trees, or by a power, a logarithm, \
                 a product or a spline of a formula) has such \
                 different values at EVERY site, or is a yes or no, or the run ends with its name: {}",
                bent.join(", ")
            ));
        }
        let classes = match census.outcome {
            Some(Explained::Ordered(_)) => ", at each level of the outcome",
            Some(_) => ", with and without the outcome",
            None => "",
        };
        if census.crosses {
            lines.push(format!(
                "the first round also counts, rounded in the same way, the patients of \
                 each yes/no column, level and product{classes}; fewer \
                 than {} that are certain with a yes or a level end \
                 the run, and where \
                 the study has no other columns so few in any of \
                 these groups",
                census.cell
            ));
        }
        if census.pairs {
            lines.push(
                "of two yes/no columns it counts the \
                 patients with both, with one and with none in the same \
                 way: where a coefficient would stand for a few of \
                 these, or, as one is a yes \
                 only with the other, or never, \
                 for those of too few sites, \
                 the run ends with both names. Of three columns at \
                 once, and of \
                 powers of a number, nothing is counted"
                    .to_owned(),
            );
        }
        lines
    }
}

//! The table `[evaluation]`: by which groups of patients, and at which sites, the finished model is
//! judged.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `groups` | none | columns of the dataset, features or not, that divide the patients: yes/no, a category, or a number with cuts |
//! | `cuts.NAME` | | the bands of a number: `[50, 65, 80]` |
//! | `levels.NAME` | those of `[data.levels]` | the levels of a category that is no feature |
//! | `sites` | false | whether sites are asked for their own figures |
//! | `min_cell` | 5 | fewest patients of a level that is shown, as many with and without the outcome (of a time: events; of a number: other than 0 and 1, or as many of each) |

use super::raw::{RawEvaluation, RawFile, Reading};
use super::{Privacy, Study};
use motet_recipes::data::Data;
use motet_recipes::subgroups::{MISSING, MOST_BINS, MOST_GROUPS, MOST_LEVELS, Measure, PARTS};
use motet_recipes::{Recipe, Subgroup, SubgroupKind, Subgroups};
use motet_toml::Checked;
use toml::Spanned;

impl Reading<'_> {
    /// The recipe with what its model is judged by, where the study says so.
    pub(super) fn evaluation(
        &self,
        file: &RawFile,
        method: Recipe,
        data: &Data,
        privacy: &Privacy,
    ) -> Checked<Recipe> {
        let holds_out = data.test_fraction > 0.0;
        let nothing = Spanned::new(0..0, RawEvaluation::default());
        let table = match &file.evaluation {
            Some(table) => table,
            None if holds_out => &nothing,
            None => return Ok(method),
        };
        let raw = table.get_ref();
        self.no_folds(raw)?;
        let mut subgroups = Subgroups {
            groups: self.groups(raw, data)?,
            sites: raw.sites.unwrap_or(false),
            min_cell: self.file.whole(&raw.min_cell, "min_cell", 5, 2..=1000)?,
            min_sites: privacy.min_sites,
        };
        if holds_out {
            subgroups = subgroups.with_held_out();
        }
        if subgroups.groups.is_empty() && !subgroups.sites {
            let fix = "name `groups`, write `sites = true`, or remove the table";
            return self.refuse(table.span(), "`[evaluation]` asks for nothing", fix);
        }
        let losses = file
            .rounds
            .on_site_loss
            .as_ref()
            .map(|loss| loss.get_ref().as_str());
        if losses == Some("continue") && holds_out {
            let problem = "no rows are held out where a run goes on without a site: the sites left \
                could be told apart";
            return self.nobody_held_out(&file.data, problem.to_owned());
        }
        if losses == Some("continue") {
            let problem = "a model is not judged by groups where a run goes on without a \
                site: the sites left could be told apart";
            return self.refuse(
                table.span(),
                problem,
                "remove the table, or `on_site_loss = \"continue\"` under [rounds]",
            );
        }
        let kind = method.kind();
        let judged = method.clone().judged(subgroups);
        if judged.check().is_err() {
            if holds_out {
                let problem = match &data.weight {
                    Some(weight) => {
                        format!("with the weight `{weight}` a model is not judged on rows held out")
                    }
                    None => format!("recipe `{kind}` has no model that is judged on rows held out"),
                };
                return self.nobody_held_out(&file.data, problem);
            }
            let problem = match &data.weight {
                Some(weight) => {
                    format!("with the weight `{weight}` a model is not judged by groups")
                }
                None => format!("recipe `{kind}` has no model that could be judged by groups"),
            };
            return self.refuse(table.span(), problem, "remove the table `[evaluation]`");
        }
        Ok(judged)
    }

    fn groups(&self, raw: &RawEvaluation, data: &Data) -> Checked<Vec<Subgroup>> {
        let named: Vec<&Spanned<String>> = raw.groups.iter().flat_map(Spanned::get_ref).collect();
        let names: Vec<&String> = named.iter().map(|group| group.get_ref()).collect();
        let cut = raw.cuts.iter().find(|(name, _)| !names.contains(name));
        let level = raw.levels.iter().find(|(name, _)| !names.contains(name));
        let stray = cut
            .map(|(name, cuts)| ("cuts", name, cuts.span()))
            .or_else(|| level.map(|(name, levels)| ("levels", name, levels.span())));
        if let Some((key, name, span)) = stray {
            let problem = format!("`{key}.{name}` is not one of the groups");
            return self.refuse(span, problem, "add it to `groups` or remove it");
        }
        if let (Some(list), true) = (&raw.groups, named.len() > MOST_GROUPS) {
            let problem = format!("`groups` names {} columns", named.len());
            return self.refuse(list.span(), problem, format!("name at most {MOST_GROUPS}"));
        }
        let mut groups: Vec<Subgroup> = Vec::new();
        for name in named {
            let column = self.column(name)?;
            if groups.iter().any(|group| group.column == column) {
                return self.refuse(
                    name.span(),
                    format!("group `{column}` stands twice"),
                    "name it once",
                );
            }
            if [&data.outcome, &data.time]
                .into_iter()
                .flatten()
                .any(|explained| *explained == column)
            {
                let problem = format!("group `{column}` is what the model explains");
                return self.refuse(name.span(), problem, "name another column");
            }
            let kind = self.group_kind(raw, data, name)?;
            groups.push(Subgroup { column, kind });
        }
        Ok(groups)
    }

    fn group_kind(
        &self,
        raw: &RawEvaluation,
        data: &Data,
        name: &Spanned<String>,
    ) -> Checked<SubgroupKind> {
        let column = name.get_ref();
        let cuts = raw.cuts.get(column);
        let levels = raw.levels.get(column);
        let kind = match (cuts, levels, data.levels_of(column)) {
            (Some(cuts), Some(_), _) | (Some(cuts), _, Some(_)) => {
                let problem = format!("`{column}` has both cuts and levels");
                return self.refuse(
                    cuts.span(),
                    problem,
                    "a number has cuts, a category has levels",
                );
            }
            (None, Some(levels), Some(_)) => {
                let problem = format!("the levels of `{column}` stand under `[data.levels]`");
                return self.refuse(levels.span(), problem, "remove them here");
            }
            (Some(cuts), None, None) => SubgroupKind::Bands(self.cuts(column, cuts)?),
            (None, Some(levels), None) => {
                SubgroupKind::Category(self.category(column, levels)?.levels)
            }
            (None, None, Some(levels)) => SubgroupKind::Category(levels.to_vec()),
            (None, None, None) => SubgroupKind::YesNo,
        };
        if let SubgroupKind::Category(found) = &kind {
            let span = levels.map_or(name.span(), Spanned::span);
            if found.len() > MOST_LEVELS {
                let problem = format!("group `{column}` has {} levels", found.len());
                return self.refuse(
                    span,
                    problem,
                    format!("name a group of at most {MOST_LEVELS}"),
                );
            }
            if found.iter().any(|level| level == MISSING) {
                let problem = format!("a level of `{column}` is called `{MISSING}`");
                return self.refuse(
                    span,
                    problem,
                    "that is the level of patients without a value",
                );
            }
        }
        Ok(kind)
    }

    fn cuts(&self, column: &str, cuts: &Spanned<Vec<f64>>) -> Checked<Vec<f64>> {
        let numbers = cuts.get_ref();
        let rising = numbers
            .iter()
            .zip(numbers.iter().skip(1))
            .all(|(low, high)| low < high);
        if !rising || !numbers.iter().all(|cut| cut.is_finite()) {
            let problem = format!("`cuts.{column}` does not rise");
            return self.refuse(cuts.span(), problem, "write numbers such as [50, 65, 80]");
        }
        if !(1..MOST_LEVELS).contains(&numbers.len()) {
            let problem = format!("`cuts.{column}` has {} numbers", numbers.len());
            return self.refuse(
                cuts.span(),
                problem,
                format!("write 1 to {}", MOST_LEVELS - 1),
            );
        }
        // Adding zero turns -0 into 0: one number, one digest.
        Ok(numbers.iter().map(|cut| cut + 0.0).collect())
    }
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The table written back, with every default spelled out.
pub(super) fn write(subgroups: &Subgroups, data: &Data) -> Vec<String> {
    let columns: Vec<String> = subgroups
        .in_columns()
        .map(|group| quoted(&group.column))
        .collect();
    let mut lines = vec![
        String::new(),
        "[evaluation]".to_owned(),
        format!("groups = {}", list(&columns)),
        format!("sites = {}", subgroups.sites),
        format!("min_cell = {}", subgroups.min_cell),
    ];
    for group in subgroups.in_columns() {
        let column = &group.column;
        match &group.kind {
            SubgroupKind::Bands(cuts) => {
                let cuts: Vec<String> = cuts.iter().map(|cut| format!("{cut:?}")).collect();
                lines.push(format!("cuts.{column} = {}", list(&cuts)));
            }
            SubgroupKind::Category(levels) if data.levels_of(column).is_none() => {
                let levels: Vec<String> = levels.iter().map(|text| quoted(text)).collect();
                lines.push(format!("levels.{column} = {}", list(&levels)));
            }
            SubgroupKind::Category(_) | SubgroupKind::YesNo | SubgroupKind::HeldOut => {}
        }
    }
    lines
}

impl Study {
    /// What the model says of a patient.
    pub(super) fn judged_as(&self) -> Measure {
        match self.outcome() {
            // No method of an ordered outcome has a model that is judged.
            super::Outcome::Number | super::Outcome::Ordered => Measure::Number,
            super::Outcome::YesNo if self.data.time.is_some() => Measure::Time,
            super::Outcome::YesNo => Measure::Risk,
        }
    }

    /// The further kinds of rounds of the judgement, as [`Study::vectors`], with that many sites in
    /// the roster.
    pub fn judging_vectors(&self, sites: usize) -> Vec<(&'static str, usize)> {
        let Some(subgroups) = self.recipe.judged.as_ref() else {
            return Vec::new();
        };
        let levels: usize = subgroups
            .in_columns()
            .map(|group| group.levels().len())
            .sum();
        let parts = if subgroups.holds_out() { PARTS } else { 0 };
        let places = if subgroups.sites { sites } else { 0 };
        let [counted, level, place, line] = match self.judged_as() {
            Measure::Risk => [4, 2 * MOST_BINS + 2, 8, 5],
            Measure::Number => [5, 5, 5, 0],
            Measure::Time => [4, 5, 7, 0],
        };
        let mut vectors = vec![(
            "who is in each group",
            counted * (levels + parts) + subgroups.groups.len() + places,
        )];
        if parts > 0 && self.judged_as() != Measure::Time {
            vectors.extend([
                ("predictions of both parts", 3 * parts),
                ("patients unlike all others", parts),
            ]);
        }
        vectors.push((
            "the model by groups",
            level * (levels + parts) + place * places,
        ));
        if line * parts > 0 {
            vectors.push(("calibration of both parts", line * parts));
        }
        vectors
    }

    /// By what the model is judged, in sentences about the data for the steward.
    pub(super) fn judged_by(&self) -> Vec<String> {
        let Some(subgroups) = self.recipe.judged.as_ref() else {
            return Vec::new();
        };
        let groups: Vec<String> = subgroups
            .in_columns()
            .map(|group| {
                let mut levels = group.levels();
                levels.pop();
                format!("{} ({})", group.column, levels.join(", "))
            })
            .collect();
        if groups.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "columns by which the finished model is judged: {}; a patient without a \
             value there is a group of its own and not left \
             out",
            groups.join("; ")
        )]
    }

    /// What the judgement adds up, in sentences for the steward.
    pub(super) fn judging_adds_up(&self) -> Vec<String> {
        let Some(subgroups) = self.recipe.judged.as_ref() else {
            return Vec::new();
        };
        let measure = self.judged_as();
        let enough = match measure {
            Measure::Risk => "as many with and without the outcome",
            Measure::Number => {
                "as many whose outcome is neither 0 nor 1, or, where it is one \
                 of these in all of them, as many with each"
            }
            Measure::Time => "as many with the event",
        };
        let mut lines = Vec::new();
        lines.extend(self.held_out_adds_up(enough));
        if subgroups.in_columns().next().is_some() {
            let (counts, figures) = match measure {
                Measure::Risk => (
                    "how many sites, patients and patients with the outcome",
                    "a histogram of the predicted risk with and without the \
                     outcome, the risks and the squared errors",
                ),
                Measure::Number => (
                    "how many sites and patients, and patients whose outcome is 1 and whose outcome is 0",
                    "the outcome and the model's errors, and their squares",
                ),
                Measure::Time => (
                    "how many sites, patients and events",
                    "how many pairs of patients at one site the model ranks rightly",
                ),
            };
            let told = if subgroups.sites {
                ", or from sites that all tell their own figures"
            } else {
                ""
            };
            lines.push(format!(
                "when the model is finished, of each of these groups: {counts}; and \
                 then, of groups with at least {} patients \
                 ({enough}) from at least {} sites{told}: {figures}",
                subgroups.min_cell, subgroups.min_sites
            ));
        }
        if subgroups.sites {
            let figures = match measure {
                Measure::Risk => {
                    "how many patients, how many with the outcome, how many are \
                     predicted rightly, AUC, mean risk and Brier score"
                }
                Measure::Number => {
                    "how many patients, and the sums of outcome, errors and their squares"
                }
                Measure::Time => {
                    "how many patients and events, and how many pairs are ranked rightly"
                }
            };
            lines.push(format!(
                "DISCLOSURE, if you allow it: your site's own figures, in a place of \
                 the vector that is yours alone: {figures}. Your \
                 node fills it only with `own_metrics \
                 = true` under `[limits]` of \
                 node.toml, and with {} patients or more ({enough}); \
                 else it sends zeros there and still takes part",
                subgroups.min_cell
            ));
        }
        lines
    }

    /// What the judgement shows of few patients or of one site, in sentences for the steward.
    pub(super) fn judging_shows(&self) -> Vec<String> {
        let Some(subgroups) = self.recipe.judged.as_ref() else {
            return Vec::new();
        };
        let mut lines: Vec<String> = self.held_out_shows().into_iter().collect();
        if subgroups.in_columns().next().is_some() {
            let with = match self.judged_as() {
                Measure::Risk => " and how many of them with the outcome",
                Measure::Time => " and how many of them with the event",
                Measure::Number => ", how many of them have the outcome 1 and how many 0",
            };
            lines.push(format!(
                "the first sum about groups shows how many patients each group \
                 has{with}, small groups too. \
                 A group of fewer than {} \
                 sites is asked for nothing more, not \
                 counting sites that tell their \
                 own figures, unless all tell: where your site \
                 has a group to itself (your country, say), what is counted there is yours",
                subgroups.min_sites
            ));
            lines.push(
                "groups are hidden one by one: where a group of one column is almost \
                 one of another, or a later study asks the same \
                 with other cuts, their difference \
                 shows the few patients or the one \
                 site between them. These rules hold against \
                 whoever reads the sums, not against a site that lies about who is in a group"
                    .to_owned(),
            );
        }
        if subgroups.sites {
            lines.push(format!(
                "ATTENTION: the study asks sites for their OWN figures. What yours \
                 tells, the coordinator, operators, every site \
                 and whoever receives the release can read, \
                 under your site's name. Where fewer \
                 than {} sites do not tell, \
                 others are left out of the \
                 question beside them: else theirs would be the total less all that is told",
                subgroups.min_sites
            ));
        }
        lines
    }
}

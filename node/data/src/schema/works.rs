//! The keys that work on a cell's text or on a number: `format`,
//! `map`, `replace`; `factor`, `scale`, `offset`, `round`, `cut`.

use super::raw::RawColumn;
use super::{Kind, Texts, compared, spaced};
use crate::dates::Format;
use crate::number::Marks;
use crate::spelling::nfkc;
use crate::steps::Steps;
use motet_toml::{Checked, TomlFile};
use std::collections::BTreeMap;
use toml::Spanned;

/// How texts of cells are compared with those of the schema.
#[derive(Clone, Copy)]
pub(super) struct Alike<'k> {
    /// What the cells hold.
    pub(super) kind: &'k Kind,
    pub(super) codes: bool,
    pub(super) marks: Marks,
}

impl Alike<'_> {
    /// A text in its normal form.
    pub(super) fn normal(&self, text: &str) -> String {
        compared(self.kind, self.codes, self.marks, text.trim())
    }
}

/// What texts of the column's cells mean beside what its type
/// says.
pub(super) fn texts(
    file: &TomlFile<'_>,
    raw: &RawColumn,
    kind: &Kind,
    alike: Alike<'_>,
) -> Checked<Texts> {
    let format = raw.format.as_ref().map(|given| {
        Format::parse(given.get_ref())
            .or_else(|(problem, fix)| file.refuse(given.span(), problem, fix))
    });
    Ok(Texts {
        replace: replace(file, raw, kind, alike.marks)?,
        map: map(file, raw, kind, alike)?,
        format: format.transpose()?,
    })
}

fn replace(
    file: &TomlFile<'_>,
    raw: &RawColumn,
    kind: &Kind,
    marks: Marks,
) -> Checked<BTreeMap<String, f64>> {
    let Some(given) = &raw.replace else {
        return Ok(BTreeMap::new());
    };
    let is_rounded = raw
        .round
        .as_ref()
        .is_some_and(|step| step.get_ref().fract() == 0.0);
    let mut replaced = BTreeMap::new();
    for (text, number) in given.get_ref() {
        let text = spaced(marks, text.trim());
        if !number.is_finite() {
            let problem = format!("`replace` gives {text:?} no finite number");
            return file.refuse(given.span(), problem, "write the number that it stands for");
        }
        if *kind == Kind::Int && number.fract() != 0.0 && !is_rounded {
            let problem = format!("`replace` makes {text:?} `{number}`, and the type is `int`");
            let fix = "write a whole number, add `round = 1`, or declare `type = \"float\"`";
            return file.refuse(given.span(), problem, fix);
        }
        if replaced.contains_key(&text) {
            let problem = format!("{text:?} stands twice in `replace`");
            return file.refuse(given.span(), problem, "name each once");
        }
        replaced.insert(text, *number);
    }
    Ok(replaced)
}

fn map(
    file: &TomlFile<'_>,
    raw: &RawColumn,
    kind: &Kind,
    alike: Alike<'_>,
) -> Checked<BTreeMap<String, u32>> {
    let (Some(given), Kind::Category { levels, .. }) = (&raw.map, kind) else {
        return Ok(BTreeMap::new());
    };
    let known = places(levels);
    let mut mapped = BTreeMap::new();
    for (text, level) in given.get_ref() {
        let Some(place) = known.get(nfkc(level).as_ref()) else {
            let problem = format!("`map` names a level {level:?}");
            let fix = format!("the levels are {}", levels.join(", "));
            return file.refuse(given.span(), problem, fix);
        };
        let text = alike.normal(text);
        // A text that is a level already may say so again, and
        // nothing else.
        let own = known.get(nfkc(&text).as_ref());
        if mapped.contains_key(&text) || own.is_some_and(|own| own != place) {
            let problem = format!("`map` gives {text:?} a second meaning");
            return file.refuse(given.span(), problem, "name each text and each level once");
        }
        mapped.insert(text, *place);
    }
    Ok(mapped)
}

/// The places of levels, by their texts in normal form.
pub(super) fn places(levels: &[String]) -> BTreeMap<String, u32> {
    let levels = levels.iter().map(|level| nfkc(level).into_owned());
    levels.zip(0_u32..).collect()
}

/// The unit and what it is converted from.
pub(super) fn conversion(file: &TomlFile<'_>, raw: &RawColumn) -> Checked<()> {
    let fix = "add what is missing, or remove it";
    match (&raw.from, &raw.factor, &raw.unit) {
        (None, None, _) | (Some(_), Some(_), Some(_)) => {}
        (Some(given), ..) => {
            return file.refuse(given.span(), "`from` needs `factor` and `unit`", fix);
        }
        (_, Some(given), _) => {
            return file.refuse(given.span(), "`factor` needs `from` and `unit`", fix);
        }
    }
    let Some(factor) = &raw.factor else {
        return Ok(());
    };
    if !factor.get_ref().is_finite() || *factor.get_ref() <= 0.0 {
        let problem = "`factor` is not a positive number";
        return file.refuse(
            factor.span(),
            problem,
            "write what a value is multiplied by",
        );
    }
    match raw.scale.as_ref().or(raw.offset.as_ref()) {
        Some(given) => file.refuse(
            given.span(),
            "`factor` and `scale` or `offset` stand in one column",
            "keep `from`, `factor` and `unit` for a conversion of units by a factor alone; else \
             remove them, and write `scale` and `offset` with the `unit` of the result",
        ),
        None => Ok(()),
    }
}

/// A number that a key allows.
fn finite(
    file: &TomlFile<'_>,
    key: &str,
    given: &Option<Spanned<f64>>,
    allowed: fn(f64) -> bool,
    fix: &str,
) -> Checked<Option<f64>> {
    let Some(given) = given else { return Ok(None) };
    let number = *given.get_ref();
    if number.is_finite() && allowed(number) {
        return Ok(Some(number));
    }
    file.refuse(given.span(), format!("`{key}` is `{number}`"), fix)
}

/// What is done to the column's numbers.
pub(super) fn steps(file: &TomlFile<'_>, raw: &RawColumn, kind: &Kind) -> Checked<Steps> {
    let steps = Steps {
        scale: finite(
            file,
            "scale",
            &raw.scale,
            |scale| scale != 0.0,
            "write what a number is multiplied by",
        )?,
        offset: finite(
            file,
            "offset",
            &raw.offset,
            |_| true,
            "write what is added to a number",
        )?,
        round: finite(
            file,
            "round",
            &raw.round,
            |step| step > 0.0,
            "write the step: 1 for whole numbers, 0.5 for halves",
        )?,
        cut: cut(file, raw, kind)?,
    };
    let broken = [
        ("factor", &raw.factor),
        ("scale", &raw.scale),
        ("offset", &raw.offset),
    ]
    .into_iter()
    .filter_map(|(key, given)| Some((key, given.as_ref()?)))
    .find(|(_, given)| given.get_ref().fract() != 0.0);
    match (kind, broken, &raw.round) {
        (Kind::Int, Some((key, given)), _) if !steps.is_whole() => {
            let problem = format!("`{key}` makes no whole numbers, and the type is `int`");
            file.refuse(
                given.span(),
                problem,
                "add `round = 1`, or declare `type = \"float\"`",
            )
        }
        (Kind::Int, None, Some(given)) if !steps.is_whole() => file.refuse(
            given.span(),
            "`round` makes no whole numbers, and the type is `int`",
            "write a whole step, or declare `type = \"float\"`",
        ),
        _ => Ok(steps),
    }
}

fn cut(file: &TomlFile<'_>, raw: &RawColumn, kind: &Kind) -> Checked<Option<Vec<f64>>> {
    let (Some(given), Kind::Category { levels, .. }) = (&raw.cut, kind) else {
        return Ok(None);
    };
    if let Some(map) = &raw.map {
        let problem = "`map` and `cut` make levels of one column";
        return file.refuse(map.span(), problem, "keep one of them");
    }
    let cuts = given.get_ref();
    let ascend = cuts
        .windows(2)
        .all(|pair| matches!(pair, [low, high] if low < high));
    if cuts.is_empty() || !ascend || !cuts.iter().all(|cut| cut.is_finite()) {
        let problem = "`cut` is no list of numbers that ascend";
        return file.refuse(given.span(), problem, "write it as `[20, 50]`");
    }
    if levels.len() != cuts.len() + 1 {
        let problem = format!(
            "`cut` has {} numbers and makes {} levels, `levels` has {}",
            cuts.len(),
            cuts.len() + 1,
            levels.len()
        );
        let fix = "name one level more than cuts, the lowest first";
        return file.refuse(given.span(), problem, fix);
    }
    Ok(Some(cuts.clone()))
}

//! What cards about times to an event say alike.

use crate::kit::page::Page;
use crate::kit::words::code;

/// What the times are, where the study has any.
pub(crate) fn times(page: &mut Page<'_>) {
    let survival = &page.context.survival;
    if survival.time.is_empty() {
        return;
    }
    let read = match (survival.times, survival.step, survival.horizon) {
        (Some("grid"), Some(step), Some(horizon)) => format!(
            " Times were rounded up to multiples of {step}; who was followed \
             beyond {horizon} counts as followed until then."
        ),
        (Some(_), Some(step), Some(horizon)) => format!(
            " Times are exact multiples of {step}; who was followed beyond \
             {horizon} counts as followed until then."
        ),
        _ => String::new(),
    };
    let line = format!(
        "Times are those of {}, in the unit of that column.{read}\n",
        code(&survival.time)
    );
    page.line(&line);
}

pub(crate) fn cautions_of_follow_up(page: &mut Page<'_>) {
    page.line(
        "- Patients whose follow-up ended are taken to fare like those still \
         followed. Where patients leave because they \
         are worse or better, or another event comes first, the numbers mislead.",
    );
}

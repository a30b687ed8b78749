//! The card of a proportional odds regression.

use crate::kit::chi_square::in_words;
use crate::kit::page::Page;
use crate::kit::words::{code, digits, figure, p_value, ratio, thousands};
use motet_recipes::ordinal::{Effect, OrdinalOutcome};

pub(super) fn result(page: &mut Page<'_>, fit: &OrdinalOutcome) {
    page.section("Result");
    let settled = if fit.converged {
        "The fit settled."
    } else {
        "**The fit did not settle: do not use it.**"
    };
    page.line(&format!("{settled} Full precision is in `report.json`.\n"));
    page.line(&meaning(fit));
    page.line(
        "Standard errors are those of the model; intervals and p-values \
                 are by the normal distribution.\n",
    );
    page.line(
        "| Variable | Coefficient | Standard error | Odds ratio | 95% \
                 CI | p |",
    );
    page.line("|---|---:|---:|---:|---:|---:|");
    fit.coefficients.iter().for_each(|of| odds_ratio(page, of));
    if let Some(likelihood_ratio) = &fit.likelihood_ratio {
        page.line(&format!(
            "\nAll variables together: likelihood ratio {}.",
            in_words(likelihood_ratio)
        ));
    }
    thresholds(page, fit);
    levels(page, fit);
    proportional(page, fit);
}

fn meaning(fit: &OrdinalOutcome) -> String {
    let levels: Vec<String> = fit.levels.iter().map(|of| code(&of.level)).collect();
    let product = if fit.coefficients.iter().any(|c| c.name.contains(':')) {
        " Of a variable that also stands in a product (`a:b`) it holds \
                 where the other is 0."
    } else {
        ""
    };
    format!(
        "The levels of the outcome, the lowest first: {}. An odds ratio \
                 above 1 means higher odds of a \
                 higher level for one unit more \
                 of the variable, the others held \
                 equal, wherever the levels \
                 are divided into lower and \
                 higher ones. Which end is the \
                 better one the study \
                 says.{product} It is an association, not \
                 proof of a cause.\n",
        levels.join(", ")
    )
}

fn odds_ratio(page: &mut Page<'_>, c: &Effect) {
    page.line(&format!(
        "| {} | {} | {} | {} | {} to {} | {} |",
        code(&c.name),
        figure(c.estimate),
        figure(c.se),
        ratio(c.estimate),
        ratio(c.ci_low),
        ratio(c.ci_high),
        p_value(c.p)
    ));
}

fn thresholds(page: &mut Page<'_>, fit: &OrdinalOutcome) {
    page.line(
        "\nA threshold is the log odds that a patient with 0 in every \
                 variable is at or below the level \
                 in front of the bar. Their \
                 signs are those of R's `polr`.\n",
    );
    page.line("| Threshold | Log odds | Standard error |\n|---|---:|---:|");
    for threshold in &fit.thresholds {
        page.line(&format!(
            "| {} | {} | {} |",
            threshold
                .name
                .split('|')
                .map(code)
                .collect::<Vec<_>>()
                .join(" to "),
            figure(threshold.estimate),
            figure(threshold.se)
        ));
    }
    let null = if fit.null_loglik.is_nan() {
        "withheld".to_owned()
    } else {
        digits(fit.null_loglik, 4)
    };
    page.line(&format!(
        "\nLog-likelihood {} (without any variable: {null}).",
        digits(fit.loglik, 4)
    ));
}

fn levels(page: &mut Page<'_>, fit: &OrdinalOutcome) {
    if fit.levels.iter().any(|of| of.rows.is_none()) {
        page.line(&format!(
            "\nHow many patients are at each level is withheld: a level has \
                 fewer than {}, which would follow from the others.",
            page.context.smallest_cell
        ));
        return;
    }
    page.line("\n| Level | Patients |\n|---|---:|");
    for of in &fit.levels {
        let rows = of.rows.map_or_else(String::new, thousands);
        page.line(&format!("| {} | {rows} |", code(&of.level)));
    }
}

fn proportional(page: &mut Page<'_>, fit: &OrdinalOutcome) {
    page.section("Is an odds ratio the same wherever the levels are divided?");
    let Some(found) = &fit.parallel else {
        page.line("There are two levels, and so one way to divide them.");
        return;
    };
    page.line(
        "A small p says that the odds ratio of a variable differs \
                 between the cuts; then the one \
                 number above is an average over \
                 them. With many patients small \
                 differences have a small p, too \
                 (score test of Peterson and Harrell).\n",
    );
    page.line("| Variable | Chi-square | p |\n|---|---:|---:|");
    for (name, test) in &found.terms {
        let statistic =
            test.map_or_else(|| "not available".to_owned(), |test| figure(test.statistic));
        let p = test.map_or_else(String::new, |test| p_value(test.p));
        page.line(&format!("| {} | {statistic} | {p} |", code(name)));
    }
    if let Some(all) = &found.all {
        page.line(&format!("\nAll together: {}.", in_words(all)));
    }
}

pub(super) fn cautions(page: &mut Page<'_>) {
    page.line(
        "- One odds ratio a variable for all sites and for every cut \
                 between the levels: differences \
                 between sites and between cuts \
                 are averaged away. Coefficients \
                 are associations, given the \
                 other variables, and no proof of cause and effect.",
    );
}

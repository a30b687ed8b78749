//! `card.md`: the model card, in plain words for clinicians and data stewards.
//!
//! Names come from people and from data, so everything that is not ours is escaped: a study's title
//! cannot draw a heading or a link here.

use crate::context::{Context, Site};
use crate::judged::{card as judged, held_out};
use crate::kit::page::Page;
use crate::kit::picture::Picture;
use crate::kit::words::{code, plain, thousands};
use crate::meaning;
use crate::shown::Shown;
use motet_common::study::ranges::joined;

/// The other files of the folder.
pub(crate) struct Files<'a> {
    /// What the file of weights holds.
    pub(crate) weights: &'static str,
    pub(crate) pictures: &'a [Picture],
}

/// The card as Markdown.
pub(crate) fn text(shown: &dyn Shown, rounds: u32, files: &Files<'_>, context: &Context) -> String {
    let mut page = Page::new(context);
    head(&mut page);
    what_it_is(&mut page, shown.kind());
    data(&mut page, shown);
    meaning::columns(&mut page);
    computation(&mut page, rounds);
    shown.result(&mut page);
    meaning::steps(&mut page, &shown.effects());
    judged::judgement(&mut page);
    cautions(&mut page, shown);
    what_the_sums_show(&mut page, files);
    verify(&mut page);
    list(&mut page, files);
    reuse(&mut page);
    page.text()
}

fn head(page: &mut Page<'_>) {
    let title = if page.context.title.is_empty() {
        &page.context.study
    } else {
        &page.context.title
    };
    page.line(&format!("# Model card: {}", plain(title)));
    page.line("");
    page.line(
        "> **A research result, not a medical device.** It was not \
         validated for the care of patients. Do not use \
         it to decide about a patient.",
    );
}

fn what_it_is(page: &mut Page<'_>, kind: &str) {
    let context = page.context;
    page.section("What this is");
    page.line(&format!("The result is {kind}.\n"));
    let mut facts = vec![
        ("Study", code(&context.study)),
        ("Question", plain(&context.question)),
        (
            "Purpose (EHDS, Regulation (EU) 2025/327, Article 53)",
            plain(&context.purpose),
        ),
        ("Recipe", code(&context.recipe)),
    ];
    if !context.outcome.is_empty() {
        facts.push(("Outcome", code(&context.outcome)));
    }
    let features = joined(&context.features);
    let features: Vec<String> = features.iter().map(|name| code(name)).collect();
    facts.push(("Variables", features.join(", ")));
    let parameters: Vec<String> = context
        .parameters
        .iter()
        .map(|(name, value)| format!("{} = {}", code(name), plain(value)))
        .collect();
    facts.push(("Parameters", parameters.join(", ")));
    facts.push(("Consortium", plain(&context.consortium)));
    facts.push(("Run", code(&context.run)));
    facts.push((
        "Started, finished",
        format!("{}, {}", plain(&context.started), plain(&context.finished)),
    ));
    facts.push(("Software", plain(&context.software)));
    page.line("| | |\n|---|---|");
    for (name, value) in facts
        .into_iter()
        .filter(|(_, value)| !value.is_empty() && value != "``")
    {
        page.line(&format!("| {name} | {value} |"));
    }
}

fn data(page: &mut Page<'_>, shown: &dyn Shown) {
    let context = page.context;
    page.section("The data");
    page.line(&shown.patients(context));
    held_out::patients(page);
    page.line(&format!(
        "Each site mapped its own table to the dataset {}.",
        code(&context.dataset)
    ));
    if let Some(filter) = &context.filter {
        page.line(&format!("Patients were chosen by the rule {}; those of whom a missing value leaves it open were left out.", code(filter)));
    }
    if !shown.keeps_missing() {
        page.line("Patients with a missing value in a used column were left out.");
    }
    let took_part = match context.min_rows {
        0 => "A site took part however few patients it had.".to_owned(),
        rows => format!("No site with fewer than {rows} patients took part."),
    };
    page.line(&format!("{took_part} {}", judged::rows_of_sites(context)));
    page.line("\n| Site | Country |\n|---|---|");
    for Site { name, country } in &context.sites {
        page.line(&format!("| {} | {} |", plain(name), plain(country)));
    }
    sites_absent(page);
    sites_lost(page, shown.is_averaged());
}

/// Why a site is not there is nobody's business outside: it may have declined, been away, or
/// had too few patients.
fn sites_absent(page: &mut Page<'_>) {
    let context = page.context;
    if context.sites_absent.is_empty() {
        return;
    }
    let named: Vec<String> = context
        .sites_absent
        .iter()
        .map(|site| format!("{} ({})", plain(&site.name), plain(&site.country)))
        .collect();
    page.line(&format!(
        "\n{} of the {} sites that were asked {} in no sum of this release: {}.",
        named.len(),
        named.len() + context.sites.len() + context.sites_lost.len(),
        if named.len() == 1 { "is" } else { "are" },
        named.join(", ")
    ));
}

/// `averaged`: training went on without the lost site, so the model still holds what it learned
/// there.
fn sites_lost(page: &mut Page<'_>, averaged: bool) {
    let context = page.context;
    if context.sites_lost.is_empty() {
        page.line("\nNo site was lost during the run.");
        return;
    }
    page.line("\n**Sites lost during the run:**\n");
    for lost in &context.sites_lost {
        page.line(&format!(
            "- {} ({}), not in the sums from round {} on.",
            plain(&lost.name),
            plain(&lost.country),
            lost.round
        ));
    }
    page.line(if averaged {
        "\nPatient counts and measures come from the sites in the table \
         above alone; the weights may also have been trained on \
         the lost sites in the rounds before, and mean and standard \
         deviation of the columns be those of \
         all sites: this release alone \
         may then tell a lost site's rows, means and outcomes."
    } else {
        "\nEvery number in this release comes from the sites in the table above alone."
    });
    if context.on_site_loss == "continue" {
        page.line(
            "The approved study says `on_site_loss = \"continue\"`: earlier \
             rounds held the lost site, later rounds \
             do not, and who holds both sums can compute that site's own \
             statistics for those rounds by difference.",
        );
    }
}

fn computation(page: &mut Page<'_>, rounds: u32) {
    let context = page.context;
    page.section("How it was computed");
    page.line(&format!(
        "In each of {rounds} rounds every site computed a vector of \
         numbers on its own patients and added random \
         masks to it before sending. The masks cancel only when the \
         vectors of all sites in the set are added. No \
         patient's row left a site, and no site's vector was opened by itself: only the sum was.",
    ));
    page.line(&format!(
        "\nThe protection holds as long as at most {} of the sites work \
         together with the coordinator. A sum is \
         opened only for {} or more sites. No noise was added (no differential privacy).",
        context.colluders, context.min_sites
    ));
    if let Some(bytes) = context.bytes_up {
        page.line(&format!(
            "\nAll sites together sent {} bytes of masked numbers.",
            thousands(bytes)
        ));
    }
}

fn cautions(page: &mut Page<'_>, shown: &dyn Shown) {
    page.section("Limits and cautions");
    page.line(
        "- **Not for clinical use** without validation on other \
        patients, at the place where it would be used.",
    );
    page.line(
        "- The patients are those of the sites listed above. Other \
         hospitals, countries and years can differ, and \
         so can how a variable was measured at each site.",
    );
    page.line(
        "- Sites check their own columns, units and ranges; nobody saw \
         the rows of another site. A site that \
         supplies wrong numbers distorts the result, and under the masks nobody can see which one did.",
    );
    shown.cautions(page);
    page.line(judged::fairness(page.context));
}

fn what_the_sums_show(page: &mut Page<'_>, files: &Files<'_>) {
    let context = page.context;
    page.section("What these numbers can show about patients");
    page.line(
        "The opened sums of every round are known to the coordinator, to \
         operators and to every site of the roster. They are \
         statistics over all sites, but statistics of few patients can \
         still say something about one of them, and \
         a model can reveal whether a known patient was among those \
         it was fitted to. Whether that risk is \
         acceptable is for the data holders and the terms of the permit to decide, not for this software.",
    );
    if context.smallest_cell > 1 {
        let few = context.smallest_cell;
        let ranks = files.pictures.iter().any(|of| of.name.starts_with("roc"));
        let joined = if ranks {
            format!(
                "steps of the ROC curve and calibration groups with fewer \
                 than {few} patients are joined to their \
                 neighbours, and "
            )
        } else {
            String::new()
        };
        page.line(&format!(
            "\nIn this folder, {joined}counts of 1 to {} are left out.",
            few - 1
        ));
    }
}

fn verify(page: &mut Page<'_>) {
    let context = page.context;
    page.section("How to verify this folder");
    page.line("Needs no network and no word from the coordinator:\n");
    let known =
        !context.governance.is_empty() && context.governance.chars().all(|c| c.is_ascii_hexdigit());
    let fingerprint = if known {
        context.governance.as_str()
    } else {
        "FINGERPRINT"
    };
    page.line(&format!(
        "    motet release verify DIR --governance {fingerprint}\n"
    ));
    page.line(
        "It checks every file against `manifest.json`, the coordinator's \
         signature, the roster of sites signed by \
         the consortium's governance key, and that the release stands in \
         the study's log. Compare the fingerprint \
         with the one your consortium gave you by another way: a forged \
         folder would carry a forged one here. It \
         shows who published these files and that they are unchanged; \
         it does not compute the numbers again.",
    );
}

fn list(page: &mut Page<'_>, files: &Files<'_>) {
    page.section("Files");
    page.line(&format!("- `model.safetensors`: {}", files.weights));
    page.line(
        "- `report.json`: every number, in full precision unless that would tell a withheld one",
    );
    page.line("- `manifest.json`: digests, roster, rounds, signatures and the log's proof");
    for Picture { name, shows, .. } in files.pictures {
        page.line(&format!("- `{name}`: {shows}"));
    }
}

fn reuse(page: &mut Page<'_>) {
    page.section("Licence and citation");
    page.line("- Licence: not stated; ask the consortium before you reuse it");
    page.line(
        "- Citation: name the study, the run and the sites above, and \
         acknowledge that the data were made available under the \
         purpose stated above",
    );
}

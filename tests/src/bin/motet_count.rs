//! Prints the figures of the house: `motet-count`. With the name of a figure, also every place that
//! was counted for it; with a folder, those of another checkout.

use motet_tests::house::count;
use motet_tests::house::methods::METHODS;
use motet_tests::house::source;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.iter().map(Path::new).find(|path| path.is_dir());
    let root = folder.unwrap_or_else(|| source::root());
    let codes = source::production(root, &source::sources(root));

    writeln!(
        out,
        "production code: {} lines in {} files\n",
        count::lines(&codes, ""),
        codes.len()
    )?;
    writeln!(out, "{:<38}{:>10}{:>12}", "figure", "today", "limit")?;
    let figures = count::figures(&codes);
    for figure in &figures {
        let limit = count::LIMITS.iter().find(|(name, ..)| *name == figure.name);
        let limit = limit.map_or("none".to_owned(), |(_, limit, _)| limit.to_string());
        let place = figure
            .places
            .first()
            .filter(|_| figure.name.starts_with("longest"));
        let place = place.map_or(String::new(), |place| format!("   {place}"));
        writeln!(
            out,
            "{:<38}{:>10.2}{limit:>12}{place}",
            figure.name, figure.value
        )?;
    }

    writeln!(
        out,
        "\n{:<38}{:>10}{:>12}",
        "method, outside its own rooms", "mentions", "files"
    )?;
    for method in METHODS {
        let places = method.mentions(&codes);
        let files: BTreeSet<&str> = places.iter().map(|place| place.path.as_str()).collect();
        writeln!(
            out,
            "{:<38}{:>10}{:>12}",
            method.kind,
            places.len(),
            files.len()
        )?;
    }

    writeln!(out, "\n{:<38}{:>10}{:>12}", "package", "lines", "files")?;
    let knots = count::knots(&codes);
    for folder in knots.keys().map(|package| format!("{package}/src/")) {
        let files = codes
            .iter()
            .filter(|code| code.path.starts_with(&folder))
            .count();
        writeln!(
            out,
            "{folder:<38}{:>10}{files:>12}",
            count::lines(&codes, &folder)
        )?;
    }

    writeln!(out, "\nknots, arrows between parent and child counted")?;
    for (package, knots) in knots {
        for knot in knots {
            writeln!(out, "{package}, {} files: {}", knot.len(), knot.join(" "))?;
        }
    }

    for figure in figures
        .iter()
        .filter(|figure| arguments.contains(&figure.name))
    {
        writeln!(out, "\n{}", figure.name)?;
        for place in &figure.places {
            writeln!(out, "{place}")?;
        }
    }
    Ok(())
}

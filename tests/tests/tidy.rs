//! The house reads itself: the arrows between our packages, the walls, the sizes and the few rules
//! no compiler holds.
//!
//! Every check gives a list of complaints, each with the file and what to do. ARCHITECTURE.md says
//! why the rules are there; a rule that is in the way is changed here and there in one commit.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

#[path = "tidy/maps.rs"]
mod maps;
#[path = "tidy/pages.rs"]
mod pages;

use motet_tests::house::source::{self, Source, relative, root, text};
use motet_tests::house::{count, defaults, methods};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Which of our packages may know which. A package that is not here does not belong to the house.
const ARROWS: &[(&str, &[&str])] = &[
    ("motet-secagg", &[]),
    ("motet-toml", &[]),
    ("motet-recipes", &["motet-secagg", "motet-toml"]),
    ("motet-ledger", &["motet-secagg"]),
    (
        "motet-common",
        &["motet-secagg", "motet-toml", "motet-recipes"],
    ),
    (
        "motet-release",
        &["motet-secagg", "motet-recipes", "motet-common"],
    ),
    ("motet-program", &["motet-common"]),
    ("motet-proto", &["motet-common", "motet-secagg"]),
    (
        "motet-data",
        &[
            "motet-common",
            "motet-toml",
            "motet-recipes",
            "motet-secagg",
        ],
    ),
    (
        "motet-node",
        &[
            "motet-program",
            "motet-proto",
            "motet-common",
            "motet-ledger",
            "motet-data",
            "motet-toml",
            "motet-recipes",
            "motet-release",
            "motet-secagg",
        ],
    ),
    (
        "motet-coordinator",
        &[
            "motet-program",
            "motet-proto",
            "motet-common",
            "motet-ledger",
            "motet-toml",
            "motet-recipes",
            "motet-release",
            "motet-secagg",
        ],
    ),
    (
        "motet",
        &[
            "motet-program",
            "motet-proto",
            "motet-common",
            "motet-ledger",
            "motet-data",
            "motet-node",
            "motet-coordinator",
            "motet-toml",
            "motet-recipes",
            "motet-secagg",
        ],
    ),
    (
        "motet-tests",
        &[
            "motet",
            "motet-proto",
            "motet-common",
            "motet-ledger",
            "motet-data",
            "motet-node",
            "motet-coordinator",
            "motet-recipes",
            "motet-secagg",
        ],
    ),
];

const NETWORK: &[&str] = &["tokio", "mio", "socket2", "tonic", "hyper", "rustls"];
const OUTSIDE: &[&str] = &["sqlx", "aws-lc-rs", "getrandom", "rand"];

/// What must not be linked into a package, however indirectly: the walls a security officer can
/// check by hand with `cargo tree -p <package> -e normal`.
const WALLS: &[(&str, &[&[&str]])] = &[
    ("motet-secagg", &[NETWORK, OUTSIDE]),
    ("motet-toml", &[NETWORK, OUTSIDE]),
    ("motet-recipes", &[NETWORK, OUTSIDE]),
    ("motet-release", &[NETWORK, OUTSIDE]),
    ("motet-common", &[NETWORK, OUTSIDE]),
    ("motet-data", &[NETWORK]),
    ("motet-program", &[NETWORK]),
    ("motet-coordinator", &[&["motet-data", "motet-node"]]),
    ("motet-node", &[&["motet-coordinator", "motet"]]),
];

/// A file beyond this is more than one noun. Aim at 500.
const LINES: usize = 650;
/// The same of a file of tests.
const TEST_LINES: usize = 850;

/// Files that are one noun all the same: path, lines allowed, why.
const LONG_FILES: &[(&str, usize, &str)] = &[];

type Knit = (&'static str, &'static [&'static str], &'static str);

/// Modules that know each other and are right to: package, modules, why.
const KNIT: &[Knit] = &[
    (
        "motet-secagg",
        &["digest", "encode"],
        "a digest has an encoding, and every encoding a digest",
    ),
    (
        "motet-common",
        &[
            "round::fold",
            "round::reveal",
            "round::share",
            "round::sign",
            "round::upload",
        ],
        "a phase is consumed by its transition into the next one and keeps what the one before it settled",
    ),
];

/// A `main.rs` or `build.rs` up to this needs no module doc: it only calls something that has one.
const TRIVIAL: usize = 30;

/// Dependencies that only generated code names.
const GENERATED: &[(&str, &str)] = &[("motet-proto", "prost"), ("motet-proto", "tonic-prost")];

/// Claims that are not ours to make. (Written apart, so that this file does not make them.)
const CLAIMS: &[(&str, &str)] = &[
    ("anony", "mous"),
    ("gdpr ", "compliant"),
    ("gdpr-", "compliant"),
    ("certi", "fied"),
];

/// Pages that name tests to people who have to believe them.
const PAGES: &[&str] = &[
    "README.md",
    "SECURITY.md",
    "ARCHITECTURE.md",
    "common/secagg/README.md",
    "common/secagg/ARGUMENT.md",
    "common/secagg/RULINGS.md",
];

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

struct Package {
    name: String,
    folder: PathBuf,
    manifest: toml::Table,
}

fn parse(path: &Path) -> toml::Table {
    text(path)
        .parse()
        .unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

fn packages() -> Vec<Package> {
    let workspace = parse(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let package = |member: &toml::Value| {
        let folder = root().join(member.as_str().unwrap());
        let manifest = parse(&folder.join("Cargo.toml"));
        Package {
            name: manifest["package"]["name"].as_str().unwrap().to_owned(),
            folder,
            manifest,
        }
    };
    members.iter().map(package).collect()
}

impl Package {
    /// The dependency tables of one kind, those of single platforms included.
    fn dependencies(&self, kind: &str) -> Vec<(String, toml::Value)> {
        let platforms = self
            .manifest
            .get("target")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flatten();
        let tables = platforms
            .map(|(_, platform)| platform.get(kind))
            .chain([self.manifest.get(kind)]);
        let entries = tables.flatten().filter_map(toml::Value::as_table).flatten();
        entries
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The sources of this package without those of packages in folders below it.
    fn sources<'a>(&self, all: &'a [Source], packages: &[Package]) -> Vec<&'a Source> {
        let inner = |path: &Path| {
            packages.iter().any(|other| {
                other.folder.starts_with(&self.folder)
                    && other.folder != self.folder
                    && path.starts_with(&other.folder)
            })
        };
        all.iter()
            .filter(|source| source.path.starts_with(&self.folder) && !inner(&source.path))
            .collect()
    }
}

/// Every Rust file of the repository, read once for all tests.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| source::sources(root()));
    &SOURCES
}

fn no_complaints(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn packages_know_only_those_below_them() {
    let table: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let packages = packages();
    let mut complaints = Vec::new();
    for Package { name, .. } in packages
        .iter()
        .filter(|package| !table.contains_key(package.name.as_str()))
    {
        complaints.push(format!(
            "`{name}` has no row in ARROWS: decide what it may know and draw it"
        ));
    }
    for package in packages
        .iter()
        .filter(|package| table.contains_key(package.name.as_str()))
    {
        let allowed = table[package.name.as_str()];
        let all = KINDS.iter().flat_map(|kind| package.dependencies(kind));
        for (other, _) in all.filter(|(other, _)| other == "motet" || other.starts_with("motet-")) {
            if !allowed.contains(&other.as_str()) {
                complaints.push(format!("`{}` must not depend on `{other}`", package.name));
            }
        }
    }
    for (name, _) in ARROWS
        .iter()
        .filter(|(name, _)| !packages.iter().any(|package| package.name == *name))
    {
        complaints.push(format!(
            "`{name}` has a row in ARROWS but is no member of the workspace"
        ));
    }
    no_complaints(complaints);
}

/// Everything linked into `package` on this machine: what `cargo tree` prints for a person, one
/// name a line.
fn linked_into(package: &str) -> BTreeSet<String> {
    let arguments = [
        "tree",
        "--offline",
        "--locked",
        "-p",
        package,
        "-e",
        "normal",
        "--prefix",
        "none",
    ];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo tree -p {package}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    printed
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_walls_stand() {
    let mut complaints = Vec::new();
    for (package, walls) in WALLS {
        let linked = linked_into(package);
        assert!(
            linked.contains(*package),
            "cargo tree names the package itself first"
        );
        for name in walls
            .iter()
            .flat_map(|wall| wall.iter())
            .filter(|name| linked.contains(**name))
        {
            complaints.push(format!(
                "`{name}` is linked into `{package}`: see `cargo tree -p {package} -e normal -i {name}`"
            ));
        }
    }
    no_complaints(complaints);
    // The check can fail: the package that speaks to the network links it.
    assert!(
        NETWORK
            .iter()
            .all(|name| linked_into("motet-proto").contains(*name))
    );
}

/// What a program needs to be dialled, or to start another one.
const DOORS: &[&str] = &[
    "TcpListener",
    "UdpSocket",
    "UnixListener",
    "UnixDatagram",
    ".bind(",
    "::bind(",
    "process::Command",
    "libloading",
];

/// `doctor` asks `df` how much room a disk has.
const DF: (&str, &str) = ("node/src/disk.rs", "process::Command");

#[test]
fn a_node_listens_nowhere_and_starts_no_program_but_df() {
    let (packages, all) = (packages(), sources());
    let mut complaints = Vec::new();
    let mut seen = 0;
    for package in packages
        .iter()
        .filter(|package| ["motet-node", "motet-data"].contains(&package.name.as_str()))
    {
        let folder = package.folder.join("src");
        let own = package
            .sources(all, &packages)
            .into_iter()
            .filter(|source| source.path.starts_with(&folder));
        for source in own.filter(|source| !source.path.to_string_lossy().ends_with("tests.rs")) {
            seen += 1;
            let path = relative(&source.path);
            let doors = DOORS
                .iter()
                .filter(|door| source.text.contains(**door) && (path.as_str(), **door) != DF);
            complaints.extend(doors.map(|door| {
                format!("{path}: `{door}`: a node dials out and runs what is built in")
            }));
        }
    }
    assert!(seen > 20, "the node was not found");
    no_complaints(complaints);
}

#[test]
fn a_dependency_is_declared_once_and_used() {
    let workspace = parse(&root().join("Cargo.toml"));
    let (packages, all) = (packages(), sources());
    let mut complaints = Vec::new();
    let mut wanted = BTreeSet::new();
    for package in &packages {
        let manifest = relative(&package.folder.join("Cargo.toml"));
        let own = package.sources(all, &packages);
        for kind in KINDS {
            for (name, value) in package.dependencies(kind) {
                if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    complaints.push(format!("{manifest}: write `{name}.workspace = true`"));
                }
                let build = |source: &&&Source| {
                    source.path.ends_with("build.rs") == (kind == "build-dependencies")
                };
                let spelled = name.replace('-', "_");
                let used = own
                    .iter()
                    .filter(build)
                    .any(|source| source.words().any(|word| word == spelled));
                if !used && !GENERATED.contains(&(package.name.as_str(), name.as_str())) {
                    complaints.push(format!(
                        "{manifest}: nothing uses `{name}`: delete the line in [{kind}]"
                    ));
                }
                wanted.insert(name);
            }
        }
        for key in ["version", "edition", "rust-version", "license"] {
            let value = package.manifest["package"]
                .get(key)
                .and_then(|value| value.get("workspace"));
            if value.and_then(toml::Value::as_bool) != Some(true) {
                complaints.push(format!("{manifest}: write `{key}.workspace = true`"));
            }
        }
        if package
            .manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"))
            .is_none()
        {
            complaints.push(format!("{manifest}: write `[lints] workspace = true`"));
        }
    }
    let declared = workspace["workspace"]["dependencies"].as_table().unwrap();
    for name in declared.keys().filter(|name| !wanted.contains(*name)) {
        complaints.push(format!(
            "Cargo.toml: no package uses `{name}`: delete the line"
        ));
    }
    no_complaints(complaints);
}

#[test]
fn modules_import_each_other_in_one_direction() {
    let packages = packages();
    let codes = source::codes(root(), sources());
    let graphs = count::graphs(&codes);
    let mut complaints = Vec::new();
    let mut unused: BTreeSet<&Knit> = KNIT.iter().collect();
    let mut seen = 0;
    for package in &packages {
        let graph = &graphs[relative(&package.folder).as_str()];
        seen += graph.modules();
        for circle in graph.circles() {
            let knit = |(name, modules, _): &&Knit| {
                *name == package.name
                    && circle
                        .iter()
                        .all(|module| modules.contains(&module.as_str()))
            };
            match KNIT.iter().find(knit) {
                Some(row) => drop(unused.remove(row)),
                None => complaints.push(format!(
                    "{}: {} import each other in a circle: move what they share into a module below them",
                    package.name,
                    circle.join(", ")
                )),
            }
        }
    }
    for (name, modules, _) in unused {
        complaints.push(format!(
            "{name}: {} stand in no circle: take them out of KNIT",
            modules.join(", ")
        ));
    }
    assert!(seen > packages.len(), "no modules were found at all");
    no_complaints(complaints);
}

#[test]
fn no_figure_of_the_house_is_worse_than_its_limit() {
    let codes = source::production(root(), sources());
    let mut complaints = count::complaints(&count::figures(&codes), count::LIMITS);
    for method in methods::METHODS {
        for room in method.rooms().filter(|room| !root().join(room).exists()) {
            complaints.push(format!(
                "METHODS: `{}` has no room {room}: take it out",
                method.kind
            ));
        }
    }
    no_complaints(complaints);
}

#[test]
fn nothing_is_replaced_in_silence_that_is_not_on_the_list_with_its_reason() {
    let codes = source::production(root(), sources());
    no_complaints(defaults::complaints(&codes, defaults::DEFAULTS));
}

#[test]
fn files_are_short_and_say_first_what_they_are() {
    let mut complaints = Vec::new();
    let mut unused: BTreeSet<&str> = LONG_FILES.iter().map(|(path, ..)| *path).collect();
    for source in sources() {
        let path = relative(&source.path);
        let lines = source.text.lines().count();
        let exception = LONG_FILES.iter().find(|(long, ..)| *long == path);
        let of_tests = path.ends_with("tests.rs") || path.contains("tests/");
        let usual = if of_tests { TEST_LINES } else { LINES };
        let limit = exception.map_or(usual, |(_, limit, _)| *limit);
        if lines > limit {
            complaints.push(format!(
                "{path}: {lines} lines, the limit is {limit}: make two nouns of it"
            ));
        }
        if lines > usual {
            unused.remove(path.as_str());
        }
        let trivial =
            lines <= TRIVIAL && (path.ends_with("/main.rs") || path.ends_with("/build.rs"));
        if !trivial && !source.text.trim_start().starts_with("//!") {
            complaints.push(format!(
                "{path}: begin with a `//!` line that says what this file is"
            ));
        }
    }
    complaints.extend(
        unused
            .iter()
            .map(|path| format!("{path}: is short or gone: take it out of LONG_FILES")),
    );
    no_complaints(complaints);
}

#[test]
fn no_test_is_switched_off() {
    let ignored = |source: &&Source| {
        let attribute = |run: &[source::Token]| {
            run[0].text == "#" && run[1].text == "[" && run[2].text == "ignore"
        };
        source.tokens.windows(3).any(attribute)
    };
    let complaints = sources().iter().filter(ignored);
    no_complaints(
        complaints
            .map(|source| {
                format!(
                    "{}: mend or delete the ignored test",
                    relative(&source.path)
                )
            })
            .collect(),
    );
}

#[test]
fn pages_and_messages_claim_nothing_they_cannot_keep() {
    let mut complaints = Vec::new();
    for path in source::files(root(), &["rs", "md", "proto", "toml", "html", "txt"]) {
        let content = text(&path).to_lowercase();
        for (start, end) in CLAIMS {
            let claim = format!("{start}{end}");
            if content.contains(&claim) {
                complaints.push(format!(
                    "{}: says `{claim}`; say what is done instead",
                    relative(&path)
                ));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn no_error_says_its_cause_in_its_own_words_and_once_more_as_its_source() {
    // Whoever prints a chain of causes would print it twice. `transparent` passes its source on and
    // adds no words.
    let mut complaints = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let is_source =
                line.contains(concat!("(#[", "from]")) || line.contains(concat!("(#[", "source]"));
            // The attribute of a variant, which may take several lines, ends before its
            // documentation or the variant before.
            let above = lines[..at]
                .iter()
                .rev()
                .take_while(|line| !line.starts_with("///") && !line.ends_with("),"));
            let said = is_source && above.into_iter().any(|line| line.contains("{0"));
            let named = line.contains(concat!("{sou", "rce}")) && line.contains("error(");
            if said || named {
                let place = relative(&source.path);
                complaints.push(format!(
                    "{place}:{}: take the cause out of the words, or out of the chain",
                    at + 1
                ));
            }
        }
    }
    no_complaints(complaints);
}

#[test]
fn tests_and_files_that_pages_name_are_there() {
    let tests = pages::Tests::of(sources());
    let complaints = PAGES
        .iter()
        .flat_map(|page| tests.complaints(Path::new(page), &text(&root().join(page))));
    no_complaints(complaints.collect());
}

#[test]
fn the_map_in_front_of_a_package_names_its_modules_and_no_other() {
    let fronts: Vec<&Source> = sources()
        .iter()
        .filter(|source| source.path.ends_with("src/lib.rs"))
        .collect();
    assert!(fronts.len() > 10, "the packages were not found");
    let complaints = fronts
        .iter()
        .flat_map(|source| maps::complaints(&source.path, &source.text));
    no_complaints(complaints.collect());
}

#[test]
fn every_clippy_file_repeats_the_lines_of_the_root() {
    // Clippy takes the nearest file and merges nothing: a line missing below is a rule lost below.
    let all = text(&root().join("clippy.toml"));
    let mut complaints = Vec::new();
    for path in source::files(root(), &["toml"])
        .into_iter()
        .filter(|path| path.ends_with("clippy.toml"))
    {
        let here = text(&path);
        for line in all
            .lines()
            .filter(|line| line.contains('=') && !here.lines().any(|other| other == *line))
        {
            complaints.push(format!("{}: lacks `{line}`", relative(&path)));
        }
    }
    no_complaints(complaints);
}

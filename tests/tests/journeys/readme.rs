//! The README's own consortium and a hospital's table in it, typed as they are printed: every `$`
//! line of the two sections in one shell.
#![expect(
    clippy::unwrap_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use std::path::Path;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SECTIONS: [&str; 2] = [
    "## Your own consortium in ten minutes",
    "## From your table to an approved study",
];

/// The commands of the sections, without their output; building is what this test run has done
/// already, and the second goes on before the end of the first.
fn commands(readme: &str) -> Vec<String> {
    let sections = SECTIONS.map(|title| {
        let section = readme.split(title).nth(1).unwrap();
        section.split("\n## ").next().unwrap()
    });
    let blocks = sections
        .iter()
        .flat_map(|section| section.split("```console\n").skip(1))
        .map(|block| block.split("```").next().unwrap());
    let lines = blocks
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("$ "));
    // A loaded test machine needs more than the two seconds a person's typing takes anyway.
    lines
        .filter(|line| !line.starts_with("cargo ") && !line.starts_with("kill "))
        .map(|line| line.replace("sleep 2", "sleep 6"))
        .collect()
}

#[test]
fn the_ten_minute_consortium_and_the_way_to_an_approved_study_work_as_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .canonicalize()
        .unwrap();
    let commands = commands(&std::fs::read_to_string(root.join("README.md")).unwrap());
    assert!(
        commands.len() > 30,
        "the sections hold their commands: {commands:?}"
    );
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("bin");
    std::fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink(PROGRAM, target.join("motet")).unwrap();
    let script = format!(
        "set -eux\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\nexport PATH=\"{}:$PATH\"\n{}\n",
        target.display(),
        commands.join("\n")
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&root)
        .env("TMPDIR", dir.path())
        .env_remove("MOTET_IDENTITY")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    assert!(
        out.contains("holds: it is what the consortium released"),
        "{out}"
    );
    // The export's cholesterol is converted.
    for words in [
        "are taken times 38.67 to the study's `mg/dL`",
        "rows used                 97",
        "heart-disease-fedavg",
    ] {
        assert!(out.contains(words), "`{words}` is not in\n{out}");
    }
}

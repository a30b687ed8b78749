//! What recipes need, as the command measures it.

use serde_json::Value;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");

#[test]
fn ten_countries_show_what_a_recipe_needs_and_nothing_stays_behind() {
    let place = tempfile::tempdir().expect("a folder");
    let said = Command::new(PROGRAM)
        .args([
            "bench", "recipes", "--only", "count", "--only", "km", "--json",
        ])
        .env("TMPDIR", place.path())
        .output()
        .expect("the program starts");
    assert!(
        said.status.success(),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );
    let told: Value = serde_json::from_slice(&said.stdout).expect("one JSON object");
    assert_eq!(
        (told["sites"].as_u64(), told["rows"].as_u64()),
        (Some(10), Some(9381))
    );
    let recipes = told["recipes"].as_array().expect("a list");
    let rounds = |at: usize| (recipes[at]["kind"].as_str(), recipes[at]["rounds"].as_u64());
    assert_eq!(
        (recipes.len(), rounds(0), rounds(1)),
        (2, (Some("count"), Some(1)), (Some("km"), Some(3)))
    );
    for recipe in recipes {
        let bytes = |key: &str| recipe[key].as_u64().expect("a number");
        // A site sends its keys, its shares and one vector a round; it receives those of nine
        // others.
        assert!(
            bytes("bytes_sent") > 5_000 && bytes("bytes_received") > bytes("bytes_sent"),
            "{recipe}"
        );
        assert!(recipe["seconds"].as_f64().expect("a number") > 0.0);
    }
    assert!(
        recipes[1]["bytes_sent"].as_u64() > recipes[0]["bytes_sent"].as_u64(),
        "{told}"
    );
    assert_eq!(
        std::fs::read_dir(place.path()).expect("a folder").count(),
        0
    );
}

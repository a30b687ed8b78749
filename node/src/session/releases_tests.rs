//! The end of a study at a site: its own report, and then the table goes.

use super::super::tests::{SCHEMA, follow, freeze, map, shared};
use super::*;

#[tokio::test]
async fn rows_stay_until_the_report_of_this_very_text_is_written_or_never_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    map(&shared.home, folder.path(), SCHEMA);
    let name = freeze(&mut study).await;
    let paths = &shared.home.paths;
    let table = paths.frozen().join(name.hex());
    let report = paths.local("one");
    let digest = study.follower.proposal.digest;
    // A dataset that is being mapped anew is there again tomorrow.
    let away = folder.path().join("away");
    std::fs::rename(paths.data(), &away).unwrap();
    study.close().await.unwrap();
    assert!(table.exists() && !report.exists());
    assert!(shared.last_said().await.contains("not written yet"));
    std::fs::rename(&away, paths.data()).unwrap();
    // A text that was finished under this id before has its report still.
    std::fs::create_dir_all(report.parent().unwrap()).unwrap();
    std::fs::write(&report, "{}").unwrap();
    study.close().await.unwrap();
    assert!(local::is_of(&report, &digest));
    let aside = std::fs::read_to_string(report.with_extension("earlier.json"));
    assert_eq!(aside.unwrap(), "{}");
    assert!(!table.exists());
    let written = std::fs::metadata(&report).unwrap().modified().unwrap();
    study.close().await.unwrap();
    let again = std::fs::metadata(&report).unwrap().modified().unwrap();
    assert_eq!(again, written, "once");
}

#[tokio::test]
async fn a_table_without_which_there_is_no_report_is_over_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    map(&shared.home, folder.path(), SCHEMA);
    let name = freeze(&mut study).await;
    let table = shared.home.paths.frozen().join(name.hex());
    std::fs::write(&table, "cut").unwrap();
    study.close().await.unwrap();
    assert!(!table.exists());
    assert!(shared.last_said().await.contains("is not written: "));
}

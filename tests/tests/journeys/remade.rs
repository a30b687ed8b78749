//! A coordinator that would hand out another folder than the one that follows from the sums: no
//! site signs it, nothing is published; the true one is signed by all and made again later.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::manifest::File;
use motet_common::moment::Moment;
use motet_ledger::Ledger;
use motet_secagg::canonical;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::RunId;
use motet_tests::consortium::{Consortium, demo_file};
use std::path::Path;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];
const STUDY: &str = "heart-table";
/// The coordinator's record of a fixed result.
const PUBLISHING: u8 = 9;

canonical! {
    /// What stands in it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Publishing {
        format: u32,
        run: RunId,
        files: Vec<File>,
        started: Moment,
        finished: Moment,
    }
}

/// A coordinator's lie about the folder, and the file that the sites then name.
type Lie = (String, fn(&mut Publishing, usize), usize);

fn four_hospitals() -> Consortium {
    let mut consortium = Consortium::start(PROGRAM);
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    consortium
}

/// Proposes a table, and lets all sites approve it.
fn propose(consortium: &Consortium) {
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).expect("readable");
    let whole: toml::Table = text.parse().expect("a study");
    let line = |key: &str| format!("{key} = {}\n", whole["study"][key]);
    let head: String = ["question", "purpose", "ends"].map(line).concat();
    let study = format!(
        "[study]\nid = \"{STUDY}\"\ntitle = \"A table\"\n{head}[data]\ndataset = \"heart\"\nfeatures = [\"age\", \"sex\"]\n\
         [recipe]\nkind = \"summary\"\nedges = {{ age = {{ from = 20, to = 90, bins = 2 }} }}\n"
    );
    let file = consortium.path("table.toml");
    std::fs::write(&file, study).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, STUDY));
}

/// What the coordinator has on record of the fixed result, last.
async fn fixed(state: &Path) -> (Ledger, String, u64, Publishing) {
    let ledger = Ledger::open(state).await.expect("it has stopped");
    let prefix = format!("study/{STUDY}/");
    let stream = ledger.streams(&prefix).await.expect("readable").remove(0);
    let all = ledger.read(&stream, 1).await.expect("readable");
    let version = all.len() as u64;
    let entry = all
        .iter()
        .rev()
        .find(|recorded| recorded.entry[0] == PUBLISHING)
        .expect("the result is fixed");
    let publishing = Publishing::from_bytes(&entry.entry[1..]).expect("as this test knows it");
    (ledger, stream, version, publishing)
}

/// Lets the coordinator believe that this is the result.
async fn believe(state: &Path, lie: impl FnOnce(&mut Publishing)) -> Publishing {
    let (ledger, stream, version, mut publishing) = fixed(state).await;
    let before = publishing.clone();
    lie(&mut publishing);
    let entry = [vec![PUBLISHING], publishing.to_bytes()].concat();
    ledger
        .append(&stream, version, &entry)
        .await
        .expect("writable");
    ledger.close().await;
    before
}

fn lies(files: usize) -> Vec<Lie> {
    let byte = |at: usize| -> Lie {
        let change: fn(&mut Publishing, usize) =
            |publishing, at| publishing.files[at].sha256.0[0] ^= 1;
        (format!("one byte of file {at}"), change, at)
    };
    let mut lies: Vec<Lie> = (0..files).map(byte).collect();
    lies.push((
        "a file more".to_owned(),
        |publishing, _| {
            publishing
                .files
                .push(File::of("letter.md", b"Dear reader,"))
        },
        files,
    ));
    lies.push((
        "a file less".to_owned(),
        |publishing, _| _ = publishing.files.pop(),
        files,
    ));
    lies.push((
        "another name".to_owned(),
        |publishing, at| publishing.files[at].name = "results.json".to_owned(),
        1,
    ));
    lies
}

#[test]
fn a_folder_that_does_not_follow_from_the_sums_is_signed_by_no_site_and_published_by_nobody() {
    let mut consortium = four_hospitals();
    propose(&consortium);
    let state = consortium.path("hub/state");
    let state = Path::new(&state);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    // Up to where the result is fixed, and no site has seen it: the first entry after the rounds.
    consortium.coordinator = None;
    let rounds = 3;
    let drill = format!("{}:1+", rounds + 1);
    consortium.start_coordinator_with(&["--drill", &drill]);
    let _ = consortium.operate(&["run", "start", STUDY]);
    let hub = consortium.hub();
    assert!(
        hub.ends_within(motet_tests::consortium::PATIENCE),
        "the result is fixed"
    );
    consortium.coordinator = None;

    let truth = runtime.block_on(async {
        let (ledger, _, _, truth) = fixed(state).await;
        ledger.close().await;
        truth
    });
    assert!(truth.files.len() >= 4, "{truth:?}");
    for (what, lie, at) in lies(truth.files.len()) {
        runtime.block_on(believe(state, |publishing| {
            *publishing = truth.clone();
            lie(publishing, at);
        }));
        consortium.start_coordinator();
        consortium.wait(&format!("all sites have said no to {what}"), |c| {
            let shown = c.operate(&["run", "show", STUDY]).out;
            assert!(!shown.contains("released"), "{what}: {shown}");
            let named = shown
                .split_once("remade by 0 of the roster's 4 sites")
                .and_then(|(_, after)| after.split_once("DID NOT COME TO THIS FOLDER"));
            named.is_some_and(|(named, _)| SITES.iter().all(|site| named.contains(site)))
        });
        let named = truth
            .files
            .get(at)
            .map_or("the list of files", |file| &file.name);
        let said = consortium.desk(SITES[0], &["status"]).done();
        assert!(said.contains(named), "{what}: {said}");
        let got = consortium.operate(&["release", "get", STUDY, "--out", &consortium.path("lie")]);
        assert_ne!(got.code, 0, "{what}");
        consortium.coordinator = None;
    }

    runtime.block_on(believe(state, |publishing| *publishing = truth.clone()));
    consortium.start_coordinator();
    consortium.wait("the true folder is released", |c| {
        c.operate(&["run", "list", STUDY]).out.contains("released")
    });
    let shown = consortium.operate(&["run", "show", STUDY]).done();
    assert!(
        shown.contains("remade by 4 of the roster's 4 sites"),
        "{shown}"
    );
    let out = consortium.path("truth");
    consortium
        .operate(&["release", "get", STUDY, "--out", &out])
        .done();
    let verified = consortium
        .motet(&["release", "verify", &out, "--as", &consortium.operator()])
        .done();
    assert!(
        verified.contains("remade byte for byte by 4 of the roster's 4 sites"),
        "{verified}"
    );

    // Later, at a site, with no coordinator there.
    consortium.coordinator = None;
    let again = consortium.desk("va", &["release", "verify", &out]).done();
    assert!(again.contains("byte for byte"), "{again}");
    let card = format!("{out}/card.md");
    let text = std::fs::read_to_string(&card).expect("readable");
    std::fs::write(&card, text.replacen("table", "Table", 1)).expect("writable");
    std::fs::write(format!("{out}/letter.md"), "Dear reader,").expect("writable");
    let other = consortium.desk("va", &["release", "verify", &out]);
    assert_eq!(other.code, 1, "{}", other.out);
    for line in [
        "DIFFERS  card.md",
        "same     report.json",
        "NOT MADE letter.md",
    ] {
        assert!(other.out.contains(line), "{line}: {}", other.out);
    }
}

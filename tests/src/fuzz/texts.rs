//! What people write, what stands in files, and the frames of the wire.

use super::Target;
use super::given::{study_files, texts, with_roster};
use motet_common::chain::Chain;
use motet_common::enrol::{JoinCode, Role};
use motet_common::manifest::{self, Manifest};
use motet_common::proof::Proof;
use motet_common::study::Study;
use motet_data::{Schema, Table, profile};
use motet_ledger::backup::{Item, Snapshot, StreamEnd};
use motet_node::permits::Permit;
use motet_node::settings::Settings;
use motet_proto::v1;
use motet_recipes::Formula;
use motet_recipes::filter::Filter;
use motet_secagg::digest::{Digest, from_hex};
use motet_secagg::encode::{Canonical as _, Reader};
use motet_secagg::note::{Checkpoint, Note};
use motet_secagg::sign::SecretKey;
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

/// Parsers of text build a tree of it, and errors say where: more than its bytes, but in
/// proportion.
const TEXT: usize = 2_000;
/// A file is read under four schemas, each of which is parsed.
const TABLE: usize = 4_000;
/// A proposal is parsed four times over here, written twice, linted, and its first question asked.
const STUDY: usize = 60_000;

pub(super) fn targets() -> Vec<Target> {
    let target = |name, run, seeds, times| Target {
        name,
        run,
        seeds,
        times,
    };
    vec![
        target("note", note, notes, TEXT),
        target("join_code", join_code, join_codes, TEXT),
        target("study_file", study_file, hostile_study_files, STUDY),
        target("filter", filter, filters, TEXT),
        target("formula", formula, formulas, TEXT),
        target("schema", schema, schemas, RANGES),
        target("table", table, tables, TABLE),
        target("draft", draft, tables, TEXT),
        target("workbook", workbook, workbooks, TEXT),
        target(
            "node_toml",
            node_toml,
            || sample(include_str!("../../../node/node.toml.sample")),
            TEXT,
        ),
        target(
            "permit",
            permit,
            || sample(include_str!("../../../node/permit.toml.sample")),
            TEXT,
        ),
        target(
            "coordinator_toml",
            coordinator_toml,
            coordinator_tomls,
            TEXT,
        ),
        target("key_file", key_file, key_files, TEXT),
        target("steward_key", steward_key, steward_keys, TEXT),
        target("manifest_json", manifest_json, manifests, TEXT),
        target("proof_json", proof_json, proofs, TEXT),
        target("export", export, exports, TEXT),
        target("backup_json", backup_json, backups, TEXT),
        target("frames", frames, framed, TEXT),
    ]
}

fn sample(text: &str) -> Vec<Vec<u8>> {
    // A sample explains every key, and shows most of them behind a `#`.
    let bare = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned();
    let shown: Vec<String> = text
        .lines()
        .filter(|line| line.contains('=') || line.contains('['))
        .map(bare)
        .collect();
    vec![text.as_bytes().to_vec(), shown.join("\n").into_bytes()]
}

fn note(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(note) = text.parse::<Note>() else {
        return false;
    };
    assert_eq!(note.to_string(), text, "a second text of one note");
    true
}

fn notes() -> Vec<Vec<u8>> {
    let (log, witness) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
    let point = Checkpoint {
        origin: "motet.example/log".into(),
        size: 5,
        root: Digest([7; 32]),
    };
    let mut note = Note::sign(point, "motet.example/log", &log).expect("a note");
    let bare = note.to_string();
    let cosigned = note.unverified().cosign(&witness, 1_770_000_000);
    note.add("witness.example", &witness.public(), &cosigned)
        .expect("room for one");
    vec![bare.into_bytes(), note.to_string().into_bytes()]
}

fn join_code(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(code) = JoinCode::parse(&text) else {
        return false;
    };
    let again = code.to_text().expect("what was read can be written");
    let word: String = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    assert_eq!(again, word, "a second word of one code");
    true
}

fn join_codes() -> Vec<Vec<u8>> {
    let code = |role| JoinCode {
        address: "hub.example.org:7443".to_owned(),
        ca_fingerprint: Digest([1; 32]),
        governance_fingerprint: Digest([2; 32]),
        invite: [3; 16],
        secret: [4; 32].into(),
        role,
    };
    let roles = [Role::Site, Role::Researcher, Role::Operator];
    roles
        .map(|role| code(role).to_text().expect("a code").into_bytes())
        .to_vec()
}

fn study_file(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(study) = Study::parse(&text) else {
        return false;
    };
    let written = study.to_toml();
    let again = Study::parse(&written)
        .unwrap_or_else(|error| panic!("what was written is refused: {error}\n{written}"));
    assert_eq!(
        again.to_bytes(),
        study.to_bytes(),
        "another study was written than was read:\n{written}"
    );
    let encoded = Study::from_bytes(&study.to_bytes()).expect("an encoding that can be read");
    assert_eq!(encoded.root(), study.root());
    drop((study.lint(5), study.columns(), study.reads().len()));
    if study.check().is_ok() {
        // What a node derives from a proposal before its steward has seen it.
        drop(with_roster(|roster, _| {
            Chain::start(&study, roster).question(4)
        }));
    }
    true
}

fn hostile_study_files() -> Vec<Vec<u8>> {
    let mut all = study_files();
    all.extend(deep(&["x = [", "[", "a = {a = ", "a."]));
    let long = "x = \"".to_owned() + &"[".repeat(60_000);
    all.push(long.into_bytes());
    all
}

fn filter(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(filter) = Filter::parse(&text) else {
        return false;
    };
    let written = filter.to_string();
    let again =
        Filter::parse(&written).unwrap_or_else(|error| panic!("`{written}` is refused: {error}"));
    assert_eq!(
        again.to_bytes(),
        filter.to_bytes(),
        "`{text}` became `{written}`"
    );
    let _ = (filter.columns().len(), filter.holds(&|_| None));
    true
}

fn filters() -> Vec<Vec<u8>> {
    let mut all = texts(&[
        "age >= 18",
        "age >= 18 and (sex == \"f\" or not smoker == 'yes') and chol < 2.5e2",
        "visit >= \"2020-02-29\" and age != 40 or (region == \"a\" or region == \"b\")",
        "not (age < 1 or age > 90) and not bmi <= 10",
    ]);
    all.extend(deep(&["(", "not ", "not("]));
    all
}

/// Far deeper than any stack, for parsers that call themselves.
fn deep(openings: &[&str]) -> Vec<Vec<u8>> {
    openings
        .iter()
        .map(|opening| format!("{}a >= 1", opening.repeat(20_000)).into_bytes())
        .collect()
}

fn formula(bytes: &[u8]) -> bool {
    let formula = Formula::parse(&String::from_utf8_lossy(bytes));
    formula.is_ok_and(|formula| !formula.features().is_empty())
}

fn formulas() -> Vec<Vec<u8>> {
    let mut all = texts(&[
        "y ~ age + sex",
        "dead ~ ns(sbp, 3) + age:sex + I(bmi^2)",
        "y ~ (age + sex + chol)^2 - age:sex + log(chol) + ns(x, knots = c(1, 2.5), boundary = c(0, 9e1))",
    ]);
    all.extend(deep(&["y ~ (", "(", "log(", "I("]));
    all
}

fn schema(bytes: &[u8]) -> bool {
    Schema::parse(&String::from_utf8_lossy(bytes)).is_ok()
}

const SCHEMAS: [&str; 4] = [
    include_str!("../../../cli/demo/heart/schema.toml"),
    include_str!("../../../cli/demo/breast-tcga/schema.toml"),
    include_str!("../../../cli/demo/stroke/schema.toml"),
    MAKING,
];

/// Every key that makes a column, and a range of columns.
const MAKING: &str = r#"[dataset]
name = "ward"
key = "N° dossier"
[source]
delimiter = ";"
decimal = ","
thousands = " "
[columns.born]
type = "date"
format = "dd/mm/yyyy"
private = true
[columns.seen]
type = "date"
format = "d.m.yyyy h:mm"
min = 1900-01-01
[columns.age]
type = "int"
between = { from = "born", to = "seen", in = "whole_years" }
min = 0
[columns.followed]
type = "float"
between = { from = 2020-01-31, to = "seen", in = "months" }
from = "mo"
factor = 30.4375
unit = "d"
[columns.crea]
type = "float"
replace = { "> 1 000" = 1000, "<0,5" = 0.25 }
missing = ["-9", "k. A."]
[columns.temp]
type = "float"
scale = 0.5555555555555556
offset = -17.77777777777778
round = 0.1
max = 43
[columns.fever]
type = "ordered"
of = "temp"
levels = ["none", "some", "high"]
cut = [37.5, 39]
[columns.stage]
type = "category"
levels = ["I", "II"]
map = { "1" = "I", T2 = "II" }
[columns.dead]
type = "bool"
true = ["oui"]
false = ["non"]
[columns.relapse]
type = "bool"
[columns.event]
type = "bool"
any_of = ["dead", "relapse"]
[columns.both]
type = "bool"
all_of = ["dead", "relapse"]
[columns.hot]
type = "float"
when = { column = "stage", is = ["II"], then = "temp", else = "crea" }
private = true
[columns.first]
type = "float"
coalesce = ["temp", "hot"]
[columns.country]
type = "category"
value = "FR"
[columns."emb[08..11]"]
type = "float"
source = "V[8..11]"
use = ["filter"]
"#;

/// A file that fits it.
const MADE: &str = "N° dossier;born;seen;crea;temp;stage;dead;relapse;V8;V9;V10;V11\n\
     P1;31/12/1950;1.2.2020 9:05;88,4;98,6;1;oui;0;0,1;-2;3e-1;1 000,5\n\
     P1;31/12/1950;1.2.2020 9:05;88,4;98,6;1;oui;0;0,1;-2;3e-1;1 000,5\n\
     P2;29/02/1948;11.12.2021 19:05;> 1 000;101,3;T2;non;1;;NA;0;0\n\
     P3;;;-9;;II;;;1;1;1;1\n";

/// A range of a few letters declares 4,096 columns.
const RANGES: usize = 60_000;

fn schemas() -> Vec<Vec<u8>> {
    texts(&SCHEMAS)
}

/// A first schema of whatever file is one.
fn draft(bytes: &[u8]) -> bool {
    in_a_file(bytes, |path| match motet_data::draft(path, None) {
        Ok(text) => {
            let schema = Schema::parse(&text);
            assert!(
                schema.is_ok() || text.contains("\n[columns]\n"),
                "{schema:?}\n{text}"
            );
            true
        }
        Err(_) => false,
    })
}

/// Bytes as a file that only its owner may read, as those who read one want it.
fn in_a_file<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("room for a few bytes");
    read(file.path())
}

/// They are parsed once: what that takes is no table's.
static PARSED: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    let schemas = SCHEMAS.iter().map(|text| Schema::parse(text));
    schemas.map(|schema| schema.expect("a schema")).collect()
});

/// A hospital's extract under a schema that fits the seeds.
fn table(bytes: &[u8]) -> bool {
    let mut accepted = false;
    for schema in PARSED.iter() {
        in_a_file(bytes, |path| {
            if let Ok(table) = Table::open_all(path, schema) {
                assert!(table.rows() > 0);
                drop(profile(&table));
                accepted = true;
            }
        });
    }
    accepted
}

fn tables() -> Vec<Vec<u8>> {
    // A file that was just written and does not end its last line is taken for half of one.
    let head = |text: &str| {
        text.lines()
            .take(12)
            .fold(String::new(), |head, line| head + line + "\n")
    };
    let files = [
        include_str!("../../../cli/demo/heart/cleveland.csv"),
        include_str!("../../../cli/demo/heart/va.csv"),
        include_str!("../../../cli/demo/breast-tcga/canada.csv"),
    ];
    files
        .into_iter()
        .flat_map(|text| [head(text), head(text).replace(',', ";")])
        .chain([MADE.to_owned()])
        .map(String::into_bytes)
        .collect()
}

/// A sheet of a workbook, under a schema that fits the seeds.
fn workbook(bytes: &[u8]) -> bool {
    let schema = Schema::parse(
        "[dataset]\nname = \"w\"\nkey = \"key\"\n[columns.crea]\ntype = \"float\"\n\
         [columns.seen]\ntype = \"date\"\n[columns.died]\ntype = \"bool\"\n",
    );
    let schema = schema.expect("a schema");
    in_a_file(bytes, |path| {
        Table::open_all(path, &schema).is_ok_and(|table| table.rows() > 0)
    })
}

fn workbooks() -> Vec<Vec<u8>> {
    let files: [&[u8]; 2] = [
        include_bytes!("../../../node/data/tests/workbooks/openpyxl.xlsx"),
        include_bytes!("../../../node/data/tests/workbooks/xlsxwriter.xlsx"),
    ];
    files.map(<[u8]>::to_vec).into()
}

fn node_toml(bytes: &[u8]) -> bool {
    Settings::parse(&String::from_utf8_lossy(bytes)).is_ok()
}

fn permit(bytes: &[u8]) -> bool {
    let permit = Permit::parse(Path::new("sample"), &String::from_utf8_lossy(bytes));
    permit.is_ok_and(|permit| !permit.citation().is_empty())
}

fn coordinator_toml(bytes: &[u8]) -> bool {
    in_a_file(bytes, |path| {
        motet_coordinator::config::Config::read(path).is_ok()
    })
}

fn coordinator_tomls() -> Vec<Vec<u8>> {
    sample(include_str!("../../../coordinator/coordinator.sample.toml"))
}

fn key_file(bytes: &[u8]) -> bool {
    in_a_file(bytes, |path| {
        let Ok(key) = motet::identity::read_key(path) else {
            return false;
        };
        // A seed can be written in both cases of hexadecimal, with white space around it, and in no
        // other way.
        let text = String::from_utf8_lossy(bytes);
        let seed: [u8; 32] = from_hex(text.trim())
            .and_then(|seed| seed.try_into().ok())
            .expect("a seed");
        assert_eq!(SecretKey::from_seed(seed).public(), key.public());
        true
    })
}

fn key_files() -> Vec<Vec<u8>> {
    texts(&["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"])
}

fn steward_key(bytes: &[u8]) -> bool {
    use motet_node::steward;
    in_a_file(bytes, |path| {
        // A sealed key that can be read asks for its passphrase, which it does not get.
        let mut asked = false;
        let opened = steward::open(path, || {
            asked = true;
            Err(motet_node::error::StewardError::NotAKey(path.to_owned()))
        });
        drop(steward::is_sealed(path));
        opened.is_ok() || asked
    })
}

fn steward_keys() -> Vec<Vec<u8>> {
    let (salt, nonce, sealed) = ("11".repeat(16), "22".repeat(12), "33".repeat(48));
    let sealed = format!(
        "motet-steward-key 1\npbkdf2-hmac-sha256 600000 {salt}\naes-256-gcm {nonce} {sealed}\n"
    );
    texts(&[
        &sealed,
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
    ])
}

fn manifest_json(bytes: &[u8]) -> bool {
    drop(manifest::check(
        bytes,
        &BTreeMap::new(),
        Some(Digest([1; 32])),
    ));
    let Ok(manifest) = Manifest::from_json(bytes) else {
        return false;
    };
    let written = manifest.to_json().expect("what was read can be written");
    let again = Manifest::from_json(written.as_bytes()).expect("what was written can be read");
    assert_eq!(again.to_bytes(), manifest.to_bytes());
    true
}

fn manifests() -> Vec<Vec<u8>> {
    let zeros = Manifest::read(&mut Reader::new(&[0; 4096])).expect("a manifest of zeros");
    let mut all = vec![zeros.to_json().expect("text").into_bytes()];
    all.extend(deep(&["[", "{\"a\":", "{\"files\":["]));
    all
}

fn proof_json(bytes: &[u8]) -> bool {
    let Ok(proof) = Proof::from_json(bytes) else {
        return false;
    };
    drop(proof.verify(None));
    let written = proof.to_json().expect("what was read can be written");
    let again = Proof::from_json(written.as_bytes()).expect("what was written can be read");
    assert_eq!(again.to_bytes(), proof.to_bytes());
    true
}

fn proofs() -> Vec<Vec<u8>> {
    let zeros = Proof::read(&mut Reader::new(&[0; 4096])).expect("a proof of zeros");
    vec![zeros.to_json().expect("text").into_bytes()]
}

fn export(bytes: &[u8]) -> bool {
    let report = motet_ledger::verify_export(bytes).expect("bytes in memory can be read");
    report.faults.is_empty()
}

fn exports() -> Vec<Vec<u8>> {
    let line = |before: Digest, version: u64, entry: &[u8]| {
        let chain = motet_ledger::link(before, "study/a/b", version, entry);
        let hex: String = entry.iter().map(|byte| format!("{byte:02x}")).collect();
        let chained = chain.hex();
        (
            chain,
            format!(
                "{{\"stream\":\"study/a/b\",\"version\":{version},\"chain\":\"{chained}\",\"entry\":\"{hex}\"}}\n"
            ),
        )
    };
    let (chain, first) = line(motet_ledger::START, 1, b"first");
    let (_, second) = line(chain, 2, b"second");
    vec![first.clone().into_bytes(), (first + &second).into_bytes()]
}

fn backup_json(bytes: &[u8]) -> bool {
    let Ok(snapshot) = serde_json::from_slice::<Snapshot>(bytes) else {
        return false;
    };
    let written = serde_json::to_vec(&snapshot).expect("what was read can be written");
    assert_eq!(
        serde_json::from_slice::<Snapshot>(&written).ok(),
        Some(snapshot)
    );
    true
}

fn backups() -> Vec<Vec<u8>> {
    let item = |bytes| Item {
        sha256: Digest([6; 32]).hex(),
        bytes,
    };
    let end = StreamEnd {
        stream: "log/a/b".to_owned(),
        version: 7,
        chain: Digest([5; 32]).hex(),
    };
    let snapshot = Snapshot {
        database: item(4096),
        streams: vec![end],
        blobs: vec![item(9), item(10)],
    };
    vec![serde_json::to_vec(&snapshot).expect("text")]
}

/// The largest messages of the wire, from head to piece.
fn frames(bytes: &[u8]) -> bool {
    fn frame<M: Message + Default>(bytes: &[u8]) -> bool {
        let Ok(message) = M::decode(bytes) else {
            return false;
        };
        let written = message.encode_to_vec();
        let again = M::decode(written.as_slice()).expect("what was written can be read");
        assert_eq!(written, again.encode_to_vec(), "another value came back");
        true
    }
    let accepted = [
        frame::<v1::AttendRequest>(bytes),
        frame::<v1::AttendResponse>(bytes),
        frame::<v1::JoinRequest>(bytes),
        frame::<v1::JoinResponse>(bytes),
        frame::<v1::InvitationRequest>(bytes),
        frame::<v1::UploadRequest>(bytes),
        frame::<v1::UploadStateResponse>(bytes),
        frame::<v1::UploadsRequest>(bytes),
        frame::<v1::UploadsResponse>(bytes),
        frame::<v1::ReleasesResponse>(bytes),
        frame::<v1::LeavesResponse>(bytes),
        frame::<v1::ProposeRequest>(bytes),
        frame::<v1::InviteRequest>(bytes),
        frame::<v1::ListStudiesResponse>(bytes),
        frame::<v1::GetReleaseResponse>(bytes),
    ];
    accepted.contains(&true)
}

fn framed() -> Vec<Vec<u8>> {
    // One field of each number and kind, nested in one another: a frame of nearly every message.
    let field = |number: u8, body: &[u8]| {
        let mut bytes = vec![number << 3 | 2, u8::try_from(body.len()).unwrap_or(127)];
        bytes.extend_from_slice(&body[..body.len().min(127)]);
        bytes
    };
    let numbers: Vec<u8> = (1..9_u8).flat_map(|number| [number << 3, 1]).collect();
    let texts: Vec<u8> = (1..9_u8)
        .flat_map(|number| field(number, b"text"))
        .collect();
    let nested: Vec<u8> = (1..9_u8)
        .flat_map(|number| field(number, &field(1, &texts[..12])))
        .collect();
    let single = (1..9_u8).flat_map(|number| {
        [
            field(number, &texts),
            field(number, &numbers),
            field(number, b""),
        ]
    });
    single
        .chain([numbers.clone(), texts.clone(), nested])
        .collect()
}

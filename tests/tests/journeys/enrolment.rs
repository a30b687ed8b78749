//! Who belongs and who does not, with real processes: borrowed keys, members who are removed, joins
//! that are interrupted, and a governance key that lies elsewhere.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet::identity::{Keys, calling};
use motet_common::enrol::{Enrolment, JoinCode, Role};
use motet_common::refusal::{Code, Refusal};
use motet_proto::draft::Draft;
use motet_proto::keyfile::write_new_secret;
use motet_proto::refusal::refusal;
use motet_proto::tls::authority::{csr_key_digest, make_csr};
use motet_proto::tls::client::connect_pinned;
use motet_proto::v1;
use motet_proto::v1::enrolment_client::EnrolmentClient;
use motet_secagg::digest::from_hex;
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::{PublicKey, SecretKey};
use motet_tests::consortium::{Consortium, Process, demo_file};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["cleveland", "hungarian", "va"];

fn three_sites(consortium: &mut Consortium) {
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "US", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    consortium.wait("all are connected", |c| {
        SITES
            .iter()
            .all(|site| member(c, site)["connected"] == true)
    });
}

/// What `site list` says of a site.
fn member(consortium: &Consortium, name: &str) -> Value {
    let list = consortium.operate(&["site", "list", "--json"]).done();
    let list: Value = serde_json::from_str(&list).expect("valid JSON");
    let members = list["members"].as_array().expect("a list");
    members
        .iter()
        .find(|member| member["name"] == name)
        .cloned()
        .unwrap_or_default()
}

/// The public half of a site's key: what stands in every roster and manifest.
fn public(consortium: &Consortium, site: &str, key: &str) -> PublicKey {
    let text =
        fs::read_to_string(consortium.path(&format!("{site}/keys/{key}.key"))).expect("readable");
    let seed = from_hex(text.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    SecretKey::from_seed(seed.expect("a seed")).public()
}

/// Sends an enrolment as whoever holds the code, and gives the certificate.
fn send(code: &str, request: v1::JoinRequest) -> Result<v1::JoinResponse, Refusal> {
    let code = JoinCode::parse(code).expect("a code");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let channel = connect_pinned(&code.address, &code.ca_fingerprint)
            .await
            .expect("it listens")
            .channel;
        let answer = EnrolmentClient::new(channel).join(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| refusal(&status).expect("a stable code"))
    })
}

#[test]
fn a_newcomer_with_another_hospitals_public_key_is_refused_and_the_hospital_stands() {
    let mut consortium = Consortium::start(PROGRAM);
    three_sites(&mut consortium);
    let text = consortium.invite("evil", "NL");
    let code = JoinCode::parse(&text).expect("a code");
    let [identity, steward, witness] = [1, 2, 3].map(|seed| SecretKey::from_seed([seed; 32]));
    let (csr, _) = make_csr("evil").expect("a request");
    let own = Enrolment {
        invite: code.invite,
        name: "evil".into(),
        country: "NL".into(),
        role: Role::Site,
        identity: identity.public(),
        steward: Some(steward.public()),
        witness: Some(witness.public()),
        csr_key_digest: csr_key_digest(&csr).expect("readable"),
        governance_fingerprint: code.governance_fingerprint,
    };
    for borrowed in [
        Enrolment {
            identity: public(&consortium, "cleveland", "identity"),
            ..own.clone()
        },
        Enrolment {
            steward: Some(public(&consortium, "cleveland", "steward")),
            ..own.clone()
        },
        Enrolment {
            witness: Some(public(&consortium, "cleveland", "witness")),
            ..own.clone()
        },
    ] {
        let request = v1::JoinRequest {
            proof: borrowed.prove(&code.secret).to_vec(),
            possession: borrowed
                .sign(&identity, Some(&steward), Some(&witness))
                .to_bytes(),
            enrolment: borrowed.to_bytes(),
            csr: csr.clone(),
            ticket: code.ticket().0.to_vec(),
        };
        assert_eq!(
            send(&text, request).expect_err("refused").code,
            Code::KeyUnproven
        );
    }
    assert_eq!(
        member(&consortium, "evil")["standing"],
        "invited",
        "the invitation is not spent"
    );

    // With keys of its own the same newcomer is one more member, whose going takes nobody along.
    consortium.desk("evil", &["join", &text]).done();
    assert_eq!(member(&consortium, "evil")["standing"], "verified");
    consortium.operate(&["site", "remove", "evil"]).done();
    let clev = member(&consortium, "cleveland");
    assert_eq!(
        (&clev["standing"], &clev["connected"]),
        (&"verified".into(), &true.into())
    );
    assert_eq!(clev["equal_keys"], Value::Array(vec![]));
    let study = demo_file("heart/logistic.toml");
    consortium
        .operate(&["study", "propose", study.to_str().expect("utf-8")])
        .done();
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, "heart-disease"));
    consortium
        .operate(&["run", "start", "heart-disease", "--wait"])
        .done();
    assert!(
        !consortium.logs().contains("site_revoked"),
        "{}",
        consortium.logs()
    );
}

/// Invites a person and gives the file with the code.
fn invite_person(consortium: &Consortium, name: &str, role: &str) -> String {
    let said = consortium
        .operate(&["person", "invite", name, "--role", role])
        .done();
    let file = consortium.path(&format!("{name}.code"));
    fs::write(&file, said.lines().last().expect("the code")).expect("writable");
    file
}

#[test]
fn a_removed_persons_open_stream_ends_and_its_certificate_is_refused() {
    let mut consortium = Consortium::start(PROGRAM);
    three_sites(&mut consortium);
    let ada = consortium.path("ada");
    let file = invite_person(&consortium, "ada", "researcher");
    consortium
        .motet(&["person", "join", "--code-file", &file, "--as", &ada])
        .done();
    // A run that waits: three sites are needed and one has gone.
    consortium.propose_patient("waiting", &SITES);
    consortium.kill_node("va");
    consortium.operate(&["run", "start", "waiting"]).done();
    let runs: Value = serde_json::from_str(
        &consortium
            .motet(&["run", "list", "--json", "--as", &ada])
            .done(),
    )
    .expect("JSON");
    let run = runs["runs"][0]["run"].as_str().expect("a run").to_owned();
    let heard = consortium.path("ada.watch");
    let child = Command::new(PROGRAM)
        .args(["run", "watch", &run, "--as", &ada])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&heard).expect("writable"))
        .spawn();
    let mut watching = Process(child.expect("the program starts"));
    let text = || fs::read_to_string(&heard).expect("readable");
    consortium.wait("the stream is open", |_| !text().is_empty());

    consortium
        .operate(&["person", "remove", "operator"])
        .refused("last_operator");
    consortium
        .operate(&["person", "remove", "grace"])
        .refused("not_in_roster");
    let said = consortium
        .operate(&["person", "remove", "ada", "--why", "left the institute"])
        .done();
    assert!(
        !said.contains("governance"),
        "a researcher never had it: {said}"
    );
    consortium.wait("the stream has ended", |_| {
        text().contains("person_revoked")
    });
    assert_eq!(watching.0.wait().expect("a child").code(), Some(3));
    consortium
        .motet(&["run", "list", "--as", &ada])
        .refused("person_revoked");
    let people = consortium.operate(&["person", "list"]).done();
    assert!(
        people.contains("removed") && people.contains("joined, verified"),
        "{people}"
    );
    // The coordinator started again has not forgotten.
    consortium.hub().kill();
    consortium.start_coordinator();
    consortium
        .motet(&["run", "list", "--as", &ada])
        .refused("person_revoked");
}

#[test]
fn a_researcher_sees_and_fetches_only_what_the_study_releases_to_her() {
    let mut consortium = Consortium::start(PROGRAM);
    three_sites(&mut consortium);
    let join = |c: &Consortium, name: &str, folder: &str| {
        let (file, dir) = (invite_person(c, name, "researcher"), c.path(folder));
        c.motet(&["person", "join", "--code-file", &file, "--as", &dir])
            .done();
        dir
    };
    let text = fs::read_to_string(demo_file("heart/logistic.toml")).expect("readable");
    let file = consortium.path("study.toml");
    let named = text.replace("\"all researchers of the consortium\"", "[\"ada\"]");
    assert_ne!(named, text);
    fs::write(&file, named).expect("writable");
    let refused = consortium
        .operate(&["study", "propose", &file])
        .refused("study_invalid");
    assert!(
        refused.contains("no researcher of that name has joined"),
        "{refused}"
    );

    let (ada, grace) = (
        join(&consortium, "ada", "ada"),
        join(&consortium, "grace", "grace"),
    );
    consortium.operate(&["person", "list"]).done();
    consortium.operate(&["study", "propose", &file]).done();
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, "heart-disease"));
    let card = consortium
        .desk("va", &["study", "show", "heart-disease"])
        .done();
    let card = card.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        card.contains("of the researchers these alone receive it: ada"),
        "{card}"
    );
    consortium
        .operate(&["run", "start", "heart-disease", "--wait"])
        .done();
    let shown: Value = serde_json::from_str(
        &consortium
            .operate(&["run", "show", "heart-disease", "--json"])
            .done(),
    )
    .expect("JSON");
    let run = shown["run"].as_str().expect("a run").to_owned();

    let (hers, other, later) = (
        consortium.path("hers"),
        consortium.path("other"),
        consortium.path("later"),
    );
    consortium
        .motet(&[
            "release",
            "get",
            "heart-disease",
            "--out",
            &hers,
            "--as",
            &ada,
        ])
        .done();
    let listed = consortium.motet(&["study", "list", "--as", &ada]).done();
    assert!(listed.contains("heart-disease"), "{listed}");

    // Who is not named neither fetches nor sees it, nor how the run went.
    consortium
        .motet(&[
            "release",
            "get",
            "heart-disease",
            "--out",
            &other,
            "--as",
            &grace,
        ])
        .refused("study_unknown");
    consortium
        .motet(&["release", "list", "heart-disease", "--as", &grace])
        .refused("study_unknown");
    consortium
        .motet(&["study", "show", "heart-disease", "--as", &grace])
        .refused("study_unknown");
    consortium
        .motet(&["run", "show", &run, "--as", &grace])
        .refused("run_unknown");
    for list in [["study", "list"], ["run", "list"]] {
        let said = consortium
            .motet(&[&list[..], &["--as", &grace]].concat())
            .done();
        assert!(!said.contains("heart-disease"), "{said}");
    }

    // Nor by a call that no command makes without having asked for the list.
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let watched = runtime.block_on(async {
        let (_, mut desk) = calling(Some(Path::new(&grace))).await.expect("a member");
        desk.watch_run(v1::WatchRunRequest { run }).await.map(drop)
    });
    let refused = watched.map_err(|status| refusal(&status).expect("a stable code").code);
    assert_eq!(refused, Err(Code::RunUnknown));

    // What a steward said, whose node is connected and whose is stopped is for operators: who is
    // here and yet in no sum would tell her of its rows.
    consortium.desk("hungarian", &["stop"]).done();
    consortium
        .desk(
            "va",
            &[
                "study",
                "withdraw",
                "heart-disease",
                "--why",
                "the ward has closed",
            ],
        )
        .done();
    let read = |c: &Consortium, folder: &str| -> Vec<String> {
        let shown = c
            .motet(&["study", "show", "heart-disease", "--json", "--as", folder])
            .done();
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        let keys = ["site", "decision", "why", "connected", "stopped"];
        let line = |site: &Value| {
            keys.map(|key| site[key].to_string())
                .join(" ")
                .replace('"', "")
        };
        let mut sites: Vec<String> = shown["sites"]
            .as_array()
            .expect("a list")
            .iter()
            .map(line)
            .collect();
        sites.sort();
        sites
    };
    let told = [
        "cleveland approved  true false",
        "hungarian approved  true true",
        "va withdrawn the ward has closed true false",
    ];
    consortium.wait("the operator reads it", |c| read(c, &c.operator()) == told);
    let hers = ["cleveland approved", "hungarian approved", "va withdrawn"]
        .map(|is| format!("{is}  false false"));
    assert_eq!(read(&consortium, &ada), hers);
    // Nor is what is not told called by another name.
    let shown = consortium
        .motet(&["study", "show", "heart-disease", "--as", &ada])
        .done();
    assert!(
        !shown.contains("away") && shown.contains("approved   -"),
        "{shown}"
    );

    // Nor does somebody else who is given the name later.
    consortium.operate(&["person", "remove", "ada"]).done();
    let another = join(&consortium, "ada", "another-ada");
    consortium
        .motet(&[
            "release",
            "get",
            "heart-disease",
            "--out",
            &later,
            "--as",
            &another,
        ])
        .refused("study_unknown");
}

#[test]
fn a_join_code_has_the_address_that_the_coordinator_has_now() {
    let mut consortium = Consortium::start(PROGRAM);
    let before = consortium.address();
    let moved = before.replace("127.0.0.1", "localhost");
    assert_ne!(moved, before);
    let file = consortium.path("hub/coordinator.toml");
    let text = fs::read_to_string(&file).expect("readable");
    let changed = text.replace(
        &format!("address = \"{before}\""),
        &format!("address = \"{moved}\""),
    );
    assert_ne!(changed, text);
    fs::write(&file, changed).expect("writable");
    consortium.hub().kill();
    consortium.start_coordinator();
    let code = JoinCode::parse(&consortium.invite("s7", "NL")).expect("a code");
    assert_eq!(code.address, moved);
    consortium
        .desk("s7", &["join", &code.to_text().expect("a code")])
        .done();
    assert!(
        fs::read_to_string(consortium.path("s7/node.toml"))
            .expect("readable")
            .contains(&moved)
    );
}

#[test]
fn a_second_operator_may_go_and_so_may_the_first_then() {
    let consortium = Consortium::start(PROGRAM);
    let grace = consortium.path("grace");
    let file = invite_person(&consortium, "grace", "operator");
    consortium
        .motet(&["person", "join", &file, "--as", &grace])
        .done();
    consortium.motet(&["site", "list", "--as", &grace]).done();
    let said = consortium.operate(&["person", "remove", "operator"]).done();
    assert!(said.contains("has a copy of the governance key"), "{said}");
    consortium
        .operate(&["site", "list"])
        .refused("person_revoked");
    consortium.motet(&["site", "list", "--as", &grace]).done();
}

#[test]
fn a_persons_join_that_was_interrupted_after_spending_the_invitation_goes_on() {
    let consortium = Consortium::start(PROGRAM);
    let ada = consortium.path("ada");
    let file = invite_person(&consortium, "ada", "researcher");
    let text = fs::read_to_string(&file).expect("readable");
    let code = JoinCode::parse(&text).expect("a code");
    // As far as the command got before it was killed: keys on disk, the invitation spent, the
    // answer lost.
    let draft = Draft::beside(Path::new(&ada), &code.invite).expect("writable");
    let keys = Keys::of(draft.path(), "ada").expect("writable");
    let enrolment = keys.enrolment(
        code.invite,
        ("ada", "NL"),
        Role::Researcher,
        code.governance_fingerprint,
    );
    let enrolment = enrolment.expect("an enrolment");
    let request = v1::JoinRequest {
        proof: enrolment.prove(&code.secret).to_vec(),
        possession: enrolment.sign(&keys.signing, None, None).to_bytes(),
        enrolment: enrolment.to_bytes(),
        csr: keys.csr,
        ticket: code.ticket().0.to_vec(),
    };
    let lost = send(&text, request).expect("it is spent").certificate;
    // Other keys have no claim to it.
    let elsewhere = consortium.path("elsewhere");
    consortium
        .motet(&["person", "join", "--code-file", &file, "--as", &elsewhere])
        .refused("token_used");

    consortium
        .motet(&["person", "join", "--code-file", &file, "--as", &ada])
        .done();
    assert_eq!(
        fs::read_to_string(format!("{ada}/client.pem")).expect("readable"),
        lost
    );
    consortium.motet(&["run", "list", "--as", &ada]).done();
    let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".ada.");
    let left = fs::read_dir(consortium.dir.path())
        .expect("readable")
        .flatten()
        .filter(hidden)
        .count();
    assert_eq!(left, 0, "no draft stays behind");
}

/// Copies a folder of files and folders.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("writable");
    for entry in fs::read_dir(from).expect("readable").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).expect("copied");
        }
    }
}

#[test]
fn a_replaced_code_and_a_removal_hold_in_the_operators_folder_whatever_ledger_the_coordinator_shows()
 {
    let mut consortium = Consortium::start(PROGRAM);
    let (state, older) = (consortium.path("hub/state"), consortium.path("older"));
    let (state, older) = (Path::new(&state), Path::new(&older));
    let first = consortium.invite("lyon", "FR");
    consortium.hub().terminate();
    copy(state, older);
    consortium.start_coordinator();
    let second = consortium.invite("lyon", "FR");
    consortium.desk("honest", &["join", &second]).done();
    assert_eq!(member(&consortium, "lyon")["standing"], "verified");

    // The coordinator with its older ledger, and whoever found the first code.
    consortium.hub().terminate();
    fs::rename(state, consortium.path("newer")).expect("movable");
    copy(older, state);
    consortium.start_coordinator();
    consortium.desk("finder", &["join", &first]).done();
    assert_eq!(member(&consortium, "lyon")["standing"], "returned");
    let again = consortium.operate(&["site", "invite", "lyon", "--country", "FR"]);
    again.refused("name_taken");

    // A removal needs no coordinator: it is sent to the one that knows the site, and holds before
    // that.
    consortium.hub().terminate();
    let unheard = consortium.operate(&["site", "remove", "lyon"]);
    assert_eq!(unheard.code, 1, "{}", unheard.err);
    fs::rename(state, consortium.path("forged")).expect("movable");
    fs::rename(consortium.path("newer"), state).expect("movable");
    consortium.start_coordinator();
    assert_eq!(member(&consortium, "lyon")["standing"], "returned");
    let said = consortium.operate(&["site", "remove", "lyon"]).done();
    assert!(said.contains("sent again"), "{said}");
    assert_eq!(member(&consortium, "lyon")["standing"], "removed");
    consortium.invite("lyon", "FR");
}

#[test]
fn a_join_code_comes_from_standard_input_and_a_file() {
    let consortium = Consortium::start(PROGRAM);
    let code = consortium.invite("lyon", "FR");
    let dir = consortium.path("lyon");
    let child = Command::new(PROGRAM)
        .args(["node", "join", "--code-file", "-", "--dir", &dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut joining = Process(child.expect("the program starts"));
    let mut pipe = joining.0.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut pipe, code.as_bytes()).expect("writable");
    drop(pipe);
    assert!(joining.0.wait().expect("a child").success());
    let file = consortium.path("nice.code");
    fs::write(&file, consortium.invite("nice", "FR")).expect("writable");
    consortium
        .desk("nice", &["join", "--code-file", &file])
        .done();
    assert_eq!(consortium.desk("pau", &["join"]).code, 2);
}

#[test]
fn governance_in_a_folder_of_its_own_signs_with_its_passphrase_and_only_when_it_is_there() {
    let mut consortium = Consortium::start_apart(PROGRAM, "correct horse battery");
    three_sites(&mut consortium);
    let study = demo_file("heart/logistic.toml");
    let propose = ["study", "propose", study.to_str().expect("utf-8")];
    let asked = consortium.operate(&propose);
    assert_eq!(asked.code, 2, "{}", asked.err);
    assert!(
        asked.err.contains("--governance-passphrase-file"),
        "{}",
        asked.err
    );
    let phrase = consortium.path("phrase");
    let sealed = ["--governance-passphrase-file", phrase.as_str()];
    let wrong = consortium.path("wrong");
    write_new_secret(Path::new(&wrong), b"correct horse batterz\n").expect("writable");
    let refused =
        consortium.operate(&[&propose[..], &["--governance-passphrase-file", &wrong]].concat());
    assert!(
        refused.code == 1 && refused.err.contains("does not open the governance key"),
        "{}",
        refused.err
    );
    consortium.operate(&[&propose[..], &sealed].concat()).done();
    let (stick, away) = (consortium.path("stick"), consortium.path("away"));
    fs::rename(&stick, &away).expect("movable");
    consortium
        .operate(&[&["site", "remove", "va"], &sealed[..]].concat())
        .refused("role_not_allowed");
    fs::rename(&away, &stick).expect("movable");
    consortium
        .operate(&[&["site", "remove", "va"], &sealed[..]].concat())
        .done();
    assert_eq!(member(&consortium, "va")["standing"], "removed");
}

//! A site's secrets leave its memory with the attempt they were drawn for. The memory of the real
//! process is searched from outside, every readable page of it: for the secrets that stand in the
//! site's vault while an attempt is open, for what is derived from them, and for patients' values
//! after the study is over.
//!
//! Where the test is not run by an administrator it cannot look, because the process is closed, and
//! says so; that a process of the same user cannot look is tested here too.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use motet_common::round::member::Kept;
use motet_secagg::digest::{Digest, from_hex};
use motet_secagg::message::t2;
use motet_secagg::pair::{PairKeys, self_seed};
use motet_tests::consortium::{Consortium, demo_file};
use motet_tests::image::{Needles, count};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
/// The site that is looked at, the site that keeps it waiting, and the others.
const SITE: &str = "cleveland";
const OTHER: &str = "va";
const SITES: [&str; 4] = [SITE, "hungarian", "switzerland", OTHER];
/// A user without rights.
const NOBODY: u32 = 65_534;
/// A value that occurs nowhere by chance: no scale would show it.
const CANARY: f64 = 241.915_620_337_1;

/// What the vault holds of the one open attempt.
fn vault(consortium: &Consortium) -> Option<(Digest, Kept)> {
    let dir = consortium.path(SITE);
    let key = std::fs::read_to_string(format!("{dir}/keys/state.key")).unwrap();
    let cipher = Aes256Gcm::new_from_slice(&from_hex(key.trim()).unwrap()).unwrap();
    std::fs::read_dir(format!("{dir}/vault"))
        .unwrap()
        .find_map(|entry| {
            let path = entry.ok()?.path();
            let name = Digest::from_hex(path.file_name()?.to_str()?).ok()?;
            let bytes = std::fs::read(&path).ok()?;
            let (nonce, sealed) = bytes.split_first_chunk::<12>()?;
            let plain = cipher
                .decrypt(
                    &Nonce::from(*nonce),
                    Payload {
                        msg: sealed,
                        aad: &name.0,
                    },
                )
                .ok()?;
            Some((name, Kept::from_bytes(&plain).ok()?))
        })
}

/// What must not outlive the attempt: drawn secrets, shares held of others, and what is derived
/// from them.
fn needles(kept: &Kept) -> Needles {
    let mut needles = Needles::new();
    let mut add = |name: &str, bytes: &[u8]| {
        if bytes.iter().any(|byte| *byte != 0) {
            needles.insert(name.to_owned(), bytes.to_vec());
        }
    };
    add("r", kept.pair.expose());
    add("b", kept.own.expose());
    add("channel", kept.channel.expose());
    add("rounding and training", kept.answer.expose());
    let derived = |label: &[u8], out: &mut [u8]| {
        Hkdf::<Sha256>::new(Some(&[]), kept.pair.expose())
            .expand(label, out)
            .unwrap();
    };
    let (mut x25519, mut mlkem) = ([0; 32], [0; 64]);
    derived(b"x", &mut x25519);
    derived(b"k", &mut mlkem);
    add("x25519 key", &x25519);
    add("ml-kem key", &mlkem);
    for (index, held) in kept.held.iter().chain(&kept.own_shares).enumerate() {
        add(&format!("share {index} of r"), held.pair.expose());
        add(&format!("share {index} of b"), held.own.expose());
    }
    if let (Some(delivery), Some(adverts)) = (&kept.delivery, &kept.adverts) {
        let t2 = t2(&delivery.t1, &delivery.roots);
        add("own seed", self_seed(&kept.own, &t2).expose());
        let me = kept.advert.as_ref().unwrap().advert.node;
        let keys = PairKeys::derive(&kept.pair);
        for delivered in &delivery.bundles {
            let peer = delivered.bundle.dealer;
            let advert = adverts
                .adverts
                .iter()
                .find(|signed| signed.advert.node == peer)
                .unwrap();
            let their = &advert.advert.pair;
            let seed = if me < peer {
                keys.seed_as_lower(me, peer, their, &t2)
            } else {
                keys.seed_as_upper(me, peer, their, &delivered.bundle.mask_ct, &t2)
            };
            add(&format!("seed with {peer}"), seed.unwrap().expose());
        }
    }
    needles
}

/// How often each needle is in the site's process.
fn seen(consortium: &mut Consortium, when: &str, needles: &Needles) -> BTreeMap<String, usize> {
    let process = consortium.node(SITE).0.id();
    let found = count(process, needles).unwrap();
    println!("{when}: {found:?}");
    found
}

/// Waits until the other site has ended itself.
fn wait_for_the_other(consortium: &mut Consortium) {
    let start = std::time::Instant::now();
    while consortium.node(OTHER).0.try_wait().unwrap().is_none() {
        assert!(
            start.elapsed() < motet_tests::consortium::PATIENCE,
            "it goes on\n{}",
            consortium.logs()
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    consortium.kill_node(OTHER);
}

/// The vault's item, once it satisfies.
fn open_attempt(consortium: &Consortium, what: &str, is_due: impl Fn(&Kept) -> bool) -> Kept {
    consortium.wait(what, |c| vault(c).is_some_and(|(_, kept)| is_due(&kept)));
    vault(consortium).unwrap().1
}

/// An attempt that waits for the other site's upload: everything is drawn, dealt and masked.
fn until_masked(consortium: &mut Consortium, study: &str) -> (String, Needles) {
    consortium.start_node(OTHER, &["--drill", "upload"]);
    propose(consortium, study);
    let started = consortium
        .operate(&["run", "start", study, "--json"])
        .done();
    let started: serde_json::Value = serde_json::from_str(&started).unwrap();
    wait_for_the_other(consortium);
    let kept = open_attempt(consortium, "the site has masked", |kept| {
        kept.header.is_some()
    });
    (started["run"].as_str().unwrap().to_owned(), needles(&kept))
}

/// Until the site has said that a study is over for it, and keeps nothing of it.
fn wait_until_finished(consortium: &Consortium, study: &str) {
    let log = consortium.path(&format!("{SITE}.log"));
    let said = format!("finished: study {study} ");
    consortium.wait("the study is finished", |c| {
        std::fs::read_to_string(&log).unwrap().contains(&said) && vault(c).is_none()
    });
}

fn propose(consortium: &Consortium, id: &str) {
    let file = consortium.path(&format!("{id}.toml"));
    let text = format!(
        "[study]\nid = \"{id}\"\ntitle = \"{id}\"\nquestion = \"What do all patients together say about it?\"\n\
         purpose = \"53(1)(e)\"\nends = 2099-12-31\n\n[data]\ndataset = \"heart\"\nfeatures = [\"age\", \"chol\"]\n\
         [recipe]\nkind = \"summary\"\n[privacy]\nmin_sites = 3\n\
         [rounds]\njoin = \"120s\"\nshare = \"120s\"\nupload = \"120s\"\nsign = \"120s\"\nreveal = \"120s\"\n"
    );
    std::fs::write(&file, text).unwrap();
    consortium.operate(&["study", "propose", &file]).done();
    SITES.iter().for_each(|site| consortium.approve(site, id));
}

/// A site's table with distinctive cholesterols; those of the others are moved so that no public
/// sum shows its fraction.
fn plant(consortium: &Consortium, site: &str, shift: f64) -> PathBuf {
    let text = std::fs::read_to_string(demo_file(&format!("heart/{site}.csv"))).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let place = lines[0].split(',').position(|name| name == "chol").unwrap();
    let mut cells: Vec<String> = lines[1].split(',').map(str::to_owned).collect();
    cells[place] = (CANARY + shift).to_string();
    lines[1] = cells.join(",");
    let path = PathBuf::from(consortium.path(&format!("{site}.csv")));
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

/// What the site's table says in the clear: the planted cell, and the sum over its column as number
/// and as ring word.
fn clear(table: &Path) -> Needles {
    let text = std::fs::read_to_string(table).unwrap();
    let place = text
        .lines()
        .next()
        .unwrap()
        .split(',')
        .position(|name| name == "chol")
        .unwrap();
    let cells = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(place)?.parse::<f64>().ok());
    let sum: f64 = cells.sum();
    assert!(sum.fract() != 0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive sum"
    )]
    let limb = (sum * f64::from(1 << 20) * f64::from(1 << 20)).round() as u128 as u32;
    assert!(limb > 1 << 16, "distinctive");
    [
        ("cell as text", CANARY.to_string().into_bytes()),
        ("cell as number", CANARY.to_le_bytes().to_vec()),
        ("sum as number", sum.to_le_bytes().to_vec()),
        ("sum as ring word", u64::from(limb).to_le_bytes().to_vec()),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .into()
}

/// A process that holds what this test gave it: the search finds that, and not what it was not
/// given.
#[test]
fn the_search_finds_what_another_process_holds() {
    let given: Vec<u8> = (0..32_u8)
        .map(|byte| b'a' + byte.wrapping_mul(7) % 26)
        .collect();
    let other: Vec<u8> = (0..32_u8)
        .map(|byte| b'a' + byte.wrapping_mul(11) % 26)
        .collect();
    let mut child = Command::new("sleep")
        .arg("120")
        .env("GIVEN", String::from_utf8(given.clone()).unwrap())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    // Until the program is there in place of this test's own copy, with its libraries, and sleeps.
    let stat = format!("/proc/{}/stat", child.id());
    while !std::fs::read_to_string(&stat)
        .unwrap()
        .contains("(sleep) S")
    {
        std::thread::yield_now();
    }
    let needles = Needles::from([("given".to_owned(), given), ("not given".to_owned(), other)]);
    let found = count(child.id(), &needles);
    child.kill().unwrap();
    child.wait().unwrap();
    let Some(found) = found else {
        eprintln!(
            "SKIPPED: this system lets nobody look into the memory of a process of their own"
        );
        return;
    };
    assert!(found["given"] > 0, "{found:?}");
    assert_eq!(found["not given"], 0);
}

/// Runs a command as the user who runs a node: for an administrator, as somebody else.
fn as_user(command: &mut Command) -> &mut Command {
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    if own == 0 {
        command.uid(NOBODY).gid(NOBODY)
    } else {
        command
    }
}

/// Whether the user who runs a process may look at what only those see who may look into its
/// memory.
fn may_look(process: u32) -> bool {
    let environment = format!("/proc/{process}/environ");
    let looked = as_user(Command::new("cat").arg(environment))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    looked.unwrap().success()
}

#[test]
fn nobody_but_an_administrator_looks_into_a_program_of_ours_and_it_leaves_no_core() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Where everybody may start it.
    let program = folder.path().join("motet");
    std::fs::copy(PROGRAM, &program).unwrap();
    let wait = |command: &mut Command| {
        as_user(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    let mut open = wait(Command::new("sleep").arg("120")).unwrap();
    // It waits for the code on its standard input.
    let mut closed =
        match wait(Command::new(&program).args(["node", "join", "-", "--dir", "nowhere"])) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                open.kill().unwrap();
                open.wait().unwrap();
                eprintln!(
                    "SKIPPED: nothing can be started as another user from the temporary folder"
                );
                return;
            }
            started => started.unwrap(),
        };
    let name =
        |process: u32| std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    while name(open.id()).trim() != "sleep" {
        std::thread::yield_now();
    }
    let control = may_look(open.id());
    let start = std::time::Instant::now();
    // Until the program has come to its first line.
    while name(closed.id()).trim() != "motet" || may_look(closed.id()) {
        let ended = closed.try_wait().unwrap();
        assert!(
            ended.is_none(),
            "it waits for its input, and ended: {ended:?}"
        );
        assert!(
            start.elapsed() < motet_tests::consortium::PATIENCE,
            "its user can look into it"
        );
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", closed.id())).unwrap();
    for child in [&mut open, &mut closed] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(
        control,
        "its user can look into a process that is not closed"
    );
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(
        core.split_whitespace().filter(|word| *word == "0").count(),
        2,
        "{core}"
    );
}

#[test]
fn no_secret_of_an_attempt_outlives_it_in_the_memory_of_the_node() {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("60s");
    let address = consortium.address();
    for (site, shift) in
        SITES
            .into_iter()
            .zip([0.0, 0.419_318_207_63, 0.273_905_118_42, 0.618_203_311_9])
    {
        let table = plant(&consortium, site, shift);
        consortium.add_site_behind(
            site,
            &address,
            "heart",
            &table,
            &demo_file("heart/schema.toml"),
        );
        if site != OTHER {
            consortium.start_node(site, &[]);
        }
    }
    let process = consortium.node(SITE).0.id();
    if count(process, &Needles::new()).is_none() {
        eprintln!("SKIPPED: only an administrator can look into the memory of a node");
        return;
    }

    // Before the shares are open, the secret of their channel is there too.
    consortium.start_node(OTHER, &["--drill", "share"]);
    propose(&consortium, "one");
    consortium.operate(&["run", "start", "one"]).done();
    wait_for_the_other(&mut consortium);
    let early = needles(&open_attempt(&consortium, "the site has dealt", |kept| {
        kept.shares.is_some()
    }));
    let found = seen(&mut consortium, "dealt", &early);
    assert!(
        ["r", "b", "channel"].iter().all(|name| found[*name] > 0),
        "{found:?}"
    );

    // Masked, and waiting for the other site: what it must be able to open is there, the key of its
    // channel is not.
    consortium.start_node(OTHER, &["--drill", "upload"]);
    wait_for_the_other(&mut consortium);
    let late = needles(&open_attempt(&consortium, "the site has masked", |kept| {
        kept.header.is_some()
    }));
    let all: Needles = early.into_iter().chain(late).collect();
    let found = seen(&mut consortium, "masked", &all);
    assert!(
        ["r", "b", "share 0 of r", "share 0 of b"]
            .iter()
            .all(|name| found[*name] > 0),
        "{found:?}"
    );
    assert_eq!(found["channel"], 0, "the shares are open");
    assert_eq!(found["rounding and training"], 0, "the answer is masked");

    // Released: everything goes, and with the study's end the patients too.
    consortium.start_node(OTHER, &[]);
    wait_until_finished(&consortium, "one");
    let table = PathBuf::from(consortium.path(&format!("{SITE}.csv")));
    let released = seen(&mut consortium, "released", &all);
    let patients = seen(&mut consortium, "released", &clear(&table));

    // Given up while it is open.
    consortium.kill_node(OTHER);
    let (run, given_up) = until_masked(&mut consortium, "two");
    assert!(seen(&mut consortium, "open again", &given_up)["r"] > 0);
    consortium.operate(&["run", "abandon", &run]).done();
    consortium.wait("the attempt is forgotten", |c| vault(c).is_none());
    let abandoned = seen(&mut consortium, "abandoned", &given_up);

    // Killed while it is open, started again, finished.
    let (_, open) = until_masked(&mut consortium, "three");
    consortium.kill_node(SITE);
    consortium.start_node(SITE, &[]);
    consortium.wait("the site is back", |c| {
        c.desk(SITE, &["status"]).code == 0
            && std::fs::read_to_string(c.path(&format!("{SITE}.log")))
                .unwrap()
                .matches(" connected")
                .count()
                > 1
    });
    assert!(seen(&mut consortium, "started again", &open)["r"] > 0);
    consortium.start_node(OTHER, &[]);
    wait_until_finished(&consortium, "three");
    let restarted = seen(&mut consortium, "started again and released", &open);

    // What was opened to everybody stands in the release, on this site's own record: b, and what
    // follows from it.
    let public = |name: &str| ["b", "own seed"].contains(&name);
    let secret = |found: BTreeMap<String, usize>| {
        found
            .into_iter()
            .filter(|(name, _)| !public(name))
            .collect()
    };
    let ends: [(&str, BTreeMap<String, usize>); 4] = [
        ("released", secret(released)),
        ("patients", patients),
        ("abandoned", abandoned),
        ("restarted", secret(restarted)),
    ];
    for (when, found) in ends {
        let left: Vec<_> = found.iter().filter(|(_, count)| **count > 0).collect();
        assert!(left.is_empty(), "{when}: still in memory: {left:?}");
    }
}

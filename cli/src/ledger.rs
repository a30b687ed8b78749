//! The consortium's ledger from outside: export it, recompute its chains, write the proof of a
//! release.

use crate::args::{AcceptLedger, ExportLedger, Ledger, Proof, VerifyLedger};
use crate::failure::{Done, Failure, RESTORE};
use crate::identity::{Desk, Identity, calling, governance_of};
use crate::output::{Out, Table, count, shown};
use crate::proof::{self, Held};
use crate::recompute;
use crate::release::{check_files, fetch};
use motet_common::manifest::{FILE_NAME, Manifest};
use motet_coordinator::config::Config;
use motet_coordinator::lock::StateLock;
use motet_ledger::{Report, verify_export};
use motet_proto::keyfile::create_private;
use motet_proto::v1;
use motet_secagg::digest::Digest;
use serde_json::json;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};

/// `motet ledger ...`
///
/// # Errors
/// A ledger or a release that does not hold together, a file that cannot be read or written or is
/// there already.
pub async fn run(command: &Ledger) -> Done {
    match command {
        Ledger::Verify(args) => match &args.recompute {
            Some(run) => recompute::run(&args.read, run).await,
            None => verify(args).await,
        },
        Ledger::Accept(args) => accept(args).await,
        Ledger::Export(args) => export(args).await,
        Ledger::Proof(args) => prove(args).await,
    }
}

async fn export(args: &ExportLedger) -> Done {
    let out = Out::new(args.read.json);
    let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let file = create_private(&args.file).map_err(Failure::io("make", &args.file))?;
    let mut writer = BufWriter::new(file);
    let bytes = match download(&mut desk, &mut writer, &args.file).await {
        Ok(bytes) => bytes,
        Err(failure) => {
            let _ = std::fs::remove_file(&args.file);
            return Err(failure);
        }
    };
    out.value(&json!({ "file": args.file, "bytes": bytes }));
    out.line(format!(
        "{bytes} bytes in `{}`; check them offline: motet ledger verify {}",
        args.file.display(),
        args.file.display()
    ));
    Ok(())
}

async fn download(desk: &mut Desk, writer: &mut impl Write, path: &Path) -> Done<u64> {
    let mut stream = desk
        .export_ledger(v1::ExportLedgerRequest {})
        .await?
        .into_inner();
    let mut bytes = 0;
    while let Some(part) = stream.message().await? {
        writer
            .write_all(&part.piece)
            .map_err(Failure::io("write", path))?;
        bytes += part.piece.len() as u64;
    }
    writer.flush().map_err(Failure::io("write", path))?;
    Ok(bytes)
}

/// Takes a ledger without a sound head as it is.
async fn accept(args: &AcceptLedger) -> Done {
    let config = Config::read(&args.config)?;
    let _lock = StateLock::claim(&config.state)?;
    let report = motet_ledger::Ledger::accept(&config.state).await?;
    let out = Out::new(args.json);
    conclude(out, &report, Vec::new(), RESTORE)?;
    out.line("Accepted as it is: from here on a ledger that ends before these entries is refused.");
    Ok(())
}

async fn verify(args: &VerifyLedger) -> Done {
    let mut lacking = Vec::new();
    let next = match &args.config {
        Some(_) if args.file.is_none() => RESTORE,
        _ => "export it again; if it stays so, keep both exports and tell every member",
    };
    let report = match (&args.file, &args.config) {
        (Some(path), _) => {
            let file = File::open(path).map_err(Failure::io("read", path))?;
            verify_export(BufReader::new(file))?
        }
        (None, Some(config)) => {
            let ledger = motet_ledger::Ledger::open(&Config::read(config)?.state).await?;
            let report = ledger.verify().await?;
            if report.is_sound() {
                lacking = motet_coordinator::backup::lacking(&ledger).await?;
            }
            ledger.close().await;
            report
        }
        (None, None) => {
            let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
            let path = std::env::temp_dir().join(format!(
                "motet-export-{:016x}",
                u64::from_le_bytes(motet_proto::rng::bytes())
            ));
            let mut file = create_private(&path).map_err(Failure::io("make", &path))?;
            // The open file outlives its name: nothing is left behind, whatever happens from here
            // on.
            let removed = std::fs::remove_file(&path);
            download(&mut desk, &mut file, &path).await?;
            file.rewind().map_err(Failure::io("read", &path))?;
            let report = verify_export(BufReader::new(file));
            if removed.is_err() {
                let _ = std::fs::remove_file(&path);
            }
            report?
        }
    };
    conclude(Out::new(args.read.json), &report, lacking, next)
}

/// `lacking` are faults that the chains do not show; `next` is what to do about any.
fn conclude(out: Out, report: &Report, lacking: Vec<String>, next: &str) -> Done {
    let faults: Vec<String> = report
        .faults
        .iter()
        .map(ToString::to_string)
        .chain(lacking)
        .collect();
    let heads = report.heads.iter().map(
        |head| json!({ "stream": head.stream, "version": head.version, "chain": head.chain.hex() }),
    );
    let facts = json!({
        "sound": faults.is_empty(), "entries": report.entries, "heads": heads.collect::<Vec<_>>(), "faults": faults,
    });
    let mut table = Table::new(&["stream", ">entries", "chain at its end"]);
    for head in &report.heads {
        table.row([
            head.stream.clone(),
            head.version.to_string(),
            head.chain.hex(),
        ]);
    }
    out.table(&table);
    let entries = format!(
        "{} entries in {}",
        report.entries,
        count(report.heads.len(), "stream")
    );
    let Some(first) = faults.first() else {
        out.value(&facts);
        out.line(format!(
            "{entries}: every entry follows from the one before it."
        ));
        out.line(
            "Whether all of it was put back together shows elsewhere only: \
            compare its ends with those noted before.",
        );
        return Ok(());
    };
    faults
        .iter()
        .for_each(|fault| out.line(format!("  FAULT  {}", shown(fault))));
    let what = format!(
        "{entries}, {}, the first: {first}",
        count(faults.len(), "fault")
    );
    Err(Failure::failed(what, next).with_facts(facts))
}

/// Writes the proof of a release, once it holds.
async fn prove(args: &Proof) -> Done {
    let out = Out::new(args.read.json);
    let (manifest, trusted, place) = manifest(args).await?;
    let held = proof::held_by(&manifest, trusted, &place)?;
    let file = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.proof.json", held.proof.study)));
    create(&file, &held.proof, &place)?;
    say(out, &held, &file, trusted);
    Ok(())
}

/// The manifest, the governance fingerprint to trust, and what to call the release in messages.
async fn manifest(args: &Proof) -> Done<(Manifest, Option<Digest>, PathBuf)> {
    let given = args.read.who.identity.as_deref();
    let path = PathBuf::from(&args.release);
    let (bytes, trusted, place) = if path.exists() {
        if args.run.is_some() {
            return Err(Failure::usage(
                format!(
                    "`{}` is a release already, and --run picks one of a study",
                    path.display()
                ),
                "leave --run out, or give the id of the study",
            ));
        }
        let file = if path.is_dir() {
            path.join(FILE_NAME)
        } else {
            path
        };
        let bytes = std::fs::read(&file).map_err(Failure::io("read", &file))?;
        (bytes, given.map(governance_of).transpose()?, file)
    } else {
        if !is_study_id(&args.release) {
            return Err(Failure::usage(
                format!(
                    "`{}` is neither a release folder nor the id of a study",
                    shown(&args.release)
                ),
                "give a folder that `motet release get` made, its manifest.json, or the id of a study",
            ));
        }
        let identity = Identity::open(given)?;
        let trusted = identity.fingerprint();
        let place = PathBuf::from(&args.release);
        let run = args.run.as_deref().unwrap_or_default();
        let (_, mut files) = fetch(&mut identity.desk().await?, &args.release, run).await?;
        check_files(&mut files, &place, Some(trusted))?;
        (
            files.remove(FILE_NAME).unwrap_or_default(),
            Some(trusted),
            place,
        )
    };
    let manifest = Manifest::from_json(&bytes).map_err(|broken| proof::refused(&place, broken))?;
    Ok((manifest, trusted, place))
}

fn is_study_id(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=40).contains(&text.len()) && text.bytes().all(letter)
}

fn create(file: &Path, proof: &motet_common::proof::Proof, place: &Path) -> Done {
    let text = proof
        .to_json()
        .map_err(|broken| proof::refused(place, broken))?;
    let mut target = match File::create_new(file) {
        Ok(target) => target,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::usage(
                format!("`{}` exists already and is left as it is", file.display()),
                "give a file that does not exist yet with --out FILE",
            ));
        }
        Err(error) => return Err(Failure::io("make", file)(error)),
    };
    target
        .write_all(text.as_bytes())
        .and_then(|()| target.sync_all())
        .map_err(|error| {
            let _ = std::fs::remove_file(file);
            Failure::io("write", file)(error)
        })
}

fn say(out: Out, held: &Held, file: &Path, trusted: Option<Digest>) {
    let Held {
        proof,
        roster,
        found,
    } = held;
    let mut facts = held.facts(trusted);
    if let Some(fields) = facts.as_object_mut() {
        fields.insert("file".into(), json!(file));
    }
    out.value(&facts);
    let study = shown(&proof.study);
    let run = proof.run.hex();
    out.heading(format!(
        "Proof of the release of `{study}`, run {run}, in `{}`",
        file.display()
    ));
    out.line(format!("  log         {}", shown(&proof.ledger.origin)));
    out.line(format!(
        "  entry       {} of {}",
        held.entry(),
        proof.ledger.tree_size
    ));
    out.line(format!(
        "  witnesses   {} of {}; a quorum is {}",
        found.witnesses,
        count(roster.entries.len(), "site"),
        found.quorum
    ));
    out.line(format!(
        "  rounds      {}, each committed before it was opened, with at least {}",
        found.rounds.len(),
        count(found.fewest_sites(), "site")
    ));
    out.line(format!("  governance  {}", proof.governance_fingerprint));
    out.line(format!(
        "Anyone checks it offline: motet release verify {} --as DIR",
        file.display()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::digest::to_hex;

    #[tokio::test]
    async fn an_export_that_was_changed_is_a_failure_that_names_the_place() {
        let ledger = motet_ledger::Ledger::memory();
        ledger.append_next("runs", b"one").await.unwrap();
        ledger.append_next("runs", b"two").await.unwrap();
        let mut bytes = Vec::new();
        ledger.export(&mut bytes).await.unwrap();
        let sound = verify_export(bytes.as_slice()).unwrap();
        assert!(conclude(Out::new(false), &sound, Vec::new(), "").is_ok());
        let changed = String::from_utf8(bytes)
            .unwrap()
            .replace(&to_hex(b"two"), &to_hex(b"owt"));
        let failure = conclude(
            Out::new(false),
            &verify_export(changed.as_bytes()).unwrap(),
            Vec::new(),
            RESTORE,
        )
        .unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        assert!(
            failure.to_string().contains("entry `2` of stream `runs`"),
            "{failure}"
        );
        let gone = vec!["entry `9` of stream `study/x/y` names what is gone".to_owned()];
        let failure = conclude(Out::new(false), &sound, gone, RESTORE).unwrap_err();
        assert!(
            failure.to_string().contains("names what is gone"),
            "{failure}"
        );
    }
}

//! Backups of the coordinator's state: made while it runs, checked offline, put back into an empty
//! folder.
//!
//! ```text
//! DIR/backup.json       what belongs in it: sizes, digests, where every stream ends; written last
//! DIR/ledger.sqlite     the ledger at one moment           DIR/blobs/   the sums and files that its entries name
//! DIR/keys/             the coordinator's keys, only where asked for, mode 0600
//! ```

use crate::args::{Backup, MakeBackup, RestoreBackup, VerifyBackup};
use crate::failure::{Done, Failure};
use crate::identity::private_folder;
use crate::output::{Out, count, moment, shown};
use motet_coordinator::backup::{DRAFT, KEYS, names, note};
use motet_coordinator::config::Config;
use motet_coordinator::lock::{LOCK, StateLock};
use motet_ledger::Ledger;
use motet_ledger::backup::{self, Snapshot};
use motet_program::clock;
use motet_proto::keyfile::{read_secret_text, write_new_secret};
use motet_secagg::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "backup.json";
/// The form of the manifest.
const FORMAT: u32 = 1;
/// The longest manifest that is read: a line of a hundred bytes for each of a million sums.
const MOST_MANIFEST: u64 = 1 << 27;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    consortium: String,
    /// The governance key: it tells consortia apart.
    governance: String,
    made_ms: u64,
    software: String,
    ledger: Snapshot,
    keys: Vec<Key>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    name: String,
    sha256: String,
}

/// `motet backup ...`
///
/// # Errors
/// A backup that does not hold together, a folder that exists or is not empty, a coordinator that
/// is running.
pub async fn run(command: &Backup) -> Done {
    match command {
        Backup::Make(args) => make(args).await,
        Backup::Verify(args) => verify(args).await,
        Backup::Restore(args) => restore(args).await,
    }
}

async fn make(args: &MakeBackup) -> Done {
    let out = Out::new(args.json);
    let config = Config::read(&args.config)?;
    if fs::symlink_metadata(&args.out).is_ok() {
        return Err(Failure::usage(
            format!(
                "`{}` exists already and is left as it is",
                args.out.display()
            ),
            "give a folder that does not exist yet with --out DIR",
        ));
    }
    private_folder(&args.out)?;
    let made = fill(args, &config).await;
    // What is not whole is no backup, and was made here a moment ago.
    let (manifest, digest) = made.inspect_err(|_| drop(fs::remove_dir_all(&args.out)))?;
    let mut facts = facts(&manifest, &digest);
    insert(&mut facts, "dir", json!(args.out));
    out.value(&facts);
    out.heading(format!(
        "Backup of the coordinator of `{}` in `{}`",
        shown(&manifest.consortium),
        args.out.display()
    ));
    describe(out, &manifest, &digest);
    if manifest.keys.is_empty() {
        out.line(
            "The keys are not in it: keep a copy of them apart, or a restored coordinator cannot start.",
        );
    }
    out.line(format!(
        "Check it where it is kept: motet backup verify {}",
        args.out.display()
    ));
    Ok(())
}

async fn fill(args: &MakeBackup, config: &Config) -> Done<(Manifest, Digest)> {
    let ledger = backup::make(&config.state, &args.out, &names).await?;
    let mut keys = Vec::new();
    if args.with_keys {
        let folder = args.out.join("keys");
        private_folder(&folder)?;
        for name in KEYS {
            let text = key_text(&config.keys.join(name))?;
            write_new_secret(&folder.join(name), text.as_bytes())?;
            keys.push(Key {
                name: name.to_owned(),
                sha256: Digest::of_file(text.as_bytes()).hex(),
            });
        }
    }
    let manifest = Manifest {
        format: FORMAT,
        consortium: config.consortium.clone(),
        governance: config.governance.hex(),
        made_ms: clock::now().ms,
        software: env!("CARGO_PKG_VERSION").to_owned(),
        ledger,
        keys,
    };
    let path = args.out.join(MANIFEST);
    let failed = |error: std::io::Error| Failure::io("write", &path)(error);
    let text =
        serde_json::to_string_pretty(&manifest).map_err(|error| failed(error.into()))? + "\n";
    // The last file, durable like the others: a folder without it is no backup.
    write_new_secret(&path, text.as_bytes())?;
    Ok((manifest, Digest::of_file(text.as_bytes())))
}

async fn verify(args: &VerifyBackup) -> Done {
    let out = Out::new(args.json);
    let (manifest, digest) = read(&args.dir)?;
    let (entries, faults) = check(&args.dir, &manifest).await?;
    let mut facts = facts(&manifest, &digest);
    insert(&mut facts, "sound", json!(faults.is_empty()));
    insert(&mut facts, "entries", json!(entries));
    insert(&mut facts, "faults", json!(faults));
    out.heading(format!(
        "Backup of the coordinator of `{}` in `{}`",
        shown(&manifest.consortium),
        args.dir.display()
    ));
    describe(out, &manifest, &digest);
    sound(&args.dir, &faults).map_err(|failure| failure.with_facts(facts.clone()))?;
    out.value(&facts);
    out.line(format!(
        "{entries} entries: every one follows from the one before \
         it, and every file is as it was written."
    ));
    out.line(
        "Nobody signs a backup: compare the manifest's digest with \
         the one that was noted when it was made.",
    );
    Ok(())
}

fn sound(dir: &Path, faults: &[String]) -> Done {
    let Some(first) = faults.first() else {
        return Ok(());
    };
    Err(Failure::failed(
        format!(
            "the backup in `{}` has {}, the first: {}",
            dir.display(),
            count(faults.len(), "fault"),
            shown(first)
        ),
        "keep it for the inquiry and use another backup",
    ))
}

async fn restore(args: &RestoreBackup) -> Done {
    let out = Out::new(args.json);
    let config = Config::read(&args.config)?;
    let (manifest, digest) = read(&args.dir)?;
    if manifest.governance != config.governance.hex() {
        return Err(Failure::usage(
            format!(
                "the backup is of the consortium `{}` with another governance key than `{}` names",
                shown(&manifest.consortium),
                args.config.display()
            ),
            "give the coordinator.toml that belongs to the backup",
        ));
    }
    sound(&args.dir, &check(&args.dir, &manifest).await?.1)?;
    if !config.state.is_dir() {
        private_folder(&config.state)?;
    }
    let _lock = StateLock::claim(&config.state)?;
    refuse_filled(&config.state)?;
    let missing = missing_keys(&args.dir, &manifest, &config.keys)?;
    put_back(&args.dir, &manifest, &config.state).await?;
    if !missing.is_empty() {
        private_folder(&config.keys)?;
    }
    for name in &missing {
        let text = key_text(&args.dir.join("keys").join(name))?;
        write_new_secret(&config.keys.join(name), text.as_bytes())?;
    }
    let mut facts = facts(&manifest, &digest);
    insert(&mut facts, "state", json!(config.state));
    insert(&mut facts, "keys_restored", json!(missing));
    out.value(&facts);
    out.heading(format!("Restored into `{}`", config.state.display()));
    describe(out, &manifest, &digest);
    out.line(
        "Rounds that were open in the backup are abandoned when the \
        coordinator starts; start their runs again.",
    );
    out.line(
        "A node whose copy of a study's log is ahead of this backup refuses that study as forked \
         (`log_inconsistent`): propose it anew under another id.",
    );
    out.line(format!(
        "Next: motet coordinator --config {}",
        args.config.display()
    ));
    Ok(())
}

/// Puts everything together beside the place and moves it in, the database last.
async fn put_back(dir: &Path, manifest: &Manifest, state: &Path) -> Done {
    let draft = state.join(DRAFT);
    private_folder(&draft)?;
    let made = async {
        backup::restore(dir, &manifest.ledger, &draft).await?;
        let ledger = Ledger::open(&draft).await?;
        let noted = note(&ledger, clock::now()).await;
        ledger.close().await;
        noted
    };
    if let Err(failure) = made.await {
        let _ = fs::remove_dir_all(&draft);
        return Err(failure.into());
    }
    let mut files: Vec<PathBuf> = fs::read_dir(&draft)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect()
        })
        .map_err(Failure::io("read", &draft))?;
    // The database last: until then there is no ledger in the folder.
    files.sort_by_key(|path| {
        path.extension()
            .is_some_and(|extension| extension == "sqlite")
    });
    for path in files {
        let name = path.strip_prefix(&draft).map_err(|_| {
            let strange = format!("`{}` does not lie in `{}`", path.display(), draft.display());
            Failure::failed(strange, "put the backup back into another folder")
        })?;
        let target = state.join(name);
        fs::rename(&path, &target).map_err(Failure::io("make", &target))?;
    }
    fs::remove_dir(&draft).map_err(Failure::io("remove", &draft))
}

/// A folder with a ledger, or anything else, is never written into.
fn refuse_filled(state: &Path) -> Done {
    let entries = fs::read_dir(state).map_err(Failure::io("read", state))?;
    let other = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .find(|name| name != LOCK);
    let Some(name) = other else { return Ok(()) };
    Err(Failure::usage(
        format!(
            "the state folder `{}` is not empty: `{}` is in it",
            state.display(),
            name.display()
        ),
        "move what is in it away, or name another folder as `state` in coordinator.toml",
    ))
}

/// The keys that are to be taken from the backup. One that is there already must be the same.
fn missing_keys(dir: &Path, manifest: &Manifest, folder: &Path) -> Done<Vec<&'static str>> {
    let mut missing = Vec::new();
    for name in KEYS {
        let here = folder.join(name);
        let kept = manifest.keys.iter().find(|key| key.name == name);
        match (fs::symlink_metadata(&here).is_ok(), kept) {
            (false, Some(_)) => missing.push(name),
            (false, None) => {
                return Err(Failure::failed(
                    format!(
                        "`{}` is not there, and the backup in `{}` holds no keys",
                        here.display(),
                        dir.display()
                    ),
                    "copy the coordinator's keys there first: without them no node knows it",
                ));
            }
            (true, Some(key))
                if Digest::of_file(key_text(&here)?.as_bytes()).hex() != key.sha256 =>
            {
                return Err(Failure::failed(
                    format!(
                        "`{}` is another key than the one in the backup",
                        here.display()
                    ),
                    "find out which of them the consortium knows; move the other away",
                ));
            }
            (true, _) => {}
        }
    }
    Ok(missing)
}

/// A key, or a certificate that lies beside it; of the two only a key must be closed to others.
fn key_text(path: &Path) -> Done<String> {
    if path.extension().is_some_and(|extension| extension == "pem") {
        return fs::read_to_string(path).map_err(Failure::io("read", path));
    }
    Ok(read_secret_text(path)?.to_string())
}

fn read(dir: &Path) -> Done<(Manifest, Digest)> {
    let path = dir.join(MANIFEST);
    let next =
        "give the folder that `motet backup make` made; one without this file was not finished";
    let failed =
        |why: String| Failure::failed(format!("cannot read `{}`: {why}", path.display()), next);
    let length = fs::metadata(&path)
        .map_err(|error| failed(error.to_string()))?
        .len();
    if length > MOST_MANIFEST {
        return Err(failed("it is longer than any manifest".into()));
    }
    let bytes = fs::read(&path).map_err(|error| failed(error.to_string()))?;
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| failed(format!("it is no manifest: {error}")))?;
    if manifest.format != FORMAT {
        return Err(Failure::failed(
            format!(
                "`{}` has the form `{}`, this release knows `{FORMAT}`",
                path.display(),
                manifest.format
            ),
            "install the release that made the backup",
        ));
    }
    Ok((manifest, Digest::of_file(&bytes)))
}

/// How many entries were read, and everything that does not fit.
async fn check(dir: &Path, manifest: &Manifest) -> Done<(u64, Vec<String>)> {
    let mut checked = backup::verify(dir, &manifest.ledger, &names).await?;
    for key in &manifest.keys {
        let path = dir.join("keys").join(&key.name);
        let known = KEYS.contains(&key.name.as_str());
        let bytes = if known { fs::read(&path).ok() } else { None };
        if bytes.is_none_or(|bytes| Digest::of_file(&bytes).hex() != key.sha256) {
            checked.faults.push(format!(
                "`{}` is not the key that the manifest names",
                path.display()
            ));
        }
    }
    Ok((checked.entries, checked.faults))
}

fn facts(manifest: &Manifest, digest: &Digest) -> Value {
    json!({
        "consortium": manifest.consortium, "made_ms": manifest.made_ms, "software": manifest.software,
        "manifest_sha256": digest.hex(), "bytes": bytes(manifest), "blobs": manifest.ledger.blobs.len(),
        "streams": manifest.ledger.streams,
        "keys": manifest.keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(),
    })
}

fn insert(facts: &mut Value, name: &str, value: Value) {
    if let Some(fields) = facts.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

fn bytes(manifest: &Manifest) -> u64 {
    manifest
        .ledger
        .blobs
        .iter()
        .map(|blob| blob.bytes)
        .sum::<u64>()
        + manifest.ledger.database.bytes
}

fn describe(out: Out, manifest: &Manifest, digest: &Digest) {
    let Snapshot { streams, blobs, .. } = &manifest.ledger;
    out.line(format!(
        "  made        {} by motet {}",
        moment(manifest.made_ms),
        shown(&manifest.software)
    ));
    out.line(format!(
        "  holds       {}, {}, {} bytes, {}",
        count(streams.len(), "stream"),
        count(blobs.len(), "released file"),
        bytes(manifest),
        if manifest.keys.is_empty() {
            "no keys"
        } else {
            "the keys"
        }
    ));
    out.line(format!("  manifest    {}", digest.hex()));
}

//! Releases for researchers: list them, fetch a folder, check it or its proof offline.

use crate::args::{GetRelease, ListReleases, Release, VerifyRelease};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, calling, governance_of, private_folder, refuse_existing};
use crate::output::{Out, Table, count, short, shown};
use crate::proof;
use motet_common::manifest::{FILE_NAME, MOST_FILES, Verified, check};
use motet_common::refusal::Code;
use motet_proto::keyfile::create_private;
use motet_proto::v1;
use motet_secagg::digest::Digest;
use motet_secagg::sign::PublicKey;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The largest release that is fetched or read: the weights of the largest model this version
/// trains, and room.
const MOST_BYTES: usize = 2 << 30;

/// `motet release ...`
///
/// # Errors
/// `release_unknown`; a folder that does not hold together.
pub async fn run(command: &Release) -> Done {
    match command {
        Release::List(args) => list(args).await,
        Release::Get(args) => get(args).await,
        Release::Verify(args) => verify(args),
    }
}

async fn list(args: &ListReleases) -> Done {
    let out = Out::new(args.read.json);
    let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let request = v1::GetReleaseRequest {
        study: args.study.clone(),
        run: String::new(),
        list_only: true,
    };
    let mut stream = desk.get_release(request).await?.into_inner();
    let mut releases: Vec<(String, Vec<String>)> = Vec::new();
    while let Some(part) = stream.message().await? {
        match releases.iter_mut().find(|(run, _)| *run == part.run) {
            Some((_, files)) => files.push(part.name),
            None => releases.push((part.run, vec![part.name])),
        }
    }
    releases
        .iter_mut()
        .for_each(|(_, files)| files.retain(|name| !name.is_empty()));
    let value = |(run, files): &(String, Vec<String>)| json!({ "run": run, "files": files });
    out.value(
        &json!({ "study": args.study, "releases": releases.iter().map(value).collect::<Vec<_>>() }),
    );
    if releases.is_empty() {
        out.line(format!(
            "No release of `{}` yet. `motet run list {}` says how far it is.",
            args.study, args.study
        ));
        return Ok(());
    }
    let mut table = Table::new(&["run", "files"]);
    for (run, files) in &releases {
        table.row([short(run), files.join(", ")]);
    }
    out.table(&table);
    Ok(())
}

async fn get(args: &GetRelease) -> Done {
    let out = Out::new(args.read.json);
    refuse_existing(&args.out)?;
    let (identity, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let run = args.run.clone().unwrap_or_default();
    let (run, mut files) = fetch(&mut desk, &args.study, &run).await?;
    let verified = check_files(&mut files, &args.out, Some(identity.fingerprint()))?;
    write_folder(&args.out, &files)?;
    out.value(&json!({
        "study": args.study, "run": run, "out": args.out, "files": files.keys().collect::<Vec<_>>(),
        "verified": true, "checks": verified.lines,
    }));
    out.heading(format!(
        "Release of `{}`, run {}, in `{}`",
        args.study,
        short(&run),
        args.out.display()
    ));
    files
        .iter()
        .for_each(|(name, bytes)| out.line(format!("  {name:<24} {:>10} bytes", bytes.len())));
    out.line(format!(
        "{} passed; again at any time, offline: motet release verify {}",
        count(verified.lines.len(), "check"),
        args.out.display()
    ));
    Ok(())
}

/// Fetches all files of a release; the run may be given by its first digits, or empty for the
/// latest.
///
/// # Errors
/// `release_unknown`; a coordinator that sends names that lead out of a folder, or without end.
pub async fn fetch(
    desk: &mut Desk,
    study: &str,
    run: &str,
) -> Done<(String, BTreeMap<String, Vec<u8>>)> {
    let run = whole_id(desk, study, run).await?;
    let request = v1::GetReleaseRequest {
        study: study.to_owned(),
        run,
        list_only: false,
    };
    let mut stream = desk.get_release(request).await?.into_inner();
    let (mut run, mut bytes, mut files) = (String::new(), 0, BTreeMap::<String, Vec<u8>>::new());
    while let Some(part) = stream.message().await? {
        bytes += part.piece.len();
        if !is_plain_name(&part.name) || files.len() > MOST_FILES || bytes > MOST_BYTES {
            return Err(Failure::failed(
                format!(
                    "the coordinator sent `{}`, which no release folder holds",
                    shown(&part.name)
                ),
                "nothing was written; tell the operator",
            ));
        }
        files
            .entry(part.name)
            .or_default()
            .extend_from_slice(&part.piece);
        run = part.run;
    }
    if files.is_empty() {
        return Err(Failure::refused(
            Code::ReleaseUnknown,
            format!("`{study}` has no such release"),
        ));
    }
    Ok((run, files))
}

async fn whole_id(desk: &mut Desk, study: &str, given: &str) -> Done<String> {
    if given.is_empty() || given.len() == 32 {
        return Ok(given.to_owned());
    }
    let runs = desk
        .list_runs(v1::ListRunsRequest {
            study: study.to_owned(),
        })
        .await?
        .into_inner()
        .runs;
    let fitting: Vec<String> = runs
        .into_iter()
        .map(|run| run.run)
        .filter(|run| run.starts_with(given))
        .collect();
    match fitting.as_slice() {
        [run] => Ok(run.clone()),
        [] => Err(Failure::refused(
            Code::ReleaseUnknown,
            format!("no run of `{study}` begins with `{given}`"),
        )),
        _ => Err(Failure::usage(
            format!("several runs begin with `{given}`"),
            "give more digits of the id",
        )),
    }
}

/// A coordinator is not trusted with paths: only names that stay inside the folder are written.
fn is_plain_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.bytes().all(letter)
}

/// Writes the folder beside its place and moves it there: it is whole or it is not there.
///
/// # Errors
/// When the system refuses.
pub fn write_folder(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> Done {
    let whole = std::path::absolute(dir).map_err(Failure::io("find", dir))?;
    let mut draft = whole.components().collect::<PathBuf>().into_os_string();
    draft.push(format!(
        ".{:08x}.new",
        u32::from_le_bytes(motet_proto::rng::bytes())
    ));
    let draft = PathBuf::from(draft);
    let write = || -> Done {
        // Sums over patients: for whoever fetched them, and for others when that person says so.
        private_folder(&draft)?;
        for (name, bytes) in files {
            let path = draft.join(name);
            let file = create_private(&path).map_err(Failure::io("make", &path));
            file?
                .write_all(bytes)
                .map_err(Failure::io("write", &path))?;
        }
        std::fs::rename(&draft, dir).map_err(Failure::io("make", dir))
    };
    write().inspect_err(|_| drop(std::fs::remove_dir_all(&draft)))
}

fn verify(args: &VerifyRelease) -> Done {
    let out = Out::new(args.json);
    let path = &args.path;
    if !path.exists() {
        return Err(Failure::usage(
            format!("there is no `{}`", path.display()),
            "give a folder that `motet release get` made, or a file that `motet ledger proof` wrote",
        ));
    }
    let (trusted, checked) = match (&args.identity, &args.governance) {
        (Some(dir), _) => {
            let trusted = governance_of(dir)?;
            (Some(trusted), checked(path, Some(trusted)))
        }
        (None, Some(text)) => {
            let [fingerprint, of_key] = named(text)?;
            match (
                checked(path, Some(fingerprint)),
                checked(path, Some(of_key)),
            ) {
                (_, Ok(found)) => (Some(of_key), Ok(found)),
                (found, Err(_)) => (Some(fingerprint), found),
            }
        }
        (None, None) => (None, checked(path, None)),
    };
    let (lines, facts, holds) = checked?;
    out.value(&facts);
    for line in &lines {
        out.line(format!("  ok  {line}"));
    }
    match trusted {
        Some(_) => out.heading(format!("`{}` holds: {holds}.", path.display())),
        None => out.heading("Consistent in itself. Compare the fingerprint above, or say whom to trust with --as or --governance."),
    }
    Ok(())
}

/// Whom 64 hexadecimal digits name: the key with that fingerprint, or the key itself, as it stands
/// in coordinator.toml and identity.toml. No digits are both.
fn named(text: &str) -> Done<[Digest; 2]> {
    let given = Digest::from_hex(text.trim()).map_err(|_| {
        Failure::usage(
            "`--governance` is neither a fingerprint nor a key",
            "give the fingerprint that `motet init` printed or the key of \
             coordinator.toml: 64 hexadecimal digits",
        )
    })?;
    Ok([given, PublicKey(given.0).fingerprint()])
}

/// The sentences of a check that held, the same facts for programs, and what holds.
type Checked = (Vec<String>, serde_json::Value, &'static str);

fn checked(path: &Path, trusted: Option<Digest>) -> Done<Checked> {
    if path.is_dir() {
        let Verified { lines, governance } = check_folder(path, trusted)?;
        let facts = json!({
            "verified": true, "trusted": trusted.is_some(), "governance": governance.hex(), "checks": lines,
        });
        return Ok((lines, facts, "it is what the consortium released"));
    }
    let proof::Verdict { lines, facts } = proof::verify(path, trusted)?;
    Ok((
        lines,
        facts,
        "the result it names stands in the consortium's log",
    ))
}

/// Checks a folder as it lies on disk.
///
/// # Errors
/// `release_mismatch` with what is wrong; a failure when it cannot be read.
pub fn check_folder(dir: &Path, trusted: Option<Digest>) -> Done<Verified> {
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    if !dir.join(FILE_NAME).is_file() {
        return Err(no_release(dir));
    }
    for entry in std::fs::read_dir(dir).map_err(Failure::io("read", dir))? {
        let path = entry.map_err(Failure::io("read", dir))?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let content = std::fs::read(&path).map_err(Failure::io("read", &path))?;
        bytes += content.len();
        if files.len() > MOST_FILES || bytes > MOST_BYTES {
            return Err(Failure::usage(
                format!("`{}` is too large for a release", dir.display()),
                "give a release folder",
            ));
        }
        files.insert(name, content);
    }
    check_files(&mut files, dir, trusted)
}

fn no_release(dir: &Path) -> Failure {
    Failure::usage(
        format!("`{}` is no release: it has no `{FILE_NAME}`", dir.display()),
        "give a folder that `motet release get` made",
    )
}

/// Checks the files of the folder `dir`, its manifest among them.
///
/// # Errors
/// As [`check_folder`].
pub fn check_files(
    files: &mut BTreeMap<String, Vec<u8>>,
    dir: &Path,
    trusted: Option<Digest>,
) -> Done<Verified> {
    let manifest = files.remove(FILE_NAME).ok_or_else(|| no_release(dir))?;
    let checked = check(&manifest, files, trusted);
    files.insert(FILE_NAME.to_owned(), manifest);
    checked.map_err(|broken| {
        Failure::refused(
            Code::ReleaseMismatch,
            format!("`{}`: {}", dir.display(), broken.what),
        )
        .instead(broken.next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_out_of_the_folder_is_never_written() {
        for good in ["report.json", "model.safetensors", "roc-1.svg"] {
            assert!(is_plain_name(good), "{good}");
        }
        for bad in [
            "",
            "..",
            "../x",
            "a/b",
            "/etc/passwd",
            ".bashrc",
            "a\\b",
            "a\n",
            "ü",
        ] {
            assert!(!is_plain_name(bad), "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_fetched_release_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("release");
        write_folder(
            &out,
            &BTreeMap::from([("report.json".to_owned(), b"{}".to_vec())]),
        )
        .unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&out), mode(&out.join("report.json"))), (0o700, 0o600));
        assert_eq!(std::fs::read(out.join("report.json")).unwrap(), b"{}");
    }

    #[test]
    fn a_folder_without_a_manifest_is_wrong_usage_and_a_broken_one_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            check_folder(folder.path(), None).unwrap_err().exit_code(),
            2
        );
        std::fs::write(folder.path().join(FILE_NAME), "{}").unwrap();
        let failure = check_folder(folder.path(), None).unwrap_err();
        assert_eq!(
            (failure.exit_code(), failure.code()),
            (3, "release_mismatch")
        );
    }
}

//! A release folder at a hospital: made again from this site's own record, file by file.

use crate::follower::{Follower, ending};
use crate::studies::Studies;
use crate::{Home, NodeError};
use motet_common::log::{Leaf, Publication};
use motet_common::manifest::{FILE_NAME, MOST_FILES, Manifest};
use motet_common::refusal::{Code, Refusal};
use motet_common::text::shown;
use motet_release::FORMAT;
use motet_secagg::encode::Canonical as _;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a folder that is read: more than any release has.
const MOST_BYTES: u64 = 1 << 30;

/// What this site makes of a folder.
#[derive(Debug, Serialize)]
pub struct Remade {
    /// The study.
    pub study: String,
    /// The run.
    pub run: String,
    /// Whether every file is the one that this site makes, and no other is there.
    pub same: bool,
    /// The files that this site makes.
    pub files: Vec<Line>,
    /// Files of the folder that it does not make.
    pub others: Vec<String>,
}

/// One file.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Whether that of the folder is the same, byte for byte.
    pub same: bool,
}

/// Makes the files of a folder again from the states that this site has followed, and compares.
///
/// # Errors
/// [`NodeError::File`] where the folder cannot be read; `release_mismatch` where it is no release;
/// `study_unknown`, or `release_mismatch` where this site has not followed its study to that end.
pub async fn verify(home: &Home, folder: &Path) -> Result<Remade, NodeError> {
    let mut files = read(folder)?;
    let Some(manifest) = files.remove(FILE_NAME) else {
        let what = format!(
            "`{}` is no release: it has no `{FILE_NAME}`",
            folder.display()
        );
        return Err(mismatch(&what));
    };
    let manifest =
        Manifest::from_json(&manifest).map_err(|broken| mismatch(&broken.to_string()))?;
    let publication = publication(&manifest)?;
    if publication.format != FORMAT {
        return Err(mismatch(&format!(
            "it is written in format {} and this software writes {FORMAT}: use the version that signed it",
            publication.format
        )));
    }
    let studies = Studies::read(home).await?;
    let known = studies
        .all()
        .find(|at| at.proposal.digest == manifest.study_digest)
        .ok_or_else(|| Refusal::new(Code::StudyUnknown, format!("study `{}`", manifest.study)))?;
    let follower = Follower::open(home, Arc::new(known.proposal.clone())).await?;
    if follower.chain.root() != publication.state_root {
        return Err(mismatch(
            "this site has not followed the study to that end: let the node \
             run until it says that the study is finished",
        ));
    }
    let last = follower.log.latest_release();
    let own = follower.log.published();
    if last.is_none_or(|(release, _)| release.run != publication.run)
        || own.is_some_and(|own| *own != publication)
    {
        return Err(mismatch(
            "it is not the release that stands in the study's log at this site",
        ));
    }
    let governance = home.governance.fingerprint();
    let made = ending(
        &follower.proposal,
        &follower.chain,
        governance,
        &publication,
    )
    .files()
    .map_err(|error| mismatch(&error.to_string()))?;
    let mut lines = Vec::with_capacity(made.len());
    for (name, bytes) in made {
        let same = files.remove(&name).is_some_and(|shown| shown == bytes);
        lines.push(Line { name, same });
    }
    let others: Vec<String> = files.into_keys().map(|name| shown(&name)).collect();
    Ok(Remade {
        study: follower.proposal.study.id.clone(),
        run: publication.run.hex(),
        same: others.is_empty() && lines.iter().all(|line| line.same),
        files: lines,
        others,
    })
}

/// The table of `motet-node release verify`.
pub fn text(remade: &Remade) -> String {
    let mut text = String::new();
    for line in &remade.files {
        let word = if line.same { "same" } else { "DIFFERS" };
        text.push_str(&format!("  {word:<9}{}\n", line.name));
    }
    for name in &remade.others {
        text.push_str(&format!("  {:<9}{name}\n", "NOT MADE"));
    }
    text.push_str(&if remade.same {
        format!(
            "the release of study {} is, byte for byte, what follows from \
             its sums at this site; who published it, \
             `motet release verify` says",
            remade.study
        )
    } else {
        format!(
            "the release of study {} is NOT what follows from its sums at this \
             site: do not use it, and tell the operator",
            remade.study
        )
    });
    text
}

/// All files of a folder, by name.
fn read(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, NodeError> {
    let cannot = || NodeError::file("read", folder);
    let mut files = BTreeMap::new();
    let mut room = MOST_BYTES;
    for entry in std::fs::read_dir(folder).map_err(cannot())? {
        let path = entry.map_err(cannot())?.path();
        let file = File::open(&path).map_err(NodeError::file("read", &path))?;
        let mut bytes = Vec::new();
        file.take(room)
            .read_to_end(&mut bytes)
            .map_err(NodeError::file("read", &path))?;
        room -= bytes.len() as u64;
        if room == 0 || files.len() > MOST_FILES {
            return Err(mismatch("it is too large for a release"));
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        files.extend(name.map(|name| (name, bytes)));
    }
    Ok(files)
}

fn publication(manifest: &Manifest) -> Result<Publication, NodeError> {
    let last = manifest.ledger.leaves.last();
    match last.map(|proven| Leaf::from_bytes(&proven.leaf)) {
        Some(Ok(Leaf::Publication(publication))) => Ok(publication),
        _ => Err(mismatch("its proof does not end with the release")),
    }
}

fn mismatch(what: &str) -> NodeError {
    Refusal::new(Code::ReleaseMismatch, what).into()
}

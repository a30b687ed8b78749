//! `ledger.head`: where every stream ended when it was last appended to, in a file beside the
//! database. A line is written after its append is durable, so a database that is behind this file
//! has lost what it once held.
//!
//! ```text
//! motet heads 1 2 <check>                    how many lines follow that belong together
//! members 7 <chain> <check>
//! study/ist/4f2a 41 <chain> <check>
//! members 8 <chain> <check>                  a line for each append since; the highest version of a stream counts
//! ```
//!
//! SQLite drops the end of a damaged write-ahead log as it drops what a power cut tore, and a chain
//! cannot show that its end is missing: this file can. It is put together again (written aside,
//! synced, renamed) when it has grown. Lines reach the disk a moment later than the append, so a
//! crash leaves the database ahead of them, never behind.
//!
//! A crash leaves the beginning of the last line, or bytes of zero where a file system had made it
//! longer and not written it: both are passed over. A line that has its end and no zeros was
//! written whole, so it was changed later if its check fails. What cannot be told from a crash:
//! lines that were cut off at the end, and one that was overwritten with zeros. Such a file says
//! less than was written, and a database that lost just as much passes for whole.

use crate::record::{Head, check_stream};
use crate::{LedgerError, files};
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The name of the file inside a ledger's folder.
pub(crate) const HEADS: &str = "ledger.head";

/// The first words of the file, with the number of its form.
const TITLE: &str = "motet heads 1";

/// The file is put together again beyond this many bytes, some two thousand appends, or twice what
/// it had then.
const LONG: u64 = 256 << 10;

/// The longest file that is read: a hundred thousand streams, many times what a consortium has in
/// its lifetime.
const LONGEST: u64 = 64 << 20;

/// How often a writer looks for the file that another one has just renamed into place.
const TRIES: u32 = 100;

/// Where streams end.
pub(crate) type Ends = BTreeMap<String, (u64, Digest)>;

/// The file, open for appends. Several processes may have it open.
pub(crate) struct Heads {
    path: PathBuf,
    folder: files::Place,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    /// Beyond this length it is put together again.
    long: u64,
}

/// What a file holds, and whether its last line was torn.
struct Parsed {
    ends: Ends,
    torn: bool,
}

impl Heads {
    /// Writes a new file that says where streams end. One that is there is replaced.
    pub(crate) fn create(folder: &Path, ends: &Ends) -> Result<(), LedgerError> {
        files::write_durably(&folder.join(HEADS), text(ends).as_bytes())
    }

    /// What the file says; nothing where there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Ends>, LedgerError> {
        let path = folder.join(HEADS);
        let read = File::open(&path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(LONGEST).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        let Some(bytes) = files::absent_is_none(read).map_err(LedgerError::file("read", &path))?
        else {
            return Ok(None);
        };
        Ok(Some(parse(&path, &bytes)?.ends))
    }

    /// Opens the file that is there for appends.
    pub(crate) fn open(folder: &Path) -> Result<Self, LedgerError> {
        let path = folder.join(HEADS);
        let open = Mutex::new(Open {
            file: open(&path)?,
            long: LONG,
        });
        let heads = Self {
            path,
            folder: files::Place::of(folder)?,
            open,
        };
        heads.mend_torn()?;
        Ok(heads)
    }

    /// Notes where streams end now. Every process and thread does so one at a time; nothing is
    /// synced.
    pub(crate) fn note(&self, ends: &[Head]) -> Result<(), LedgerError> {
        if ends.is_empty() {
            return Ok(());
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock_present(&mut open)?;
        let noted = self.note_locked(&mut open, ends);
        let _ = open.file.unlock();
        noted
    }

    /// Makes what was noted survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), LedgerError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.file
            .sync_data()
            .map_err(LedgerError::file("write", &self.path))
    }

    /// A line that a power cut tore does not stay in front of the next one.
    fn mend_torn(&self) -> Result<(), LedgerError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock_present(&mut open)?;
        let bytes = fs::read(&self.path).map_err(LedgerError::file("read", &self.path));
        let mended = bytes.and_then(|bytes| match parse(&self.path, &bytes)?.torn {
            true => self.put_together(&mut open, &[]),
            false => Ok(()),
        });
        let _ = open.file.unlock();
        mended
    }

    /// Locks the file that has the name at this moment: another process may have put a new one in
    /// its place.
    fn lock_present(&self, open: &mut Open) -> Result<(), LedgerError> {
        let failed = LedgerError::file("lock", &self.path);
        self.folder.is_still_there()?;
        for _ in 0..TRIES {
            open.file.lock().map_err(&failed)?;
            if files::is_the_same(&open.file, &self.path).map_err(&failed)? {
                return Ok(());
            }
            let _ = open.file.unlock();
            open.file = self::open(&self.path)?;
        }
        Err(failed(std::io::Error::other(
            "it is replaced again and again",
        )))
    }

    fn note_locked(&self, open: &mut Open, ends: &[Head]) -> Result<(), LedgerError> {
        let failed = LedgerError::file("write", &self.path);
        let length = open.file.metadata().map_err(&failed)?.len();
        let lines: String = ends
            .iter()
            .map(|end| line(&end.stream, end.version, &end.chain))
            .collect();
        let torn = !ends_a_line(&mut open.file, length).map_err(&failed)?;
        if torn || length > open.long {
            return self.put_together(open, ends);
        }
        if let Err(cause) = open.file.write_all(lines.as_bytes()) {
            // Half a line is not left before the next one.
            let _ = open.file.set_len(length);
            return Err(failed(cause));
        }
        Ok(())
    }

    /// Writes the file again, a line a stream, under the lock of the old one.
    fn put_together(&self, open: &mut Open, ends: &[Head]) -> Result<(), LedgerError> {
        let failed = LedgerError::file("write", &self.path);
        let bytes = fs::read(&self.path).map_err(&failed)?;
        let mut present = parse(&self.path, &bytes)?.ends;
        for end in ends {
            take_in(&mut present, end.stream.clone(), end.version, end.chain);
        }
        let text = text(&present);
        files::write_durably(&self.path, text.as_bytes())?;
        open.file = self::open(&self.path)?;
        open.long = LONG.max(2 * text.len() as u64);
        Ok(())
    }
}

fn open(path: &Path) -> Result<File, LedgerError> {
    let opened = File::options().read(true).append(true).open(path);
    match files::absent_is_none(opened).map_err(LedgerError::file("open", path))? {
        Some(file) => Ok(file),
        None => Err(LedgerError::NoHeads {
            path: path.to_path_buf(),
        }),
    }
}

/// Whether the file ends with a whole line.
fn ends_a_line(file: &mut File, length: u64) -> std::io::Result<bool> {
    use std::io::{Seek as _, SeekFrom};
    if length == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn text(ends: &Ends) -> String {
    let mut text = checked(&format!("{TITLE} {}", ends.len()));
    text.extend(
        ends.iter()
            .map(|(stream, (version, chain))| line(stream, *version, chain)),
    );
    text
}

fn line(stream: &str, version: u64, chain: &Digest) -> String {
    checked(&format!("{stream} {version} {}", chain.hex()))
}

/// The words of a line with their check: a changed letter is found.
fn checked(words: &str) -> String {
    let mut line = words.to_owned();
    // Sixty-four bits are plenty against chance; whoever changes a line on purpose can make any
    // check.
    let check: String = Digest::of("head", &[words.as_bytes()])
        .hex()
        .chars()
        .take(16)
        .collect();
    let _ = writeln!(line, " {check}");
    line
}

/// The words of a whole line whose check holds.
fn unchecked(line: &str) -> Option<&str> {
    let (words, _) = line.rsplit_once(' ')?;
    (checked(words).strip_suffix('\n') == Some(line)).then_some(words)
}

fn sound(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok().and_then(unchecked)
}

/// A line, counted from 0, that is not what was written.
fn damaged(path: &Path, line: usize) -> LedgerError {
    LedgerError::Heads {
        path: path.to_path_buf(),
        line: line + 1,
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Parsed, LedgerError> {
    let mut raw: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    // What stands behind the last line's end is nothing, or the beginning of a line that was torn.
    let rest = raw.pop().ok_or_else(|| damaged(path, 0))?;
    let mut torn = bytes.last() != Some(&b'\n');
    if rest
        .split_last()
        .is_some_and(|(_, line)| sound(line).is_some())
    {
        // A whole line and one byte more: its end was changed into another letter.
        return Err(damaged(path, raw.len()));
    }
    let mut lines: Vec<Option<&str>> = raw.iter().map(|line| sound(line)).collect();
    let title = lines
        .first()
        .copied()
        .flatten()
        .and_then(|words| words.strip_prefix(TITLE)?.trim().parse().ok());
    let count: usize = title.ok_or_else(|| damaged(path, 0))?;
    if lines.len() <= count {
        return Err(damaged(path, lines.len()));
    }
    // A power cut may tear the last appends. A damaged line that sound ones follow was not torn,
    // nor one of those that were renamed into place together.
    while lines.len() > count + 1 && raw.last().is_some_and(|line| line.contains(&0)) {
        lines.pop();
        raw.pop();
        torn = true;
    }
    let mut ends = Ends::new();
    for (at, words) in lines.into_iter().enumerate().skip(1) {
        let (stream, version, chain) = words.and_then(words_of).ok_or_else(|| damaged(path, at))?;
        if !take_in(&mut ends, stream, version, chain) {
            return Err(damaged(path, at));
        }
    }
    Ok(Parsed { ends, torn })
}

fn words_of(words: &str) -> Option<(String, u64, Digest)> {
    let mut words = words.split(' ');
    let stream = words.next()?;
    let version = words.next()?;
    let chain = words.next()?;
    check_stream(stream).ok()?;
    Some((
        stream.to_owned(),
        version.parse().ok()?,
        Digest::from_hex(chain).ok()?,
    ))
}

/// The highest version of a stream counts: two processes may note theirs in either order. False for
/// two ends of one version.
fn take_in(ends: &mut Ends, stream: String, version: u64, chain: Digest) -> bool {
    match ends.get(&stream) {
        Some((known, at)) if *known == version => *at == chain,
        Some((known, _)) if *known > version => true,
        _ => {
            ends.insert(stream, (version, chain));
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(stream: &str, version: u64) -> Head {
        Head {
            stream: stream.to_owned(),
            version,
            chain: Digest([u8::try_from(version % 251).unwrap(); 32]),
        }
    }

    fn ends(of: &[Head]) -> Ends {
        of.iter()
            .map(|head| (head.stream.clone(), (head.version, head.chain)))
            .collect()
    }

    #[test]
    fn the_highest_version_counts_whoever_noted_it_and_in_whatever_order() {
        let dir = tempfile::tempdir().unwrap();
        Heads::create(dir.path(), &ends(&[head("a", 3)])).unwrap();
        let (one, two) = (
            Heads::open(dir.path()).unwrap(),
            Heads::open(dir.path()).unwrap(),
        );
        two.note(&[head("a", 5), head("b", 1)]).unwrap();
        one.note(&[head("a", 4)]).unwrap();
        assert_eq!(
            Heads::read(dir.path()).unwrap(),
            Some(ends(&[head("a", 5), head("b", 1)]))
        );
        let other = Head {
            chain: Digest([9; 32]),
            ..head("a", 5)
        };
        one.note(&[other]).unwrap();
        assert!(
            matches!(
                Heads::read(dir.path()),
                Err(LedgerError::Heads { line: 6, .. })
            ),
            "two ends of one version"
        );
    }

    #[test]
    fn two_writers_put_it_together_anew_again_and_again_and_no_note_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        Heads::create(dir.path(), &Ends::new()).unwrap();
        let writers: Vec<_> = ["one", "two", "three"]
            .map(|stream| {
                let heads = Heads::open(dir.path()).unwrap();
                std::thread::spawn(move || {
                    for version in 1..=2000 {
                        heads.open.lock().unwrap().long = 4000;
                        heads.note(&[head(stream, version)]).unwrap();
                    }
                })
            })
            .into_iter()
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        let due = ends(&["one", "three", "two"].map(|stream| head(stream, 2000)));
        assert_eq!(Heads::read(dir.path()).unwrap(), Some(due));
        assert!(fs::metadata(dir.path().join(HEADS)).unwrap().len() < 8000);
    }

    #[test]
    fn every_changed_byte_is_named_also_of_the_last_line_and_a_torn_end_is_not_left_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(HEADS);
        Heads::create(dir.path(), &ends(&[head("a", 1), head("b", 2)])).unwrap();
        Heads::open(dir.path())
            .unwrap()
            .note(&[head("a", 2), head("a", 3)])
            .unwrap();
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(
                matches!(parse(&path, &changed), Err(LedgerError::Heads { .. })),
                "byte {at}"
            );
        }
        // Where a power cut left zeros in place of what was appended last, whole pages or a part of
        // a line.
        let last = bytes[..bytes.len() - 1]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap()
            + 1;
        let zeros = [
            (last..bytes.len(), 0),
            (last..last + 9, 0),
            (bytes.len()..bytes.len(), 4096),
        ];
        for (torn, more) in zeros {
            let mut changed = bytes.clone();
            changed[torn].fill(0);
            changed.resize(bytes.len() + more, 0);
            fs::write(&path, &changed).unwrap();
            Heads::open(dir.path())
                .unwrap()
                .note(&[head("c", 1)])
                .unwrap();
            let found = Heads::read(dir.path()).unwrap().unwrap();
            assert_eq!((found["b"].0, found["c"].0), (2, 1));
        }
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let Ok(heads) = Heads::open(dir.path()) else {
                continue;
            };
            heads.note(&[head("c", 1)]).unwrap();
            let found = Heads::read(dir.path()).unwrap().unwrap();
            assert_eq!((found["b"].0, found["c"].0), (2, 1), "cut to {length}");
        }
    }

    #[test]
    fn a_file_that_is_taken_away_is_not_made_again_in_silence() {
        let dir = tempfile::tempdir().unwrap();
        Heads::create(dir.path(), &Ends::new()).unwrap();
        let heads = Heads::open(dir.path()).unwrap();
        fs::remove_file(dir.path().join(HEADS)).unwrap();
        assert!(matches!(
            heads.note(&[head("a", 1)]),
            Err(LedgerError::NoHeads { .. })
        ));
        assert!(!dir.path().join(HEADS).exists());
    }
}

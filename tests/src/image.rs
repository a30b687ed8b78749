//! The memory of a running process, looked at from outside: what a root attacker, a debugger or a
//! core file would see. Every readable page counts, whether it is in use or was given back.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::FileExt as _;

/// Bytes read at a time.
const PIECE: usize = 4 << 20;

/// What is looked for, by name.
pub type Needles = BTreeMap<String, Vec<u8>>;

/// How often each needle lies in the memory of a process. Nothing where this user may not look: a
/// process that is not dumpable can be read by an administrator only.
pub fn count(process: u32, needles: &Needles) -> Option<BTreeMap<String, usize>> {
    let index = Index::of(needles);
    let mut found: BTreeMap<String, usize> = needles.keys().map(|name| (name.clone(), 0)).collect();
    let memory = match File::open(format!("/proc/{process}/mem")) {
        Err(error) if is_denied(&error) => return None,
        opened => opened.expect("a running process"),
    };
    let maps = match std::fs::read_to_string(format!("/proc/{process}/maps")) {
        Err(error) if is_denied(&error) => return None,
        read => read.expect("a running process"),
    };
    let mut read = 0;
    for (start, end) in maps.lines().filter_map(readable) {
        let mut at = start;
        let mut piece = vec![0; PIECE + index.longest];
        while at < end {
            let size = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(piece.len());
            // Pages that the kernel keeps for itself cannot be read; nor can those that went away
            // meanwhile.
            let Ok(got) = memory.read_at(&mut piece[..size], at) else {
                break;
            };
            if got == 0 {
                break;
            }
            read += got;
            // A needle that begins in the overlap is counted with the next piece.
            let own = if at + got as u64 >= end || got < size {
                got
            } else {
                PIECE.min(got)
            };
            index.count(&piece[..got], own, &mut found);
            at += own as u64;
        }
    }
    assert!(
        read > 1 << 20,
        "only {read} bytes could be read: the search proves nothing"
    );
    Some(found)
}

fn is_denied(error: &Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
}

/// Where a mapping lies that can be read; the kernel's own pages hold nothing of ours.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (range, mode) = (words.next()?, words.next()?);
    let name = words.nth(3).unwrap_or_default();
    if !mode.starts_with('r') || name.starts_with("[v") {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    Some((
        u64::from_str_radix(start, 16).ok()?,
        u64::from_str_radix(end, 16).ok()?,
    ))
}

/// The needles by their first two bytes.
struct Index<'n> {
    by_start: Vec<Vec<(&'n str, &'n [u8])>>,
    longest: usize,
}

impl<'n> Index<'n> {
    fn of(needles: &'n Needles) -> Self {
        let mut by_start = vec![Vec::new(); 1 << 16];
        for (name, bytes) in needles {
            assert!(
                bytes.len() >= 8,
                "{name} is too short to be there for no other reason"
            );
            by_start[start(bytes)].push((name.as_str(), bytes.as_slice()));
        }
        let longest = needles.values().map(Vec::len).max().unwrap_or_default();
        Self { by_start, longest }
    }

    /// Counts what begins in the first `own` bytes.
    fn count(&self, piece: &[u8], own: usize, found: &mut BTreeMap<String, usize>) {
        for at in 0..own.min(piece.len().saturating_sub(1)) {
            for (name, bytes) in &self.by_start[start(&piece[at..])] {
                if piece[at..].starts_with(bytes) {
                    *found.get_mut(*name).expect("a name of the index") += 1;
                }
            }
        }
    }
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

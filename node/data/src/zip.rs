//! A zip file, as a workbook is one: its directory, and its
//! parts, unpacked piece by piece.
//!
//! Layout and names of fields: APPNOTE.TXT of PKWARE, 4.3
//! and 4.5. What a part declares of its length holds: no
//! more than that is unpacked.

use crate::error::{Code, DataError};
use crate::text::failed;
use crate::watched::Watched;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};

/// What every part begins with.
pub(crate) const LOCAL: [u8; 4] = *b"PK\x03\x04";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const END_64: [u8; 4] = *b"PK\x06\x06";
/// Bytes of the record at the end, without its remark, and
/// of what leads to its larger form.
const END_BYTES: usize = 22;
const LOCATOR_BYTES: u64 = 20;
const END_64_BYTES: usize = 56;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// The longest remark behind the record at the end.
const REMARK: u64 = 65_535;
/// The largest directory: some ten thousand parts, where a
/// workbook has some dozen.
const DIRECTORY: u64 = 4 * 1024 * 1024;
/// What is read at a time.
const PIECE: usize = 16 * 1024;
/// Stands where a field has no room.
const WIDER: u64 = u32::MAX as u64;

/// One part of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Where its local header stands, in bytes.
    at: u64,
    packed: u64,
    size: u64,
    crc: u32,
    /// 0 is stored, 8 deflated.
    method: u16,
    locked: bool,
}

/// A zip file's directory.
pub(crate) struct Zip {
    name: String,
    /// By their names in small letters, as programs spell them
    /// in either case.
    parts: BTreeMap<String, Part>,
}

impl Zip {
    /// Reads the directory.
    ///
    /// # Errors
    /// `file_changing` where the file has no end,
    /// `file_unreadable` where it is damaged.
    pub(crate) fn open(watched: &Watched) -> Result<Self, DataError> {
        let name = watched.name.clone();
        let mut file = raw(watched)?;
        let (at, size) = directory(&mut file, &name)?;
        if size > DIRECTORY {
            return Err(damaged(&name, "its list of parts is too long"));
        }
        let bytes = bytes_at(&mut file, at, size, &name)?;
        let parts = entries(&bytes).ok_or_else(|| damaged(&name, "its list of parts"))?;
        Ok(Self { name, parts })
    }

    /// One without a part.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self {
            name: String::new(),
            parts: BTreeMap::new(),
        }
    }

    /// Whether it has a part of this name, in small letters.
    pub(crate) fn has(&self, part: &str) -> bool {
        self.parts.contains_key(part)
    }

    /// What a part holds, where it is there: at most `most`
    /// bytes.
    ///
    /// # Errors
    /// `file_unreadable`: it is larger, damaged, behind a
    /// password, or packed as nothing here is unpacked.
    pub(crate) fn read(
        &self,
        watched: &Watched,
        part: &str,
        most: u64,
    ) -> Result<Option<BufReader<Unpacked>>, DataError> {
        let Some(found) = self.parts.get(&part.to_lowercase()) else {
            return Ok(None);
        };
        if found.size > most {
            let problem = format!(
                "the part `{part}` of the workbook is larger \
                 than {} MiB when it is unpacked",
                most >> 20
            );
            let fix = "give a smaller extract, or save the sheet \
                       as `CSV UTF-8`";
            return Err(DataError::new(Code::FileUnreadable, problem, fix).in_file(&self.name));
        }
        if found.locked {
            let problem = "the workbook is behind a password";
            let fix = "save it without one, or as `CSV UTF-8`";
            return Err(DataError::new(Code::FileUnreadable, problem, fix).in_file(&self.name));
        }
        let mut file = raw(watched)?;
        let head = bytes_at(&mut file, found.at, LOCAL_BYTES as u64, &self.name)?;
        let behind = head.starts_with(&LOCAL).then(|| behind(&head)).flatten();
        let Some(behind) = behind else {
            return Err(damaged(&self.name, "a part is not where the list says"));
        };
        file.seek_relative(behind)
            .map_err(|error| failed(error, &self.name))?;
        let packed = BufReader::with_capacity(PIECE, file.take(found.packed));
        let inner: Box<dyn Read> = match found.method {
            0 => Box::new(packed),
            8 => Box::new(DeflateDecoder::new(packed)),
            _ => return Err(damaged(&self.name, "a part is packed in a strange way")),
        };
        let unpacked = Unpacked {
            inner,
            left: found.size,
            crc: Crc::new(),
            expected: found.crc,
            name: self.name.clone(),
        };
        Ok(Some(BufReader::with_capacity(PIECE, unpacked)))
    }
}

fn raw(watched: &Watched) -> Result<File, DataError> {
    watched
        .reader()
        .map_err(DataError::unreadable(&watched.name))
}

fn damaged(name: &str, what: &str) -> DataError {
    let problem = format!("the workbook is damaged ({what})");
    let fix = "nothing was taken; copy or export it again";
    DataError::new(Code::FileUnreadable, problem, fix).in_file(name)
}

fn half(name: &str) -> DataError {
    let problem = "the workbook ends in the middle: it is half \
                   a file";
    let fix = "nothing was taken; run again when it is \
               written";
    DataError::new(Code::FileChanging, problem, fix).in_file(name)
}

fn bytes_at(file: &mut File, at: u64, length: u64, name: &str) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))
        .and_then(|_| file.take(length).read_to_end(&mut bytes))
        .map_err(|error| failed(error, name))?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(half(name)),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*field))
}

/// Where the directory begins, and its bytes.
fn directory(file: &mut File, name: &str) -> Result<(u64, u64), DataError> {
    let length = file
        .seek(SeekFrom::End(0))
        .map_err(|error| failed(error, name))?;
    let tail = length.min(END_BYTES as u64 + REMARK);
    let bytes = bytes_at(file, length - tail, tail, name)?;
    // The remark may hold anything, so the last record whose
    // remark ends with the file is it.
    let starts = (0..bytes.len().saturating_sub(END_BYTES - 1)).rev();
    let mut ends = starts.filter_map(|at| Some((at, bytes.get(at..)?)));
    let found = ends.find(|(_, end)| {
        let remark = u16_at(end, 20).map(usize::from);
        end.starts_with(&END) && remark == end.len().checked_sub(END_BYTES)
    });
    let (at, end) = found.ok_or_else(|| half(name))?;
    let size = u32_at(end, 12).map(u64::from);
    let start = u32_at(end, 16).map(u64::from);
    match (start, size) {
        (Some(start), Some(size)) if start != WIDER && size != WIDER => Ok((start, size)),
        _ => directory_64(file, length - tail + at as u64, name),
    }
}

/// The same of a file whose record at the end, at this
/// byte, has no room for them.
fn directory_64(file: &mut File, end: u64, name: &str) -> Result<(u64, u64), DataError> {
    let locator = end
        .checked_sub(LOCATOR_BYTES)
        .ok_or_else(|| damaged(name, "its end"))?;
    let bytes = bytes_at(file, locator, LOCATOR_BYTES, name)?;
    let at = bytes.starts_with(&LOCATOR).then(|| u64_at(&bytes, 8));
    let at = at.flatten().ok_or_else(|| damaged(name, "its end"))?;
    let record = bytes_at(file, at, END_64_BYTES as u64, name)?;
    let fields = record
        .starts_with(&END_64)
        .then(|| Some((u64_at(&record, 48)?, u64_at(&record, 40)?)));
    fields.flatten().ok_or_else(|| damaged(name, "its end"))
}

/// The directory's entries; none where it is not one.
fn entries(mut bytes: &[u8]) -> Option<BTreeMap<String, Part>> {
    let mut parts = BTreeMap::new();
    while bytes.starts_with(&ENTRY) {
        let lengths = [28, 30, 32].map(|at| u16_at(bytes, at).map(usize::from));
        let [Some(name), Some(extra), Some(remark)] = lengths else {
            return None;
        };
        let behind = bytes.get(ENTRY_BYTES..)?;
        let text = String::from_utf8_lossy(behind.get(..name)?).replace('\\', "/");
        let mut part = Part {
            at: u32_at(bytes, 42)?.into(),
            packed: u32_at(bytes, 20)?.into(),
            size: u32_at(bytes, 24)?.into(),
            crc: u32_at(bytes, 16)?,
            method: u16_at(bytes, 10)?,
            locked: u16_at(bytes, 8)? & 1 == 1,
        };
        widen(&mut part, behind.get(name..name + extra)?)?;
        // Two parts of one name: which of them a program shows is
        // not known.
        if parts.insert(text.to_lowercase(), part).is_some() {
            return None;
        }
        bytes = behind.get(name + extra + remark..)?;
    }
    Some(parts)
}

/// Fields that had no room are in a record of their own.
fn widen(part: &mut Part, mut extra: &[u8]) -> Option<()> {
    while let (Some(id), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let mut wide = extra.get(4..4 + usize::from(length))?;
        if id == 1 {
            for field in [&mut part.size, &mut part.packed, &mut part.at] {
                if *field == WIDER {
                    *field = u64_at(wide, 0)?;
                    wide = wide.get(8..)?;
                }
            }
        }
        extra = extra.get(4 + usize::from(length)..)?;
    }
    Some(())
}

/// How many bytes of a local header stand before what is
/// packed, its fixed part aside.
fn behind(head: &[u8]) -> Option<i64> {
    Some(i64::from(u16_at(head, 26)?) + i64::from(u16_at(head, 28)?))
}

/// What a part holds, held to its length and its checksum.
pub(crate) struct Unpacked {
    inner: Box<dyn Read>,
    left: u64,
    crc: Crc,
    expected: u32,
    name: String,
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = match self.inner.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Err(error),
            Err(_) => return Err(self.damaged("a part does not unpack")),
        };
        let Some(left) = self.left.checked_sub(read as u64) else {
            return Err(self.damaged("a part holds more than it says"));
        };
        self.left = left;
        self.crc.update(buffer.get(..read).unwrap_or(&[]));
        let ended = read == 0 && !buffer.is_empty();
        if ended && (left > 0 || self.crc.sum() != self.expected) {
            return Err(self.damaged("a part does not fit its own checksum"));
        }
        Ok(read)
    }
}

impl Unpacked {
    fn damaged(&self, what: &str) -> std::io::Error {
        std::io::Error::other(damaged(&self.name, what))
    }
}

//! A file that is held against itself: as it was before the first byte was read, and as it is after
//! the last.

use crate::error::{Code, DataError};
use std::fs::{File, Metadata};
use std::io::Seek as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file whose last line has no end and that was written so lately may be one whose writer only
/// pauses: programs write in blocks, which seldom end where a line does. An export that waits
/// longer than this in mid-file is not noticed.
const LATELY: Duration = Duration::from_secs(60);

/// What the system says of a file at a moment: its length, when it was written last, and which file
/// it is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Standing {
    length: u64,
    // Where the system does not say when, the rest tells.
    written: Option<SystemTime>,
    identity: Identity,
}

/// Device, number and the moment of the last change of any kind, which no writer can set back.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

#[cfg(unix)]
fn identity(meta: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}

impl Standing {
    fn of(meta: &Metadata) -> Self {
        Self {
            length: meta.len(),
            written: meta.modified().ok(),
            identity: identity(meta),
        }
    }
}

/// An open file, its path, and how it stood when it was opened. A path that
/// is a link is followed once, when the file is opened.
pub struct Watched {
    /// The path for errors.
    pub(crate) name: String,
    path: PathBuf,
    file: File,
    opened: Standing,
}

impl Watched {
    /// Opens the file for reading only.
    ///
    /// # Errors
    /// `file_unreadable`.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let name = path.display().to_string();
        let unreadable = DataError::unreadable(&name);
        let file = File::open(path).map_err(&unreadable)?;
        let opened = Standing::of(&file.metadata().map_err(&unreadable)?);
        Ok(Self {
            path: path.to_owned(),
            file,
            opened,
            name,
        })
    }

    /// The file from its first byte, to be read by one reader at a time.
    ///
    /// # Errors
    /// The system's.
    pub fn reader(&self) -> std::io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    /// To be asked when everything is read, and of whatever came of it.
    ///
    /// # Errors
    /// `file_changing` where the file, or the one that its path leads to, is another than when it
    /// was opened: what was read is a part of it, parts of two, or no longer the export of today.
    pub fn is_unchanged(&self) -> Result<(), DataError> {
        let open = self
            .file
            .metadata()
            .map_err(|error| self.unreadable(&error))?;
        // A path that leads nowhere is one that is being exchanged.
        let there = std::fs::metadata(&self.path)
            .ok()
            .map(|meta| Standing::of(&meta));
        if Standing::of(&open) != self.opened || there != Some(self.opened) {
            return Err(self.changing("the file changed while it was read"));
        }
        Ok(())
    }

    /// To be asked where the last line has no end.
    ///
    /// # Errors
    /// `file_changing` where it was written so lately that its writer may only pause.
    pub(crate) fn is_settled(&self) -> Result<(), DataError> {
        // A file from the future says nothing of when it was written.
        let age = self
            .opened
            .written
            .and_then(|written| SystemTime::now().duration_since(written).ok());
        if age.is_some_and(|age| age < LATELY) {
            let seconds = LATELY.as_secs();
            let problem = format!(
                "its last line has no end, and it was written in the last \
                 {seconds} seconds: it may be half an export"
            );
            return Err(self.changing(&problem));
        }
        Ok(())
    }

    fn changing(&self, problem: &str) -> DataError {
        let fix = "nothing was taken; run again when the export is finished, and let \
            exports write under another name and rename";
        DataError::new(Code::FileChanging, problem, fix).in_file(&self.name)
    }

    fn unreadable(&self, error: &std::io::Error) -> DataError {
        let fix = "check the file and try again";
        DataError::new(
            Code::FileUnreadable,
            format!("reading failed ({})", error.kind()),
            fix,
        )
        .in_file(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;
    use crate::table::Table;
    use std::io::Write as _;

    const SCHEMA: &str = "[dataset]\nname = \"d\"\n[columns.x]\ntype = \"float\"\n";

    /// What comes of a file with this text when this happens between its first byte and its last.
    fn read(text: &str, age: Duration, change: impl FnOnce(&Path)) -> Result<u64, &'static str> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.csv");
        std::fs::write(&path, text).unwrap();
        append(&path).set_modified(SystemTime::now() - age).unwrap();
        let watched = Watched::open(&path).unwrap();
        change(&path);
        let table = Table::of(&watched, &Schema::parse(SCHEMA).unwrap(), ["x"], &[0; 32]);
        table
            .map(|table| table.rows())
            .map_err(|error| error.code())
    }

    fn append(path: &Path) -> File {
        File::options().append(true).open(path).unwrap()
    }

    const TEXT: &str = "x\n1.0\n2.0\n";
    const CHANGING: Result<u64, &str> = Err("file_changing");

    #[test]
    fn a_file_that_grows_shrinks_or_is_written_over_while_it_is_read_is_refused() {
        let read = |change: &dyn Fn(&Path)| read(TEXT, LATELY, change);
        assert_eq!(read(&|_| {}), Ok(2));
        assert_eq!(
            read(&|path| append(path).write_all(b"3.0\n").unwrap()),
            CHANGING
        );
        assert_eq!(read(&|path| append(path).set_len(4).unwrap()), CHANGING);
        // Other numbers of the same length: the moment tells.
        let later = SystemTime::now() + Duration::from_secs(5);
        assert_eq!(
            read(&|path| append(path).set_modified(later).unwrap()),
            CHANGING
        );
    }

    #[test]
    fn what_is_wrong_with_half_a_file_is_that_it_is_half() {
        // A row cut off, a number cut off, a quote that has no end yet, and nothing but the header.
        for half in ["3.0,", "3.x", "\"3."] {
            assert_eq!(
                read(TEXT, LATELY, |path| append(path)
                    .write_all(half.as_bytes())
                    .unwrap()),
                CHANGING
            );
        }
        assert_eq!(
            read("x\n", LATELY, |path| append(path).write_all(b"").unwrap()),
            Err("empty_table")
        );
        assert_eq!(
            read("x\n", LATELY, |path| append(path).set_len(0).unwrap()),
            CHANGING
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_another_takes_the_place_of_while_it_is_read_is_refused() {
        let exchanged = |path: &Path, text: &str| {
            let written = std::fs::metadata(path).unwrap().modified().unwrap();
            let other = path.with_extension("new");
            std::fs::write(&other, text).unwrap();
            append(&other).set_modified(written).unwrap();
            std::fs::rename(&other, path).unwrap();
        };
        assert_eq!(
            read(TEXT, LATELY, |path| exchanged(path, "x\n1.0\n9.0\n")),
            CHANGING
        );
        assert_eq!(
            read(TEXT, LATELY, |path| std::fs::remove_file(path).unwrap()),
            CHANGING
        );
        // Written over in its place, and the moment of writing set back.
        let written_over = |path: &Path| {
            let written = std::fs::metadata(path).unwrap().modified().unwrap();
            let mut file = File::options().write(true).open(path).unwrap();
            file.write_all(b"x\n1.0\n9.0\n").unwrap();
            file.set_modified(written).unwrap();
        };
        assert_eq!(read(TEXT, LATELY, written_over), CHANGING);
    }

    #[test]
    fn a_file_whose_writer_pauses_in_mid_line_is_refused_and_an_old_one_without_a_last_line_end_is_not()
     {
        let unended = TEXT.trim_end();
        assert_eq!(read(unended, Duration::ZERO, |_| {}), CHANGING);
        assert_eq!(read(unended, LATELY, |_| {}), Ok(2));
        assert_eq!(
            read(TEXT, Duration::ZERO, |_| {}),
            Ok(2),
            "a whole line is all that can be asked"
        );
    }
}

//! The door to the record: one set of operations over every store.

use crate::blobs::Blobs;
use crate::heads::{Ends, HEADS, Heads};
use crate::memory::Memory;
use crate::record::{Head, Recorded, START, check_entry, check_stream};
use crate::report::{Checker, Fault, Report};
use crate::sqlite::Sqlite;
use crate::{LedgerError, files};
use motet_secagg::digest::Digest;
use std::path::Path;
use std::sync::Arc;

/// How many entries are read from the store at a time, so that a long stream is never held twice.
pub(crate) const PAGE: usize = 64;

/// What must fit on a disk before it counts as mended: the longest chunk of an upload, or a good
/// many entries.
const ROOM: usize = 1 << 20;

/// The name of the database inside a ledger's folder.
pub(crate) const DATABASE: &str = "ledger.sqlite";

/// An append-only record with its blobs. A clone is another handle on the same record.
#[derive(Clone)]
pub struct Ledger {
    store: Arc<Store>,
    blobs: Arc<Blobs>,
}

enum Store {
    Memory(Memory),
    Sqlite(Sqlite),
}

impl Ledger {
    /// A new, empty record in memory, for simulation and tests.
    pub fn memory() -> Self {
        Self {
            store: Arc::new(Store::Memory(Memory::default())),
            blobs: Arc::new(Blobs::Memory(Default::default())),
        }
    }

    /// Makes a new, empty record in the folder `dir`: `dir/ledger.sqlite`, `dir/ledger.head` and,
    /// later, `dir/blobs/`. Whoever begins a ledger does this once; everyone else opens what is
    /// there.
    ///
    /// # Errors
    /// [`LedgerError::Taken`] when there is one already, and [`LedgerError::File`] or
    /// [`LedgerError::Database`] when the system refuses.
    pub async fn create(dir: &Path) -> Result<Self, LedgerError> {
        let folder = dir.to_path_buf();
        files::blocking(move || {
            files::create_folder(&folder)?;
            match [DATABASE, HEADS]
                .map(|name| folder.join(name))
                .into_iter()
                .find(|path| path.exists())
            {
                Some(path) => Err(LedgerError::Taken { path }),
                None => Ok(()),
            }
        })
        .await?;
        Sqlite::create(&dir.join(DATABASE)).await?;
        let folder = dir.to_path_buf();
        files::blocking(move || Heads::create(&folder, &Ends::new())).await?;
        Self::open(dir).await
    }

    /// The record in the folder `dir`, which must be there and hold everything that was written to
    /// it.
    ///
    /// Several processes of one machine may have it open at once, a daemon and its command line.
    /// The folder must be on a local disk: SQLite's locks do not hold over a network file system.
    ///
    /// # Errors
    /// [`LedgerError::NoLedger`] and [`LedgerError::NoHeads`] for a file that is missing,
    /// [`LedgerError::Behind`], [`LedgerError::Heads`] and [`LedgerError::Damaged`] for one that is
    /// not as it was written, [`LedgerError::Newer`] and [`LedgerError::Foreign`] for a file that
    /// is not ours to write, and [`LedgerError::File`] or [`LedgerError::Database`] when the system
    /// refuses.
    pub async fn open(dir: &Path) -> Result<Self, LedgerError> {
        let path = dir.join(DATABASE);
        // Read before the database is: whatever is appended meanwhile, the database is not behind
        // these.
        let ends = read_ends(dir).await?.ok_or_else(|| LedgerError::NoHeads {
            path: dir.join(HEADS),
        })?;
        let store = Sqlite::open(&path, &ends).await?;
        Ok(Self {
            store: Arc::new(Store::Sqlite(store)),
            blobs: Arc::new(Blobs::Folder(dir.join("blobs"))),
        })
    }

    /// Takes the database in `dir` as it is, where the file that says where its streams end is
    /// missing or damaged: writes that file again, if every chain holds. For a person who knows
    /// that nothing was lost; no other process may have it open.
    ///
    /// # Errors
    /// As [`Ledger::open`], where that file is sound: a database that lacks what it says is not
    /// accepted.
    pub async fn accept(dir: &Path) -> Result<Report, LedgerError> {
        let is_due = match read_ends(dir).await {
            Err(LedgerError::Heads { .. }) | Ok(None) => true,
            known => known.map(|_| false)?,
        };
        if !is_due {
            let ledger = Self::open(dir).await?;
            let report = ledger.verify().await;
            ledger.close().await;
            return report;
        }
        let ends = Sqlite::ends(&dir.join(DATABASE)).await?;
        let store = Sqlite::open_to_read(&dir.join(DATABASE), false).await?;
        let blobs = Arc::new(Blobs::Folder(dir.join("blobs")));
        let report = Self {
            store: Arc::new(Store::Sqlite(store)),
            blobs,
        }
        .verify()
        .await?;
        if report.is_sound() {
            let folder = dir.to_path_buf();
            files::blocking(move || Heads::create(&folder, &ends)).await?;
        }
        Ok(report)
    }

    /// The record in the folder `dir`, which must be there, to be read alone: nothing in the folder
    /// changes, not even beside the database. For a copy that nobody writes to, such as a backup.
    pub(crate) async fn open_to_read(dir: &Path) -> Result<Self, LedgerError> {
        let store = Sqlite::open_to_read(&dir.join(DATABASE), true).await?;
        Ok(Self {
            store: Arc::new(Store::Sqlite(store)),
            blobs: Arc::new(Blobs::Folder(dir.join("blobs"))),
        })
    }

    /// Appends one entry to `stream` if its last version is still `expected` (0 for a new stream).
    /// Once this returns, the entry survives a power cut.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when someone appended first: nothing was written; read again and
    /// decide again. [`LedgerError::Name`], [`LedgerError::TooLong`], [`LedgerError::Database`].
    pub async fn append(
        &self,
        stream: &str,
        expected: u64,
        entry: &[u8],
    ) -> Result<Recorded, LedgerError> {
        self.append_one(stream, Some(expected), entry).await
    }

    /// Appends one entry after whatever is last: for entries that do not depend on what others
    /// wrote.
    ///
    /// # Errors
    /// As [`Ledger::append`], but never a conflict.
    pub async fn append_next(&self, stream: &str, entry: &[u8]) -> Result<Recorded, LedgerError> {
        self.append_one(stream, None, entry).await
    }

    /// Appends all of `entries` or, on any error, none of them.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub async fn append_many(
        &self,
        stream: &str,
        expected: u64,
        entries: &[Vec<u8>],
    ) -> Result<Vec<Recorded>, LedgerError> {
        self.append_all(stream, Some(expected), entries).await
    }

    /// The entries of `stream` from version `from` on (1 is the first), each checked against the
    /// one before it: a changed entry is never replayed. Empty for a stream that has none.
    ///
    /// # Errors
    /// [`LedgerError::Broken`] at the first entry that does not follow, [`LedgerError::Name`],
    /// [`LedgerError::Database`].
    pub async fn read(&self, stream: &str, from: u64) -> Result<Vec<Recorded>, LedgerError> {
        let mut entries = Vec::new();
        let Some(mut head) = self.before(stream, from).await? else {
            return Ok(entries);
        };
        loop {
            let page = self.follow(&mut head).await?;
            if page.is_empty() {
                return Ok(entries);
            }
            entries.extend(page);
        }
    }

    /// The first of the entries that [`Ledger::read`] gives, 64 at most; none where there are no
    /// more. For a stream that is not to be held in memory at once.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub async fn read_page(&self, stream: &str, from: u64) -> Result<Vec<Recorded>, LedgerError> {
        match self.before(stream, from).await? {
            Some(mut head) => self.follow(&mut head).await,
            None => Ok(Vec::new()),
        }
    }

    /// What an entry of version `from` must follow; nothing where the stream ends before that.
    async fn before(&self, stream: &str, from: u64) -> Result<Option<Head>, LedgerError> {
        check_stream(stream)?;
        let mut head = Head {
            stream: stream.to_owned(),
            version: from.max(1) - 1,
            chain: START,
        };
        if head.version > 0 {
            match self.page(stream, head.version, 1).await?.first() {
                Some(before) if before.version == head.version => head.chain = before.chain,
                Some(other) => return Err(self.broken(stream, other.version)),
                None => return Ok(None),
            }
        }
        Ok(Some(head))
    }

    /// The next entries, each checked against the one before it.
    async fn follow(&self, head: &mut Head) -> Result<Vec<Recorded>, LedgerError> {
        let from = head.version.saturating_add(1);
        let page = self.page(&head.stream, from, PAGE).await?;
        for stored in &page {
            if !head.follow(stored) {
                return Err(self.broken(&head.stream, stored.version));
            }
        }
        Ok(page)
    }

    /// The version of the last entry of `stream`; 0 when it has none.
    ///
    /// # Errors
    /// [`LedgerError::Name`], [`LedgerError::Database`].
    pub async fn version(&self, stream: &str) -> Result<u64, LedgerError> {
        Ok(self.head(stream).await?.version)
    }

    /// The last version of `stream` and its chain, to be noted elsewhere.
    ///
    /// # Errors
    /// [`LedgerError::Name`], [`LedgerError::Database`].
    pub async fn head(&self, stream: &str) -> Result<Head, LedgerError> {
        check_stream(stream)?;
        match &*self.store {
            Store::Memory(memory) => Ok(memory.head(stream)),
            Store::Sqlite(sqlite) => sqlite.head(stream).await,
        }
    }

    /// The names of all streams that begin with `prefix`, sorted; an empty prefix gives all.
    ///
    /// # Errors
    /// [`LedgerError::Database`].
    pub async fn streams(&self, prefix: &str) -> Result<Vec<String>, LedgerError> {
        match &*self.store {
            Store::Memory(memory) => Ok(memory.names(prefix)),
            Store::Sqlite(sqlite) => sqlite.names(prefix).await,
        }
    }

    /// Keeps `bytes` under their SHA-256, `Digest::of_file`. Keeping the same bytes again does
    /// nothing; once this returns they survive a power cut.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub async fn put_blob(&self, bytes: &[u8]) -> Result<Digest, LedgerError> {
        self.blobs.put(bytes).await
    }

    /// The bytes of a blob, checked against its digest.
    ///
    /// # Errors
    /// [`LedgerError::BlobMissing`], [`LedgerError::BlobCorrupt`], [`LedgerError::File`].
    pub async fn get_blob(&self, digest: &Digest) -> Result<Vec<u8>, LedgerError> {
        self.blobs.get(digest).await
    }

    /// Whether a blob is kept; its bytes are not read.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool, LedgerError> {
        self.blobs.has(digest).await
    }

    /// Deletes a blob; tells whether there was one. The entries that name it stay.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub async fn remove_blob(&self, digest: &Digest) -> Result<bool, LedgerError> {
        self.blobs.remove(digest).await
    }

    /// Refuses a record that lacks what was written to it, or ends otherwise.
    ///
    /// # Errors
    /// [`LedgerError::Behind`], [`LedgerError::NoHeads`], [`LedgerError::Heads`],
    /// [`LedgerError::Damaged`].
    pub async fn hold_to_heads(&self) -> Result<(), LedgerError> {
        let Store::Sqlite(sqlite) = &*self.store else {
            return Ok(());
        };
        let dir = sqlite.path().parent().unwrap_or(Path::new("."));
        let ends = read_ends(dir).await?.ok_or_else(|| LedgerError::NoHeads {
            path: dir.join(HEADS),
        })?;
        sqlite.hold(&ends).await
    }

    /// Refuses a record that lacks what `ends` says.
    pub(crate) async fn hold(&self, ends: &Ends) -> Result<(), LedgerError> {
        match &*self.store {
            Store::Memory(_) => Ok(()),
            Store::Sqlite(sqlite) => sqlite.hold(ends).await,
        }
    }

    /// Reads the whole record and recomputes every chain and every blob's digest.
    ///
    /// # Errors
    /// Only when something cannot be read at all; what does not fit is in the report.
    pub async fn verify(&self) -> Result<Report, LedgerError> {
        let mut report = self.check_chains(&mut |_, _| ()).await?;
        if let Store::Sqlite(sqlite) = &*self.store {
            let place = format!("`{}`", sqlite.path().display());
            let found = sqlite.integrity().await?;
            report
                .faults
                .extend(found.into_iter().map(|what| Fault::Database {
                    place: place.clone(),
                    what,
                }));
        }
        for digest in self.blobs.list().await? {
            report.blobs += 1;
            report.faults.extend(self.blobs.check(&digest).await?);
        }
        Ok(report)
    }

    /// Recomputes every chain and shows every entry on the way.
    pub(crate) async fn check_chains(
        &self,
        each: &mut (dyn FnMut(&str, &[u8]) + Send),
    ) -> Result<Report, LedgerError> {
        let mut checker = Checker::default();
        for stream in self.streams("").await? {
            let mut from = 1;
            loop {
                let page = self.page(&stream, from, PAGE).await?;
                let Some(last) = page.last() else { break };
                from = last.version.saturating_add(1);
                for stored in &page {
                    checker.entry(&stream, stored);
                    each(&stream, &stored.entry);
                }
            }
        }
        Ok(checker.finish())
    }

    /// Whether there is room to go on: writes a file of 1 MiB beside the record and removes it. For
    /// a writer that was refused, before it tries again.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub async fn room(&self) -> Result<(), LedgerError> {
        match &*self.blobs {
            Blobs::Memory(_) => Ok(()),
            Blobs::Folder(blobs) => {
                let path = blobs.with_file_name("room");
                files::blocking(move || files::try_room(&path, ROOM)).await
            }
        }
    }

    /// Closes the files after the appends under way; every handle on this record fails afterwards.
    /// Dropping the last handle closes them too, a moment later.
    pub async fn close(&self) {
        if let Store::Sqlite(sqlite) = &*self.store {
            sqlite.close().await;
        }
    }

    /// Whether it was closed, by this handle or another.
    pub fn is_closed(&self) -> bool {
        matches!(&*self.store, Store::Sqlite(sqlite) if sqlite.is_closed())
    }

    /// Stored entries as they are, unchecked, at most `limit` of them.
    pub(crate) async fn page(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, LedgerError> {
        match &*self.store {
            Store::Memory(memory) => Ok(memory.page(stream, from, limit)),
            Store::Sqlite(sqlite) => sqlite.page(stream, from, limit).await,
        }
    }

    async fn append_one(
        &self,
        stream: &str,
        expected: Option<u64>,
        entry: &[u8],
    ) -> Result<Recorded, LedgerError> {
        let recorded = self.append_all(stream, expected, &[entry]).await?;
        // One entry in, one out.
        recorded.into_iter().next().ok_or(LedgerError::Stopping)
    }

    async fn append_all<B: AsRef<[u8]>>(
        &self,
        stream: &str,
        expected: Option<u64>,
        entries: &[B],
    ) -> Result<Vec<Recorded>, LedgerError> {
        check_stream(stream)?;
        entries
            .iter()
            .try_for_each(|entry| check_entry(stream, entry.as_ref()))?;
        match &*self.store {
            Store::Memory(memory) => memory.append(stream, expected, entries),
            Store::Sqlite(sqlite) => sqlite.append(stream, expected, entries).await,
        }
    }

    fn broken(&self, stream: &str, version: u64) -> LedgerError {
        let place = match &*self.store {
            Store::Memory(_) => "memory".to_owned(),
            Store::Sqlite(sqlite) => format!("`{}`", sqlite.path().display()),
        };
        LedgerError::Broken {
            place,
            stream: stream.to_owned(),
            version,
        }
    }
}

/// What the file beside the database in `dir` says about where streams end; nothing where neither
/// is there to say it.
async fn read_ends(dir: &Path) -> Result<Option<Ends>, LedgerError> {
    let folder = dir.to_path_buf();
    files::blocking(move || {
        let path = folder.join(DATABASE);
        match path.is_file() {
            true => Heads::read(&folder),
            false => Err(LedgerError::NoLedger { path }),
        }
    })
    .await
}

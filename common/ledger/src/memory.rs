//! The store of the simulation: streams in memory, gone with the process.

use crate::LedgerError;
use crate::record::{Head, Recorded};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct Memory {
    streams: Mutex<BTreeMap<String, Vec<Recorded>>>,
}

impl Memory {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Recorded>>> {
        // Every change below is one `extend` or `insert`: a panic elsewhere leaves nothing half
        // done.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn head(&self, stream: &str) -> Head {
        head(&self.streams(), stream)
    }

    pub(crate) fn append<B: AsRef<[u8]>>(
        &self,
        stream: &str,
        expected: Option<u64>,
        entries: &[B],
    ) -> Result<Vec<Recorded>, LedgerError> {
        let mut streams = self.streams();
        let mut head = head(&streams, stream);
        head.expect(expected)?;
        let recorded: Vec<Recorded> = entries
            .iter()
            .map(|entry| head.extend(entry.as_ref()))
            .collect();
        if !recorded.is_empty() {
            streams
                .entry(stream.to_owned())
                .or_default()
                .extend(recorded.iter().cloned());
        }
        Ok(recorded)
    }

    /// Up to `limit` entries of `stream` from version `from` on.
    pub(crate) fn page(&self, stream: &str, from: u64, limit: usize) -> Vec<Recorded> {
        // Beyond what a list can hold there is nothing.
        let Ok(skip) = usize::try_from(from.saturating_sub(1)) else {
            return Vec::new();
        };
        let streams = self.streams();
        streams
            .get(stream)
            .into_iter()
            .flatten()
            .skip(skip)
            .take(limit)
            .cloned()
            .collect()
    }

    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let streams = self.streams();
        let from_prefix = streams.range(prefix.to_owned()..).map(|(name, _)| name);
        from_prefix
            .take_while(|name| name.starts_with(prefix))
            .cloned()
            .collect()
    }
}

fn head(streams: &BTreeMap<String, Vec<Recorded>>, stream: &str) -> Head {
    let mut head = Head::empty(stream);
    if let Some(entries) = streams.get(stream)
        && let Some(last) = entries.last()
    {
        debug_assert_eq!(last.version, entries.len() as u64, "versions have no gap");
        (head.version, head.chain) = (last.version, last.chain);
    }
    head
}

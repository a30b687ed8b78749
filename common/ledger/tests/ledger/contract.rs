//! What every store promises, run against each of them; then what only files can suffer.

use motet_ledger::{Ledger, LedgerError, MAX_STREAM, START, link, verify_export};
use motet_secagg::digest::Digest;
use tempfile::TempDir;

/// A record and the means to get another handle on it.
struct Place {
    dir: Option<TempDir>,
    ledger: Ledger,
}

impl Place {
    async fn memory() -> Self {
        Self {
            dir: None,
            ledger: Ledger::memory(),
        }
    }

    async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::create(dir.path()).await.unwrap();
        Self {
            dir: Some(dir),
            ledger,
        }
    }

    /// For SQLite other connections on the same file, as another process has.
    async fn again(&self) -> Ledger {
        match &self.dir {
            None => self.ledger.clone(),
            Some(dir) => Ledger::open(dir.path()).await.unwrap(),
        }
    }
}

macro_rules! every_store_promises {
    ($($name:ident),* $(,)?) => {
        mod memory {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Place::memory().await).await; }
        )*}
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Place::sqlite().await).await; }
        )*}
    };
}

every_store_promises!(
    entries_come_back_in_order_and_chained,
    an_append_without_the_last_entry_in_sight_is_refused,
    many_entries_are_appended_all_or_not_at_all,
    racing_handles_lose_no_entry_and_never_both_follow_the_same_one,
    streams_are_listed_by_prefix,
    a_name_or_a_length_no_store_should_hold_is_refused,
    blobs_are_found_by_their_digest,
    an_export_is_verified_without_the_ledger,
    a_long_stream_is_read_from_any_place,
);

async fn entries_come_back_in_order_and_chained(place: Place) {
    let ledger = &place.ledger;
    assert_eq!(ledger.version("study/1").await.unwrap(), 0);
    assert!(ledger.read("study/1", 1).await.unwrap().is_empty());

    let first = ledger.append("study/1", 0, b"proposed").await.unwrap();
    let second = ledger.append_next("study/1", b"").await.unwrap();
    ledger.append_next("study/2", b"proposed").await.unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(first.chain, link(START, "study/1", 1, b"proposed"));
    assert_eq!(second.chain, link(first.chain, "study/1", 2, b""));

    let other = place.again().await;
    assert_eq!(
        other.read("study/1", 0).await.unwrap(),
        [first.clone(), second.clone()]
    );
    assert_eq!(
        other.read("study/1", 1).await.unwrap(),
        [first.clone(), second.clone()]
    );
    assert_eq!(
        other.read("study/1", 2).await.unwrap(),
        std::slice::from_ref(&second)
    );
    assert_eq!(other.read("study/1", 3).await.unwrap(), []);
    assert_eq!(other.read("study/1", u64::MAX).await.unwrap(), []);
    let head = other.head("study/1").await.unwrap();
    assert_eq!((head.version, head.chain), (2, second.chain));
    let report = other.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.entries, report.blobs, report.heads.len()),
        (3, 0, 2)
    );
    assert_eq!(report.heads[0], head);
}

async fn an_append_without_the_last_entry_in_sight_is_refused(place: Place) {
    let (mine, theirs) = (place.ledger.clone(), place.again().await);
    mine.append("run", 0, b"a").await.unwrap();
    for (expected, entry) in [(0, b"late"), (2, b"soon"), (u64::MAX, b"odd!")] {
        match theirs.append("run", expected, entry).await.unwrap_err() {
            LedgerError::Conflict {
                stream,
                expected: told,
                found,
            } => {
                assert_eq!((stream.as_str(), told, found), ("run", expected, 1));
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(mine.read("run", 1).await.unwrap().len(), 1);
    theirs.append("run", 1, b"b").await.unwrap();
    assert_eq!(mine.version("run").await.unwrap(), 2);
}

async fn many_entries_are_appended_all_or_not_at_all(place: Place) {
    let ledger = &place.ledger;
    let three = [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
    assert!(ledger.append_many("run", 1, &three).await.is_err());
    assert_eq!(ledger.version("run").await.unwrap(), 0);
    let recorded = ledger.append_many("run", 0, &three).await.unwrap();
    assert_eq!(recorded, ledger.read("run", 1).await.unwrap());
    assert_eq!(
        recorded.iter().map(|r| r.version).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!(ledger.append_many("run", 3, &[]).await.unwrap().is_empty());
    assert!(ledger.append_many("run", 2, &[]).await.is_err());
    assert_eq!(ledger.streams("").await.unwrap(), ["run"]);
}

async fn racing_handles_lose_no_entry_and_never_both_follow_the_same_one(place: Place) {
    const EACH: usize = 15;
    let mut racers = Vec::new();
    for racer in 0..4_u8 {
        let ledger = place.again().await;
        racers.push(tokio::spawn(async move {
            for turn in 0..EACH {
                let entry = [racer, turn as u8];
                loop {
                    let seen = ledger.version("race").await.unwrap();
                    match ledger.append("race", seen, &entry).await {
                        Ok(recorded) => break assert_eq!(recorded.version, seen + 1),
                        Err(LedgerError::Conflict { .. }) => continue,
                        Err(other) => panic!("{other}"),
                    }
                }
                ledger.append_next("queue", &entry).await.unwrap();
            }
        }));
    }
    for racer in racers {
        racer.await.unwrap();
    }
    for stream in ["race", "queue"] {
        let entries = place.ledger.read(stream, 1).await.unwrap();
        for racer in 0..4_u8 {
            let turns: Vec<u8> = entries
                .iter()
                .filter(|r| r.entry[0] == racer)
                .map(|r| r.entry[1])
                .collect();
            assert_eq!(
                turns,
                (0..EACH as u8).collect::<Vec<_>>(),
                "{stream}: every entry once and in its order"
            );
        }
    }
    assert!(place.ledger.verify().await.unwrap().is_sound());
}

async fn streams_are_listed_by_prefix(place: Place) {
    let ledger = &place.ledger;
    for name in ["run/b", "run/a", "run", "runs", "study/1", "run/~", "Run/a"] {
        ledger.append_next(name, b"x").await.unwrap();
    }
    assert_eq!(
        ledger.streams("run/").await.unwrap(),
        ["run/a", "run/b", "run/~"]
    );
    assert_eq!(
        ledger.streams("run").await.unwrap(),
        ["run", "run/a", "run/b", "run/~", "runs"]
    );
    assert_eq!(ledger.streams("").await.unwrap().len(), 7);
    assert!(ledger.streams("s%").await.unwrap().is_empty());
}

async fn a_name_or_a_length_no_store_should_hold_is_refused(place: Place) {
    let ledger = &place.ledger;
    for name in ["", "a b", "a\0", "å", &"x".repeat(MAX_STREAM + 1)] {
        assert!(
            matches!(
                ledger.append_next(name, b"").await,
                Err(LedgerError::Name { .. })
            ),
            "{name:?}"
        );
        assert!(ledger.read(name, 1).await.is_err());
    }
    let long = vec![0; motet_ledger::MAX_ENTRY + 1];
    assert!(matches!(
        ledger.append_next("a", &long).await,
        Err(LedgerError::TooLong { .. })
    ));
    assert!(ledger.streams("").await.unwrap().is_empty());
}

async fn blobs_are_found_by_their_digest(place: Place) {
    let (ledger, other) = (&place.ledger, place.again().await);
    let digest = ledger.put_blob(b"a sum").await.unwrap();
    assert_eq!(digest, Digest::of_file(b"a sum"));
    assert_eq!(ledger.put_blob(b"a sum").await.unwrap(), digest);
    let empty = other.put_blob(b"").await.unwrap();
    assert_eq!(other.get_blob(&digest).await.unwrap(), b"a sum");
    assert_eq!(ledger.get_blob(&empty).await.unwrap(), b"");
    assert!(other.has_blob(&digest).await.unwrap());
    assert_eq!(ledger.verify().await.unwrap().blobs, 2);

    assert!(other.remove_blob(&digest).await.unwrap());
    assert!(!other.remove_blob(&digest).await.unwrap());
    assert!(!ledger.has_blob(&digest).await.unwrap());
    assert!(matches!(
        ledger.get_blob(&digest).await,
        Err(LedgerError::BlobMissing { .. })
    ));
}

async fn an_export_is_verified_without_the_ledger(place: Place) {
    for (stream, entry) in [
        ("b", &b"one"[..]),
        ("a\"\\", b"two"),
        ("b", b"three"),
        ("b", &[0, 255, 10]),
    ] {
        place.ledger.append_next(stream, entry).await.unwrap();
    }
    let mut text = Vec::new();
    assert_eq!(place.ledger.export(&mut text).await.unwrap(), 4);
    let sound = verify_export(text.as_slice()).unwrap();
    assert_eq!(sound, place.ledger.verify().await.unwrap());
    assert_eq!((sound.entries, sound.is_sound()), (4, true));

    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let told = |lines: &[&str]| {
        let report = verify_export((lines.join("\n") + "\n").as_bytes()).unwrap();
        report
            .faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    // "three" becomes "thsee"; the entry after it stands on it and is in doubt, not a second fault.
    let changed = lines[2].replace("7468726565", "7468736565");
    assert_eq!(
        told(&[lines[0], lines[1], &changed, lines[3]]),
        ["entry `2` of stream `b` does not follow from the entry before it"]
    );
    assert_eq!(
        told(&[lines[0], lines[1], lines[3]]),
        ["stream `b` has entry `3` where entry `2` belongs"]
    );
    let renumbered = lines[3].replace("\"version\":3", "\"version\":4");
    assert_eq!(
        told(&[lines[0], lines[1], lines[2], &renumbered]),
        ["stream `b` has entry `4` where entry `3` belongs"]
    );
    assert_eq!(
        told(&[lines[1], lines[1]]),
        ["stream `b` has entry `1` where entry `2` belongs"]
    );
    assert!(
        told(&["{}"])[0]
            .starts_with("line `1` of the export is not an entry: missing field `stream`")
    );
    let cut = verify_export(&text.as_bytes()[..text.len() - 9]).unwrap();
    assert_eq!(cut.faults.len(), 1, "{cut:?}");
    assert_eq!(cut.entries, 3);
}

async fn a_long_stream_is_read_from_any_place(place: Place) {
    let entries: Vec<Vec<u8>> = (0..200_u32).map(|n| n.to_le_bytes().to_vec()).collect();
    place.ledger.append_many("long", 0, &entries).await.unwrap();
    for from in [1, 2, 63, 64, 65, 128, 129, 200, 201] {
        let read = place.ledger.read("long", from).await.unwrap();
        assert_eq!(read.len() as u64, 201 - from);
        assert_eq!(
            read.first().map(|r| r.version),
            (from <= 200).then_some(from)
        );
        // Page by page it is the same, and no page is long.
        let mut paged = Vec::new();
        loop {
            let next = from + paged.len() as u64;
            let page = place.ledger.read_page("long", next).await.unwrap();
            assert!(page.len() <= 64, "{}", page.len());
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, read);
    }
}

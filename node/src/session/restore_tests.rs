//! Attempts out of the vault over rows that the steward froze anew meanwhile.

use super::super::tests::{SCHEMA, begin, follow, freeze, map, shared, to_nobody};
use super::*;
use crate::desk::{self, Choice};
use crate::records::{self, FACTS, FROZEN, FrozenRecord};
use motet_common::round::member::{Act, Kept};
use motet_common::round::pins::{Fact, Masked};
use motet_secagg::message::{Header, SignedRoot};
use motet_secagg::sign::{SecretKey, Signature};
use std::path::Path;

/// An attempt that was masked over the rows of the decision, and stopped before that went on
/// record: its plan.
async fn masked(study: &mut Study) -> Digest {
    let plan = begin(study, Duration::ZERO);
    let shared = Arc::clone(&study.shared);
    let kept = shared.vault.unseal(&plan).unwrap();
    let mut kept = Kept::from_bytes(&kept).unwrap();
    kept.header = Some(Header {
        t2: Digest::default(),
        chunks: Vec::new(),
        root: SignedRoot {
            node: shared.home.node(),
            root: Digest::default(),
            signature: Signature([0; 64]),
        },
    });
    shared.vault.seal(&plan, kept.to_bytes()).unwrap();
    let history = History::read(&shared.home.ledger).await.unwrap();
    let table = study.follower.frozen.unwrap();
    let answered = FrozenRecord::Answered(records::Answered {
        when_ms: 1,
        study: study.follower.proposal.digest,
        plan,
        content: history.content(&table).unwrap(),
    });
    records::append(&shared.home.ledger, FROZEN, &answered)
        .await
        .unwrap();
    plan
}

/// The steward freezes the rows of study `one` anew.
async fn refreeze(shared: &Shared) {
    let now = crate::clock::now();
    let key = || Ok(SecretKey::from_seed([101; 32]));
    desk::decide(&shared.home, "one", &Choice::Refreeze, None, now, key)
        .await
        .unwrap();
    shared.look().await.unwrap();
}

fn change_a_row(folder: &Path) {
    let file = folder.join("p.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("50,120,0", "51,120,0")).unwrap();
}

#[tokio::test]
async fn numbers_masked_over_rows_that_were_frozen_anew_before_the_start_do_not_leave() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    map(&shared.home, folder.path(), SCHEMA);
    freeze(&mut study).await;
    let plan = masked(&mut study).await;
    let restored = restore(&shared, &plan).await.unwrap();
    assert!(matches!(restored, Restored::Open(_)), "over its own table");
    refreeze(&shared).await;
    let restored = restore(&shared, &plan).await.unwrap();
    assert!(matches!(restored, Restored::Open(_)), "over the same rows");
    change_a_row(folder.path());
    refreeze(&shared).await;
    let restored = restore(&shared, &plan).await.unwrap();
    assert!(matches!(restored, Restored::Lost));
    assert!(shared.vault.names().unwrap().is_empty());
    assert!(shared.last_said().await.contains("froze the rows anew"));
}

#[tokio::test]
async fn numbers_masked_over_other_rows_than_those_of_the_decision_come_on_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    map(&shared.home, folder.path(), SCHEMA);
    freeze(&mut study).await;
    let (link, _unheard) = to_nobody(&shared);
    let fact = Fact::Masked(Masked {
        ask: Digest::default(),
        attempt: 1,
        pin: Digest::default(),
        upload_root: Digest::default(),
    });
    let facts = async || {
        records::read::<Fact>(&shared.home.ledger, FACTS)
            .await
            .unwrap()
    };
    masked(&mut study).await;
    change_a_row(folder.path());
    refreeze(&shared).await;
    // A start after that: in memory nothing shows that the table is another.
    let mut anew = follow(&shared, "one").await;
    begin(&mut anew, Duration::ZERO);
    let acts = vec![Act::Record(fact.clone())];
    assert!(anew.act(&link, acts).await.is_ok());
    assert!(anew.follower.attempt.is_none(), "it is given up");
    assert!(facts().await.is_empty());
    // Over the rows of the decision it goes on record.
    masked(&mut anew).await;
    let mut anew = follow(&shared, "one").await;
    begin(&mut anew, Duration::ZERO);
    assert!(anew.act(&link, vec![Act::Record(fact)]).await.is_ok());
    assert_eq!(facts().await.len(), 1);
}

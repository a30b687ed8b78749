//! `motet data catalogue`: what the sites'
//! stewards tell of their datasets, each held
//! against what governance signed, and against
//! what was read with this folder before.

use crate::args::{Catalogue, Data as Command};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, calling};
use crate::invitation::turn;
use crate::output::Out;
use crate::standing::{Standing, known};
use motet_common::catalogue::{Notice, Read, Vouched};
use motet_common::enrol::Role;
use motet_common::roster::SignedRoster;
use motet_program::catalogue::{Doubted, json, text};
use motet_proto::catalogue::fetch;
use motet_proto::keyfile::{read_secret_text, write_secret};
use motet_proto::v1::ListStudiesRequest;
use motet_secagg::encode::Canonical as _;
use std::collections::BTreeMap;
use std::path::Path;

/// The highest number of each dataset's notice
/// that was read with this folder.
const FILE: &str = "catalogue.toml";

/// `motet data ...`
///
/// # Errors
/// The coordinator's refusals.
pub async fn run(command: &Command) -> Done {
    match command {
        Command::Catalogue(args) => catalogue(args).await,
    }
}

async fn catalogue(args: &Catalogue) -> Done {
    let out = Out::new(args.read.json);
    let (identity, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let vouched = vouched(&identity, &mut desk).await?;
    let site = args.site.as_deref().map_or("", |site| site);
    let found = fetch(&mut desk, site).await?;
    let _turn = turn(&identity.dir)?;
    let mut seen = read_seen(&identity.dir)?;
    let mut read = Vec::new();
    let mut doubted = Vec::new();
    for one in &found {
        match vouched.judge(one, |notice| seen.get(&name(notice)).copied()) {
            Ok(dataset) => read.push(dataset),
            Err(why) => doubted.push(Doubted {
                site: one.site.clone(),
                why,
            }),
        }
    }
    keep_seen(&identity.dir, &mut seen, &read)?;
    out.value(&json(&read, &doubted));
    out.line(text(&read, &doubted));
    Ok(())
}

/// The stewards' keys that this person need not
/// take on the coordinator's word.
async fn vouched(identity: &Identity, desk: &mut Desk) -> Done<Vouched> {
    let mut vouched = Vouched::default();
    let governance = identity.fingerprint();
    let all = ListStudiesRequest { id: String::new() };
    for study in desk.list_studies(all).await?.into_inner().studies {
        let roster = SignedRoster::from_bytes(&study.roster).ok();
        if let Some(Ok(roster)) = roster.as_ref().map(|roster| roster.verify(&governance)) {
            vouched.by_roster(roster);
        }
    }
    if identity.card.role == Role::Operator {
        for known in known(identity, desk).await? {
            if let Standing::Verified(site) = known.standing
                && let Some(steward) = site.steward
            {
                vouched.of_site(
                    site.identity.node_id(),
                    (&site.name, &site.country),
                    steward,
                );
            }
        }
    }
    Ok(vouched)
}

/// What a dataset is called in the file.
fn name(notice: &Notice) -> String {
    format!("{}/{}", notice.site.hex(), notice.dataset)
}

fn read_seen(dir: &Path) -> Done<BTreeMap<String, u64>> {
    let path = dir.join(FILE);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = read_secret_text(&path)?;
    Failure::read(
        &path,
        &text,
        "remove it: then an old notice is not told from a new one",
    )
}

/// Writes down what was read, where governance
/// signed whose it is: whatever key a coordinator
/// invents, it takes no number of a site.
fn keep_seen(dir: &Path, seen: &mut BTreeMap<String, u64>, read: &[Read]) -> Done {
    let before = seen.clone();
    for Read { notice, .. } in read.iter().filter(|read| read.vouched) {
        seen.insert(name(notice), notice.number);
    }
    if *seen == before {
        return Ok(());
    }
    let text = toml::to_string(seen).map_err(|error| Failure::failed(error.to_string(), ""))?;
    Ok(write_secret(&dir.join(FILE), text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::catalogue::{Found, HUNDRED, Offer, Told, Word};
    use motet_common::study::{Recipients, Type};
    use motet_secagg::id::NodeId;
    use motet_secagg::sign::SecretKey;

    const NODE: NodeId = NodeId([5; 16]);

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    fn found(number: u64, steward: u8) -> Found {
        let column = Told {
            column: "age".into(),
            kind: Type::Float,
            label: None,
            unit: Some("a".into()),
            substance: None,
            min: None,
            max: None,
            uses: Vec::new(),
            levels: Vec::new(),
            years: None,
        };
        let notice = Notice {
            site: NODE,
            dataset: "stroke".into(),
            number,
            when_ms: 1_795_392_000_000,
            word: Word::Published(Offer {
                researchers: Recipients::Everyone,
                rows: 300,
                rounded_to: HUNDRED,
                columns: vec![column],
            }),
        };
        Found {
            site: "lyon".into(),
            country: "FR".into(),
            steward: key(steward).public().0.to_vec(),
            notice: notice.sign(&key(steward)).to_bytes(),
        }
    }

    #[test]
    fn an_old_notice_is_an_alarm_to_whoever_read_a_later_one_and_an_invented_key_takes_no_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut vouched = Vouched::default();
        let read = |vouched: &Vouched, found: &Found| {
            let mut seen = read_seen(folder.path()).unwrap();
            let read = vouched.judge(found, |notice| seen.get(&name(notice)).copied());
            let read = read.map(|read| vec![read]);
            if let Ok(read) = &read {
                keep_seen(folder.path(), &mut seen, read).unwrap();
            }
            read
        };
        // Before any roster names the site: on the
        // coordinator's word, and nothing is kept.
        let word = read(&vouched, &found(9, 66)).unwrap();
        assert!(!word[0].vouched && !folder.path().join(FILE).exists());
        assert!(text(&word, &[]).contains("COORDINATOR'S WORD ALONE"));

        vouched.of_site(NODE, ("lyon", "FR"), key(7).public());
        assert!(read(&vouched, &found(9, 66)).is_err(), "another key");
        let mut renamed = found(4, 7);
        renamed.site = "porto".into();
        assert!(read(&vouched, &renamed).is_err(), "another name");
        let moved = Found {
            country: "DE".into(),
            ..found(4, 7)
        };
        assert!(read(&vouched, &moved).is_err(), "another country");
        assert!(read(&vouched, &found(4, 7)).unwrap()[0].vouched);
        assert!(read(&vouched, &found(5, 7)).is_ok());
        let old = read(&vouched, &found(4, 7)).unwrap_err();
        assert!(old.contains("number 5 was read here before"), "{old}");
        assert!(read(&vouched, &found(5, 7)).is_ok());

        let mut changed = found(6, 7);
        changed.notice[40] ^= 1;
        assert!(read(&vouched, &changed).is_err());
        let doubted = Doubted {
            site: "lyon\u{1b}[2J".into(),
            why: old,
        };
        let said = text(&[], &[doubted]);
        assert!(
            said.starts_with("ALARM: ") && !said.contains('\u{1b}'),
            "{said}"
        );
    }
}

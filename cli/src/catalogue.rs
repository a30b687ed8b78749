//! `motet data catalogue`: what the sites'
//! stewards tell of their datasets, each held
//! against what governance signed, and against
//! what was read with this folder before.

use crate::args::{Catalogue, Data as Command};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, calling};
use crate::invitation::{Kept, turn};
use crate::output::Out;
use crate::standing::{Standing, known};
use motet_common::catalogue::{Found, Notice, Read, Vouched};
use motet_common::enrol::Role;
use motet_common::roster::{SignedRemoval, SignedRoster};
use motet_program::catalogue::{Doubted, json, text};
use motet_proto::catalogue::fetch;
use motet_proto::keyfile::{read_secret_text, write_secret};
use motet_proto::v1::ListStudiesRequest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::sign::PublicKey;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where a folder keeps what was read with it.
const FILE: &str = "catalogue.toml";

/// What to do about such a file that is no good.
const REMOVE: &str =
    "remove it: then an old notice, or an invented key, is not told from what was read before";

/// What was read with a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    /// Every site that governance vouched for, also
    /// where the coordinator shows its roster no
    /// more.
    site: Vec<SeenSite>,
    /// The highest number of each dataset's notice,
    /// by [`name`].
    number: BTreeMap<String, u64>,
}

/// A site in the file, keys in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenSite {
    node: String,
    name: String,
    country: String,
    steward: String,
}

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
    let (read, doubted) = judged(&identity.dir, vouched, &found)?;
    out.value(&json(&read, &doubted));
    out.line(text(&read, &doubted));
    Ok(())
}

/// What of this is believed, by what governance
/// signed now and by what was read with this
/// folder before; and writes down what was read.
fn judged(dir: &Path, mut vouched: Vouched, found: &[Found]) -> Done<(Vec<Read>, Vec<Doubted>)> {
    let _turn = turn(dir)?;
    let mut seen = Seen::of(dir)?;
    seen.vouch(dir, &mut vouched)?;
    for node in removed(dir)? {
        vouched.removed(node);
    }
    let mut read = Vec::new();
    let mut doubted = Vec::new();
    for one in found {
        match vouched.judge(one, |notice| seen.number.get(&name(notice)).copied()) {
            Ok(dataset) => read.push(dataset),
            Err(why) => doubted.push(Doubted {
                site: one.site.clone(),
                why,
            }),
        }
    }
    seen.keep(dir, &vouched, &read)?;
    Ok((read, doubted))
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

/// Nodes that were removed with this folder, but
/// for those that stand in it: a removal of
/// whoever borrowed a site's key is none of the
/// site.
fn removed(dir: &Path) -> Done<BTreeSet<NodeId>> {
    let mut removed = BTreeSet::new();
    let mut standing = BTreeSet::new();
    for kept in Kept::all(dir)?.into_values() {
        let enrolled = kept.enrolment()?.map(|known| known.identity.node_id());
        if kept.is_standing() {
            standing.extend(enrolled);
        } else if kept.is_removed() {
            // Whom another operator invited, its removal names.
            let signed = kept
                .removal()
                .map(|bytes| SignedRemoval::from_bytes(&bytes));
            let named = signed.and_then(Result::ok);
            removed.extend(enrolled.or(named.map(|signed| signed.removal.node)));
        }
    }
    Ok(removed.difference(&standing).copied().collect())
}

/// What a dataset is called in the file.
fn name(notice: &Notice) -> String {
    format!("{}/{}", notice.site.hex(), notice.dataset)
}

impl Seen {
    fn of(dir: &Path) -> Done<Self> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        Failure::read(&path, &read_secret_text(&path)?, REMOVE)
    }

    /// Vouches for what governance vouched for
    /// before: rosters come from the coordinator, and
    /// one that shows none invents no key thereby.
    fn vouch(&self, dir: &Path, vouched: &mut Vouched) -> Done {
        for site in &self.site {
            let node = NodeId::from_hex(&site.node).ok();
            let steward = PublicKey::from_hex(&site.steward).ok();
            let Some((node, steward)) = node.zip(steward) else {
                let path = dir.join(FILE);
                let what = format!("a key in `{}` is none", path.display());
                return Err(Failure::failed(what, REMOVE));
            };
            vouched.of_site(node, (&site.name, &site.country), steward);
        }
        Ok(())
    }

    /// Writes down what was read, where governance
    /// signed whose it is: whatever key a coordinator
    /// invents, it takes no number of a site.
    fn keep(&mut self, dir: &Path, vouched: &Vouched, read: &[Read]) -> Done {
        let before = self.clone();
        let sites = vouched.sites().map(|site| SeenSite {
            node: site.node.hex(),
            name: site.name.clone(),
            country: site.country.clone(),
            steward: site.steward.hex(),
        });
        self.site = sites.collect();
        for Read { notice, .. } in read.iter().filter(|read| read.vouched) {
            self.number.insert(name(notice), notice.number);
        }
        if *self == before {
            return Ok(());
        }
        let text = toml::to_string(self).map_err(|error| Failure::failed(error.to_string(), ""))?;
        Ok(write_secret(&dir.join(FILE), text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::catalogue::{HUNDRED, Offer, Told, Word};
    use motet_common::enrol::Enrolment;
    use motet_common::roster::Removal;
    use motet_common::study::{Recipients, Type};
    use motet_secagg::digest::Digest;
    use motet_secagg::sign::SecretKey;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    /// The node of Lyon.
    fn lyon() -> NodeId {
        key(5).public().node_id()
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
            site: lyon(),
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

    /// What is read of a notice, and why it is not, where these sites are vouched for by rosters.
    fn read(folder: &Path, by_roster: Option<u8>, found: Found) -> Result<Read, String> {
        let mut vouched = Vouched::default();
        if let Some(steward) = by_roster {
            vouched.of_site(lyon(), ("lyon", "FR"), key(steward).public());
        }
        let (read, mut doubted) = judged(folder, vouched, &[found]).unwrap();
        read.into_iter().next().ok_or_else(|| doubted.remove(0).why)
    }

    #[test]
    fn an_old_notice_is_an_alarm_to_whoever_read_a_later_one_and_an_invented_key_takes_no_number() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let roster = Some(7);
        // Before any roster names the site: on the
        // coordinator's word, and nothing is kept.
        let word = read(dir, None, found(9, 66)).unwrap();
        assert!(!word.vouched && !dir.join(FILE).exists());
        assert!(text(&[word], &[]).contains("COORDINATOR'S WORD ALONE"));

        assert!(read(dir, roster, found(9, 66)).is_err(), "another key");
        let mut renamed = found(4, 7);
        renamed.site = "porto".into();
        assert!(read(dir, roster, renamed).is_err(), "another name");
        let moved = Found {
            country: "DE".into(),
            ..found(4, 7)
        };
        assert!(read(dir, roster, moved).is_err(), "another country");
        assert!(read(dir, roster, found(4, 7)).unwrap().vouched);
        assert!(read(dir, roster, found(5, 7)).is_ok());
        let old = read(dir, roster, found(4, 7)).unwrap_err();
        assert!(old.contains("number 5 was read here before"), "{old}");
        assert!(read(dir, roster, found(5, 7)).is_ok());

        let mut changed = found(6, 7);
        changed.notice[40] ^= 1;
        assert!(read(dir, roster, changed).is_err());
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

    #[test]
    fn a_coordinator_that_shows_no_roster_any_more_neither_invents_a_key_nor_brings_back_an_old_notice()
     {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        // A roster is enough, also where the site tells of nothing yet.
        assert!(read(dir, Some(7), found(9, 66)).is_err());
        let invented = read(dir, None, found(9, 66)).unwrap_err();
        assert!(
            invented.contains("another name, country or key"),
            "{invented}"
        );
        assert!(read(dir, None, found(5, 7)).unwrap().vouched);
        let old = read(dir, None, found(4, 7)).unwrap_err();
        assert!(old.contains("number 5 was read here before"), "{old}");

        std::fs::write(dir.join(FILE), "\"site/stroke\" = 5\n").unwrap();
        let damaged = judged(dir, Vouched::default(), &[]).unwrap_err();
        assert!(damaged.to_string().contains("remove it"), "{damaged}");
    }

    /// Somebody who joined with Lyon's identity key.
    fn enrolment(invite: u8) -> Enrolment {
        Enrolment {
            invite: [invite; 16],
            name: "lyon".into(),
            country: "FR".into(),
            role: Role::Site,
            identity: key(5).public(),
            steward: Some(key(7).public()),
            witness: Some(key(8).public()),
            csr_key_digest: Digest::default(),
            governance_fingerprint: Digest::default(),
        }
    }

    #[test]
    fn a_site_that_was_removed_here_is_an_alarm_whatever_roster_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert!(read(dir, Some(7), found(5, 7)).unwrap().vouched);
        let removal = Removal {
            invite: [1; 16],
            node: lyon(),
            name: "lyon".into(),
            reason: "it left".into(),
            when_ms: 1,
        };
        let removal = removal.sign(&key(1)).unwrap().to_bytes();
        Kept::record_removal(dir, &enrolment(1), &removal, 1).unwrap();
        for by_roster in [None, Some(7)] {
            let gone = read(dir, by_roster, found(6, 7)).unwrap_err();
            assert!(gone.contains("removed with this folder"), "{gone}");
        }
        // Whoever joined under Lyon's name with its key was removed, and not Lyon.
        let mut kept = Kept::new("lyon", "FR", Role::Site, None, 0);
        kept.fix(&enrolment(2));
        kept.keep(dir, &[2; 16]).unwrap();
        assert!(read(dir, Some(7), found(6, 7)).unwrap().vouched);
    }
}

//! Everything that is hashed, signed, recorded or sent: one byte string a value, and what is
//! computed with a value before anybody has vouched for it.

use super::Target;
use super::given::{study_files, with_roster};
use crate::attack::lie::Lie;
use motet_common::catalogue::{Notice, Offer, SignedNotice, Told, Use, Word, Years};
use motet_common::chain::Chain;
use motet_common::decision::SignedDecision;
use motet_common::enrol::Enrolment;
use motet_common::log::Leaf;
use motet_common::manifest::Manifest;
use motet_common::opening::Opening;
use motet_common::proof::{LedgerProof, Proof};
use motet_common::roster::{SignedRemoval, SignedRoster};
use motet_common::round::member::{Kept, Member};
use motet_common::round::pins::Fact;
use motet_common::round::{Entry, Terms};
use motet_common::study::{Recipients, Study, Type};
use motet_node::records::{
    CatalogueRecord, Event, Frame, FrozenRecord, Shown, StudyRecord, Switch, Under,
};
use motet_recipes::{Recipe, State};
use motet_secagg::encode::{Canonical, Reader};
use motet_secagg::evidence::Evidence;
use motet_secagg::id::NodeId;
use motet_secagg::message::Message;
use motet_secagg::sign::SecretKey;

/// Values that stand in memory in many more bytes than they were read from: a byte that is a list's
/// element of several words, copied as the list grows, and written back.
const TIMES: usize = 400;

pub(super) fn targets() -> Vec<Target> {
    macro_rules! plain {
        ($($type:ty),* $(,)?) => {
            [$(Target { name: stringify!($type), run: one_byte_string::<$type>, seeds: grown::<$type>, times: TIMES }),*]
        };
    }
    let plain = plain![
        Leaf,
        SignedRoster,
        SignedRemoval,
        SignedDecision,
        Enrolment,
        Manifest,
        LedgerProof,
        Proof,
        Entry,
        Fact,
        StudyRecord,
        Frame,
        Event,
        Switch,
        Shown,
        Under,
        FrozenRecord,
        CatalogueRecord,
        Opening,
    ];
    let named = [
        Target {
            name: "Study",
            run: one_byte_string::<Study>,
            seeds: studies,
            times: TIMES,
        },
        Target {
            name: "SignedNotice",
            run: notice,
            seeds: notices,
            times: TIMES,
        },
        Target {
            name: "Recipe",
            run: one_byte_string::<Recipe>,
            seeds: recipes,
            times: TIMES,
        },
        Target {
            name: "State",
            run: one_byte_string::<State>,
            seeds: states,
            times: TIMES,
        },
        Target {
            name: "message",
            run: message,
            seeds: messages,
            times: TIMES,
        },
        Target {
            name: "evidence",
            run: evidence,
            seeds: evidences,
            times: TIMES,
        },
        Target {
            name: "vault",
            run: vault,
            seeds: vaults,
            times: TIMES,
        },
        Target {
            name: "coordinator_entry",
            run: coordinator_entry,
            seeds: coordinator_entries,
            times: TIMES,
        },
    ];
    plain.into_iter().chain(named).collect()
}

fn one_byte_string<T: Canonical>(bytes: &[u8]) -> bool {
    let Ok(value) = T::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(value.to_bytes(), bytes, "a second byte string of one value");
    true
}

/// Values that are found without knowing their fields: zeros are a value of nearly everything, and
/// behind another first byte stands another variant. A byte set further inside is a list of one, or
/// another variant there.
fn grown<T: Canonical>() -> Vec<Vec<u8>> {
    let read = |bytes: &[u8]| {
        T::read(&mut Reader::new(bytes))
            .ok()
            .map(|value| value.to_bytes())
    };
    let zeros = vec![0; 4096];
    let mut found: Vec<Vec<u8>> = Vec::new();
    for (at, byte) in (0..=40_u8)
        .map(|tag| (0, tag))
        .chain((1..400).map(|at| (at, 1)))
    {
        for tag in [0, 1] {
            let mut bytes = zeros.clone();
            bytes[0] = tag;
            bytes[at] = byte;
            found.extend(read(&bytes));
        }
    }
    found.sort();
    found.dedup();
    found.truncate(200);
    found
}

/// The studies of the demo.
fn demos() -> Vec<Study> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    study_files()
        .into_iter()
        .map(|bytes| Study::parse(&text(bytes)).expect("a study of the demo"))
        .collect()
}

fn studies() -> Vec<Vec<u8>> {
    demos().iter().map(Study::to_bytes).collect()
}

/// A notice that was read is of one form or another: whether it is one, is asked of it.
fn notice(bytes: &[u8]) -> bool {
    if let Ok(signed) = SignedNotice::from_bytes(bytes)
        && signed.check().is_ok()
        && let Some(offer) = signed.notice.offer()
    {
        assert!(!offer.size().is_empty() && !offer.readers().is_empty());
        assert!(offer.columns.iter().all(|told| !told.cells()[0].is_empty()));
    }
    one_byte_string::<SignedNotice>(bytes)
}

fn notices() -> Vec<Vec<u8>> {
    let told = |column: &str, kind| Told {
        column: column.into(),
        kind,
        label: Some("what it is".into()),
        unit: Some("mg/dL".into()),
        substance: None,
        min: None,
        max: None,
        uses: vec![Use::Filter, Use::Weight],
        levels: Vec::new(),
        years: None,
    };
    let mut seen = told("seen", Type::Date);
    seen.years = Some(Years {
        first: 2011,
        last: 2019,
    });
    let mut sex = told("sex", Type::Category);
    sex.levels = vec!["f".into(), "m".into()];
    let offer = Offer {
        researchers: Recipients::Named(vec!["jane".into()]),
        rows: 1200,
        rounded_to: 100,
        columns: vec![seen, sex],
    };
    [Word::Published(offer), Word::Withdrawn]
        .into_iter()
        .map(|word| {
            let notice = Notice {
                site: NodeId([3; 16]),
                dataset: "stroke".into(),
                number: 2,
                when_ms: 5,
                word,
            };
            notice.sign(&SecretKey::from_seed([7; 32])).to_bytes()
        })
        .collect()
}

fn recipes() -> Vec<Vec<u8>> {
    demos()
        .iter()
        .map(|study| study.recipe.to_bytes())
        .chain(grown::<Recipe>())
        .collect()
}

fn states() -> Vec<Vec<u8>> {
    let start =
        |study: &Study| with_roster(|roster, _| Chain::start(study, roster).state().to_bytes());
    demos().iter().map(start).chain(grown::<State>()).collect()
}

/// A coordinator and four hospitals, with everything they said in a round.
fn round() -> (Lie, Evidence, Vec<Message>) {
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    let all = lie.all();
    let proposal = lie.proposal(&all);
    lie.open_with(&all, &proposal);
    let evidence = lie.evidence(&proposal);
    let sum = lie.sum(&evidence);
    let released = lie.released(&evidence, &sum);
    let (heard, plan) = (&lie.heard, lie.plan.clone().expect("a plan"));
    let mut said = vec![
        Message::Plan(plan),
        Message::AdvertSet(lie.adverts()),
        Message::Delivery(lie.delivery(0)),
        Message::RevealRequest(lie.request(&proposal)),
        Message::Proposal(proposal),
        Message::Released(released),
    ];
    said.extend(heard.adverts.values().next().cloned().map(Message::Advert));
    said.extend(heard.shares.values().next().cloned().map(Message::Shares));
    said.extend(heard.headers.values().next().cloned().map(Message::Header));
    said.extend(heard.signed.first().cloned().map(Message::SetSign));
    said.extend(heard.replies.first().cloned().map(Message::RevealReply));
    (lie, evidence, said)
}

fn messages() -> Vec<Vec<u8>> {
    let said = round().2;
    said.iter()
        .map(Message::to_bytes)
        .chain(grown::<Message>())
        .collect()
}

fn message(bytes: &[u8]) -> bool {
    one_byte_string::<Message>(bytes);
    let Ok(message) = Message::from_bytes(bytes) else {
        return false;
    };
    with_roster(|roster, mirror| match &message {
        Message::Plan(plan) => {
            let _ = plan.plan.pin();
            if let Ok(terms) = Terms::new(plan.clone(), roster) {
                let shape = terms.shape();
                let _ = (
                    shape.chunks(),
                    shape.total_bytes(),
                    shape.data(usize::MAX),
                    terms.witness_quorum(),
                );
            }
        }
        Message::AdvertSet(set) => {
            let _ = set.t1();
        }
        Message::Stands(stands) => drop(mirror.check(&stands.checkpoint, roster)),
        _ => {}
    });
    true
}

fn evidences() -> Vec<Vec<u8>> {
    let mut seeds = vec![round().1.to_bytes()];
    seeds.extend(grown::<Evidence>());
    seeds
}

fn evidence(bytes: &[u8]) -> bool {
    one_byte_string::<Evidence>(bytes);
    let Ok(evidence) = Evidence::from_bytes(bytes) else {
        return false;
    };
    drop((
        evidence.upload_bytes(),
        evidence.set(),
        evidence.shape().chunks(),
    ));
    let checked = with_roster(|roster, _| {
        evidence.check(&roster.coordinator, |node| {
            roster.entry(node).map(|entry| entry.identity)
        })
    });
    if checked.is_ok() {
        drop(evidence.removals());
    }
    true
}

fn vaults() -> Vec<Vec<u8>> {
    let (lie, ..) = round();
    let root = lie.root();
    let kept = (0..4)
        .filter_map(|site| lie.nodes[site].kept(&root))
        .map(|kept| kept.to_bytes().to_vec());
    kept.collect()
}

fn vault(bytes: &[u8]) -> bool {
    let kept = Kept::from_bytes(bytes);
    let accepted = kept.is_ok();
    if let Ok(kept) = kept {
        assert_eq!(
            kept.to_bytes().as_slice(),
            bytes,
            "a second byte string of one value"
        );
    }
    if let Ok(member) = with_roster(|roster, _| Member::restore(bytes, roster)) {
        drop((member.say_again(), member.needs_answer()));
    }
    accepted
}

/// Entries of the coordinator's ledger, which only it knows, in front of a reader that is shown
/// any: a backup's.
fn coordinator_entry(bytes: &[u8]) -> bool {
    !motet_coordinator::backup::names("study/x/y", bytes).is_empty()
}

fn coordinator_entries() -> Vec<Vec<u8>> {
    // The tag of each kind of entry before zeros, and before what a round writes down.
    let zeros = (0..16_u8).flat_map(|tag| {
        [8, 16, 25, 40, 64, 80].map(|length| [&[tag][..], &vec![0; length]].concat())
    });
    let rounds = grown::<Entry>()
        .into_iter()
        .map(|entry| [&[6][..], &entry].concat());
    zeros.chain(rounds).collect()
}

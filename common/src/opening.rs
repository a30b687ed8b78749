//! The sets of sites that one site has signed, beyond one study: two sums over the same data whose
//! sets differ in a site or two show by subtraction what those sites say alone, whatever the
//! studies are called and whatever they filter.

use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use std::fmt;

canonical! {
    /// What a study reads at this site.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Reading {
        /// The dataset's name.
        pub dataset: String,
        /// Where its file lies, as the site named it.
        pub source: String,
        /// Where that leads: elsewhere, where it is a link.
        pub target: String,
        /// A digest of what the file holds, under a key of this site.
        pub content: Digest,
    }
}

canonical! {
    /// What a steward lets two sums together tell of.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Lifted {
        /// Sites by name that the card gave as the whole difference of two sums: all of a line
        /// together, and no part of it.
        pub lines: Vec<Vec<String>>,
        /// Sites that the steward named herself: each alone, and any of them together.
        pub named: Vec<String>,
    }
}

impl Lifted {
    /// Whether two sums may differ in exactly these sites.
    fn covers(&self, sites: &[String]) -> bool {
        // A site that joined again stands twice in a line, once as it was.
        let sought = in_order(sites);
        self.lines.iter().any(|line| in_order(line) == sought)
            || sites.iter().all(|site| self.named.contains(site))
    }
}

canonical! {
    /// A set that this site was about to sign: from then on the others may open it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Opening {
        /// The study's name.
        pub study: String,
        /// Digest of everything it fixes.
        pub digest: Digest,
        /// Digest of its roster.
        pub roster: Digest,
        /// What it read.
        pub reading: Reading,
        /// The sites of the set, with their names then.
        pub set: Vec<(NodeId, String)>,
    }
}

/// A sum of another study over the same data, of nearly the sites of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The study.
    pub id: String,
    /// The sites that are in one of the two alone, by name.
    pub sites: Vec<String>,
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.id;
        let sites = self.sites.join(", ");
        write!(
            f,
            "study `{id}` opened a sum over the same data; both together \
             would show what {sites} alone would say"
        )
    }
}

impl Reading {
    /// Whether both read one dataset: the same name, the same place or the same content, any one
    /// suffices. They need no column in common: the numbers of patients would differ all the same,
    /// and one column can be computed from another.
    pub fn shares(&self, other: &Self) -> bool {
        let mut places = [&self.source, &self.target].into_iter();
        self.dataset == other.dataset
            || places.any(|place| [&other.source, &other.target].contains(&place))
            || self.content == other.content
    }
}

impl Opening {
    /// Whether it belongs to another study, or another roster of it, that reads some of the same.
    pub fn is_beside(&self, study: &Digest, roster: &Digest, reading: &Reading) -> bool {
        (self.digest, self.roster) != (*study, *roster) && self.reading.shares(reading)
    }

    /// The sites that are in one of the two sets alone, by name, where they are fewer than `least`:
    /// of them both sums together would tell.
    fn tells(&self, set: &[NodeId], least: usize, roster: &Roster) -> Option<Vec<String>> {
        let left = self
            .set
            .iter()
            .filter(|(node, _)| !set.contains(node))
            .map(|(_, name)| name.clone());
        let came = set
            .iter()
            .filter(|node| !self.set.iter().any(|(known, _)| known == *node));
        let came = came.map(|node| {
            roster
                .entry(*node)
                .map_or_else(|| node.to_string(), |entry| entry.name.clone())
        });
        let differ: Vec<String> = left.chain(came).collect();
        (1..least).contains(&differ.len()).then_some(differ)
    }

    /// Whether a set comes near this one in sites of which the steward lets both tell.
    pub fn is_lifted(
        &self,
        set: &[NodeId],
        least: usize,
        roster: &Roster,
        lifted: &Lifted,
    ) -> bool {
        self.near(set, least, roster)
            .is_some_and(|near| lifted.covers(&near.sites))
    }

    /// Holds a set against this one: fewer than `least` sites may not be all that differs.
    ///
    /// # Errors
    /// `question_repeated`, with the study and the sites.
    pub fn check(&self, set: &[NodeId], least: usize, roster: &Roster) -> Result<(), Refusal> {
        match self.near(set, least, roster) {
            Some(near) => Err(Refusal::new(Code::QuestionRepeated, near.to_string())),
            None => Ok(()),
        }
    }

    /// The study, and those sites by name, where both sums together tell of so few.
    pub fn near(&self, set: &[NodeId], least: usize, roster: &Roster) -> Option<Near> {
        let sites = self.tells(set, least, roster)?;
        Some(Near {
            id: self.study.clone(),
            sites,
        })
    }
}

fn in_order(sites: &[String]) -> Vec<String> {
    let mut sites = sites.to_vec();
    sites.sort();
    sites
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Entry, HubKeys, SiteKeys};
    use motet_secagg::sign::SecretKey;

    fn reading(dataset: &str, source: &str, content: u8) -> Reading {
        Reading {
            dataset: dataset.into(),
            source: source.into(),
            target: source.into(),
            content: Digest([content; 32]),
        }
    }

    #[test]
    fn one_name_one_place_or_one_content_is_one_dataset_whatever_is_read_of_it() {
        let first = reading("heart", "/data/h.csv", 1);
        for (other, shares) in [
            (reading("heart", "/data/new.csv", 2), true),
            (reading("again", "/data/h.csv", 2), true),
            (reading("again", "/data/copy.csv", 1), true),
            (reading("again", "/data/copy.csv", 2), false),
        ] {
            assert_eq!(first.shares(&other), shares, "{other:?}");
            assert_eq!(other.shares(&first), shares);
        }
        // A link of another name that led to the file, and the file that a link leads to.
        for (source, target) in [
            ("/data/link.csv", "/data/h.csv"),
            ("/data/h.csv", "/data/2.csv"),
        ] {
            let link = Reading {
                target: target.to_owned(),
                ..reading("again", source, 2)
            };
            assert!(first.shares(&link) && link.shares(&first), "{link:?}");
        }
    }

    #[test]
    fn sets_that_differ_in_fewer_sites_than_a_sum_may_hold_tell_of_them() {
        let keys = |n: u8| {
            let public = |seed: u8| SecretKey::from_seed([seed; 32]).public();
            SiteKeys {
                identity: public(n),
                steward: public(n + 100),
                witness: public(n + 150),
            }
        };
        let mut entries: Vec<Entry> = (1..=5)
            .map(|n| Entry::new(&format!("site-{n}"), "NL", keys(n)))
            .collect();
        entries.sort_by_key(|entry| entry.node);
        // The last one of the opening is in no roster any more.
        let gone = (NodeId([0xff; 16]), "gone".to_owned());
        let first: Vec<(NodeId, String)> = entries
            .iter()
            .take(4)
            .map(|entry| (entry.node, entry.name.clone()))
            .chain([gone.clone()])
            .collect();
        let (nodes, fifth) = (
            first.iter().map(|(node, _)| *node).collect::<Vec<_>>(),
            entries[4].clone(),
        );
        let hub = HubKeys {
            signing: keys(60).identity,
            log: keys(61).identity,
        };
        let roster = Roster::new("one", 1, hub, "Stroke Europe", entries).unwrap();
        let opening = Opening {
            study: "one".into(),
            digest: Digest([1; 32]),
            roster: Digest([2; 32]),
            reading: reading("heart", "/data/h.csv", 1),
            set: first.clone(),
        };
        let tells = |set: &[NodeId]| opening.tells(set, 3, &roster);
        assert_eq!(tells(&nodes), None, "the same set says nothing new");
        assert_eq!(tells(&nodes[..4]), Some(vec![gone.1.clone()]));
        assert_eq!(tells(&nodes[1..]), Some(vec![first[0].1.clone()]));
        let with = |nodes: &[NodeId]| [nodes, &[fifth.node]].concat();
        assert_eq!(tells(&with(&nodes)), Some(vec![fifth.name.clone()]));
        // One left and another came: the difference of the two.
        assert_eq!(
            tells(&with(&nodes[..4])),
            Some(vec![gone.1, fifth.name.clone()])
        );
        assert_eq!(
            tells(&nodes[..2]),
            None,
            "three sites are a sum that anybody may ask for"
        );
    }

    #[test]
    fn what_the_card_names_together_is_lifted_together_and_never_one_of_it_alone() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<String>>()
        };
        let lifted = Lifted {
            lines: vec![names(&["a", "b"]), names(&["c"]), names(&["g", "g"])],
            named: names(&["d", "e"]),
        };
        for (sites, covers) in [
            (&["b", "a"][..], true),
            (&["c"], true),
            (&["d"], true),
            (&["e", "d"], true),
            (&["g", "g"], true),
            (&["a"], false),
            (&["g", "a"], false),
            (&["a", "b", "c"], false),
            (&["c", "d"], false),
            (&["f"], false),
        ] {
            assert_eq!(lifted.covers(&names(sites)), covers, "{sites:?}");
        }
    }

    #[test]
    fn a_studys_own_sets_are_its_chains_affair_and_another_rosters_are_not() {
        let data = reading("heart", "/data/h.csv", 1);
        let (digest, roster) = (Digest([1; 32]), Digest([2; 32]));
        let opening = Opening {
            study: "one".into(),
            digest,
            roster,
            reading: data.clone(),
            set: Vec::new(),
        };
        assert!(!opening.is_beside(&digest, &roster, &data));
        assert!(opening.is_beside(&digest, &Digest([3; 32]), &data));
        assert!(opening.is_beside(&Digest([3; 32]), &roster, &data));
    }
}

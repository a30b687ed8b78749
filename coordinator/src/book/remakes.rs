//! Who made the folder of the result again before it is on record, and who did not come to it.

use super::Book;
use motet_common::proof::Check;
use motet_common::round::witness_quorum;
use motet_release::FORMAT;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Draft, MadeOf, NotRemade, Remade};
use motet_secagg::sign::SecretKey;
use std::collections::BTreeMap;

/// What sites said of the folder.
#[derive(Default)]
pub(crate) struct Remakes {
    same: BTreeMap<NodeId, Remade>,
    /// Sites that did not come to it, with the form in which they write. Not on record: they say it
    /// again when they are asked again.
    other: BTreeMap<NodeId, u32>,
}

impl Remakes {
    /// A site made it again.
    pub(crate) fn note(&mut self, remade: Remade) {
        self.other.remove(&remade.node);
        self.same.insert(remade.node, remade);
    }

    /// The sites' words, sorted by site.
    pub(crate) fn words(&self) -> Vec<Check> {
        let word = |remade: &Remade| Check {
            node: remade.node,
            signature: remade.signature,
        };
        self.same.values().map(word).collect()
    }

    /// Sites that made it again.
    pub(crate) fn same(&self) -> usize {
        self.same.len()
    }

    /// Whether a site made it again.
    pub(crate) fn has_same(&self, node: NodeId) -> bool {
        self.same.contains_key(&node)
    }

    /// Sites that write folders in another form.
    pub(crate) fn of_another_form(&self, form: u32) -> impl Iterator<Item = NodeId> {
        let other = self.other.iter();
        other
            .filter(move |(_, own)| **own != form)
            .map(|(node, _)| *node)
    }

    /// Sites that came to another folder.
    pub(crate) fn differ(&self, form: u32) -> impl Iterator<Item = NodeId> {
        let other = self.other.iter();
        other
            .filter(move |(_, own)| **own == form)
            .map(|(node, _)| *node)
    }
}

impl Book {
    /// How many sites have yet to make the folder again before it is on record.
    pub(crate) fn remakes_missing(&self) -> usize {
        self.remakes_due().saturating_sub(self.remakes.same())
    }

    fn remakes_due(&self) -> usize {
        let roster = self.roster();
        witness_quorum(roster.entries.len(), usize::from(roster.colluders))
    }

    /// Whether so many sites said no, or follow the study not, that enough cannot come.
    pub(crate) fn cannot_be_remade(&self) -> bool {
        let may = |node: &NodeId| {
            self.remakes.has_same(*node)
                || self.approved(*node) && !self.remakes.other.contains_key(node)
        };
        self.roster().nodes().filter(may).count() < self.remakes_due()
    }

    /// Whether a site made this folder again, and says so for the first time.
    pub(crate) fn is_remake(&self, remade: &Remade) -> bool {
        let known = self.made_of().zip(self.roster().entry(remade.node));
        !self.remakes.has_same(remade.node)
            && known.is_some_and(|(of, entry)| remade.is_signed_by(&of, &entry.identity))
    }

    /// A site did not come to this folder.
    pub(crate) fn did_not_remake(&mut self, node: NodeId, not: &NotRemade) {
        let of = self.made_of().map(|of| (of.study, of.publication));
        if of == Some((not.study, not.publication))
            && !self.remakes.has_same(node)
            && self.roster().entry(node).is_some()
        {
            self.remakes.other.insert(node, not.format);
        }
    }

    /// Whether the result is fixed: in the form that this software writes, or on record already.
    pub(crate) fn is_fixed(&self) -> bool {
        let publishing = self.publishing.as_ref();
        publishing.is_some_and(|of| of.format == FORMAT) || self.published().is_some()
    }

    /// What the result's folder is made of.
    fn made_of(&self) -> Option<MadeOf> {
        Some(MadeOf {
            study: self.digest,
            roster: self.roster().digest(),
            release: self.past.last()?.released.leaf_hash(),
            publication: self.publication()?.leaf_hash(),
        })
    }

    /// The result as sites are to make it again: fixed, and not yet on record.
    pub(crate) fn draft(&self, key: &SecretKey) -> Option<Draft> {
        let publishing = self.publishing.as_ref()?;
        let leaf = self.publication_leaf()?;
        (self.run.is_some() && self.published().is_none()).then(|| Draft {
            stands: self.stands(key),
            publication: leaf,
            files: publishing
                .files
                .iter()
                .map(|file| (file.name.clone(), file.sha256))
                .collect(),
        })
    }

    /// Who made the folder again, for people: "remade by 3 of the roster's 4 sites".
    pub(crate) fn remade_by(&self) -> String {
        let form = self
            .publishing
            .as_ref()
            .map_or(FORMAT, |publishing| publishing.format);
        let mut said = format!(
            "remade by {} of the roster's {} sites",
            self.remakes.same(),
            self.roster().entries.len()
        );
        for (nodes, what) in [
            (
                self.remakes.of_another_form(form).collect::<Vec<_>>(),
                "write releases in another format",
            ),
            (
                self.remakes.differ(form).collect(),
                "DID NOT COME TO THIS FOLDER (their own logs say why)",
            ),
        ] {
            if !nodes.is_empty() {
                said.push_str(&format!("; {} {what}", self.names(&nodes).join(", ")));
            }
        }
        said
    }
}

//! Why a run is held between two rounds: for what, for whom, until when, what happens then, and
//! what the operator can do.

use crate::book::Book;
use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_program::clock::time_of_day;
use motet_secagg::id::{NodeId, RunId};

/// A run that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) reason: Reason,
    /// Whom it waits for.
    pub(crate) awaited: Vec<NodeId>,
    /// When something happens whether they come or not; nothing where only they can help.
    pub(crate) until: Option<Moment>,
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Sites for the first round.
    Beginning {
        /// Whether enough are there for one without the others.
        enough: bool,
        /// Those that their stewards stopped.
        stopped: Vec<NodeId>,
    },
    /// Sites of an exact run, which keeps them.
    ItsSites,
    /// Sites that may have answered the present question already.
    SameSites,
    /// Sites that make the last sum again: that many more.
    Checks(usize),
    /// Sites that make the folder of the result again: that many more.
    Remakes(usize),
    /// Sites that cosign the checkpoint over the result.
    Witnesses,
    /// A disk that can be written; the text is what the system said.
    Storage(String),
    /// A program without this fault; the text is what it found.
    Internal(String),
}

impl Pause {
    /// For what and for whom it waits, until when, and what happens then.
    pub(crate) fn why(&self, book: &Book) -> String {
        let names = self
            .awaited
            .iter()
            .map(|node| self.named(book, *node))
            .collect::<Vec<_>>()
            .join(", ");
        // Reasons that nothing ends have no such moment, and their sentences none either.
        let until = self.until.map_or_else(String::new, clock);
        let or_ends = |code: &str| format!("until {until}, then the run ends with `{code}`");
        match &self.reason {
            Reason::Beginning { enough: true, .. } if self.until.is_some() => {
                format!("waits for {names} until {until}, then begins without them")
            }
            Reason::Beginning { enough: true, .. } => {
                format!(
                    "waits for {names}, however long: {} begins without them",
                    without(book)
                )
            }
            Reason::Beginning { enough: false, .. } => {
                format!(
                    "waits for {names}, however long: too few sites are there to begin without them"
                )
            }
            Reason::ItsSites => {
                format!(
                    "waits for {names}, which belong to the sum that is gone on from, {}",
                    or_ends("site_lost")
                )
            }
            Reason::SameSites => format!(
                "waits for {names}, because only the sites that may have answered this question can answer it \
                 again, {}",
                or_ends("site_lost")
            ),
            Reason::Checks(missing) => {
                format!(
                    "waits until {missing} of {names} have recomputed the sum, {}",
                    or_ends("too_few_checks")
                )
            }
            Reason::Remakes(_) if book.cannot_be_remade() => format!(
                "held: {}, and too few sites are left to sign the release",
                book.remade_by()
            ),
            Reason::Remakes(missing) => format!(
                "waits until {missing} more sites have made the release \
                 again, however long: {}; waits for {names}",
                book.remade_by()
            ),
            Reason::Witnesses if self.until.is_none() => format!(
                "waits for {names} to witness the log, however long: more sites \
                 than may collude must have cosigned a result"
            ),
            Reason::Witnesses => format!(
                "waits for {names} to witness the log until {until}, then the result is published without them"
            ),
            Reason::Storage(error) => format!("storage: {error}; the next try is at {until}"),
            Reason::Internal(what) => format!("internal: {what}; the next try is at {until}"),
        }
    }

    /// What the operator can do.
    pub(crate) fn next(&self, book: &Book, run: RunId) -> String {
        let (names, study) = (book.names(&self.awaited).join(", "), &book.study.id);
        let gives_up = format!("`motet run abandon {run}` gives the run up");
        let call = format!(
            "call {names} (`motet study show {study}` says who has decided and who is away)"
        );
        match &self.reason {
            Reason::Beginning { enough: true, .. } if self.until.is_some() => {
                format!("{call}, or let the time pass; {gives_up}")
            }
            Reason::Beginning { enough: true, .. } => {
                format!(
                    "{call}, or leave them out for good: {}; {gives_up}",
                    without(book)
                )
            }
            Reason::Beginning { enough: false, .. } => format!("{call}; {gives_up}"),
            Reason::ItsSites | Reason::SameSites => {
                format!(
                    "{call}; a later `motet run start {study}` goes on from the last sum; {gives_up}"
                )
            }
            Reason::Checks(_) => {
                format!("call {names} (`motet-node status` there says what is wrong); {gives_up}")
            }
            Reason::Remakes(_) => format!(
                "call {names} (`motet-node status` there says what is wrong); {gives_up}, \
                 and a later `motet run start {study}` goes on from \
                 the fixed result"
            ),
            Reason::Witnesses if self.until.is_none() => format!("{call}; {gives_up}"),
            Reason::Witnesses => "nothing: it goes on by itself".to_owned(),
            Reason::Storage(_) => {
                "free space on the coordinator's disk, or let its user write there; it goes on by \
                                   itself and needs no restart"
                    .to_owned()
            }
            Reason::Internal(_) => Code::Internal.next().to_owned(),
        }
    }

    /// A site and, before the first round, what is missing of it.
    fn named(&self, book: &Book, node: NodeId) -> String {
        let name = book.name(node);
        match &self.reason {
            Reason::Beginning { stopped, .. } if book.approved(node) && stopped.contains(&node) => {
                format!("{name} (stopped by its steward)")
            }
            Reason::Beginning { .. } if book.approved(node) => format!("{name} (not connected)"),
            Reason::Beginning { .. } => format!("{name} (its steward has not decided)"),
            _ => name,
        }
    }
}

/// What lets a run begin without the sites it waits for.
fn without(book: &Book) -> String {
    format!("`motet run start {} --without-undecided`", book.study.id)
}

/// A moment as a person reads it.
pub(crate) fn clock(moment: Moment) -> String {
    time_of_day(moment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::tests::{book, node};

    const UNTIL: Moment = Moment {
        ms: 1_795_392_000_000,
    };
    const RUN: RunId = RunId([0xab; 16]);

    fn said(reason: Reason, until: Option<Moment>) -> (String, String) {
        let book = book(4, &[1]);
        let pause = Pause {
            reason,
            awaited: vec![node(1), node(2)],
            until,
        };
        (pause.why(&book), pause.next(&book, RUN))
    }

    #[test]
    fn every_pause_says_for_whom_until_when_what_then_and_what_to_do() {
        let (call, ends, abandon) = (
            "call site-1, site-2",
            "until 00:00:00 UTC, then the run ends with",
            "`motet run abandon abab",
        );
        for (reason, then, can) in [
            (
                Reason::Beginning {
                    enough: true,
                    stopped: Vec::new(),
                },
                "until 00:00:00 UTC, then begins without them",
                call,
            ),
            (
                Reason::ItsSites,
                &format!("{ends} `site_lost`"),
                "`motet run start study` goes on",
            ),
            (Reason::SameSites, &format!("{ends} `site_lost`"), call),
            (
                Reason::Checks(2),
                &format!("{ends} `too_few_checks`"),
                "`motet-node status`",
            ),
        ] {
            let (why, next) = said(reason, Some(UNTIL));
            assert!(
                why.contains("site-1") && why.contains("site-2") && why.contains(then),
                "{why}"
            );
            assert!(next.contains(can) && next.contains(abandon), "{next}");
        }
    }

    #[test]
    fn a_run_that_cannot_begin_says_of_each_site_what_is_missing_and_names_no_end() {
        let (why, next) = said(
            Reason::Beginning {
                enough: false,
                stopped: Vec::new(),
            },
            None,
        );
        assert!(
            why.contains("site-1 (not connected), site-2 (its steward has not decided)"),
            "{why}"
        );
        assert!(
            why.contains("however long") && !why.contains("until"),
            "{why}"
        );
        assert!(
            next.starts_with("call site-1, site-2 (`motet study show study`"),
            "{next}"
        );
    }

    #[test]
    fn a_run_that_waits_for_stewards_names_them_and_the_flag_that_begins_without_them() {
        let (why, next) = said(
            Reason::Beginning {
                enough: true,
                stopped: vec![node(1)],
            },
            None,
        );
        assert!(
            why.contains("site-1 (stopped by its steward), site-2 (its steward has not decided)"),
            "{why}"
        );
        for said in [why, next] {
            assert!(
                said.contains("`motet run start study --without-undecided`"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_result_that_waits_for_its_witnesses_goes_on_by_itself() {
        let (why, next) = said(Reason::Witnesses, Some(UNTIL));
        assert!(
            why.contains("site-1, site-2 to witness the log until 00:00:00 UTC"),
            "{why}"
        );
        assert!(
            why.contains("published without them") && next.starts_with("nothing"),
            "{why} {next}"
        );
    }

    #[test]
    fn a_disk_that_cannot_be_written_is_named_with_the_next_try() {
        let (why, next) = said(
            Reason::Storage("cannot write `/state/ledger.sqlite`: full".into()),
            Some(UNTIL),
        );
        assert!(
            why.starts_with("storage: cannot write `/state/ledger.sqlite`"),
            "{why}"
        );
        assert!(
            why.contains("00:00:00 UTC")
                && next.contains("free space")
                && next.contains("no restart"),
            "{next}"
        );
    }
}

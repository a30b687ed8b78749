//! The card of a study: everything a steward needs to decide, in plain language, and the command
//! that approves it.

use super::ranges::joined;
use super::write::duration;
use super::{Floors, SiteLoss, Study, purpose_meaning};
use crate::opening::Near;
use crate::roster::Roster;
use motet_secagg::digest::Digest;
use motet_toml::cleaned;
use std::fmt::Write as _;

/// What the card needs besides the study: who asks, and with whom the sum would be formed.
#[derive(Debug, Clone, Copy)]
pub struct CardContext<'a> {
    /// Who proposed the study, name and role: the coordinator's word, for nothing that is signed
    /// names the proposer.
    pub proposer: &'a str,
    /// The governance-signed roster of the study; approving binds its digest.
    pub roster: &'a Roster,
    /// Earlier studies on the same dataset at this site, for what two sums together may show.
    pub earlier: &'a [Earlier],
    /// Sums over the same data that were opened for nearly the sites of this roster.
    pub near: &'a [Near],
    /// The node's folder, for the command to type.
    pub dir: &'a str,
    /// The site's own floors.
    pub floors: &'a Floors,
}

/// Characters of each digest that a steward types: nobody finds another text, or roster, that
/// begins alike.
const TYPED: usize = 16;

/// The two digests of a proposal, as a steward types them.
pub fn shortened(study: &Digest, roster: &Digest) -> String {
    let [study, roster] =
        [study, roster].map(|digest| digest.hex().chars().take(TYPED).collect::<String>());
    format!("{study}-{roster}")
}

/// What a fit of all patients, or of others, tells of those held out beside one without them.
const HELD_OUT: &str = "what the patients who are held out of one of them add up to at all sites together, \
    cells of one patient too, and what is not shown of them there";

/// An earlier study on the same dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its id.
    pub id: String,
    /// Sites of this study that were not in it.
    pub joined: Vec<String>,
    /// Sites that were in it and are not in this study.
    pub left: Vec<String>,
    /// Whether it asked exactly the same of them.
    pub same_question: bool,
    /// Whether one of both holds patients out whom the other does not: each text draws anew.
    pub others_held_out: bool,
}

impl Earlier {
    /// Whether both results together show what the sites that differ would say alone, or the patients
    /// who are held out of one of them.
    pub fn tells_apart(&self) -> bool {
        self.same_question && (self.others_held_out || self.differing().next().is_some())
    }

    /// The sites that are in one of both alone.
    pub fn differing(&self) -> impl Iterator<Item = &String> {
        self.joined.iter().chain(&self.left)
    }

    /// What both results together show.
    pub fn together(&self) -> String {
        let sites: Vec<&str> = self.differing().map(String::as_str).collect();
        let id = &self.id;
        let sites = sites.join(", ");
        let shown = match (sites.is_empty(), self.others_held_out) {
            (false, false) => format!("what {sites} alone would say"),
            (false, true) => format!("what {sites} alone would say, and {HELD_OUT}"),
            (true, _) => HELD_OUT.to_owned(),
        };
        format!("study `{id}` asked exactly this; both results together would show {shown}")
    }
}

/// A path as it is typed in a shell.
pub fn shell(path: &str) -> String {
    let path = cleaned(path);
    if path
        .chars()
        .all(|c| c.is_alphanumeric() || "/._-~".contains(c))
    {
        return path;
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

/// Line width of a terminal; long text is wrapped to it.
const WIDTH: usize = 100;

struct Card(String);

impl Card {
    fn title(&mut self, text: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "\n{text}\n");
    }

    /// One fact, wrapped and indented.
    fn fact(&mut self, text: &str) {
        let mut column = 0;
        for (i, line) in text.lines().enumerate() {
            if i > 0 {
                self.0.push('\n');
                column = 0;
            }
            for word in cleaned(line).split_whitespace() {
                let length = word.chars().count();
                if column == 0 {
                    self.0.push_str(if i == 0 { "  - " } else { "    " });
                    column = 4;
                } else if column + 1 + length > WIDTH {
                    self.0.push_str("\n    ");
                    column = 4;
                } else {
                    self.0.push(' ');
                    column += 1;
                }
                self.0.push_str(word);
                column += length;
            }
        }
        self.0.push('\n');
    }
}

impl Study {
    /// The card. Everything that came from other people is shown without control characters.
    pub fn card(&self, context: &CardContext<'_>) -> String {
        let mut card = Card(format!(
            "STUDY {}: {}\n",
            cleaned(&self.id),
            cleaned(&self.title)
        ));
        self.who_and_why(&mut card, context);
        self.which_data(&mut card);
        self.what_leaves(&mut card, context);
        self.with_whom(&mut card, context);
        self.limits(&mut card, context);
        self.not_protected(&mut card, context);
        card.title("TO DECIDE");
        card.fact(&format!("study digest   {}", self.root().hex()));
        card.fact(&format!("roster digest  {}", context.roster.digest().hex()));
        card.fact(
            "your approval is signed with your own key over these two digests: if \
            the study or the roster changes, it no longer holds",
        );
        let id = cleaned(&self.id);
        let dir = shell(context.dir);
        let short = shortened(&self.root(), &context.roster.digest());
        let told_apart = context.earlier.iter().any(Earlier::tells_apart);
        let again = if told_apart || !context.near.is_empty() {
            " --again"
        } else {
            ""
        };
        let _ = write!(
            card.0,
            "\n  approve:  motet-node study approve {id} --digest {short}{again} --dir {dir}\n  decline:  motet-node study decline {id} --why TEXT --dir {dir}\n"
        );
        card.0
    }

    fn who_and_why(&self, card: &mut Card, context: &CardContext<'_>) {
        card.title("WHO ASKS, AND WHY");
        card.fact(&format!(
            "proposed by {} (the coordinator says so; no signature names who proposes), in the consortium {}",
            context.proposer, context.roster.consortium
        ));
        // In one paragraph: no line of it can look like one of the card's own.
        let question = self
            .question
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        card.fact(&format!("the proposer writes: {question}"));
        let meaning = purpose_meaning(&self.purpose).unwrap_or("not a point this version knows");
        card.fact(&format!(
            "purpose, as the proposer states it and nobody here has checked: \
             Article {} of Regulation (EU) 2025/327: {meaning}",
            self.purpose
        ));
    }

    fn which_data(&self, card: &mut Card) {
        card.title("WHICH OF YOUR DATA");
        card.fact(&format!(
            "your dataset `{}`, read only, on your own machine; only the columns \
             named here are interpreted, and the patient \
             key if your schema names one, to leave out second rows",
            self.data.dataset
        ));
        for line in self.explains() {
            card.fact(&line);
        }
        let features: Vec<String> = joined(&self.data.features)
            .into_iter()
            .map(|feature| match self.levels_of(&feature) {
                Some(levels) => format!("{feature} (one of {})", levels.join(", ")),
                None => feature,
            })
            .collect();
        card.fact(&format!("columns: {}", features.join(", ")));
        self.means().iter().for_each(|line| card.fact(line));
        self.judged_by().iter().for_each(|line| card.fact(line));
        self.holds_out().iter().for_each(|line| card.fact(line));
        match &self.data.filter {
            Some(filter) => card.fact(&format!(
                "patients: only those for whom {filter}; where a missing value leaves that open, left out"
            )),
            None => card.fact("patients: every row of the dataset that has what the study needs of it"),
        }
        card.fact(&format!(
            "how many of your patients that is, for you alone: motet-node data check {} \
             --study {}. Nobody who objected is left out here: \
             your file must not hold them",
            self.data.dataset, self.id
        ));
        card.fact(&format!(
            "when you approve, these columns of these patients are read, once, and kept \
             sealed in your node's folder until the \
             study is finished, or you withdraw; else \
             they go within two days after {}, while the \
             node runs. No answer comes from a row \
             that is read later: what changes in your file then changes nothing",
            self.ends
        ));
        card.fact(match () {
            _ if !self.recipe.method.keeps_missing() => {
                "a patient with a missing value in a used column is left out"
            }
            _ if self.data.outcome.is_some() => {
                "a patient without the outcome is left out; other values may be missing"
            }
            _ if self.data.group.is_some() => {
                "a patient without a group is left out; other values may be missing"
            }
            _ => "no patient is left out for a missing value",
        });
    }

    fn what_leaves(&self, card: &mut Card, context: &CardContext<'_>) {
        card.title("WHAT LEAVES YOUR SITE");
        card.fact(
            "in each round one masked vector, and another under new masks where a \
             round is tried again; masked, it looks like random \
             numbers to everyone",
        );
        let mut steps = self.vectors();
        steps.extend(self.judging_vectors(context.roster.entries.len()));
        let steps: Vec<String> = steps
            .iter()
            .map(|(step, numbers)| format!("{step}: {numbers}"))
            .collect();
        card.fact(&format!("numbers in one vector: {}", steps.join("; ")));
        card.fact(&format!(
            "what the vector adds up: {}",
            self.recipe.method.adds_up()
        ));
        self.census_tells()
            .iter()
            .chain(&self.judging_adds_up())
            .for_each(|line| card.fact(line));
        let survivors = self.survivors(context);
        let colluders = usize::from(context.roster.colluders);
        card.fact(&format!(
            "the coordinator, the operators of the consortium and every site of this \
             roster, also one that declined, can read the SUM \
             of at least {survivors} sites' \
             vectors; rows, patients and \
             your own vector in the clear do not leave"
        ));
        card.fact(&match colluders {
            0 => format!(
                "a site can subtract its own vector and so reads the sum of the others, of at least {}",
                survivors.saturating_sub(1)
            ),
            most => format!(
                "a site can subtract its own vector and so reads the sum of the others, \
                 of at least {}; {most} sites that work together \
                 read that of at least {}",
                survivors.saturating_sub(1),
                survivors.saturating_sub(most)
            ),
        });
        card.fact(
            "the coordinator hands your masked vector to the other sites of the \
             roster, which check the sum \
             with it, and to operators \
             while it is kept: it stays closed \
             but to whoever also has an \
             image of your node's memory of that round",
        );
        card.fact(&format!(
            "the finished result, made from these sums, goes to the operators of \
             the consortium and the sites of this study; {}. \
             The coordinator hands it out by \
             this list; what whoever has it \
             does with it is a matter of your agreements",
            self.recipients.words()
        ));
        card.fact(
            "the release names your site and its country: among those in the sum or, \
             where you decline or are away, among those that \
             were asked and are in no sum. Operators read your decision with its reason or its permit",
        );
        card.fact(&if self.recipe.has_model() {
            format!(
                "when the study is finished your node may also fit a model on your \
                 patients alone, to compare, and writes it with their \
                 number to `local/{}.json` in its folder; none of it is sent",
                self.id
            )
        } else {
            format!(
                "when the study is finished your node writes how many of your patients \
                 were in it to `local/{}.json` in its folder; it \
                 is not sent",
                self.id
            )
        });
    }

    fn with_whom(&self, card: &mut Card, context: &CardContext<'_>) {
        let entries = &context.roster.entries;
        card.title(&format!("WITH WHOM ({} SITES)", entries.len()));
        for entry in entries {
            card.fact(&format!(
                "{} ({}), identity key {}",
                entry.name,
                entry.country,
                entry.identity.fingerprint().hex()
            ));
        }
        if !self.sites.is_empty() {
            let extra = entries
                .iter()
                .map(|entry| &entry.name)
                .filter(|name| !self.sites.contains(name));
            for name in extra {
                card.fact(&format!(
                    "ATTENTION: {name} is in the roster, but the study does not name it; ask the operator why"
                ));
            }
            for name in self
                .sites
                .iter()
                .filter(|name| context.roster.named(name).is_none())
            {
                card.fact(&format!(
                    "{name} is named in the study, but is not in this roster: its data are not in the sum"
                ));
            }
        }
        card.fact(
            "compare a few of these fingerprints with the sites themselves, by \
            telephone: it is what keeps invented sites out",
        );
    }

    fn limits(&self, card: &mut Card, context: &CardContext<'_>) {
        card.title("LIMITS");
        card.fact(&format!(
            "your site answers until the end of {} (UTC), or until you withdraw: \
             motet-node study withdraw {} \
             --dir {}. What was opened \
             before stays, as does a vector \
             that had left whole; the \
             result is kept and handed out after that, too",
            self.ends,
            self.id,
            shell(context.dir)
        ));
        let colluders = context.roster.colluders;
        let survivors = self.survivors(context);
        let while_ = match colluders {
            0 => "this holds only if no site colludes with the coordinator".to_string(),
            most => format!("this holds while at most {most} of them collude with the coordinator"),
        };
        card.fact(&format!(
            "nothing is opened with fewer than {survivors} sites in the sum; {while_}"
        ));
        for line in self.applies(context.floors) {
            card.fact(&line);
        }
        let rounds = &self.rounds;
        card.fact(&format!(
            "the first round begins when every site that has not declined is there, \
             however long that takes, or when the operator \
             starts without them; then a round \
             waits {} to join, {} for keys, \
             {} for vectors, {} for signatures, {} to open",
            duration(rounds.join_s),
            duration(rounds.share_s),
            duration(rounds.upload_s),
            duration(rounds.sign_s),
            duration(rounds.reveal_s)
        ));
    }

    fn not_protected(&self, card: &mut Card, context: &CardContext<'_>) {
        card.title("WHAT IS NOT PROTECTED");
        card.fact(
            "the sum is shown as it is, without added noise: where few patients \
             of ALL sites together fall into a cell of a \
             count or histogram, the sum shows that small number",
        );
        for line in self
            .recipe
            .method
            .shows()
            .into_iter()
            .chain(self.judging_shows())
        {
            card.fact(&line);
        }
        card.fact(
            "this site leaves, like any that is lost, also where the permit of its \
             approval is over or its node.toml does not let it \
             answer any more while the study runs; what was opened before stays",
        );
        match self.rounds.on_site_loss {
            SiteLoss::Continue => card.fact(
                "if a site leaves in the middle of a run, the others go on without \
                 it, once and for good: comparing the sums \
                 before and after shows that site's \
                 own statistics. Approving \
                 accepts this for your site too. When a second \
                 site leaves, the run waits for it and then ends",
            ),
            SiteLoss::Pause => card.fact(
                "if a site leaves in the middle of a run, the run waits for it and \
                 then ends; a new run without it, compared \
                 with this one, would show roughly that site's own statistics",
            ),
        }
        let averages = !self.recipe.exact() && self.recipe.census.is_some();
        if self.rounds.on_site_loss == SiteLoss::Continue && averages {
            card.fact(
                "of a site that leaves while a model is averaged the release alone \
                 tells its rows, its means and how many have the \
                 outcome: the model keeps mean and \
                 standard deviation of the columns \
                 over all sites, and its rows and measures are \
                 those of the sites that are left",
            );
        }
        if context.roster.colluders == 0 {
            card.fact(
                "a site that tells the coordinator its own part lets it learn the sum of the other sites",
            );
        } else if context.roster.h_min < 3 {
            card.fact(&format!(
                "if {} of the sites collude and one drops out, your vector may be \
                 mixed with that of one other honest site only",
                context.roster.colluders
            ));
        }
        self.opened_before(card, context.near);
        if context.earlier.is_empty() {
            card.fact(&format!(
                "no other study on a dataset called `{}` was approved at this node; one \
                 over the same file under another name is told of \
                 here where this site signed a sum of it over nearly these sites",
                self.data.dataset
            ));
        }
        for earlier in context.earlier {
            card.fact(&format!(
                "earlier study {} asks for this dataset, too; sites new in the roster since \
                 then: {}; no longer in the \
                 roster: {}. Where one site alone \
                 differs, comparing both results shows roughly its statistics",
                earlier.id,
                names(&earlier.joined),
                names(&earlier.left)
            ));
            if earlier.tells_apart() && earlier.others_held_out {
                card.fact(&format!(
                    "ATTENTION: study {} asked EXACTLY THE SAME and held other patients out, or none: \
                     both results together show {HELD_OUT}. Approving takes the word `--again`",
                    earlier.id
                ));
            }
            if earlier.tells_apart() && earlier.differing().next().is_some() {
                card.fact(&format!(
                    "ATTENTION: study {} asked EXACTLY THE SAME of other sites: both \
                     results together show what the sites that \
                     differ would say alone. Approving takes the word `--again`",
                    earlier.id
                ));
            }
        }
    }

    /// What the sets that were opened say: who is in a sum, no roster tells.
    fn opened_before(&self, card: &mut Card, near: &[Near]) {
        for near in near {
            card.fact(&format!(
                "ATTENTION: {near}. Approving takes the word `--again`"
            ));
        }
        card.fact(&format!(
            "where a sum of this study would differ from one of another study over \
             the same data by fewer than {} sites (or your own \
             `min_sites`, if that is more), this \
             node does not sign it, unless you \
             approve with `--again` and those sites are named \
             here, or by you: `--again=SITE`. If \
             YOUR site is the one that stayed \
             away from one of the two, the stewards of the others \
             decide that with their `--again`, and you are not asked",
            self.privacy.min_sites
        ));
    }

    /// Sites that must stay in a sum, by the roster's own numbers; never below the study's
    /// `min_sites`.
    fn survivors(&self, context: &CardContext<'_>) -> usize {
        let roster = context.roster;
        let floor = self.privacy.min_sites as usize;
        let thresholds = motet_secagg::threshold::Thresholds::of(
            roster.entries.len(),
            roster.entries.len(),
            roster.colluders.into(),
            roster.h_min.into(),
            floor,
        );
        thresholds.map_or_else(
            |too_small| too_small.needed,
            |thresholds| thresholds.survivors,
        )
    }
}

/// Sites in a sentence.
fn names(list: &[String]) -> String {
    if list.is_empty() {
        "none".to_owned()
    } else {
        list.join(", ")
    }
}

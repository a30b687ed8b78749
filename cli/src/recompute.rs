//! A run's sums, made again by a person: each stands in the study's log with its set before it,
//! answers the question that follows from the sums before, and follows bit for bit from the masked
//! uploads that the sites signed, as far as the coordinator still keeps them.
//!
//! ```text
//! governance key -> roster -> log key -> checkpoint over all leaves -> Commit, Release of each round
//!                      `----> identity keys -> evidence -> masked uploads -> the same sum
//! ```

use crate::args::Read;
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, Rounds};
use crate::output::{Out, count, short, shown};
use motet_common::audit::Audit;
use motet_common::chain::Chain;
use motet_common::checks::{Due, Latest};
use motet_common::log::{Leaf, MOST_LEAVES, Mirror, leaf_of};
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::{Roster, SignedRoster};
use motet_common::round::member::Expected;
use motet_common::study::Study;
use motet_proto::refusal::refusal;
use motet_proto::uploads::{Gathering, UploadsError};
use motet_proto::v1;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use motet_secagg::id::RunId;
use motet_secagg::mask::chunk_words;
use motet_secagg::message::Released;
use motet_secagg::note::Note;
use serde_json::{Value, json};

/// The largest sum or evidence that is fetched: adverts and bundles of the largest line-up, and
/// room.
const MOST_BYTES: usize = 1 << 30;

/// What is audited: a study as governance signed its roster, its log, and the sums up to the last
/// one of the run.
struct Subject {
    study: Study,
    roster: Roster,
    log: Mirror,
    sums: Vec<Sum>,
}

/// Where the sums before have led: the states so far, and the last sum with what is due of it
/// before the next is asked for.
struct Standing {
    chain: Chain,
    latest: Option<Latest>,
}

/// One released sum.
struct Sum {
    run: RunId,
    round: u64,
    released: Released,
}

/// What came of making one sum again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It is the same, bit for bit.
    Same,
    /// The coordinator does not keep what it was made from.
    NotKept(&'static str),
    /// The coordinator does not hand out what it has to keep.
    Withheld(&'static str),
    /// It does not hold.
    Wrong(Refusal),
}

/// `motet ledger verify --recompute RUN`
///
/// # Errors
/// `sum_mismatch` for a sum that is another, `set_not_logged` and `log_inconsistent` for one that
/// the log does not tell of, `bad_signature`; a failure when no sum at all could be made again.
pub async fn run(read: &Read, given: &str) -> Done {
    let out = Out::new(read.json);
    let identity = Identity::open(read.who.identity.as_deref())?;
    let (mut desk, mut rounds) = identity.lines().await?;
    let runs = desk
        .list_runs(v1::ListRunsRequest {
            study: String::new(),
        })
        .await?
        .into_inner()
        .runs;
    let (study, run) = pick(runs, given)?;
    let subject = subject(&identity, &mut desk, &mut rounds, &study, run).await?;
    let origin = subject.log.log().origin().to_owned();
    let leaves = subject.log.size();
    out.heading(format!(
        "Sums of `{}` up to run {}",
        shown(&study),
        run.hex()
    ));
    let mut verdicts = Vec::new();
    let mut standing = Some(Standing {
        chain: Chain::start(&subject.study, &subject.roster),
        latest: None,
    });
    for sum in &subject.sums {
        let verdict = subject.judge(&mut rounds, sum, &mut standing).await?;
        out.line(line(sum, &verdict, run));
        verdicts.push(verdict);
    }
    let sums: Vec<Value> = subject
        .sums
        .iter()
        .zip(&verdicts)
        .map(|(sum, verdict)| value(sum, verdict))
        .collect();
    let facts = json!({
        "study": study, "run": run.hex(), "origin": origin, "leaves": leaves, "sums": sums,
        "made_again": verdicts.iter().filter(|verdict| **verdict == Verdict::Same).count(),
    });
    conclude(&subject.sums, &verdicts, run).map_err(|failure| failure.with_facts(facts.clone()))?;
    out.value(&facts);
    out.line(format!(
        "Every set and sum above stands in the log `{}` of {leaves} entries.",
        shown(&origin)
    ));
    Ok(())
}

/// The study and the run that are meant: the id of a study stands for its latest run.
fn pick(runs: Vec<v1::RunState>, given: &str) -> Done<(String, RunId)> {
    // Runs come latest first.
    let latest = runs.iter().find(|run| run.study == given);
    let mut fitting = runs
        .iter()
        .filter(|run| !given.is_empty() && run.run.starts_with(given));
    let found = match (latest, fitting.next(), fitting.next()) {
        (Some(run), ..) | (None, Some(run), None) => run,
        (None, None, _) => {
            return Err(Failure::refused(
                Code::RunUnknown,
                format!(
                    "no run begins with `{0}`, and no study `{0}` has one",
                    shown(given)
                ),
            ));
        }
        (None, Some(_), Some(_)) => {
            return Err(Failure::usage(
                format!("several runs begin with `{given}`"),
                "give more digits of the id",
            ));
        }
    };
    match RunId::from_hex(&found.run) {
        Ok(run) => Ok((found.study.clone(), run)),
        Err(_) => Err(Failure::failed(
            format!(
                "the coordinator names a run `{}`, which is no id of one",
                shown(&found.run)
            ),
            "its version may differ; see `motet --version`",
        )),
    }
}

/// The study in which the run released its sums: several texts may have had the same id one after
/// the other.
async fn subject(
    identity: &Identity,
    desk: &mut Desk,
    rounds: &mut Rounds,
    id: &str,
    run: RunId,
) -> Done<Subject> {
    let studies = desk
        .list_studies(v1::ListStudiesRequest { id: String::new() })
        .await?
        .into_inner()
        .studies;
    // A run that came to no sum of its own may have published what those before it came to.
    let mut others = None;
    for told in studies.into_iter().filter(|study| study.id == id) {
        let (study, roster) = trusted(identity, &told)?;
        let sums = releases(rounds, &study.root()).await?;
        if !sums.iter().any(|sum| sum.run == run) {
            others = (!sums.is_empty())
                .then_some((study, roster, sums))
                .or(others);
            continue;
        }
        // All of them: a run goes on from the sums of those before it, and which run a sum is of is
        // the coordinator's word.
        let log = log(rounds, &study, &roster, &sums).await?;
        return Ok(Subject {
            study,
            roster,
            log,
            sums,
        });
    }
    if let Some((study, roster, sums)) = others {
        let log = log(rounds, &study, &roster, &sums).await?;
        return Ok(Subject {
            study,
            roster,
            log,
            sums,
        });
    }
    Err(Failure::failed(
        format!("run `{}` of `{}` has released no sum", run.hex(), shown(id)),
        format!("`motet run show {}` says how far it is", short(&run.hex())),
    ))
}

/// The study and its roster, as far as the coordinator's word is not needed for them.
fn trusted(identity: &Identity, told: &v1::Study) -> Done<(Study, Roster)> {
    let wrong = |why: String| {
        Failure::refused(
            Code::BadSignature,
            format!("study `{}`: {why}", shown(&told.id)),
        )
    };
    let signed =
        SignedRoster::from_bytes(&told.roster).map_err(|error| wrong(error.to_string()))?;
    let roster = signed
        .verify(&identity.fingerprint())
        .map_err(|error| wrong(error.to_string()))?;
    let study = Study::parse(&told.text).map_err(|error| {
        let error = error.in_file(std::path::Path::new(&told.id));
        Failure::refused(Code::StudyInvalid, error.what())
    })?;
    if roster.study_id != study.id {
        return Err(Failure::refused(
            Code::RosterMismatch,
            format!(
                "the roster is that of `{}`, the study is `{}`",
                roster.study_id, study.id
            ),
        ));
    }
    Ok((study, roster.clone()))
}

/// Every released sum of a study, oldest first.
async fn releases(rounds: &mut Rounds, study: &Digest) -> Done<Vec<Sum>> {
    let request = v1::ReleasesRequest {
        study: study.0.to_vec(),
        after_round: 0,
    };
    let mut stream = rounds.releases(request).await?.into_inner();
    let mut sums = Vec::new();
    while let Some(response) = stream.message().await? {
        let released = Released::from_bytes(&response.released).map_err(Refusal::from)?;
        let Some(Leaf::Release(leaf)) = leaf_of(&released.release) else {
            let what = format!(
                "the sum of round {} comes without its entry in the log",
                response.round
            );
            return Err(Failure::refused(Code::SetNotLogged, what));
        };
        if sums.len() as u64 >= MOST_LEAVES {
            return Err(endless("releases"));
        }
        sums.push(Sum {
            run: leaf.run,
            round: leaf.round,
            released,
        });
    }
    Ok(sums)
}

fn endless(what: &str) -> Failure {
    Failure::failed(
        format!("the coordinator sends more {what} than any study has"),
        "tell the operator; nothing was checked",
    )
}

/// The log up to the latest release, built again leaf by leaf under the checkpoint that was signed
/// with it.
async fn log(rounds: &mut Rounds, study: &Study, roster: &Roster, sums: &[Sum]) -> Done<Mirror> {
    let checkpoint = sums
        .last()
        .map(|sum| sum.released.release.checkpoint.as_str())
        .ok_or_else(|| Failure::refused(Code::ReleaseUnknown, "no sum was released"))?;
    let size = checkpoint
        .parse::<Note>()
        .map_or(0, |note| note.unverified().size)
        .min(MOST_LEAVES);
    let request = v1::LeavesRequest {
        study: study.root().0.to_vec(),
        from: 0,
        to: size,
    };
    let mut stream = rounds.leaves(request).await?.into_inner();
    let mut mirror = Mirror::new(study, roster);
    while let Some(response) = stream.message().await? {
        if mirror.size() >= size {
            return Err(endless("leaves"));
        }
        mirror.push(response.leaf)?;
    }
    mirror.check(checkpoint, roster)?;
    Ok(mirror)
}

impl Subject {
    /// Holds one sum against the log and the sums before, and makes it again. What stands after it
    /// is known as long as every sum so far could be followed.
    async fn judge(
        &self,
        rounds: &mut Rounds,
        sum: &Sum,
        standing: &mut Option<Standing>,
    ) -> Done<Verdict> {
        let Some(before) = standing.take() else {
            return Ok(Verdict::Withheld(
                "what the sum before it led to is not known",
            ));
        };
        let released = &sum.released;
        if let Err(refusal) = self.log.is_on_record(released) {
            return Ok(Verdict::Wrong(refusal));
        }
        let Some(evidence) = blob(rounds, &released.evidence).await? else {
            return Ok(Verdict::Withheld(
                "its evidence, which is kept for good, is not handed out",
            ));
        };
        let Some(aggregate) = blob(rounds, &released.aggregate).await? else {
            return Ok(Verdict::Withheld(
                "the sum, which is kept for good, is not handed out",
            ));
        };
        match self.follow(before, released, &evidence, &aggregate) {
            Ok((audit, after)) => {
                *standing = Some(after);
                make_again(rounds, &self.study.root(), audit).await
            }
            Err(refusal) => Ok(Verdict::Wrong(refusal)),
        }
    }

    /// The sum by evidence that counts after the sums before, and where it leads.
    fn follow(
        &self,
        before: Standing,
        released: &Released,
        evidence: &[u8],
        aggregate: &[u8],
    ) -> Result<(Audit, Standing), Refusal> {
        let Standing { mut chain, latest } = before;
        let audit = Audit::of(released, evidence, &self.roster)?;
        let plan = audit.plan();
        let question = chain
            .question(plan.candidates.len())?
            .ok_or(Code::ReleaseMismatch)?;
        let expected = Expected {
            study: &self.study.id,
            study_digest: self.study.root(),
            recipe: chain.recipe_digest(),
            state_root: chain.root(),
            layout: &question.layout,
            chunk_words: chunk_words(question.layout.ring),
            min_sites: self.study.privacy.min_sites as usize,
            previous: latest
                .map(|latest| latest.release)
                .or(self.log.log().hash(0))
                .ok_or_else(|| Refusal::new(Code::LogInconsistent, "the log is empty"))?,
            due: latest.and_then(|latest| latest.due),
        };
        audit.counts(&expected, &self.log, &self.roster)?;
        if Digest::of_file(aggregate) != released.aggregate {
            return Err(Refusal::new(
                Code::ReleaseMismatch,
                "the sum is not the one that was announced",
            ));
        }
        let aggregate = Aggregate::from_bytes(aggregate)?;
        let state = chain.follow(&aggregate, &question.layout, &released.set)?;
        if state.root() != released.state_root {
            return Err(Refusal::new(
                Code::ReleaseMismatch,
                "the model does not follow from the sum",
            ));
        }
        chain.accept(state, &released.set, &question.layout);
        let threshold = usize::from(plan.threshold);
        let sites = released.set.len();
        let due = Due::of(released.leaf_hash(), threshold, &question.layout, sites);
        Ok((
            audit,
            Standing {
                chain,
                latest: Some(Latest::after(
                    latest.as_ref(),
                    released.leaf_hash(),
                    due,
                    false,
                )),
            },
        ))
    }
}

/// The blob with this digest, where the coordinator has it.
async fn blob(rounds: &mut Rounds, digest: &Digest) -> Done<Option<Vec<u8>>> {
    let request = v1::FetchRequest {
        digest: digest.0.to_vec(),
        offset: 0,
    };
    let mut stream = match rounds.fetch(request).await {
        Ok(response) => response.into_inner(),
        Err(status) if is_unknown(&status) => return Ok(None),
        Err(status) => return Err(status.into()),
    };
    let mut bytes = Vec::new();
    while let Some(response) = stream.message().await? {
        bytes.extend_from_slice(&response.piece);
        if bytes.len() > MOST_BYTES {
            return Err(endless("bytes of a sum"));
        }
    }
    Ok(Some(bytes))
}

fn is_unknown(status: &tonic::Status) -> bool {
    refusal(status).is_some_and(|refusal| refusal.code == Code::ReleaseUnknown)
}

/// Makes a sum again from the masked uploads, row by row as they come in.
async fn make_again(rounds: &mut Rounds, study: &Digest, audit: Audit) -> Done<Verdict> {
    let mut gathering = Gathering::new(audit);
    let mut stream = match rounds.uploads(gathering.request(study)).await {
        Ok(response) => response.into_inner(),
        Err(status) if is_unknown(&status) => {
            return Ok(Verdict::NotKept(
                "uploads not kept any more (retain_uploads_days)",
            ));
        }
        Err(status) => return Err(status.into()),
    };
    while let Some(piece) = stream.message().await? {
        match gathering.take(piece) {
            Ok(()) => {}
            Err(UploadsError::Sum(refusal)) => return Ok(Verdict::Wrong(refusal)),
            Err(error) => {
                return Err(Failure::failed(
                    error.to_string(),
                    "try again; if it stays so, tell the operator",
                ));
            }
        }
    }
    if !gathering.is_whole() {
        // Files that are gone are no proof of a false sum, and no proof of a true one.
        return Ok(Verdict::NotKept("uploads not kept whole"));
    }
    Ok(gathering
        .finish()
        .map_or_else(Verdict::Wrong, |()| Verdict::Same))
}

impl Verdict {
    fn words(&self) -> String {
        match self {
            Self::Same => "made again bit for bit".to_owned(),
            Self::NotKept(what) => (*what).to_owned(),
            Self::Withheld(what) => format!("NOT MADE AGAIN  {what}"),
            Self::Wrong(refusal) => format!(
                "WRONG  {}: {}",
                refusal.code.as_str(),
                shown(&refusal.detail)
            ),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::NotKept(_) => "not_kept",
            Self::Withheld(_) => "withheld",
            Self::Wrong(refusal) => refusal.code.as_str(),
        }
    }
}

fn line(sum: &Sum, verdict: &Verdict, run: RunId) -> String {
    let sites = count(sum.released.set.len(), "site");
    let of = if sum.run == run {
        String::new()
    } else {
        format!("  (of run {})", short(&sum.run.hex()))
    };
    format!(
        "  round {:<3}  {sites:<9}  {}{of}",
        sum.round,
        verdict.words()
    )
}

fn value(sum: &Sum, verdict: &Verdict) -> Value {
    json!({
        "run": sum.run.hex(), "round": sum.round, "sites": sum.released.set.len(),
        "aggregate": sum.released.aggregate.hex(), "state_root": sum.released.state_root.hex(),
        "verdict": verdict.code(), "what": verdict.words(),
    })
}

/// How the command ends: one wrong sum is a refusal, and where the last one, on which the result
/// rests, was not made again, it is no success.
fn conclude(sums: &[Sum], verdicts: &[Verdict], run: RunId) -> Done {
    let wrong = sums
        .iter()
        .zip(verdicts)
        .find_map(|(sum, verdict)| match verdict {
            Verdict::Wrong(refusal) => Some((sum, refusal)),
            _ => None,
        });
    if let Some((sum, refusal)) = wrong {
        return Err(Failure::refused(
            refusal.code,
            format!("round {}: {}", sum.round, refusal.detail),
        ));
    }
    let withheld = sums
        .iter()
        .zip(verdicts)
        .find_map(|(sum, verdict)| match verdict {
            Verdict::Withheld(what) => Some((sum, *what)),
            _ => None,
        });
    if let Some((sum, what)) = withheld {
        return Err(Failure::failed(
            format!("round {} could not be made again: {what}", sum.round),
            "tell the operator; what a coordinator does not hand out proves nothing for it",
        ));
    }
    if verdicts.last() == Some(&Verdict::Same) {
        return Ok(());
    }
    Err(Failure::failed(
        format!(
            "the last sum of run `{}` could not be made again: what it was made from is not kept any more",
            run.hex()
        ),
        "the log's entries hold all the same; for runs to come, set \
         `retain_uploads_days` in coordinator.toml",
    ))
}

#[cfg(test)]
#[path = "recompute_tests.rs"]
mod tests;

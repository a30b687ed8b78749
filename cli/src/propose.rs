//! Proposing a study: the operator's command, and nothing else, says whose keys count.
//!
//! ```text
//! lint -> fetch members -> check signatures and proofs, no key twice -> roster, signed by governance.key -> coordinator
//! ```

use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity};
use crate::output::shown;
use crate::standing::{Known, Standing, hidden, known};
use motet_common::refusal::Code;
use motet_common::roster::{Entry, HubKeys, Roster, SignedRoster, SiteKeys};
use motet_common::study::{Date, Finding, Severity, Study};
use motet_program::clock;
use motet_proto::v1::{self, MemberRole, MemberState};
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::PublicKey;
use std::path::Path;

/// What a proposal came to.
pub struct Proposed {
    /// The study's digest as the coordinator confirmed it, hexadecimal.
    pub digest: String,
    /// The roster as signed here.
    pub signed: SignedRoster,
    /// Advice, errors excluded: a study with an error is not proposed.
    pub findings: Vec<Finding>,
}

/// Reads a study file.
///
/// # Errors
/// `study_invalid` with line and fix.
pub fn read(file: &Path) -> Done<(String, Study)> {
    let text = std::fs::read_to_string(file).map_err(Failure::io("read", file))?;
    let study = Study::parse(&text).map_err(|error| {
        let error = error.in_file(file);
        Failure::refused(Code::StudyInvalid, error.what()).instead(error.fix)
    })?;
    Ok((text, study))
}

/// Builds and signs the roster, then proposes.
///
/// # Errors
/// `study_invalid` for a finding that is an error; a failure naming each site that is not verified;
/// the coordinator's refusals.
pub async fn submit(
    identity: &Identity,
    desk: &mut Desk,
    text: &str,
    study: &Study,
) -> Done<Proposed> {
    let governance = crate::governance::key(identity)?;
    let about = desk.about(v1::AboutRequest {}).await?.into_inner();
    if about.governance != identity.fingerprint().hex() {
        return Err(Failure::failed(
            "the coordinator names another governance key than the one in this identity",
            "compare fingerprints with whoever runs the coordinator before anything else",
        ));
    }
    let hub = HubKeys {
        signing: key(&about.coordinator)?,
        log: key(&about.log)?,
    };
    crate::hub::hold(&identity.dir, &hub)?;
    // Coordinator and nodes count days in UTC.
    refuse_ended(study, clock::day(clock::now()))?;
    let members = known(identity, desk).await?;
    let entries = entries(&members, &study.sites)?;
    refuse_hidden(&hidden(&identity.dir, &members)?, &study.sites)?;
    refuse_strange_recipients(&members, study.recipients.names())?;
    let findings = study.lint(entries.len());
    refuse_errors(study, entries.len(), &findings)?;
    let shown = rosters(desk, &study.id).await?;
    let epoch = crate::epoch::next(&identity.dir, &identity.fingerprint(), &study.id, &shown)?;
    let roster = Roster::new(&study.id, epoch, hub, &identity.card.consortium, entries)?;
    let signed = roster.sign(&governance)?;
    let request = v1::ProposeRequest {
        study: text.to_owned(),
        roster: signed.to_bytes(),
    };
    let digest = desk.propose(request).await?.into_inner().digest;
    if digest != study.root().hex() {
        return Err(Failure::failed(
            format!(
                "the coordinator registered the study as `{digest}`, here it is `{}`",
                study.root().hex()
            ),
            "install the same version on both sides, withdraw the study and propose it again",
        ));
    }
    Ok(Proposed {
        digest,
        signed,
        findings,
    })
}

fn key(bytes: &[u8]) -> Done<PublicKey> {
    let key = <[u8; 32]>::try_from(bytes).map(PublicKey);
    key.map_err(|_| {
        Failure::failed(
            "a key of the coordinator is not 32 bytes",
            "the coordinator's version may differ; see `motet --version`",
        )
    })
}

/// Refuses a study whose last day is before `today`.
fn refuse_ended(study: &Study, today: Date) -> Done {
    if study.ends < today {
        let detail = format!("the study's last day, {}, is over", study.ends);
        return Err(
            Failure::refused(Code::StudyEnded, detail).instead("write a later day as `ends`")
        );
    }
    Ok(())
}

/// Refuses a study with a finding that is an error, where that many sites are enrolled.
///
/// # Errors
/// `study_invalid` with every error.
pub fn refuse_errors(study: &Study, enrolled: usize, findings: &[Finding]) -> Done {
    let errors: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.message.as_str())
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(
        Code::StudyInvalid,
        format!("study `{}`: {}", study.id, errors.join("; ")),
    )
    .instead(advice(study, enrolled, errors.len())))
}

/// What to do about that many errors: where they come from too few sites alone, the file is not at
/// fault.
fn advice(study: &Study, enrolled: usize, errors: usize) -> &'static str {
    let named = study.sites.len();
    let line_up = if named == 0 { enrolled } else { named };
    let due = usize::from(named > enrolled) + usize::from(study.thresholds(line_up).is_err());
    if named <= enrolled && named > 0 || due < errors {
        "mend the study file and check it again with `motet study lint FILE`"
    } else {
        "`motet site invite NAME --country CC` invites another site, \
         `motet site list` says who has joined"
    }
}

/// A study over all sites is over all that were verified: none is left out because the coordinator
/// does not show it.
fn refuse_hidden(hidden: &[String], named: &[String]) -> Done {
    if hidden.is_empty() || !named.is_empty() {
        return Ok(());
    }
    let names = hidden
        .iter()
        .map(|name| format!("`{}`", shown(name)))
        .collect::<Vec<_>>()
        .join(", ");
    let what = format!(
        "{names} was verified here, and the coordinator does not show it as a member that holds"
    );
    Err(Failure::refused(Code::NotInRoster, what).instead(
        "look at the coordinator's ledger; `motet site remove NAME` takes \
         a site out here, and `sites = [..]` in the study names \
         those it is over",
    ))
}

/// A name that nobody bears yet would stand on the card for whoever is given it later.
fn refuse_strange_recipients(members: &[Known], names: &[String]) -> Done {
    let is_one = |known: &Known, name: &String| {
        let member = &known.member;
        member.role() == MemberRole::Researcher
            && member.state() == MemberState::Joined
            && member.name == *name
            && matches!(known.standing, Standing::Verified(_))
    };
    let strange: Vec<String> = names
        .iter()
        .filter(|name| !members.iter().any(|known| is_one(known, name)))
        .map(|name| format!("`{}`", shown(name)))
        .collect();
    if strange.is_empty() {
        return Ok(());
    }
    let what = format!(
        "`recipients` names {}: no researcher of that name has joined",
        strange.join(", ")
    );
    Err(Failure::refused(Code::StudyInvalid, what).instead(
        "`motet person list` shows who has joined and was verified here; \
         `motet person invite NAME --role researcher` invites \
         somebody, and operators have every release anyway",
    ))
}

/// No roster is made while two members have one key: one of them is not who it says it is, and it
/// is not known which until the operator has removed one.
fn refuse_twins(members: &[Known]) -> Done {
    let twins: Vec<String> = members.iter().flat_map(Known::alarms).collect();
    if twins.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(Code::KeyTaken, twins.join("; ")).instead(
        "`motet site list` shows both; ask them by telephone, remove \
         whoever joined with the other's key, and look at the \
         coordinator: it lets no key pass twice",
    ))
}

/// The named sites, or all that are verified; a site whose proof was not checked here never enters
/// a roster.
fn entries(members: &[Known], names: &[String]) -> Done<Vec<Entry>> {
    refuse_twins(members)?;
    let mut entries = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    let sites = members.iter().filter(|known| known.is_site());
    for Known {
        member, standing, ..
    } in sites.clone()
    {
        let wanted = names.contains(&member.name);
        match standing {
            Standing::Verified(enrolment) if wanted || names.is_empty() => {
                let (Some(steward), Some(witness)) = (enrolment.steward, enrolment.witness) else {
                    continue;
                };
                let keys = SiteKeys {
                    identity: enrolment.identity,
                    steward,
                    witness,
                };
                entries.push(Entry::new(&enrolment.name, &enrolment.country, keys));
            }
            // A forged hospital is never passed over in silence, even where the study names others.
            Standing::Wrong(why) => missing.push(format!(
                "`{}` joined with a wrong proof ({why})",
                shown(&member.name)
            )),
            Standing::Invited | Standing::Expired if wanted => {
                missing.push(format!("`{}` has not joined", member.name));
            }
            Standing::Unchecked if wanted => {
                missing.push(format!("`{}` was invited by another operator", member.name))
            }
            Standing::Removed | Standing::Returned if wanted => {
                missing.push(format!("`{}` was removed", member.name))
            }
            _ => {}
        }
    }
    for name in names {
        if !sites.clone().any(|known| known.member.name == *name) {
            missing.push(format!("`{name}` was never invited"));
        }
    }
    if missing.is_empty() {
        return Ok(entries);
    }
    Err(
        Failure::refused(Code::NotInRoster, missing.join("; ")).instead(
            "`motet site list` shows every site; remove a site with \
            a wrong proof and invite it anew",
        ),
    )
}

/// The rosters that the coordinator has of this study.
async fn rosters(desk: &mut Desk, id: &str) -> Done<Vec<SignedRoster>> {
    let studies = match desk
        .list_studies(v1::ListStudiesRequest { id: id.to_owned() })
        .await
    {
        Ok(answer) => answer.into_inner().studies,
        Err(status) => match motet_proto::refusal::refusal(&status) {
            Some(refusal) if refusal.code == Code::StudyUnknown => Vec::new(),
            _ => return Err(status.into()),
        },
    };
    Ok(studies
        .iter()
        .filter_map(|study| SignedRoster::from_bytes(&study.roster).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::Twin;
    use motet_common::enrol::{Enrolment, Purpose, Role};
    use motet_secagg::digest::Digest;
    use motet_secagg::sign::SecretKey;

    fn site(name: &str, seed: u8, standing: fn(Enrolment) -> Standing) -> Known {
        let enrolment = Enrolment {
            invite: [seed; 16],
            name: name.into(),
            country: "FR".into(),
            role: Role::Site,
            identity: SecretKey::from_seed([seed; 32]).public(),
            steward: Some(SecretKey::from_seed([seed + 100; 32]).public()),
            witness: Some(SecretKey::from_seed([seed + 50; 32]).public()),
            csr_key_digest: Digest::default(),
            governance_fingerprint: Digest::default(),
        };
        let member = v1::Member {
            name: name.into(),
            country: "FR".into(),
            role: MemberRole::Site.into(),
            ..v1::Member::default()
        };
        Known {
            member,
            standing: standing(enrolment),
            twins: Vec::new(),
        }
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn a_roster_takes_the_verified_sites_and_those_only() {
        let good: fn(Enrolment) -> Standing = |enrolment| Standing::Verified(Box::new(enrolment));
        let members = [
            site("lyon", 1, good),
            site("nice", 2, |_| Standing::Invited),
            site("pau", 3, good),
        ];
        assert_eq!(names(&entries(&members, &[]).unwrap()), ["lyon", "pau"]);
        assert_eq!(names(&entries(&members, &["pau".into()]).unwrap()), ["pau"]);
        let failure = entries(&members, &["pau".into(), "nice".into(), "metz".into()]).unwrap_err();
        let text = failure.to_string();
        assert!(
            text.contains("`nice` has not joined") && text.contains("`metz` was never invited"),
            "{text}"
        );
        assert_eq!(failure.exit_code(), 3);
    }

    #[test]
    fn a_study_may_be_proposed_on_its_last_day_and_not_after() {
        let study = Study::parse(include_str!("../demo/heart/fedavg.toml")).unwrap();
        refuse_ended(&study, study.ends).unwrap();
        let after = Date {
            year: study.ends.year + 1,
            month: 1,
            day: 1,
        };
        let failure = refuse_ended(&study, after).unwrap_err().to_string();
        assert!(failure.contains("is over"), "{failure}");
    }

    #[test]
    fn two_members_with_one_key_stop_the_proposal_also_of_others() {
        let good: fn(Enrolment) -> Standing = |enrolment| Standing::Verified(Box::new(enrolment));
        let mut members = [
            site("lyon", 1, good),
            site("nice", 2, good),
            site("pau", 3, good),
        ];
        let twin = Twin {
            purpose: Purpose::Identity,
            with: "lyon".into(),
            theirs: Purpose::Identity,
            settled: false,
        };
        members[1].twins = vec![twin];
        for names in [vec![], vec!["lyon".to_owned(), "pau".to_owned()]] {
            let failure = entries(&members, &names).unwrap_err();
            assert_eq!((failure.code(), failure.exit_code()), ("key_taken", 3));
            assert!(
                failure
                    .to_string()
                    .contains("identity key of `nice` is the identity key of `lyon`"),
                "{failure}"
            );
        }
    }

    #[test]
    fn a_forged_site_stops_the_proposal() {
        let good: fn(Enrolment) -> Standing = |enrolment| Standing::Verified(Box::new(enrolment));
        let members = [
            site("lyon", 1, good),
            site("nice", 2, |_| Standing::Wrong("x".into())),
        ];
        assert!(
            entries(&members, &[])
                .unwrap_err()
                .to_string()
                .contains("`nice` joined with a wrong proof")
        );
    }

    #[test]
    fn a_twin_that_was_removed_stops_no_proposal_and_enters_none() {
        let good: fn(Enrolment) -> Standing = |enrolment| Standing::Verified(Box::new(enrolment));
        let mut members = [
            site("lyon", 1, good),
            site("nice", 2, |_| Standing::Returned),
        ];
        let twin = |with: &str| Twin {
            purpose: Purpose::Identity,
            with: with.into(),
            theirs: Purpose::Identity,
            settled: true,
        };
        members[0].twins = vec![twin("nice")];
        members[1].twins = vec![twin("lyon")];
        assert_eq!(names(&entries(&members, &[]).unwrap()), ["lyon"]);
        let failure = entries(&members, &["nice".into()]).unwrap_err().to_string();
        assert!(failure.contains("`nice` was removed"), "{failure}");
    }
}

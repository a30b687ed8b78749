//! `motet person join`: an operator's or researcher's keys are made here and never leave; the
//! coordinator gives a certificate for them. This is one of the few places that make keys.
//!
//! The keys are on disk, in a draft beside the identity folder, before the invitation is spent:
//! after a crash or a lost answer the same code goes on with them.

use crate::args::JoinPerson;
use crate::failure::{Done, Failure};
use crate::identity::{Card, Keys, Papers, default_dir, refuse_existing};
use crate::output::Out;
use motet_common::enrol::{JoinCode, Role, is_final};
use motet_common::refusal::Code;
use motet_proto::draft::Draft;
use motet_proto::keyfile::read_code;
use motet_proto::refusal::refusal;
use motet_proto::tls::client::connect_pinned;
use motet_proto::v1;
use motet_proto::v1::enrolment_client::EnrolmentClient;
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::PublicKey;
use std::path::Path;
use std::time::Duration;
use tonic::Status;

/// How long the coordinator may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Redeems a code and writes the identity folder.
///
/// # Errors
/// `bad_join_code`; the coordinator's refusals (`token_used`, `token_expired`); a governance key
/// other than the code's.
pub async fn join(args: &JoinPerson) -> Done {
    let dir = args.identity.clone().map_or_else(default_dir, Ok)?;
    refuse_existing(&dir)?;
    let text = code_text(args)?;
    let code = JoinCode::parse(&text)
        .map_err(|error| Failure::refused(Code::BadJoinCode, error.to_string()))?;
    if code.role == Role::Site {
        return Err(Failure::usage(
            "this code invites a hospital, not a person",
            "there:  motet-node join --code-file FILE --dir DIR",
        ));
    }
    let pinned = connect_pinned(&code.address, &code.ca_fingerprint).await?;
    let mut enrolments = EnrolmentClient::new(pinned.channel);
    let asked = v1::InvitationRequest {
        invite: code.invite.to_vec(),
        ticket: code.ticket().0.to_vec(),
    };
    let invited = within(enrolments.invitation(asked)).await?;

    let draft = Draft::beside(&dir, &code.invite).map_err(Failure::io("make a draft of", &dir))?;
    let keys = Keys::of(draft.path(), &invited.name)?;
    let who = (invited.name.as_str(), invited.country.as_str());
    let enrolment = keys.enrolment(code.invite, who, code.role, code.governance_fingerprint)?;
    enrolment.check()?;
    let request = v1::JoinRequest {
        proof: enrolment.prove(&code.secret).to_vec(),
        possession: enrolment.sign(&keys.signing, None, None).to_bytes(),
        enrolment: enrolment.to_bytes(),
        csr: keys.csr,
        ticket: code.ticket().0.to_vec(),
    };
    let answer = match within(enrolments.join(request)).await {
        Ok(answer) => answer,
        Err(status) if refusal(&status).is_some_and(|refusal| is_final(refusal.code)) => {
            return Err(Failure::from(status).instead(draft.kept()));
        }
        Err(status) => {
            let next = format!(
                "join again with the same code and `{}`: the keys are kept \
                 beside it, and the answer may have been lost",
                dir.display()
            );
            return Err(Failure::from(status).instead(next));
        }
    };
    let named = <[u8; 32]>::try_from(answer.governance.as_slice())
        .ok()
        .map(PublicKey);
    let Some(governance) = named.filter(|key| key.fingerprint() == code.governance_fingerprint)
    else {
        return Err(Failure::failed(
            "the coordinator shows another governance key than the join code names",
            format!(
                "do not go on: compare the fingerprint with the operator by telephone; {}",
                draft.kept()
            ),
        ));
    };
    let card = Card {
        consortium: answer.consortium,
        address: code.address.clone(),
        name: enrolment.name.clone(),
        country: enrolment.country.clone(),
        role: enrolment.role,
        governance: governance.hex(),
        authority: code.ca_fingerprint.hex(),
        governance_key: None,
    };
    Papers {
        card: &card,
        authority_pem: &pinned.ca_pem,
        client_pem: &answer.certificate,
    }
    .write(draft.path())?;
    draft.keep().map_err(Failure::io("make", &dir))?;
    let out = Out::new(false);
    out.line(format!(
        "`{}` is now {} in `{}`.",
        card.name,
        enrolment.role,
        crate::output::shown(&card.consortium)
    ));
    out.line(format!(
        "  identity       {} (use it with --as, or set MOTET_IDENTITY)",
        dir.display()
    ));
    out.line(format!(
        "  governance key fingerprint {}: compare it with the operator's",
        governance.fingerprint().hex()
    ));
    Ok(())
}

/// The coordinator's answer, which may not take for ever.
async fn within<T>(
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    let answer = tokio::time::timeout(PATIENCE, call).await;
    let late = format!("no answer within {} s", PATIENCE.as_secs());
    answer
        .unwrap_or_else(|_| Err(Status::deadline_exceeded(late)))
        .map(tonic::Response::into_inner)
}

/// The code itself, or the content of a file or of standard input: a code is a secret, and a
/// command line is not a place for one on a shared machine.
fn code_text(args: &JoinPerson) -> Done<zeroize::Zeroizing<String>> {
    let file = match (&args.code, &args.code_file) {
        (_, Some(file)) => file.as_path(),
        (Some(given), None) if given == "-" || Path::new(given).is_file() => Path::new(given),
        (Some(given), None) => return Ok(given.clone().into()),
        (None, None) => Path::new("-"),
    };
    let named = Some(file).filter(|file| *file != Path::new("-"));
    let shown = named.unwrap_or(Path::new("standard input"));
    let code = read_code(named).map_err(Failure::io("read", shown))?;
    if code.trim().is_empty() {
        return Err(Failure::refused(
            Code::BadJoinCode,
            format!("`{}` is empty", shown.display()),
        ));
    }
    Ok(code)
}

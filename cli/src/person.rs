//! `motet person join`: an operator's or researcher's keys are made here and never leave; the coordinator gives a
//! certificate for them. This is one of the few places that make keys.

use crate::args::JoinPerson;
use crate::failure::{Done, Failure};
use crate::identity::{Card, Papers, default_dir, new_key, refuse_existing};
use crate::output::Out;
use motet_common::enrol::{Enrolment, JoinCode, Role};
use motet_common::refusal::Code;
use motet_proto::tls::authority::{csr_key_digest, make_csr};
use motet_proto::tls::client::connect_pinned;
use motet_proto::v1;
use motet_proto::v1::enrolment_client::EnrolmentClient;
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::PublicKey;
use std::io::Read as _;
use std::path::Path;

/// Redeems a code and writes the identity folder.
///
/// # Errors
/// `bad_join_code`; the coordinator's refusals (`token_used`, `token_expired`); a governance key other than the code's.
pub async fn join(args: &JoinPerson) -> Done {
    let dir = args.identity.clone().map_or_else(default_dir, Ok)?;
    refuse_existing(&dir)?;
    let text = code_text(&args.code)?;
    let code =
        JoinCode::parse(&text).map_err(|error| Failure::refused(Code::BadJoinCode, error.to_string()))?;
    if code.role == Role::Site {
        return Err(Failure::usage(
            "this code invites a hospital, not a person",
            "there:  motet-node join CODE --dir DIR",
        ));
    }
    let pinned = connect_pinned(&code.address, &code.ca_fingerprint).await?;
    let mut enrolments = EnrolmentClient::new(pinned.channel);
    let asked = v1::InvitationRequest { invite: code.invite.to_vec() };
    let invited = enrolments.invitation(asked).await?.into_inner();

    let (signing, (csr, client_key)) = (new_key(), make_csr(&invited.name)?);
    let enrolment = Enrolment {
        invite: code.invite,
        name: invited.name,
        country: invited.country,
        role: code.role,
        identity: signing.public(),
        steward: None,
        witness: None,
        csr_key_digest: csr_key_digest(&csr)?,
        governance_fingerprint: code.governance_fingerprint,
    };
    enrolment.check()?;
    let request = v1::JoinRequest {
        proof: enrolment.prove(&code.secret).to_vec(),
        enrolment: enrolment.to_bytes(),
        csr,
    };
    let answer = enrolments.join(request).await?.into_inner();
    let governance = <[u8; 32]>::try_from(answer.governance.as_slice())
        .ok()
        .map(PublicKey)
        .filter(|key| key.fingerprint() == code.governance_fingerprint)
        .ok_or_else(|| {
            Failure::failed(
                "the coordinator shows another governance key than the join code names",
                "do not go on: compare the fingerprint with the operator by telephone",
            )
        })?;
    let card = Card {
        consortium: answer.consortium,
        address: code.address.clone(),
        name: enrolment.name.clone(),
        country: enrolment.country.clone(),
        role: enrolment.role.to_string(),
        governance: governance.hex(),
        authority: code.ca_fingerprint.hex(),
    };
    Papers {
        card: &card,
        authority_pem: &pinned.ca_pem,
        client_pem: &answer.certificate,
        client_key: &client_key,
        signing: &signing,
    }
    .write(&dir)?;
    let out = Out::new(false);
    out.line(format!(
        "`{}` is now {} in `{}`.",
        card.name,
        enrolment.role,
        crate::output::shown(&card.consortium)
    ));
    out.line(format!("  identity       {} (use it with --as, or set MOTET_IDENTITY)", dir.display()));
    out.line(format!(
        "  governance key fingerprint {}: compare it with the operator's",
        governance.fingerprint().hex()
    ));
    Ok(())
}

/// The code itself, or the content of a file or of standard input: a code is a secret, and a command line is not a place
/// for one on a shared machine.
fn code_text(given: &str) -> Done<String> {
    if given == "-" {
        let mut text = String::new();
        let read = std::io::stdin().take(64 << 10).read_to_string(&mut text);
        return read.map(|_| text).map_err(Failure::io("read", Path::new("standard input")));
    }
    let path = Path::new(given);
    if path.is_file() {
        return std::fs::read_to_string(path).map_err(Failure::io("read", path));
    }
    Ok(given.to_owned())
}

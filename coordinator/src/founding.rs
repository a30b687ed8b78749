//! The beginning of a consortium's ledger: the operator who makes it stands on the books as
//! everyone after, invited, enrolled and with its certificate on record.

use crate::entries::Invited;
use crate::members::{Application, Members};
use anyhow::Context as _;
use motet_common::enrol::{Enrolment, Possession, Ticket};
use motet_common::moment::Moment;
use motet_ledger::Ledger;
use motet_proto::tls::authority::{Authority, Validity};
use std::path::Path;

/// The first operator, who invited itself.
pub struct Founder {
    /// Of a secret that stays with the operator.
    pub ticket: Ticket,
    /// Its keys.
    pub enrolment: Enrolment,
    /// Under the same secret.
    pub proof: [u8; 32],
    /// The signatures of its keys.
    pub possession: Possession,
    /// The certificate request, DER.
    pub csr: Vec<u8>,
    /// How long its certificate lasts.
    pub validity: Validity,
}

/// Begins the ledger in the new folder `state` and gives the founder's certificate, PEM.
///
/// # Errors
/// When the folder holds a ledger with members, when it cannot be written, or when the enrolment is
/// not acceptable.
pub async fn found(
    state: &Path,
    authority: &Authority,
    founder: Founder,
    now: Moment,
) -> anyhow::Result<String> {
    // Begun here and nowhere else: a coordinator that finds no ledger has lost one.
    let ledger = Ledger::create(state).await?;
    let members = Members::load(ledger.clone()).await?;
    let Founder {
        ticket,
        enrolment,
        proof,
        possession,
        csr,
        validity,
    } = founder;
    let invited = Invited {
        invite: enrolment.invite,
        name: enrolment.name.clone(),
        country: enrolment.country.clone(),
        role: enrolment.role,
        expires: Moment {
            ms: now.ms.saturating_add(1),
        },
        ticket: ticket.digest(),
        by: enrolment.invite,
    };
    let governance = enrolment.governance_fingerprint;
    members.invite(invited, now).await?;
    let application = Application {
        ticket,
        enrolment,
        proof,
        possession,
        csr,
    };
    let joined = members
        .enrol(authority, &governance, application, validity, now)
        .await;
    ledger.close().await;
    joined.context("the operator could not be enrolled")
}

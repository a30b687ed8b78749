//! Who a certificate says its holder is.

use motet_common::enrol::{Role, check_country, check_name};
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use x509_parser::oid_registry::{
    OID_X509_COMMON_NAME, OID_X509_COUNTRY_NAME, OID_X509_ORGANIZATIONAL_UNIT,
    OID_X509_SERIALNUMBER, Oid,
};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

/// The holder of a certificate of this consortium, as its subject says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Name of the site or person (subject attribute CN).
    pub name: String,
    /// Two capital letters (C).
    pub country: String,
    /// What the holder is (OU).
    pub role: Role,
    /// A site's node (subject attribute serialNumber, in hexadecimal).
    pub node: Option<NodeId>,
    /// The certificate's own serial number in hexadecimal, for removal lists and logs.
    pub serial: String,
    /// SHA-256 of the certificate's DER bytes: what the coordinator has on record of each member,
    /// and admits by.
    pub certificate: Digest,
}

/// A certificate that the authority of a consortium would not have issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate's {what} is missing or malformed")]
pub struct BadCertificate {
    /// The part.
    pub what: &'static str,
}

/// Reads the subject of a certificate. That it was signed by the authority is checked in the
/// handshake, not here.
///
/// # Errors
/// [`BadCertificate`].
pub fn peer_of(cert_der: &[u8]) -> Result<Peer, BadCertificate> {
    let (rest, cert) =
        X509Certificate::from_der(cert_der).map_err(|_| BadCertificate { what: "encoding" })?;
    if !rest.is_empty() {
        return Err(BadCertificate { what: "encoding" });
    }
    let subject = cert.subject();
    let name = one(subject, &OID_X509_COMMON_NAME)?.ok_or(BadCertificate { what: "name" })?;
    check_name(name).map_err(|_| BadCertificate { what: "name" })?;
    let country =
        one(subject, &OID_X509_COUNTRY_NAME)?.ok_or(BadCertificate { what: "country" })?;
    check_country(country).map_err(|_| BadCertificate { what: "country" })?;
    let role =
        one(subject, &OID_X509_ORGANIZATIONAL_UNIT)?.and_then(|role| role.parse::<Role>().ok());
    let node = one(subject, &OID_X509_SERIALNUMBER)?
        .map(NodeId::from_hex)
        .transpose()
        .map_err(|_| BadCertificate { what: "node id" })?;
    let role = role.ok_or(BadCertificate { what: "role" })?;
    if (role == Role::Site) != node.is_some() {
        return Err(BadCertificate { what: "node id" });
    }
    Ok(Peer {
        name: name.to_owned(),
        country: country.to_owned(),
        role,
        node,
        serial: motet_secagg::digest::to_hex(cert.raw_serial()),
        certificate: Digest::of_file(cert_der),
    })
}

/// The only value of an attribute; a subject that holds it twice could mean two things.
fn one<'a>(subject: &'a X509Name<'_>, oid: &Oid<'_>) -> Result<Option<&'a str>, BadCertificate> {
    let mut values = subject
        .iter_attributes()
        .filter(|value| value.attr_type() == oid);
    let first = values.next();
    if values.next().is_some() {
        return Err(BadCertificate { what: "subject" });
    }
    first
        .map(|value| {
            value
                .as_str()
                .map_err(|_| BadCertificate { what: "subject" })
        })
        .transpose()
}

/// Who issued a certificate, for error messages; whatever it says is shown without control
/// characters and cut short.
pub(crate) fn issuer_of(cert_der: &[u8]) -> String {
    let issuer = X509Certificate::from_der(cert_der).map(|(_, cert)| cert.issuer().to_string());
    issuer
        .unwrap_or_else(|_| "an unreadable certificate".to_owned())
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .take(120)
        .collect()
}

//! The consortium's certificate authority: one self-signed root that lives at the coordinator and
//! issues every certificate directly. It reads the clock and the operating system's randomness: it
//! is a place where keys are made.

use super::COORDINATOR_NAME;
use motet_common::enrol::{EnrolError, Role, check_country, check_name};
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateSigningRequestParams,
    DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// How long the root lasts; the people who run a consortium change sooner.
const ROOT_DAYS: u32 = 3653;

/// A fresh certificate is valid from an hour ago, because hospital clocks differ.
const CLOCK_ALLOWANCE_S: u64 = 3600;

const DAY_S: u64 = 86_400;

/// The end of the year 9999, where X.509's dates end.
const LAST_SECOND: u64 = 253_402_300_799;

/// The longest certificate request that is read.
const MAX_CSR: usize = 16 * 1024;

/// Object identifier of the subject attribute `serialNumber` (X.520): where a site's node id
/// stands.
const SERIAL_NUMBER: [u64; 4] = [2, 5, 4, 5];

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The stored certificate and key are not those of an authority, or not of the same one.
    #[error(
        "the consortium's CA certificate and key do not belong \
         together: restore both from the same backup"
    )]
    Stored,
    /// The request is not a certificate request, or was not signed with the key it names.
    #[error("the certificate request is malformed or not signed with its own key")]
    Request,
    /// A request with another kind of key.
    #[error(
        "the certificate request has a key other than ECDSA P-256: make it with `motet-node join`"
    )]
    KeyKind,
    /// A name or country that no certificate may carry.
    #[error(transparent)]
    Subject(#[from] EnrolError),
    /// A node id without a site or a site without one.
    #[error("`{name}` is a {role}: a site's certificate names its node, and no other does")]
    Node {
        /// Whose certificate.
        name: String,
        /// As what.
        role: Role,
    },
    /// A server name that is neither a host name nor an address.
    #[error("`{name}` is neither a host name nor an IP address")]
    ServerName {
        /// The name.
        name: String,
    },
    /// The certificate library refused.
    #[error("cannot make a key or certificate: {0}")]
    Library(rcgen::Error),
}

impl From<rcgen::Error> for AuthorityError {
    fn from(error: rcgen::Error) -> Self {
        Self::Library(error)
    }
}

/// The holder of a certificate to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name of the site or person.
    pub name: String,
    /// Two capital letters.
    pub country: String,
    /// Site, operator or researcher; the coordinator's comes from [`Authority::issue_server`].
    pub role: Role,
    /// The node, for a site.
    pub node: Option<NodeId>,
}

/// When a certificate is valid, in seconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub from_s: u64,
    /// Last second.
    pub until_s: u64,
}

impl Validity {
    /// From now (less an hour, for slow clocks) for this many days.
    pub fn days(days: u32) -> Self {
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            from_s: now_s.saturating_sub(CLOCK_ALLOWANCE_S),
            until_s: now_s.saturating_add(u64::from(days).saturating_mul(DAY_S)),
        }
    }
}

/// A certificate of the coordinator and its private key.
pub struct ServerIdentity {
    /// The certificate and the authority's behind it, PEM: a caller that holds only a fingerprint
    /// finds the root here.
    pub chain_pem: String,
    /// PKCS #8, PEM.
    pub key_pem: Zeroizing<String>,
}

/// A consortium's certificate authority with its private key.
pub struct Authority {
    cert: CertificateDer<'static>,
    cert_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority with a fresh ECDSA P-256 key, valid for ten years.
    ///
    /// # Errors
    /// [`AuthorityError::Library`].
    pub fn create(consortium: &str) -> Result<Self, AuthorityError> {
        let key = new_key()?;
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, format!("{} CA", printable(consortium)));
        name.push(DnType::OrganizationName, "Motet consortium");
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        limit(&mut params, Validity::days(ROOT_DAYS));
        let cert = params.self_signed(&key)?;
        let cert_pem = cert.pem();
        let cert = CertificateDer::from(cert);
        Ok(Self {
            cert,
            cert_pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority stored as [`Authority::cert_pem`] and [`Authority::key_pem`].
    ///
    /// # Errors
    /// [`AuthorityError::Stored`] when they do not belong together.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let cert = CertificateDer::from_pem_slice(cert_pem.as_bytes())
            .map_err(|_| AuthorityError::Stored)?;
        let key = KeyPair::from_pem(key_pem).map_err(|_| AuthorityError::Stored)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&cert).map_err(|_| AuthorityError::Stored)?;
        if parsed.public_key().raw != key.subject_public_key_info() || !parsed.is_ca() {
            return Err(AuthorityError::Stored);
        }
        let issuer = Issuer::from_ca_cert_der(&cert, key).map_err(|_| AuthorityError::Stored)?;
        Ok(Self {
            cert,
            cert_pem: cert_pem.to_owned(),
            issuer,
        })
    }

    /// The authority's certificate, PEM: what every member stores.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The private key, PKCS #8 PEM; to be written with
    /// [`write_secret`](crate::keyfile::write_secret).
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// SHA-256 of the certificate's DER bytes, as join codes carry it.
    pub fn fingerprint(&self) -> Digest {
        Digest::of_file(&self.cert)
    }

    /// A certificate for the coordinator's TLS server with a fresh key: valid for `names` (host
    /// names or IP addresses without a port) and always for [`COORDINATOR_NAME`].
    ///
    /// # Errors
    /// [`AuthorityError::ServerName`], [`AuthorityError::Subject`].
    pub fn issue_server(
        &self,
        names: &[String],
        country: &str,
        validity: Validity,
    ) -> Result<ServerIdentity, AuthorityError> {
        for name in names {
            if rustls::pki_types::ServerName::try_from(name.as_str()).is_err() {
                return Err(AuthorityError::ServerName {
                    name: name.chars().take(60).collect(),
                });
            }
        }
        let key = new_key()?;
        let mut all = names.to_vec();
        all.push(COORDINATOR_NAME.to_owned());
        let mut params = CertificateParams::new(all)?;
        let subject = Subject {
            name: "coordinator".to_owned(),
            country: country.to_owned(),
            role: Role::Coordinator,
            node: None,
        };
        describe(&mut params, &subject)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        limit(&mut params, validity);
        let cert = params.signed_by(&key, &self.issuer)?;
        Ok(ServerIdentity {
            chain_pem: format!("{}{}", cert.pem(), self.cert_pem),
            key_pem: Zeroizing::new(key.serialize_pem()),
        })
    }

    /// Issues a client certificate (PEM) for the key of a request whose own signature holds.
    /// Nothing else of the request is believed: what the certificate says comes from `subject`.
    ///
    /// # Errors
    /// [`AuthorityError::Request`], [`AuthorityError::KeyKind`], [`AuthorityError::Subject`],
    /// [`AuthorityError::Node`].
    pub fn sign_csr(
        &self,
        csr_der: &[u8],
        subject: &Subject,
        validity: Validity,
    ) -> Result<String, AuthorityError> {
        let request = read_csr(csr_der)?;
        if subject.role == Role::Coordinator {
            return Err(EnrolError::Role {
                given: subject.role.to_string(),
            }
            .into());
        }
        let mut params = CertificateParams::default();
        describe(&mut params, subject)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        limit(&mut params, validity);
        let cert: Certificate = params.signed_by(&request.public_key, &self.issuer)?;
        Ok(cert.pem())
    }
}

/// A fresh TLS key (ECDSA P-256), made where it will be used, and a request for a certificate on
/// it: (request DER, private key PEM).
///
/// # Errors
/// [`AuthorityError::Subject`] for a name that no certificate may carry,
/// [`AuthorityError::Library`].
pub fn make_csr(name: &str) -> Result<(Vec<u8>, Zeroizing<String>), AuthorityError> {
    let key = new_key()?;
    Ok((request(name, &key)?, Zeroizing::new(key.serialize_pem())))
}

/// A request for a certificate on a key that [`make_csr`] made: who joins again after a lost answer
/// asks with the same key.
///
/// # Errors
/// [`AuthorityError::KeyKind`] when the text is not such a key, and those of [`make_csr`].
pub fn renew_csr(name: &str, key_pem: &str) -> Result<Vec<u8>, AuthorityError> {
    let key = KeyPair::from_pem(key_pem).map_err(|_| AuthorityError::KeyKind)?;
    if *key.algorithm() != PKCS_ECDSA_P256_SHA256 {
        return Err(AuthorityError::KeyKind);
    }
    request(name, &key)
}

fn request(name: &str, key: &KeyPair) -> Result<Vec<u8>, AuthorityError> {
    check_name(name)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params.serialize_request(key)?.der().to_vec())
}

/// SHA-256 of a certificate's DER bytes, as [`Peer::certificate`](super::peer::Peer::certificate)
/// has it.
///
/// # Errors
/// [`AuthorityError::Stored`] when the text is not a certificate.
pub fn certificate_digest(cert_pem: &str) -> Result<Digest, AuthorityError> {
    Ok(Digest::of_file(&certificate_der(cert_pem)?))
}

/// When a certificate ends, in milliseconds since 1970-01-01 UTC.
///
/// # Errors
/// [`AuthorityError::Stored`] when the text is not a certificate.
pub fn certificate_end_ms(cert_pem: &str) -> Result<u64, AuthorityError> {
    let der = certificate_der(cert_pem)?;
    let (_, cert) =
        x509_parser::parse_x509_certificate(&der).map_err(|_| AuthorityError::Stored)?;
    // One that ended before 1970 ended long ago, whenever that was.
    let seconds = cert.validity().not_after.timestamp().max(0);
    Ok(seconds.unsigned_abs().saturating_mul(1000))
}

/// A second since 1970 that a certificate can say.
fn reached(second: u64) -> Duration {
    Duration::from_secs(second.min(LAST_SECOND))
}

/// A certificate's DER bytes.
///
/// # Errors
/// [`AuthorityError::Stored`] when the text is not a certificate.
pub fn certificate_der(cert_pem: &str) -> Result<Vec<u8>, AuthorityError> {
    let cert =
        CertificateDer::from_pem_slice(cert_pem.as_bytes()).map_err(|_| AuthorityError::Stored)?;
    Ok(cert.to_vec())
}

/// SHA-256 of the public key (DER, SubjectPublicKeyInfo) in a request: what an enrolment's proof
/// covers.
///
/// # Errors
/// [`AuthorityError::Request`], [`AuthorityError::KeyKind`].
pub fn csr_key_digest(csr_der: &[u8]) -> Result<Digest, AuthorityError> {
    Ok(Digest::of_file(
        &read_csr(csr_der)?.public_key.subject_public_key_info(),
    ))
}

fn read_csr(csr_der: &[u8]) -> Result<CertificateSigningRequestParams, AuthorityError> {
    if csr_der.len() > MAX_CSR {
        return Err(AuthorityError::Request);
    }
    let request =
        CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr_der))
            .map_err(|_| AuthorityError::Request)?;
    if *request.public_key.algorithm() != PKCS_ECDSA_P256_SHA256 {
        return Err(AuthorityError::KeyKind);
    }
    Ok(request)
}

fn new_key() -> Result<KeyPair, AuthorityError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

fn describe(params: &mut CertificateParams, subject: &Subject) -> Result<(), AuthorityError> {
    check_name(&subject.name)?;
    check_country(&subject.country)?;
    if (subject.role == Role::Site) != subject.node.is_some() {
        return Err(AuthorityError::Node {
            name: subject.name.clone(),
            role: subject.role,
        });
    }
    let mut name = DistinguishedName::new();
    // Country and serialNumber are printable strings by X.520; some tools refuse any other form.
    name.push(
        DnType::CountryName,
        DnValue::PrintableString(subject.country.as_str().try_into()?),
    );
    name.push(DnType::OrganizationalUnitName, subject.role.as_str());
    name.push(DnType::CommonName, subject.name.as_str());
    if let Some(node) = subject.node {
        let node = DnValue::PrintableString(node.hex().try_into()?);
        name.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), node);
    }
    params.distinguished_name = name;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(())
}

fn limit(params: &mut CertificateParams, validity: Validity) {
    params.not_before = date_time_ymd(1970, 1, 1) + reached(validity.from_s);
    params.not_after = date_time_ymd(1970, 1, 1) + reached(validity.until_s);
    // Random, so that two certificates for one key differ; the first bit is clear, since serials
    // are positive.
    let mut serial: [u8; 16] = crate::rng::bytes();
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    params.serial_number = Some(SerialNumber::from_slice(&serial));
}

/// A consortium's name as a certificate can carry it.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(60)
        .collect()
}

//! Whom the dialling side trusts: one authority, known by its certificate or only by its
//! fingerprint.

use super::peer::issuer_of;
use super::provider;
use motet_secagg::digest::Digest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use std::sync::{Arc, OnceLock};

/// The chain does not lead to the authority we trust.
#[derive(Debug, thiserror::Error)]
#[error("issued by another authority: {issuer}")]
pub(super) struct Foreign {
    /// Who issued what was shown.
    pub(super) issuer: String,
}

/// Trusts one authority, known by its certificate or only by its fingerprint.
#[derive(Debug)]
pub(super) struct Trust {
    /// SHA-256 of the authority's certificate.
    root: Digest,
    /// The certificate itself, once it is stored; else it is looked for in the chain.
    known: Option<CertificateDer<'static>>,
    /// The name the certificate must be for. Not the dialled host: that one only travels as a hint
    /// to the server.
    name: ServerName<'static>,
    /// The authority that was found in a chain that held.
    seen: OnceLock<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// Trusts the stored authority.
    pub(super) fn known(ca: CertificateDer<'static>, name: ServerName<'static>) -> Self {
        Self {
            known: Some(ca.clone()),
            ..Self::pinned(Digest::of_file(&ca), name)
        }
    }

    /// Trusts the authority with this fingerprint, which the other side must show.
    pub(super) fn pinned(root: Digest, name: ServerName<'static>) -> Self {
        Self {
            root,
            known: None,
            name,
            seen: OnceLock::new(),
            provider: provider(),
        }
    }

    /// The authority's certificate, PEM, after a handshake that held.
    pub(super) fn authority_pem(&self) -> Option<String> {
        self.seen.get().map(|ca| pem_of(ca))
    }
}

/// RFC 7468 text of a certificate.
fn pem_of(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    // 48 bytes are the 64 letters of a line.
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let bits = group
                .iter()
                .zip([16, 8, 0])
                .fold(0_u32, |bits, (byte, shift)| {
                    bits | u32::from(*byte) << shift
                });
            for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
                text.push(if at <= group.len() {
                    base64_letter((bits >> shift) & 63)
                } else {
                    '='
                });
            }
        }
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

fn base64_letter(six_bits: u32) -> char {
    let letter = match six_bits {
        0..26 => u32::from('A') + six_bits,
        26..52 => u32::from('a') + six_bits - 26,
        52..62 => u32::from('0') + six_bits - 52,
        62 => u32::from('+'),
        _ => u32::from('/'),
    };
    char::from_u32(letter).unwrap_or('=')
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let foreign = || {
            let foreign = Foreign {
                issuer: issuer_of(end_entity),
            };
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(
                foreign,
            ))))
        };
        let in_chain = || {
            intermediates
                .iter()
                .find(|cert| Digest::of_file(cert) == self.root)
        };
        let ca = self.known.as_ref().or_else(in_chain).ok_or_else(foreign)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned()).map_err(|_| foreign())?;
        let chain = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|_| foreign())?;
        match chain.verify_server_cert(end_entity, intermediates, &self.name, ocsp_response, now) {
            Ok(verified) => {
                let _ = self.seen.set(ca.clone().into_owned());
                Ok(verified)
            }
            Err(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => Err(foreign()),
            Err(other) => Err(other),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(
            "only TLS 1.3 is spoken here".to_owned(),
        ))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject as _;

    #[test]
    fn pem_comes_back_as_the_same_bytes() {
        for length in [0, 1, 2, 3, 47, 48, 49, 50, 256] {
            let der: Vec<u8> = (0..length).map(|at| (at * 37 % 256) as u8).collect();
            assert_eq!(
                &*CertificateDer::from_pem_slice(pem_of(&der).as_bytes()).unwrap(),
                der,
                "{length} bytes"
            );
        }
    }
}

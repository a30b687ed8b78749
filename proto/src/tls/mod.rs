//! Mutual TLS between nodes, people and the coordinator: TLS 1.3 only, one authority per
//! consortium.
//!
//! ```text
//! authority   the consortium's CA: issues the coordinator's, nodes' and people's certificates
//! peer        who a certificate says its holder is
//! server      what a caller may hold; arriving: accepts connections, in places that strangers cannot fill; connections:
//!             who is on each, cut when a site is removed
//! client      dials out; the first contact trusts the fingerprint in the join code, later ones the stored CA
//! ```
//!
//! TLS ends at the coordinator and protects the way there. It vouches for nobody's updates: those
//! are signed with the identity keys that the roster lists.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::Arc;

mod arriving;
pub mod authority;
pub mod client;
mod connections;
pub mod peer;
mod places;
pub mod server;
mod trust;

/// A name that the coordinator's certificate carries whatever its address is. Nodes check for this
/// one: a coordinator may be reached through address translation or move, and only it holds a
/// server certificate.
pub const COORDINATOR_NAME: &str = "coordinator.motet.internal";

/// HTTP/2 over TLS, the only protocol offered.
const ALPN: &[u8] = b"h2";

/// The longest TLS record that either side sends, in bytes of what it carries. A record can be read
/// when all of it has arrived: one of the largest there are, 16 KiB, would keep a line that breaks
/// after less from getting on.
const RECORD: usize = 4 << 10;

/// Bytes that may be under way in one stream: with HTTP/2's defaults a link of 40 ms carries 25
/// MB/s at most.
pub const STREAM_WINDOW: u32 = 8 << 20;

/// Bytes that may be under way in one connection.
pub const CONNECTION_WINDOW: u32 = 16 << 20;

/// The cryptography of every connection. Named here and passed everywhere, never installed
/// process-wide, so that no library linked later can change it. The hybrid key exchange comes
/// first: what is recorded today must stay closed to the quantum computers of its patients'
/// lifetime.
fn provider() -> Arc<CryptoProvider> {
    let kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
    ];
    Arc::new(CryptoProvider {
        kx_groups,
        ..aws_lc_rs::default_provider()
    })
}

#[cfg(test)]
mod tests;

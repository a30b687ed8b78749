//! The wire schema `motet.v1` and mutual TLS.
//!
//! [`v1`] is generated from the `.proto` files beside this crate; [`access`] says who may call
//! what; [`refusal`] carries stable codes through gRPC; [`tls`] is the only way in and out;
//! [`keyfile`] keeps secrets on disk, [`draft`] a newcomer's folder until it is whole; [`uploads`]
//! takes in what a sum is made again from; `words` are those of the schema's closed sets; [`version`] is what two sides agree to speak; [`stop`]
//! how a daemon is told to end, [`dice`] where randomness comes from, and [`process`] closes a
//! program to others of its machine.

pub mod access;
pub mod dice;
pub mod draft;
pub mod keyfile;
pub mod process;
pub mod refusal;
pub mod stop;
pub mod tls;
pub mod uploads;
pub mod version;
mod words;

/// Generated from `motet/v1/*.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the documents are in the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("motet.v1");
}

/// The largest message either side accepts; anything bigger travels in pieces.
pub const MAX_MESSAGE: usize = 16 << 20;

/// The size of a piece of an upload or a download.
pub const PIECE: usize = 256 << 10;

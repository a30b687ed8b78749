//! The wire schema `motet.v1` and mutual TLS.
//!
//! [`v1`] is generated from the `.proto` files beside this crate; [`access`] says who may call
//! what; [`refusal`] carries stable codes through gRPC; [`tls`] is the only way in and out;
//! [`keyfile`] keeps secrets on disk, [`draft`] a newcomer's folder until it is whole; [`uploads`]
//! takes in what a sum is made again from, [`catalogue`] what stewards tell of their datasets; `words` are those of the schema's closed sets; [`version`] is what two sides agree to speak; [`stop`]
//! how a daemon is told to end, [`rng`] where randomness comes from, and [`process`] closes a
//! program to others of its machine.

pub mod access;
pub mod catalogue;
pub mod draft;
pub mod keyfile;
pub mod process;
pub mod refusal;
pub mod rng;
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

/// The largest piece of an upload or a download.
pub const PIECE: usize = 256 << 10;
/// The first piece that a connection carries.
const FIRST_PIECE: usize = 4 << 10;

/// Cuts what one connection carries into pieces, each twice as long as the one before it, up to
/// [`PIECE`]. A piece that has not wholly arrived is sent again over the next connection; so a line
/// gets on that breaks after a few kilobytes, time after time, and no line loses much more than it
/// has carried.
#[derive(Debug)]
pub struct Cut {
    next: usize,
}

impl Default for Cut {
    fn default() -> Self {
        Self { next: FIRST_PIECE }
    }
}

impl Cut {
    /// The next piece, off the front of `rest`; none when nothing is left.
    pub fn piece<'a>(&mut self, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (piece, after) = rest.split_at(self.next.min(rest.len()));
        *rest = after;
        if piece.is_empty() {
            return None;
        }
        self.next = (self.next * 2).min(PIECE);
        Some(piece)
    }
}

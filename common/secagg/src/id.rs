//! Sixteen-byte identifiers of nodes and runs.

use crate::digest::{from_hex, to_hex};
use crate::encode::{Canonical, Malformed, Reader};
use std::fmt;

macro_rules! identifier {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);
        impl $name {
            /// Lower-case hexadecimal.
            pub fn hex(&self) -> String {
                to_hex(&self.0)
            }
            /// Reads 32 hexadecimal digits.
            ///
            /// # Errors
            /// [`Malformed`] for anything else.
            pub fn from_hex(text: &str) -> Result<Self, Malformed> {
                from_hex(text).and_then(|b| b.try_into().ok()).map(Self).ok_or(Malformed { what: stringify!($name) })
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.hex())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.hex())
            }
        }
        impl Canonical for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                <[u8; 16]>::read(input).map(Self)
            }
        }
    };
}

identifier! {
    /// A site's node: the first 16 bytes of the digest of its identity key, so that an id cannot
    /// name two keys.
    NodeId
}
identifier! {
    /// One execution of a study's recipe; drawn at random when the run starts.
    RunId
}

//! Digests, ids, keys and bytes as lower-case hexadecimal text in JSON, for serde's `with`.

use motet_secagg::digest::{Digest, from_hex, to_hex};
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::sign::{PublicKey, Signature};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) trait Hex: Sized {
    /// The JSON shape: a text, or a list of texts.
    type Text: Serialize + for<'de> Deserialize<'de>;
    fn show(&self) -> Self::Text;
    fn read(text: &Self::Text) -> Option<Self>;
}

macro_rules! hex {
    ($($name:ty),*) => {$(
        impl Hex for $name {
            type Text = String;
            fn show(&self) -> String {
                self.hex()
            }
            fn read(text: &String) -> Option<Self> {
                Self::from_hex(text).ok()
            }
        }
    )*};
}
hex!(Digest, NodeId, RunId, PublicKey, Signature);

impl Hex for Vec<u8> {
    type Text = String;
    fn show(&self) -> String {
        to_hex(self)
    }
    fn read(text: &String) -> Option<Self> {
        from_hex(text)
    }
}

macro_rules! hex_list {
    ($($name:ty),*) => {$(
        impl Hex for Vec<$name> {
            type Text = Vec<String>;
            fn show(&self) -> Vec<String> {
                self.iter().map(Hex::show).collect()
            }
            fn read(text: &Vec<String>) -> Option<Self> {
                text.iter().map(Hex::read).collect()
            }
        }
    )*};
}
hex_list!(Digest, NodeId);

pub(crate) fn serialize<T: Hex, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    value.show().serialize(out)
}

pub(crate) fn deserialize<'de, T: Hex, D: Deserializer<'de>>(input: D) -> Result<T, D::Error> {
    let text = T::Text::deserialize(input)?;
    T::read(&text).ok_or_else(|| D::Error::custom("not hexadecimal of the right length"))
}

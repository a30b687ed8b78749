//! The cryptography of the masked sum: protocol CSA-1, a pure leaf that can be reviewed on its own.
#![warn(missing_docs)]

pub mod digest;
pub mod encode;
pub mod id;
pub mod layout;

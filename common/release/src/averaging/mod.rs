//! Federated averaging: networks, whatever their outcome is.

pub(crate) mod network;
pub(crate) mod number;
pub(crate) mod time;
pub(crate) mod yes_no;

//! Federated averaging: networks, whatever their outcome is.

pub(crate) mod network;
pub(crate) mod number;
pub(crate) mod time;
pub(crate) mod yes_no;

use crate::shown::Shown;
use motet_recipes::Averaged;

pub(crate) fn shown(found: Averaged) -> Box<dyn Shown> {
    match found {
        Averaged::YesNo(found) => Box::new(found),
        Averaged::Number(found) => Box::new(found),
        Averaged::Time(found) => Box::new(found),
    }
}

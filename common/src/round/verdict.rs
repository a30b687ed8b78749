//! Whether a phase may close.

use crate::refusal::Code;
use motet_secagg::id::NodeId;

/// What a phase makes of the time and of who is still awaited.
pub(super) enum Verdict {
    Wait,
    Close(Vec<NodeId>),
    Abandon(Code),
}

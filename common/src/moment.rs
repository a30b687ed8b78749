//! Time as the round machine sees it: a number handed in by the driver, never read from a clock
//! here.

use motet_secagg::canonical;

canonical! {
    /// Milliseconds since 1970-01-01 UTC, as the driver's clock had them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Moment {
        /// Milliseconds.
        pub ms: u64,
    }
}

impl Moment {
    /// This much later.
    #[must_use]
    pub fn after(self, span_ms: u32) -> Self {
        Self {
            ms: self.ms.saturating_add(u64::from(span_ms)),
        }
    }
}

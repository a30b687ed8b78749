//! What tests see of secrets that are dropped: each `Drop` that wipes says so here, on the thread
//! that drops it. Freed memory cannot be read back in safe code, so a secret is looked at in its
//! last moment, after it has been wiped.

use std::cell::RefCell;

/// One secret that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// Its type.
    pub(crate) what: &'static str,
    /// Elements it held before.
    pub(crate) held: usize,
    /// Whether nothing of them was left.
    pub(crate) clean: bool,
}

thread_local! {
    static ENDS: RefCell<Vec<End>> = const { RefCell::new(Vec::new()) };
}

/// Notes an end; called by `Drop`. A vector counts as clean when it is empty: that is how
/// `Vec::zeroize` leaves one after it has overwritten all of its capacity, while clearing would
/// leave the elements in memory and is not called anywhere.
pub(crate) fn saw(what: &'static str, held: usize, clean: bool) {
    // Secrets in other thread-locals may end after this one.
    let _ = ENDS.try_with(|ends| ends.borrow_mut().push(End { what, held, clean }));
}

/// All ends on this thread since the last call.
pub(crate) fn ends() -> Vec<End> {
    ENDS.with(RefCell::take)
}

mod tests;

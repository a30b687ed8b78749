//! What a program does to itself before it holds a secret: nobody but an administrator looks into
//! its memory, nothing of it is written to a core file, and what it gives back to the allocator is
//! overwritten first.
//!
//! The memory is the place where all secrets meet: keys, the secrets of open rounds, and at a
//! hospital the patients. Types wipe themselves when they are dropped, but lists that grow,
//! libraries and messages leave copies; an allocator that wipes leaves none, whoever made them.

use std::alloc::System;
use zeroizing_alloc::ZeroAlloc;

/// The allocator of every program of ours.
pub type Allocator = ZeroAlloc<System>;

/// For `#[global_allocator]` in a program's `main.rs`.
pub const WIPES: Allocator = ZeroAlloc(System);

/// The system did not close the process.
#[derive(Debug, thiserror::Error)]
#[error(
    "this system does not let the program close its memory to others \
     ({0}): allow `prctl` and `setrlimit` where it is \
     started, or ask whoever restricts it; nothing was begun"
)]
pub struct NotClosed(std::io::Error);

/// Closes the process: no core file, and on Linux neither a debugger nor another process of the
/// same user reads its memory. For the first line of `main`; it holds until the process ends and
/// cannot be turned off.
///
/// # Errors
/// [`NotClosed`]: then the program should end.
pub fn close() -> Result<(), NotClosed> {
    closed().map_err(|error| NotClosed(error.into()))
}

/// Whether lines on standard error may be coloured: somebody looks at them on a terminal, and did
/// not ask for none (<https://no-color.org>). A log in a file is plain.
pub fn is_coloured() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && std::io::IsTerminal::is_terminal(&std::io::stderr())
}

#[cfg(unix)]
fn closed() -> rustix::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    // The hard limit too: nothing that this process starts can raise it again.
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
}

#[cfg(not(unix))]
fn closed() -> std::io::Result<()> {
    Ok(())
}

//! Waits before something is tried again: each twice as long as the one before it, up to a longest.

use std::time::Duration;

/// The next wait, and what it grows to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    wait: Duration,
    longest: Duration,
}

impl Backoff {
    /// Waits from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            wait: first,
            longest,
        }
    }

    /// How long to wait now.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// The same; the next wait is twice as long.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = wait.saturating_mul(2).min(self.longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let waits = [(); 5].map(|()| backoff.next_wait().as_secs());
        assert_eq!(waits, [1, 2, 4, 5, 5]);
    }
}

//! A bounded number of places for callers whom nobody knows yet. When all are taken, the newest
//! gets the place of the oldest of that origin which holds most: a crowd from one place pushes out
//! itself and nobody else, and nobody who is quick enough is ever turned away.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Fails when the place was given to somebody else.
pub(super) type Cut = oneshot::Receiver<()>;

/// An IPv4 address, or the network of an IPv6 one: whoever has one of those has 2^64 addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Origin(u128);

impl Origin {
    fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(v4) => Self(u128::from(v4.to_bits())),
            IpAddr::V6(v6) => Self(v6.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

/// The places. Clones share them.
#[derive(Clone)]
pub(super) struct Places {
    most: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    count: usize,
    unknown: BTreeMap<Origin, BTreeMap<u64, oneshot::Sender<()>>>,
    vouched: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            taken: Arc::default(),
        }
    }

    /// A place, for which another may have to go.
    pub(super) fn take(&self, address: SocketAddr) -> (Place, Cut) {
        let (sender, cut) = oneshot::channel();
        let origin = Origin::of(address);
        let mut taken = self.lock();
        while taken.count >= self.most {
            taken.let_go();
        }
        let id = taken.next;
        taken.next = id.wrapping_add(1);
        taken.count += 1;
        taken.unknown.entry(origin).or_default().insert(id, sender);
        debug_assert!(taken.adds_up() && taken.count <= self.most);
        drop(taken);
        (
            Place {
                places: self.clone(),
                origin,
                id,
            },
            cut,
        )
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Whether as many are counted as have a place.
    fn adds_up(&self) -> bool {
        let crowds: usize = self.unknown.values().map(BTreeMap::len).sum();
        self.count == crowds + self.vouched.len()
    }

    /// Cuts the oldest of the largest crowd; of those who are vouched for only when there is nobody
    /// else.
    fn let_go(&mut self) {
        let largest = self
            .unknown
            .iter()
            .max_by_key(|(_, crowd)| crowd.len())
            .map(|(origin, _)| *origin);
        if let Some(crowd) = largest.and_then(|origin| self.unknown.get_mut(&origin)) {
            crowd.pop_first();
        } else {
            self.vouched.pop_first();
        }
        self.unknown.retain(|_, crowd| !crowd.is_empty());
        self.count = self.count.saturating_sub(1);
    }

    fn remove(&mut self, origin: Origin, id: u64) -> Option<oneshot::Sender<()>> {
        let crowd = self.unknown.get_mut(&origin);
        let sender = crowd
            .and_then(|crowd| crowd.remove(&id))
            .or_else(|| self.vouched.remove(&id))?;
        if self.unknown.get(&origin).is_some_and(BTreeMap::is_empty) {
            self.unknown.remove(&origin);
        }
        self.count = self.count.saturating_sub(1);
        debug_assert!(self.adds_up(), "who leaves was counted");
        Some(sender)
    }
}

/// A place, free again when this is dropped.
pub(super) struct Place {
    places: Places,
    origin: Origin,
    id: u64,
}

impl Place {
    /// Its holder has shown to be expected: strangers go before it.
    pub(super) fn vouch(&self) {
        let mut taken = self.places.lock();
        if let Some(sender) = taken.remove(self.origin, self.id) {
            taken.count += 1;
            taken.vouched.insert(self.id, sender);
            debug_assert!(taken.adds_up(), "who is vouched for has one place");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(self.origin, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 4000))
    }

    fn stands(cut: &mut Cut) -> bool {
        matches!(cut.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    #[test]
    fn a_crowd_pushes_out_its_own_oldest_and_nobody_else() {
        let places = Places::new(4);
        let (_lone, mut lone) = places.take(address(1));
        let mut crowd: Vec<_> = (0..20).map(|_| places.take(address(2))).collect();
        assert!(stands(&mut lone), "another origin keeps its place");
        let standing: Vec<bool> = crowd.iter_mut().map(|(_, cut)| stands(cut)).collect();
        assert_eq!(standing.iter().filter(|stands| **stands).count(), 3);
        assert!(
            standing[17..].iter().all(|stands| *stands),
            "the newest stand"
        );
        drop(crowd);
        let taken = places.lock();
        assert_eq!(
            (taken.count, taken.unknown.len()),
            (1, 1),
            "who has gone is forgotten"
        );
    }

    #[test]
    fn who_is_vouched_for_goes_last() {
        let places = Places::new(2);
        let (known, mut stays) = places.take(address(1));
        known.vouch();
        let mut others: Vec<_> = (0..5).map(|_| places.take(address(1))).collect();
        assert!(stands(&mut stays));
        assert!(stands(&mut others[4].1) && !stands(&mut others[3].1));
        others.iter().for_each(|(place, _)| place.vouch());
        let (_newest, mut newest) = places.take(address(1));
        assert!(
            stands(&mut newest) && !stands(&mut stays),
            "where all are, the oldest goes"
        );
    }

    #[test]
    fn an_ipv6_network_is_one_origin_and_a_mapped_ipv4_address_is_itself() {
        let of = |text: &str| Origin::of(text.parse().unwrap());
        assert!(
            of("[2001:db8::1]:1") == of("[2001:db8::ffff:1]:2")
                && of("[2001:db8::1]:1") != of("[2001:db8:0:1::1]:1")
        );
        assert!(of("[::ffff:192.0.2.1]:1") == of("192.0.2.1:1"));
    }
}

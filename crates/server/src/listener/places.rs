//! How many connections there may be, and who gives way when there is one more.
//!
//! A connection works while a request of it is being answered, and waits otherwise. When all places are taken, one
//! that waits gives way: strangers before those whose last request had a known caller, and of each the one that has
//! waited longest. Whoever has just come is therefore the last to go, and thousands that say nothing keep nobody out.
//! Where all work, a few places are left, in which only known callers are answered.
//!
//! Strangers of one address have a part of the places only; not so this machine's own addresses and trusted proxies.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    in_all: usize,
    /// Of these for known callers when all others work.
    reserve: usize,
    strangers_per_address: usize,
}

impl Bounds {
    /// So many in all: a sixteenth for the reserve, a quarter for one address's strangers.
    pub(super) fn of(in_all: usize) -> Self {
        Self { in_all, reserve: (in_all / 16).max(1), strangers_per_address: (in_all / 4).max(1) }
    }
}

/// Who gives way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Stranger,
    Known,
}

type Id = u64;

#[derive(Debug)]
struct Seat {
    address: IpAddr,
    standing: Standing,
    /// Since when it waits, in the order of all that happened; `None` while it works.
    waits_since: Option<u64>,
    give_way: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Seats {
    by_id: HashMap<Id, Seat>,
    waiting: BTreeSet<(Standing, u64, Id)>,
    strangers: HashMap<IpAddr, usize>,
    happened: u64,
}

/// All places of a listener.
#[derive(Debug)]
pub(super) struct Places {
    bounds: Bounds,
    seats: Mutex<Seats>,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: Id,
    give_way: Arc<Notify>,
    on_reserve: bool,
}

/// Marks a request of a connection in the reserve: strangers are not answered there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnReserve;

impl Places {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, seats: Mutex::default() }
    }

    /// A place for a connection from this address; `None` where all are at work.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, is_proxy: bool) -> Option<Place> {
        let mut seats = self.lock();
        let strangers = seats.strangers.get(&address).copied().unwrap_or(0);
        let is_own = is_proxy || address.to_canonical().is_loopback();
        if strangers >= self.bounds.strangers_per_address && !is_own {
            seats.send_away(|seat| seat.address == address && seat.standing == Standing::Stranger)?;
        }
        let mut on_reserve = false;
        if seats.by_id.len() >= self.bounds.in_all - self.bounds.reserve && seats.send_away(|_| true).is_none() {
            if seats.by_id.len() >= self.bounds.in_all {
                return None;
            }
            on_reserve = true;
        }
        let (id, give_way) = (seats.next(), Arc::new(Notify::new()));
        let standing = Standing::Stranger;
        let seat = Seat { address, standing, waits_since: Some(id), give_way: Arc::clone(&give_way) };
        seats.by_id.insert(id, seat);
        seats.waiting.insert((standing, id, id));
        *seats.strangers.entry(address).or_default() += 1;
        Some(Place { places: Arc::clone(self), id, give_way, on_reserve })
    }

    /// Lets one that waits give way, for when the system has no room.
    pub(super) fn make_room(&self) {
        self.lock().send_away(|_| true);
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        match self.seats.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

impl Seats {
    fn next(&mut self) -> u64 {
        self.happened += 1;
        self.happened
    }

    /// Frees the place of the first that waits and that `may_go`.
    fn send_away(&mut self, may_go: impl Fn(&Seat) -> bool) -> Option<()> {
        let mut waiting = self.waiting.iter();
        let id = waiting.find(|(_, _, id)| self.by_id.get(id).is_some_and(&may_go))?.2;
        if let Some(seat) = self.remove(id) {
            seat.give_way.notify_one();
        }
        Some(())
    }

    fn remove(&mut self, id: Id) -> Option<Seat> {
        let seat = self.by_id.remove(&id)?;
        if let Some(since) = seat.waits_since {
            self.waiting.remove(&(seat.standing, since, id));
        }
        if seat.standing == Standing::Stranger {
            self.one_stranger_less(seat.address);
        }
        Some(seat)
    }

    fn one_stranger_less(&mut self, address: IpAddr) {
        if let Some(count) = self.strangers.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.strangers.remove(&address);
            }
        }
    }
}

impl Place {
    /// A request is being answered: it does not give way.
    pub(super) fn works(&self) {
        let mut seats = self.places.lock();
        let seats = &mut *seats;
        if let Some(seat) = seats.by_id.get_mut(&self.id)
            && let Some(since) = seat.waits_since.take()
        {
            seats.waiting.remove(&(seat.standing, since, self.id));
        }
    }

    /// The request is answered.
    pub(super) fn waits(&self) {
        let mut seats = self.places.lock();
        let now = seats.next();
        let seats = &mut *seats;
        if let Some(seat) = seats.by_id.get_mut(&self.id)
            && seat.waits_since.is_none()
        {
            seat.waits_since = Some(now);
            seats.waiting.insert((seat.standing, now, self.id));
        }
    }

    /// The caller of the request that is being answered is known.
    pub(crate) fn known(&self, known: bool) {
        let mut seats = self.places.lock();
        let seats = &mut *seats;
        if let Some(seat) = seats.by_id.get_mut(&self.id)
            && known
            && seat.standing == Standing::Stranger
            && seat.waits_since.is_none()
        {
            seat.standing = Standing::Known;
            let address = seat.address;
            seats.one_stranger_less(address);
        }
    }

    /// Resolves when another needs the place more.
    pub(super) async fn gives_way(&self) {
        self.give_way.notified().await;
    }

    pub(super) const fn is_on_reserve(&self) -> bool {
        self.on_reserve
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn places(in_all: usize, reserve: usize, strangers_per_address: usize) -> Arc<Places> {
        Arc::new(Places::new(Bounds { in_all, reserve, strangers_per_address }))
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn must_go(place: &Place) -> bool {
        place.gives_way().now_or_never().is_some()
    }

    #[test]
    fn who_has_waited_longest_gives_way_and_who_works_does_not() {
        let places = places(4, 1, 4);
        let [one, two, three] = [1, 2, 3].map(|last| places.admit(address(last), false).unwrap());
        one.works();
        let four = places.admit(address(4), false).unwrap();
        assert!(!must_go(&one) && must_go(&two) && !must_go(&three) && !must_go(&four));
    }

    #[test]
    fn a_known_caller_outlasts_strangers() {
        let places = places(3, 1, 4);
        let known = places.admit(address(1), false).unwrap();
        known.works();
        known.known(true);
        known.waits();
        let stranger = places.admit(address(2), false).unwrap();
        places.admit(address(3), false).unwrap();
        assert!(must_go(&stranger) && !must_go(&known));
    }

    #[test]
    fn where_all_work_the_reserve_is_left_and_then_nothing() {
        let places = places(3, 1, 9);
        let admit = || {
            let place = places.admit(address(1), false).unwrap();
            place.works();
            place
        };
        let (one, two) = (admit(), admit());
        assert!(!one.is_on_reserve() && !two.is_on_reserve());
        let three = admit();
        assert!(three.is_on_reserve());
        assert!(places.admit(address(2), false).is_none());
        drop(one);
        assert!(places.admit(address(2), false).is_some());
    }

    #[test]
    fn strangers_of_one_address_have_a_part_and_this_machine_has_not() {
        let places = places(100, 1, 2);
        let [one, two] = [1, 1].map(|last| places.admit(address(last), false).unwrap());
        let three = places.admit(address(1), false).unwrap();
        assert!(must_go(&one) && !must_go(&two) && !must_go(&three));
        two.works();
        three.works();
        assert!(places.admit(address(1), false).is_none(), "its places are all at work");
        two.known(true);
        assert!(places.admit(address(1), false).is_some(), "a known caller takes none of the strangers'");
        assert!(places.admit(address(2), false).is_some());
        let local = IpAddr::from([127, 0, 0, 1]);
        let proxied: Vec<Place> = (0..5).filter_map(|_| places.admit(local, false)).collect();
        proxied.iter().for_each(Place::works);
        assert!(places.admit(local, false).is_some());
    }

    #[test]
    fn what_is_given_back_leaves_nothing() {
        let places = places(10, 1, 10);
        let all: Vec<Place> = (0..9).filter_map(|last| places.admit(address(last), false)).collect();
        all.iter().for_each(Place::works);
        all.iter().for_each(Place::waits);
        drop(all);
        let seats = places.lock();
        assert!(seats.by_id.is_empty() && seats.waiting.is_empty() && seats.strangers.is_empty());
    }
}

//! When which database is read for the sets of scope `database`, and what is said of those that fail.
//! Pure; `databases.rs` does the reading.
//!
//! Rounds visit one database at a time, busiest first. A connection costs the instance about 7 ms of
//! CPU, so after the first few one is opened every [`PAUSE`]; the database of the open connection is
//! read over that one and waits for nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use catalog::Set;
use tokio::time::Instant;
use wire::{SetState, State, StateCode};

use crate::coverage;
use crate::refusals::Refusals;

/// The mean pause between two connections that are opened.
const PAUSE: Duration = Duration::from_secs(2);
/// How many connections may be opened without pause after a time without any.
const AT_ONCE: u32 = 5;
/// How often the databases are listed.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// Sets that are due so soon are read in the same visit.
const EARLY: Duration = Duration::from_secs(1);
/// The most databases that a state names.
const MAX_NAMED: usize = 3;

/// The databases, what is due where, and what went wrong.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The sets with their intervals, and how many times rarer they are read.
    sets: Vec<(String, Duration, u32)>,
    listed: Vec<Database>,
    list_at: Instant,
    round: VecDeque<i64>,
    /// When each database is to be visited for each set; at once where nothing stands here.
    due: HashMap<(i64, String), Instant>,
    /// When connections would be used up that were opened evenly, one every [`PAUSE`].
    opened_until: Instant,
    held_until: Instant,
    troubles: BTreeMap<String, BTreeMap<i64, Trouble>>,
    refusals: Refusals<i64>,
    /// Why there is no list.
    unlisted: Option<String>,
    /// Why the last visit could not be begun.
    held_because: Option<String>,
}

/// A database as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) datid: i64,
    pub(super) name: String,
    /// Whether it may be connected to, and the configuration selects it.
    pub(super) readable: bool,
    /// Why it cannot be asked for although it may and should be read.
    pub(super) odd: Option<Odd>,
    /// Whether the configuration leaves it out.
    pub(super) left_out: bool,
    /// Whether the open connection goes to it.
    pub(super) open: bool,
    /// Its transactions since its statistics were reset.
    pub(super) transactions: i64,
    /// Its transactions since it was last listed.
    pub(super) moved: i64,
}

/// Why a database that is open to connections cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Odd {
    pub(super) code: StateCode,
    pub(super) message: String,
    pub(super) fix: String,
}

/// A database with what is due in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    pub(super) database: Database,
    pub(super) sets: Vec<String>,
}

/// Why a set was not read in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) database: String,
    pub(super) how: State,
    pub(super) code: StateCode,
    pub(super) message: String,
    pub(super) fix: String,
    /// Whether the fix is a statement for inside the database.
    pub(super) inside: bool,
}

impl Default for Sweep {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Sweep {
    /// A sweep for sets and their intervals in seconds.
    pub(super) fn new(sets: Vec<(String, u32)>) -> Self {
        let now = Instant::now();
        Self {
            sets: sets.into_iter().map(|(set, seconds)| (set, Duration::from_secs(seconds.max(1).into()), 1)).collect(),
            listed: Vec::new(),
            list_at: now,
            round: VecDeque::new(),
            due: HashMap::new(),
            opened_until: now,
            held_until: now,
            troubles: BTreeMap::new(),
            refusals: Refusals::default(),
            unlisted: None,
            held_because: None,
        }
    }

    /// The same, going on from another one: sets that are as they were keep their times, all others are due at once.
    pub(super) fn going_on(self, before: Self, is_as_before: impl Fn(&str) -> bool) -> Self {
        let interval = |set: &str| self.sets.iter().find(|(name, ..)| name == set).map(|(_, every, _)| *every);
        let kept: BTreeSet<String> = before
            .sets
            .iter()
            .filter(|(set, every, _)| is_as_before(set) && interval(set) == Some(*every))
            .map(|(set, ..)| set.clone())
            .collect();
        let due = before.due.into_iter().filter(|((_, set), _)| kept.contains(set)).collect();
        let troubles = before.troubles.into_iter().filter(|(set, _)| kept.contains(set)).collect();
        // What is selected may be other databases: they are listed anew, and until then as they were.
        let Self { listed, refusals, unlisted, held_until, opened_until, .. } = before;
        Self { due, troubles, listed, refusals, unlisted, held_until, opened_until, ..self }
    }

    /// When the next visit is to be made, or the databases are to be listed again.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.sets.is_empty() {
            return None;
        }
        let visit = match self.head() {
            Some(database) => Some(self.may_visit_at(database)),
            None => self.readable().map(|database| self.due_at(database).max(self.may_visit_at(database))).min(),
        };
        let wanted = visit.map_or(self.list_at, |visit| visit.min(self.list_at));
        Some(wanted.max(self.held_until))
    }

    /// Makes everything due at once, as if nothing had been read yet.
    pub(super) fn again(&mut self) {
        let (sets, troubles) = (std::mem::take(&mut self.sets), std::mem::take(&mut self.troubles));
        let refusals = std::mem::take(&mut self.refusals);
        *self = Self { sets, troubles, refusals, ..Self::default() };
    }

    /// Makes some sets due at once in every database.
    pub(super) fn hasten(&mut self, is_one: impl Fn(&str) -> bool) {
        self.due.retain(|(_, set), _| !is_one(set));
    }

    /// Reads sets so many times rarer than at their intervals; what is to be read more often from here on, soon enough.
    pub(super) fn slow(&mut self, factor: impl Fn(&str) -> u32, now: Instant) {
        for (set, interval, before) in &mut self.sets {
            let factor = factor(set).max(1);
            if factor < *before {
                for (_, due) in self.due.iter_mut().filter(|((_, name), _)| name == set) {
                    *due = (*due).min(now + *interval * factor);
                }
            }
            *before = factor;
        }
    }

    /// Makes no visit before a moment.
    pub(super) fn hold(&mut self, until: Instant) {
        self.held_until = until;
    }

    /// Lists the databases before the next visit: one is gone, or has another name.
    pub(super) fn list_again(&mut self) {
        self.list_at = self.list_at.min(self.held_until);
    }

    /// Whether a database is none of those that were listed.
    pub(super) fn is_gone(&self, datid: i64) -> bool {
        self.listed.iter().all(|database| database.datid != datid)
    }

    /// Whether a pattern that is a whole name is that of no database; known only once they are listed.
    pub(super) fn is_unknown(&self, pattern: &str) -> bool {
        let whole = !pattern.contains(['*', '?']);
        whole && !self.listed.is_empty() && self.listed.iter().all(|database| database.name != pattern)
    }

    fn readable(&self) -> impl Iterator<Item = &Database> {
        self.listed.iter().filter(|database| database.readable)
    }

    fn head(&self) -> Option<&Database> {
        let datid = self.round.front()?;
        self.readable().find(|database| database.datid == *datid)
    }

    /// When a connection for it may be opened.
    fn may_visit_at(&self, database: &Database) -> Instant {
        let first = self.opened_until.checked_sub(PAUSE * (AT_ONCE - 1)).unwrap_or(self.opened_until);
        if database.open { self.held_until } else { first }
    }

    fn due_at(&self, database: &Database) -> Instant {
        let due = |(set, ..): &(String, Duration, u32)| self.due.get(&(database.datid, set.clone())).copied();
        let due = self.sets.iter().map(|set| due(set).unwrap_or(self.held_until)).min().unwrap_or(self.list_at);
        self.refusals.not_before(&database.datid).map_or(due, |asked| due.max(asked))
    }

    /// A database refused the collector: it is asked ever more rarely.
    pub(super) fn refused(&mut self, database: &Database, now: Instant) {
        self.refusals.refused(&database.datid, now);
    }

    /// A database answered.
    pub(super) fn answered(&mut self, database: &Database) {
        self.held_because = None;
        self.refusals.forget(&database.datid);
    }

    /// There is no list; what is said of every set until there is one.
    pub(super) fn not_listed(&mut self, error: String) {
        self.unlisted = Some(error);
    }

    pub(super) fn must_list(&self, now: Instant) -> bool {
        self.list_at <= now
    }

    /// Takes over a new list. The order is that of the transactions since the last one.
    pub(super) fn list(&mut self, mut databases: Vec<Database>, now: Instant) {
        for database in &mut databases {
            let before = self.listed.iter().find(|before| before.datid == database.datid);
            let since = database.transactions - before.map_or(0, |before| before.transactions);
            database.moved = if since < 0 { database.transactions } else { since };
        }
        databases.sort_by_key(|database| (std::cmp::Reverse(database.moved), database.datid));
        // One that is gone or has another name now is another one to ask.
        for before in &self.listed {
            let is_it = |database: &Database| (database.datid, &database.name) == (before.datid, &before.name);
            if !databases.iter().any(is_it) {
                self.refusals.forget(&before.datid);
            }
        }
        self.listed = databases;
        self.unlisted = None;
        self.list_at = now + LIST_EVERY;
        let readable: BTreeSet<i64> = self.readable().map(|database| database.datid).collect();
        self.due.retain(|(datid, _), _| readable.contains(datid));
        self.round.retain(|datid| readable.contains(datid));
        for troubles in self.troubles.values_mut() {
            // What the list says is said anew below.
            troubles.retain(|datid, trouble| readable.contains(datid) && trouble.inside);
        }
        for database in &self.listed {
            let Some(odd) = &database.odd else { continue };
            for (set, ..) in &self.sets {
                let trouble = Trouble {
                    database: database.name.clone(),
                    how: State::Missing,
                    code: odd.code,
                    message: odd.message.clone(),
                    fix: odd.fix.clone(),
                    inside: false,
                };
                self.troubles.entry(set.clone()).or_default().insert(database.datid, trouble);
            }
        }
    }

    /// Why databases are not read, by their oids, as far as that is not what became of a visit. Without one it is the time.
    pub(super) fn unread(&self) -> Vec<(i64, Option<String>)> {
        let unlisted = self.unlisted.as_ref().map(|error| format!("the databases cannot be listed: {error}"));
        let of = |database: &Database| {
            let reason = match &database.odd {
                _ if database.left_out => Some("left out by what was asked for".to_owned()),
                Some(odd) => {
                    Some(if odd.fix.is_empty() { odd.message.clone() } else { format!("{}: {}", odd.message, odd.fix) })
                }
                None => unlisted.clone().or_else(|| self.held_because.clone()),
            };
            (database.datid, reason)
        };
        self.listed.iter().map(of).collect()
    }

    /// The sets that it reads.
    pub(super) fn sets(&self) -> impl Iterator<Item = &str> {
        self.sets.iter().map(|(set, ..)| set.as_str())
    }

    /// The next database and what is due in it; begins a round when the last one is through.
    pub(super) fn take(&mut self, now: Instant) -> Option<Visit> {
        if self.round.is_empty() {
            let due = self.readable().filter(|database| self.due_at(database) <= now).map(|database| database.datid);
            self.round = due.collect();
        }
        while let Some(database) = self.head().cloned() {
            if self.may_visit_at(&database) > now {
                return None;
            }
            self.round.pop_front();
            let mut sets = Vec::new();
            for (set, interval, factor) in &self.sets {
                let interval = *interval * *factor;
                let due = self.due.entry((database.datid, set.clone())).or_insert(now);
                if *due <= now + EARLY {
                    // What came too late is not made up for.
                    *due = if *due + interval <= now { now + interval } else { *due + interval };
                    sets.push(set.clone());
                }
            }
            if !sets.is_empty() {
                if !database.open {
                    self.opened_until = self.opened_until.max(now) + PAUSE;
                }
                return Some(Visit { database, sets });
            }
        }
        None
    }

    /// Makes a visit later that could not be begun.
    pub(super) fn put_back(&mut self, visit: &Visit, later: Instant, why: Option<String>) {
        self.held_because = why.or(self.held_because.take());
        for set in &visit.sets {
            self.due.remove(&(visit.database.datid, set.clone()));
        }
        self.round.push_front(visit.database.datid);
        self.held_until = later;
    }

    /// Makes sets due again that a visit had no time for.
    pub(super) fn put_off<'a>(&mut self, visit: &Visit, sets: impl Iterator<Item = &'a str>) {
        for set in sets {
            self.due.remove(&(visit.database.datid, set.to_owned()));
        }
    }

    /// Remembers how a set was read in a database; answers what is to be said of the set.
    pub(super) fn outcome(&mut self, set: &Set, database: &Database, trouble: Option<Trouble>) -> Option<SetState> {
        let troubles = self.troubles.entry(set.name().to_owned()).or_default();
        match trouble {
            Some(trouble) => drop(troubles.insert(database.datid, trouble)),
            None => drop(troubles.remove(&database.datid)),
        }
        self.say(set)
    }

    /// What is to be said of a set, if anything.
    pub(super) fn say(&self, set: &Set) -> Option<SetState> {
        if let Some(error) = &self.unlisted {
            let message = format!("The databases cannot be listed, so that none is read: {error}");
            return Some(coverage::state(set, "", State::Error, StateCode::Failed, message, String::new()));
        }
        let wanted = self.listed.iter().filter(|database| database.readable || database.odd.is_some()).count();
        if wanted == 0 && !self.listed.is_empty() {
            let message = format!(
                "None of the {} databases is read: each is a template, closed to the collector's role, or left out \
                 by its configuration.",
                self.listed.len()
            );
            return Some(coverage::state(set, "", State::Missing, StateCode::Privilege, message, String::new()));
        }
        say(set, self.troubles.get(set.name())?, wanted)
    }
}

/// The state of a set that was not read in some databases.
fn say(set: &Set, troubles: &BTreeMap<i64, Trouble>, databases: usize) -> Option<SetState> {
    let first = troubles.values().next()?;
    let all = troubles.len() >= databases;
    let alike = troubles.values().all(|trouble| trouble.how == first.how);
    let how = if all && alike { first.how } else { State::Degraded };
    let named: Vec<&Trouble> = troubles.values().take(MAX_NAMED).collect();
    let same = named.iter().all(|trouble| trouble.message == first.message);
    let mut reasons: Vec<String> = if same {
        vec![format!(
            "{}: {}",
            named.iter().map(|trouble| trouble.database.as_str()).collect::<Vec<_>>().join(", "),
            first.message
        )]
    } else {
        named.iter().map(|trouble| format!("{}: {}", trouble.database, trouble.message)).collect()
    };
    if troubles.len() > named.len() {
        reasons.push(format!("and {} more", troubles.len() - named.len()));
    }
    let message = format!("Not read in {} of {databases} databases ({}).", troubles.len(), reasons.join("; "));
    let mut mendable = troubles.values().filter(|trouble| !trouble.fix.is_empty());
    let fix = match mendable.next() {
        Some(Trouble { fix, inside: true, .. }) => format!("{fix} -- in each of these databases"),
        // Each grant is of one database; a new name is one's own to choose, one after the other.
        Some(Trouble { fix, code: StateCode::Privilege, .. }) => {
            let grants = mendable.filter(|other| other.code == StateCode::Privilege && !other.inside);
            let grants = grants.map(|other| other.fix.as_str()).take(MAX_NAMED - 1);
            std::iter::once(fix.as_str()).chain(grants).collect::<Vec<_>>().join(" ")
        }
        Some(Trouble { fix, .. }) => fix.clone(),
        None => String::new(),
    };
    Some(coverage::state(set, "", how, first.code, message, fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(datid: i64, transactions: i64) -> Database {
        Database {
            datid,
            name: format!("db{datid}"),
            readable: true,
            odd: None,
            left_out: false,
            open: false,
            transactions,
            moved: 0,
        }
    }

    fn sweep(databases: Vec<Database>) -> (Sweep, Instant) {
        let mut sweep = Sweep::new(vec![("often".to_owned(), 60), ("seldom".to_owned(), 300)]);
        let now = sweep.held_until;
        sweep.list(databases, now);
        (sweep, now)
    }

    /// Visits whatever may be visited in a stretch of time: (second, database, number of sets).
    fn visits(sweep: &mut Sweep, from: Instant, seconds: u64) -> Vec<(u64, i64, usize)> {
        let mut visits = Vec::new();
        let mut now = from;
        while now < from + Duration::from_secs(seconds) {
            if sweep.must_list(now) {
                sweep.list(sweep.listed.clone(), now);
            }
            while let Some(visit) = sweep.take(now) {
                visits.push((now.duration_since(from).as_secs(), visit.database.datid, visit.sets.len()));
            }
            now = sweep.next().unwrap().max(now + Duration::from_millis(1));
        }
        visits
    }

    #[test]
    fn a_few_databases_are_read_at_once_and_then_when_they_are_due() {
        let (mut few, now) = sweep(vec![database(1, 5), database(2, 50)]);
        let seen = visits(&mut few, now, 301);
        let first_minutes: Vec<_> = seen.iter().take(4).copied().collect();
        assert_eq!(first_minutes, [(0, 2, 2), (0, 1, 2), (60, 1, 1), (60, 2, 1)], "busiest first, then as due");
        assert_eq!(seen.len(), 12);
        assert!(seen[10..].iter().all(|(at, _, sets)| (*at, *sets) == (300, 2)));
    }

    #[test]
    fn another_configuration_keeps_the_times_of_what_is_as_it_was() {
        let (mut two, now) = sweep(vec![database(1, 5), database(2, 50)]);
        visits(&mut two, now, 100);
        let sets = [("often", 60), ("seldom", 300), ("new", 300)].map(|(set, every)| (set.to_owned(), every));
        let mut next = Sweep::new(sets.to_vec()).going_on(two, |_| true);
        let seen = visits(&mut next, now + Duration::from_secs(100), 25);
        assert_eq!(seen, [(0, 1, 1), (0, 2, 1), (20, 1, 1), (20, 2, 1)], "the new one at once, then what is due");
    }

    #[test]
    fn what_is_hastened_is_read_at_once_and_the_rest_when_it_is_due() {
        let (mut two, now) = sweep(vec![database(1, 5), database(2, 50)]);
        let later = now + Duration::from_secs(100);
        visits(&mut two, now, 100);
        two.hasten(|set| set == "seldom");
        let seen = visits(&mut two, later, 60);
        assert_eq!(seen, [(0, 1, 1), (0, 2, 1), (20, 1, 1), (20, 2, 1)]);
    }

    #[test]
    fn many_databases_are_read_one_every_two_seconds_and_none_is_forgotten() {
        let (mut many, now) = sweep((1..=500).map(|datid| database(datid, datid)).collect());
        let seen = visits(&mut many, now, 2400);
        assert!(seen[..5].iter().all(|(at, _, _)| *at == 0), "the first few at once");
        assert_eq!(seen[0].1, 500, "the busiest first");
        assert_eq!(seen[6].0 - seen[5].0, 2);
        assert!(seen.len() <= 2400 / 2 + 5, "{} connections", seen.len());
        for datid in 1..=500 {
            assert!(seen.iter().filter(|visit| visit.1 == datid).count() >= 2, "database {datid}");
        }
    }

    #[test]
    fn the_open_connection_costs_nothing_and_waits_for_nobody() {
        let mut databases: Vec<Database> = (1..=50).map(|datid| database(datid, 0)).collect();
        databases[0].open = true;
        databases[0].transactions = 1;
        let (mut sweep, now) = sweep(databases);
        let seen = visits(&mut sweep, now, 1);
        assert_eq!(seen.len(), 6, "five connections and the open one: {seen:?}");
        assert_eq!(seen[0].1, 1);
    }

    #[test]
    fn a_database_that_refuses_is_asked_ever_more_rarely() {
        let (mut two, now) = sweep(vec![database(1, 0), database(2, 0)]);
        let (mut asked, mut at) = (Vec::new(), now);
        let end = now + Duration::from_secs(24 * 3600);
        while at < end {
            if two.must_list(at) {
                two.list(two.listed.clone(), at);
            }
            while let Some(visit) = two.take(at) {
                if visit.database.datid == 2 {
                    asked.push(at.duration_since(now).as_secs() / 60);
                    two.refused(&visit.database, at);
                }
            }
            at = two.next().unwrap().max(at + Duration::from_millis(1));
        }
        assert!(asked.len() <= 12, "{asked:?}");
        assert!(
            asked.windows(3).all(|times| times[2] - times[1] >= times[1] - times[0] || times[2] > 720),
            "{asked:?}"
        );
        // It has another name now: another one to ask.
        let mut renamed = two.listed.clone();
        renamed.iter_mut().find(|database| database.datid == 2).unwrap().name = "other".to_owned();
        two.list(renamed, at);
        let visit = std::iter::from_fn(|| two.take(at)).find(|visit| visit.database.datid == 2);
        assert!(visit.is_some());
    }

    #[test]
    fn an_odd_name_costs_its_own_database_only() {
        let catalog = catalog::Catalog::embedded().unwrap();
        let set = catalog.get("relation_size").unwrap();
        let mut odd = database(2, 0);
        let why = Odd { code: StateCode::Failed, message: "its name is odd".to_owned(), fix: String::new() };
        (odd.readable, odd.odd) = (false, Some(why));
        let mut sweep = Sweep::new(vec![("relation_size".to_owned(), 60)]);
        let now = sweep.held_until;
        sweep.list(vec![database(1, 0), odd], now);
        assert_eq!(sweep.take(now).unwrap().database.datid, 1);
        assert_eq!(sweep.take(now), None);
        let state = sweep.say(set).unwrap();
        assert_eq!(state.message, "Not read in 1 of 2 databases (db2: its name is odd).");
        sweep.not_listed("no answer".to_owned());
        assert_eq!(sweep.say(set).unwrap().state, State::Error as i32);
        sweep.list(vec![database(1, 0)], now);
        assert_eq!(sweep.say(set), None, "it is gone");
        let mut closed = database(1, 0);
        closed.readable = false;
        sweep.list(vec![closed], now);
        assert_eq!(sweep.say(set).unwrap().state, State::Missing as i32);
    }

    #[test]
    fn what_is_not_readable_or_gone_is_not_visited() {
        let mut unreadable = database(2, 0);
        unreadable.readable = false;
        let (mut sweep, now) = sweep(vec![database(1, 0), unreadable, database(3, 0)]);
        assert_eq!(sweep.take(now).unwrap().database.datid, 1);
        sweep.list(vec![database(1, 0)], now);
        assert_eq!(sweep.take(now), None, "3 was dropped in mid-round");
        assert!(sweep.due.keys().all(|(datid, _)| *datid == 1));
    }

    #[test]
    fn a_visit_that_could_not_begin_is_made_later() {
        let (mut sweep, now) = sweep(vec![database(1, 0), database(2, 0)]);
        let visit = sweep.take(now).unwrap();
        let later = now + Duration::from_secs(7);
        sweep.put_back(&visit, later, None);
        assert_eq!(sweep.next(), Some(later));
        assert_eq!(sweep.take(later).unwrap(), visit);
    }

    #[test]
    fn what_a_visit_had_no_time_for_is_due_before_what_was_read() {
        let (mut sweep, now) = sweep(vec![database(1, 0)]);
        let visit = sweep.take(now).unwrap();
        assert_eq!(visit.sets, ["often", "seldom"]);
        sweep.put_off(&visit, ["seldom"].into_iter());
        assert_eq!(sweep.take(now + PAUSE).unwrap().sets, ["seldom"]);
    }

    #[test]
    fn a_state_names_the_databases_that_fail() {
        let catalog = catalog::Catalog::embedded().unwrap();
        let set = catalog.get("relation_size").unwrap();
        let (mut sweep, _) = sweep((1..=5).map(|datid| database(datid, 0)).collect());
        let trouble = |datid: i64| Trouble {
            database: format!("db{datid}"),
            how: State::Missing,
            code: StateCode::Privilege,
            message: "may not".to_owned(),
            fix: "grant it;".to_owned(),
            inside: true,
        };
        for datid in 1..=3 {
            sweep.outcome(set, &database(datid, 0), Some(trouble(datid)));
        }
        let state = sweep.outcome(set, &database(4, 0), Some(trouble(4))).unwrap();
        assert_eq!(state.state, State::Degraded as i32);
        assert_eq!(state.message, "Not read in 4 of 5 databases (db1, db2, db3: may not; and 1 more).");
        assert_eq!(state.fix, "grant it; -- in each of these databases");
        let all = sweep.outcome(set, &database(5, 0), Some(trouble(5))).unwrap();
        assert_eq!(all.state, State::Missing as i32);
        let said: Vec<_> = (1..=5).map(|datid| sweep.outcome(set, &database(datid, 0), None)).collect();
        assert!(said[3].is_some() && said[4].is_none());
    }
}

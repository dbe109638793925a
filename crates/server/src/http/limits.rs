//! Token buckets: one per user, collector and address, full at start, refilled evenly over a minute.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use crate::settings::Settings;

type Buckets<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// How often idle buckets are thrown away.
pub(crate) const EVICTION_SECONDS: u64 = 60;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Whose bucket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bucket {
    User(Uuid),
    Collector(Uuid),
    Address(IpAddr),
}

/// What a bucket looked like after a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    per_minute: u32,
    remaining: u32,
    /// Milliseconds until one more request fits; 0 while there is room.
    wait_ms: u64,
}

impl Spent {
    pub(super) fn retry_after_seconds(self) -> u64 {
        self.wait_ms.div_ceil(1000).max(1)
    }

    /// Writes `X-RateLimit-*`; `X-RateLimit-Reset` is in seconds until the bucket is full again.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let missing = u64::from(self.per_minute - self.remaining.min(self.per_minute));
        let reset = (missing * 60).div_ceil(u64::from(self.per_minute.max(1)));
        headers.insert(LIMIT, HeaderValue::from(self.per_minute));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(reset));
    }
}

/// All buckets of this process.
#[derive(Debug)]
pub struct RateLimits {
    users: Buckets<Uuid>,
    collectors: Buckets<Uuid>,
    addresses: Buckets<IpAddr>,
}

impl RateLimits {
    /// Empty maps with the limits of the settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            users: buckets(settings.rate_limit_user_per_minute),
            collectors: buckets(settings.rate_limit_collector_per_minute),
            addresses: buckets(settings.rate_limit_address_per_minute),
        }
    }

    /// Takes one request from a bucket; `Err` when it was empty.
    pub(super) fn spend(&self, bucket: Bucket) -> Result<Spent, Spent> {
        match bucket {
            Bucket::User(id) => spend(&self.users, &id),
            Bucket::Collector(id) => spend(&self.collectors, &id),
            Bucket::Address(address) => spend(&self.addresses, &network(address)),
        }
    }

    /// Throws away every bucket that is full again.
    pub fn evict_idle(&self) {
        self.users.retain_recent();
        self.collectors.retain_recent();
        self.addresses.retain_recent();
    }

    /// How many buckets are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len() + self.collectors.len() + self.addresses.len()
    }

    /// Whether no bucket is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn buckets<K: std::hash::Hash + Eq + Clone>(per_minute: NonZeroU32) -> Buckets<K> {
    RateLimiter::hashmap(Quota::per_minute(per_minute)).with_middleware()
}

fn spend<K: std::hash::Hash + Eq + Clone>(buckets: &Buckets<K>, key: &K) -> Result<Spent, Spent> {
    match buckets.check_key(key) {
        Ok(state) => Ok(Spent {
            per_minute: state.quota().burst_size().get(),
            remaining: state.remaining_burst_capacity(),
            wait_ms: 0,
        }),
        Err(not_until) => {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            Err(Spent { per_minute: not_until.quota().burst_size().get(), remaining: 0, wait_ms })
        }
    }
}

/// One household has 2^64 addresses of version 6; they share a bucket.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

//! The kit itself: clusters come, go and are cleared away; stores are apart; the proxy does what it is told.

mod clusters;
mod proxy;
mod stores;

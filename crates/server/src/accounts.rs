//! Users: who they are, their passwords, sessions and tokens.
//!
//! ```text
//! login ─► session (a family) ─┬► access token: 15 minutes, signed, checked against the session at each request
//!                              └► refresh token: traded once for the next; an old one again ends the session
//! ```

pub mod http;
pub mod model;
pub mod passwords;
pub mod store;
pub mod users;

mod administration;
mod keys;
mod role;

pub use administration::{FirstAdmin, add_user, ensure_first_admin, reset_password};
pub(crate) use keys::{COLLECTOR_TOKEN_LIFE, kept_secret};
pub use keys::{TokenClaims, TokenKeys, TokenKind};
pub use role::Role;

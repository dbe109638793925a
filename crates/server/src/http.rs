//! The HTTP side that all features share: the endpoint table and what is made from it (the router, who may call,
//! rate limits, the OpenAPI document, the reference page), errors, headers, and the pages.
//!
//! ```text
//! request id ─► security headers ─► CORS ─► route ─► enforce(who, limit) ─► handler ─► ApiError | answer
//! ```

mod authentication;
mod batch;
mod endpoint;
mod enforce;
mod error;
mod extract;
mod headers;
mod instance;
mod limits;
mod openapi;
mod pages;
mod reference;
mod router;
mod table;

pub use authentication::{Caller, KnownCollector, SignedIn};
pub use endpoint::{Endpoint, Limit, Method, PathParameter, Who};
pub use enforce::Peer;
pub use error::{ApiError, ErrorBody};
pub(crate) use extract::parse_json;
pub use extract::{JsonBody, PathValues, QueryValues};
pub(crate) use headers::{RequestId, bare_answer};
pub use instance::{OfInstance, Reading};
pub(crate) use limits::EVICTION_SECONDS;
pub use limits::RateLimits;
pub use openapi::{openapi, openapi_json};
pub use reads::{Detail, Page, Paging};
pub use reference::reference_markdown;
pub use router::router;
pub use table::endpoints;

/// Every endpoint's path stands below this.
pub const API_BASE: &str = "/api/v1";

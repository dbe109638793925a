//! Steering: which configuration each collector is to follow.
//!
//! ```text
//! templates that a collector's labels choose, by priority ─┐
//! what is written for the collector alone ─────────────────┼─ effective ─► versions ─► GET /config/{collector}
//! custom sets that are for it ─────────────────────────────┘
//! ```
//! The versions of a collector are never changed or removed, also where the collector is: what it was told stays known.
//! A collector hears of a new one by the answer to its next push (`collectors::store::seen` reads its number).

pub(crate) mod custom_sets;
mod diff;
pub(crate) mod effective;
pub mod http;
pub(crate) mod model;
mod planned;
mod store;
mod tag;
pub(crate) mod templates;
pub(crate) mod versioned;

use catalog::Catalog;
use config::{ConfigError, Names};
use effective::{OwnSet, Template};
pub(crate) use store::register;
use tokio_postgres::{Error, GenericClient};
use versioned::Named;

use crate::http::{ApiError, Detail};

/// What configurations of collectors are made of, besides what is written for each alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct InForce {
    templates: Vec<Named<Template>>,
    sets: Vec<Named<OwnSet>>,
}

impl InForce {
    async fn read(client: &impl GenericClient) -> Result<Self, Error> {
        Ok(Self {
            templates: versioned::store::in_force(client).await?,
            sets: versioned::store::in_force(client).await?,
        })
    }
}

/// The groups and sets that a configuration may name.
fn names(catalog: &Catalog) -> Names {
    Names { groups: catalog.groups(), sets: catalog.sets().map(|set| set.name().to_owned()).collect() }
}

/// 400 with the line and the reason.
fn refused(error: &ConfigError) -> ApiError {
    let place = error.line.map_or_else(|| ".".to_owned(), |line| format!("line {line}"));
    let message = format!("The configuration is refused: {error}");
    ApiError::bad_request("invalid_configuration", message).with_details(vec![Detail::new(place, error.reason.clone())])
}

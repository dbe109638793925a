//! Collectors: who may deliver. Registering, their tokens, and how they are.
//!
//! Every registration makes a new collector, also under a name that is there already: a name proves nothing, two
//! machines cloned from one image share it, and whoever knows the registration secret could otherwise go on
//! writing another one's history. A collector that still holds its token sends it along and stays the same.

pub(crate) mod deliveries;
pub mod http;
pub mod model;
pub mod store;

use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use crate::http::ApiError;
use crate::settings::Settings;

const SECRET_HEADER: &str = "x-registration-secret";

/// Whether a request carries the registration secret. What is compared is hashes, all bytes of them, so that the
/// time taken tells nothing about the secret.
pub(crate) fn check_registration_secret(settings: &Settings, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(expected) = &settings.registration_secret else {
        let message = "Collectors cannot register here: REGISTRATION_SECRET is not set on the server.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "registration_closed", message));
    };
    let Some(sent) = headers.get(SECRET_HEADER) else {
        return Err(ApiError::unauthorized("This needs the header X-Registration-Secret."));
    };
    let expected = Sha256::digest(expected.reveal().as_bytes());
    let sent = Sha256::digest(sent.as_bytes());
    let difference = expected.iter().zip(sent.iter()).fold(0_u8, |all, (a, b)| all | (a ^ b));
    if difference == 0 { Ok(()) } else { Err(ApiError::unauthorized("The registration secret is wrong.")) }
}

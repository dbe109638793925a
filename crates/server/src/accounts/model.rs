//! What signing in takes and gives.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Role;

/// A user as others see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct User {
    /// The user's id.
    pub id: Uuid,
    /// The name that the user signs in with.
    pub username: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When the user signed in last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_login_at: Option<Timestamp>,
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user's name; case does not matter.
    pub username: String,
    /// The password.
    pub password: String,
}

/// A refresh token, where no cookie carries it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshToken {
    /// The token; absent where the cookie `pganalytics_refresh` carries it.
    pub refresh_token: Option<String>,
}

/// The old and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password so far.
    pub current_password: String,
    /// The new one: 8 characters or more, 72 bytes or fewer.
    pub new_password: String,
}

/// A session that was begun or goes on.
#[derive(Serialize, ToSchema)]
pub struct Session {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// The same, under its older name.
    pub token: String,
    /// To be traded once for the next session answer.
    pub refresh_token: String,
    /// Seconds that the access token works.
    pub expires_in: u64,
    /// When the access token expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// Who signed in.
    pub user: User,
}

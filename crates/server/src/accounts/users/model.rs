//! What managing users takes.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::accounts::{Role, passwords};
use crate::http::{ApiError, Detail};

/// Longest user name, in characters.
const NAME_CHARACTERS_MOST: usize = 64;

/// A user to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 64 characters, without blanks around; unique whatever the case.
    pub username: String,
    /// 8 characters or more, 72 bytes or fewer.
    pub password: String,
    /// What the user may do.
    pub role: Role,
}

/// What to change of a user; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    /// A new name.
    pub username: Option<String>,
    /// A new role.
    pub role: Option<Role>,
}

/// A new password for a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// 8 characters or more, 72 bytes or fewer.
    pub new_password: String,
}

impl NewUser {
    /// What is wrong with it.
    ///
    /// # Errors
    /// 400 with each field.
    pub fn check(&self) -> Result<(), ApiError> {
        let mut details = Vec::new();
        check_name(&self.username, &mut details);
        if let Err(problem) = passwords::check(&self.password) {
            details.push(Detail::new("password", problem.to_string()));
        }
        if details.is_empty() { Ok(()) } else { Err(ApiError::invalid(details)) }
    }
}

impl ChangeUser {
    /// What is wrong with it.
    ///
    /// # Errors
    /// 400 with each field.
    pub fn check(&self) -> Result<(), ApiError> {
        let mut details = Vec::new();
        if let Some(username) = &self.username {
            check_name(username, &mut details);
        }
        if details.is_empty() { Ok(()) } else { Err(ApiError::invalid(details)) }
    }
}

fn check_name(name: &str, details: &mut Vec<Detail>) {
    if let Err(reason) = name_problem(name) {
        details.push(Detail::new("username", reason));
    }
}

/// Whether a name is accepted, and why not.
pub(crate) fn name_problem(name: &str) -> Result<(), String> {
    catalog::names::check(name, NAME_CHARACTERS_MOST)
}

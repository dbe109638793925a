//! Passwords: what is accepted, and hashing (bcrypt) that cannot take all processors.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// bcrypt's cost: 2^12 rounds.
const COST: u32 = 12;
/// bcrypt reads 72 bytes and no more, so longer passwords are refused rather than cut.
const BYTES_MOST: usize = 72;
/// Shortest password, in characters.
const CHARACTERS_LEAST: usize = 8;
/// Hashes at once; more wait in line.
const HASHES_AT_ONCE: usize = 2;
/// Requests in that line, working ones included; more are asked to come again.
const LINE_MOST: usize = 64;

/// A hash of nobody's password, of the same cost: a name that is not known takes as long as one that is.
const NOBODY: &str = "$2b$12$gFCZtqOZ6sphDaG1Q8y5.uJpfFEfInVUpK9cYWXZsxRbS.sdzfNZC";

/// Why a password is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Too short.
    #[error("expected {CHARACTERS_LEAST} characters or more")]
    Short,
    /// bcrypt would not look at the rest.
    #[error("expected {BYTES_MOST} bytes or fewer: bcrypt does not look at more")]
    Long,
    /// bcrypt stops at a NUL.
    #[error("expected no NUL character")]
    Nul,
}

/// Whether a new password is accepted.
///
/// # Errors
/// What is wrong with it.
pub fn check(password: &str) -> Result<(), PasswordProblem> {
    if password.len() > BYTES_MOST {
        return Err(PasswordProblem::Long);
    }
    if password.contains('\0') {
        return Err(PasswordProblem::Nul);
    }
    if password.chars().count() < CHARACTERS_LEAST {
        return Err(PasswordProblem::Short);
    }
    Ok(())
}

/// Why a password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The line is full.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// bcrypt refused, as for a stored hash that is none.
    #[error("hash a password")]
    Failed(#[from] bcrypt::BcryptError),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// Hashes and compares, a bounded number at a time and off the threads that serve.
#[derive(Clone, Debug)]
pub struct Passwords {
    working: Arc<Semaphore>,
    in_line: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { working: Arc::new(Semaphore::new(HASHES_AT_ONCE)), in_line: Arc::new(Semaphore::new(LINE_MOST)) }
    }
}

impl Passwords {
    /// The hash to store.
    ///
    /// # Errors
    /// When the line is full or hashing fails.
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        self.run(move || bcrypt::non_truncating_hash(password, COST)).await
    }

    /// Whether this is the password of that hash. `None` (nobody's) takes the same time and is never right.
    ///
    /// # Errors
    /// When the line is full or the stored hash is none.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, HashError> {
        self.run(move || {
            let right = bcrypt::verify(&password, hash.as_deref().unwrap_or(NOBODY))?;
            // A longer one cannot have been accepted; its first 72 bytes are not it.
            Ok(right && hash.is_some() && password.len() <= BYTES_MOST)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
    ) -> Result<T, HashError> {
        let _place = self.in_line.try_acquire().map_err(|_| HashError::Busy)?;
        let permit = self.working.clone().acquire_owned().await.map_err(|_| HashError::Stopping)?;
        let worked = tokio::task::spawn_blocking(move || {
            let result = work();
            // Held by the work, not by the request: one that was given up still takes its processor.
            drop(permit);
            result
        });
        Ok(worked.await.map_err(|_| HashError::Stopping)??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bcrypt_would_cut_is_refused() {
        assert_eq!(check(&"a".repeat(73)), Err(PasswordProblem::Long));
        assert_eq!(check(&"ä".repeat(37)), Err(PasswordProblem::Long));
        assert_eq!(check("abcdefgh\0ijk"), Err(PasswordProblem::Nul));
        assert_eq!(check("short"), Err(PasswordProblem::Short));
        assert_eq!(check(&"a".repeat(72)), Ok(()));
    }

    #[test]
    fn nobodys_hash_costs_what_ours_cost() {
        let parts: bcrypt::HashParts = NOBODY.parse().unwrap();
        assert_eq!(parts.get_cost(), COST);
    }

    #[tokio::test]
    async fn a_password_is_right_for_its_own_hash_alone() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), None).await.unwrap());
    }
}

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

/// Hashes and compares, a bounded number at a time and off the threads that serve.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HASHES_AT_ONCE)))
    }
}

impl Passwords {
    /// The hash to store.
    ///
    /// # Errors
    /// When hashing fails.
    pub async fn hash(&self, password: String) -> anyhow::Result<String> {
        let permit = self.0.clone().acquire_owned().await?;
        let hash = tokio::task::spawn_blocking(move || {
            let hash = bcrypt::non_truncating_hash(password, COST);
            drop(permit);
            hash
        });
        Ok(hash.await??)
    }

    /// Whether this is the password of that hash. `None` (nobody's) takes the same time and is never right.
    ///
    /// # Errors
    /// When the stored hash is none.
    pub async fn verify(&self, password: String, hash: Option<String>) -> anyhow::Result<bool> {
        let permit = self.0.clone().acquire_owned().await?;
        let right = tokio::task::spawn_blocking(move || {
            let is_known = hash.is_some();
            let right = bcrypt::verify(&password, hash.as_deref().unwrap_or(NOBODY));
            drop(permit);
            // A longer one cannot have been accepted; its first 72 bytes are not it.
            right.map(|right| right && is_known && password.len() <= BYTES_MOST)
        });
        Ok(right.await??)
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

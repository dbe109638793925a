//! Passwords: what is accepted, and hashing (bcrypt) that cannot take all processors.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

/// bcrypt's cost: 2^12 rounds.
const COST: u32 = 12;
/// bcrypt reads 72 bytes and no more, so longer passwords are refused rather than cut.
const BYTES_MOST: usize = 72;
/// Shortest password, in characters.
const CHARACTERS_LEAST: usize = 8;
/// Hashes at once for strangers, and as many again for those who are known; more wait in line.
const HASHES_AT_ONCE: usize = 2;
/// Requests in the strangers' line, working ones included; more are asked to come again at once.
const LINE_MOST: usize = 8;
/// Of these, for one name: who tries a name's passwords at once does not keep others out.
const OF_ONE_NAME_MOST: usize = 2;
/// Of these, from one address.
const OF_ONE_ADDRESS_MOST: usize = 4;
/// Requests in the line of those who are known.
const KNOWN_LINE_MOST: usize = 64;
/// Names whose last right password is told again without a place among strangers; more are forgotten, all at once.
const REMEMBERED_MOST: usize = 10_000;

/// Characters of a name that count: no user has a longer one.
const NAME_CHARACTERS: usize = 64;

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
///
/// There are two lines. Who is signed in, and who shows what looks like the password that signed the name in last,
/// waits in one; strangers wait in the other, which is short, in all and for each name and address. So many wrong
/// passwords at once are answered at once, and who knows the right one gets in meanwhile.
#[derive(Clone, Debug)]
pub struct Passwords {
    known: Line,
    strangers: Line,
    crowd: Arc<Mutex<Crowd>>,
    remembered: Arc<Mutex<HashMap<String, u16>>>,
    /// Of this process: what is remembered means nothing to another.
    key: [u8; 32],
}

/// A bounded line before a bounded number of workers.
#[derive(Clone, Debug)]
struct Line {
    working: Arc<Semaphore>,
    in_line: Arc<Semaphore>,
}

impl Line {
    fn new(most: usize) -> Self {
        Self { working: Arc::new(Semaphore::new(HASHES_AT_ONCE)), in_line: Arc::new(Semaphore::new(most)) }
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

/// Strangers in line, by name and by address.
#[derive(Debug, Default)]
struct Crowd {
    names: HashMap<String, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// One stranger in line; leaves it when dropped.
struct Waiting {
    crowd: Arc<Mutex<Crowd>>,
    name: String,
    address: IpAddr,
}

impl Waiting {
    fn enter(crowd: &Arc<Mutex<Crowd>>, name: String, address: IpAddr) -> Result<Self, HashError> {
        let mut inside = lock(crowd);
        let of_name = inside.names.get(&name).copied().unwrap_or(0);
        let of_address = inside.addresses.get(&address).copied().unwrap_or(0);
        if of_name >= OF_ONE_NAME_MOST || of_address >= OF_ONE_ADDRESS_MOST {
            return Err(HashError::Busy);
        }
        inside.names.insert(name.clone(), of_name + 1);
        inside.addresses.insert(address, of_address + 1);
        drop(inside);
        Ok(Self { crowd: Arc::clone(crowd), name, address })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut inside = lock(&self.crowd);
        leave(&mut inside.names, &self.name);
        leave(&mut inside.addresses, &self.address);
    }
}

fn leave<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            known: Line::new(KNOWN_LINE_MOST),
            strangers: Line::new(LINE_MOST),
            crowd: Arc::default(),
            remembered: Arc::default(),
            key: rand::random(),
        }
    }
}

impl Passwords {
    /// The hash to store.
    ///
    /// # Errors
    /// When the line is full or hashing fails.
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        self.known.run(move || bcrypt::non_truncating_hash(password, COST)).await
    }

    /// Whether this is the password of that hash, for somebody who is signed in.
    ///
    /// # Errors
    /// When the line is full or the stored hash is none.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, HashError> {
        self.known.run(move || is_right(&password, hash.as_deref())).await
    }

    /// Whether this is the password of that hash, for somebody who wants to sign in. `None` (nobody's) takes the same
    /// time and is never right.
    ///
    /// # Errors
    /// When the line is full, for this name or address or for all, or the stored hash is none.
    pub async fn sign_in(
        &self,
        name: &str,
        address: IpAddr,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, HashError> {
        let name: String = name.to_lowercase().chars().take(NAME_CHARACTERS).collect();
        let mark = self.mark(&name, &password, hash.as_deref());
        let looks_right = lock(&self.remembered).get(&name) == Some(&mark);
        let right = if looks_right {
            self.known.run(move || is_right(&password, hash.as_deref())).await?
        } else {
            let _waiting = Waiting::enter(&self.crowd, name.clone(), address)?;
            self.strangers.run(move || is_right(&password, hash.as_deref())).await?
        };
        if right && !looks_right {
            let mut remembered = lock(&self.remembered);
            if remembered.len() >= REMEMBERED_MOST {
                remembered.clear();
            }
            remembered.insert(name, mark);
        }
        Ok(right)
    }

    /// Two bytes of a keyed hash: enough to choose a line by, and too few to find a password with.
    fn mark(&self, name: &str, password: &str, hash: Option<&str>) -> u16 {
        let mut digest = Sha256::new();
        for part in [self.key.as_slice(), name.as_bytes(), hash.unwrap_or_default().as_bytes(), password.as_bytes()] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        let digest = digest.finalize();
        u16::from_le_bytes([digest[0], digest[1]])
    }
}

fn is_right(password: &str, hash: Option<&str>) -> Result<bool, bcrypt::BcryptError> {
    let right = bcrypt::verify(password, hash.unwrap_or(NOBODY))?;
    // A longer one cannot have been accepted; its first 72 bytes are not it.
    Ok(right && hash.is_some() && password.len() <= BYTES_MOST)
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

//! Tokens: signed ones (JWT, HS256) for users and collectors, and the random ones that refresh a session.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::settings::Settings;

/// The file in `DATA_DIR` that keeps a secret that was made.
const SECRET_FILE: &str = "jwt-secret";
/// Bytes of a secret that is made.
const SECRET_BYTES: usize = 32;
/// How long a collector's token works.
pub(crate) const COLLECTOR_TOKEN_LIFE: Duration = Duration::from_secs(365 * 86_400);
/// What refresh tokens begin with, so that one found in a log is known for what it is.
const REFRESH_PREFIX: &str = "pgr_";

/// Whose token it is. The kinds never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// A user's.
    User,
    /// A collector's.
    Collector,
}

/// What a signed token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenClaims {
    /// The user's or collector's id.
    #[serde(rename = "sub")]
    pub subject: Uuid,
    /// Whose it is.
    pub kind: TokenKind,
    /// The session it belongs to; a collector's is nil.
    #[serde(rename = "sid")]
    pub session: Uuid,
    /// The token's own id.
    #[serde(rename = "jti")]
    pub id: Uuid,
    /// Made at, in seconds since 1970.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// Works until, in seconds since 1970.
    #[serde(rename = "exp")]
    pub expires_at: i64,
}

/// Signs and checks tokens.
pub struct TokenKeys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TokenKeys")
    }
}

impl TokenKeys {
    /// From `JWT_SECRET`, else from the secret kept in `DATA_DIR`, which is made when it is not there.
    ///
    /// # Errors
    /// When the kept secret can be neither read nor made.
    pub fn from_settings(settings: &Settings) -> anyhow::Result<Self> {
        match &settings.jwt_secret {
            Some(secret) => Ok(Self::new(secret.reveal().as_bytes())),
            None => Ok(Self::new(kept_secret(&settings.data_dir, SECRET_FILE)?.as_bytes())),
        }
    }

    fn new(secret: &[u8]) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // Expiry is held against the clock that is passed in.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["sub", "exp"]);
        Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret), validation }
    }

    /// A user's access token.
    ///
    /// # Errors
    /// When signing fails.
    pub fn user_token(&self, user: Uuid, session: Uuid, now: Timestamp, life: Duration) -> anyhow::Result<String> {
        self.sign(TokenKind::User, user, session, now, life)
    }

    /// A collector's token.
    ///
    /// # Errors
    /// When signing fails.
    pub fn collector_token(&self, collector: Uuid, now: Timestamp) -> anyhow::Result<String> {
        self.sign(TokenKind::Collector, collector, Uuid::nil(), now, COLLECTOR_TOKEN_LIFE)
    }

    fn sign(
        &self,
        kind: TokenKind,
        subject: Uuid,
        session: Uuid,
        now: Timestamp,
        life: Duration,
    ) -> anyhow::Result<String> {
        let life = i64::try_from(life.as_secs()).context("a token's life passes the end of time")?;
        let issued_at = now.as_second();
        let claims =
            TokenClaims { subject, kind, session, id: Uuid::new_v4(), issued_at, expires_at: issued_at + life };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).context("sign a token")
    }

    /// What a token says, if we signed it and it has not expired.
    #[must_use]
    pub fn verify(&self, token: &str, now: Timestamp) -> Option<TokenClaims> {
        let claims = jsonwebtoken::decode::<TokenClaims>(token, &self.decoding, &self.validation).ok()?.claims;
        (claims.expires_at > now.as_second()).then_some(claims)
    }

    /// The refresh token that follows this one. It is computed, not kept: the same old token always gives the same
    /// next one, and only hashes need to be stored.
    ///
    /// # Errors
    /// When signing fails.
    pub fn successor(&self, refresh_token: &str) -> anyhow::Result<String> {
        let message = format!("pganalytics refresh successor {refresh_token}");
        let code = jsonwebtoken::crypto::sign(message.as_bytes(), &self.encoding, Algorithm::HS256)
            .context("derive the next refresh token")?;
        Ok(format!("{REFRESH_PREFIX}{code}"))
    }
}

/// A session's first refresh token.
///
/// # Errors
/// When the system has no randomness to give.
pub(super) fn first_refresh_token() -> anyhow::Result<String> {
    Ok(format!("{REFRESH_PREFIX}{}", random_text(43)?))
}

/// What is stored of a refresh token.
#[must_use]
pub(super) fn refresh_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Letters and digits from the system's randomness, each worth almost 6 bits.
///
/// # Errors
/// When the system has no randomness to give.
pub(crate) fn random_text(length: usize) -> anyhow::Result<String> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0_u8; 64];
        OsRng.try_fill_bytes(&mut bytes).context("read the system's randomness")?;
        // 248 is the largest multiple of 62 in a byte: above it some letters would come more often.
        let letters = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(letters.take(length - text.len()));
    }
    Ok(text)
}

/// A secret that is made at the first use and kept in a file that its owner alone can read.
pub(crate) fn kept_secret(data_dir: &Path, name: &str) -> anyhow::Result<String> {
    let path = data_dir.join(name);
    let about = || format!("keep a secret in {}", path.display());
    close(&path).with_context(about)?;
    match std::fs::read_to_string(&path) {
        Ok(secret) if secret.len() >= SECRET_BYTES => return Ok(secret),
        Ok(_) => anyhow::bail!("{} is too short for a secret: remove it to have a new one made", path.display()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(about),
    }
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir).with_context(about)?;
    let secret = random_text(SECRET_BYTES * 2)?;
    // Written under another name first: a crash in between leaves no half a secret.
    let fresh = data_dir.join(format!("{name}.{}", Uuid::new_v4()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).with_context(about)?;
    file.write_all(secret.as_bytes()).with_context(about)?;
    file.sync_all().with_context(about)?;
    // A link, not a rename: of two servers starting at once, the first wins and both use its secret.
    let linked = std::fs::hard_link(&fresh, &path);
    std::fs::remove_file(&fresh).with_context(about)?;
    match linked {
        Ok(()) => Ok(secret),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::read_to_string(&path).with_context(about)
        }
        Err(error) => Err(error).with_context(about),
    }
}

/// A kept secret that others could read is closed; whether somebody has read it, nobody can say.
fn close(path: &Path) -> std::io::Result<()> {
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!(
        path = %path.display(),
        mode = format!("{mode:04o}"),
        "a secret could be read by others and is closed now; remove the file to have a new one made"
    );
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> TokenKeys {
        TokenKeys::new(b"0123456789abcdef0123456789abcdef")
    }

    #[test]
    fn a_token_works_until_it_expires_and_for_its_signer_alone() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let user = Uuid::new_v4();
        let token = keys().user_token(user, Uuid::new_v4(), now, Duration::from_secs(900)).unwrap();
        assert_eq!(keys().verify(&token, now).unwrap().subject, user);
        let late = Timestamp::from_second(1_700_000_900).unwrap();
        assert_eq!(keys().verify(&token, late), None);
        assert_eq!(TokenKeys::new(b"another secret of thirty-two byte").verify(&token, now), None);
    }

    #[test]
    fn an_unsigned_token_is_nobody() {
        // {"alg":"none"} and claims that would be fine.
        let token =
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAiLCJraW5kIjoidXNlciJ9.";
        assert_eq!(keys().verify(token, Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn the_successor_is_always_the_same_and_never_the_token() {
        let token = first_refresh_token().unwrap();
        let next = keys().successor(&token).unwrap();
        assert_eq!(keys().successor(&token).unwrap(), next);
        assert_ne!(next, token);
        assert_ne!(keys().successor(&next).unwrap(), next);
    }

    #[test]
    fn the_kept_secret_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let first = kept_secret(&data_dir, SECRET_FILE).unwrap();
        assert_eq!(kept_secret(&data_dir, SECRET_FILE).unwrap(), first);
        let mode = std::fs::metadata(data_dir.join(SECRET_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(data_dir.join(SECRET_FILE), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(kept_secret(&data_dir, SECRET_FILE).unwrap(), first);
        let mode = std::fs::metadata(data_dir.join(SECRET_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "one that others could read is closed");
        assert_eq!(std::fs::read_dir(&data_dir).unwrap().count(), 1);
    }
}

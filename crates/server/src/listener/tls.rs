//! TLS 1.3 on the listener. Certificate and key come from files, which may be replaced while the server runs: the next
//! handshake has the new ones, and connections that are open go on.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use rustls::{Error as TlsError, InconsistentKeys, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::conversation;
use crate::http::{self, ApiError};

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long the files must have stayed as they are: whoever writes two of them may not be done.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// A certificate that ends sooner than this is told of.
const ENDS_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The first byte of every handshake: the type of its record.
const HANDSHAKE_RECORD: u8 = 22;

/// What is said to whoever speaks HTTP to the port.
const CLEAR_TEXT: &str = "This port speaks TLS: use https://.";

/// The listener's certificate and key.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

/// From when to when a certificate holds.
#[derive(Clone, Copy, Debug)]
struct Validity {
    from: Timestamp,
    until: Timestamp,
}

impl Validity {
    /// Why it does not hold at a moment, if so.
    fn trouble(self, now: Timestamp) -> Option<String> {
        let Self { from, until } = self;
        if until <= now {
            return Some(format!("ended at {until}"));
        }
        (now < from).then(|| format!("does not hold before {from}"))
    }
}

#[derive(Debug)]
struct State {
    in_force: Arc<ServerConfig>,
    validity: Validity,
    /// The files as they were last read, well or not.
    seen: Seen,
    /// Why the files as they are now are not in force.
    refused: Option<String>,
}

/// What tells that a file is another one: device, number, size, and when it was changed.
type Stamp = Option<(u64, u64, u64, i64, i64)>;
type Seen = [Stamp; 2];

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// When they cannot be used, with the file and the reason.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self> {
        let seen = [stamp(certificate), stamp(key)];
        let (in_force, validity) = read(certificate, key)?;
        let state = Mutex::new(State { in_force, validity, seen, refused: None });
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), state })
    }

    /// Follows the files until it is dropped.
    pub(crate) async fn follow(&self) {
        loop {
            sleep(LOOK_EVERY).await;
            let seen = self.stamps();
            if seen == self.state().seen {
                continue;
            }
            sleep(SETTLED_AFTER).await;
            if seen == self.stamps() {
                self.take(seen);
            }
        }
    }

    fn take(&self, seen: Seen) {
        let (taken, now) = (read(&self.certificate, &self.key), Timestamp::now());
        let mut state = self.state();
        state.seen = seen;
        // One that nobody takes does not replace one that holds.
        let holds = state.validity.trouble(now).is_none();
        let taken = taken.and_then(|(in_force, validity)| match validity.trouble(now) {
            Some(trouble) if holds => bail!("TLS_CERT_PATH {}: it {trouble}", self.certificate.display()),
            _ => Ok((in_force, validity)),
        });
        match taken {
            Ok((in_force, validity)) => {
                tracing::info!(not_after = %validity.until, "another certificate is in force");
                (state.in_force, state.validity, state.refused) = (in_force, validity, None);
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the new certificate is refused; the one so far stays in force");
                state.refused = Some(error);
            }
        }
    }

    /// What is wrong with the certificate, or soon will be; `None` where all is well.
    pub(crate) fn trouble(&self, now: Timestamp) -> Option<String> {
        let state = self.state();
        if let Some(trouble) = state.validity.trouble(now) {
            return Some(format!("The listener's certificate {trouble}: nobody who checks it connects."));
        }
        if let Some(refused) = &state.refused {
            return Some(format!("The listener's new certificate is refused: {refused}. The one so far is in force."));
        }
        let until = state.validity.until;
        (until.duration_since(now) < ENDS_SOON)
            .then(|| format!("The listener's certificate ends at {until}: replace {}.", self.certificate.display()))
    }

    fn in_force(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.state().in_force)
    }

    fn stamps(&self) -> Seen {
        [stamp(&self.certificate), stamp(&self.key)]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a connection through its handshake; whoever speaks HTTP in clear text is told.
pub(super) async fn shake_hands(mut stream: TcpStream, tls: &Tls) -> Option<TlsStream<TcpStream>> {
    let handshake = async {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE_RECORD] {
            let answer = http::bare_answer(&ApiError::new(StatusCode::BAD_REQUEST, "tls_required", CLEAR_TEXT));
            conversation::tell_and_close(&mut stream, &answer).await;
            return Err(io::Error::other("clear text"));
        }
        TlsAcceptor::from(tls.in_force()).accept(stream).await
    };
    match timeout(HANDSHAKE_WITHIN, handshake).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!("a handshake took too long");
            None
        }
    }
}

/// Certificate and key as the listener uses them, and when the certificate holds.
fn read(certificate: &Path, key: &Path) -> Result<(Arc<ServerConfig>, Validity)> {
    let of_certificate = || format!("TLS_CERT_PATH {}", certificate.display());
    let of_key = || format!("TLS_KEY_PATH {}", key.display());
    let chain = CertificateDer::pem_file_iter(certificate).with_context(of_certificate)?;
    let chain: Vec<CertificateDer<'static>> = chain.collect::<Result<_, _>>().with_context(of_certificate)?;
    let Some(first) = chain.first() else { bail!("{}: there is no certificate in it, in PEM", of_certificate()) };
    let parsed = Certificate::from_der(first).with_context(of_certificate)?.tbs_certificate;
    let moment = |time: &x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    let validity = Validity { from: moment(&parsed.validity.not_before), until: moment(&parsed.validity.not_after) };
    let mode = std::fs::metadata(key).with_context(of_key)?;
    if let Some(mode) = config::open_to_everybody(&mode) {
        bail!("{}: everybody on this machine can get at it (mode {mode:04o}): chmod 600", of_key());
    }
    let text = std::fs::read(key).with_context(of_key)?;
    ensure!(
        !text.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED),
        "{}: it is encrypted, and there is nobody to ask for its password: store it without one, mode 600",
        of_key()
    );
    let private =
        PrivateKeyDer::from_pem_slice(&text).map_err(|_| anyhow::anyhow!("there is no private key in it, in PEM"));
    let private = private.with_context(of_key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .context("use TLS 1.3")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| match error {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                anyhow::anyhow!("{}: it is not the key of the first certificate in {}", of_key(), certificate.display())
            }
            error => anyhow::Error::from(error).context(of_key()),
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), validity))
}

/// Marks a key that is kept under a password.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec()))
}

//! TLS on the listener over real sockets: what is spoken, who is told why not, and files that are replaced.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use server::Tls;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::Server;

const PATIENCE: Duration = Duration::from_secs(60);
const HEALTH: &str = "GET /api/v1/health HTTP/1.1\r\nHost: monitor.example\r\nConnection: close\r\n\r\n";

/// An authority that signs certificates for the server.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, uuid::Uuid::new_v4().to_string());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Writes a certificate that ends in so many days, and its key.
    fn write(&self, folder: &Path, days: i64) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["monitor.example".to_owned()]).unwrap();
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(days * 24);
        let date = end.to_zoned(jiff::tz::TimeZone::UTC).date();
        params.not_after =
            rcgen::date_time_ymd(date.year().into(), date.month().cast_unsigned(), date.day().cast_unsigned());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        replace(&folder.join("server.crt"), certificate.pem().as_bytes(), 0o644);
        replace(&folder.join("server.key"), key.serialize_pem().as_bytes(), 0o600);
        certificate.der().clone()
    }
}

/// Puts another file in the place of this one, as whoever renews certificates does.
fn replace(path: &Path, bytes: &[u8], mode: u32) {
    let next = path.with_extension("next");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&next).unwrap();
    file.write_all(bytes).unwrap();
    std::fs::rename(next, path).unwrap();
}

fn load(folder: &Path) -> Result<Tls, String> {
    Tls::load(&folder.join("server.crt"), &folder.join("server.key")).map_err(|error| format!("{error:#}"))
}

struct Listening {
    address: std::net::SocketAddr,
    authority: Authority,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Listening {
    async fn with(settings: &[(&str, &str)], days: i64) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        authority.write(folder.path(), days);
        let server = Server::with(settings).await;
        // Certificates end by the clock of the clients.
        let now = jiff::Timestamp::now().duration_since(server.app.clock.now());
        server.pass(now.try_into().unwrap());
        server.app.speak_tls(load(folder.path()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let app = Arc::clone(&server.app);
            server::serve(app, listener, async {
                let _ = stopped.await;
            })
            .await
            .unwrap();
            drop(server);
        });
        Self { address, authority, folder, stop, serving }
    }

    async fn connect_by(
        &self,
        version: &'static SupportedProtocolVersion,
        authority: &Authority,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("monitor.example").unwrap();
        timeout(PATIENCE, TlsConnector::from(config).connect(name, stream)).await.unwrap()
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_by(&TLS13, &self.authority).await.unwrap()
    }

    async fn health(&self) -> String {
        said(&mut self.connect().await, HEALTH).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.serving).await.unwrap().unwrap();
    }
}

/// What is answered to this until the other side closes.
async fn said(stream: &mut TlsStream<TcpStream>, words: &str) -> String {
    stream.write_all(words.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn the_listener_speaks_tls_1_3_and_says_so_to_who_does_not() {
    let server = Listening::with(&[], 90).await;
    let answer = server.health().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
    let local = said(&mut server.connect().await, &HEALTH.replace("monitor.example", "localhost:8443")).await;
    assert!(local.starts_with("HTTP/1.1 200 OK\r\n") && !local.contains("strict-transport"), "{local}");

    let refresh = "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: monitor.example\r\nConnection: close\r\n\
         Cookie: pganalytics_refresh=old; __Host-pganalytics_refresh=stranger\r\nContent-Length: 0\r\n\r\n";
    let answer = said(&mut server.connect().await, refresh).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let cookie = answer.lines().find(|line| line.starts_with("set-cookie:")).unwrap();
    assert_eq!(cookie, "set-cookie: __Host-pganalytics_refresh=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");

    // Of TLS 1.2, an authority that did not sign it, and clear text.
    let old = server.connect_by(&TLS12, &server.authority).await.unwrap_err();
    assert!(old.to_string().contains("ProtocolVersion"), "{old}");
    let other = server.connect_by(&TLS13, &Authority::new()).await.unwrap_err();
    assert!(other.to_string().contains("UnknownIssuer"), "{other}");
    let mut clear = TcpStream::connect(server.address).await.unwrap();
    clear.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, clear.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("tls_required"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn who_says_nothing_keeps_nobody_out() {
    let server = Listening::with(&[("MAX_CONNECTIONS", "16")], 90).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert!(server.health().await.starts_with("HTTP/1.1 200 OK\r\n"));
    server.stop().await;
}

#[tokio::test]
async fn another_certificate_is_in_force_without_a_restart() {
    let server = Listening::with(&[], 90).await;
    let mut open = server.connect().await;
    open.write_all(HEALTH.replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
    let first = shown(&open);
    let second = server.authority.write(server.folder.path(), 90);
    let mut now = first.clone();
    while now != second {
        let mut stream = server.connect().await;
        now = shown(&stream);
        assert!(now == first || now == second);
        assert!(said(&mut stream, HEALTH).await.starts_with("HTTP/1.1 200 OK\r\n"), "no request fails meanwhile");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let answers = said(&mut open, HEALTH).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2, "what was open goes on: {answers}");

    // A key that is another certificate's: refused, and told; the one so far stays.
    let other = KeyPair::generate().unwrap().serialize_pem();
    replace(&server.folder.path().join("server.key"), other.as_bytes(), 0o600);
    let told = async |word: &str| {
        loop {
            let answer = server.health().await;
            if answer.contains(word) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let answer = timeout(PATIENCE, told("is refused")).await.unwrap();
    assert!(answer.contains("degraded") && answer.contains("not the key of the first certificate"), "{answer}");
    assert_eq!(shown(&server.connect().await), second);
    // Nor does one take its place that has ended.
    server.authority.write(server.folder.path(), -5);
    let answer = timeout(PATIENCE, told("it ended at")).await.unwrap();
    assert!(answer.contains("The one so far is in force"), "{answer}");
    assert_eq!(shown(&server.connect().await), second);
    // One that ends soon is told too.
    let third = server.authority.write(server.folder.path(), 5);
    let answer = timeout(PATIENCE, told("certificate ends at")).await.unwrap();
    assert!(!answer.contains("is refused"), "{answer}");
    assert_eq!(shown(&server.connect().await), third);
    server.stop().await;
}

#[test]
fn files_that_cannot_be_used_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let refused = || load(folder.path()).unwrap_err();
    assert!(refused().contains("No such file"), "{}", refused());
    Authority::new().write(folder.path(), 90);
    load(folder.path()).unwrap();
    let key = std::fs::read(path("server.key")).unwrap();
    replace(&path("server.key"), &key, 0o644);
    assert!(refused().ends_with("everybody on this machine can get at it (mode 0644): chmod 600"), "{}", refused());
    replace(
        &path("server.key"),
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        0o600,
    );
    assert!(refused().contains("it is encrypted"), "{}", refused());
    replace(&path("server.key"), b"", 0o600);
    assert!(refused().contains("there is no private key in it"), "{}", refused());
    replace(&path("server.key"), KeyPair::generate().unwrap().serialize_pem().as_bytes(), 0o600);
    assert!(refused().contains("it is not the key of the first certificate in"), "{}", refused());
    replace(&path("server.crt"), b"no certificate\n", 0o644);
    assert!(refused().contains("there is no certificate in it"), "{}", refused());
}

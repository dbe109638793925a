//! A TCP proxy that injects faults between a client and a server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes moved at once.
const CHUNK: usize = 16 * 1024;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// What the proxy does to connections, those that are open and those to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Passes everything on.
    Pass,
    /// Nobody listens; open connections are closed.
    Refuse,
    /// Closes a connection after so many bytes of the server's answers from now on. With 0 the request arrives and
    /// is worked on, and its answer is lost.
    CutResponseAfter(u64),
    /// Connections are taken, and nothing moves in either direction.
    BlackHole,
}

/// Where the proxy leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// A TCP server.
    Tcp(SocketAddr),
    /// A Unix socket: PostgreSQL's, say.
    Unix(PathBuf),
}

impl From<SocketAddr> for Upstream {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<PathBuf> for Upstream {
    fn from(path: PathBuf) -> Self {
        Self::Unix(path)
    }
}

/// A running proxy on a free port of 127.0.0.1; ends with its connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<(u64, Fault)>,
    upstream: watch::Sender<Upstream>,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
    /// Bound and never listening: keeps the port ours while it refuses.
    _port: TcpSocket,
}

impl Proxy {
    /// Starts a proxy that passes everything on.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(upstream: impl Into<Upstream>) -> anyhow::Result<Self> {
        let port = socket((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = port.local_addr().context("ask for the proxy's port")?;
        let (fault, faults) = watch::channel((0, Fault::Pass));
        let (upstream, upstreams) = watch::channel(upstream.into());
        let accepted = Arc::new(AtomicU64::new(0));
        let listener = listen(address)?;
        let task = tokio::spawn(serve(address, listener, faults, upstreams, Arc::clone(&accepted)));
        Ok(Self { address, fault, upstream, accepted, task, _port: port })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what is done to connections.
    pub fn set(&self, fault: Fault) {
        self.fault.send_modify(|(change, current)| {
            // Counted, so that the same fault set twice begins anew.
            *change += 1;
            *current = fault;
        });
    }

    /// Leads new connections elsewhere: to a server that came back on another port.
    pub fn lead_to(&self, upstream: impl Into<Upstream>) {
        self.upstream.send_replace(upstream.into());
    }

    /// How many connections were taken until now.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections end by themselves, because nobody can change their fault any more.
        self.task.abort();
    }
}

/// A socket on an address that others of ours may share.
fn socket(address: SocketAddr) -> anyhow::Result<TcpSocket> {
    let socket = TcpSocket::new_v4().context("create a socket")?;
    socket.set_reuseaddr(true).context("share a port")?;
    socket.set_reuseport(true).context("share a port")?;
    socket.bind(address).context("bind a port")?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    socket(address)?.listen(BACKLOG).context("listen on the proxy's port")
}

async fn serve(
    address: SocketAddr,
    first: TcpListener,
    mut faults: watch::Receiver<(u64, Fault)>,
    upstreams: watch::Receiver<Upstream>,
    accepted: Arc<AtomicU64>,
) {
    let mut listener = Some(first);
    loop {
        if faults.borrow_and_update().1 == Fault::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = listen(address).ok();
        }
        let Some(open) = &listener else {
            if faults.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            changed = faults.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            client = open.accept() => {
                let Ok((client, _)) = client else { continue };
                accepted.fetch_add(1, Ordering::Relaxed);
                let upstream = upstreams.borrow().clone();
                tokio::spawn(connection(client, upstream, faults.clone()));
            }
        }
    }
}

/// One connection; whatever goes wrong closes it, as a network does.
async fn connection(mut client: TcpStream, upstream: Upstream, mut faults: watch::Receiver<(u64, Fault)>) {
    // A black hole does not even let the connection through.
    if faults.wait_for(|(_, fault)| *fault != Fault::BlackHole).await.is_err() {
        return;
    }
    _ = client.set_nodelay(true);
    match upstream {
        Upstream::Tcp(address) => {
            if let Ok(mut server) = TcpStream::connect(address).await {
                _ = server.set_nodelay(true);
                let (answers, requests) = server.split();
                exchange(&mut client, answers, requests, faults).await;
            }
        }
        Upstream::Unix(path) => {
            if let Ok(mut server) = UnixStream::connect(path).await {
                let (answers, requests) = server.split();
                exchange(&mut client, answers, requests, faults).await;
            }
        }
    }
}

async fn exchange(
    client: &mut TcpStream,
    answers: impl AsyncRead + Unpin,
    requests: impl AsyncWrite + Unpin,
    faults: watch::Receiver<(u64, Fault)>,
) {
    let (from_client, to_client) = client.split();
    let requests = pump(from_client, requests, faults.clone(), false);
    let answers = pump(answers, to_client, faults, true);
    tokio::pin!(requests, answers);
    // A fault in one direction ends both; an end of file passes on and lets the other go on.
    tokio::select! {
        end = &mut requests => {
            if end == End::OfFile {
                answers.await;
            }
        }
        end = &mut answers => {
            if end == End::OfFile {
                requests.await;
            }
        }
    }
}

/// How one direction ended.
#[derive(PartialEq, Eq)]
enum End {
    /// The sender has said all it had.
    OfFile,
    /// A fault, or an error of the network.
    Cut,
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut faults: watch::Receiver<(u64, Fault)>,
    answers: bool,
) -> End {
    let mut chunk = vec![0; CHUNK];
    let mut passed = 0;
    let mut seen = faults.borrow_and_update().0;
    loop {
        let (change, fault) = *faults.borrow_and_update();
        if change != seen {
            seen = change;
            passed = 0;
        }
        if fault == Fault::Refuse {
            return End::Cut;
        }
        if fault == Fault::BlackHole {
            if faults.changed().await.is_err() {
                return End::Cut;
            }
            continue;
        }
        let length = tokio::select! {
            changed = faults.changed() => {
                if changed.is_err() {
                    return End::Cut;
                }
                continue;
            }
            read = from.read(&mut chunk) => match read {
                Ok(0) => {
                    _ = to.shutdown().await;
                    return End::OfFile;
                }
                Ok(length) => length,
                Err(_) => return End::Cut,
            },
        };
        let limit = if let (Fault::CutResponseAfter(limit), true) = (fault, answers) { limit } else { u64::MAX };
        let allowed = length.min(usize::try_from(limit - passed).unwrap_or(usize::MAX));
        passed += allowed as u64;
        if to.write_all(&chunk[..allowed]).await.is_err() || passed == limit {
            return End::Cut;
        }
    }
}

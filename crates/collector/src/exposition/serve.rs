//! Answers whoever scrapes: `GET /metrics`, a few at a time, each within bounds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use catalog::Catalog;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::{Latest, text};

/// `Content-Type` of what is served.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How many may be connected at once.
const CONNECTIONS: usize = 16;
/// How long a connection may take to send its request.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may last.
const CONNECTION_LASTS: Duration = Duration::from_secs(300);
/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The pause after an address could not be listened on: whoever has it may go.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);

/// Shows readings at an address until `stop` says so, from when it can be listened on.
pub async fn show(
    at: SocketAddr,
    latest: Arc<Latest>,
    catalog: Arc<Catalog>,
    exclude: Vec<String>,
    mut stop: watch::Receiver<bool>,
) {
    let mut failed = None;
    loop {
        match Exposition::bind(at, &latest, &catalog, &exclude) {
            Ok(exposition) => {
                tracing::info!(address = %at, "readings are shown at /metrics");
                return exposition.run(stop).await;
            }
            Err(error) => {
                let error = format!("{error:#}");
                if failed.as_ref() != Some(&error) {
                    tracing::error!(error, "readings are not shown; it is tried again");
                }
                failed = Some(error);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LISTEN_AGAIN) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Where readings are shown.
#[derive(Debug)]
pub struct Exposition {
    listener: TcpListener,
    latest: Arc<Latest>,
    catalog: Arc<Catalog>,
    exclude: Vec<String>,
}

impl Exposition {
    /// Begins to listen, and so to keep what is read.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(at: SocketAddr, latest: &Arc<Latest>, catalog: &Arc<Catalog>, exclude: &[String]) -> Result<Self> {
        let listener = std::net::TcpListener::bind(at).with_context(|| format!("listen on {at}"))?;
        listener.set_nonblocking(true).context("listen")?;
        let listener = TcpListener::from_std(listener).context("listen")?;
        latest.ask(true);
        let (latest, catalog) = (Arc::clone(latest), Arc::clone(catalog));
        Ok(Self { listener, latest, catalog, exclude: exclude.to_vec() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().context("ask where it listens")
    }

    /// Answers until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = async {
                    let place = Arc::clone(&places).acquire_owned().await;
                    (place, this.listener.accept().await)
                } => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            while connections.try_join_next().is_some() {}
            let (Ok(place), Ok((stream, _))) = accepted else {
                // Without descriptors it would be asked again at once, for ever.
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let this = Arc::clone(&this);
            connections.spawn(async move {
                let service = service_fn(|request| answer(Arc::clone(&this), request));
                let mut http = hyper::server::conn::http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
                // Whoever went away needs no answer.
                let _ =
                    tokio::time::timeout(CONNECTION_LASTS, http.serve_connection(TokioIo::new(stream), service)).await;
                drop(place);
            });
        }
    }
}

async fn answer(this: Arc<Exposition>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let plain = |status: StatusCode, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    };
    if request.uri().path() != "/metrics" {
        return Ok(plain(StatusCode::NOT_FOUND, "The metrics are at /metrics.\n".to_owned()));
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "GET /metrics\n".to_owned());
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return Ok(response);
    }
    let text = tokio::task::spawn_blocking(move || text(&this.latest, &this.catalog, &this.exclude)).await;
    Ok(match text {
        Ok(Ok(text)) => {
            let mut response = Response::new(Full::new(Bytes::from(text)));
            response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(OPENMETRICS));
            response
        }
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "The metrics could not be written.\n".to_owned()),
    })
}

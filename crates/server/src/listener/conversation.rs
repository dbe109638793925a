//! One connection from its first byte to its last: requests go to the router, each phase has its time, and what ends
//! early is told why where it can be told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tower::ServiceExt as _;

use super::places::{OnReserve, Place};
use super::proxies::{Asking, Proxies};
use super::wire::{Activity, Phase, Wire};
use crate::http::{self, ApiError};

/// How long a request may be answered without a byte either way, beyond `REQUEST_TIMEOUT`.
pub(super) const STALLS_AFTER: Duration = Duration::from_secs(30);

/// The longest head, in bytes. The default of the parser is 400 kB, for each who asks.
const HEAD_BYTES_MOST: usize = 64 * 1024;

/// How long, and for how many bytes, a closed connection is read on, so that its last answer is not lost with what the
/// other side is still sending.
const LINGERS_FOR: Duration = Duration::from_secs(1);
const LINGERS_BYTES: usize = 1 << 20;

/// What a connection comes with.
pub(super) struct Visit {
    pub(super) router: Router,
    pub(super) address: SocketAddr,
    pub(super) proxies: Arc<Proxies>,
    /// Whether the stream is encrypted.
    pub(super) is_secure: bool,
    pub(super) place: Arc<Place>,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) stall: Duration,
}

/// Why a conversation is over.
enum End {
    /// Either side closed it.
    Closed,
    /// What came could not be read; the answer says so.
    Unreadable,
    /// It took too long in this phase.
    TooLong(Phase),
    /// Another needs the place, or the server stops.
    SentAway,
}

/// Answers what comes over a stream until it ends.
pub(super) async fn converse<I: AsyncRead + AsyncWrite + Unpin>(stream: I, visit: Visit) {
    let Visit { router, address, proxies, is_secure, place, mut stopped, stall } = visit;
    let activity = Activity::new(stall);
    let at_work = Work { activity: Arc::clone(&activity), place: Arc::clone(&place) };
    let service = service_fn(move |request: Request<Incoming>| {
        let asking = proxies.asking(address, is_secure, request.headers());
        answer(&router, asking, &at_work, request)
    });
    let io = TokioIo::new(Wire::new(stream, Arc::clone(&activity)));
    let mut connection = http1::Builder::new().max_buf_size(HEAD_BYTES_MOST).serve_connection(io, service);
    let end = {
        let mut sent_away = std::pin::pin!(place.gives_way());
        let mut stop = std::pin::pin!(stopped.wait_for(|stopped| *stopped));
        let mut stopping = false;
        let mut timer = std::pin::pin!(sleep_until(activity.deadline()));
        std::future::poll_fn(|cx| {
            if !stopping && stop.as_mut().poll(cx).is_ready() {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            match connection.poll_without_shutdown(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(End::Closed),
                Poll::Ready(Err(error)) if error.is_parse() => return Poll::Ready(End::Unreadable),
                Poll::Ready(Err(_)) => return Poll::Ready(End::Closed),
                Poll::Pending => {}
            }
            let phase = activity.phase();
            // Who has said nothing yet has nothing under way.
            if (stopping && phase == Phase::New) || sent_away.as_mut().poll(cx).is_ready() {
                return Poll::Ready(End::SentAway);
            }
            let deadline = activity.deadline();
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            timer.as_mut().poll(cx).map(|()| End::TooLong(phase))
        })
        .await
    };
    let mut stream = connection.into_parts().io.into_inner().stream;
    match end {
        End::Closed => _ = timeout(LINGERS_FOR, stream.shutdown()).await,
        End::Unreadable => linger(&mut stream).await,
        End::TooLong(Phase::Head) => {
            tracing::debug!(%address, "the head of a request took too long");
            let answer = http::bare_answer(&ApiError::from_status(StatusCode::REQUEST_TIMEOUT));
            tell_and_close(&mut stream, &answer).await;
        }
        End::TooLong(phase) => tracing::debug!(%address, ?phase, "a connection took too long and is closed"),
        End::SentAway => tracing::debug!(%address, "a connection gives way"),
    }
}

/// Writes a last answer, as far as the other side reads it.
pub(super) async fn tell_and_close<I: AsyncRead + AsyncWrite + Unpin>(stream: &mut I, answer: &[u8]) {
    if matches!(timeout(LINGERS_FOR, stream.write_all(answer)).await, Ok(Ok(()))) {
        linger(stream).await;
    }
}

/// Closes our side, and reads on for a moment.
async fn linger<I: AsyncRead + AsyncWrite + Unpin>(stream: &mut I) {
    let reading_on = async {
        stream.shutdown().await?;
        let mut buffer = [0; 4096];
        let mut left = LINGERS_BYTES;
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok::<(), std::io::Error>(())
    };
    let _ = timeout(LINGERS_FOR, reading_on).await;
}

/// That a request came encrypted, to us or to a trusted proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secure;

/// When a request's head was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived(pub(crate) std::time::Instant);

/// What a request is counted in.
#[derive(Clone)]
struct Work {
    activity: Arc<Activity>,
    place: Arc<Place>,
}

/// A request that is being answered, to the last byte of the answer.
struct UnderWay(Work);

impl Work {
    fn begin(&self) -> UnderWay {
        self.activity.enter(Phase::Working);
        self.place.works();
        UnderWay(self.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.activity.enter(Phase::Idle);
        self.0.place.waits();
    }
}

fn answer(
    router: &Router,
    asking: Asking,
    work: &Work,
    request: Request<Incoming>,
) -> Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>> {
    let under_way = work.begin();
    let mut request = request.map(Body::new);
    let extensions = request.extensions_mut();
    extensions.insert(Arrived(std::time::Instant::now()));
    extensions.insert(ConnectInfo(asking.address));
    if asking.is_secure {
        extensions.insert(Secure);
    }
    extensions.insert(Arc::clone(&work.place));
    if work.place.is_on_reserve() {
        extensions.insert(OnReserve);
    }
    let answered = router.clone().oneshot(request);
    Box::pin(async move {
        let response = answered.await?;
        Ok(response.map(|body| Answer { body, _under_way: under_way }))
    })
}

/// An answer's body; the request is under way until it is written or dropped.
struct Answer {
    body: Body,
    _under_way: UnderWay,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! A connection's bytes: notes what goes on, so that time-outs know what is waited for, and puts our own answer in
//! place of the bare one that the parser gives to what it cannot read.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::http::{self, ApiError};

/// A head has to be whole so soon after its first byte, and its first byte has to come so soon after the connection.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection is kept between two requests: longer than collectors pause (60 s), and longer than their
/// client keeps it (90 s), so that it is the client who closes.
pub(super) const IDLE_FOR: Duration = Duration::from_secs(120);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has come yet.
    New,
    /// The head of a request is coming in.
    Head,
    /// A request is being answered.
    Working,
    /// The last answer is given.
    Idle,
}

/// What goes on, and since when.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<(Phase, Instant)>,
    stall: Duration,
}

impl Activity {
    /// Of a connection that has just begun; `stall` without a byte ends it while a request is being answered.
    pub(super) fn new(stall: Duration) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new((Phase::New, Instant::now())), stall })
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().0
    }

    pub(super) fn enter(&self, phase: Phase) {
        *self.lock() = (phase, Instant::now());
    }

    /// When it has taken too long.
    pub(super) fn deadline(&self) -> Instant {
        let (phase, since) = *self.lock();
        since
            + match phase {
                Phase::New | Phase::Head => HEAD_WITHIN,
                Phase::Working => self.stall,
                Phase::Idle => IDLE_FOR,
            }
    }

    fn bytes_came(&self) {
        let mut state = self.lock();
        match state.0 {
            Phase::New | Phase::Idle => *state = (Phase::Head, Instant::now()),
            Phase::Working => state.1 = Instant::now(),
            // Each byte of a head does not buy more time.
            Phase::Head => {}
        }
    }

    fn bytes_went(&self) {
        let mut state = self.lock();
        if state.0 == Phase::Working {
            state.1 = Instant::now();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Phase, Instant)> {
        match self.state.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// A stream with its activity noted.
#[derive(Debug)]
pub(super) struct Wire<I> {
    pub(super) stream: I,
    activity: Arc<Activity>,
    /// Our answer in place of the parser's, and how much of it is written.
    instead: Option<(Vec<u8>, usize)>,
}

impl<I> Wire<I> {
    pub(super) fn new(stream: I, activity: Arc<Activity>) -> Self {
        Self { stream, activity, instead: None }
    }
}

/// The status of an answer that the parser gives by itself: it has no request id, which every answer of ours has.
fn parsers_own(bytes: &[u8]) -> Option<StatusCode> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    let status = StatusCode::from_bytes(rest.get(..3)?).ok()?;
    let is_ours = bytes.windows(12).any(|window| window.eq_ignore_ascii_case(b"x-request-id"));
    (status.as_u16() >= 400 && !is_ours).then_some(status)
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.instead.is_none() && this.activity.phase() == Phase::Head {
            this.instead = parsers_own(bytes).map(|status| (http::bare_answer(&ApiError::from_status(status)), 0));
        }
        let Some((answer, written)) = &mut this.instead else {
            let count = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
            this.activity.bytes_went();
            return Poll::Ready(Ok(count));
        };
        while let Some(rest) = answer.get(*written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut this.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *written += count,
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parsers_answers_are_told_from_ours() {
        assert_eq!(parsers_own(b"HTTP/1.1 431 Request Header Fields Too Large\r\n").unwrap().as_u16(), 431);
        assert_eq!(parsers_own(b"HTTP/1.1 404 Not Found\r\nX-Request-Id: 7\r\n\r\n"), None);
        assert_eq!(parsers_own(b"HTTP/1.1 100 Continue\r\n\r\n"), None);
        assert_eq!(parsers_own(b"half a body"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_a_head_buy_no_time_and_those_of_an_answer_do() {
        let activity = Activity::new(Duration::from_secs(60));
        let begun = Instant::now();
        activity.bytes_came();
        tokio::time::advance(Duration::from_secs(9)).await;
        activity.bytes_came();
        assert_eq!(activity.deadline(), begun + HEAD_WITHIN);
        activity.enter(Phase::Working);
        tokio::time::advance(Duration::from_secs(30)).await;
        activity.bytes_went();
        assert_eq!(activity.deadline(), begun + Duration::from_secs(9 + 30 + 60));
        activity.enter(Phase::Idle);
        assert_eq!(activity.deadline(), Instant::now() + IDLE_FOR);
    }
}

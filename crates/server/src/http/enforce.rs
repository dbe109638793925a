//! What stands before every handler, made from its row: who is calling, is there room in the bucket, may they.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::authentication::{Caller, bearer, claims, load, missing, wrong_kind};
use super::endpoint::{Limit, Who};
use super::error::ApiError;
use super::limits::{Bucket, Spent};
use crate::accounts::{Role, TokenKind};
use crate::app::App;
use crate::collectors;
use crate::health::Doing;
use crate::listener::{OnReserve, Place};

/// What a row demands.
#[derive(Clone)]
pub(super) struct Rule {
    pub(super) app: Arc<App>,
    pub(super) who: Who,
    pub(super) limit: Limit,
    pub(super) doing: Doing,
}

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Marks a read inside a batch: its caller is known, and the batch has been counted.
#[derive(Clone)]
pub(super) struct Counted;

/// Lets a request through to its handler, or says why not.
pub(super) async fn enforce(State(rule): State<Rule>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Counted>().is_some() {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Nobody);
        let response = match authorize(&rule, &caller, request.headers()).and(no_nul(&request)) {
            Ok(()) => next.run(request).await,
            Err(error) => error.into_response(),
        };
        tell_health(&rule, &response);
        return response;
    }
    let address = address(&request);
    let (spent, caller) = admit(&rule, address, request.headers()).await;
    let caller = caller.and_then(|caller| no_nul(&request).map(|()| caller));
    let mut response = match caller {
        Ok(Caller::Nobody) if request.extensions().get::<OnReserve>().is_some() => {
            ApiError::unavailable("Too many connections at once.").into_response()
        }
        Ok(caller) => {
            if let Some(place) = request.extensions().get::<Arc<Place>>() {
                place.known(caller != Caller::Nobody);
            }
            request.extensions_mut().insert(Peer(address));
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    tell_health(&rule, &response);
    if let Some(spent) = spent {
        spent.write(response.headers_mut());
    }
    response
}

/// What a failure says about the store stands in `/health` until the same works again.
fn tell_health(rule: &Rule, response: &Response) {
    let troubles = &rule.app.troubles;
    match response.extensions().get::<ApiError>().and_then(ApiError::store_trouble) {
        Some(why) => troubles.note(rule.doing, why, rule.app.clock.now()),
        // What anyone may ask does not touch the store.
        None if response.status().is_success() && rule.who != Who::Anyone => troubles.worked(rule.doing),
        None => {}
    }
}

/// PostgreSQL's texts cannot hold a NUL, so no name and no identifier has one.
fn no_nul(request: &Request) -> Result<(), ApiError> {
    let uri = request.uri();
    match (uri.path().contains("%00"), uri.query().is_some_and(|query| query.contains("%00"))) {
        (true, _) => Err(ApiError::invalid_field("path", "expected no NUL character")),
        (_, true) => Err(ApiError::invalid_field("query", "expected no NUL character")),
        _ => Ok(()),
    }
}

async fn admit(rule: &Rule, address: IpAddr, headers: &HeaderMap) -> (Option<Spent>, Result<Caller, ApiError>) {
    let app = &rule.app;
    let wanted = match rule.who {
        Who::Anyone => None,
        Who::Holder | Who::RegistrationSecret => bearer(headers).map(|_| claims(app, headers)),
        _ => Some(claims(app, headers)),
    };
    let bucket = match (rule.limit, &wanted) {
        (Limit::Caller, Some(Ok(claims))) => match claims.kind {
            TokenKind::User => Bucket::User(claims.subject),
            TokenKind::Collector => Bucket::Collector(claims.subject),
        },
        _ => Bucket::Address(address),
    };
    // A thousand collectors behind one address register at once: guesses are limited, not who knows the secret.
    let knows_secret =
        rule.who == Who::RegistrationSecret && collectors::check_registration_secret(&app.settings, headers).is_ok();
    let spent = match (!knows_secret).then(|| app.limits.spend(bucket)).transpose() {
        Ok(spent) => spent,
        Err(spent) => {
            let error = ApiError::rate_limited(spent.retry_after_seconds());
            return (Some(spent), Err(error));
        }
    };
    let caller = match wanted {
        None => Ok(Caller::Nobody),
        Some(Err(error)) => Err(error),
        Some(Ok(claims)) => load(app, &claims).await,
    };
    // A holder's or registrant's own secret decides; a stale access token beside it is no reason to refuse.
    let caller = match (rule.who, caller) {
        (Who::Holder | Who::RegistrationSecret, Err(error)) if error.status().is_client_error() => Ok(Caller::Nobody),
        (_, caller) => caller,
    };
    let admitted = caller.and_then(|caller| authorize(rule, &caller, headers).map(|()| caller));
    (spent, admitted)
}

fn authorize(rule: &Rule, caller: &Caller, headers: &HeaderMap) -> Result<(), ApiError> {
    match (rule.who, caller) {
        (Who::Anyone | Who::Holder, _) => Ok(()),
        (Who::RegistrationSecret, _) => collectors::check_registration_secret(&rule.app.settings, headers),
        (_, Caller::Nobody) => Err(missing()),
        (Who::Viewer, Caller::User(user)) => at_least(Role::Viewer, user.role),
        (Who::User, Caller::User(user)) => at_least(Role::User, user.role),
        (Who::Admin | Who::CollectorOrAdmin, Caller::User(user)) => at_least(Role::Admin, user.role),
        (Who::Collector | Who::CollectorOrAdmin, Caller::Collector(_)) => Ok(()),
        (Who::Collector, Caller::User(_)) => Err(wrong_kind("a collector's")),
        (Who::Viewer | Who::User | Who::Admin, Caller::Collector(_)) => Err(wrong_kind("a user's")),
    }
}

fn at_least(needed: Role, role: Role) -> Result<(), ApiError> {
    if role >= needed {
        return Ok(());
    }
    Err(ApiError::forbidden(format!("Your role ({role}) may not do this; it takes {needed}.")))
}

/// Who asks, as the listener knows it: the peer, or whom a trusted proxy names.
fn address(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip())
}

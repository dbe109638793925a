//! Removes the collectors that a load registered, as an administrator does.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use uuid::Uuid;

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Session {
    access_token: String,
}

/// Removes collectors; answers how many. Waits where the server limits how often it is asked.
pub(super) async fn remove(url: &str, user: &str, password: &str, collectors: &[Uuid]) -> Result<usize> {
    let client = Client::builder().timeout(REQUEST_LIMIT).build().context("prepare the HTTP client")?;
    let base = format!("{}/api/v1", url.trim_end_matches('/'));
    let sign_in = async || {
        let body = serde_json::json!({ "username": user, "password": password });
        let answer = client.post(format!("{base}/auth/login")).json(&body).send().await.context("reach the server")?;
        if !answer.status().is_success() {
            bail!("sign in as {user}: the server answered {}", answer.status());
        }
        anyhow::Ok(answer.json::<Session>().await.context("understand the session")?.access_token)
    };
    let mut token = sign_in().await?;
    let mut removed = 0;
    for id in collectors {
        loop {
            let request = client.delete(format!("{base}/collectors/{id}")).bearer_auth(&token);
            let answer = request.send().await.context("reach the server")?;
            match answer.status() {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    tokio::time::sleep(retry_after(&answer)).await;
                }
                // The session of a long removal ends.
                StatusCode::UNAUTHORIZED => token = sign_in().await?,
                StatusCode::NO_CONTENT => {
                    removed += 1;
                    break;
                }
                // Somebody was faster.
                StatusCode::NOT_FOUND => break,
                status => bail!("remove collector {id}: the server answered {status}"),
            }
        }
    }
    Ok(removed)
}

fn retry_after(answer: &Response) -> Duration {
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(asked.unwrap_or(1))
}

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
    user: User,
}

#[derive(Deserialize)]
struct User {
    role: String,
}

/// An administrator who is signed in.
#[derive(Debug)]
pub(super) struct Administrator {
    client: Client,
    base: String,
    user: String,
    password: String,
    token: String,
}

impl Administrator {
    /// Signs in.
    pub(super) async fn sign_in(url: &str, user: &str, password: &str) -> Result<Self> {
        let client = Client::builder().timeout(REQUEST_LIMIT).build().context("prepare the HTTP client")?;
        let base = format!("{}/api/v1", url.trim_end_matches('/'));
        let (user, password) = (user.to_owned(), password.to_owned());
        let mut administrator = Self { client, base, user, password, token: String::new() };
        administrator.renew().await?;
        Ok(administrator)
    }

    async fn renew(&mut self) -> Result<()> {
        let body = serde_json::json!({ "username": self.user, "password": self.password });
        let request = self.client.post(format!("{}/auth/login", self.base)).json(&body);
        let answer = request.send().await.context("reach the server")?;
        if !answer.status().is_success() {
            bail!("sign in as {}: the server answered {}", self.user, answer.status());
        }
        let session: Session = answer.json().await.context("understand the session")?;
        if session.user.role != "admin" {
            bail!("{} is {}, and removing collectors takes an administrator", self.user, session.user.role);
        }
        self.token = session.access_token;
        Ok(())
    }

    /// Removes collectors; answers how many. Waits where the server limits how often it is asked.
    pub(super) async fn remove(&mut self, collectors: &[Uuid]) -> Result<usize> {
        let mut removed = 0;
        for id in collectors {
            loop {
                let request = self.client.delete(format!("{}/collectors/{id}", self.base)).bearer_auth(&self.token);
                let answer = request.send().await.context("reach the server")?;
                match answer.status() {
                    StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                        tokio::time::sleep(retry_after(&answer)).await;
                    }
                    // The session of a long removal ends.
                    StatusCode::UNAUTHORIZED => self.renew().await?,
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
}

fn retry_after(answer: &Response) -> Duration {
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(asked.unwrap_or(1))
}

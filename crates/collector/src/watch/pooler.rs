//! The sets of the PgBouncer in front of an instance, over its console. They are read whether or not the instance answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Scope, Set};
use config::Dsn;
use connection::describe;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use wire::Frame;

use super::recorder::Recorder;
use super::source::{At, Source};
use crate::baseline::Incarnation;
use crate::pooler::{self, Answer, CONSOLE};

/// How long the console may take, to connect and for each answer.
const LIMIT: Duration = Duration::from_secs(5);

/// The way to the console.
#[derive(Debug, Default)]
pub(super) struct Pooler {
    open: Option<Client>,
}

impl Source for Pooler {
    const SCOPE: Scope = Scope::Pooler;
    type Due = [String];
    type Error = std::convert::Infallible;

    async fn read(&mut self, due: &[String], at: &mut At<'_>) -> Result<(), Self::Error> {
        let catalog = Arc::clone(&at.recorder.catalog);
        let Some(dsn) = at.recorder.instance.pgbouncer.clone() else { return Ok(()) };
        let mut silent = None;
        for set in Recorder::of_scope(&catalog, due, Self::SCOPE) {
            if pooler::reader(set.name()).is_none() {
                continue;
            }
            let began = (Instant::now(), at.recorder.clock.now_us());
            // Who did not answer once is not asked again in this cycle.
            let read = match &silent {
                Some(error) => Err(Unread { error: String::clone(error), is_broken: true }),
                None => self.read_set(set, &dsn).await,
            };
            match read {
                Ok(frame) => at.recorder.record_beside(set, (frame, life(&dsn)), began, at.baselines, at.cycle),
                Err(Unread { error, is_broken }) => {
                    if is_broken {
                        self.open = None;
                        silent = Some(error.clone());
                    }
                    at.recorder.not_read(set, error, began.1, at.cycle);
                }
            }
        }
        Ok(())
    }

    fn schedule(recorder: &Recorder) -> Vec<(String, u32)> {
        if recorder.instance.pgbouncer.is_some() { recorder.scheduled(Self::SCOPE) } else { Vec::new() }
    }
}

/// The console does not say when PgBouncer was started: a counter that fell tells that it was.
fn life(dsn: &Dsn) -> Incarnation {
    Incarnation {
        system_identifier: format!("pgbouncer {}:{}", dsn.host, dsn.port),
        postmaster_start_us: 0,
        checkpointer_start_us: None,
    }
}

/// Why a set was not read, and whether the connection is of no use any more.
struct Unread {
    error: String,
    is_broken: bool,
}

impl Pooler {
    async fn read_set(&mut self, set: &Set, dsn: &Dsn) -> Result<Frame, Unread> {
        let missing = || Unread { error: "nothing reads it".to_owned(), is_broken: false };
        let reader = pooler::reader(set.name()).ok_or_else(missing)?;
        let client = match self.open.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => connect(dsn).await.map_err(|error| Unread { error, is_broken: true })?,
        };
        let mut answers = Vec::new();
        for question in reader.asks {
            let asked = tokio::time::timeout(LIMIT, client.simple_query(question)).await;
            let asked = asked.map_err(|_| {
                let error = format!("PgBouncer did not answer {question:?} within {} s", LIMIT.as_secs());
                Unread { error, is_broken: true }
            })?;
            let messages = asked.map_err(|error| Unread {
                error: format!("PgBouncer refused {question:?}: {}", describe(&error)),
                is_broken: error.as_db_error().is_none(),
            })?;
            answers.push(answer(&messages));
        }
        self.open = Some(client);
        Ok(reader.frame(&set.definition, &answers))
    }
}

async fn connect(dsn: &Dsn) -> Result<Client, String> {
    // Its line of the password file may have changed.
    let dsn = dsn.for_database(CONSOLE);
    let mut parameters = connection::parameters(&dsn);
    parameters.application_name("pganalytics collector");
    let connecting = async {
        if !connection::may_use_tls(&dsn) {
            let (client, connection) = parameters.connect(NoTls).await.map_err(|error| describe(&error))?;
            tokio::spawn(connection);
            return Ok(client);
        }
        let connector = connection::connector(&dsn).map_err(|error| error.to_string())?;
        let (client, connection) = parameters.connect(connector).await.map_err(|error| describe(&error))?;
        tokio::spawn(connection);
        Ok(client)
    };
    let connected = tokio::time::timeout(LIMIT, connecting).await;
    connected
        .unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
        .map_err(|error: String| format!("PgBouncer at {} cannot be asked: {error}", connection::place(&dsn)))
}

fn answer(messages: &[SimpleQueryMessage]) -> Answer {
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let value = |(place, column): (usize, &tokio_postgres::SimpleColumn)| {
                Some((column.name().to_owned(), row.try_get(place).ok()??.to_owned()))
            };
            Some(row.columns().iter().enumerate().filter_map(value).collect())
        }
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

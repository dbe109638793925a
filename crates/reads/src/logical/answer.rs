//! `GET /instances/{id}/logical-replication`.

use super::model::{LogicalReplication, Subscription, SubscriptionState};
use super::store::{self, DECODING, Defined, ERRORS, PUBLICATIONS, SUBSCRIPTIONS, TABLES, WORKERS, Worker, Wrong};
use crate::clusters::OfOneCluster;
use crate::covered::Covered;
use crate::error::ReadError;
use crate::instances::coverage::{note_missing, unreadable};
use crate::instances::store as instances;
use crate::queries::model::Unmeasured;
use crate::queries::names::Names;
use crate::reader::{InstanceId, Snapshot};
use crate::readings;
use crate::relations::readings as of_databases;
use crate::unread::Standing;
use crate::when::When;

/// What an instance subscribes to and publishes at a moment, and what went wrong over a range.
///
/// # Errors
/// When what is asked for makes no sense, or the store fails.
pub async fn get(snapshot: &Snapshot, id: InstanceId, when: When) -> Result<LogicalReplication, ReadError> {
    let now = snapshot.now();
    let (asked, moment) = (when.range(now)?, when.moment(now));
    let range = OfOneCluster::read(snapshot, id, asked).await?.range;
    let at = readings::at(snapshot, id, WORKERS, moment).await?;
    let (workers, clock) = match at {
        Some(time) => {
            let clock = readings::by_instance(snapshot, id, WORKERS, time).await?;
            (Some(store::workers(snapshot, id, time).await?), clock)
        }
        None => (None, moment),
    };
    let databases = Names::databases(snapshot, id, moment).await?;
    let tables = store::tables(snapshot, id, &of_databases::at(snapshot, id, TABLES, moment).await?).await?;
    let wrong = store::wrong(snapshot, id, range).await?;
    let unread = Standing::read(snapshot, id, WORKERS).await?;
    let mut subscriptions: Vec<Subscription> = store::defined(snapshot, id, moment)
        .await?
        .into_iter()
        .map(|defined| {
            let subid = defined.subid.or_else(|| by_name(workers.as_deref()?, &defined.name));
            let own = workers.as_ref().map(|all| all.iter().filter(|one| Some(one.subid) == subid).collect::<Vec<_>>());
            let wrong = subid.and_then(|subid| wrong.get(&subid)).cloned();
            let (all, not_ready) =
                subid.and_then(|subid| tables.get(&(defined.datid, subid))).copied().unwrap_or_default();
            let state = state(&defined, own.as_deref(), wrong.as_ref(), not_ready);
            let working = |kind: &str| {
                let of = |one: &&&Worker| one.pid.is_some() && one.kind.as_deref() == Some(kind);
                own.as_ref().map(|own| own.iter().filter(of).count())
            };
            let apply = own.as_ref().and_then(|own| own.iter().find(|one| is_apply(one)));
            let received = apply.and_then(|one| one.received_at);
            let wrong = wrong.unwrap_or_default();
            Subscription {
                database: databases.of(defined.datid),
                message: sentence(state, not_ready, &unread),
                state,
                enabled: defined.enabled,
                slot_name: defined.slot_name,
                publications: defined.publications,
                streaming: defined.streaming,
                disable_on_error: defined.disable_on_error,
                pid: apply.and_then(|one| one.pid),
                copying_workers: working("table synchronization"),
                parallel_workers: working("parallel apply"),
                received_lsn: apply.and_then(|one| one.received_lsn.clone()),
                latest_end_lsn: apply.and_then(|one| one.latest_end_lsn.clone()),
                last_message_ms: received
                    .map(|received| clock.duration_since(received).as_secs_f64().max(0.0) * 1000.0),
                tables: all,
                tables_not_ready: not_ready,
                apply_errors: wrong.apply_errors,
                sync_errors: wrong.sync_errors,
                conflicts: wrong.conflicts.into_iter().collect(),
                name: defined.name,
            }
        })
        .collect();
    subscriptions
        .sort_by(|one, other| (one.state, &one.database, &one.name).cmp(&(other.state, &other.database, &other.name)));
    let states = instances::states(snapshot, &[id]).await?.remove(&id).unwrap_or_default();
    let mut unmeasured = Unmeasured::new();
    for (key, set) in [
        ("subscriptions", SUBSCRIPTIONS),
        ("errors", ERRORS),
        ("tables", TABLES),
        ("publications", PUBLICATIONS),
        ("decoding", DECODING),
    ] {
        note_missing(&mut unmeasured, key, &states, set, "");
    }
    note_missing(&mut unmeasured, "conflicts", &states, ERRORS, "confl_insert_exists");
    Ok(LogicalReplication {
        at,
        subscriptions,
        publications: store::publications(snapshot, id, moment, &databases).await?,
        decoding: store::decoding(snapshot, id, range).await?,
        unmeasured,
        not_readable: unreadable(&states, &[SUBSCRIPTIONS, WORKERS, ERRORS, TABLES, PUBLICATIONS, DECODING]),
        covered: Covered::read(snapshot, id, ERRORS, asked).await?,
        decoding_covered: Covered::read(snapshot, id, DECODING, asked).await?,
    })
}

/// Before 14 only superusers may read the oid: the name tells it where only one subscription has it.
fn by_name(workers: &[Worker], name: &str) -> Option<i64> {
    let mut of_name = workers.iter().filter(|worker| worker.name.as_deref() == Some(name)).map(|worker| worker.subid);
    let first = of_name.next()?;
    of_name.all(|other| other == first).then_some(first)
}

fn is_apply(worker: &Worker) -> bool {
    worker.pid.is_some() && worker.kind.as_deref().is_none_or(|kind| kind == "apply")
}

fn state(
    defined: &Defined,
    workers: Option<&[&Worker]>,
    wrong: Option<&Wrong>,
    not_ready: Option<i64>,
) -> SubscriptionState {
    let failed = |count: Option<f64>| count.is_some_and(|count| count > 0.0);
    if wrong.is_some_and(|wrong| failed(wrong.apply_errors) || failed(wrong.sync_errors)) {
        return SubscriptionState::Failing;
    }
    if defined.enabled == Some(false) {
        return SubscriptionState::Disabled;
    }
    match workers {
        None | Some([]) => SubscriptionState::Unknown,
        Some(workers) if !workers.iter().any(|worker| is_apply(worker)) => SubscriptionState::NoWorker,
        Some(_) if not_ready.is_some_and(|tables| tables > 0) => SubscriptionState::Copying,
        Some(_) => SubscriptionState::Running,
    }
}

fn sentence(state: SubscriptionState, not_ready: Option<i64>, unread: &Standing) -> String {
    let sentence = match state {
        SubscriptionState::Failing => {
            "Its workers fail and begin again, and nothing is applied meanwhile: the instance's log has the reason. Mend the \
             row or the table, or skip the transaction (ALTER SUBSCRIPTION … SKIP)."
        }
        SubscriptionState::NoWorker => {
            "It is to run, and no worker does: the log says why, or max_logical_replication_workers are in use."
        }
        SubscriptionState::Disabled => {
            "It is disabled, and its slot keeps WAL on the publisher: enable it, or drop it with its slot."
        }
        SubscriptionState::Copying => {
            let tables = not_ready.unwrap_or(0);
            let (tables, follow) =
                if tables == 1 { ("One table".to_owned(), "does") } else { (format!("{tables} tables"), "do") };
            return format!("{tables} {follow} not follow yet: the data are copied first.");
        }
        SubscriptionState::Running => "It follows.",
        SubscriptionState::Unknown => return format!("Its workers were not read: {}.", unread.reason().1),
    };
    sentence.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(enabled: bool) -> Defined {
        Defined {
            datid: 5,
            name: "orders".to_owned(),
            subid: Some(7),
            enabled: Some(enabled),
            slot_name: None,
            publications: None,
            streaming: None,
            disable_on_error: None,
        }
    }

    fn worker(subid: i64, pid: Option<i32>, kind: Option<&str>) -> Worker {
        Worker {
            subid,
            name: Some("orders".to_owned()),
            pid,
            kind: kind.map(str::to_owned),
            received_lsn: None,
            latest_end_lsn: None,
            received_at: None,
        }
    }

    #[test]
    fn the_gravest_is_told_and_nothing_of_what_was_not_read() {
        let (none, one) = (worker(7, None, None), worker(7, Some(99), Some("apply")));
        let told = |enabled, worker: Option<&Worker>, wrong: Option<&Wrong>, not_ready| {
            let workers: Option<Vec<&Worker>> = worker.map(|worker| vec![worker]);
            state(&defined(enabled), workers.as_deref(), wrong, not_ready)
        };
        assert_eq!(told(true, None, None, None), SubscriptionState::Unknown);
        assert_eq!(told(true, Some(&none), None, None), SubscriptionState::NoWorker);
        assert_eq!(told(false, Some(&none), None, None), SubscriptionState::Disabled);
        assert_eq!(told(true, Some(&one), None, Some(2)), SubscriptionState::Copying);
        assert_eq!(told(true, Some(&one), None, Some(0)), SubscriptionState::Running);
        let wrong = Wrong { apply_errors: Some(3.0), ..Wrong::default() };
        assert_eq!(told(true, Some(&one), Some(&wrong), None), SubscriptionState::Failing);
        assert_eq!(told(true, Some(&one), Some(&Wrong::default()), None), SubscriptionState::Running);
    }

    #[test]
    fn a_name_that_two_databases_have_tells_of_neither() {
        assert_eq!(by_name(&[worker(7, Some(1), None), worker(7, Some(2), None)], "orders"), Some(7));
        assert_eq!(by_name(&[worker(7, Some(1), None), worker(8, Some(2), None)], "orders"), None);
        assert_eq!(by_name(&[], "orders"), None);
    }
}

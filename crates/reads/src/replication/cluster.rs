//! The instances of one cluster, and which of them stream from which.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::Error;

use super::links::{Member, Receiver, Sender, link};
use super::model::{ClusterMember, InstanceLink};
use super::senders::{READINGS, STANDBY};
use crate::reader::{InstanceId, Snapshot};
use crate::readings;

/// Instances of one cluster that are looked at, at most.
const MEMBERS_MOST: i64 = 50;

const MEMBERS: &str = "select m.id, m.name, m.collector_id, nullif(m.host, ''), nullif(m.role, ''), m.timeline,
        (select nullif(s.setting, '') from metrics.pg_settings s
         where s.instance_id = m.id and s.name = 'cluster_name' and s.valid_from <= $2 order by s.valid_from desc limit 1),
        (select s.setting from metrics.pg_settings s
         where s.instance_id = m.id and s.name = 'port' and s.valid_from <= $2 order by s.valid_from desc limit 1)
    from metrics.instances i
    join metrics.instances m on m.system_identifier = i.system_identifier
    where i.id = $1 and i.system_identifier <> '' and (m.retired_at is null or m.retired_at > $2 or m.id = i.id)
        and ($4::int4[] is null or m.id = any($4)) order by m.name, m.id limit $3";

const RECEIVER: &str = "select slot_name, sender_port from metrics.pg_stat_wal_receiver
    where instance_id = $1 and time = $2 and pid is not null";

/// What is no standby follows nobody.
const SENDERS: &str = "select pid, application_name, client_addr from {}
    where instance_id = $1 and time = $2 and pid is not null and kind = $3";

const SLOTS: &str = "select active_pid, slot_name from metrics.pg_replication_slots
    where instance_id = $1 and time = $2 and active_pid is not null";

/// A cluster at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) members: Vec<ClusterMember>,
    /// The instance behind a sender, by (upstream, pid).
    links: HashMap<(InstanceId, i32), InstanceId>,
    /// The slot that a sender uses, by (upstream, pid).
    slots: HashMap<(InstanceId, i32), String>,
}

impl Cluster {
    /// The cluster that an instance belongs to.
    pub(crate) async fn at(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Self, Error> {
        let mut members = Vec::new();
        let mut shown = Vec::new();
        for row in snapshot.query(MEMBERS, &[&id, &at, &MEMBERS_MOST, &snapshot.visible()]).await? {
            let (id, name): (InstanceId, String) = (row.get(0), row.get(1));
            members.push(Member {
                id,
                name: name.clone(),
                collector: row.get(2),
                host: row.get(3),
                cluster_name: row.get(6),
                port: row.get::<_, Option<String>>(7).and_then(|port| port.parse().ok()),
                receiver: None,
            });
            shown.push(ClusterMember { id, name, role: row.get(4), timeline: row.get(5), upstream_id: None });
        }
        let mut senders = Vec::new();
        let mut slots = HashMap::new();
        for member in &mut members {
            member.receiver = receiver(snapshot, member.id, at).await?;
            for (pid, slot) in slots_in_use(snapshot, member.id, at).await? {
                slots.insert((member.id, pid), slot);
            }
            let Some(time) = readings::at(snapshot, member.id, "pg_stat_replication", at).await? else { continue };
            for row in snapshot.query(&SENDERS.replace("{}", &READINGS), &[&member.id, &time, &STANDBY]).await? {
                let pid = row.get(0);
                senders.push(Sender {
                    upstream: member.id,
                    pid,
                    application_name: row.get(1),
                    client_addr: row.get(2),
                    slot_name: slots.get(&(member.id, pid)).cloned(),
                });
            }
        }
        let links = link(&members, &senders);
        for ((upstream, _), standby) in &links {
            if let Some(member) = shown.iter_mut().find(|member| member.id == *standby) {
                member.upstream_id = Some(*upstream);
            }
        }
        Ok(Self { members: shown, links, slots })
    }

    /// The instance that streams from another by a process there.
    pub(crate) fn standby(&self, upstream: InstanceId, pid: Option<i32>) -> Option<InstanceLink> {
        let id = self.links.get(&(upstream, pid?))?;
        self.named(*id)
    }

    /// The instance that another streams from.
    pub(crate) fn upstream(&self, standby: InstanceId) -> Option<InstanceLink> {
        self.named(self.members.iter().find(|member| member.id == standby)?.upstream_id?)
    }

    /// The slot that a process of an instance uses.
    pub(crate) fn slot(&self, upstream: InstanceId, pid: Option<i32>) -> Option<String> {
        self.slots.get(&(upstream, pid?)).cloned()
    }

    fn named(&self, id: InstanceId) -> Option<InstanceLink> {
        let member = self.members.iter().find(|member| member.id == id)?;
        Some(InstanceLink { id, name: member.name.clone() })
    }
}

async fn receiver(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Option<Receiver>, Error> {
    let Some(time) = readings::at(snapshot, id, "pg_stat_wal_receiver", at).await? else { return Ok(None) };
    let row = snapshot.query_opt(RECEIVER, &[&id, &time]).await?;
    Ok(row.map(|row| Receiver { slot_name: row.get(0), sender_port: row.get(1) }))
}

async fn slots_in_use(snapshot: &Snapshot, id: InstanceId, at: Timestamp) -> Result<Vec<(i32, String)>, Error> {
    let Some(time) = readings::at(snapshot, id, "pg_replication_slots", at).await? else { return Ok(Vec::new()) };
    let rows = snapshot.query(SLOTS, &[&id, &time]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

//! Which monitored instance is the standby that streams from another: said only where it is unambiguous. Pure.

use crate::reader::InstanceId;
use std::collections::HashMap;
use std::net::IpAddr;

use uuid::Uuid;

/// What a standby is called that was given no name.
const DEFAULT_NAME: &str = "walreceiver";

/// An instance of a cluster, as it is known at a moment.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Member {
    pub(crate) id: InstanceId,
    /// Its name in the collector's configuration.
    pub(crate) name: String,
    pub(crate) collector: Uuid,
    /// Where its collector reaches it.
    pub(crate) host: Option<String>,
    /// `cluster_name`, which a standby streams under unless told otherwise.
    pub(crate) cluster_name: Option<String>,
    /// `port`.
    pub(crate) port: Option<i32>,
    /// Its WAL receiver, if it has one.
    pub(crate) receiver: Option<Receiver>,
}

/// A WAL receiver; parts that are hidden are not known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) slot_name: Option<String>,
    pub(crate) sender_port: Option<i32>,
}

/// One that streams from a member.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Sender {
    pub(crate) upstream: InstanceId,
    pub(crate) pid: i32,
    pub(crate) application_name: Option<String>,
    pub(crate) client_addr: Option<String>,
    /// The slot that its process uses.
    pub(crate) slot_name: Option<String>,
}

/// What says that a member is a sender's standby; what stands first decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    slot: bool,
    name: bool,
    address: bool,
}

/// The member behind each sender, by (upstream, pid). Who could be two just as well is nobody, and so is one who would
/// follow twice just as well.
pub(crate) fn link(members: &[Member], senders: &[Sender]) -> HashMap<(InstanceId, i32), InstanceId> {
    let mut followed: HashMap<InstanceId, Vec<(Match, &Sender)>> = HashMap::new();
    for sender in senders {
        let Some(upstream) = members.iter().find(|member| member.id == sender.upstream) else { continue };
        let matches = members.iter().filter_map(|member| Some((matching(member, sender, upstream)?, member.id)));
        if let Some((how, member)) = only_best(matches) {
            followed.entry(member).or_default().push((how, sender));
        }
    }
    let best = followed.into_iter().filter_map(|(member, all)| Some((only_best(all.into_iter())?.1, member)));
    best.map(|(sender, member)| ((sender.upstream, sender.pid), member)).collect()
}

/// The best match, if no other is as good.
fn only_best<T: Copy>(matches: impl Iterator<Item = (Match, T)>) -> Option<(Match, T)> {
    let mut sorted: Vec<(Match, T)> = matches.collect();
    sorted.sort_by_key(|(how, _)| std::cmp::Reverse(*how));
    match sorted.as_slice() {
        [best] => Some(*best),
        [best, next, ..] if best.0 > next.0 => Some(*best),
        _ => None,
    }
}

/// What says that the member is this sender's standby, if something does and nothing says that it is not.
fn matching(member: &Member, sender: &Sender, upstream: &Member) -> Option<Match> {
    let receiver = member.receiver.as_ref().filter(|_| member.id != upstream.id)?;
    let differ = |one: Option<i32>, other: Option<i32>| one.zip(other).is_some_and(|(one, other)| one != other);
    if differ(receiver.sender_port, upstream.port) {
        return None;
    }
    let same_slot = receiver.slot_name.as_ref().zip(sender.slot_name.as_ref()).map(|(one, other)| one == other);
    if same_slot == Some(false) {
        return None;
    }
    let said = sender.application_name.as_deref().filter(|name| !name.is_empty() && *name != DEFAULT_NAME);
    let own = member.cluster_name.as_deref().filter(|name| !name.is_empty());
    let how = Match {
        slot: same_slot == Some(true),
        name: said.is_some_and(|name| name == member.name || Some(name) == own),
        address: same_address(member, sender, upstream),
    };
    (how.slot || how.name || how.address).then_some(how)
}

/// A loopback address means the same machine only to one collector.
fn same_address(member: &Member, sender: &Sender, upstream: &Member) -> bool {
    let (Some(host), Some(address)) = (&member.host, &sender.client_addr) else { return false };
    let (Ok(host), Ok(address)) = (host.parse::<IpAddr>(), address.parse::<IpAddr>()) else { return false };
    host == address && (!address.is_loopback() || member.collector == upstream.collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By process of the primary, the number of who streams.
    fn linked(members: &[Member], senders: &[Sender]) -> HashMap<i32, i32> {
        link(members, senders).into_iter().map(|((_, pid), id)| (pid, id.number())).collect()
    }

    fn member(id: i32, name: &str, host: &str, slot: Option<&str>) -> Member {
        let receiver = Some(Receiver { slot_name: slot.map(str::to_owned), sender_port: Some(5432) });
        let host = Some(host.to_owned());
        Member { id: InstanceId::of(id), name: name.to_owned(), host, port: Some(5432), receiver, ..Member::default() }
    }

    fn primary() -> Member {
        Member { receiver: None, ..member(1, "prod-1", "10.0.0.1", None) }
    }

    fn sender(pid: i32, name: &str, address: &str, slot: Option<&str>) -> Sender {
        Sender {
            upstream: InstanceId::of(1),
            pid,
            application_name: Some(name.to_owned()),
            client_addr: Some(address.to_owned()),
            slot_name: slot.map(str::to_owned),
        }
    }

    #[test]
    fn slot_name_and_address_each_tell_a_standby() {
        let members =
            [primary(), member(2, "prod-2", "10.0.0.2", Some("two")), member(3, "prod-3", "db-3", Some("three"))];
        let by = |sender: Sender| linked(&members, &[sender]).get(&7).copied();
        assert_eq!(by(sender(7, "walreceiver", "192.168.0.9", Some("three"))), Some(3));
        assert_eq!(by(sender(7, "prod-3", "192.168.0.9", None)), Some(3));
        assert_eq!(by(sender(7, "walreceiver", "10.0.0.2", None)), Some(2));
        assert_eq!(by(sender(7, "walreceiver", "10.0.0.9", None)), None);
        assert_eq!(by(sender(7, "walreceiver", "10.0.0.9", Some("four"))), None);
    }

    #[test]
    fn what_could_be_two_is_no_link() {
        let two = [primary(), member(2, "a", "10.0.0.2", None), member(3, "b", "10.0.0.2", None)];
        assert!(linked(&two, &[sender(7, "walreceiver", "10.0.0.2", None)]).is_empty());
        let one = [primary(), member(2, "a", "10.0.0.2", None)];
        let both = [sender(7, "walreceiver", "10.0.0.2", None), sender(8, "walreceiver", "10.0.0.2", None)];
        assert!(linked(&one, &both).is_empty());
        assert_eq!(linked(&one, &both[..1]).get(&7), Some(&2));
    }

    #[test]
    fn the_slot_decides_then_the_name_then_the_address() {
        let members = [primary(), member(2, "prod-2", "10.0.0.2", Some("two")), member(3, "prod-3", "10.0.0.2", None)];
        // An archiver beside the standby, from its address.
        let both = [sender(7, "walreceiver", "10.0.0.2", Some("two")), sender(8, "archiver", "10.0.0.2", None)];
        assert_eq!(linked(&members[..2], &both), HashMap::from([(7, 2)]));
        // It says another's name, and is who has the slot.
        let named = [sender(7, "prod-3", "10.0.0.2", Some("two"))];
        assert_eq!(linked(&members, &named), HashMap::from([(7, 2)]));
        let without = [sender(7, "prod-3", "10.0.0.2", None)];
        assert_eq!(linked(&members, &without), HashMap::from([(7, 3)]));
    }

    #[test]
    fn what_contradicts_is_no_link() {
        let other_port = Receiver { slot_name: Some("two".to_owned()), sender_port: Some(5433) };
        let cascading = Member { receiver: Some(other_port), ..member(2, "prod-2", "10.0.0.2", None) };
        assert!(linked(&[primary(), cascading], &[sender(7, "prod-2", "10.0.0.2", Some("two"))]).is_empty());
        let other_slot = [primary(), member(2, "prod-2", "10.0.0.2", Some("other"))];
        assert!(linked(&other_slot, &[sender(7, "prod-2", "10.0.0.2", Some("two"))]).is_empty());
        let silent = [primary(), Member { receiver: None, ..member(2, "prod-2", "10.0.0.2", None) }];
        assert!(linked(&silent, &[sender(7, "prod-2", "10.0.0.2", None)]).is_empty());
    }

    #[test]
    fn loopback_is_one_machine_to_one_collector_only() {
        let local = |collector| Member { collector, ..member(2, "b", "127.0.0.1", None) };
        let sender = [sender(7, "walreceiver", "127.0.0.1", None)];
        assert_eq!(linked(&[primary(), local(Uuid::nil())], &sender).len(), 1);
        assert!(linked(&[primary(), local(Uuid::from_u128(5))], &sender).is_empty());
    }
}

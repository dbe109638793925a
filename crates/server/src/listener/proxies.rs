//! Who asks, where proxies stand between: `TRUSTED_PROXIES` and what they say in `X-Forwarded-For` and
//! `X-Forwarded-Proto`. Of anybody else these headers are not read.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The networks of the proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies(Vec<IpNet>);

/// Who asks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asking {
    pub(super) address: SocketAddr,
    /// Whether the client's own connection, to us or to the first proxy, is encrypted.
    pub(super) is_secure: bool,
}

impl Proxies {
    /// From addresses and networks.
    pub(crate) fn new(proxies: &[IpNet]) -> Self {
        Self(proxies.to_vec())
    }

    /// Whether what an address says of others is believed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who asks, by what the proxies say. Each of them appends whom it was asked by, so the last word that is not a
    /// proxy's own address is the client; what stands before it is that client's own word.
    pub(super) fn asking(&self, peer: SocketAddr, is_secure: bool, headers: &HeaderMap) -> Asking {
        if !self.trusts(peer.ip()) {
            return Asking { address: peer, is_secure };
        }
        let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        let mut address = peer;
        for word in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            let Some(said) = parse(word.trim()) else { break };
            address = SocketAddr::new(said, 0);
            if !self.trusts(said) {
                break;
            }
        }
        let proto = headers.get(FORWARDED_PROTO).and_then(|proto| proto.to_str().ok());
        Asking {
            address,
            is_secure: is_secure || proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https")),
        }
    }
}

/// An address, which some proxies write with a port.
fn parse(word: &str) -> Option<IpAddr> {
    let bare = word.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| word.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(peer: &str, forwarded: &[&str], proto: Option<&str>) -> (String, bool) {
        let proxies = Proxies::new(&["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        if let Some(proto) = proto {
            headers.insert(FORWARDED_PROTO, proto.parse().unwrap());
        }
        let Asking { address, is_secure } = proxies.asking(SocketAddr::new(peer.parse().unwrap(), 1), false, &headers);
        (address.ip().to_string(), is_secure)
    }

    #[test]
    fn a_proxy_is_believed_and_a_client_is_not() {
        let of = |address: &str, is_secure: bool| (address.to_owned(), is_secure);
        assert_eq!(asking("192.0.2.1", &["203.0.113.9"], Some("https")), of("192.0.2.1", false));
        assert_eq!(asking("10.0.0.1", &["203.0.113.9"], Some("https")), of("203.0.113.9", true));
        assert_eq!(asking("::ffff:10.0.0.1", &["203.0.113.9:4711"], Some("http")), of("203.0.113.9", false));
        assert_eq!(asking("::1", &["[2001:db8::1]:4711"], None), of("2001:db8::1", false));
        // What the client itself wrote stands first; proxies behind one another are passed over.
        assert_eq!(asking("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], None), of("203.0.113.9", false));
        assert_eq!(asking("10.0.0.1", &["1.1.1.1", "203.0.113.9", "10.0.0.2"], None), of("203.0.113.9", false));
        // Nobody, nonsense, or proxies alone.
        assert_eq!(asking("10.0.0.1", &[], None), of("10.0.0.1", false));
        assert_eq!(asking("10.0.0.1", &["203.0.113.9, unknown"], None), of("10.0.0.1", false));
        assert_eq!(asking("10.0.0.1", &["10.0.0.3"], None), of("10.0.0.3", false));
    }
}

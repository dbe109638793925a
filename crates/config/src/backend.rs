//! The server's address.

use std::net::{IpAddr, Ipv6Addr};

/// An address that was checked: `http` or `https`, a host, perhaps a port and a path before `/api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendUrl {
    /// Without a slash at its end.
    pub text: String,
    /// Whether it is `https`.
    pub https: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port, given or the scheme's own.
    pub port: u16,
}

impl BackendUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lowered = text.to_ascii_lowercase();
        let https = match lowered.split_once("://") {
            Some(("https", _)) => true,
            Some(("http", _)) => false,
            _ => return Err("the address must begin with https:// (or http://)".to_owned()),
        };
        let rest = &text[if https { 8 } else { 7 }..];
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("the address contains a blank".to_owned());
        }
        if rest.contains('@') {
            return Err("the address must not carry a user or password".to_owned());
        }
        if rest.contains(['?', '#']) {
            return Err("the address must not have a query or fragment".to_owned());
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, port)) => {
                host.parse::<Ipv6Addr>().map_err(|_| "the part in brackets is not an IPv6 address".to_owned())?;
                (host, port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let named = host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
        if host.is_empty() || !named {
            return Err("the address has no host".to_owned());
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(digits) if digits.parse::<u16>().is_ok_and(|number| number > 0) => digits.parse().unwrap_or_default(),
            _ => return Err("the port of the address is not a number from 1 to 65535".to_owned()),
        };
        let scheme = if https { "https" } else { "http" };
        let path = path.trim_end_matches('/');
        let slash = if path.is_empty() { "" } else { "/" };
        Ok(Self { text: format!("{scheme}://{authority}{slash}{path}"), https, host: host.to_owned(), port })
    }

    /// Whether it is this machine, so that nobody is between.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let url = BackendUrl::parse("HTTPS://api.example.com:8080/pga/").unwrap();
        assert_eq!((url.text.as_str(), url.port, url.https), ("https://api.example.com:8080/pga", 8080, true));
        assert_eq!(BackendUrl::parse("http://[::1]").unwrap().port, 80);
        for loopback in ["http://localhost:1", "http://127.1.2.3", "http://[::1]:8080/", "http://[::ffff:127.0.0.1]"] {
            assert!(BackendUrl::parse(loopback).unwrap().is_loopback(), "{loopback}");
        }
        assert!(!BackendUrl::parse("http://localhost.example.com").unwrap().is_loopback());
        for bad in [
            "",
            "api",
            "ftp://x",
            "http://",
            "https://a:0",
            "https://u:p@h",
            "https://h?x",
            "https://h/ x",
            "http://[::1",
            "http://a b",
        ] {
            assert!(BackendUrl::parse(bad).is_err(), "{bad}");
        }
    }
}

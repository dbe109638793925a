//! The configuration files of a private cluster: our own settings in one included file, and who may connect.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::{Error, io};
use crate::options::ClusterOptions;

/// Our settings; written anew at every start, so that what is asked for is what is in force.
pub(crate) const FILE: &str = "pganalytics.conf";

/// The first release with `cluster_name`.
const NAMES_CLUSTERS: (u32, u32) = (9, 5);

/// The first major that keeps recovery's settings among all others, and is told by a file of its own to be a standby.
const RECOVERY_IN_SETTINGS: u32 = 12;

/// The last line of `postgresql.conf`, so that our file wins over the one that initdb wrote.
const INCLUDE: &str = "include_if_exists = 'pganalytics.conf'\n";

/// Writes [`FILE`] for these options.
pub(crate) fn write(
    account: &Account,
    data: &Path,
    options: &ClusterOptions,
    socket: &Path,
    binaries: &Binaries,
) -> Result<(), Error> {
    let (address, port) = options.listen.clone().unwrap_or_else(|| (String::new(), options.port));
    let mut text = String::from("# Written at every start; change the program's own settings instead.\n");
    let own = [
        ("listen_addresses", address),
        ("port", port.to_string()),
        ("unix_socket_directories", socket.to_string_lossy().into_owned()),
        ("unix_socket_permissions", "0700".to_owned()),
        ("cluster_name", options.name.clone()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
    ];
    let own = own.into_iter().filter(|(name, _)| *name != "cluster_name" || binaries.release() >= NAMES_CLUSTERS);
    for (name, value) in own {
        line(&mut text, name, &value)?;
    }
    for (name, value) in &options.settings {
        line(&mut text, name, value)?;
    }
    replace(account, &data.join(FILE), &text)
}

/// Makes `postgresql.conf` read [`FILE`]; once is enough.
pub(crate) fn include(data: &Path) -> Result<(), Error> {
    let path = data.join("postgresql.conf");
    let mut text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
    if text.ends_with(INCLUDE) {
        return Ok(());
    }
    text.push('\n');
    text.push_str(INCLUDE);
    std::fs::write(&path, text).map_err(io("write", &path))
}

/// Writes `pg_hba.conf`: who gets to the socket is settled by its directory's mode, so the socket trusts; over TCP
/// everybody shows a password.
pub(crate) fn write_access(account: &Account, data: &Path, listens: bool, binaries: &Binaries) -> Result<(), Error> {
    let mut text = String::from("local all all trust\nlocal replication all trust\n");
    if listens {
        // Before 10 there is nothing better.
        let method = if binaries.major() < 10 { "md5" } else { "scram-sha-256" };
        writeln!(text, "host all all all {method}").expect("a String takes every write");
    }
    replace(account, &data.join("pg_hba.conf"), &text)
}

/// Makes a stopped cluster a standby from the next start on, with these settings of recovery.
pub(crate) fn stand_by(
    account: &Account,
    data: &Path,
    options: &mut ClusterOptions,
    binaries: &Binaries,
    recovery: &[(&str, &str)],
) -> Result<(), Error> {
    if binaries.major() < RECOVERY_IN_SETTINGS {
        let mut text = String::new();
        line(&mut text, "standby_mode", "on")?;
        for (name, value) in recovery {
            line(&mut text, name, value)?;
        }
        return replace(account, &data.join("recovery.conf"), &text);
    }
    let signal = data.join("standby.signal");
    File::create(&signal).map_err(io("create", &signal))?;
    options.settings.extend(recovery.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    account.give(&signal)
}

/// Replaces a file in one step, so that a crash leaves the old one or the new one.
fn replace(account: &Account, path: &Path, text: &str) -> Result<(), Error> {
    let fresh = path.with_extension("conf.new");
    std::fs::write(&fresh, text).map_err(io("write", &fresh))?;
    account.give(&fresh)?;
    std::fs::rename(&fresh, path).map_err(io("replace", path))
}

/// One line of a configuration file, quoted as PostgreSQL's scanner reads it.
fn line(text: &mut String, name: &str, value: &str) -> Result<(), Error> {
    let fine = |character: char| character.is_ascii_alphanumeric() || "_.$".contains(character);
    if name.is_empty() || !name.chars().all(fine) || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Error::SettingName { name: name.to_owned() });
    }
    let quoted = value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n");
    writeln!(text, "{name} = '{quoted}'").expect("a String takes every write");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_names_are_checked() {
        let mut text = String::new();
        line(&mut text, "search_path", "it's\\a\nb").unwrap();
        assert_eq!(text, "search_path = 'it''s\\\\a\\nb'\n");
        assert!(line(&mut text, "a = 'x'\nb", "1").is_err());
        assert!(line(&mut text, "", "1").is_err());
    }
}

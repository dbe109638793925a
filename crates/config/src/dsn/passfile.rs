//! The password file: `host:port:database:user:password` per line, the first that matches counts.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::secret::Secret;

/// The largest password file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// Permissions that others than the owner have.
const OTHERS: u32 = 0o077;

/// What a line is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) dbname: &'a str,
    pub(crate) user: &'a str,
}

/// The password for a target, or a warning why the file was not used. A missing file is nobody's
/// mistake unless it was `named`.
pub(crate) fn lookup(path: &Path, named: bool, target: Target<'_>) -> Result<Option<Secret>, String> {
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound && !named => return Ok(None),
        Err(error) => return Err(format!("password file {shown} is not used: {error}")),
    };
    if !metadata.is_file() {
        return Err(format!("password file {shown} is not used: it is not a plain file"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(format!(
            "password file {shown} is not used: its permissions are {mode:04o} and must be 0600 (chmod 0600 {shown})"
        ));
    }
    if metadata.len() > MAX_FILE {
        return Err(format!("password file {shown} is not used: it is larger than {MAX_FILE} bytes"));
    }
    let bytes = fs::read(path).map_err(|error| format!("password file {shown} is not used: {error}"))?;
    Ok(find(&String::from_utf8_lossy(&bytes), target))
}

/// The password of the first line that matches.
pub(crate) fn find(text: &str, target: Target<'_>) -> Option<Secret> {
    let port = target.port.to_string();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for wanted in [target.host, &port, target.dbname, target.user] {
            rest = matched(rest, wanted)?;
        }
        let (password, _) = field(rest);
        (!password.is_empty()).then(|| Secret::new(password))
    })
}

/// What follows the first field when it is `*` or, unescaped, the wanted text.
fn matched<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    match field(line) {
        (found, Some(rest)) if found == wanted => Some(rest),
        _ => None,
    }
}

/// The text up to the next colon without its escapes, and what follows the colon.
fn field(line: &str) -> (String, Option<&str>) {
    let mut found = String::new();
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            ':' => return (found, Some(&line[at + 1..])),
            '\\' => found.push(letters.next().map_or('\\', |(_, escaped)| escaped)),
            _ => found.push(letter),
        }
    }
    (found, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target { host: "db.example.com", port: 5432, dbname: "app", user: "ann" };

    fn password(text: &str) -> Option<String> {
        find(text, TARGET).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn first_matching_line_counts() {
        let text = "#db.example.com:5432:app:ann:comment\nother:*:*:*:no\ndb.example.com:*:app:ann:yes\n*:*:*:*:late\n";
        assert_eq!(password(text).as_deref(), Some("yes"));
    }

    #[test]
    fn escapes_and_wildcards() {
        assert_eq!(password("*:*:*:*:a\\:b\\\\c").as_deref(), Some("a:b\\c"));
        assert_eq!(password("db\\.example.com:5432:app:ann:x\r\n").as_deref(), Some("x"));
        assert_eq!(password("*:*:*:ann"), None);
        assert_eq!(password("*:*:*:*:"), None);
        assert_eq!(password("*:*:*:*:pass:ignored").as_deref(), Some("pass"));
        assert_eq!(password("db.*:*:*:*:x"), None, "a star is a whole field, never a pattern");
    }

    #[test]
    fn a_socket_matches_by_its_directory() {
        let found = find("/srv/pg:5432:app:ann:x", Target { host: "/srv/pg", ..TARGET });
        assert_eq!(found.map(|secret| secret.expose().to_owned()).as_deref(), Some("x"));
    }

    #[test]
    fn a_readable_file_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pgpass");
        fs::write(&path, "*:*:*:*:x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let warning = lookup(&path, true, TARGET).unwrap_err();
        assert!(warning.contains("0640") && warning.contains("chmod 0600"), "{warning}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(lookup(&path, true, TARGET).unwrap().map(|secret| secret.expose().to_owned()).as_deref(), Some("x"));
        assert_eq!(lookup(&directory.path().join("absent"), false, TARGET).unwrap(), None);
        assert!(lookup(&directory.path().join("absent"), true, TARGET).is_err());
    }
}

//! The connection service file: sections of keywords.

use std::fs;
use std::path::{Path, PathBuf};

use super::conninfo::{self, Pairs};
use super::{DsnError, Environment};

/// Where the system's service file is when `PGSYSCONFDIR` does not say.
const SYSTEM_DIRECTORIES: [&str; 3] = ["/etc/postgresql-common", "/etc/postgresql", "/etc"];

/// The largest service file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// The keywords of a service; `file` is what the connection string says.
pub(crate) fn read(service: &str, file: Option<&str>, env: &Environment<'_>) -> Result<Pairs, DsnError> {
    let named = file.map(str::to_owned).or_else(|| env.get("PGSERVICEFILE"));
    let mut candidates = Vec::new();
    match named {
        Some(path) => candidates.push(PathBuf::from(path)),
        None => {
            candidates.extend(env.home().map(|home| home.join(".pg_service.conf")));
            match env.get("PGSYSCONFDIR") {
                Some(directory) => candidates.push(Path::new(&directory).join("pg_service.conf")),
                None => candidates.extend(SYSTEM_DIRECTORIES.map(|dir| Path::new(dir).join("pg_service.conf"))),
            }
        }
    }
    let mut looked = Vec::new();
    for path in candidates {
        looked.push(path.display().to_string());
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(_) => continue,
        };
        if size > MAX_FILE {
            return Err(DsnError::new(format!("the service file {} is larger than {MAX_FILE} bytes", path.display())));
        }
        let text = fs::read_to_string(&path)
            .map_err(|error| DsnError::new(format!("cannot read the service file {}: {error}", path.display())))?;
        if let Some(found) = section(&text, service, &path)? {
            return Ok(found);
        }
    }
    Err(DsnError::new(format!("service \"{service}\" is not in any service file (looked in {})", looked.join(", "))))
}

fn section(text: &str, service: &str, path: &Path) -> Result<Option<Pairs>, DsnError> {
    let mut inside = false;
    let mut found = Pairs::new();
    for (index, raw) in text.lines().enumerate() {
        let at = |reason: String| DsnError::new(format!("{}:{}: {reason}", path.display(), index + 1));
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if inside {
                break;
            }
            inside = name.strip_suffix(']') == Some(service);
            continue;
        }
        if !inside {
            continue;
        }
        if line.starts_with("ldap") {
            return Err(at("looking a service up in LDAP is not supported".to_owned()));
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(at("a line of a service is keyword=value".to_owned()));
        };
        if matches!(name, "service" | "servicefile") {
            return Err(at(format!("a service cannot name another {name}")));
        }
        // The first line of a keyword counts, as in libpq.
        if found.iter().all(|(known, _)| *known != name) {
            conninfo::store(&mut found, name, value.to_owned()).map_err(|error| at(error.to_string()))?;
        }
    }
    Ok(inside.then_some(found))
}

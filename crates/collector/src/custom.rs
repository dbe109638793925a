//! Sets of the users' own (`x_…`): which of those that the server pushed are read here, and within which bounds all of
//! them are.
//!
//! A statement that somebody wrote on a server runs here only where somebody here said so: that all of them may
//! (`custom_sets = "accept"`), or these very words of it (`pganalytics collector approve`). What lies in `CATALOG_DIR` or
//! in the collector's own file was put there by whoever runs this machine.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use catalog::{Catalog, Definition, SetFiles};
use config::{Admission, Config, ConfigError, CustomSet};
use wire::{Frame, SetState, State, StateCode};

use crate::read::{self, ReadError, signed};
use crate::session::Session;

/// The most rows of a reading.
pub const MAX_ROWS: usize = 10_000;
/// The most bytes of text in a reading.
pub const MAX_TEXT: usize = 8 << 20;
/// How long a statement may take: nothing else of the instance is read meanwhile.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the collector waits for it: a function may catch its own cancellation.
const PATIENCE: Duration = TIMEOUT.saturating_add(read::NETWORK_MARGIN);

/// What took longer than this rests before it is read again,
const LONG: Duration = Duration::from_millis(250);
/// so many times as long as it took: others are read on the same connection.
const REST: u32 = 19;

/// Below the state directory: a file for each approval, named after what is approved.
const APPROVED: &str = "approved";

/// Digits of a hash that are enough to name it.
const MIN_DIGITS: usize = 12;

/// A pushed set that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// Its files.
    pub files: SetFiles,
    /// Their hash, which an approval names.
    pub hash: String,
    /// Why.
    pub why: Why,
}

/// Why a pushed set is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It waits until somebody approves it.
    Waits,
    /// This collector reads none.
    Refused,
    /// It has one of this name itself.
    Own,
}

impl Held {
    /// What is said of it.
    #[must_use]
    pub fn state(&self) -> SetState {
        let (message, fix) = match self.why {
            Why::Waits => (
                format!(
                    "Waits for approval on the collector's machine: custom_sets = \"approve\" stands in its configuration, \
                     and nobody approved these words of it yet ({}).",
                    self.hash
                ),
                format!("pganalytics collector approve {}", self.hash),
            ),
            Why::Refused => (
                "Not allowed there: custom_sets = \"refuse\" stands in the collector's configuration.".to_owned(),
                String::new(),
            ),
            Why::Own => {
                ("The collector's CATALOG_DIR has a set of this name, which is read instead.".to_owned(), String::new())
            }
        };
        SetState {
            set: self.name.clone(),
            column: String::new(),
            state: State::Missing as i32,
            code: StateCode::Approval as i32,
            message,
            fix,
        }
    }
}

/// A catalogue with the sets of a configuration, and those that are not read.
///
/// # Errors
/// When one of those that would be read is wrong: with its place, and nothing of the configuration is followed.
pub fn assemble(mut catalog: Catalog, config: &Config) -> Result<(Catalog, Vec<Held>)> {
    let mut held = Vec::new();
    if config.defined.is_empty() {
        return Ok((catalog, held));
    }
    let approved = approved(&config.state_dir);
    for set in &config.defined {
        let files = SetFiles { set: set.set.clone(), sql: set.sql.clone() };
        let wrong = |reason: &str| -> ConfigError { set.mistake(config.path.as_deref(), reason) };
        let parsed = files.parse(&set.name).map_err(|error| wrong(&error.to_string()))?;
        match why_not(set, &files, &catalog, config.custom_sets, &approved) {
            Some(why) => {
                let hash = files.hash(&set.name);
                held.push(Held { name: set.name.clone(), files, hash, why });
            }
            None => catalog = catalog.with(parsed).map_err(|error| wrong(&error.to_string()))?,
        }
    }
    Ok((catalog, held))
}

fn why_not(
    set: &CustomSet,
    files: &SetFiles,
    catalog: &Catalog,
    admission: Admission,
    approved: &BTreeSet<String>,
) -> Option<Why> {
    set.pushed?;
    match admission {
        _ if catalog.get(&set.name).is_some() => Some(Why::Own),
        Admission::Refuse => Some(Why::Refused),
        Admission::Approve if !approved.contains(&files.hash(&set.name)) => Some(Why::Waits),
        Admission::Approve | Admission::Accept => None,
    }
}

/// Where approvals are.
#[must_use]
pub fn approvals(state_dir: &Path) -> PathBuf {
    state_dir.join(APPROVED)
}

/// The hashes that are approved. What cannot be read is not.
#[must_use]
pub fn approved(state_dir: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(approvals(state_dir)).into_iter().flatten().flatten();
    files.filter_map(|file| file.file_name().into_string().ok()).filter(|name| is_hash(name)).collect()
}

/// Approves what is held.
///
/// # Errors
/// When that cannot be written down.
pub fn approve(state_dir: &Path, held: &Held) -> Result<()> {
    let folder = approvals(state_dir);
    let written = || {
        fs::create_dir_all(&folder)?;
        let mut file = fs::File::create(folder.join(&held.hash))?;
        writeln!(file, "{}", held.name)?;
        file.sync_all()?;
        fs::File::open(&folder)?.sync_all()
    };
    written().with_context(|| format!("write {}", folder.display()))
}

/// Takes an approval back; whether there was one.
///
/// # Errors
/// When it cannot be removed.
pub fn revoke(state_dir: &Path, hash: &str) -> Result<bool> {
    let path = approvals(state_dir).join(hash);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("remove {}", path.display())),
    }
}

/// The one of these that a hash or its beginning names.
///
/// # Errors
/// When it is none, names none, or several.
pub fn named<'a>(hash: &str, among: impl Iterator<Item = &'a str>) -> Result<&'a str> {
    if hash.len() < MIN_DIGITS || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("{hash:?} is no hash: give {MIN_DIGITS} or more of its hexadecimal digits");
    }
    let hash = hash.to_ascii_lowercase();
    let mut found = among.filter(|known| known.starts_with(&hash));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => bail!("no set here has the hash {hash}"),
        (Some(_), Some(_)) => bail!("several sets here have a hash that begins with {hash}: give more of it"),
    }
}

fn is_hash(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A statement that PostgreSQL takes as part of another one only: it can neither write nor give more rows than these.
#[must_use]
pub fn bounded(sql: &str) -> String {
    format!("select * from (\n{sql}\n) as x_set limit {}", MAX_ROWS + 1)
}

/// How long a set is not read after a reading that took so long.
pub(crate) fn rest(took: Duration) -> Option<Duration> {
    (took > LONG).then(|| took * REST)
}

/// Reads a statement in a transaction of its own, which is read only, short, and undone at its end.
pub(crate) async fn frame(session: &Session, definition: &Definition, sql: &str) -> Result<Frame, ReadError> {
    let begin = format!(
        "begin isolation level read committed read only; set local statement_timeout = {}",
        TIMEOUT.as_millis()
    );
    control(session, &begin).await?;
    let read = read::rows(session, definition, sql, &[], |frame, bytes| frame.rows <= MAX_ROWS && bytes <= MAX_TEXT);
    let outcome = session.within(PATIENCE, read).await.and_then(|(frame, bytes)| {
        let much = |most: String| Err(ReadError::TooMuch { most });
        match (frame.rows, bytes) {
            (rows, _) if rows > MAX_ROWS => much(format!("{MAX_ROWS} rows")),
            (_, bytes) if bytes > MAX_TEXT => much(format!("{MAX_TEXT} bytes of text")),
            _ => Ok(frame),
        }
    });
    if outcome.as_ref().is_err_and(ReadError::is_broken) {
        return outcome;
    }
    let undone = control(session, "rollback").await;
    let frame = outcome?;
    undone?;
    Ok(frame)
}

async fn control(session: &Session, words: &str) -> Result<(), ReadError> {
    let words = signed(words);
    session.within(PATIENCE, async { Ok(session.client.simple_query(&words).await?) }).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_named_by_enough_of_it() {
        let all = ["0123456789abcdef0123456789abcdef", "0123456789abffff0123456789abcdef"];
        let named = |hash: &str| named(hash, all.into_iter()).map_err(|error| error.to_string());
        assert_eq!(named("0123456789ABC"), Ok(all[0]));
        assert_eq!(named("0123456789abf"), Ok(all[1]));
        assert!(named("0123456789ab").unwrap_err().contains("several"));
        assert!(named("0123").unwrap_err().contains("no hash"));
        assert!(named("../../../etc/passwd").unwrap_err().contains("no hash"));
        assert!(named("ffffffffffff").unwrap_err().contains("no set here"));
    }

    const SET: &str = "help = \"A number.\"\nscope = \"instance\"\ngroup = \"x_a\"\ninterval = 60\n\
        [[columns]]\nname = \"n\"\ntype = \"int8\"\nkind = \"gauge\"\nunit = \"count\"\nhelp = \"It.\"\n";

    /// The sets that are read, and those that are not.
    type Assembled = (Vec<String>, Vec<(String, Why)>);

    /// What becomes of a pushed set under a file.
    fn assembled(file: &str, state_dir: &Path, sql: &str) -> Result<Assembled> {
        let sql = std::collections::BTreeMap::from([("12".to_owned(), sql.to_owned())]);
        let text = config::with_sets("# pushed\n", [("x_a", SET, &sql)].into_iter()).unwrap();
        let pushed = config::Pushed { version: 7, text };
        let file = format!("[collector]\nstate_dir = {state_dir:?}\n{file}\n[postgres]\ndsn = \"host=h user=u\"\n");
        let config = Config::load_over(Some(&pushed), None, Some(file), &|_| None, &config::Names::default())?;
        let (catalog, held) = assemble(Catalog::default(), &config)?;
        let read = catalog.sets().map(|set| set.name().to_owned()).collect();
        Ok((read, held.into_iter().map(|held| (held.name, held.why)).collect()))
    }

    #[test]
    fn what_a_server_pushes_is_read_where_this_machine_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (path, sql) = (folder.path(), "select 1::bigint as n");
        let (read, held) = ((vec!["x_a".to_owned()], vec![]), |why| (vec![], vec![("x_a".to_owned(), why)]));
        assert_eq!(assembled("custom_sets = \"accept\"", path, sql).unwrap(), read);
        assert_eq!(assembled("custom_sets = \"refuse\"", path, sql).unwrap(), held(Why::Refused));
        assert_eq!(assembled("", path, sql).unwrap(), held(Why::Waits), "unless somebody said otherwise");
        let files = SetFiles { set: SET.to_owned(), sql: [("12".to_owned(), sql.to_owned())].into() };
        let hash = files.hash("x_a");
        approve(path, &Held { name: "x_a".to_owned(), files, hash, why: Why::Waits }).unwrap();
        assert_eq!(assembled("", path, sql).unwrap(), read);
        assert_eq!(assembled("", path, "select 2::bigint as n").unwrap(), held(Why::Waits), "these are other words");
        // What lies in the collector's own file is its owner's, whatever is pushed under that name.
        let own =
            format!("custom_sets = \"refuse\"\n[custom_sets.x_a]\nset = '''\n{SET}'''\nsql = {{ 12 = \"{sql}\" }}\n");
        assert_eq!(assembled(&own, path, "select 2::bigint as n").unwrap(), read);
    }

    #[test]
    fn a_wrong_one_is_refused_here_too_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["", "custom_sets = \"accept\"", "custom_sets = \"refuse\""] {
            let refused = assembled(file, folder.path(), "select 1;\ndelete from t").unwrap_err().to_string();
            let place = "pushed configuration (version 7):2: [custom_sets.x_a] 12.sql line 1: one statement only";
            assert!(refused.starts_with(place), "{refused}");
        }
    }

    #[test]
    fn what_is_approved_is_on_disk_and_can_be_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let files = SetFiles { set: "a".to_owned(), sql: [("12".to_owned(), "select 1".to_owned())].into() };
        let hash = files.hash("x_a");
        let held = Held { name: "x_a".to_owned(), hash: hash.clone(), files, why: Why::Waits };
        assert!(approved(folder.path()).is_empty());
        approve(folder.path(), &held).unwrap();
        approve(folder.path(), &held).unwrap();
        fs::write(approvals(folder.path()).join("notes.txt"), "").unwrap();
        assert_eq!(approved(folder.path()), BTreeSet::from([hash.clone()]));
        assert!(held.state().fix.ends_with(&hash));
        assert!(revoke(folder.path(), &hash).unwrap() && !revoke(folder.path(), &hash).unwrap());
        assert!(approved(folder.path()).is_empty());
    }
}

//! Running PostgreSQL's programs: as the right account, in a clean environment, with their words in the error.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::account::Account;
use crate::error::{Error, io};

/// How much of a program's output or a log is quoted in an error, in bytes.
const TAIL_BYTES: usize = 4096;

/// A command that will not be misled by the caller's environment: no `PG…`, messages in English.
pub(crate) fn command(account: &Account, program: &Path, directory: &Path) -> Result<Command, Error> {
    if !program.exists() {
        return Err(Error::NoProgram { path: program.to_path_buf() });
    }
    account.reaches(program)?;
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").env("TZ", "UTC").current_dir(directory).stdin(Stdio::null());
    account.apply(&mut command);
    Ok(command)
}

/// Runs a program to its end.
pub(crate) fn run<I, S>(account: &Account, program: &Path, directory: &Path, arguments: I) -> Result<(), Error>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut prepared = command(account, program, directory)?;
    let output = prepared.args(arguments).output().map_err(io("run", program))?;
    if output.status.success() {
        return Ok(());
    }
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Program {
        program: program.to_path_buf(),
        status: output.status.to_string(),
        output: tail_of(&words).to_owned(),
    })
}

/// The end of a log file from `offset` on; what cannot be read is told in its place.
pub(crate) fn log_tail(path: &Path, offset: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let start = offset.min(length).max(length.saturating_sub(TAIL_BYTES as u64));
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) if text.trim().is_empty() => "(the log is empty)".to_owned(),
        Ok(text) => text.trim_end().to_owned(),
        Err(error) => format!("(the log cannot be read: {error})"),
    }
}

/// The last [`TAIL_BYTES`] of a text, cut at a character.
fn tail_of(text: &str) -> &str {
    let text = text.trim();
    let mut start = text.len().saturating_sub(TAIL_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

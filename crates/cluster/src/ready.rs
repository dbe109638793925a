//! Whether a server takes connections: its lock file says so, and below PostgreSQL 10 only an attempt tells.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::postmaster::LockFile;

/// The first major whose `postmaster.pid` has a line with the status.
const SAYS_ITS_STATUS: u32 = 10;

/// How long the answer to an attempt may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Version 3.0 of the protocol, then names and values that end with a zero, then one more.
const STARTUP: &[u8] = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";

/// Whether the server behind a lock file takes connections.
pub(crate) fn is_ready(lock: &LockFile, major: u32) -> bool {
    if major >= SAYS_ITS_STATUS {
        return lock.is_ready();
    }
    match (&lock.socket, lock.port) {
        (Some(directory), Some(port)) => accepts(&directory.join(format!(".s.PGSQL.{port}"))),
        _ => false,
    }
}

/// Whether the server at a socket answers a session with a question of who it is: while it starts, it refuses.
fn accepts(socket: &Path) -> bool {
    let ask = || -> std::io::Result<u8> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let length = u32::try_from(STARTUP.len() + 4).expect("a few bytes");
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(STARTUP)?;
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        Ok(kind[0])
    };
    ask().is_ok_and(|kind| kind == b'R')
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_server_that_starts_or_is_gone_takes_no_connections() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join(".s.PGSQL.5432");
        assert!(!accepts(&socket));
        let listener = UnixListener::bind(&socket).unwrap();
        for (answer, taken) in [(b'E', false), (b'R', true)] {
            let asked = socket.clone();
            let asking = std::thread::spawn(move || accepts(&asked));
            let (mut stream, _) = listener.accept().unwrap();
            let mut packet = [0; 4];
            stream.read_exact(&mut packet).unwrap();
            assert_eq!(u32::from_be_bytes(packet) as usize, STARTUP.len() + 4);
            stream.write_all(&[answer]).unwrap();
            assert_eq!(asking.join().unwrap(), taken);
        }
    }
}

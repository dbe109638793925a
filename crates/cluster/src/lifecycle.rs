//! A cluster's postmaster: started or adopted, told things by signals, stopped in one of PostgreSQL's three ways.

use std::fs::File;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{Cluster, beside};
use crate::command;
use crate::error::{Error, io};
use crate::postmaster::{self, LockFile};
use crate::{process, ready, settings, socket, wait};

/// A server log larger than this is set aside at the next start; the one before it is dropped.
const LOG_LIMIT_BYTES: u64 = 16 * 1024 * 1024;

/// What PostgreSQL says while backends of a dead postmaster still hold its shared memory; they end by themselves.
const OLD_BACKENDS: &str = "pre-existing shared memory block";

/// How long such backends have to end by themselves.
const BACKENDS_GO_WITHIN: Duration = Duration::from_secs(2);

/// The first major whose `pg_ctl` waits for the end of a promotion.
const WAITS_FOR_PROMOTION: u32 = 10;

/// What a start found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A new postmaster was started.
    Started,
    /// The directory's postmaster was already running.
    Adopted,
}

/// What a stop found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The postmaster was stopped.
    Stopped,
    /// There was none.
    WasNotRunning,
}

/// PostgreSQL's ways to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Waits for the clients to go.
    Smart,
    /// Ends the clients' sessions, and writes a checkpoint.
    Fast,
    /// Ends at once, without a checkpoint: the next start recovers as after a crash.
    Immediate,
}

impl Mode {
    fn signal(self) -> Signal {
        match self {
            Self::Smart => Signal::SIGTERM,
            Self::Fast => Signal::SIGINT,
            Self::Immediate => Signal::SIGQUIT,
        }
    }
}

impl Cluster {
    /// Starts the postmaster in a process group of its own and waits until it takes connections, or adopts the one
    /// that is running. One that is on its way out (killed, told to stop) is waited for, and a new one started.
    ///
    /// # Errors
    /// [`Error::StartFailed`] and [`Error::StartTimeout`] quote the server log; after the latter the postmaster goes
    /// on recovering, and the next start adopts it.
    pub fn start(&mut self) -> Result<Start, Error> {
        let begun = Instant::now();
        while let Some(pid) = self.pid() {
            if self.adopt_since(begun)? {
                return Ok(Start::Adopted);
            }
            let left = self.options.start_timeout.saturating_sub(begun.elapsed());
            let gone = wait::until(left, || {
                self.reap();
                (!process::is_alive(pid)).then_some(())
            });
            if gone.is_none() {
                return Err(self.not_ready(0));
            }
        }
        self.reap();
        self.account.reaches(&self.data)?;
        socket::prepare(&self.account, &self.socket)?;
        self.choose_port()?;
        settings::write(&self.account, &self.data, &self.options, &self.socket, &self.binaries)?;
        settings::write_access(&self.account, &self.data, self.options.listen.is_some(), &self.binaries)?;
        postmaster::disown_stale(&self.data, &self.socket, self.port)?;
        loop {
            let (log, offset) = self.open_log()?;
            let child = self.spawn(log)?;
            let pid = i32::try_from(child.id()).expect("the kernel's pids fit in pid_t");
            self.child = Some(child);
            match self.wait_until_ready(pid, begun, offset) {
                Err(Error::StartFailed { tail, .. })
                    if tail.contains(OLD_BACKENDS) && begun.elapsed() < self.options.start_timeout =>
                {
                    self.end_backends(begun.elapsed());
                }
                result => return result.map(|()| Start::Started),
            }
        }
    }

    /// Takes over the postmaster that is running, once it takes connections; `false` where there is none, or one
    /// that ends meanwhile. Never starts one.
    ///
    /// # Errors
    /// [`Error::StartTimeout`].
    pub fn adopt(&mut self) -> Result<bool, Error> {
        self.adopt_since(Instant::now())
    }

    fn adopt_since(&mut self, begun: Instant) -> Result<bool, Error> {
        let Some(lock) = postmaster::live(&self.data) else { return Ok(false) };
        let offset = std::fs::metadata(self.log_file()).map_or(0, |metadata| metadata.len());
        match self.wait_until_ready(lock.pid, begun, offset) {
            // The file says so; one that was killed a moment ago has said so too.
            Ok(()) => Ok(self.listens_on_socket() && process::is_alive(lock.pid)),
            Err(Error::StartFailed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn listens_on_socket(&self) -> bool {
        let socket = self.socket.join(format!(".s.PGSQL.{}", self.port));
        std::os::unix::net::UnixStream::connect(socket).is_ok()
    }

    /// Ends what outlived its postmaster and does not go by itself: first told to, then killed.
    fn end_backends(&self, waited: Duration) {
        let signal = match waited {
            waited if waited < BACKENDS_GO_WITHIN => return,
            waited if waited < BACKENDS_GO_WITHIN * 3 => Signal::SIGQUIT,
            _ => Signal::SIGKILL,
        };
        for pid in postmaster::backends(&self.data) {
            tracing::warn!(pid, %signal, "a backend outlived its postmaster and holds its shared memory: ended");
            if let Err(error) = send(pid, signal) {
                tracing::debug!(%error, "it has ended by itself");
            }
        }
    }

    /// Stops the postmaster, whoever started it.
    ///
    /// # Errors
    /// [`Error::StopTimeout`], with the end of the server log.
    pub fn stop(&mut self, mode: Mode) -> Result<Stop, Error> {
        let data = self.data.clone();
        let limit = self.options.stop_timeout;
        let stopped = stop_and(&data, mode, limit, || _ = self.reap());
        self.reap();
        stopped
    }

    /// Stops the postmaster of a data directory, whichever binaries it runs on: for leftovers.
    ///
    /// # Errors
    /// [`Error::StopTimeout`], with the end of the server log.
    pub fn stop_in(data: &Path, mode: Mode, limit: Duration) -> Result<Stop, Error> {
        let data = data.canonicalize().map_err(io("open", data))?;
        stop_and(&data, mode, limit, || {})
    }

    /// Stops and starts again.
    ///
    /// # Errors
    /// As [`Cluster::stop`] and [`Cluster::start`].
    pub fn restart(&mut self, mode: Mode) -> Result<(), Error> {
        self.stop(mode)?;
        self.start().map(|_| ())
    }

    /// Sets a setting; in force after [`Cluster::reload`] or [`Cluster::restart`], as PostgreSQL has it.
    ///
    /// # Errors
    /// The name is none, or the file cannot be written.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.options.settings.retain(|(known, _)| known != name);
        self.options.settings.push((name.to_owned(), value.to_owned()));
        settings::write(&self.account, &self.data, &self.options, &self.socket, &self.binaries)
    }

    /// Lets the postmaster read its configuration again.
    ///
    /// # Errors
    /// It is not running.
    pub fn reload(&self) -> Result<(), Error> {
        send(self.running()?.pid, Signal::SIGHUP)
    }

    /// Promotes a standby and waits until it has happened.
    ///
    /// # Errors
    /// It is not running, or no standby.
    pub fn promote(&self) -> Result<(), Error> {
        let data = self.data.as_os_str();
        let program = self.binaries.program("pg_ctl");
        if self.binaries.major() >= WAITS_FOR_PROMOTION {
            let arguments = ["promote".as_ref(), "--wait".as_ref(), "--pgdata".as_ref(), data];
            return command::run(&self.account, &program, &self.data, arguments);
        }
        command::run(&self.account, &program, &self.data, ["promote".as_ref(), "-D".as_ref(), data])?;
        let done = self.data.join("recovery.done");
        let limit = self.options.start_timeout;
        wait::until(limit, || done.exists().then_some(())).ok_or_else(|| self.not_ready(0))
    }

    /// Kills one backend with SIGKILL: the postmaster then restarts all of them, as after a crash.
    ///
    /// # Errors
    /// [`Error::NotABackend`] when the pid is not of this cluster.
    pub fn kill9_backend(&self, pid: i32) -> Result<(), Error> {
        let postmaster = self.running()?.pid;
        // Where there is no /proc, the caller's word is taken for it.
        if process::parent(pid).is_some_and(|parent| parent != postmaster) || !process::is_alive(pid) {
            return Err(Error::NotABackend { path: self.data.clone(), pid });
        }
        send(pid, Signal::SIGKILL)
    }

    /// Kills the postmaster itself with SIGKILL, as the kernel does when memory runs out; its lock file stays.
    ///
    /// # Errors
    /// It is not running.
    pub fn kill9(&mut self) -> Result<(), Error> {
        let pid = self.running()?.pid;
        send(pid, Signal::SIGKILL)?;
        wait::until(self.options.stop_timeout, || {
            self.reap();
            (!process::is_alive(pid)).then_some(())
        });
        Ok(())
    }

    fn running(&self) -> Result<LockFile, Error> {
        postmaster::live(&self.data).ok_or_else(|| Error::NotRunning { path: self.data.clone() })
    }

    /// Where a running postmaster really listens counts more than where we would let it.
    pub(crate) fn take_over(&mut self, lock: &LockFile) {
        if let Some(port) = lock.port {
            self.port = port;
        }
        if let Some(directory) = &lock.socket {
            self.socket.clone_from(directory);
        }
    }

    /// Turns port 0 into one that is free now.
    fn choose_port(&mut self) -> Result<(), Error> {
        let Some((address, port)) = &mut self.options.listen else {
            self.port = self.options.port;
            return Ok(());
        };
        if *port == 0 {
            let listener = std::net::TcpListener::bind((address.as_str(), 0)).map_err(io("bind", address.as_str()))?;
            *port = listener.local_addr().map_err(io("bind", address.as_str()))?.port();
        }
        self.port = *port;
        Ok(())
    }

    fn open_log(&self) -> Result<(File, u64), Error> {
        let path = self.log_file();
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LOG_LIMIT_BYTES) {
            std::fs::rename(&path, beside(&self.data, ".log.old")).map_err(io("set aside", &path))?;
        }
        // Statements and values of users can stand in it.
        let file = File::options().create(true).append(true).mode(0o600).open(&path).map_err(io("open", &path))?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(io("close to others", &path))?;
        let offset = file.metadata().map_err(io("look at", &path))?.len();
        Ok((file, offset))
    }

    fn spawn(&self, log: File) -> Result<Child, Error> {
        let program = self.binaries.program("postgres");
        let errors = log.try_clone().map_err(io("open", self.log_file()))?;
        command::command(&self.account, &program, &self.data)?
            .arg("-D")
            .arg(&self.data)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            // A Ctrl-C at the terminal is for us, who then stop it in order.
            .process_group(0)
            .spawn()
            .map_err(io("run", program))
    }

    /// Waits for `pid` to be ready; `offset` is where its part of the log begins.
    fn wait_until_ready(&mut self, pid: i32, begun: Instant, offset: u64) -> Result<(), Error> {
        let limit = self.options.start_timeout.saturating_sub(begun.elapsed());
        let outcome = wait::until(limit, || {
            let lock = LockFile::read(&self.data).filter(|lock| lock.pid == pid);
            if let Some(lock) = lock.filter(|lock| ready::is_ready(lock, self.binaries.major())) {
                return Some(Ok(lock));
            }
            if let Some(status) = self.reap() {
                return Some(Err(status));
            }
            (!process::is_alive(pid)).then(|| Err(ExitStatus::from_raw(0)))
        });
        let log = self.log_file();
        match outcome {
            Some(Ok(lock)) => {
                self.take_over(&lock);
                Ok(())
            }
            Some(Err(status)) => Err(Error::StartFailed {
                path: self.data.clone(),
                status: status.to_string(),
                tail: command::log_tail(&log, offset),
                log,
            }),
            None => Err(self.not_ready(offset)),
        }
    }

    fn not_ready(&self, offset: u64) -> Error {
        let log = self.log_file();
        Error::StartTimeout {
            path: self.data.clone(),
            seconds: self.options.start_timeout.as_secs(),
            tail: command::log_tail(&log, offset),
            log,
        }
    }

    /// Takes the exit status of a postmaster that we started and that has ended.
    pub(crate) fn reap(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(status)
    }
}

/// Stops the postmaster of a directory; `reap` lets its parent, if that is us, take its exit status meanwhile.
fn stop_and(data: &Path, mode: Mode, limit: Duration, mut reap: impl FnMut()) -> Result<Stop, Error> {
    let Some(lock) = postmaster::live(data) else { return Ok(Stop::WasNotRunning) };
    send(lock.pid, mode.signal())?;
    let gone = wait::until(limit, || {
        reap();
        (!process::is_alive(lock.pid)).then_some(())
    });
    gone.ok_or_else(|| {
        let log = beside(data, ".log");
        let tail = command::log_tail(&log, 0);
        Error::StopTimeout { path: data.to_path_buf(), seconds: limit.as_secs(), log, tail }
    })?;
    socket::leave(data, lock.socket.as_deref());
    Ok(Stop::Stopped)
}

fn send(pid: i32, signal: Signal) -> Result<(), Error> {
    kill(Pid::from_raw(pid), signal).map_err(|source| Error::Signal { pid, source })
}

//! One cluster from initdb to its removal.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use cluster::{Cluster, ClusterOptions, Error, Mode, Start, Stop};

use crate::{options, place, query};

#[test]
fn a_new_cluster_starts_answers_and_stops() {
    let place = place();
    let mut cluster = Cluster::create(options(&place.path().join("data"))).unwrap();
    assert!(!cluster.is_running());
    assert_eq!(cluster.start().unwrap(), Start::Started);
    let facts = "select current_setting('server_encoding'), datcollate, current_setting('data_checksums') \
                 from pg_database where datname = current_database()";
    assert_eq!(query(&cluster, facts).unwrap(), "UTF8|C|on");
    assert_eq!(query(&cluster, "show listen_addresses").unwrap(), "");
    assert_eq!(query(&cluster, "show fsync").unwrap(), "off");
    let mode = std::fs::metadata(cluster.socket_dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(cluster.stop(Mode::Fast).unwrap(), Stop::Stopped);
    assert!(!cluster.is_running());
    assert_eq!(cluster.stop(Mode::Fast).unwrap(), Stop::WasNotRunning);
    let socket = cluster.socket_dir().to_path_buf();
    drop(cluster);
    assert!(!place.path().join("data").exists() && !socket.exists());
}

#[test]
fn a_running_cluster_is_adopted_and_can_be_stopped_by_the_one_who_adopts() {
    let place = place();
    let data = place.path().join("data");
    let mut first = Cluster::create(options(&data)).unwrap();
    first.start().unwrap();
    let pid = first.pid().unwrap();

    let mut second = Cluster::open(ClusterOptions::new(&data)).unwrap();
    assert!(second.is_running());
    assert_eq!(second.start().unwrap(), Start::Adopted);
    assert_eq!(second.pid(), Some(pid));
    assert_eq!(second.dsn("postgres"), first.dsn("postgres"));
    assert_eq!(query(&second, "select 1").unwrap(), "1");
    second.restart(Mode::Fast).unwrap();
    assert_ne!(second.pid(), Some(pid));
    assert_eq!(query(&first, "select 1").unwrap(), "1");
    drop(second);
    assert!(first.is_running(), "a cluster that is no throw-away survives its handle");
}

#[test]
fn data_written_before_an_immediate_stop_is_recovered() {
    let place = place();
    let mut cluster = Cluster::create(options(&place.path().join("data"))).unwrap();
    cluster.start().unwrap();
    query(&cluster, "create table kept as select 42 as answer").unwrap();
    cluster.restart(Mode::Immediate).unwrap();
    assert_eq!(query(&cluster, "select answer from kept").unwrap(), "42");
    cluster.kill9().unwrap();
    assert!(!cluster.is_running());
    assert!(cluster.data_dir().join("postmaster.pid").exists());
    assert_eq!(cluster.start().unwrap(), Start::Started);
    assert_eq!(query(&cluster, "select answer from kept").unwrap(), "42");
}

#[test]
fn a_lock_file_with_a_strangers_pid_is_stale() {
    let place = place();
    let mut cluster = Cluster::create(options(&place.path().join("data"))).unwrap();
    cluster.start().unwrap();
    cluster.stop(Mode::Fast).unwrap();
    // Alive for sure, and of an account whose signals the postmaster would be refused: the worst stranger there is.
    let mut stranger = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    let text = format!("{}\n{}\n1\n5432\n/nowhere\n\n\nready\n", stranger.id(), cluster.data_dir().display());
    let lock = cluster.data_dir().join("postmaster.pid");
    std::fs::write(&lock, text).unwrap();
    cluster.account().give(&lock).unwrap();
    assert!(!cluster.is_running());
    assert_eq!(cluster.start().unwrap(), Start::Started);
    assert_eq!(query(&cluster, "select 1").unwrap(), "1");
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger is left alone");
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}

#[test]
fn a_killed_backend_restarts_all_of_them_and_a_stranger_is_not_killed() {
    let place = place();
    let mut cluster = Cluster::create(options(&place.path().join("data"))).unwrap();
    cluster.start().unwrap();
    let before = query(&cluster, "select pg_postmaster_start_time()").unwrap();
    let victim = query(&cluster, "select pid from pg_stat_activity where backend_type = 'checkpointer'").unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    assert!(matches!(cluster.kill9_backend(own), Err(Error::NotABackend { .. })));
    cluster.kill9_backend(victim.parse().unwrap()).unwrap();
    // The postmaster writes its log before it takes connections again.
    while !std::fs::read_to_string(cluster.log_file()).unwrap().contains("all server processes terminated") {
        std::thread::yield_now();
    }
    cluster.start().unwrap();
    let mut answer = query(&cluster, "select pg_postmaster_start_time()");
    while answer.is_err() {
        answer = query(&cluster, "select pg_postmaster_start_time()");
    }
    assert_eq!(answer.unwrap(), before, "the postmaster itself lived on");
}

#[test]
fn a_setting_that_postgresql_refuses_is_quoted_from_its_log() {
    let place = place();
    let mut cluster = Cluster::create(options(&place.path().join("data")).setting("shared_buffers", "many")).unwrap();
    let error = cluster.start().unwrap_err();
    assert!(matches!(error, Error::StartFailed { .. }), "{error}");
    assert!(error.to_string().contains("invalid value for parameter \"shared_buffers\""), "{error}");
    cluster.set("shared_buffers", "1MB").unwrap();
    cluster.start().unwrap();
    assert_eq!(query(&cluster, "show shared_buffers").unwrap(), "1MB");
    cluster.set("work_mem", "2MB").unwrap();
    cluster.reload().unwrap();
    while query(&cluster, "show work_mem").unwrap() != "2MB" {}
}

#[test]
fn a_cluster_that_listens_asks_for_passwords_over_tcp() {
    let place = place();
    let mut wanted = options(&place.path().join("data"));
    wanted.listen = Some(("127.0.0.1".to_owned(), 0));
    let mut cluster = Cluster::create(wanted).unwrap();
    cluster.start().unwrap();
    let (address, port) = cluster.listens().unwrap();
    assert_eq!(address, "127.0.0.1");
    assert_ne!(port, 0);
    query(&cluster, "create role reader login password 'secret'").unwrap();
    let ask = |password: &str| {
        let dsn = format!("host=127.0.0.1 port={port} user=reader dbname=postgres password={password}");
        std::process::Command::new("psql")
            .args(["-AtX", "-d", &dsn, "-c", "select 1"])
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(ask("secret"));
    assert!(!ask("guess"));
}

#[test]
fn what_is_no_cluster_is_refused_with_a_reason() {
    let place = place();
    let missing = Cluster::open(ClusterOptions::new(place.path())).unwrap_err();
    assert!(matches!(missing, Error::NotACluster { .. }), "{missing}");
    std::fs::write(place.path().join("PG_VERSION"), "nine\n").unwrap();
    assert!(matches!(Cluster::open(ClusterOptions::new(place.path())), Err(Error::NotACluster { .. })));
    std::fs::write(place.path().join("PG_VERSION"), "11\n").unwrap();
    assert!(matches!(Cluster::open(ClusterOptions::new(place.path())), Err(Error::MissingMajor { major: 11, .. })));
    let mut wrong = ClusterOptions::new(place.path());
    wrong.binaries = Some(cluster::Binaries::find(None).unwrap());
    assert!(matches!(Cluster::open(wrong), Err(Error::WrongMajor { data: 11, .. })));
    let taken = Cluster::create(ClusterOptions::new(place.path())).unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken}");
}

#[test]
fn a_stop_that_takes_too_long_is_an_error_and_not_a_kill() {
    let place = place();
    let mut wanted = options(&place.path().join("data"));
    wanted.stop_timeout = Duration::from_millis(200);
    let mut cluster = Cluster::create(wanted).unwrap();
    cluster.start().unwrap();
    let mut client = std::process::Command::new("psql")
        .args(["-AtX", "-d", &cluster.dsn("postgres")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while query(&cluster, "select count(*) from pg_stat_activity where backend_type = 'client backend'").unwrap() != "2"
    {
    }
    let error = cluster.stop(Mode::Smart).unwrap_err();
    assert!(matches!(error, Error::StopTimeout { .. }), "{error}");
    assert!(cluster.is_running());
    drop(client.stdin.take());
    client.wait().unwrap();
}

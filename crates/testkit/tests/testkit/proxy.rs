//! Faults between a client and a server.

use std::io::ErrorKind;
use std::time::Duration;

use testkit::{Fault, Pg, PgOptions, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Long enough for bytes to arrive over loopback if they were let through.
const SILENCE: Duration = Duration::from_millis(200);

/// Answers every connection's bytes with the same bytes.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn bytes_pass_in_both_directions_and_so_does_the_end() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "hello");
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.set(Fault::CutResponseAfter(3));
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let mut answer = Vec::new();
    // The end may come as a reset, because bytes of the client were never read.
    _ = client.read_to_end(&mut answer).await;
    assert_eq!(answer, b"hel");
    proxy.set(Fault::CutResponseAfter(0));
    let mut another = TcpStream::connect(proxy.address()).await.unwrap();
    another.write_all(b"hello").await.unwrap();
    let mut nothing = Vec::new();
    _ = another.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn refusing_closes_what_is_open_and_keeps_the_port() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"x").await.unwrap();
    client.read_u8().await.unwrap();
    proxy.set(Fault::Refuse);
    assert!(client.read_u8().await.is_err());
    let error = loop {
        // The listener goes in its own task's time.
        if let Err(error) = TcpStream::connect(proxy.address()).await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    proxy.set(Fault::Pass);
    let mut again = loop {
        if let Ok(stream) = TcpStream::connect(proxy.address()).await {
            break stream;
        }
    };
    again.write_all(b"y").await.unwrap();
    assert_eq!(again.read_u8().await.unwrap(), b'y');
}

#[tokio::test]
async fn a_black_hole_holds_back_and_lets_go() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"a").await.unwrap();
    client.read_u8().await.unwrap();
    proxy.set(Fault::BlackHole);
    client.write_all(b"b").await.unwrap();
    assert!(tokio::time::timeout(SILENCE, client.read_u8()).await.is_err());
    proxy.set(Fault::Pass);
    assert_eq!(client.read_u8().await.unwrap(), b'b');
}

#[tokio::test]
async fn postgresql_is_reached_through_its_socket_and_led_to_another() {
    let (one, other) = (Pg::start(PgOptions::default()).await.unwrap(), Pg::start(PgOptions::default()).await.unwrap());
    let proxy = Proxy::start(one.socket()).await.unwrap();
    let dsn = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", proxy.address().port());
    let directory = "show data_directory";
    let through = testkit::connect(&dsn).await.unwrap();
    let answer: String = through.query_one(directory, &[]).await.unwrap().get(0);
    assert_eq!(answer, one.data_dir().to_string_lossy());
    proxy.lead_to(other.socket());
    let elsewhere = testkit::connect(&dsn).await.unwrap();
    let another_answer: String = elsewhere.query_one(directory, &[]).await.unwrap().get(0);
    assert_eq!(another_answer, other.data_dir().to_string_lossy());
}

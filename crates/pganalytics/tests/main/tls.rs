//! A collector and its server over TLS, with an authority of one's own.

use std::path::Path;
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use testkit::{Pg, PgOptions};

use crate::world::{SECRET, free_port, server};

/// Writes an authority, and a certificate of it for this machine's address with its key.
fn certify(folder: &Path) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, folder.display().to_string());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    for (name, pem) in [("ca.crt", authority.pem()), ("server.crt", own.pem()), ("server.key", key.serialize_pem())] {
        std::fs::write(folder.join(name), pem).unwrap();
    }
    let key = folder.join("server.key");
    std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn collector(configuration: &Path, command: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pganalytics"))
        .args(["collector", command, "--config"])
        .arg(configuration)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("REGISTRATION_SECRET", SECRET)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_collector_trusts_the_authority_that_it_is_given_and_no_other() {
    let (pg, store) = (Pg::start(PgOptions::default()).await.unwrap(), testkit::store().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["ours", "others"] {
        certify(&path(name));
    }
    let port = free_port();
    let mut running = server(&store.dsn, &path("server"), port);
    running.env("TLS_ENABLED", "true").env("BIND_ADDRESS", "0.0.0.0");
    running.env("TLS_CERT_PATH", path("ours/server.crt")).env("TLS_KEY_PATH", path("ours/server.key"));
    let mut running = running.spawn().unwrap();
    let authority = reqwest::Certificate::from_pem(&std::fs::read(path("ours/ca.crt")).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
    let health = format!("https://127.0.0.1:{port}/api/v1/health");
    while client.get(&health).send().await.is_err() {
        assert_eq!(running.try_wait().unwrap(), None, "the server ended early");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let by = |authority: &str| {
        let file = path(&format!("{authority}.toml"));
        let text = format!(
            "[collector]\nname = \"test\"\nstate_dir = {:?}\n[backend]\nurl = \"https://127.0.0.1:{port}\"\n\
             [tls]\nca_file = {:?}\n[postgres]\ndsn = {:?}\n",
            path("state"),
            path(&format!("{authority}/ca.crt")),
            pg.dsn("postgres")
        );
        std::fs::write(&file, text).unwrap();
        file
    };
    let said = |output: &Output| String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    let refused = collector(&by("others"), "register");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("UnknownIssuer"), "{}", said(&refused));
    let registered = collector(&by("ours"), "register");
    assert_eq!(registered.status.code(), Some(0), "{}", said(&registered));
    let check = collector(&by("ours"), "check");
    assert!(said(&check).contains(&format!("https://127.0.0.1:{port}")), "{}", said(&check));
    // One that runs follows the file.
    let file = path("running.toml");
    let text = std::fs::read_to_string(by("others")).unwrap();
    let trusted = path("trusted.crt");
    std::fs::copy(path("others/ca.crt"), &trusted).unwrap();
    let text = text.replace(&format!("{:?}", path("others/ca.crt")), &format!("{trusted:?}"));
    std::fs::write(&file, text.replace(&format!("{:?}", path("state")), &format!("{:?}", path("other-state"))))
        .unwrap();
    let collector_log = path("collector.log");
    let mut collector = Command::new(env!("CARGO_BIN_EXE_pganalytics"))
        .args(["collector", "run", "--config"])
        .arg(&file)
        .env_clear()
        .env("REGISTRATION_SECRET", SECRET)
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(&collector_log).unwrap())
        .spawn()
        .unwrap();
    let mut says = async |word: &str| {
        while !std::fs::read_to_string(&collector_log).unwrap().contains(word) {
            assert_eq!(collector.try_wait().unwrap(), None, "the collector ended early");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    says("UnknownIssuer").await;
    std::fs::copy(path("ours/ca.crt"), &trusted).unwrap();
    says("registered").await;
    for child in [&mut collector, &mut running] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let log = std::fs::read_to_string(path("server.log")).unwrap();
    assert!(log.contains("tls=true"), "{log}");
}

//! Connection strings.

use config::dsn::{Dsn, Environment, Host, RootCert};

use crate::cases;

#[test]
fn connection_strings() {
    for case in cases::read("dsn.txt") {
        case.write_files();
        let lookup = |name: &str| case.env(name);
        let result = Dsn::parse(case.part("dsn").unwrap(), &Environment::new(&lookup));
        case.compare(result.map(|dsn| render(&dsn)).map_err(|error| error.to_string()));
    }
}

/// Every field in a line of its own; the password too, because cases are about it.
fn render(dsn: &Dsn) -> String {
    let mut lines = vec![
        match &dsn.host {
            Host::Tcp(name) => format!("host tcp {name}"),
            Host::Unix(path) => format!("host unix {}", path.display()),
        },
        format!("port {}", dsn.port),
        format!("user {}", dsn.user),
        format!("dbname {}", dsn.dbname),
        format!("password {}", dsn.password.as_ref().map_or("(none)", |password| password.expose())),
        format!("password from {:?}", dsn.password_source),
        format!("sslmode {}", dsn.sslmode.word()),
        format!("sslnegotiation {}", dsn.sslnegotiation.word()),
        format!("channel_binding {}", dsn.channel_binding.word()),
        format!("target_session_attrs {}", dsn.target_session_attrs.word()),
        format!("verifies authority {}", dsn.verifies_authority()),
        format!("tls13_only {}", dsn.tls13_only),
        format!("keepalives {}", dsn.keepalives.enabled),
        format!("connect_timeout {:?}", dsn.connect_timeout),
        format!("keepalives_idle {:?}", dsn.keepalives.idle),
        format!("tcp_user_timeout {:?}", dsn.tcp_user_timeout),
        format!("application_name {}", dsn.application_name.as_deref().unwrap_or("(none)")),
        format!("options {}", dsn.options.as_deref().unwrap_or("(none)")),
        format!("display {dsn}"),
    ];
    lines.extend(dsn.hostaddr.map(|address| format!("hostaddr {address}")));
    lines.push(match &dsn.sslrootcert {
        None => "sslrootcert (none)".to_owned(),
        Some(RootCert::System) => "sslrootcert system".to_owned(),
        Some(RootCert::File(path)) => format!("sslrootcert file {}", path.display()),
    });
    lines.extend(dsn.sslcert.iter().map(|path| format!("sslcert {}", path.display())));
    lines.extend(dsn.sslkey.iter().map(|path| format!("sslkey {}", path.display())));
    lines.extend(dsn.warnings.iter().map(|warning| format!("warning {warning}")));
    lines.join("\n")
}

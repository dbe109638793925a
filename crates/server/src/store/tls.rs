//! TLS to the store, with libpq's meaning of `sslmode`: encryption alone up to `require`, the authority and the
//! name from `verify-ca` on.

use std::sync::Arc;

use config::dsn::{Dsn, RootCert};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::StoreError;

/// How TLS connections to the store are made. `verify-ca` also checks the name: rather too strict than too lax.
pub(super) fn connector(dsn: &Dsn) -> Result<MakeRustlsConnect, StoreError> {
    let wrong = |error: rustls::Error| StoreError::Address(error.to_string());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let builder = if dsn.verifies_authority() {
        builder.with_root_certificates(roots(dsn)?)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    };
    let client = match (&dsn.sslcert, &dsn.sslkey) {
        (Some(certificate), Some(key)) if certificate.exists() => {
            let unreadable = |path: &std::path::Path| StoreError::Address(format!("{} cannot be read", path.display()));
            let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect)
                .map_err(|_| unreadable(certificate))?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|_| unreadable(key))?;
            builder.with_client_auth_cert(chain, private).map_err(wrong)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(client))
}

fn roots(dsn: &Dsn) -> Result<RootCertStore, StoreError> {
    let mut store = RootCertStore::empty();
    match &dsn.sslrootcert {
        Some(RootCert::File(path)) => {
            let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(|_| StoreError::Address(format!("root certificates {} cannot be read", path.display())))?;
            store.add_parsable_certificates(certificates);
        }
        Some(RootCert::System) | None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        let reason = format!("sslmode={} needs a root certificate, and none was found", dsn.sslmode.word());
        return Err(StoreError::Address(reason));
    }
    Ok(store)
}

/// Encrypted, and whoever answers is believed.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

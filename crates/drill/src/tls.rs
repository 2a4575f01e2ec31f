//! TLS that is right or wrong on script: certificates made at start, alerts by hand.
//!
//! Handshakes that fail on purpose are plain bytes: no TLS library agrees to send a wrong alert.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::faults::End;
use crate::wire::{Connection, Socket};

/// The names for which good certificates are made.
pub const TLS_NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "drill.test"];

/// How the drill does TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsScript {
    /// As it should be, with a certificate of the drill's own authority for [`TLS_NAMES`].
    #[default]
    Good,
    /// As it should be, but TLS 1.2 at most.
    Tls12,
    /// The certificate ended in 2021.
    Expired,
    /// The certificate begins in 2090.
    NotYetValid,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is its own authority.
    SelfSigned,
    /// The certificate is of an authority that nobody is told of.
    UnknownAuthority,
    /// The certificate's issuer is an intermediate authority that is not sent.
    MissingIntermediate,
    /// A certificate of the client is demanded (TLS 1.3: the alert comes after the client's handshake).
    ClientCertificate,
    /// Alert 40, `handshake_failure`.
    HandshakeFailure,
    /// Alert 70, `protocol_version`.
    ProtocolVersion,
    /// Alert 80, `internal_error`.
    InternalError,
    /// Alert 112, `unrecognized_name`.
    UnrecognizedName,
    /// Alert 120, `no_application_protocol`.
    AlpnMismatch,
    /// The client's first message is read, then nothing.
    StallHandshake,
    /// The client's first message is read, then the connection is closed.
    CloseHandshake,
    /// The client's first message is read, then the connection is reset.
    ResetHandshake,
}

impl TlsScript {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Good,
        Self::Tls12,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongName,
        Self::SelfSigned,
        Self::UnknownAuthority,
        Self::MissingIntermediate,
        Self::ClientCertificate,
        Self::HandshakeFailure,
        Self::ProtocolVersion,
        Self::InternalError,
        Self::UnrecognizedName,
        Self::AlpnMismatch,
        Self::StallHandshake,
        Self::CloseHandshake,
        Self::ResetHandshake,
    ];

    /// Its name, as in scripts and on the command line.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::from(name)).ok()
    }

    /// The alert by which the handshake fails.
    fn alert(self) -> Option<u8> {
        match self {
            Self::HandshakeFailure => Some(40),
            Self::ProtocolVersion => Some(70),
            Self::InternalError => Some(80),
            Self::UnrecognizedName => Some(112),
            Self::AlpnMismatch => Some(120),
            _ => None,
        }
    }
}

/// TLS, made ready.
pub(crate) struct Tls {
    script: TlsScript,
    acceptor: TlsAcceptor,
    /// The authority that a client should trust, in PEM.
    pub(crate) authority: String,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

fn authority(name: &str) -> Result<(CertificateParams, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    Ok((params, KeyPair::generate()?))
}

/// A certificate, the chain that is sent with it, its key, and the authority in PEM.
struct Made {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authority: String,
    authority_der: CertificateDer<'static>,
}

fn make(script: TlsScript) -> Result<Made, rcgen::Error> {
    let names = match script {
        TlsScript::WrongName => vec!["other.test".to_owned()],
        _ => TLS_NAMES.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name
        .push(DnType::CommonName, "goodgate drill");
    match script {
        TlsScript::Expired => {
            leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
            leaf.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        TlsScript::NotYetValid => {
            leaf.not_before = rcgen::date_time_ymd(2090, 1, 1);
            leaf.not_after = rcgen::date_time_ymd(2099, 1, 1);
        }
        _ => {
            leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
            leaf.not_after = rcgen::date_time_ymd(2099, 1, 1);
        }
    }
    let key = KeyPair::generate()?;
    let (root, root_key) = authority("goodgate drill authority")?;
    let root_certificate = root.self_signed(&root_key)?;
    let root = Issuer::new(root, root_key);
    let certificate = match script {
        TlsScript::SelfSigned => leaf.self_signed(&key)?,
        TlsScript::UnknownAuthority => {
            let (params, unknown_key) = authority("an authority nobody knows")?;
            leaf.signed_by(&key, &Issuer::new(params, unknown_key))?
        }
        TlsScript::MissingIntermediate => {
            let (params, middle_key) = authority("goodgate drill intermediate")?;
            leaf.signed_by(&key, &Issuer::new(params, middle_key))?
        }
        _ => leaf.signed_by(&key, &root)?,
    };
    Ok(Made {
        chain: vec![certificate.der().clone()],
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        authority: root_certificate.pem(),
        authority_der: root_certificate.der().clone(),
    })
}

impl Tls {
    /// Makes certificates and settings.
    pub(crate) fn new(script: TlsScript) -> io::Result<Self> {
        let made = make(script).map_err(other)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions: &[&rustls::SupportedProtocolVersion] = match script {
            TlsScript::Tls12 => &[&rustls::version::TLS12],
            _ => rustls::ALL_VERSIONS,
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(other)?;
        let builder = if script == TlsScript::ClientCertificate {
            let mut roots = RootCertStore::empty();
            roots.add(made.authority_der).map_err(other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(other)?)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(made.chain, made.key)
            .map_err(other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self {
            script,
            acceptor,
            authority: made.authority,
        })
    }

    /// Does the handshake as scripted; `None` when nothing comes of it.
    pub(crate) async fn accept(&self, stream: TcpStream) -> Option<Connection> {
        let wrong = self.script.alert().is_some()
            || matches!(
                self.script,
                TlsScript::StallHandshake | TlsScript::CloseHandshake | TlsScript::ResetHandshake
            );
        if wrong {
            self.fail(stream).await;
            return None;
        }
        match self.acceptor.accept(stream).await {
            Ok(stream) => Some(Connection::new(Box::new(stream) as Box<dyn Socket>)),
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
        }
    }

    async fn fail(&self, stream: TcpStream) {
        let mut connection = Connection::new(Box::new(stream));
        if !matches!(connection.read().await, Ok(true)) {
            return;
        }
        if let Some(alert) = self.script.alert() {
            // A record of an alert (21), TLS 1.2 on the wire, two bytes: fatal (2), and which.
            if connection.write(&[21, 3, 3, 0, 2, 2, alert]).await {
                connection.end(End::Close).await;
            }
            return;
        }
        match self.script {
            TlsScript::CloseHandshake => connection.end(End::Close).await,
            TlsScript::ResetHandshake => connection.end(End::Reset).await,
            _ => {
                connection.stall(Duration::from_secs(600)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_can_be_made_ready_and_named() {
        for script in TlsScript::ALL {
            assert_eq!(TlsScript::named(&script.name()), Some(script));
            let tls = Tls::new(script).expect("TLS");
            assert!(tls.authority.contains("BEGIN CERTIFICATE"));
        }
    }
}

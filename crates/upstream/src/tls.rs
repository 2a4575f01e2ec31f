//! How a server's certificate is checked, and what we show of ourselves.
//!
//! Verification cannot be switched off. Roots are the system's; Mozilla's list where the system has none.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::destination::HttpVersion;

/// The lowest version that is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MinimumTls {
    /// TLS 1.2, the default.
    #[default]
    V12,
    /// TLS 1.3.
    V13,
}

/// What the configuration says about TLS towards a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsSettings {
    /// A PEM file with authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The name to ask for and to check instead of the host's.
    pub server_name: Option<String>,
    /// PEM files with our own certificate chain and its key, for servers that ask for one.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// The lowest version that is accepted.
    pub minimum: MinimumTls,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsPolicyError {
    /// A file cannot be read or is no PEM.
    #[error("{} cannot be read as PEM", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate is unusable.
    #[error("a certificate of {} is unusable", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The server name is no host name and no address.
    #[error("{name:?} is no host name")]
    ServerName {
        /// The name.
        name: String,
    },
    /// Neither the system nor the settings have an authority to trust.
    #[error("the TLS library refuses the settings")]
    Library {
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// TLS settings made ready: files read, roots loaded. Shared by all connections that use it, with its session tickets.
pub struct TlsPolicy {
    config: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
    server_name: Option<ServerName<'static>>,
    fingerprint: String,
}

impl fmt::Debug for TlsPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsPolicy")
            .field("server_name", &self.server_name)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl TlsPolicy {
    /// Reads the files and loads the roots; may block for some tens of milliseconds, so not for a worker.
    ///
    /// # Errors
    /// When a file cannot be read, holds nothing usable, or the name is none.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsPolicyError> {
        let mut roots = RootCertStore::clone(system_roots());
        let mut hasher = DefaultHasher::new();
        settings.hash(&mut hasher);
        if let Some(path) = &settings.ca_file {
            for certificate in certificates(path)? {
                certificate.as_ref().hash(&mut hasher);
                roots
                    .add(certificate)
                    .map_err(|source| TlsPolicyError::Certificate {
                        path: path.clone(),
                        source,
                    })?;
            }
        }
        let server_name = match &settings.server_name {
            Some(name) => Some(server_name(name)?),
            None => None,
        };
        let versions: &[&rustls::SupportedProtocolVersion] = match settings.minimum {
            MinimumTls::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            MinimumTls::V13 => &[&rustls::version::TLS13],
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|source| TlsPolicyError::Library {
                    source: rustls::Error::General(source.to_string()),
                })?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|source| TlsPolicyError::Library { source })?
            .with_webpki_verifier(Arc::clone(&verifier));
        let mut config = match &settings.client_certificate {
            None => builder.with_no_client_auth(),
            Some((chain_path, key_path)) => {
                let chain = certificates(chain_path)?;
                for certificate in &chain {
                    certificate.as_ref().hash(&mut hasher);
                }
                let key = PrivateKeyDer::from_pem_file(key_path).map_err(|source| {
                    TlsPolicyError::File {
                        path: key_path.clone(),
                        source,
                    }
                })?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|source| TlsPolicyError::Certificate {
                        path: chain_path.clone(),
                        source,
                    })?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            verifier,
            server_name,
            fingerprint: format!("{:016x}", hasher.finish()),
        })
    }

    /// The same, offering these versions of HTTP.
    pub(crate) fn with_http(&self, http: HttpVersion) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        let offered: &[&[u8]] = match http {
            HttpVersion::One => &[b"http/1.1"],
            HttpVersion::Two => &[b"h2"],
            HttpVersion::Auto => &[b"h2", b"http/1.1"],
        };
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        Self {
            config: Arc::new(config),
            server_name: self.server_name.clone(),
            fingerprint: self.fingerprint.clone(),
            verifier: Arc::clone(&self.verifier),
        }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// The same settings with certificates shown to a witness, which passes them on to what verifies them always; no
    /// session is resumed, so that there are certificates to see.
    pub(crate) fn witnessed(
        &self,
        witness: impl FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>,
    ) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = rustls::client::Resumption::disabled();
        let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(&self.verifier) as _;
        config
            .dangerous()
            .set_certificate_verifier(witness(verifier));
        Arc::new(config)
    }

    /// The name to ask for at `host`.
    pub(crate) fn name_for(&self, host: &str) -> Result<ServerName<'static>, TlsPolicyError> {
        self.server_name
            .clone()
            .map_or_else(|| server_name(host), Ok)
    }

    /// Equal for equal settings over equal files, so that a reload keeps the pooled connections.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsPolicyError> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsPolicyError::ServerName {
        name: name.to_owned(),
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsPolicyError> {
    let unreadable = |source| TlsPolicyError::File {
        path: path.to_owned(),
        source,
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect();
    let found = read.map_err(unreadable)?;
    if found.is_empty() {
        return Err(TlsPolicyError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

/// The system's roots, read once per process.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a root certificate of the system cannot be read");
        }
        let mut roots = RootCertStore::empty();
        let (_added, ignored) = roots.add_parsable_certificates(found.certs);
        if ignored > 0 {
            tracing::debug!(
                ignored,
                "root certificates of the system that cannot be used"
            );
        }
        if roots.is_empty() {
            tracing::info!("the system has no root certificates; using Mozilla's list");
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots
    })
}

/// The error of a name that TLS cannot ask for, as IO reports it.
pub(crate) fn bad_name(error: &TlsPolicyError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
}

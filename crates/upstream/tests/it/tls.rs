//! Handshakes that fail in every way we tell apart, and those that do not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use diagnosis::{CertificateFault, Evidence, Fault, Phase, judge};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;
use upstream::{Destination, MinimumTls, TlsPolicy, TlsPolicyError, TlsSettings};

use crate::server::{
    Server, answer, client, failure, get, ok, post, read_request, reset, text, timers,
    wait_for_close,
};

/// An authority of our own, and the file the client trusts it by.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings {
            ca_file: Some(self.ca_file()),
            ..TlsSettings::default()
        }
    }

    /// A certificate for `localhost`, after `change`.
    fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
        let (certificate, key) = self.sign(change);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

fn builder(
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
}

/// A server that does `act` once it speaks TLS; it fails without a word where the handshake does.
fn speaking(config: ServerConfig, act: impl FnOnce(Stream) + Send + 'static) -> Server {
    Server::once(move |stream| {
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        act(StreamOwned::new(connection, stream));
    })
}

fn serving(config: ServerConfig) -> Server {
    speaking(config, |mut stream| {
        while !read_request(&mut stream).is_empty() {
            stream.write_all(&ok("secret")).unwrap();
        }
    })
}

fn to(server: &Server, settings: &TlsSettings) -> Destination {
    let policy = Arc::new(TlsPolicy::new(settings).unwrap());
    Destination::tls("localhost", server.address.port(), policy)
}

async fn refused(config: ServerConfig, settings: &TlsSettings) -> Evidence {
    let server = serving(config);
    failure(&to(&server, settings), post(b"{}"), &timers()).await
}

fn check(evidence: &Evidence, code: &str) {
    assert_eq!(evidence.phase, Phase::Tls, "{evidence:?}");
    assert_eq!(judge(evidence).code.as_str(), code, "{evidence:?}");
    assert!(evidence.times.connect.is_some() && evidence.times.sent.is_none());
}

#[tokio::test]
async fn a_server_of_a_known_authority_is_spoken_to_and_kept() {
    let authority = Authority::new();
    let server = serving(authority.server(|_| {}));
    let (client, to) = (client(), to(&server, &authority.settings()));
    for reused in [false, true, true] {
        let mut answered = answer(&client, &to, post(b"{}")).await;
        assert_eq!(text(&mut answered).await, "secret");
        assert_eq!(answered.evidence.reused, reused);
        assert_eq!(answered.evidence.tls_version.as_deref(), Some("TLSv1.3"));
        assert_eq!(answered.evidence.times.tls.is_some(), !reused);
    }
    assert_eq!(client.idle_connections(), 1);
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_told_with_its_dates() {
    let authority = Authority::new();
    let expired = authority.server(|params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let evidence = refused(expired, &authority.settings()).await;
    check(&evidence, "tls_cert_expired");
    assert!(
        matches!(
            evidence.fault,
            Some(Fault::TlsCertificate(CertificateFault::Expired {
                not_after: Some(1_577_836_800),
                now
            })) if now > 1_577_836_800
        ),
        "{:?}",
        evidence.fault
    );
    let early = authority.server(|params| params.not_before = date_time_ymd(2090, 1, 1));
    let evidence = refused(early, &authority.settings()).await;
    check(&evidence, "tls_cert_expired");
    assert!(matches!(
        evidence.fault,
        Some(Fault::TlsCertificate(CertificateFault::NotYetValid {
            not_before: Some(_),
            ..
        }))
    ));
}

#[tokio::test]
async fn a_certificate_for_other_names_is_told_with_both() {
    let authority = Authority::new();
    let other = || {
        authority.server(|params| {
            let names = vec!["api.example".to_owned(), "*.b.example".to_owned()];
            params.subject_alt_names = CertificateParams::new(names).unwrap().subject_alt_names;
        })
    };
    let evidence = refused(other(), &authority.settings()).await;
    check(&evidence, "tls_cert_name_mismatch");
    assert_eq!(
        evidence.fault,
        Some(Fault::TlsCertificate(CertificateFault::Name {
            wanted: "localhost".to_owned(),
            presented: vec!["api.example".to_owned(), "*.b.example".to_owned()],
        }))
    );
    // The fix that the code names helps.
    let settings = TlsSettings {
        server_name: Some("api.example".to_owned()),
        ..authority.settings()
    };
    let server = serving(other());
    let mut answered = answer(&client(), &to(&server, &settings), get()).await;
    assert_eq!(text(&mut answered).await, "secret");
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_untrusted() {
    let authority = Authority::new();
    let stranger = Authority::new().server(|_| {});
    let evidence = refused(stranger, &authority.settings()).await;
    check(&evidence, "tls_cert_untrusted");
    let evidence = refused(authority.server(|_| {}), &TlsSettings::default()).await;
    check(&evidence, "tls_cert_untrusted");
    // Self-signed: once as an authority, once as nothing in particular.
    for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::NoCa] {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder(&[&rustls::version::TLS13])
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        check(
            &refused(config, &authority.settings()).await,
            "tls_cert_untrusted",
        );
    }
}

/// A server that asks for a certificate of ours.
fn asking(
    authority: &Authority,
    version: &'static rustls::SupportedProtocolVersion,
) -> ServerConfig {
    let (certificate, key) = authority.sign(|_| {});
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    builder(&[version])
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

#[tokio::test]
async fn a_missing_client_certificate_is_a_handshake_failure_even_after_the_handshake() {
    let authority = Authority::new();
    // Under TLS 1.3 the alert comes when our handshake is done and the request may be on its way.
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let evidence = refused(asking(&authority, version), &authority.settings()).await;
        assert!(
            matches!(evidence.fault, Some(Fault::TlsAlert { .. })),
            "{evidence:?}"
        );
        assert_eq!(evidence.phase, Phase::Tls);
        assert_eq!(judge(&evidence).code.as_str(), "tls_handshake_failure");
    }
    let (certificate, key) = authority.sign(|_| {});
    let (chain, private) = (
        authority.folder.path().join("c.pem"),
        authority.folder.path().join("k.pem"),
    );
    std::fs::write(&chain, certificate.pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    let settings = TlsSettings {
        client_certificate: Some((chain, private)),
        ..authority.settings()
    };
    let server = serving(asking(&authority, &rustls::version::TLS13));
    let mut answered = answer(&client(), &to(&server, &settings), post(b"{}")).await;
    assert_eq!(text(&mut answered).await, "secret");
}

#[tokio::test]
async fn versions_without_overlap_are_a_handshake_failure() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign(|_| {});
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let old = builder(&[&rustls::version::TLS12])
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let settings = TlsSettings {
        minimum: MinimumTls::V13,
        ..authority.settings()
    };
    let evidence = refused(old, &settings).await;
    check(&evidence, "tls_handshake_failure");
    assert_eq!(evidence.fault, Some(Fault::TlsAlert { number: 70 }));
}

#[tokio::test]
async fn a_server_without_our_protocol_is_an_alpn_mismatch() {
    let authority = Authority::new();
    let mut config = authority.server(|_| {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    let evidence = refused(config, &authority.settings()).await;
    check(&evidence, "tls_alpn_mismatch");
}

#[tokio::test]
async fn a_port_without_tls_is_told_by_what_it_says() {
    let authority = Authority::new();
    let greetings: [(&[u8], &str); 2] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "tls_to_plaintext_port"),
        (b"SSH-2.0-x\r\n", "not_http"),
    ];
    for (greeting, code) in greetings {
        let server = Server::once(move |mut stream| {
            let mut some = [0u8; 16];
            stream.read_exact(&mut some).unwrap();
            stream.write_all(greeting).unwrap();
            wait_for_close(&mut stream);
        });
        let evidence = failure(&to(&server, &authority.settings()), post(b"{}"), &timers()).await;
        let first_bytes = greeting.to_vec();
        assert_eq!(evidence.fault, Some(Fault::TlsNotTls { first_bytes }));
        check(&evidence, code);
    }
}

#[tokio::test]
async fn a_handshake_that_breaks_off_or_stalls_says_so() {
    let authority = Authority::new();
    let hello = |stream: &mut TcpStream| {
        let mut some = [0u8; 64];
        stream.read_exact(&mut some).unwrap();
    };
    let server = Server::once(move |mut stream| {
        hello(&mut stream);
        reset(stream);
    });
    let evidence = failure(&to(&server, &authority.settings()), post(b"{}"), &timers()).await;
    assert_eq!(evidence.fault, Some(Fault::Reset));
    check(&evidence, "connection_reset");

    let server = Server::once(move |mut stream| {
        hello(&mut stream);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        wait_for_close(&mut stream);
    });
    let evidence = failure(&to(&server, &authority.settings()), post(b"{}"), &timers()).await;
    assert_eq!(evidence.fault, Some(Fault::Closed));
    check(&evidence, "connection_closed");

    let server = Server::once(move |mut stream| {
        hello(&mut stream);
        stream.write_all(b"\x16\x03\x03").unwrap();
        wait_for_close(&mut stream);
    });
    let mut short = timers();
    short.tls = Duration::from_millis(80);
    let evidence = failure(&to(&server, &authority.settings()), post(b"{}"), &short).await;
    assert_eq!(evidence.fault, Some(Fault::TlsTimeout));
    assert_eq!(evidence.limit.unwrap().name, "tls");
    assert_eq!(evidence.bytes.received, 3);
    assert!(evidence.bytes.sent > 100);
    check(&evidence, "tls_handshake_timeout");
}

#[tokio::test]
async fn only_a_body_that_ends_with_the_connection_needs_close_notify() {
    let authority = Authority::new();
    let cut = |bytes: &'static [u8]| {
        speaking(authority.server(|_| {}), move |mut stream| {
            read_request(&mut stream);
            stream.write_all(bytes).unwrap();
            stream.flush().unwrap();
            // The socket goes without a word of TLS.
        })
    };
    let server = cut(b"HTTP/1.1 200 OK\r\n\r\nhello");
    let mut answered = answer(&client(), &to(&server, &authority.settings()), get()).await;
    let body = answered
        .body
        .read_all(99, crate::server::IDLE, crate::server::deadline(5))
        .await;
    assert_eq!(body.unwrap_err().fault, Fault::BodyTruncated);

    let server = cut(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let mut answered = answer(&client(), &to(&server, &authority.settings()), get()).await;
    assert_eq!(text(&mut answered).await, "hello");

    let server = speaking(authority.server(|_| {}), |mut stream| {
        read_request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    });
    let mut answered = answer(&client(), &to(&server, &authority.settings()), get()).await;
    assert_eq!(text(&mut answered).await, "hello");
}

#[tokio::test]
async fn a_broken_record_after_the_handshake_breaks_the_protocol_not_the_handshake() {
    let authority = Authority::new();
    let server = speaking(authority.server(|_| {}), |mut stream| {
        read_request(&mut stream);
        stream.sock.write_all(b"no record of TLS").unwrap();
        stream.sock.flush().unwrap();
    });
    let evidence = failure(&to(&server, &authority.settings()), get(), &timers()).await;
    let verdict = judge(&evidence);
    assert_eq!(verdict.code.as_str(), "protocol_error", "{evidence:?}");
    // The request was sent: it may have been executed.
    assert_eq!(verdict.processed, diagnosis::Processed::Yes);
}

#[test]
fn files_that_do_not_serve_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate here\n").unwrap();
    let with = |path: &PathBuf| {
        let settings = TlsSettings {
            ca_file: Some(path.clone()),
            ..TlsSettings::default()
        };
        TlsPolicy::new(&settings).unwrap_err()
    };
    assert!(matches!(with(&missing), TlsPolicyError::File { .. }));
    assert!(matches!(with(&empty), TlsPolicyError::NoCertificate { .. }));
    assert!(with(&empty).to_string().contains("empty.pem"));
    let settings = TlsSettings {
        server_name: Some("not a name".to_owned()),
        ..TlsSettings::default()
    };
    assert!(matches!(
        TlsPolicy::new(&settings).unwrap_err(),
        TlsPolicyError::ServerName { .. }
    ));
}

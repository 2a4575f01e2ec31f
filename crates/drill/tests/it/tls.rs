//! TLS that is right or wrong as scripted, seen by a client of rustls.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use drill::{Drill, Options, Script, TlsScript};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

fn start(script: TlsScript) -> Drill {
    Drill::start(Options {
        tls: Some(script),
        script: Script::default(),
        ..Options::default()
    })
    .expect("a drill")
}

fn connect(drill: &Drill) -> StreamOwned<ClientConnection, TcpStream> {
    let authority = drill.authority().expect("an authority");
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM");
    roots.add(certificate).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let tcp = TcpStream::connect(drill.address()).expect("a connection");
    tcp.set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a timeout");
    StreamOwned::new(client, tcp)
}

/// Asks once; the answer, or the error in words.
fn ask(drill: &Drill) -> Result<String, String> {
    let mut stream = connect(drill);
    let request = b"GET /json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream
        .write_all(request)
        .map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_good_certificate_is_good() {
    for script in [TlsScript::Good, TlsScript::Tls12] {
        let answer = ask(&start(script)).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
}

#[test]
fn each_wrong_handshake_is_wrong_in_its_own_way() {
    for (script, wanted) in [
        (TlsScript::Expired, "certificate expired"),
        (TlsScript::NotYetValid, "certificate not valid yet"),
        (TlsScript::WrongName, "not valid for name"),
        (TlsScript::SelfSigned, "UnknownIssuer"),
        (TlsScript::UnknownAuthority, "UnknownIssuer"),
        (TlsScript::MissingIntermediate, "UnknownIssuer"),
        (TlsScript::ClientCertificate, "CertificateRequired"),
        (TlsScript::HandshakeFailure, "HandshakeFailure"),
        (TlsScript::ProtocolVersion, "ProtocolVersion"),
        (TlsScript::InternalError, "InternalError"),
        (TlsScript::UnrecognizedName, "UnrecognisedName"),
        (TlsScript::AlpnMismatch, "NoApplicationProtocol"),
        (TlsScript::StallHandshake, "temporarily unavailable"),
        (TlsScript::CloseHandshake, "end of file"),
        (TlsScript::ResetHandshake, "reset by peer"),
    ] {
        let error = ask(&start(script)).expect_err("an error");
        assert!(error.contains(wanted), "{}: {error}", script.name());
    }
}

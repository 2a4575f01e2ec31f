//! The look at each layer by itself, over real sockets: what it shows beside the verdict that attempts get, too.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use diagnosis::{Fault, Phase, judge};
use drill::{Drill, Keys, Options, TlsScript};
use types::{Clock, SystemClock};
use upstream::dns::{Family, KnownBy, NameSource};
use upstream::probe::{Layers, look};
use upstream::{Destination, Resolver, ResolverOptions, TlsPolicy, TlsSettings};

use crate::names::{NameServer, Says};
use crate::server::timers;

async fn seen(options: ResolverOptions, to: &Destination) -> Layers {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resolver = Resolver::new(options, Arc::clone(&clock));
    look(&resolver, &clock, to, &timers()).await
}

fn code(layers: &Layers) -> &'static str {
    layers
        .failure
        .as_ref()
        .map_or("", |evidence| judge(evidence).code.as_str())
}

fn drill(tls: TlsScript) -> (Drill, Destination, tempfile::TempDir) {
    let drill = Drill::start(Options {
        keys: Keys::Ignored,
        tls: Some(tls),
        ..Options::default()
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, drill.authority().unwrap()).unwrap();
    let settings = TlsSettings {
        ca_file: Some(ca_file),
        ..TlsSettings::default()
    };
    let policy = Arc::new(TlsPolicy::new(&settings).unwrap());
    let to = Destination::tls("127.0.0.1", drill.address().port(), policy);
    (drill, to, folder)
}

#[tokio::test]
async fn a_good_handshake_shows_version_protocol_and_certificate() {
    for (script, version) in [(TlsScript::Good, "TLSv1.3"), (TlsScript::Tls12, "TLSv1.2")] {
        let (_drill, to, _folder) = drill(script);
        let layers = seen(ResolverOptions::default(), &to).await;
        assert!(layers.failure.is_none(), "{layers:?}");
        let handshake = layers.handshake.unwrap();
        assert_eq!(handshake.version, Some(version));
        assert_eq!(handshake.protocol.as_deref(), Some("http/1.1"));
        assert_eq!(handshake.chain[0].issuer, "goodgate drill authority");
        assert!(handshake.chain[0].names.contains(&"127.0.0.1".to_owned()));
        // 1 January 2099.
        assert_eq!(handshake.chain[0].not_after, 4_070_908_800);
    }
}

#[tokio::test]
async fn a_refused_certificate_is_shown_all_the_same_and_is_refused() {
    for (script, wanted) in [
        (TlsScript::Expired, "tls_cert_expired"),
        (TlsScript::WrongName, "tls_cert_name_mismatch"),
        (TlsScript::SelfSigned, "tls_cert_untrusted"),
        (TlsScript::UnknownAuthority, "tls_cert_untrusted"),
        (TlsScript::MissingIntermediate, "tls_cert_untrusted"),
    ] {
        let (_drill, to, _folder) = drill(script);
        let layers = seen(ResolverOptions::default(), &to).await;
        assert_eq!(code(&layers), wanted, "{layers:?}");
        assert_eq!(layers.failure.unwrap().phase, Phase::Tls);
        assert!(layers.addresses[0].fault.is_none());
        let handshake = layers.handshake.unwrap();
        assert_eq!(handshake.version, None);
        assert_eq!(handshake.chain.len(), 1, "{script:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_ends_before_certificates_shows_none() {
    for (script, wanted) in [
        (TlsScript::HandshakeFailure, "tls_handshake_failure"),
        (TlsScript::CloseHandshake, "connection_closed"),
        (TlsScript::AlpnMismatch, "tls_alpn_mismatch"),
    ] {
        let (_drill, to, _folder) = drill(script);
        let layers = seen(ResolverOptions::default(), &to).await;
        assert_eq!(code(&layers), wanted, "{script:?} {layers:?}");
        assert!(layers.handshake.unwrap().chain.is_empty());
    }
}

#[tokio::test]
async fn every_server_is_asked_for_both_families() {
    let good = NameServer::start(Says::Address(Ipv4Addr::LOCALHOST, 60));
    let failing = NameServer::start(Says::CannotSay);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = ResolverOptions {
        source: NameSource::Servers(vec![good.address, failing.address]),
        ..ResolverOptions::default()
    };
    let to = Destination::plain("api.drill.example", listener.local_addr().unwrap().port());
    let layers = seen(options, &to).await;
    assert!(layers.failure.is_none(), "{layers:?}");
    assert_eq!(
        layers.names.by,
        KnownBy::Servers(vec![good.address, failing.address])
    );
    let answers: Vec<_> = layers
        .names
        .answers
        .iter()
        .map(|answer| (answer.server, answer.family, answer.found.clone()))
        .collect();
    assert_eq!(answers.len(), 4, "{answers:?}");
    let (server, family, found) = &answers[0];
    assert_eq!((*server, *family), (good.address, Family::V4));
    let (count, ttl) = found.as_ref().unwrap();
    assert_eq!(*count, 1);
    assert!(*ttl > Duration::from_secs(50) && *ttl <= Duration::from_secs(60));
    assert_eq!(answers[1].2, Err(Fault::DnsNotFound));
    for (server, _, found) in &answers[2..] {
        assert_eq!(*server, failing.address);
        assert!(matches!(found, Err(Fault::DnsFailed { .. })), "{found:?}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_knows_ends_the_look_there() {
    let server = NameServer::start(Says::NoSuchName);
    let options = ResolverOptions {
        source: NameSource::Servers(vec![server.address]),
        ..ResolverOptions::default()
    };
    let layers = seen(options, &Destination::plain("api.drill.example", 9)).await;
    assert_eq!(code(&layers), "dns_name_not_found");
    assert!(layers.addresses.is_empty() && layers.handshake.is_none());
}

#[tokio::test]
async fn each_address_is_tried_and_one_that_connects_is_enough() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let hosts_file = folder.path().join("hosts");
    std::fs::write(
        &hosts_file,
        "127.0.0.2 api.drill.example\n127.0.0.1 api.drill.example\n",
    )
    .unwrap();
    let options = ResolverOptions {
        hosts_file: hosts_file.clone(),
        ..ResolverOptions::default()
    };
    let to = Destination::plain("api.drill.example", port);
    let layers = seen(options.clone(), &to).await;
    assert!(layers.failure.is_none(), "{layers:?}");
    assert_eq!(layers.names.by, KnownBy::HostsFile(hosts_file));
    let results: Vec<(SocketAddr, &str)> = layers
        .addresses
        .iter()
        .map(|address| (address.address, address.result.as_str()))
        .collect();
    let at = |last| SocketAddr::from(([127, 0, 0, last], port));
    assert_eq!(results, [(at(2), "refused"), (at(1), "connected")]);
    drop(listener);
    let layers = seen(options, &to).await;
    assert_eq!(code(&layers), "connection_refused");
    assert_eq!(layers.failure.unwrap().addresses.len(), 2);
}

//! The one closed table of failure codes: what each means, whose fault it is and what may be done about it.
//!
//! The facts stand in `codes.toml`, which is embedded and read once. Refusals, docs and metrics read them and the
//! attempt loop acts on them; nothing here decides anything.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::words::words;

/// The codes, handed to another macro: the enum and the embedded pages are both made from this list.
macro_rules! with_codes {
    ($then:ident) => {
        $then! {
            UpstreamOverloaded = "upstream_overloaded",
            ServiceUnavailable = "service_unavailable",
            RateLimited = "rate_limited",
            NoHealthyBackend = "no_healthy_backend",
            DnsFailure = "dns_failure",
            ConnectionRefused = "connection_refused",
            HostUnreachable = "host_unreachable",
            ConnectionClosed = "connection_closed",
            ConnectionReset = "connection_reset",
            ResponseReset = "response_reset",
            ResponseTruncated = "response_truncated",
            H2StreamReset = "h2_stream_reset",
            EdgeOriginUnreachable = "edge_origin_unreachable",
            DnsNameNotFound = "dns_name_not_found",
            AddressFamilyUnavailable = "address_family_unavailable",
            TlsToPlaintextPort = "tls_to_plaintext_port",
            PlaintextToTlsPort = "plaintext_to_tls_port",
            TlsCertExpired = "tls_cert_expired",
            TlsCertNameMismatch = "tls_cert_name_mismatch",
            TlsCertUntrusted = "tls_cert_untrusted",
            TlsHandshakeFailure = "tls_handshake_failure",
            TlsAlpnMismatch = "tls_alpn_mismatch",
            NotHttp = "not_http",
            ResponseHeaderTooLarge = "response_header_too_large",
            CredentialsRejected = "credentials_rejected",
            PermissionDenied = "permission_denied",
            EndpointNotFound = "endpoint_not_found",
            ModelNotFound = "model_not_found",
            ModelRetired = "model_retired",
            UnexpectedRedirect = "unexpected_redirect",
            UnexpectedContentType = "unexpected_content_type",
            ConnectionTimeout = "connection_timeout",
            TlsHandshakeTimeout = "tls_handshake_timeout",
            ConnectionWriteTimeout = "connection_write_timeout",
            ResponseHeaderTimeout = "response_header_timeout",
            FirstTokenTimeout = "first_token_timeout",
            StreamIdleTimeout = "stream_idle_timeout",
            DeadlineExceeded = "deadline_exceeded",
            UpstreamGatewayTimeout = "upstream_gateway_timeout",
            ScheduledMaintenance = "scheduled_maintenance",
            IncidentReported = "incident_reported",
            Draining = "draining",
            InternalError = "internal_error",
            BadGateway = "bad_gateway",
            ProtocolError = "protocol_error",
            InvalidBody = "invalid_body",
            ErrorInSuccess = "error_in_success",
            DecodeError = "decode_error",
            StreamErrorEvent = "stream_error_event",
            StreamIncomplete = "stream_incomplete",
            StreamMalformed = "stream_malformed",
            QuotaExhausted = "quota_exhausted",
            ContentFiltered = "content_filtered",
            RegionBlocked = "region_blocked",
            InvalidRequest = "invalid_request",
            ContextLengthExceeded = "context_length_exceeded",
            RequestTooLarge = "request_too_large",
            ClientCancelled = "client_cancelled",
            ClientTimeout = "client_timeout",
            Unauthenticated = "unauthenticated",
            ModelNotAllowed = "model_not_allowed",
            ContentBlocked = "content_blocked",
            NoRoute = "no_route",
            NoTargetAvailable = "no_target_available",
            CircuitOpen = "circuit_open",
            LoadShed = "load_shed",
            QueueTimeout = "queue_timeout",
            GatewayRateLimited = "gateway_rate_limited",
            GatewayBudgetExceeded = "gateway_budget_exceeded",
            ResourceExhausted = "resource_exhausted",
            ShuttingDown = "shutting_down",
            ProxyLoopDetected = "proxy_loop_detected",
            GatewayInternalError = "gateway_internal_error",
        }
    };
}

macro_rules! define_codes {
    ($($variant:ident = $word:literal,)+) => {
        words! {
            /// The name of a failure, the same in answers, logs, metrics, the web UI and `goodgate explain`.
            Code, "a failure code" {
                $($variant = $word,)+
            }
        }
    };
}

with_codes!(define_codes);

words! {
    /// The kind of a failure: its cause in one word.
    Group, "a group of failure codes" {
        /// The upstream has more to do than it can.
        Overload = "overload",
        /// The way to the upstream.
        Network = "network",
        /// Something is set wrong, here or there: nothing heals by trying again.
        Configuration = "configuration",
        /// Something took too long.
        Timeout = "timeout",
        /// Planned or announced.
        Maintenance = "maintenance",
        /// The upstream answered, but is broken.
        Upstream = "upstream",
        /// The provider's rules and the account there.
        Policy = "policy",
        /// The caller's request.
        Client = "client",
        /// This gateway: its limits, its rules, its bugs.
        Gateway = "gateway",
    }
}

words! {
    /// Whose fault a failure is.
    Origin, "an origin" {
        /// The caller's.
        Client = "client",
        /// This gateway's: its settings or its account at the provider.
        Gateway = "gateway",
        /// The network's between gateway and upstream.
        Network = "network",
        /// The upstream's.
        Upstream = "upstream",
    }
}

words! {
    /// Whether the same target may be tried again.
    Same, "a rule for the same target" {
        /// Not at all.
        No = "no",
        /// Once, on a new connection.
        Fresh = "fresh",
        /// After a backoff.
        Backoff = "backoff",
        /// After the server's hint, or else a backoff.
        Hint = "hint",
    }
}

words! {
    /// What else may be tried.
    Other, "a rule for other targets" {
        /// Nothing.
        No = "no",
        /// Another credential of the same provider.
        Key = "key",
        /// Another target of the same model.
        Deployment = "deployment",
        /// Another provider or another model.
        Provider = "provider",
    }
}

words! {
    /// Whether the upstream may have executed the request.
    Processed, "a word for processed" {
        /// It has not.
        No = "no",
        /// It may have.
        Maybe = "maybe",
        /// It has, at least in part.
        Yes = "yes",
    }
}

words! {
    /// Whether the request may be sent again.
    Safe, "a word for safe" {
        /// Always.
        Always = "always",
        /// Calls for inference yes, since that costs tokens only; others with an idempotent method or key.
        Llm = "llm",
        /// Until the first byte of an answer has reached the client.
        Pre = "pre",
        /// Never.
        Never = "never",
    }
}

/// What the table says of one code.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The code itself.
    pub code: Code,
    /// Its group.
    pub group: Group,
    /// Whose fault it is, where the evidence does not tell better (see [`crate::Verdict::origin`]).
    pub origin: Origin,
    /// Whether the same target may be tried again.
    pub same: Same,
    /// What else may be tried.
    pub other: Other,
    /// Whether the upstream may have executed the request.
    pub processed: Processed,
    /// Whether the request may be sent again.
    pub safe: Safe,
    /// The HTTP status when nothing is left to try.
    pub http: u16,
    /// The error type for `Proxy-Status`; empty where only the received status is passed on.
    ///
    /// Source: RFC 9209, section 2.3.
    pub proxy_status: &'static str,
    /// A few words, for a reason phrase or a list of attempts: `connect timeout`.
    pub short: &'static str,
    /// One sentence: what the code means.
    pub meaning: &'static str,
    /// What to do about it, to the point.
    pub fix: &'static str,
}

impl Facts {
    /// Whether a later call may succeed without anybody changing anything: `retryable` in the answer's body.
    #[must_use]
    pub fn later_may_help(&self) -> bool {
        match self.group {
            Group::Configuration | Group::Policy | Group::Client => false,
            Group::Gateway => self.safe == Safe::Always,
            Group::Overload
            | Group::Network
            | Group::Timeout
            | Group::Maintenance
            | Group::Upstream => true,
        }
    }
}

impl Code {
    /// What the table says of this code.
    #[must_use]
    pub fn facts(self) -> &'static Facts {
        row(self as usize)
    }

    /// The code's page of the book (`docs/errors/<code>.md`), as Markdown.
    #[must_use]
    pub fn page(self) -> &'static str {
        macro_rules! pages {
            ($($variant:ident = $word:literal,)+) => {
                match self {
                    $(Self::$variant => include_str!(concat!("../../../docs/errors/", $word, ".md")),)+
                }
            };
        }
        with_codes!(pages)
    }
}

#[expect(
    clippy::expect_used,
    reason = "a test reads the embedded table and finds every code in its place"
)]
fn row(place: usize) -> &'static Facts {
    static TABLE: OnceLock<Vec<Facts>> = OnceLock::new();
    TABLE
        .get_or_init(|| {
            read_table(include_str!("codes.toml")).expect("codes.toml is a valid table")
        })
        .get(place)
        .expect("codes.toml names every code")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    code: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: Code,
    group: Group,
    origin: Origin,
    same: Same,
    other: Other,
    processed: Processed,
    safe: Safe,
    http: u16,
    proxy_status: String,
    short: String,
    meaning: String,
    fix: String,
}

/// Reads the table. The rows stand in the order of [`Code::ALL`], so that a code finds its facts by its number.
fn read_table(text: &str) -> Result<Vec<Facts>, String> {
    let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let names: Vec<Code> = table.code.iter().map(|row| row.name).collect();
    if names != Code::ALL {
        return Err(
            "the rows of codes.toml are not the codes, each once and in their order".to_owned(),
        );
    }
    Ok(table.code.into_iter().map(facts_of).collect())
}

/// The table lives as long as the program, so its texts may, too.
fn facts_of(row: Row) -> Facts {
    Facts {
        code: row.name,
        group: row.group,
        origin: row.origin,
        same: row.same,
        other: row.other,
        processed: row.processed,
        safe: row.safe,
        http: row.http,
        proxy_status: row.proxy_status.leak(),
        short: row.short.leak(),
        meaning: row.meaning.leak(),
        fix: row.fix.leak(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_of_the_73_codes() {
        assert_eq!(
            read_table(include_str!("codes.toml")).map(|table| table.len()),
            Ok(73)
        );
        for code in Code::ALL {
            let facts = code.facts();
            assert_eq!(facts.code, *code);
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            for text in [facts.meaning, facts.fix] {
                assert!(text.ends_with('.') || text.ends_with(')'), "{code}: {text}");
            }
            assert!(facts.short.is_ascii() && facts.short.len() <= 32, "{code}");
        }
        assert_eq!(Code::parse("Bad_Gateway"), None);
    }

    #[test]
    fn groups_have_as_many_codes_as_they_should() {
        let sizes: Vec<(Group, usize)> = Group::ALL
            .iter()
            .map(|group| {
                let count = Code::ALL
                    .iter()
                    .filter(|code| code.facts().group == *group)
                    .count();
                (*group, count)
            })
            .collect();
        assert_eq!(
            sizes,
            [
                (Group::Overload, 4),
                (Group::Network, 9),
                (Group::Configuration, 18),
                (Group::Timeout, 8),
                (Group::Maintenance, 3),
                (Group::Upstream, 9),
                (Group::Policy, 3),
                (Group::Client, 8),
                (Group::Gateway, 11),
            ]
        );
    }

    #[test]
    fn whose_fault_follows_from_group_and_code() {
        const GATEWAY: [Code; 12] = [
            Code::CredentialsRejected,
            Code::PermissionDenied,
            Code::EndpointNotFound,
            Code::ModelNotFound,
            Code::ModelRetired,
            Code::DnsNameNotFound,
            Code::TlsToPlaintextPort,
            Code::PlaintextToTlsPort,
            Code::UnexpectedRedirect,
            Code::ResponseHeaderTooLarge,
            Code::QuotaExhausted,
            Code::RegionBlocked,
        ];
        const NETWORK: [Code; 4] = [
            Code::DnsFailure,
            Code::HostUnreachable,
            Code::ConnectionTimeout,
            Code::AddressFamilyUnavailable,
        ];
        for code in Code::ALL {
            let facts = code.facts();
            let expected = match facts.group {
                Group::Client => Origin::Client,
                Group::Gateway => Origin::Gateway,
                _ if *code == Code::ContentFiltered => Origin::Client,
                _ if GATEWAY.contains(code) => Origin::Gateway,
                _ if NETWORK.contains(code) => Origin::Network,
                _ => Origin::Upstream,
            };
            assert_eq!(facts.origin, expected, "{code}");
        }
    }

    #[test]
    fn error_types_are_those_registered_by_rfc_9209() {
        const REGISTERED: [&str; 32] = [
            "dns_timeout",
            "dns_error",
            "destination_not_found",
            "destination_unavailable",
            "destination_ip_prohibited",
            "destination_ip_unroutable",
            "connection_refused",
            "connection_terminated",
            "connection_timeout",
            "connection_read_timeout",
            "connection_write_timeout",
            "connection_limit_reached",
            "tls_protocol_error",
            "tls_certificate_error",
            "tls_alert_received",
            "http_request_error",
            "http_request_denied",
            "http_response_incomplete",
            "http_response_header_section_size",
            "http_response_header_size",
            "http_response_body_size",
            "http_response_trailer_section_size",
            "http_response_trailer_size",
            "http_response_transfer_coding",
            "http_response_content_coding",
            "http_response_timeout",
            "http_upgrade_failed",
            "http_protocol_error",
            "proxy_internal_response",
            "proxy_internal_error",
            "proxy_configuration_error",
            "proxy_loop_detected",
        ];
        for code in Code::ALL {
            let kind = code.facts().proxy_status;
            assert!(
                kind.is_empty() || REGISTERED.contains(&kind),
                "{code}: {kind}"
            );
        }
    }

    #[test]
    fn a_table_with_a_missing_or_doubled_row_is_refused() {
        let text = include_str!("codes.toml");
        let (_, first) = text.split_once("[[code]]").expect("a first row");
        assert!(read_table(&format!("[[code]]{first}\n[[code]]{first}")).is_err());
        assert!(read_table("code = []").is_err());
    }
}

//! Where a call to a provider goes: base URLs as people paste them, paths, and the headers every call carries.

use std::fmt::Write as _;

use dialect::Dialect;
use http::Uri;
use http::header::{HeaderName, HeaderValue};
use types::Secret;

use crate::kind::Kind;

/// Plain or encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that need not be written.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A base URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Plain or encrypted.
    pub scheme: Scheme,
    /// A name, an IPv4 address, or an IPv6 address without brackets; lower case.
    pub host: String,
    /// The port, the scheme's own where none was written.
    pub port: u16,
    /// What every path begins with, the version segment included: empty, or starting and not ending with a slash.
    pub base_path: String,
}

impl Endpoint {
    /// What belongs into `Host` and into a URL: brackets around IPv6, no port where it is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// The base URL again, with its version segment.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "{}://{}{}",
            self.scheme.as_str(),
            self.authority(),
            self.base_path
        )
    }
}

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An answer of a chat model.
    Chat {
        /// Whether it is wanted piece by piece.
        stream: bool,
    },
    /// The list of its models.
    Models,
}

/// Why a base URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// This kind has no address of its own.
    #[error("a {kind} provider has no address of its own: set base_url")]
    Missing {
        /// The kind's name.
        kind: &'static str,
    },
    /// Nothing before `://`, or something that is neither http nor https.
    #[error("a base URL starts with http:// or https://")]
    Scheme,
    /// No host.
    #[error("the base URL names no host")]
    Host,
    /// `user:password@` in it.
    #[error("a base URL carries no user or password: use api_key")]
    UserInfo,
    /// `?query` or `#fragment` in it.
    #[error("a base URL ends with its path: no query, no fragment")]
    Query,
    /// Not a URL at all.
    #[error("this is no URL")]
    Malformed,
}

/// Endings of an operation that people paste along with the base URL.
const PASTED_ENDINGS: &[&str] = &["/chat/completions", "/completions", "/messages", "/models"];

/// Reads `base_url`, or the kind's own address where none is written, with or without its version segment.
///
/// # Errors
/// When there is no address, or the text is no plain http(s) URL.
pub fn endpoint(kind: &Kind, base_url: Option<&str>) -> Result<Endpoint, BaseUrlError> {
    let text = base_url
        .or(kind.base_url)
        .ok_or(BaseUrlError::Missing { kind: kind.name })?;
    let mut endpoint = parse_url(text)?;
    let mut path = endpoint.base_path.as_str();
    for ending in PASTED_ENDINGS {
        path = path.strip_suffix(ending).unwrap_or(path);
    }
    endpoint.base_path = if names_version(path) {
        path.to_owned()
    } else {
        format!("{path}{}", kind.version_segment)
    };
    Ok(endpoint)
}

/// Reads any plain http(s) URL: the path stays as written, but for slashes at its end.
///
/// # Errors
/// When the text is no plain http(s) URL.
pub fn parse_url(text: &str) -> Result<Endpoint, BaseUrlError> {
    let text = text.trim();
    let scheme = match text.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
        _ => return Err(BaseUrlError::Scheme),
    };
    if text.contains('#') {
        return Err(BaseUrlError::Query);
    }
    let uri: Uri = text.parse().map_err(|_| BaseUrlError::Malformed)?;
    let authority = uri.authority().ok_or(BaseUrlError::Host)?;
    if authority.as_str().contains('@') {
        return Err(BaseUrlError::UserInfo);
    }
    if uri.query().is_some() {
        return Err(BaseUrlError::Query);
    }
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase();
    if host.is_empty() {
        return Err(BaseUrlError::Host);
    }
    let has_port = authority.as_str().len() > authority.host().len();
    let port = match authority.port_u16() {
        Some(port) if port > 0 => port,
        None if !has_port => scheme.default_port(),
        _ => return Err(BaseUrlError::Malformed),
    };
    Ok(Endpoint {
        scheme,
        host,
        port,
        base_path: uri.path().trim_end_matches('/').to_owned(),
    })
}

/// Whether a path already says which version: its last segment does, or the one before a last `openai`
/// (as in Gemini's `/v1beta/openai`).
fn names_version(path: &str) -> bool {
    let path = path.strip_suffix("/openai").unwrap_or(path);
    path.rsplit('/').next().is_some_and(is_version)
}

/// `v1`, `v1beta`, `v2`, `v1alpha1`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The path (and query) of an operation at a provider.
#[must_use]
pub fn path(kind: &Kind, endpoint: &Endpoint, model: &str, operation: Operation) -> String {
    let base = &endpoint.base_path;
    match (operation, kind.dialect) {
        (Operation::Models, Dialect::Gemini) => format!("{base}/models?pageSize=1000"),
        (Operation::Models, Dialect::AnthropicMessages) => format!("{base}/models?limit=1000"),
        (Operation::Models, _) => format!("{base}/models"),
        (Operation::Chat { .. }, Dialect::OpenaiChat | Dialect::MistralChat) => {
            format!("{base}/chat/completions")
        }
        (Operation::Chat { .. }, Dialect::AnthropicMessages) => format!("{base}/messages"),
        (Operation::Chat { stream }, Dialect::Gemini) => {
            let model = encode_segment(model.strip_prefix("models/").unwrap_or(model));
            let method = if stream {
                "streamGenerateContent?alt=sse"
            } else {
                "generateContent"
            };
            format!("{base}/models/{model}:{method}")
        }
    }
}

/// A path segment with all but the unreserved characters of RFC 3986 percent-encoded.
#[must_use]
pub fn encode_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(out, "%{byte:02X}").ok();
        }
    }
    out
}

/// The headers that every call to a provider of this kind carries: its key, if there is one.
#[must_use]
pub fn headers(kind: &Kind, key: Option<&Secret>) -> Vec<(HeaderName, HeaderValue)> {
    key.and_then(|key| kind.auth.header(key))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> &'static Kind {
        crate::kind(name).unwrap()
    }

    #[test]
    fn a_base_url_is_taken_with_or_without_its_version_segment() {
        for (name, written, url) in [
            ("openai", None, "https://api.openai.com/v1"),
            (
                "openai",
                Some("https://api.openai.com"),
                "https://api.openai.com/v1",
            ),
            (
                "openai",
                Some("https://api.openai.com/v1/"),
                "https://api.openai.com/v1",
            ),
            (
                "openai",
                Some("https://eu.example/v1/chat/completions"),
                "https://eu.example/v1",
            ),
            ("anthropic", None, "https://api.anthropic.com/v1"),
            (
                "gemini",
                None,
                "https://generativelanguage.googleapis.com/v1beta",
            ),
            (
                "gemini",
                Some("https://generativelanguage.googleapis.com/v1"),
                "https://generativelanguage.googleapis.com/v1",
            ),
            ("groq", None, "https://api.groq.com/openai/v1"),
            ("openrouter", None, "https://openrouter.ai/api/v1"),
            (
                "openai-compatible",
                Some("http://[::1]:8000"),
                "http://[::1]:8000/v1",
            ),
            (
                "openai-compatible",
                Some("https://api.z.ai/api/paas/v4"),
                "https://api.z.ai/api/paas/v4",
            ),
            (
                "openai-compatible",
                Some("https://generativelanguage.googleapis.com/v1beta/openai/"),
                "https://generativelanguage.googleapis.com/v1beta/openai",
            ),
            (
                "vllm",
                Some("HTTP://10.2.0.7:80/vllm"),
                "http://10.2.0.7/vllm/v1",
            ),
        ] {
            assert_eq!(endpoint(kind(name), written).unwrap().url(), url);
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_its_reason() {
        for (written, error) in [
            ("api.openai.com/v1", BaseUrlError::Scheme),
            ("ftp://a", BaseUrlError::Scheme),
            ("https://", BaseUrlError::Malformed),
            ("https://u:p@a/v1", BaseUrlError::UserInfo),
            ("https://a/v1?key=1", BaseUrlError::Query),
            ("https://a/v1#x", BaseUrlError::Query),
            ("https://a:99999", BaseUrlError::Malformed),
            ("https://a:0", BaseUrlError::Malformed),
        ] {
            assert_eq!(
                endpoint(kind("openai"), Some(written)),
                Err(error),
                "{written}"
            );
        }
        assert_eq!(
            endpoint(kind("vllm"), None),
            Err(BaseUrlError::Missing { kind: "vllm" })
        );
    }

    #[test]
    fn a_model_that_stands_in_a_path_is_percent_encoded() {
        let gemini = kind("gemini");
        let at = endpoint(gemini, None).unwrap();
        for (model, stream, path_and_query) in [
            (
                "gemini-3.5-flash",
                false,
                "/v1beta/models/gemini-3.5-flash:generateContent",
            ),
            (
                "models/gemini-3.5-flash",
                true,
                "/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse",
            ),
            (
                "a/../b?c é",
                false,
                "/v1beta/models/a%2F..%2Fb%3Fc%20%C3%A9:generateContent",
            ),
        ] {
            assert_eq!(
                path(gemini, &at, model, Operation::Chat { stream }),
                path_and_query
            );
        }
    }

    #[test]
    fn each_dialect_has_its_path() {
        for (name, chat) in [
            ("openai", "/v1/chat/completions"),
            ("anthropic", "/v1/messages"),
            ("mistral", "/v1/chat/completions"),
            ("groq", "/openai/v1/chat/completions"),
        ] {
            let at = endpoint(kind(name), None).unwrap();
            assert_eq!(
                path(kind(name), &at, "m", Operation::Chat { stream: true }),
                chat
            );
        }
    }

    #[test]
    fn keys_go_into_the_header_of_their_kind_and_are_marked_sensitive() {
        let key = Secret::new("k-123".to_owned());
        for (name, header, value) in [
            ("openai", "authorization", "Bearer k-123"),
            ("anthropic", "x-api-key", "k-123"),
            ("gemini", "x-goog-api-key", "k-123"),
        ] {
            let sent = headers(kind(name), Some(&key));
            assert_eq!(sent.len(), 1);
            assert_eq!(sent[0].0.as_str(), header);
            assert_eq!(sent[0].1, value);
            assert!(sent[0].1.is_sensitive());
        }
        assert!(headers(kind("openai"), None).is_empty());
        assert!(headers(kind("openai"), Some(&Secret::new("a\nb".to_owned()))).is_empty());
    }
}

//! Headers of one hop end with it, in both directions. Source: RFC 9110, section 7.6.1.

use http::HeaderMap;
use http::header::{CONNECTION, HeaderName};

const OF_THE_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
];

/// The headers without those of the hop: the known ones, and those that `Connection` names.
pub(crate) fn without_hop(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in OF_THE_HOP {
        headers.remove(name);
    }
    headers
}

//! Header names that answers and requests usually have, so that most heads are read without parsing or keeping a name.

use http::HeaderName;

static OF_3: [HeaderName; 1] = [HeaderName::from_static("via")];
static OF_4: [HeaderName; 3] = [
    HeaderName::from_static("host"),
    HeaderName::from_static("date"),
    HeaderName::from_static("vary"),
];
static OF_6: [HeaderName; 6] = [
    HeaderName::from_static("accept"),
    HeaderName::from_static("cookie"),
    HeaderName::from_static("expect"),
    HeaderName::from_static("origin"),
    HeaderName::from_static("server"),
    HeaderName::from_static("cf-ray"),
];
static OF_7: [HeaderName; 3] = [
    HeaderName::from_static("alt-svc"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("referer"),
];
static OF_9: [HeaderName; 1] = [HeaderName::from_static("x-api-key")];
static OF_10: [HeaderName; 5] = [
    HeaderName::from_static("connection"),
    HeaderName::from_static("user-agent"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("tracestate"),
];
static OF_11: [HeaderName; 1] = [HeaderName::from_static("traceparent")];
static OF_12: [HeaderName; 2] = [
    HeaderName::from_static("content-type"),
    HeaderName::from_static("x-request-id"),
];
static OF_13: [HeaderName; 2] = [
    HeaderName::from_static("authorization"),
    HeaderName::from_static("cache-control"),
];
static OF_14: [HeaderName; 5] = [
    HeaderName::from_static("x-stainless-os"),
    HeaderName::from_static("content-length"),
    HeaderName::from_static("openai-version"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("x-goog-api-key"),
];
static OF_15: [HeaderName; 5] = [
    HeaderName::from_static("accept-encoding"),
    HeaderName::from_static("accept-language"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("cf-cache-status"),
];
static OF_16: [HeaderName; 2] = [
    HeaderName::from_static("x-stainless-lang"),
    HeaderName::from_static("x-stainless-arch"),
];
static OF_17: [HeaderName; 4] = [
    HeaderName::from_static("x-stainless-async"),
    HeaderName::from_static("transfer-encoding"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("x-forwarded-proto"),
];
static OF_19: [HeaderName; 4] = [
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("x-client-request-id"),
    HeaderName::from_static("x-stainless-runtime"),
    HeaderName::from_static("x-stainless-timeout"),
];
static OF_20: [HeaderName; 1] = [HeaderName::from_static("openai-processing-ms")];
static OF_22: [HeaderName; 1] = [HeaderName::from_static("x-content-type-options")];
static OF_23: [HeaderName; 1] = [HeaderName::from_static("x-stainless-retry-count")];
static OF_24: [HeaderName; 2] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
static OF_25: [HeaderName; 1] = [HeaderName::from_static("strict-transport-security")];
static OF_26: [HeaderName; 2] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static OF_27: [HeaderName; 2] = [
    HeaderName::from_static("x-stainless-runtime-version"),
    HeaderName::from_static("x-stainless-package-version"),
];
static OF_28: [HeaderName; 1] = [HeaderName::from_static("x-ratelimit-remaining-tokens")];
static OF_29: [HeaderName; 1] = [HeaderName::from_static("access-control-expose-headers")];
static OF_30: [HeaderName; 1] = [HeaderName::from_static("x-ratelimit-remaining-requests")];

/// The name that these bytes spell in any case, if it is one of the usual ones.
pub(super) fn known(name: &[u8]) -> Option<HeaderName> {
    let candidates: &[HeaderName] = match name.len() {
        3 => &OF_3,
        4 => &OF_4,
        6 => &OF_6,
        7 => &OF_7,
        9 => &OF_9,
        10 => &OF_10,
        11 => &OF_11,
        12 => &OF_12,
        13 => &OF_13,
        14 => &OF_14,
        15 => &OF_15,
        16 => &OF_16,
        17 => &OF_17,
        19 => &OF_19,
        20 => &OF_20,
        22 => &OF_22,
        23 => &OF_23,
        24 => &OF_24,
        25 => &OF_25,
        26 => &OF_26,
        27 => &OF_27,
        28 => &OF_28,
        29 => &OF_29,
        30 => &OF_30,
        _ => return None,
    };
    let spelt = |name: &[u8]| {
        let same = |candidate: &&HeaderName| candidate.as_str().as_bytes() == name;
        candidates.iter().find(same).cloned()
    };
    // All in lower case at once, which takes the compiler a few instructions for many bytes.
    let mut lower = [0; LONGEST];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    spelt(lower)
}

/// The longest of these names.
const LONGEST: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_usual_name_is_known_in_any_case_and_no_other_is() {
        let lists: [&[HeaderName]; 24] = [
            &OF_3, &OF_4, &OF_6, &OF_7, &OF_9, &OF_10, &OF_11, &OF_12, &OF_13, &OF_14, &OF_15,
            &OF_16, &OF_17, &OF_19, &OF_20, &OF_22, &OF_23, &OF_24, &OF_25, &OF_26, &OF_27, &OF_28,
            &OF_29, &OF_30,
        ];
        for name in lists.concat() {
            let spelt = name.as_str().to_ascii_uppercase();
            assert_eq!(known(name.as_str().as_bytes()), Some(name.clone()));
            assert_eq!(known(spelt.as_bytes()), Some(name.clone()));
            assert_eq!(known(&spelt.as_bytes()[1..]), None, "{spelt}");
        }
        assert_eq!(known(b"dat\xe5"), None);
        assert_eq!(known(b""), None);
    }
}

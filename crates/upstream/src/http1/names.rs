//! Header names that answers usually have, so that most heads are read without parsing or keeping a name.

use http::HeaderName;

static OF_4: [HeaderName; 2] = [
    HeaderName::from_static("date"),
    HeaderName::from_static("vary"),
];
static OF_6: [HeaderName; 2] = [
    HeaderName::from_static("server"),
    HeaderName::from_static("cf-ray"),
];
static OF_7: [HeaderName; 1] = [HeaderName::from_static("alt-svc")];
static OF_10: [HeaderName; 3] = [
    HeaderName::from_static("connection"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("request-id"),
];
static OF_12: [HeaderName; 2] = [
    HeaderName::from_static("content-type"),
    HeaderName::from_static("x-request-id"),
];
static OF_13: [HeaderName; 1] = [HeaderName::from_static("cache-control")];
static OF_14: [HeaderName; 3] = [
    HeaderName::from_static("content-length"),
    HeaderName::from_static("openai-version"),
    HeaderName::from_static("openai-project"),
];
static OF_15: [HeaderName; 1] = [HeaderName::from_static("cf-cache-status")];
static OF_17: [HeaderName; 1] = [HeaderName::from_static("transfer-encoding")];
static OF_19: [HeaderName; 1] = [HeaderName::from_static("openai-organization")];
static OF_20: [HeaderName; 1] = [HeaderName::from_static("openai-processing-ms")];
static OF_22: [HeaderName; 1] = [HeaderName::from_static("x-content-type-options")];
static OF_24: [HeaderName; 2] = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];
static OF_25: [HeaderName; 1] = [HeaderName::from_static("strict-transport-security")];
static OF_26: [HeaderName; 2] = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static OF_28: [HeaderName; 1] = [HeaderName::from_static("x-ratelimit-remaining-tokens")];
static OF_29: [HeaderName; 1] = [HeaderName::from_static("access-control-expose-headers")];
static OF_30: [HeaderName; 1] = [HeaderName::from_static("x-ratelimit-remaining-requests")];

/// The name that these bytes spell in any case, if it is one of the usual ones.
pub(super) fn known(name: &[u8]) -> Option<HeaderName> {
    let candidates: &[HeaderName] = match name.len() {
        4 => &OF_4,
        6 => &OF_6,
        7 => &OF_7,
        10 => &OF_10,
        12 => &OF_12,
        13 => &OF_13,
        14 => &OF_14,
        15 => &OF_15,
        17 => &OF_17,
        19 => &OF_19,
        20 => &OF_20,
        22 => &OF_22,
        24 => &OF_24,
        25 => &OF_25,
        26 => &OF_26,
        28 => &OF_28,
        29 => &OF_29,
        30 => &OF_30,
        _ => return None,
    };
    let spelt = |candidate: &&HeaderName| {
        let known = candidate.as_str().as_bytes();
        known == name || known.eq_ignore_ascii_case(name)
    };
    candidates.iter().find(spelt).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_usual_name_is_known_in_any_case_and_no_other_is() {
        let lists: [&[HeaderName]; 18] = [
            &OF_4, &OF_6, &OF_7, &OF_10, &OF_12, &OF_13, &OF_14, &OF_15, &OF_17, &OF_19, &OF_20,
            &OF_22, &OF_24, &OF_25, &OF_26, &OF_28, &OF_29, &OF_30,
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

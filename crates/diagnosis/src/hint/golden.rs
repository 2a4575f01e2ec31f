//! What each provider sends when it wants to be left alone, and what is read from it.

use std::time::Duration;

use super::{Hint, read};

/// 2026-11-25T03:07:15Z.
const NOW: i64 = 1_795_576_035;

/// An answer as a provider gives it.
struct Case {
    provider: &'static str,
    /// Where the form is from, seen 2026-11.
    source: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    expected_ms: Option<u64>,
}

const CASES: &[Case] = &[
    Case {
        provider: "openai",
        source: "OpenAI API, rate limits, rate limits in headers",
        headers: &[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ],
        body: r#"{"error":{"message":"Rate limit reached for gpt-5 in organization org-x on requests per min (RPM): Limit 60, Used 60, Requested 1. Please try again in 1.2s.","type":"requests","code":"rate_limit_exceeded"}}"#,
        expected_ms: Some(1_200),
    },
    Case {
        provider: "openai",
        source: "the same: the words of a message without a time, only the spent dimension counts",
        headers: &[
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "4.5s"),
        ],
        body: "",
        expected_ms: Some(4_500),
    },
    Case {
        provider: "openai",
        source: "openai-python, _base_client.py: retry-after-ms is read before retry-after",
        headers: &[("retry-after-ms", "1250"), ("retry-after", "2")],
        body: "",
        expected_ms: Some(1_250),
    },
    Case {
        provider: "azure",
        source: "Azure OpenAI, quotas and limits, 429 answers",
        headers: &[
            ("retry-after", "26"),
            ("retry-after-ms", "25500"),
            ("x-ratelimit-reset-requests", "26"),
        ],
        body: r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded token rate limit. Please retry after 26 seconds."}}"#,
        expected_ms: Some(25_500),
    },
    Case {
        provider: "azure",
        source: "the same, the message alone",
        headers: &[],
        body: "Please retry after 26 seconds. Please go here: https://aka.ms/oai/quotaincrease",
        expected_ms: Some(26_000),
    },
    Case {
        provider: "azure",
        source: "Azure REST guidelines, x-ms-retry-after-ms",
        headers: &[("x-ms-retry-after-ms", "800")],
        body: "",
        expected_ms: Some(800),
    },
    Case {
        provider: "anthropic",
        source: "Anthropic API, rate limits, response headers",
        headers: &[
            ("retry-after", "12"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-11-25T03:08:15Z"),
        ],
        body: r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit"}}"#,
        expected_ms: Some(12_000),
    },
    Case {
        provider: "anthropic",
        source: "the same, without retry-after",
        headers: &[
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2026-11-25T03:07:45Z",
            ),
            ("anthropic-ratelimit-output-tokens-remaining", "8000"),
            (
                "anthropic-ratelimit-output-tokens-reset",
                "2026-11-25T03:09:15Z",
            ),
        ],
        body: "",
        expected_ms: Some(30_000),
    },
    Case {
        provider: "gemini",
        source: "google/rpc/error_details.proto, RetryInfo; Gemini API, troubleshooting, 429",
        headers: &[],
        body: r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota. Please retry in 34.074824224s.","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}"#,
        expected_ms: Some(34_000),
    },
    Case {
        provider: "gemini",
        source: "the same, the message alone",
        headers: &[],
        body: "Please retry in 41.5s.",
        expected_ms: Some(41_500),
    },
    Case {
        provider: "groq",
        source: "GroqCloud, rate limits, rate limit headers",
        headers: &[
            ("x-ratelimit-limit-requests", "14400"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "2m59.56s"),
            ("x-ratelimit-remaining-tokens", "17997"),
            ("x-ratelimit-reset-tokens", "7.66s"),
        ],
        body: r#"{"error":{"message":"Rate limit reached for model in organization on tokens per minute (TPM): Limit 6000, Used 5900, Requested 300. Please try again in 2m1.5s.","code":"rate_limit_exceeded"}}"#,
        expected_ms: Some(121_500),
    },
    Case {
        provider: "cerebras",
        source: "Cerebras Inference, rate limits, headers: seconds with decimals",
        headers: &[
            ("x-ratelimit-remaining-requests-day", "100"),
            ("x-ratelimit-reset-requests-day", "33011.382867"),
            ("x-ratelimit-remaining-tokens-minute", "0"),
            ("x-ratelimit-reset-tokens-minute", "11.382867"),
        ],
        body: "",
        expected_ms: Some(11_382),
    },
    Case {
        provider: "mistral",
        source: "mistralai/client-ts, issue 169: what remains, but no reset",
        headers: &[
            ("x-ratelimit-limit-req-minute", "720"),
            ("x-ratelimit-remaining-req-minute", "0"),
        ],
        body: r#"{"object":"error","message":"Requests rate limit exceeded","type":"rate_limited","code":"1300"}"#,
        expected_ms: None,
    },
    Case {
        provider: "openrouter",
        source: "OpenRouter, errors of free models: headers repeated in error.metadata.headers, milliseconds since 1970",
        headers: &[],
        body: r#"{"error":{"message":"Rate limit exceeded: free-models-per-min.","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795576080000"}}}}"#,
        expected_ms: Some(45_000),
    },
    Case {
        provider: "openrouter",
        source: "the same, with something left: no hint",
        headers: &[],
        body: r#"{"error":{"metadata":{"headers":{"X-RateLimit-Remaining":"7","X-RateLimit-Reset":"1795576080000"}}}}"#,
        expected_ms: None,
    },
    Case {
        provider: "digitalocean",
        source: "DigitalOcean, quota-specific response headers for serverless inference: seconds since 1970",
        headers: &[
            ("x-ratelimit-remaining-tokens-per-minute", "0"),
            ("x-ratelimit-reset-tokens-per-minute", "1795576050"),
        ],
        body: "",
        expected_ms: Some(15_000),
    },
    Case {
        provider: "deepseek",
        source: "DeepSeek API, error codes: 429 carries no hint",
        headers: &[],
        body: r#"{"error":{"message":"Rate limit reached. Please pace your requests reasonably and try again later.","type":"rate_limit_error"}}"#,
        expected_ms: None,
    },
    Case {
        provider: "bedrock",
        source: "Amazon Bedrock, ThrottlingException: no hint",
        headers: &[("x-amzn-errortype", "ThrottlingException")],
        body: r#"{"message":"Too many requests, please wait before trying again."}"#,
        expected_ms: None,
    },
    Case {
        provider: "vllm behind nginx",
        source: "RFC 9110, section 10.2.3",
        headers: &[("retry-after", "Wed, 25 Nov 2026 03:08:15 GMT")],
        body: "<html><title>503 Service Temporarily Unavailable</title></html>",
        expected_ms: Some(60_000),
    },
    Case {
        provider: "grpc",
        source: "gRPC proposal A6, pushback",
        headers: &[("grpc-retry-pushback-ms", "1500")],
        body: "",
        expected_ms: Some(1_500),
    },
    Case {
        provider: "plain http",
        source: "draft-ietf-httpapi-ratelimit-headers-07, section 5",
        headers: &[("ratelimit-remaining", "0"), ("ratelimit-reset", "50")],
        body: "",
        expected_ms: Some(50_000),
    },
    Case {
        provider: "plain http",
        source: "draft-ietf-httpapi-ratelimit-headers-10, section 4",
        headers: &[("ratelimit", r#""burst";r=0;t=5, "day";r=900;t=3600"#)],
        body: "",
        expected_ms: Some(5_000),
    },
    Case {
        provider: "github",
        source: "GitHub REST API, rate limits: seconds since 1970",
        headers: &[
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795576095"),
        ],
        body: "",
        expected_ms: Some(60_000),
    },
    Case {
        provider: "anyone",
        source: "a sentence for people, in two units and with a capital",
        headers: &[],
        body: "Too many requests. Try again in 1 minute and 20 seconds.",
        expected_ms: Some(80_000),
    },
    Case {
        provider: "anyone",
        source: "a sentence that only asks to wait",
        headers: &[],
        body: "Please wait and try again later. Wait 20 seconds at least.",
        expected_ms: Some(20_000),
    },
    Case {
        provider: "anyone",
        source: "failures, section on hints: an hour at most",
        headers: &[("retry-after", "86400")],
        body: "",
        expected_ms: Some(3_600_000),
    },
];

#[test]
fn every_form_of_every_provider_is_read() {
    for case in CASES {
        let find = |name: &str| {
            let found = case.headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        };
        let body = (!case.body.is_empty()).then_some(case.body.as_bytes());
        let expected = case
            .expected_ms
            .map(|millis| Hint::After(Duration::from_millis(millis)));
        let found = read(find, body, NOW).map(|hint| match hint {
            // The cases are written in whole milliseconds.
            Hint::After(wait) => Hint::After(Duration::from_millis(
                u64::try_from(wait.as_millis()).unwrap(),
            )),
            Hint::Never => Hint::Never,
        });
        assert_eq!(found, expected, "{}: {}", case.provider, case.source);
    }
}

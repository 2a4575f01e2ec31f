"""What goes wrong in an answer: the drill plays it, the gateway names it, whole and streamed."""

import openai
import pytest
from processes import Drill, Gateway

# Fault of the drill's catalogue, and the code of failures.md by which the caller is told.
WHOLE = {
    "html-502": "bad_gateway",
    "awselb-502": "bad_gateway",
    "cloudflare-520": "edge_origin_unreachable",
    "cloudflare-1015": "rate_limited",
    "envoy-no-healthy-upstream": "no_healthy_backend",
    "envoy-overloaded": "upstream_overloaded",
    "maintenance-503": "scheduled_maintenance",
    "service-unavailable": "service_unavailable",
    "awselb-504": "upstream_gateway_timeout",
    "request-timeout-408": "upstream_gateway_timeout",
    "openai-overloaded": "upstream_overloaded",
    "openai-internal-error": "internal_error",
    "openai-insufficient-quota": "quota_exhausted",
    "openai-billing-hard-limit": "quota_exhausted",
    "openai-invalid-key": "credentials_rejected",
    "openai-permission-denied": "permission_denied",
    "openai-region-blocked": "region_blocked",
    "openai-model-not-found": "model_not_found",
    "groq-model-decommissioned": "model_retired",
    "openai-context-length": "context_length_exceeded",
    "openai-content-policy": "content_filtered",
    "openai-invalid-request": "invalid_request",
    "openai-request-too-large": "request_too_large",
    "openrouter-error-in-200": "bad_gateway",
    "nginx-404": "endpoint_not_found",
    "nginx-plain-to-https": "plaintext_to_tls_port",
    "redirect-login": "unexpected_redirect",
    "html-200": "unexpected_content_type",
    "html-as-json": "unexpected_content_type",
    "empty-200": "invalid_body",
    "cut-json": "invalid_body",
    "wrong-shape-200": "invalid_body",
    "null-200": "invalid_body",
    "error-in-200": "internal_error",
    "bad-gzip": "decode_error",
    "truncated-gzip": "decode_error",
    "ssh-banner": "not_http",
    "http2-settings": "not_http",
    "tls-alert": "plaintext_to_tls_port",
    "bad-status-line": "protocol_error",
    "length-differing": "protocol_error",
    "length-with-chunked": "protocol_error",
    "chunk-bad-size": "protocol_error",
    "control-byte": "protocol_error",
    "huge-header": "response_header_too_large",
    "many-headers": "response_header_too_large",
    "length-too-large": "response_truncated",
    "close-mid-body": "response_truncated",
    "reset-mid-body": "response_reset",
    "reset-before-head": "connection_reset",
    "close-before-head": "connection_closed",
    "stall-before-head": "response_header_timeout",
    "stall-mid-body": "stream_idle_timeout",
}
# Faults of the request itself come as the provider tells them.
VERBATIM = {"invalid_request", "context_length_exceeded", "request_too_large", "content_filtered"}
# Before the first content event a stream's failure is an ordinary answer with a status.
STREAM_START = {
    "stream-empty": "stream_incomplete",
    "stream-comments-only": "stream_incomplete",
    "stream-error-first": "internal_error",
    "html-502": "bad_gateway",
    "stall-before-content": "first_token_timeout",
    "pings-only": "first_token_timeout",
    "close-after-head": "response_truncated",
}
# After it the stream ends with an error event and never as if it were complete.
STREAM_MIDDLE = {
    "stream-no-terminal": "stream_incomplete",
    "stream-malformed-json": "stream_malformed",
    "stream-invalid-utf8": "stream_malformed",
    "stream-error-mid": "stream_error_event",
    "stream-error-object": "stream_error_event",
    "stream-html-mid": "stream_malformed",
    "stall-after-event": "stream_idle_timeout",
    "reset-after-event": "response_reset",
    "close-after-event": "response_truncated",
}
# Odd, but legal: the caller notices nothing.
LEGAL_WHOLE = ["chunk-extensions", "chunk-trailers", "bare-lf", "continue-first", "early-hints", "no-reason", "http10",
               "close-delimited", "gzip", "leading-space", "keep-alive-close-after", "drip-body"]  # fmt: skip
LEGAL_STREAM = ["stream-comments", "stream-crlf", "drip-body", "chunk-extensions", "close-delimited"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """One attempt a call, short timers, and a provider for each fault, since some ask to be left alone for a while."""
    folder = tmp_path_factory.mktemp("answers")
    script = folder / "script.json"
    # So slow that what precedes a break in a stream has been delivered when it comes.
    script.write_text('{"pace_ms": 30}')
    drill = Drill(folder / "drill", "--script", script)
    names = sorted({*WHOLE, *STREAM_START, *STREAM_MIDDLE, *LEGAL_WHOLE, *LEGAL_STREAM})
    lines = ["providers:"]
    lines += [
        f'  {name}: {{ type: openai-compatible, base_url: "{drill.url}/v1", api_key: sk-drill }}' for name in names
    ]
    lines.append("resilience:")
    lines.append("  timeout: { response_header: 1s, first_token: 2500ms, idle: 4s }")
    lines.append("  retry: { max_attempts: 1 }")
    gateway = Gateway(folder / "gateway", config="\n".join(lines) + "\n")
    yield gateway
    gateway.stop()
    drill.stop()


@pytest.mark.parametrize("fault", WHOLE)
def test_a_bad_answer_has_its_name(gateway, fault):
    answer = gateway.chat(f"{fault}/fault:{fault}", timeout=30)
    assert answer.status_code >= 400, answer.text
    assert answer.headers["x-goodgate-code"] == WHOLE[fault], answer.text
    assert answer.headers["x-goodgate-outcome"] in ("failed", "refused")
    assert answer.status_code not in (401, 403), "those would make the caller change a key of its own"
    assert len(answer.content) <= 2048 + 64
    error = answer.json()["error"]
    if "goodgate" not in error:
        assert WHOLE[fault] in VERBATIM, "only what the caller can mend is told in the provider's own words"
        return
    told = error["goodgate"]
    assert told["code"] == WHOLE[fault]
    assert len(told["attempts"]) == 1 and told["attempts"][0]["code"] == told["code"]
    assert told["fix"]


@pytest.mark.parametrize("fault", STREAM_START)
def test_a_stream_that_fails_before_its_first_word_has_a_status(gateway, fault):
    answer = gateway.chat(f"{fault}/fault:{fault}", stream=True, timeout=30)
    assert answer.status_code in (502, 504), answer.text
    assert answer.json()["error"]["goodgate"]["code"] == STREAM_START[fault], answer.text
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize("fault", STREAM_MIDDLE)
def test_a_stream_that_breaks_raises_and_never_looks_complete(gateway, fault):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)
    text, finished = "", False
    with pytest.raises(openai.APIError) as caught:
        for chunk in client.chat.completions.create(
            model=f"{fault}/fault:{fault}",
            messages=[{"role": "user", "content": "several words to stream"}],
            stream=True,
        ):
            text += chunk.choices[0].delta.content or ""
            finished = finished or bool(chunk.choices[0].finish_reason)
    assert text, "what came before the break was delivered"
    assert not finished
    told = caught.value.body["goodgate"]
    assert told["code"] == STREAM_MIDDLE[fault], caught.value.body
    assert told["output_sent"] is True
    assert told["request_id"] in str(caught.value)
    raw = gateway.chat(f"{fault}/fault:{fault}", stream=True, timeout=30)
    assert raw.status_code == 200 and "[DONE]" not in raw.text


@pytest.mark.parametrize("fault", LEGAL_WHOLE)
def test_what_is_odd_but_legal_is_an_answer(gateway, fault):
    answer = gateway.chat(f"{fault}/fault:{fault}", "good morning", timeout=30)
    assert answer.status_code == 200, answer.text
    assert "good morning" in answer.json()["choices"][0]["message"]["content"]
    assert answer.headers["x-goodgate-outcome"] == "ok"


@pytest.mark.parametrize("fault", LEGAL_STREAM)
def test_what_is_odd_but_legal_is_a_stream(gateway, fault):
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)
    chunks = client.chat.completions.create(
        model=f"{fault}/fault:{fault}", messages=[{"role": "user", "content": "good morning"}], stream=True
    )
    assert "good morning" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_the_causes_are_more_than_twenty_five():
    assert len({*WHOLE.values(), *STREAM_START.values(), *STREAM_MIDDLE.values()}) >= 25

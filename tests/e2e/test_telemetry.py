"""Traces as OpenTelemetry's own classes read them, metrics as Prometheus' own client does: names, shapes, bounds."""

import math
import pathlib
import re

import httpx
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from processes import ROOT, Drill, Gateway
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

PROMPT = "a question that belongs into no span"
TRACE, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def two_targets(start, more=""):
    """A gateway between a target that answers 502 and one that is well."""
    primary, backup = start(Drill, "primary", "--fault", "html-502"), start(Drill, "backup")
    config = f"""
providers:
  primary: {{ type: openai-compatible, base_url: "{primary.url}/v1", api_key: sk-primary-0123456789 }}
  backup: {{ type: openai-compatible, base_url: "{backup.url}/v1", api_key: sk-backup-0123456789 }}
models:
  smart: {{ targets: [primary/gpt-5-mini, backup/qwen3] }}
{more}
"""
    return start(Gateway, config=config), primary, backup


# traces


def spans_of(collector):
    """All spans that a collector has got, each with its attributes as a dictionary; strict about the request."""
    found = []
    for method, path, headers, body in collector.seen:
        assert (method, path, headers["content-type"]) == ("POST", "/v1/traces", "application/x-protobuf")
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        assert request.ByteSize() == len(body), "nothing is written that has no place"
        for resource in request.resource_spans:
            about = attributes(resource.resource)
            assert about["service.name"] == "goodgate" and about["service.version"]
            for scope in resource.scope_spans:
                assert all(len(UnknownFieldSet(span)) == 0 for span in scope.spans), "every field is known"
                found += scope.spans
    return found


def attributes(holder):
    """Attributes as a dictionary; none twice."""
    pairs = [(one.key, getattr(one.value, one.value.WhichOneof("value"))) for one in holder.attributes]
    assert len(pairs) == len(dict(pairs)), pairs
    return dict(pairs)


def test_a_call_is_one_span_with_one_below_it_for_each_attempt(start, upstream):
    gateway, primary, backup = two_targets(start, f'telemetry: {{ otlp: "{upstream.url}" }}')
    headers = {"traceparent": f"00-{TRACE}-{CALLERS_SPAN}-01"}
    answer = gateway.chat("smart", PROMPT, headers=headers)
    assert answer.headers["x-goodgate-outcome"] == "recovered"
    attempts = int(answer.headers["x-goodgate-attempts"])
    gateway.until(lambda: len(spans_of(upstream)) == attempts + 1, "the spans")

    spans = spans_of(upstream)
    assert {span.trace_id.hex() for span in spans} == {TRACE}, "the caller's trace goes on"
    (call,) = (span for span in spans if span.kind == Span.SPAN_KIND_SERVER)
    tried = sorted((span for span in spans if span is not call), key=lambda span: span.start_time_unix_nano)
    assert call.parent_span_id.hex() == CALLERS_SPAN and call.name == "POST /v1/chat/completions"
    assert len({span.span_id for span in spans}) == attempts + 1

    facts = attributes(call)
    assert facts["goodgate.request_id"] == answer.headers["x-request-id"]
    assert facts["goodgate.outcome"] == "recovered" and facts["goodgate.attempts"] == attempts
    assert (facts["gen_ai.operation.name"], facts["gen_ai.request.model"]) == ("chat", "smart")
    assert (facts["http.request.method"], facts["http.response.status_code"]) == ("POST", 200)
    assert facts["gen_ai.usage.input_tokens"] > 0 and facts["gen_ai.usage.output_tokens"] > 0
    assert call.status.code == Status.STATUS_CODE_UNSET, "the caller was served"

    for n, span in enumerate(tried, start=1):
        facts = attributes(span)
        assert span.kind == Span.SPAN_KIND_CLIENT and span.parent_span_id == call.span_id
        assert facts["goodgate.attempt"] == n and facts["gen_ai.operation.name"] == "chat"
        assert call.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= call.end_time_unix_nano + 1_000_000
    *failed, served = tried
    for span in failed:
        facts = attributes(span)
        assert span.status.code == Status.STATUS_CODE_ERROR and facts["error.type"] == "bad_gateway"
        assert (facts["goodgate.target"], facts["http.response.status_code"]) == ("primary/gpt-5-mini", 502)
        assert span.name == "chat gpt-5-mini" and facts["gen_ai.request.model"] == "gpt-5-mini"
    facts = attributes(served)
    assert (served.name, facts["goodgate.target"], facts["goodgate.next"]) == ("chat qwen3", "backup/qwen3", "served")
    assert facts["gen_ai.usage.output_tokens"] > 0 and served.status.code == Status.STATUS_CODE_UNSET

    # Each upstream was told the attempt's own span as its parent.
    told = [request["headers"] for drill in (primary, backup) for request in drill.requests(method="POST")]
    parents = {headers["traceparent"] for headers in told}
    assert parents == {f"00-{TRACE}-{span.span_id.hex()}-01" for span in tried}


def test_a_failure_is_an_error_and_no_span_tells_prompts_keys_or_addresses(start, upstream):
    gateway, primary, _ = two_targets(start, f'''
  only: {{ targets: [primary/gpt-5-mini] }}
telemetry: {{ otlp: "{upstream.url}" }}
''')
    primary.kill()
    failed = gateway.chat("only", PROMPT)
    refused = gateway.chat("no/such-model", PROMPT)
    assert (failed.status_code, refused.status_code) == (502, 404)
    calls = {answer.headers["x-request-id"]: answer for answer in (failed, refused)}

    def both():
        ends = [span for span in spans_of(upstream) if span.kind == Span.SPAN_KIND_SERVER]
        return len(ends) == 2 and {attributes(span)["goodgate.request_id"]: span for span in ends}

    ended = gateway.until(both, "both calls' spans")
    assert set(ended) == set(calls)
    span = ended[failed.headers["x-request-id"]]
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == failed.json()["error"]["code"] == "connection_refused"
    assert not span.parent_span_id and int(span.trace_id.hex(), 16) != 0
    span = ended[refused.headers["x-request-id"]]
    assert span.status.code == Status.STATUS_CODE_UNSET, "the caller's own fault is no error of the server's"
    assert attributes(span)["error.type"] == "no_route"

    sent = b"".join(body for _, _, _, body in upstream.seen)
    for secret in (PROMPT, "sk-primary", "sk-backup", gateway.key, "127.0.0.1", primary.host):
        assert secret.encode() not in sent, secret


# metrics

# Those of what this version has; hedging, budgets and continuation come with their parts.
EXPECTED = {
    "goodgate_requests_total": {"outcome"},
    "goodgate_recovered_total": set(),
    "goodgate_failures_total": {"group", "code", "target", "phase", "visible"},
    "goodgate_attempts_total": {"target", "outcome"},
    "goodgate_retries_total": {"reason", "result"},
    "goodgate_breaker_state": {"target", "level"},
    "goodgate_inflight": {"phase"},
    "goodgate_first_token_seconds_bucket": {"target", "le"},
    "gen_ai_client_operation_duration_seconds_count": {
        "gen_ai_operation_name",
        "gen_ai_provider_name",
        "gen_ai_request_model",
        "goodgate_target",
        "error_type",
    },
}


def scrape(gateway, accept):
    """The metrics as the client of this format asks for them."""
    answer = httpx.get(f"{gateway.url}/metrics", headers={"accept": accept}, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer


def by_name(families):
    """Samples by their names."""
    samples = {}
    for family in families:
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    return samples


def documented():
    """The names in the reference."""
    page = pathlib.Path(ROOT / "docs" / "reference" / "metrics.md").read_text()
    return set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def test_prometheus_reads_every_metric_in_both_formats(start):
    gateway, _, _ = two_targets(start)
    calls = [gateway.chat("smart"), gateway.chat("smart", stream=True), gateway.chat("no/such-model")]
    ids = {answer.headers["x-request-id"] for answer in calls}

    def counted():
        samples = by_name(read_text(scrape(gateway, "text/plain").text))
        return sum(sample.value for sample in samples.get("goodgate_requests_total", [])) == 3 and samples

    samples = gateway.until(counted, "three calls in the metrics")
    for name, labels in EXPECTED.items():
        assert {frozenset(sample.labels) for sample in samples[name]} == {frozenset(labels)}, name
    outcomes = {sample.labels["outcome"]: sample.value for sample in samples["goodgate_requests_total"] if sample.value}
    assert outcomes == {"recovered": 2, "refused": 1}
    hits = [sample for sample in samples["goodgate_failures_total"] if sample.labels["code"] == "bad_gateway"]
    assert {(hit.labels["target"], hit.labels["visible"]) for hit in hits} == {("primary/gpt-5-mini", "false")}

    # Histograms add up: cumulative, and the last bucket is the count.
    for name in (name for name in samples if name.endswith("_bucket")):
        series = {}
        for sample in samples[name]:
            key = tuple(sorted((label, value) for label, value in sample.labels.items() if label != "le"))
            series.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        counts = {
            tuple(sorted(sample.labels.items())): sample.value
            for sample in samples[name.removesuffix("_bucket") + "_count"]
        }
        for key, buckets in series.items():
            buckets.sort()
            values = [value for _, value in buckets]
            assert values == sorted(values) and buckets[-1] == (math.inf, counts[key]), (name, key)

    answer = scrape(gateway, "application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    open_samples = by_name(read_openmetrics(answer.text))
    assert set(EXPECTED) <= set(open_samples)
    exemplars = [
        sample.exemplar.labels for group in open_samples.values() for sample in group if sample.exemplar is not None
    ]
    assert exemplars and {value for labels in exemplars for value in labels.values()} <= ids, "they lead to calls"

    # What the program has and what the reference tells are the same.
    suffixes = re.compile(r"_(bucket|count|sum)$")
    there = {name if name in documented() else suffixes.sub("", name) for name in samples}
    assert there <= documented(), there - documented()


def test_names_that_callers_make_up_make_no_series(start):
    gateway, _, _ = two_targets(start)
    for n in range(30):
        gateway.chat(f"primary/made-up-{n}", headers={"x-goodgate-max-attempts": "1"})
        gateway.chat(f"nobody/made-up-{n}")

    def counted():
        samples = by_name(read_text(scrape(gateway, "text/plain").text))
        return sum(sample.value for sample in samples.get("goodgate_requests_total", [])) == 60 and samples

    samples = gateway.until(counted, "sixty calls in the metrics")
    values = {value for group in samples.values() for sample in group for value in sample.labels.values()}
    assert not [value for value in values if "made-up" in value]
    assert any(sample.labels["target"] == "primary/(others)" or sample.labels["target"] == "(others)"
               for sample in samples["goodgate_attempts_total"]), samples["goodgate_attempts_total"]

"""The pages that people see first: live requests, the waterfall, and the empty state."""

from browser import look, needs_the_ui, printed_link
from processes import Drill, Gateway


def test_an_empty_gateway_shows_how_to_make_the_first_call(start, node, tmp_path):
    needs_the_ui()
    gateway = start(Gateway, "empty")
    seen = look(node, tmp_path / "profile", [{"url": printed_link(gateway), "text": "first call", "file": "empty.png"}])
    page = seen["seen"][0]["text"]
    assert f"{gateway.url}/v1" in page, "the snippet has the real base URL"
    assert seen["complaints"] == [] and seen["foreign"] == []


def test_calls_appear_with_outcome_and_attempts(start, node, tmp_path):
    needs_the_ui()
    gateway = start(Gateway, "busy")
    for model in ("demo/echo", "demo/flaky-502", "demo/down", "demo/html-502", "no/such-model", "first"):
        gateway.chat(model)
    seen = look(
        node,
        tmp_path / "profile",
        [
            {"url": printed_link(gateway), "text": "demo/flaky-502", "file": "requests-busy.png"},
            {"url": f"{gateway.url}/ui/requests", "text": "recovered", "file": "requests-dark.png", "dark": True},
            {"click": "demo/flaky-502", "text": "bad_gateway", "file": "request-recovered.png"},
        ],
    )
    page = seen["seen"][0]["text"].lower()
    for word in ("recovered", "failed", "refused"):
        assert word in page, page
    assert "/ui/requests/req_" in seen["seen"][2]["url"]
    assert seen["complaints"] == []


def test_without_a_cookie_no_page_tells_anything(start, node, tmp_path):
    needs_the_ui()
    gateway = start(Gateway, "closed")
    gateway.chat("demo/echo", "a secret question")
    seen = look(node, tmp_path / "profile", [{"url": f"{gateway.url}/ui/requests"}])
    assert "demo/echo" not in seen["seen"][0]["text"]


TWO = """
providers:
  primary: { type: openai-compatible, base_url: %s/v1, api_key: sk-primary-0123456789 }
  backup: { type: openai-compatible, base_url: %s/v1, api_key: sk-backup-0123456789 }
models:
  smart: { targets: [primary/gpt-5-mini, backup/qwen3] }
  solo: { targets: [backup/qwen3] }
resilience: { circuit_breaker: { open: 30m, max_open: 1h } }
"""


def test_the_providers_page_tells_who_is_sick_and_takes_a_provider_out_of_use(start, node, tmp_path):
    needs_the_ui()
    primary = start(Drill, "primary", "--fault", "html-502")
    backup = start(Drill, "backup")
    gateway = start(Gateway, "two", config=TWO % (primary.url, backup.url))
    for _ in range(8):
        assert gateway.chat("smart").status_code == 200
    page = f"{gateway.url}/ui/providers"
    seen = look(
        node,
        tmp_path / "profile",
        [
            {"url": printed_link(gateway), "text": "smart"},
            {"url": page, "text": "failing", "file": "providers.png"},
            {"press": ["primary"], "text": "What went wrong", "file": "providers-shown.png"},
            {"press": ["Drain backup"], "text": "Nothing else serves solo", "file": "providers-drain.png"},
            {"press": ["Drain"], "text": "Out of use by hand", "file": "providers-drained.png"},
            {"url": page, "press": ["Resume backup"], "text": "back into use"},
            {"press": ["Resume"], "text": "in trouble"},
        ],
    )["seen"]
    shown = seen[2]["text"]
    assert "bad_gateway" in shown and "inc_0001" in shown, "what went wrong, and the incident"
    assert "?show=primary" in seen[2]["url"]
    assert "1 out of use" in seen[4]["text"]
    assert gateway.admin("/api/v1/providers").json()["providers"][1]["drained"] == []

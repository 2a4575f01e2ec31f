"""The pages that people see first: live requests, the waterfall, and the empty state."""

from browser import look, needs_the_ui, printed_link
from processes import Gateway


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

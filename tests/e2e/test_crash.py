"""A failed call, a crash two seconds later, a restart: everyone still tells the same story."""

import json
import re
import threading

import openai
import pytest
from browser import look, needs_the_ui, printed_link
from processes import Gateway


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """What the caller was told, and the gateway that came up again on the same state."""
    gateway = Gateway(tmp_path_factory.mktemp("crash"))
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="demo/down", messages=[{"role": "user", "content": "hi"}])
    # Two seconds are what is promised to be enough; the wait is the promise itself.
    threading.Event().wait(2)
    gateway.kill()
    again = gateway.restart()
    yield caught.value.body["goodgate"], again
    again.stop()


def numbers(attempts):
    """What must agree."""
    return [(a["n"], a["target"], a["code"], a["ms"], a["next"]) for a in attempts]


def test_the_api_tells_the_same(crashed):
    told, gateway = crashed
    stored = gateway.admin(f"/api/v1/requests/{told['request_id']}")
    assert stored.status_code == 200, stored.text
    call = stored.json()["request"]
    assert numbers(call["attempts"]) == numbers(told["attempts"])
    assert (call["outcome"], call["code"]) == ("failed", told["code"])


def test_the_command_line_tells_the_same(crashed):
    told, gateway = crashed
    text = gateway.explain(told["request_id"])
    assert told["code"] in text
    for n, target, _code, ms, advice in numbers(told["attempts"]):
        # What an attempt showed goes on in lines that are set in below it.
        shown = re.search(rf"^\s*{n}\s+{re.escape(target)}\b.*(?:\n {{40,}}.*)*", text, re.MULTILINE)
        assert shown, f"attempt {n} is missing in\n{text}"
        assert re.search(rf"\b{ms} ms\b", shown[0]), f"{ms} ms is missing in {shown[0]}"
        assert advice in shown[0].replace(" ", "_"), f"{advice} is missing in {shown[0]}"


def test_its_json_tells_the_same(crashed):
    told, gateway = crashed
    rows = json.loads(gateway.cli("explain", told["request_id"], "--json").stdout)
    rows = rows.get("request", rows)
    assert numbers(rows["attempts"]) == numbers(told["attempts"])


def test_the_page_tells_the_same(crashed, node, tmp_path):
    needs_the_ui()
    told, gateway = crashed
    page_of = f"{gateway.url}/ui/requests/{told['request_id']}"
    seen = look(
        node,
        tmp_path / "profile",
        [
            {"url": printed_link(gateway), "text": "Requests"},
            {"url": f"{gateway.url}/ui/requests", "text": "demo/down", "file": "requests.png"},
            {"url": page_of, "text": told["request_id"], "file": "request.png"},
            {"url": page_of, "text": told["request_id"], "file": "request-dark.png", "dark": True},
            {"url": page_of, "text": told["request_id"], "file": "request-narrow.png", "width": 480},
        ],
    )
    assert seen["complaints"] == []
    assert seen["foreign"] == [], "the UI asks nobody but the gateway"
    page = seen["seen"][2]["text"]
    assert told["code"] in page
    for n, target, code, ms, advice in numbers(told["attempts"]):
        assert target in page and code in page
        assert re.search(rf"\b{ms} ms\b", page), f"{ms} ms of attempt {n} is missing in\n{page}"
        assert advice in page.replace(" ", "_"), f"{advice} of attempt {n} is missing in\n{page}"
    (cookie,) = [cookie for cookie in seen["cookies"] if "goodgate" in cookie["name"].lower()] or seen["cookies"][:1]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"


def test_the_link_works_once(crashed, node, tmp_path):
    needs_the_ui()
    _, gateway = crashed
    link = printed_link(gateway)
    look(node, tmp_path / "first", [{"url": link}])
    second = look(node, tmp_path / "second", [{"url": link}])
    assert second["cookies"] == [], "a link that was used opens nothing any more"

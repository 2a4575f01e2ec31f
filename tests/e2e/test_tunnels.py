"""WebSocket through plain routes, by a real client: messages both ways, refusals, and closes that say who closed."""

import pytest
from processes import Drill, Gateway
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect


@pytest.fixture
def chat(start):
    """A gateway before a drill that speaks WebSocket."""
    drill = start(Drill, "drill")
    config = f"""
routes:
  chat: {{ match: {{ path: /chat/** }}, upstreams: ["{drill.url}"] }}
"""
    return start(Gateway, "chat", config=config)


def dial(gateway, path, **more):
    headers = {"authorization": f"Bearer {gateway.key}"}
    url = f"ws://{gateway.host}/chat{path}"
    return connect(url, additional_headers=headers, open_timeout=30, proxy=None, **more)


def test_messages_of_all_sizes_come_back_and_the_close_is_in_order(chat):
    with dial(chat, "/ws/echo", subprotocols=["talk"], max_size=None) as socket:
        assert socket.subprotocol == "talk"
        for size in (0, 1, 125, 126, 65_535, 65_536, 3_000_000):
            socket.send("x" * size)
            assert socket.recv(timeout=60) == "x" * size
        socket.send(b"\0\1\2")
        assert socket.recv(timeout=60) == b"\0\1\2"
        assert socket.ping().wait(timeout=60)
    assert socket.close_code == 1000


def test_a_handshake_that_fails_is_tried_again_and_a_refusal_is_the_upstreams(chat):
    with dial(chat, "/flaky/2/ws/echo") as socket:
        assert socket.response.headers["x-goodgate-attempts"] == "3"
        socket.send("hello")
        assert socket.recv(timeout=60) == "hello"
    with pytest.raises(InvalidStatus) as refused:
        dial(chat, "/ws/refuse")
    assert refused.value.response.status_code == 403


def test_a_cut_is_seen_as_a_cut(chat):
    with dial(chat, "/ws/cut") as socket:
        socket.send("hello")
        assert socket.recv(timeout=60) == "hello"
        with pytest.raises(ConnectionClosedError):
            socket.recv(timeout=60)

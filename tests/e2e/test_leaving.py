"""A client that leaves in the middle of a stream: the provider is told at once, and what was used is kept."""

import socket
import time

from processes import Drill, Gateway


def test_the_upstream_call_ends_within_a_tenth_of_a_second_and_its_usage_is_stored(start):
    drill = start(Drill)
    config = f'providers:\n  far: {{ type: openai-compatible, base_url: "{drill.url}/v1", api_key: sk-drill }}\n'
    gateway = start(Gateway, config=config)
    body = (
        b'{"model":"far/slow","stream":true,"messages":[{"role":"user","content":"many words to be streamed slowly"}]}'
    )
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {gateway.host}\r\nAuthorization: Bearer {gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as client:
        client.sendall(head.encode() + body)
        received = b""
        while received.count(b'"content":"') < 3:
            block = client.recv(65536)
            assert block, received
            received += block
        left = time.time() * 1000
    entry = drill.wait_for(lambda seen: next((e for e in seen if e["client_closed_at"]), None), "close of its client")
    assert 0 <= entry["client_closed_at"] - left + 5 <= 105, "the drill saw the close within 100 ms"
    assert entry["finished"] is False
    request_id = next(
        line.split(b": ")[1].decode() for line in received.split(b"\r\n") if line.lower().startswith(b"x-request-id")
    )

    call = gateway.stored(request_id)["request"]
    assert call["outcome"] == "cancelled"
    assert (call["usage"]["output"] or 0) > 0, call["usage"]
    assert gateway.chat("far/echo").status_code == 200

"""A plain HTTP server inside the tests: for upstreams that are no model provider."""

import http.server
import json
import threading


class Upstream:
    """Answers each request by `self.answer(handler, n)`, n counting from 1; remembers what it was asked."""

    def __init__(self):
        self.seen = []
        self.lock = threading.Lock()
        self.answer = lambda request, _n: request.reply(200, {"ok": True})
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, body, content_type="application/json"):
                """Sends a whole answer."""
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def handle_any(self):
                """Reads the request and lets the test answer it."""
                length = int(self.headers.get("content-length") or 0)
                self.body = self.rfile.read(length)
                with outer.lock:
                    outer.seen.append((self.command, self.path, dict(self.headers), self.body))
                    n = len(outer.seen)
                outer.answer(self, n)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = handle_any

            def log_message(self, *_):
                """Keeps quiet."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        """Stops listening: whoever calls now is refused."""
        self.server.shutdown()
        self.server.server_close()

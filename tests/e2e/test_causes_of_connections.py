"""What goes wrong before an answer begins: each provoked on a real socket, each told by its own name."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from processes import Gateway, free_port

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority of these tests."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name} authority")])
        self.certificate = (
            self.builder(self.subject, NOW - DAY, NOW + DAY, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.file = folder / f"{name}-ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def builder(self, subject, start, end, key):
        """What all certificates have."""
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
        )

    def server(self, label, names, start=NOW - DAY, end=NOW + DAY):
        """A server's side of TLS with a certificate for `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, label)])
        certificate = (
            self.builder(subject, start, end, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / f"{label}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


class Listener:
    """Accepts connections and does one thing to each."""

    def __init__(self, act):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.held = []
        threading.Thread(target=self.run, args=(act,), daemon=True).start()

    def run(self, act):
        """Until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self.one, args=(act, connection), daemon=True).start()

    def one(self, act, connection):
        """One connection; what `act` leaves open is held open."""
        self.held.append(connection)
        with contextlib.suppress(OSError, ssl.SSLError):
            act(connection)


def reset(connection):
    """Reads the request, then aborts."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection):
    """Reads the request, then leaves without a word."""
    connection.recv(65536)
    connection.close()


def say(data):
    """Reads the request, sends bytes, leaves."""

    def act(connection):
        connection.recv(65536)
        connection.sendall(data)
        connection.close()

    return act


def tls(context, act=lambda connection: connection.recv(1)):
    """Does the handshake first."""

    def wrapped(connection):
        with context.wrap_socket(connection, server_side=True) as secured:
            act(secured)

    return wrapped


def full_backlog():
    """A port whose queue is full: further SYNs are dropped, as by a firewall."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    return listener, fillers


OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

# Each case: the code of failures.md, and a word that its evidence must show.
CASES = {
    "refused": ("connection_refused", None),
    "black-hole": ("connection_timeout", None),
    "no-such-name": ("dns_name_not_found", None),
    "reset": ("connection_reset", None),
    "closed": ("connection_closed", None),
    "silent": ("response_header_timeout", None),
    "silent-tls": ("tls_handshake_timeout", None),
    "expired": ("tls_cert_expired", None),
    "other-name": ("tls_cert_name_mismatch", "other.example"),
    "stranger": ("tls_cert_untrusted", None),
    "wants-certificate": ("tls_handshake_failure", None),
    "plain-behind-https": ("tls_to_plaintext_port", None),
    "tls-behind-http": ("plaintext_to_tls_port", None),
    "ssh": ("not_http", "SSH"),
    "bad-status-line": ("protocol_error", None),
    "two-lengths": ("protocol_error", None),
    "half-body": ("response_truncated", None),
    "empty": ("invalid_body", None),
    "page": ("unexpected_content_type", "web page"),
    "redirect": ("unexpected_redirect", "login.example"),
    "bad-gzip": ("decode_error", None),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """One gateway with a provider for each kind of trouble, one attempt a call and short timers."""
    folder = tmp_path_factory.mktemp("connections")
    ours, stranger = Authority(folder, "ours"), Authority(folder, "stranger")
    here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    demanding = ours.server("demanding", here)
    demanding.verify_mode = ssl.CERT_REQUIRED
    demanding.load_verify_locations(ours.file)
    expired = ours.server("expired", here, NOW - 3 * DAY, NOW - 2 * DAY)
    other = ours.server("other", [x509.DNSName("other.example")])
    html = b"<!doctype html><html><head><title>Sign in</title></head></html>"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    acts = {
        "reset": reset,
        "closed": close,
        "silent": lambda connection: connection.recv(65536),
        "silent-tls": lambda connection: connection.recv(65536),
        "expired": tls(expired),
        "other-name": tls(other),
        "stranger": tls(stranger.server("stranger", here)),
        "wants-certificate": tls(demanding),
        "plain-behind-https": say(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
        # What a TLS server says to plain text: a fatal alert, unexpected_message.
        "tls-behind-http": say(bytes([0x15, 3, 1, 0, 2, 2, 10])),
        "ssh": say(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
        "bad-status-line": say(b"HTTP/1.1 abc Nonsense\r\n\r\n"),
        "two-lengths": say(head + b"content-length: 2\r\ncontent-length: 5\r\n\r\n{}"),
        "half-body": say(head + b'content-length: 500\r\n\r\n{"id":'),
        "empty": say(head + b"content-length: 0\r\n\r\n"),
        "page": say(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: "
            + str(len(html)).encode()
            + b"\r\n\r\n"
            + html
        ),
        "redirect": say(b"HTTP/1.1 302 Found\r\nlocation: https://login.example/sso\r\ncontent-length: 0\r\n\r\n"),
        "bad-gzip": say(head + b"content-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello"),
    }
    listeners = {name: Listener(act) for name, act in acts.items()}
    urls = {name: f"http://127.0.0.1:{listener.port}/v1" for name, listener in listeners.items()}
    for name in ("silent-tls", "expired", "other-name", "stranger", "wants-certificate", "plain-behind-https"):
        urls[name] = urls[name].replace("http://", "https://")
    blocked, fillers = full_backlog()
    urls["black-hole"] = f"http://127.0.0.1:{blocked.getsockname()[1]}/v1"
    urls["refused"] = f"http://127.0.0.1:{free_port()}/v1"
    urls["no-such-name"] = "http://no-such-name.invalid/v1"
    lines = ["providers:"]
    for name, url in urls.items():
        trust = f", tls: {{ ca_file: {ours.file} }}" if url.startswith("https") else ""
        lines.append(f'  {name}: {{ type: openai-compatible, base_url: "{url}", api_key: k{trust} }}')
    lines.append("resilience:")
    lines.append("  timeout: { connect: 700ms, tls: 700ms, response_header: 700ms }")
    lines.append("  retry: { max_attempts: 1 }")
    gateway = Gateway(folder / "gateway", config="\n".join(lines) + "\n")
    yield gateway
    gateway.stop()
    for listener in listeners.values():
        listener.socket.close()
    for filler in [blocked, *fillers]:
        filler.close()


@pytest.mark.parametrize("case", CASES)
def test_each_trouble_has_its_own_name_and_page(gateway, case):
    code, word = CASES[case]
    if case == "no-such-name":
        # Without a resolver at all (a sealed machine) the name cannot even be asked for.
        codes = {code, "dns_failure"}
    else:
        codes = {code}
    answer = gateway.chat(f"{case}/m", timeout=30)
    error = answer.json()["error"]
    told = error["goodgate"]
    assert told["code"] in codes, answer.text
    assert answer.status_code in (502, 504)
    assert answer.headers["x-goodgate-code"] == told["code"]
    assert told["request_id"] in error["message"]
    assert told["fix"], "every failure says what to do"
    (attempt,) = told["attempts"]
    assert attempt["code"] == told["code"] and attempt["target"] == f"{case}/m"
    if word:
        assert word in attempt["evidence"], attempt
    page = gateway.cli("explain", told["code"]).stdout
    assert told["code"] in page
    told_again = gateway.explain(told["request_id"])
    assert told["code"] in told_again and f"{case}/m" in told_again


def test_the_causes_are_many(gateway):
    assert len({code for code, _ in CASES.values()}) >= 19

"""The programs under test and beside them, each as a real process: the gateway, the drill, the real model.

Nothing here waits by sleeping: a process is ready when it says so on a pipe or in an answer.
"""

import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import time

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("GOODGATE_BIN", ROOT / "target" / "debug" / "goodgate"))
MODEL_DIR = pathlib.Path(os.environ.get("GOODGATE_MODEL_DIR", ROOT / "target" / "local-model"))
E2E_DIR = pathlib.Path(os.environ.get("GOODGATE_E2E_DIR", ROOT / "target" / "e2e"))
START_SECONDS = 30

# No test depends on what the person's shell happens to have, and no key of theirs is ever used.
FOREIGN = re.compile(
    r"(_API_KEY|_BASE_URL|_HOST|_PROXY)$|^(GOODGATE|OPENAI|ANTHROPIC|GEMINI|GOOGLE|MISTRAL|AZURE|AWS|OLLAMA|LLAMA)_",
    re.IGNORECASE,
)


def clean_environment(**extra):
    """The environment of every process that the tests start."""
    kept = {name: value for name, value in os.environ.items() if not FOREIGN.search(name)}
    # A model server that happens to run on this machine must not be found.
    return {**kept, "OLLAMA_HOST": "127.0.0.1:9", "LLAMA_CPP_HOST": "127.0.0.1:9", "NO_PROXY": "*", **extra}


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A started program whose output goes to files, and which never outlives its test."""

    def __init__(self, name, command, folder, environment=None):
        self.name, self.folder = name, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.output = self.folder / f"{name}.out"
        self.errors = self.folder / f"{name}.err"
        self.child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=self.output.open("ab"),
            stderr=self.errors.open("ab"),
            env=environment or clean_environment(),
            cwd=self.folder,
            start_new_session=True,
        )

    def said(self):
        """All that the program has printed so far."""
        return "\n".join(file.read_text(errors="replace") for file in (self.output, self.errors) if file.exists())

    def until(self, ready, what):
        """Waits until `ready()` gives something true; a program that ends first is a failure that shows its words."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            value = ready()
            if value:
                return value
            if self.child.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.child.returncode} before {what}:\n{self.said()}")
            # A short look at the process itself: returns early when it ends.
            try:
                self.child.wait(0.02)
            except subprocess.TimeoutExpired:
                pass
        raise AssertionError(f"{self.name}: no {what} within {START_SECONDS} s:\n{self.said()}")

    def signal(self, number):
        """Sends a signal."""
        self.child.send_signal(number)

    def kill(self):
        """Ends it at once, as a crash of the machine would."""
        self.child.kill()
        self.child.wait(10)

    def stop(self):
        """Ends it politely, and insists after a while."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.child.returncode


class Gateway(Process):
    """`goodgate serve` on a free port with a state folder of its own."""

    def __init__(self, folder, config=None, port=None, environment=None, arguments=()):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.state = folder / "state"
        self.config = None
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        command = [BINARY, "serve", "--listen", self.host, "--state", self.state]
        if config is not None:
            self.config = folder / "goodgate.yaml"
            self.config.write_text(config)
            command += ["--config", self.config]
        self.environment = clean_environment(
            HOME=str(folder), XDG_CONFIG_HOME=str(folder / "none"), **(environment or {})
        )
        super().__init__("gateway", [*command, *arguments], folder, self.environment)
        self.until(self.is_up, f"answer on {self.url}/readyz")
        self.key = self.env()["OPENAI_API_KEY"]

    def is_up(self):
        """Whether it says that it is ready."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def cli(self, *arguments, check=True, text=None):
        """Runs a verb of the command line against this gateway's state."""
        done = subprocess.run(
            [str(BINARY), *map(str, arguments)],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            env={**self.environment, "GOODGATE_STATE_DIR": str(self.state), "NO_COLOR": "1"},
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"goodgate {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done

    def explain(self, request_id, *arguments):
        """What the command line says of a call, as soon as it is stored (rows are written in batches)."""

        def told():
            done = self.cli("explain", request_id, *arguments, check=False)
            not_yet = done.returncode == 5 and "stored" in done.stderr
            assert done.returncode == 0 or not_yet, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
            return done.stdout

        return self.until(told, f"explanation of {request_id}")

    def stored(self, request_id):
        """The call as the admin API tells it, as soon as it is stored."""

        def told():
            answer = self.admin(f"/api/v1/requests/{request_id}")
            assert answer.status_code in (200, 404), answer.text
            return answer.status_code == 200 and answer.json()

        return self.until(told, f"row of {request_id}")

    def env(self):
        """The variables that `goodgate env` exports."""
        lines = self.cli("env").stdout.splitlines()
        pairs = (re.fullmatch(r"export (\w+)=['\"]?([^'\"]*)['\"]?", line.strip()) for line in lines)
        return {pair[1]: pair[2] for pair in pairs if pair}

    def client_environment(self):
        """What a client program gets: its two variables and nothing else of ours."""
        return clean_environment(OPENAI_BASE_URL=f"{self.url}/v1", OPENAI_API_KEY=self.key)

    def chat(self, model, content="hi", headers=None, timeout=60, **more):
        """A plain call without an SDK."""
        body = {"model": model, "messages": [{"role": "user", "content": content}], **more}
        return self.post("/v1/chat/completions", body, headers=headers, timeout=timeout)

    def post(self, path, body, headers=None, timeout=60):
        """Posts JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **(headers or {})}
        return httpx.post(f"{self.url}{path}", content=content, headers=headers, timeout=timeout, trust_env=False)

    def admin(self, path, **parameters):
        """Reads from the admin API with the token of the state folder, as the command line does."""
        token = self.admin_token()
        headers = {"authorization": f"Bearer {token}"}
        return httpx.get(f"{self.url}{path}", headers=headers, params=parameters or None, timeout=10, trust_env=False)

    def admin_token(self):
        """The token file that only its owner can read."""
        candidates = sorted(path for path in self.state.rglob("*") if path.is_file() and "token" in path.name)
        assert candidates, f"no token file in {list(self.state.rglob('*'))}"
        assert candidates[0].stat().st_mode & 0o077 == 0, f"{candidates[0]} can be read by others"
        return candidates[0].read_text().strip()

    def restart(self):
        """Another process on the same port and state, as a supervisor would start it."""
        config = self.config.read_text() if self.config else None
        own = {name: self.environment[name] for name in self.environment if name.startswith("GOODGATE_")}
        return Gateway(self.folder, config, port=self.port, environment=own)


class Drill(Process):
    """`goodgate drill` as a process of its own, with its log."""

    def __init__(self, folder, *arguments, listen="127.0.0.1:0"):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "drill.jsonl"
        super().__init__("drill", [BINARY, "drill", "--listen", listen, "--log", self.log, *arguments], folder)
        self.url = self.until(lambda: re.search(r"https?://127\.0\.0\.1:\d+", self.output.read_text()), "URL")[0]
        self.host = self.url.split("//")[1]

    def requests(self, **having):
        """What it was asked, one dictionary a request, filtered by fields."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if all(entry.get(name) == value for name, value in having.items())]

    def wait_for(self, wanted, what):
        """Waits until its log satisfies `wanted(entries)`."""
        return self.until(lambda: wanted(self.requests()), what)


class Model(Process):
    """llama.cpp's own server with the real model."""

    def __init__(self, folder, arguments=()):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "llama.log"
        starter = ROOT / "deploy" / "local-model" / "local_model.py"
        command = [sys.executable, starter, "serve", "--dir", MODEL_DIR, "--log", self.log, "--parent", os.getpid()]
        super().__init__("model", [*command, "--no-prompt-cache", *arguments], folder)
        self.url = self.until(lambda: re.search(r"http://\S+", self.output.read_text()), "URL")[0]

    def calls(self):
        """How many generations its own log shows."""
        return len(re.findall(r"launch_slot_.*processing task", self.log.read_text(errors="replace")))


def run_client(command, ask, environment):
    """Runs a client program and reads the one line of JSON that it prints."""
    done = subprocess.run(
        [*map(str, command), json.dumps(ask)], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def raw_exchange(host, data, seconds=15):
    """Sends bytes as they are and reads until the other side closes or is silent for too long.

    Gives what was read and whether the other side closed.
    """
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), timeout=10) as connection:
        connection.sendall(data)
        received, end = b"", time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([connection], [], [], left)[0]:
                break
            try:
                block = connection.recv(65536)
            except ConnectionResetError:
                return received, True
            if not block:
                return received, True
            received += block
        return received, False


HANGUP = signal.SIGHUP

"""Fixtures: what each test finds running."""

import shutil

import made_model
import pytest
from processes import BINARY, MODEL_DIR, Drill, Gateway, Model
from upstream import Upstream


def pytest_collection_modifyitems(items):
    """Fails early, once, with a sentence, when there is nothing to test."""
    if items and not BINARY.exists():
        pytest.exit(f"{BINARY} does not exist: run `make test`, or name another by GOODGATE_BIN", returncode=2)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """llama.cpp's own server with a real model, for the whole session."""
    if not any(MODEL_DIR.glob("*.gguf")):
        pytest.skip("no real model: it could not be fetched")
    server = Model(tmp_path_factory.mktemp("model"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """llama.cpp's own server with a made model, whose every answer is known."""
    if not any(MODEL_DIR.glob("*.gguf")):
        pytest.skip("no llama.cpp: it could not be fetched")
    folder = tmp_path_factory.mktemp("made")
    made_model.build(folder / "made.gguf")
    server = Model(folder, ["--model", folder / "made.gguf", "--name", "made"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def demo(model, tmp_path_factory):
    """A gateway as `make run` starts it: no configuration, the real model beside it."""
    environment = {"GOODGATE_LOCAL_MODEL_URL": model.url}
    gateway = Gateway(tmp_path_factory.mktemp("demo"), environment=environment)
    yield gateway
    gateway.stop()


@pytest.fixture(scope="session")
def drill(tmp_path_factory):
    """A drill that behaves."""
    server = Drill(tmp_path_factory.mktemp("drill"))
    yield server
    server.stop()


@pytest.fixture
def start(tmp_path):
    """Starts gateways and drills that end with the test: `start(Gateway, config=...)`."""
    running = []

    def started(kind, name=None, *arguments, **options):
        process = kind(tmp_path / (name or f"{kind.__name__.lower()}{len(running)}"), *arguments, **options)
        running.append(process)
        return process

    yield started
    for process in reversed(running):
        process.stop()


@pytest.fixture
def upstream():
    """A plain HTTP server in this process, which answers by a function."""
    server = Upstream()
    yield server
    server.close()


@pytest.fixture(scope="session")
def node():
    """The path of Node.js."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no Node.js here")
    return path

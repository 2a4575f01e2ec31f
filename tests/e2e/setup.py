"""Brings what the end-to-end tests need, each thing once, all of it private to the build folder.

Python clients in a virtual environment (and openai 2 beside it), npm clients in node_modules, the real model, and,
where the system's package manager may be used, a browser. What cannot be had and is not essential is
named, and the tests that need it say that they are skipped.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def say(text):
    """One line for the person who waits."""
    print(f"e2e setup: {text}", file=sys.stderr, flush=True)


def run(command, **options):
    """Runs a step that must succeed."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)


def fingerprint(*files):
    """What a finished step was made from."""
    digest = hashlib.sha256(sys.version.encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def once(stamp, mark, step):
    """Runs `step` unless it was done with the same inputs."""
    if stamp.is_file() and stamp.read_text() == mark:
        return
    step()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(mark)


def as_root_with_apt():
    """Whether packages of the system can be installed here."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(*packages):
    """Installs packages of the system; false when that is not possible."""
    if not as_root_with_apt():
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "env": environment}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    if subprocess.run(install, stderr=subprocess.DEVNULL, **quiet).returncode == 0:
        return True
    subprocess.run(["apt-get", "update", "-q"], **quiet)
    return subprocess.run(install, **quiet).returncode == 0


def python_clients(folder):
    """The virtual environment, and the older OpenAI client in a folder of its own."""
    venv, older = folder / "venv", folder / "openai2"
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    newer_list, older_list = HERE / "requirements.txt", HERE / "requirements-openai2.txt"

    def make():
        say("installing the Python clients")
        shutil.rmtree(venv, ignore_errors=True)
        shutil.rmtree(older, ignore_errors=True)
        made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)
        if made.returncode != 0:
            if not apt_install("python3-venv"):
                sys.exit(f"python3 -m venv does not work (Debian: package python3-venv)\n{made.stdout}{made.stderr}")
            run([sys.executable, "-m", "venv", "--clear", str(venv)])
        run([*pip, "install", "-r", str(newer_list)])
        run([*pip, "install", "--target", str(older), "-r", str(older_list)])

    once(folder / "python.stamp", fingerprint(newer_list, older_list), make)


def npm_clients(folder):
    """The npm clients, and the driver of the browser."""
    if not (shutil.which("node") and shutil.which("npm")):
        return say("skipped: npm clients and browser tests (no Node.js with npm here)")
    lock = HERE / "node" / "package-lock.json"

    def make():
        say("installing the npm clients")
        run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=HERE / "node", stdout=subprocess.DEVNULL)

    if not (HERE / "node" / "node_modules").is_dir():
        (folder / "npm.stamp").unlink(missing_ok=True)
    return once(folder / "npm.stamp", fingerprint(lock), make)


def browser():
    """Debian's Chromium, with a font that has the symbols of the pages."""
    if any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return
    say("installing chromium")
    if not apt_install("chromium", "fonts-dejavu-core"):
        say("skipped: browser tests (chromium is not installed, and cannot be: not root, or no apt-get)")


def local_model(folder):
    """llama.cpp's server and the model's weights."""
    starter = ROOT / "deploy" / "local-model" / "local_model.py"
    if subprocess.run([sys.executable, str(starter), "install", "--dir", str(folder)]).returncode != 0:
        say("skipped: tests with a real model (it could not be fetched)")


def main():
    """Runs every step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--model-dir", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.dir.mkdir(parents=True, exist_ok=True)
    python_clients(arguments.dir)
    npm_clients(arguments.dir)
    browser()
    local_model(arguments.model_dir)


if __name__ == "__main__":
    main()

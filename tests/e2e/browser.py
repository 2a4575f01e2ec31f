"""The web UI in a real browser."""

import json
import re
import shutil
import subprocess

import pytest
from processes import E2E_DIR, ROOT

SCREENSHOTS = E2E_DIR / "screenshots"


def chromium():
    """The browser's path; skips the test where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return pytest.skip("no chromium here")


def look(node, profile, pages):
    """Opens pages one after the other; gives what the browser saw. Screenshots land in the build folder."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for page in pages:
        if "file" in page:
            page["file"] = str(SCREENSHOTS / page["file"])
    order = {"chromium": chromium(), "profile": str(profile), "pages": pages}
    done = subprocess.run(
        [node, str(ROOT / "tests" / "e2e" / "node" / "look.mjs"), json.dumps(order)],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def printed_link(gateway):
    """The link of the start screen that opens the UI once."""
    form = rf"{re.escape(gateway.url)}/ui\?t=[\w-]+"
    links = gateway.until(lambda: re.findall(form, gateway.said()), "link on the start screen")
    return links[-1]


def needs_the_ui():
    """Skips where the binary was built without the UI."""
    if not (ROOT / "ui" / "dist" / "index.html").exists():
        pytest.skip("the web UI is not built (no Node.js?)")

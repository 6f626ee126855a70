"""Restate: one server, and a service of ten steps (restate/service.mjs), called over HTTP until its answer.

    restate_flow.py MODULES FOLDER SECONDS       MODULES: the node_modules with @restatedev/*
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time

from measure import IN_FLIGHT, STEPS, bytes_below, load

modules, folder, seconds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])
here = pathlib.Path(__file__).parent
binary = next(modules.glob("@restatedev/restate-server-linux-*/bin/restate-server"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port: int, method: str, path: str, body: object = None, local: threading.local | None = None) -> bytes:
    connection = getattr(local, "connection", None) or http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if local is not None:
        local.connection = connection
    connection.request(method, path, None if body is None else json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{path}: {answer.status} {text[:200]!r}")
    return text


def wait_for(port: int, path: str) -> None:
    for _ in range(300):
        try:
            ask(port, "GET", path)
            return
        except (OSError, RuntimeError):
            time.sleep(0.1)
    raise RuntimeError("restate-server is not ready after 30 s")


folder.mkdir(parents=True)
shutil.copy(here / "restate" / "service.mjs", modules.parent)
ingress, admin, fabric = free_port(), free_port(), free_port()
environment = os.environ | {
    "RESTATE_BASE_DIR": str(folder),
    "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
    "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
    "RESTATE_BIND_ADDRESS": f"127.0.0.1:{fabric}",
    "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{fabric}",
    "RESTATE_DISABLE_TELEMETRY": "true",
    "RUST_LOG": "error",
}
log = (folder.parent / "restate.log").open("w")
server = subprocess.Popen([str(binary)], env=environment, cwd=folder, stdout=log, stderr=log)
service = subprocess.Popen(
    ["node", "service.mjs"], cwd=modules.parent, stdout=subprocess.PIPE, stderr=log, text=True
)
try:
    wait_for(admin, "/health")
    endpoint = f"http://127.0.0.1:{int(service.stdout.readline())}"
    ask(admin, "POST", "/deployments", {"uri": endpoint})
    local = threading.local()

    def run() -> None:
        assert json.loads(ask(ingress, "POST", "/flow/ten", local=local)) == STEPS

    for _ in range(20):
        run()
    pids = [server.pid, service.pid]
    before = bytes_below(folder)
    done = load("restate_one", run, seconds, 1, pids)
    done += load("restate_many", run, seconds, IN_FLIGHT, pids)
    print(f"restate_bytes_a_run {(bytes_below(folder) - before) // done}")
finally:
    for process in (service, server):
        process.terminate()
        process.wait()

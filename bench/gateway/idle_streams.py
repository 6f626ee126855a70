"""Memory of open streams that wait: opens COUNT streams to a model that has not begun, and reads the server's resident size.

Each costs the gateway two connections (client and provider) and a run.
"""

from __future__ import annotations

import json
import pathlib
import resource
import socket
import subprocess
import sys
import time

binary, work, count = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def started(path: pathlib.Path) -> str:
    while not path.exists() or not path.read_text().strip():
        time.sleep(0.01)
    return path.read_text().strip()


def rss_kib(pid: int) -> int:
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))


port_file = work / "idle.port"
simulator = subprocess.Popen([binary, "simulate", "--listen", "127.0.0.1:0", "--port-file", str(port_file)], stderr=subprocess.DEVNULL)
config = {"server": {"shards": 1}, "log": {"level": "error"}, "data": {"durability": "async"},
          "providers": {"sim": {"type": "openai", "base_url": f"http://127.0.0.1:{started(port_file)}/v1", "max_connections": 10000,
                                "models": {"sim-hang": {"price": {"input": 1, "output": 1}}}}}}
(work / "idle.yaml").write_text(json.dumps(config))
server = subprocess.Popen([binary, "serve", "--config", str(work / "idle.yaml"), "--data", str(work / "idle-data"), "--listen", "127.0.0.1:0"],
                          stderr=subprocess.DEVNULL)
try:
    host, port = started(work / "idle-data" / "listen").rsplit(":", 1)
    body = json.dumps({"model": "sim-hang", "stream": True, "messages": [{"role": "user", "content": "tell me a story " * 120}]}).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    before = rss_kib(server.pid)
    held = []
    for n in range(count):
        held.append(socket.create_connection((host, int(port))))
        held[-1].sendall(request)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and len(list(pathlib.Path(f"/proc/{server.pid}/fd").iterdir())) < 2 * count:
        time.sleep(0.1)
    time.sleep(1)
    after = rss_kib(server.pid)
    print(f"  {count} streams: {(after - before) / count:.1f} KiB each ({before} -> {after} KiB)")
finally:
    server.kill()
    simulator.kill()

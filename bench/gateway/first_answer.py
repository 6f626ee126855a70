"""From starting the process to its first answer."""

from __future__ import annotations

import http.client
import pathlib
import subprocess
import sys
import time

binary, config, data = sys.argv[1:4]
listen = pathlib.Path(data) / "listen"
listen.unlink(missing_ok=True)
start = time.perf_counter()
process = subprocess.Popen([binary, "serve", "--config", config, "--data", data], stderr=subprocess.DEVNULL)
try:
    while not listen.exists() or not listen.read_text().strip():
        time.sleep(0.001)
    connection = http.client.HTTPConnection(listen.read_text().strip())
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    print(f"  {(time.perf_counter() - start) * 1000:.0f} ms")
finally:
    process.terminate()
    process.wait()

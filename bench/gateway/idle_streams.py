"""Memory of open streams that wait for their first event: resident size of one server at growing counts, and the slope.

Each stream costs the gateway two connections (client and provider) and a run. A process may hold as many descriptors as
`ulimit -Hn` says: below 20,200 the last count is smaller than 10,000. The streams go to several simulated providers,
because the HTTP client opens at most 256 connections to one address and lets further requests wait.
"""

from __future__ import annotations

import contextlib
import pathlib
import socket
import time

from client import chat_request
from servers import Server, configuration, raise_file_limit, signalbox, simulator

WANTED, STEPS, SPARE_FILES, STREAMS_PER_PROVIDER = 10_000, 5, 200, 250


def open_files(server: Server) -> int:
    return len(list(pathlib.Path(f"/proc/{server.child.pid}/fd").iterdir()))


def settle(server: Server, count: int) -> None:
    """Waits until both connections of each stream are open and the record of their runs is written."""
    deadline = time.monotonic() + 30
    while open_files(server) < 2 * count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {open_files(server)} descriptors open with {count} streams")
        time.sleep(0.1)
    time.sleep(1)


def provider(server: Server, model: str) -> dict:
    return {"type": "openai", "base_url": f"http://{server.address}/v1", "models": {model: {"upstream": "sim-hang"}}}


def run(work: pathlib.Path) -> None:
    most = min(WANTED, (raise_file_limit() - SPARE_FILES) // 2)
    print(f"memory of {most} open streams that wait, 2 KB prompts")
    if most < WANTED:
        print(f"  not {WANTED}: they need ulimit -Hn of {2 * WANTED + SPARE_FILES}")
    held: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        providers = {f"p{n}": provider(stack.enter_context(simulator(work)), f"hang-{n}") for n in range(-(-most // STREAMS_PER_PROVIDER))}
        requests = [chat_request(model, "tell me a story " * 120, stream=True) for each in providers.values() for model in each["models"]]
        config = configuration(work, "idle", "127.0.0.1:1", "async", more={"providers": providers, "tiers": {}})
        server = stack.enter_context(signalbox("idle", config, work / "data-idle"))
        host, _, port = server.address.rpartition(":")
        before = previous = server.memory_kib()
        print(f"  {0:6} streams: {before / 1024:7.1f} MiB")
        for step in range(1, STEPS + 1):
            count, had = most * step // STEPS, len(held)
            while len(held) < count:
                held.append(socket.create_connection((host, int(port))))
                held[-1].sendall(requests[len(held) % len(requests)])
            settle(server, count)
            now = server.memory_kib()
            print(f"  {count:6} streams: {now / 1024:7.1f} MiB, {(now - previous) / (count - had):5.1f} KiB each of the last {count - had}, "
                  f"{(now - before) / count:5.1f} KiB each of all", flush=True)
            previous = now
    for connection in held:
        connection.close()

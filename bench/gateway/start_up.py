"""From starting the process to its first answered chat completion: fresh, and after kill -9 with many runs open."""

from __future__ import annotations

import asyncio
import http.client
import json
import pathlib
import sqlite3
import time

from client import Connection, chat, post
from servers import Server, configuration, signalbox, simulator

OPEN_RUNS, PARALLEL, COMPLETED = 10_000, 32, 6  # 6: RunStatus::completed in the store
BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Does Apple Pay work with my card?"}]})


def answered(address: str) -> None:
    connection = http.client.HTTPConnection(address)
    connection.request("POST", "/v1/chat/completions", BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status


def timed(config: pathlib.Path, data: pathlib.Path) -> tuple[Server, str]:
    start = time.perf_counter()
    server = signalbox("start", config, data)
    listening = time.perf_counter() - start
    answered(server.address)
    return server, f"listens after {listening * 1000:.0f} ms, first answer after {(time.perf_counter() - start) * 1000:.0f} ms"


def runs_in_store(data: pathlib.Path) -> tuple[int, int]:
    """(open, all), read from the database as the crash left it."""
    with sqlite3.connect(f"file:{data}/signalbox.db?mode=ro", uri=True) as database:
        return database.execute("SELECT sum(status <> ?), count(*) FROM runs", (COMPLETED,)).fetchone()


async def open_runs(address: str, count: int) -> None:
    """Asynchronous runs of the chat flow whose model never answers."""
    request = post("/api/v1/flows/signalbox/chat/runs", {"input": chat("sim-hang", "tell me a story " * 120)})

    async def some(share: int) -> None:
        connection = Connection(address)
        for _ in range(share):
            status, _, answer = await connection.exchange(request)
            if status not in (200, 201, 202):
                raise RuntimeError(f"a run was refused: {status} {answer[:200]!r}")
        connection.close()

    await asyncio.gather(*(some(count // PARALLEL + (n < count % PARALLEL)) for n in range(PARALLEL)))


def run(work: pathlib.Path) -> None:
    print("start to first answer")
    data = work / "data-start"
    with simulator(work) as provider:
        config = configuration(work, "start", provider.address, "sync")
        for what in ("no data folder yet", "again", "again"):
            server, text = timed(config, data)
            print(f"  {what}: {text}; {server.memory_kib() / 1024:.1f} MiB")
            server.stop()
        with signalbox("crash", config, data) as server:
            asyncio.run(open_runs(server.address, OPEN_RUNS))
            server.kill()
        print("  killed with {} open of {} runs in the store".format(*runs_in_store(data)))
        server, text = timed(config, data)
        print(f"  after the kill: {text}")
        server.kill()

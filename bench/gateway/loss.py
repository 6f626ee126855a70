"""How much acknowledged work `durability: async` may lose to a kill -9: the age of the oldest lost answer, in milliseconds.

Clients at full speed note when each answer arrived; after the kill the database itself says which of those runs it has
as completed. `sync` is measured the same way and has to lose none.
"""

from __future__ import annotations

import asyncio
import pathlib
import random
import sqlite3
import time

from client import Connection, chat_request
from servers import Server, configuration, signalbox, simulator
from start_up import COMPLETED

CLIENTS, TIMES = 32, 10


async def load_and_kill(server: Server, after_s: float) -> tuple[dict[str, float], float]:
    """Returns when each run was answered, and when the kill was sent."""
    answered: dict[str, float] = {}
    request = chat_request("small", "why was my transfer declined? " * 60)

    async def client() -> None:
        connection = Connection(server.address)
        try:
            while True:
                status, headers, _ = await connection.exchange(request)
                if status == 200:
                    answered[headers["x-signalbox-run"].replace("-", "").upper()] = time.monotonic()
        except (OSError, EOFError):
            return  # the server is gone

    clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    await asyncio.sleep(after_s)
    killed = time.monotonic()
    server.kill()
    await asyncio.gather(*clients)
    return answered, killed


def completed(data: pathlib.Path) -> set[str]:
    with sqlite3.connect(f"file:{data}/signalbox.db?mode=ro", uri=True) as database:
        return {row[0] for row in database.execute("SELECT hex(id) FROM runs WHERE status = ?", (COMPLETED,))}


def run(work: pathlib.Path) -> None:
    print(f"acknowledged work lost to {TIMES} times kill -9 under load")
    with simulator(work) as provider:
        for durability in ("async", "sync"):
            config, data = configuration(work, f"loss-{durability}", provider.address, durability), work / f"data-loss-{durability}"
            oldest_ms, lost_most, total = 0.0, 0, 0
            for _ in range(TIMES):
                with signalbox(durability, config, data) as server:
                    answered, killed = asyncio.run(load_and_kill(server, 0.7 + random.random() * 0.3))
                kept = completed(data)
                lost = [when for run, when in answered.items() if run not in kept]
                oldest_ms = max([oldest_ms] + [(killed - when) * 1000 for when in lost])
                lost_most, total = max(lost_most, len(lost)), total + len(answered)
            print(f"  {durability:5}: of {total} answers at most {lost_most} lost in one kill, the oldest {oldest_ms:.0f} ms before it")

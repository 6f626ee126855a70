"""What a caller waits for an answer that was given before, in turn with answers of the provider: at a fixed rate, over HTTP.

The provider answers at once, or after LATENCY ms, as a model does.
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import time

import latency
from servers import configuration, signalbox, simulator

RATE, COUNT = 100, 1500


def question(text: str) -> str:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]})


def asked(connection: http.client.HTTPConnection, text: str, expected: str | None) -> float:
    start = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", question(text), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    taken = time.perf_counter() - start
    if answer.status != 200 or answer.getheader("x-signalbox-cache") != expected:
        raise RuntimeError(f"{text!r}: {answer.status}, cache {answer.getheader('x-signalbox-cache')}, not {expected}")
    return taken


def in_turn(address: str, kinds: dict[str, tuple[str, str | None]]) -> dict[str, list[float]]:
    """Seconds by kind; a kind is its text, in which {} is a number never used before, and what the header then says."""
    connection = http.client.HTTPConnection(address)
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    due = time.perf_counter()
    for n in range(COUNT):
        due += 1 / RATE
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        name = list(kinds)[n % len(kinds)]
        text, expected = kinds[name]
        taken[name].append(asked(connection, text.format(n), expected))
    return taken


def run(work: pathlib.Path) -> None:
    milliseconds = os.environ.get("LATENCY", "0")
    likeness, encoder = os.environ.get("SIGNALBOX_LIKENESS"), os.environ.get("SIGNALBOX_ENCODER")
    cache: dict = {"exact_ttl_s": 3600}
    kinds: dict[str, tuple[str, str | None]] = {"provider": ("where is order {}", None), "exact": ("where is my card", "exact")}
    if likeness and encoder:
        cache["semantic"] = {"file": likeness, "encoder": encoder}
        kinds["semantic"] = ("please, where is my card", "semantic")
    print(f"answers given before, {RATE} requests/s in turn, a provider that takes {milliseconds} ms; guard and record on, one shard")
    with simulator(work, "--latency-ms", milliseconds) as provider:
        for durability in ("async", "sync"):
            config = configuration(work, f"cache-{durability}", provider.address, durability, more={"cache": cache})
            with signalbox(durability, config, work / f"data-cache-{durability}") as server:
                asked(http.client.HTTPConnection(server.address), "where is my card", None)
                taken = in_turn(server.address, kinds)
            for q in (0.5, 0.99):
                times = ", ".join(f"{name} {latency.quantile_ms(values, q):.3f} ms" for name, values in taken.items())
                print(f"  {durability:5} p{q * 100:g}: {times}")

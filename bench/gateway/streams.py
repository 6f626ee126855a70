"""Event streams with the guard on, beside nginx: what the first event waits longer, and what a chunk costs.

A chunk's cost is a slope between two lengths of stream, so that the request's own cost stays apart. It is taken twice:
paced like a model (each chunk travels alone: the dearer case) and as fast as the provider can.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import time

import load
import peers
from servers import Server, configuration, signalbox, simulator

STREAMS, SHORT, LONG, ROUNDS = 64, 50, 400, 200
PACES = {"paced, 200 tokens/s each": 200, "at once": 0}


def body(tokens: int) -> dict:
    return load.prompt("small", stream=True, max_tokens=tokens)


def long_answers(work: pathlib.Path) -> str:
    path = work / "answers.jsonl"
    path.write_text(json.dumps({"match": "", "answer": load.WORDS * 100}) + "\n")
    return str(path)


def probe(address: str, tokens: int) -> tuple[float, int, int]:
    """One stream over a connection of its own: seconds to its first event, its events, all bytes on the wire."""
    connection = http.client.HTTPConnection(address)
    connection.connect()
    start, first, raw = time.perf_counter(), 0.0, b""
    text = json.dumps(body(tokens))
    connection.sock.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                            f"Content-Length: {len(text)}\r\n\r\n{text}".encode())
    while not raw.endswith(b"0\r\n\r\n"):
        raw += (part := connection.sock.recv(65536))
        assert part, raw[:300]
        if not first and b"data: " in raw:
            first = time.perf_counter() - start
    connection.close()
    return first, raw.count(b"data: "), len(raw)


def cpu_per_stream_us(server: Server, work: pathlib.Path, tokens: int) -> tuple[float, int, float]:
    """CPU of one whole stream, its events, and events a second; streams are counted by their bytes, cut ones in part."""
    _, events, size = probe(server.address, tokens)
    result = load.wrk(server, body(tokens), work, 3, connections=STREAMS)
    streams = result.bytes / size
    return result.cpu_s / streams * 1e6, events, streams * events / result.seconds


def chunk_cost(server: Server, work: pathlib.Path) -> str:
    short, long = (cpu_per_stream_us(server, work, tokens) for tokens in (SHORT, LONG))
    slope = (long[0] - short[0]) / (long[1] - short[1])
    return f"{slope:6.2f} us CPU a chunk, {short[0] - slope * short[1]:6.0f} us a stream besides, {long[2]:8.0f} chunks/s"


def first_event(direct: Server, through: Server) -> None:
    firsts: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for server, taken in zip((direct, through), firsts):
            taken.append(probe(server.address, 20)[0])
    for q in (0.5, 0.99):
        a, b = (sorted(taken)[int(q * (ROUNDS - 1))] * 1000 for taken in firsts)
        print(f"  first event, p{q * 100:g}: direct {a:.3f} ms, through {b:.3f} ms, added {b - a:+.3f} ms")


def run(work: pathlib.Path) -> None:
    print(f"{STREAMS} event streams at once, {SHORT} and {LONG} tokens; Signalbox async with the guard on")
    for n, (pace, rate) in enumerate(PACES.items()):
        with simulator(work, "--answers", long_answers(work), "--tokens-per-second", str(rate)) as provider:
            config = configuration(work, "streams", provider.address, "async")
            for start in (lambda: peers.nginx(work, provider.address),
                          lambda: signalbox("Signalbox", config, work / f"data-streams-{n}")):
                with start() as server:
                    print(f"  {server.name:17} {pace:25} {chunk_cost(server, work)}", flush=True)
                    if rate == 0 and server.name == "Signalbox":
                        first_event(provider, server)

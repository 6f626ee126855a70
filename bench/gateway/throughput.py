"""Full load from 64 connections: what a chat completion costs through each gateway, in one run."""

from __future__ import annotations

import pathlib

import load
import peers
from servers import Server, configuration, signalbox, simulator

OURS = "Signalbox async"


def gateways(work: pathlib.Path, upstream: str):
    """(name, start, model to ask for, times as long); the slow peer needs more time for as good a figure."""
    passthrough = configuration(work, "passthrough", upstream, "async", guard=False)
    everything = configuration(work, "async", upstream, "async")
    durable = configuration(work, "sync", upstream, "sync")
    yield "nginx proxy_pass", lambda: peers.nginx(work, upstream), "m", 1
    yield "Signalbox pass-through", lambda: signalbox("", passthrough, work / "data-passthrough"), "m", 1
    yield OURS, lambda: signalbox("", everything, work / "data-async"), "auto", 1
    yield "Signalbox sync", lambda: signalbox("", durable, work / "data-sync"), "auto", 1
    for name in ("smg", "switchyard", "portkey", "litellm"):
        yield name, lambda start=peers.ALL[name]: start(work, upstream), "m", 3 if name == "litellm" else 1


def measure(server: Server, model: str, work: pathlib.Path, seconds: int) -> tuple[load.Result, float, float]:
    idle = server.memory_kib() / 1024
    result = load.wrk(server, load.prompt(model), work, seconds)
    return result, idle, server.memory_kib() / 1024


def run(work: pathlib.Path, seconds: int, rounds: int) -> None:
    print(f"2 KB prompts, 64 connections, {seconds:g} s each, {rounds} rounds (median of CPU), gateway on one core, load and provider on the other")
    taken: dict[str, list] = {}
    failed: dict[str, str] = {}
    with simulator(work) as provider:
        for _ in range(rounds):
            taken.setdefault("direct (CPU: the provider's)", []).append(measure(provider, "m", work, seconds))
            for name, start, model, times in gateways(work, provider.address):
                try:
                    with start() as server:
                        row = measure(server, model, work, seconds * times)
                        taken.setdefault(server.name or name, []).append(row)
                except (RuntimeError, OSError) as error:
                    failed[name] = str(error)
    show(taken, failed)


def show(taken: dict[str, list], failed: dict[str, str]) -> None:
    rows = {name: sorted(results, key=lambda row: row[0].cpu_us)[len(results) // 2] for name, results in taken.items()}
    ours = rows[OURS][0].cpu_us if OURS in rows else None
    print(f"  {'':28} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'us CPU':>8} {'/ ours':>7} {'MiB idle':>8} {'loaded':>7}")
    for name, (result, idle, loaded) in rows.items():
        ratio = f"{result.cpu_us / ours:.2f}" if ours and not name.startswith("direct") else ""
        print(f"  {name:28} {result.rate:10.0f} {result.p50_ms:8.2f} {result.p99_ms:8.2f} {result.cpu_us:8.1f} {ratio:>7} {idle:8.1f} {loaded:7.1f}"
              f"{'  ' + result.faults if result.faults else ''}")
    for name, reason in failed.items():
        print(f"  {name:28} not measured: {reason}")

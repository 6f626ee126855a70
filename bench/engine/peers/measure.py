"""One run after the other, then 64 in flight: what a peer does of flows of ten steps. One figure a line: NAME VALUE."""

from __future__ import annotations

import os
import pathlib
import threading
import time
from collections.abc import Callable

STEPS = 10
IN_FLIGHT = 64
TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and all that it started and still runs."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def processor_ms(pids: list[int]) -> float:
    """User and system time so far, with that of children that have ended."""
    total = 0
    for root in pids:
        for pid in tree(root):
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            total += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return total * 1000 / TICKS


def bytes_below(folder: pathlib.Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def report(name: str, latencies: list[float], seconds: float, cpu_ms: float) -> None:
    latencies.sort()
    print(f"{name}_steps_per_s {len(latencies) * STEPS / seconds:.0f}")
    print(f"{name}_p50_ms {latencies[len(latencies) // 2] * 1e3:.2f}")
    print(f"{name}_p99_ms {latencies[len(latencies) * 99 // 100] * 1e3:.2f}")
    print(f"{name}_cpu_ms {cpu_ms / len(latencies):.3f}", flush=True)


def load(name: str, run: Callable[[], None], seconds: float, in_flight: int, pids: list[int]) -> int:
    """`run` does one whole flow and returns when its end is durable. The flows that were done."""
    latencies: list[float] = []
    begin = time.monotonic()
    cpu = processor_ms(pids)

    def work() -> None:
        while time.monotonic() - begin < seconds:
            start = time.monotonic()
            run()
            latencies.append(time.monotonic() - start)

    threads = [threading.Thread(target=work) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report(name, latencies, time.monotonic() - begin, processor_ms(pids) - cpu)
    return len(latencies)

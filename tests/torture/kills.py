"""kill -9 under load, many times: at work, and while the server takes up what the kill before left open."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

from crash import Load, check
from harness import Server, Simulator, configuration

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--kills", type=int, default=100)
arguments.add_argument("--seed", type=int, default=20261125)
wanted = arguments.parse_args()
rng = random.Random(wanted.seed)

with tempfile.TemporaryDirectory(prefix="signalbox-torture-") as folder:
    work = Path(folder)
    # Answers take a moment, so that kills find calls in flight.
    simulator = Simulator(work, "--latency-ms", "15", "--jitter", "0.9")
    server = Server(work, configuration(simulator.address)).start()
    began, ready_s = time.monotonic(), []
    try:
        with Load(server, f"torture-{os.getpid()}") as load:
            for kill in range(1, wanted.kills + 1):
                # Every fourth falls into the recovery of the one before.
                if kill % 4 == 0:
                    time.sleep(rng.uniform(0, 0.05))
                else:
                    load.more(rng.randint(1, 40))
                server.process.kill()
                start = time.monotonic()
                server.start()
                ready_s.append(time.monotonic() - start)
                if kill % 10 == 0:
                    print(f"  {kill} kills, {len(load.acknowledged)} acknowledged, {time.monotonic() - began:.0f} s", flush=True)
            load.more(20)
        figures = check(server, simulator, load, wanted.kills)
    finally:
        if server.process.process.poll() is None:
            server.process.kill()
        simulator.process.stop()
ready_s.sort()
print(f"kill -9 under load, seed {wanted.seed}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
print(f"  start to listening: median {ready_s[len(ready_s) // 2] * 1000:.0f} ms, longest {ready_s[-1] * 1000:.0f} ms; audit log verified")

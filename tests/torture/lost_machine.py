"""A machine is lost in the middle of its runs, process, disk and keys, and made again from its mirror in S3; then the same
with an S3 service that fails, is slow, loses answers and cuts uploads, which may add lag and nothing else. The restored log
continues the newest tree head that anybody saw of the lost one.

Needs the S3 service of tests/e2e (SB_S3=1 builds it, once).
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from crash import Load, check
from fault_proxy import HANG_S, FaultProxy
from harness import Server, Simulator, cli, configuration, until
from s3 import S3, s3_binary

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--runs", type=int, default=10_000)
arguments.add_argument("--faulty-runs", type=int, default=1_500, help="runs in each mode before the failing service")
arguments.add_argument("--seed", type=int, default=20261125)
wanted = arguments.parse_args()


def metric(server: Server, name: str) -> float:
    text = server.call("GET", "/metrics").body.decode()
    return float(next(line.split()[1] for line in text.split("\n") if line.startswith(name + " ")))


class LagWatch:
    """The longest lag that /metrics showed, while it lives."""

    def __init__(self, server: Server):
        self.server, self.longest_s, self.stopping = server, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        while not self.stopping.wait(0.2):
            try:
                self.longest_s = max(self.longest_s, metric(self.server, "signalbox_mirror_lag_seconds"))
            except (OSError, StopIteration):
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()


class HeadWatch:
    """Whoever keeps tree heads on another machine: asks for the newest until there is nobody to ask."""

    def __init__(self, server: Server, folder: Path):
        self.server, self.kept, self.stopping = server, folder / "kept-head", threading.Event()
        self.key = cli("audit", "key", "--data", str(server.data)).stdout.strip()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.stopping.wait(0.005):
            try:
                reply = self.server.call("GET", "/audit/checkpoint")
            except (OSError, http.client.HTTPException):  # refused, or cut in the middle
                continue
            if reply.status == 200:
                self.kept.write_bytes(reply.body)

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def leaves(self) -> int:
        return int(self.kept.read_text().split("\n")[1])

    def expect_continued(self, log: Path):
        verified = cli("audit", "verify", str(log), "--key", self.key, "--since", str(self.kept))
        assert verified.returncode == 0, verified.stdout + verified.stderr


def mirror(endpoint: str, prefix: str, mode: str) -> dict:
    return {"url": f"s3://records/{prefix}", "mode": mode, "key": "env:SB_TEST_MIRROR",
            "s3": {"endpoint": endpoint, "access_key": "env:AWS_ACCESS_KEY_ID", "secret_key": "env:AWS_SECRET_ACCESS_KEY"}}


def more(load: Load, count: int):
    for begin in range(0, count, 250):
        load.more(min(250, count - begin))


def caught_up(server: Server) -> bool:
    return metric(server, "signalbox_mirror_groups_mirrored_total") == metric(server, "signalbox_mirror_groups_committed_total")


def lose_and_restore(server: Server, place: str, heads: HeadWatch) -> tuple[float, str]:
    server.process.kill()
    heads.stop()
    shutil.rmtree(server.data)
    began = time.monotonic()
    done = cli("restore", "--from", place, "--data", str(server.data), "--mirror-key", "env:SB_TEST_MIRROR")
    assert done.returncode == 0, done.stderr
    took = time.monotonic() - began
    server.start()
    return took, done.stdout.split("\n")[0]


def lost_amid_load(work: Path, endpoint: str, name: str, mode: str, runs: int, proxy: FaultProxy | None):
    work.mkdir()
    simulator = Simulator(work)
    place = f"s3://records/{name}"
    server = Server(work, configuration(simulator.address, mirror=mirror(endpoint, name, mode))).start()
    heads = HeadWatch(server, work)
    try:
        with Load(server, name, tries=20_000) as load, LagWatch(server) as lag:
            more(load, runs // 4)
            if proxy:
                proxy.on = True
            more(load, runs // 4)
            if proxy:
                until("all kinds of faults", lambda: len(proxy.counts) == len(proxy.KINDS), 120)
                proxy.hang = mode == "async"  # with before-ack every answer would wait for it
                until("a request without an answer", lambda: not proxy.hang, 60)
                seen = metric(server, "signalbox_mirror_failures_total")
                if mode == "async":
                    until("the client's own patience", lambda: metric(server, "signalbox_mirror_failures_total") > seen, 2 * HANG_S)
                proxy.on = False
            failures = metric(server, "signalbox_mirror_failures_total")
            began = time.monotonic()
            if mode == "async":  # what is not in the mirror may be lost: here it is asked for nothing more
                load.stopping.set()
                for thread in load.threads:
                    thread.join(90)
                until("the mirror to catch up", lambda: caught_up(server), 180)
            caught_up_s = time.monotonic() - began
            held = len(load.acknowledged)
            took, told = lose_and_restore(server, place, heads)
            if mode != "async":
                more(load, runs - len(load.acknowledged))
        heads.expect_continued(server.data / "audit")
        figures = check(server, simulator, load, 1)
    finally:
        heads.stop()
        if server.process.process.poll() is None:
            server.process.kill()
        simulator.process.stop()
    print(f"{name}: lost after {held} acknowledged runs, restored in {took:.2f} s ({told})")
    print(f"  longest lag {lag.longest_s:.2f} s, {failures:.0f} attempts failed"
          + (f", caught up after {caught_up_s:.1f} s" if mode == "async" else ""))
    print("  " + ", ".join(f"{what} {value}" for what, value in figures.items()) + "; audit log verified, also since the tree head of "
          f"{heads.leaves()} leaves, the newest one seen of the lost machine", flush=True)


def main(work: Path):
    service = S3(work / "s3")
    service.make_bucket("records")
    os.environ.update(service.environment(), SB_TEST_MIRROR="5b" * 32)
    try:
        lost_amid_load(work / "sound", service.endpoint, "sound", "before-ack", wanted.runs, None)
        for mode in ("before-ack", "async"):
            proxy = FaultProxy(service.port, wanted.seed, 0.15)
            lost_amid_load(work / mode, proxy.endpoint, f"faulty-{mode}", mode, wanted.faulty_runs, proxy)
            print("  faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(proxy.counts.items())), flush=True)
    finally:
        service.stop()


if __name__ == "__main__":
    binary, why_not = s3_binary()
    if not binary:
        sys.exit(f"lost_machine: {why_not}")
    with tempfile.TemporaryDirectory(prefix="signalbox-lost-machine-") as folder:
        main(Path(folder))

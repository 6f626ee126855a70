"""A lost machine is made again from its mirror: a folder, or a real S3 service."""

from __future__ import annotations

import shutil
import threading

import pytest

from harness import Server, cli, until
from s3 import S3, s3_binary

KEY = "5b" * 32


def lose(server: Server):
    """The machine is gone: process, disk, keys."""
    server.process.kill()
    shutil.rmtree(server.data)


def restore(server: Server, place: str, **options):
    return cli("restore", "--from", place, "--data", str(server.data), "--mirror-key", "env:SB_TEST_MIRROR", **options)


def metric(server: Server, name: str) -> float:
    text = server.call("GET", "/metrics").body.decode()
    return float(next(line.split()[1] for line in text.split("\n") if line.startswith(name + " ")))


class Traffic:
    """Chats until it is told to stop; remembers which runs were acknowledged."""

    def __init__(self, server: Server, workers: int = 8):
        self.server, self.acknowledged, self.stopping = server, [], False
        self.threads = [threading.Thread(target=self.work) for _ in range(workers)]

    def work(self):
        while not self.stopping:
            try:
                reply = self.server.chat("hello")
            except OSError:
                return
            if reply.status == 200:
                self.acknowledged.append(reply.headers["x-signalbox-run"])

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join()


def lose_and_restore(server: Server, place: str, at_least: int):
    with Traffic(server) as traffic:
        until("work", lambda: len(traffic.acknowledged) >= at_least)
        lose(server)
    acknowledged = list(traffic.acknowledged)
    done = restore(server, place)
    assert done.returncode == 0, done.stderr
    server.start()
    for run in acknowledged:
        assert server.run(run)["status"] == "completed", run
    assert len(set(acknowledged)) == len(acknowledged)
    server.chat("and on it goes")
    server.process.stop()
    verified = server.verify()
    assert verified.returncode == 0, verified.stdout + verified.stderr
    server.start()
    return acknowledged


def test_a_lost_machine_is_made_again_from_a_folder(own_server, tmp_path, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    place = str(tmp_path / "mirror")
    server = own_server(mirror={"url": place, "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    lose_and_restore(server, place, 150)
    assert metric(server, "signalbox_mirror_groups_mirrored_total") > 0
    server.process.stop()
    same = cli("mirror", "check", "--from", place, "--data", str(server.data), "--mirror-key", "env:SB_TEST_MIRROR")
    assert same.returncode == 0, same.stdout + same.stderr
    # The mirrored log is one that anybody can verify.
    key = cli("audit", "key", "--data", str(server.data)).stdout.strip()
    log = cli("audit", "verify", f"{place}/audit", "--key", key)
    assert log.returncode == 0, log.stdout + log.stderr
    # And nothing of it is readable, or usable with another key.
    for path in (tmp_path / "mirror").rglob("*"):
        if path.is_file() and "audit" not in path.parts:
            assert b"hello" not in path.read_bytes()
    monkeypatch.setenv("SB_TEST_MIRROR", "00" * 32)
    other = cli("restore", "--from", place, "--data", str(tmp_path / "no"), "--mirror-key", "env:SB_TEST_MIRROR")
    assert other.returncode == 1 and len(other.stderr.strip().split("\n")) == 1


def test_what_is_wrong_with_a_restore_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    for place, code in ((str(tmp_path / "empty"), 1), ("http://x/", 2), ("s3://bucket", 2)):
        done = cli("restore", "--from", place, "--data", str(tmp_path / "d"), "--mirror-key", "env:SB_TEST_MIRROR")
        assert done.returncode == code, place
        assert len(done.stderr.strip().split("\n")) == 1, done.stderr
    assert cli("restore", "--from", "x", "--data", "y", "--mirror-key", KEY).returncode == 2


@pytest.fixture
def s3(tmp_path):
    if not s3_binary():
        pytest.skip("needs an S3 service: SB_S3=1 builds one, once (Go 1.21 or newer)")
    service = S3(tmp_path / "s3")
    yield service
    service.stop()


def s3_mirror(service: S3, mode: str) -> dict:
    return {"url": "s3://records/box", "mode": mode, "key": "env:SB_TEST_MIRROR",
            "s3": {"endpoint": service.endpoint, "access_key": "env:AWS_ACCESS_KEY_ID", "secret_key": "env:AWS_SECRET_ACCESS_KEY"}}


def test_a_lost_machine_is_made_again_from_s3(own_server, s3, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.make_bucket("records")
    server = own_server(mirror=s3_mirror(s3, "before-ack")).start()
    lose_and_restore(server, "s3://records/box", 100)


def test_an_outage_of_s3_only_adds_lag(own_server, s3, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.make_bucket("records")
    server = own_server(mirror=s3_mirror(s3, "async")).start()
    server.chat("before")
    s3.kill()
    runs = [server.chat(f"during {i}").headers["x-signalbox-run"] for i in range(20)]
    until("the lag to show", lambda: metric(server, "signalbox_mirror_lag_seconds") > 0.2)
    until("a failure to show", lambda: metric(server, "signalbox_mirror_failures_total") > 0)
    s3.start()
    until("the mirror to catch up", lambda: metric(server, "signalbox_mirror_groups_mirrored_total")
          == metric(server, "signalbox_mirror_groups_committed_total"))
    lose(server)
    assert restore(server, "s3://records/box").returncode == 0
    server.start()
    assert all(server.run(run)["status"] == "completed" for run in runs)

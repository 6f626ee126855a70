"""A lost machine is made again from its mirror: a folder, or a real S3 service."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import string
import subprocess
import threading

import pytest

from harness import ROOT, Server, call, cli, until
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
    verified = server.verify()
    assert verified.returncode == 0, "before any server was started: " + verified.stdout + verified.stderr
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
    whole = cli("audit", "verify", place, "--key", key)
    assert whole.returncode == 0, whole.stdout + whole.stderr
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
    binary, why_not = s3_binary()
    if not binary:
        pytest.skip(why_not)
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
    key = cli("audit", "key", "--data", str(server.data)).stdout.strip()
    for place in ("s3://records/box", "s3://records/box/audit"):
        verified = cli("audit", "verify", place, "--key", key)
        assert verified.returncode == 0, verified.stdout + verified.stderr
    nothing = cli("audit", "verify", "s3://records/none", "--key", key)
    assert nothing.returncode == 3 and "there is no log at s3://records/none" in nothing.stderr, nothing.stderr


@pytest.fixture
def before_ack(own_server, s3, monkeypatch):
    """A server that answers nothing which its S3 service does not have."""
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.make_bucket("records")
    server = own_server(mirror=s3_mirror(s3, "before-ack"), server={"shards": 1, "drain_timeout_ms": 2000})
    yield server
    if s3.process.poll() is None:
        s3.go_on()
    if server.process.process.poll() is None:
        server.process.stop()


def test_a_repeated_request_is_told_nothing_that_the_mirror_lacks(before_ack, s3):
    server = before_ack.start()
    old = server.chat("before").headers["x-signalbox-run"]
    body = {"input": {"model": "simulated", "messages": [{"role": "user", "content": "hello"}]}}

    def begin(timeout: float):
        return call(server.address, "POST", "/api/v1/flows/signalbox/chat/runs", body,
                    {"Authorization": f"Bearer {server.key}", "Idempotency-Key": "once"}, timeout)

    s3.pause()
    with pytest.raises(TimeoutError):
        begin(2)
    again = begin(30)  # it is on this machine's disk, and would be found
    assert again.status == 503 and "not in the mirror" in again.body.decode(), again.body
    assert server.call("GET", f"/api/v1/runs/{old}").status == 503, "an answer may tell of anything that is on disk"
    s3.go_on()
    until("the mirror to have it", lambda: begin(30).status == 202)
    assert begin(30).json() == begin(30).json()
    assert len(server.call("GET", "/api/v1/runs").json()["runs"]) == 2
    assert server.run(old)["status"] == "completed"


def test_a_policy_that_cannot_be_recorded_now_keeps_nobody_from_stopping(before_ack, s3, tmp_path):
    server, path = before_ack, tmp_path / "policy.yaml"
    document = "name: own\nversion: {}\nrules: [{{types: [EMAIL], action: mask}}]\n"
    path.write_text(document.format(1))
    server.write_config({**json.loads(server.config_file.read_text()), "policy": {"file": str(path)}})
    server.start()
    s3.kill()
    for version in (2, 3):
        path.write_text(document.format(version))
        server.process.process.send_signal(signal.SIGHUP)
        until("the policy to wait for the mirror", lambda: metric(server, "signalbox_mirror_groups_committed_total")
              > metric(server, "signalbox_mirror_groups_mirrored_total"))
    server.process.process.terminate()
    assert server.process.process.wait(30) == 0  # of which the mirror tries for 10 s
    assert "server.stopped" in server.log() and "policy.in_force" not in server.log()


def test_a_command_leaves_a_mirrored_directory_alone(own_server, tmp_path, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    place = str(tmp_path / "mirror")
    server = own_server(mirror={"url": place, "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    run = server.chat("hello").headers["x-signalbox-run"]
    key_file = tmp_path / "key"
    key_file.write_text(server.key)
    server.process.stop()
    proof, policy = tmp_path / "proof.json", ROOT / "policies/default.yaml"
    prove = ("audit", "prove", "--data", str(server.data), "--run", run, "--out", str(proof), "--disclose")
    diff = ("policy", "diff", str(policy), str(policy), "--data", str(server.data))
    for command, code in ((prove, 3), (diff, 2)):
        refused = cli(*command)
        assert refused.returncode == code, (refused.stdout, refused.stderr)
        assert "is mirrored" in refused.stderr and "--url" in refused.stderr and len(refused.stderr.strip().split("\n")) == 1
    assert not proof.exists()
    same = cli("mirror", "check", "--from", place, "--data", str(server.data), "--mirror-key", "env:SB_TEST_MIRROR")
    assert same.returncode == 0, same.stdout + same.stderr
    server.start()
    through = ("--url", f"http://{server.address}", "--key-file", str(key_file))
    for command in (prove, diff):
        done = cli(*command, *through)
        assert done.returncode == 0, done.stderr


def test_old_segments_go_and_a_restore_still_has_everything(own_server, s3, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.make_bucket("records")
    server = own_server(mirror={**s3_mirror(s3, "before-ack"), "snapshot_mb": 1, "keep_days": 0}).start()
    segments = s3.folder / "buckets/records/box/segments"
    with Traffic(server) as traffic:
        until("the first segments to go", lambda: segments.exists() and any(segments.iterdir())
              and not (segments / "000000000001").exists(), 180)
    server.chat("and on it goes")
    server.process.stop()
    same = cli("mirror", "check", "--from", "s3://records/box", "--data", str(server.data), "--mirror-key", "env:SB_TEST_MIRROR")
    assert same.returncode == 0, same.stdout + same.stderr
    shutil.rmtree(server.data)
    done = restore(server, "s3://records/box")
    assert done.returncode == 0, done.stderr
    server.start()
    assert traffic.acknowledged and all(server.run(run)["status"] == "completed" for run in traffic.acknowledged[::20])


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


def test_large_objects_in_parts_against_a_real_service(s3):
    s3.make_bucket("records")
    s3.make_bucket("versioned", versions=True)
    test = ROOT / "build/release/src/mirror/mirror_test"
    if not test.exists():
        pytest.skip(f"{test} is not built")
    done = subprocess.run([str(test), "--gtest_filter=S3Target.*"], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **s3.environment(), "SB_S3_BUCKET": "records", "SB_S3_VERSIONED": "versioned"})
    assert done.returncode == 0 and "SKIPPED" not in done.stdout, done.stdout[-3000:]
    assert s3.uploads("records") == [], "an upload that failed was aborted"
    assert len(s3.versions("versioned")) == 1, "what was replaced or removed is not kept beside"


def test_an_erasure_leaves_no_older_version_of_a_list_of_keys(own_server, s3, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.make_bucket("records", versions=True)
    server = own_server(mirror=s3_mirror(s3, "before-ack")).start()
    until("the first snapshot", lambda: any(key.endswith("/manifest") for key in s3.versions("records")))  # has a list too
    for subject in ("customer-1", "customer-1", "customer-2"):
        server.chat("hello", x_signalbox_subject=subject)
    listed = [key for key in s3.versions("records") if "/keys/" in key]
    assert len(listed) >= 3
    erased = server.call("POST", "/api/v1/erasures", {"subject": "customer-1", "legal_basis": "test"}).json()
    assert erased["runs_erased"] == 2
    left = [key for key in s3.versions("records") if "/keys/" in key]
    # The runs' numbers stay in their lists, once each: no older version of one still holds a key.
    assert sorted(left) == sorted(set(left)) == sorted(set(listed)), left


def test_who_steals_the_credentials_cannot_take_segments_away_for_good(own_server, s3, monkeypatch):
    """Object Lock: a version that is retained is there until its time, whatever is deleted or written over it."""
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.make_bucket("records", lock=True)
    mirror = s3_mirror(s3, "before-ack")
    server = own_server(mirror={**mirror, "s3": {**mirror["s3"], "retain_days": 1}}).start()
    runs = [server.chat(f"hello {i}").headers["x-signalbox-run"] for i in range(5)]
    server.process.stop()
    segments = sorted({key for key in s3.versions("records") if "/segments/" in key})
    assert len(segments) > 5
    for key in segments:
        for version in s3.version_ids("records", key):
            refused = s3.request("DELETE", f"/records/{key}", f"versionId={version}")
            assert refused.status == 403, (key, refused.status, refused.read())
    assert all(s3.version_ids("records", key) for key in segments)
    shutil.rmtree(server.data)
    assert restore(server, "s3://records/box").returncode == 0
    server.start()
    assert all(server.run(run)["status"] == "completed" for run in runs)


def test_a_kill_in_the_middle_of_an_upload_leaves_nothing(own_server, s3, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    s3.make_bucket("records")
    server = own_server().start()
    for i in range(80):
        words = " ".join("".join(random.choices(string.ascii_lowercase, k=6)) for _ in range(25_000))
        assert server.chat(f"{i} {words}").status == 200
    server.process.stop()
    assert (server.data / "signalbox.db").stat().st_size > 8 << 20, "a piece of the snapshot has several parts"
    mirror = s3_mirror(s3, "async")
    mirror["s3"]["part_mb"] = 5
    config = json.loads(server.config_file.read_text())
    server.write_config({**config, "mirror": mirror})

    seen = []
    watch = threading.Thread(target=lambda: seen.extend(until("an upload", lambda: s3.uploads("records")) and [s3.pause()]))
    watch.start()
    server.start()
    watch.join()
    server.process.kill()
    s3.go_on()
    assert seen and s3.uploads("records"), "killed in the middle of an upload"
    assert cli("restore", "--from", "s3://records/box", "--data", str(server.work / "no"), "--mirror-key",
               "env:SB_TEST_MIRROR").returncode == 1, "half a snapshot is none"
    server.start()
    run = server.chat("the last").headers["x-signalbox-run"]
    until("the last run", lambda: metric(server, "signalbox_mirror_groups_mirrored_total")
          == metric(server, "signalbox_mirror_groups_committed_total"))
    assert s3.uploads("records") == [], "what the kill left was aborted"
    lose(server)
    done = restore(server, "s3://records/box")
    assert done.returncode == 0, done.stderr
    server.start()
    assert server.run(run)["status"] == "completed"
    assert len(server.call("GET", "/api/v1/runs?limit=1000").json()["runs"]) == 81


def test_a_machine_that_was_replaced_while_it_stood_still_stops_and_is_not_started_again(own_server, tmp_path, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", KEY)
    place = str(tmp_path / "mirror")
    mirror = {"url": place, "mode": "async", "key": "env:SB_TEST_MIRROR"}
    old, new = own_server(mirror=mirror).start(), own_server(mirror=mirror)
    old.chat("hello")
    until("the mirror to have it", lambda: metric(old, "signalbox_mirror_groups_mirrored_total")
          == metric(old, "signalbox_mirror_groups_committed_total") > 0)
    old.process.process.send_signal(signal.SIGSTOP)
    shutil.rmtree(new.data)
    new.key = old.key
    assert restore(new, place).returncode == 0
    new.start()
    old.process.process.send_signal(signal.SIGCONT)
    try:
        old.call("POST", "/v1/chat/completions", {"model": "simulated", "messages": [{"role": "user", "content": "still there"}]})
    except OSError:
        pass  # it may end before it answers
    until("the old one to end", lambda: old.process.process.poll() is not None)
    assert old.process.process.returncode == 1
    assert "mirror.taken_over" in old.process.log.read_text()
    again = old.serve()
    until("it to be refused", lambda: again.process.poll() is not None)
    assert again.process.returncode == 1
    assert "belongs to another database" in again.log.read_text()
    assert new.chat("and on").status == 200
    new.process.stop()
    same = cli("mirror", "check", "--from", place, "--data", str(new.data), "--mirror-key", "env:SB_TEST_MIRROR")
    assert same.returncode == 0, same.stdout + same.stderr


def nowhere(mode: str) -> dict:
    with socket.socket() as probe:  # nobody listens there
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {"url": "s3://records/box", "mode": mode, "key": "env:SB_TEST_MIRROR",
            "s3": {"endpoint": f"http://127.0.0.1:{port}", "access_key": "env:AWS_ACCESS_KEY_ID", "secret_key": "env:AWS_SECRET_ACCESS_KEY"}}


@pytest.fixture
def credentials(monkeypatch):
    for name, value in {"SB_TEST_MIRROR": KEY, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}.items():
        monkeypatch.setenv(name, value)


def test_without_its_mirror_an_async_server_starts_and_says_so(own_server, credentials):
    server = own_server(mirror=nowhere("async")).start()
    assert server.chat("hello").status == 200
    until("the failures to show", lambda: metric(server, "signalbox_mirror_failures_total") > 0)
    assert metric(server, "signalbox_mirror_groups_mirrored_total") == 0
    assert "mirror.failed" in server.process.log.read_text()


def test_without_its_mirror_a_before_ack_server_waits_and_can_be_told_to_stop(own_server, credentials):
    server = own_server(mirror=nowhere("before-ack"))
    waiting = server.serve()
    until("it to say what it waits for", lambda: "mirror.waited_for" in waiting.log.read_text())
    assert not (server.data / "listen").exists()
    waiting.process.terminate()
    assert waiting.process.wait(10) == 0
    assert "stopped while it waited for the mirror s3://records/box" in waiting.log.read_text()

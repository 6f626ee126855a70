"""Witnesses and time stamps: what others sign of the log's tree heads, and what becomes of somebody who shows two of them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from authority import Authority
from harness import ROOT, Server, Simulator, cli, configuration, until
from litewitness import LITEWITNESS, Litewitness

COSIGNED = ROOT / "build/audit/cosigned"
GO_VERIFIER = ROOT / "build/audit/verify"

needs_witness = pytest.mark.skipif(not LITEWITNESS.is_file(), reason="litewitness is not built: see tests/audit/run")


def traffic(server: Server, count: int):
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda i: server.chat(f"question {i}"), range(count)))
    assert all(reply.status == 200 for reply in replies)


def size_of(note: str) -> int:
    return int(note.split("\n")[1])


def metric(server: Server, name: str) -> int:
    text = server.call("GET", "/metrics").body.decode()
    return int(float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M).group(1)))


def leaves(server: Server) -> int:
    return metric(server, "signalbox_audit_leaves_total")


def of_witness(server: Server, what: str, witness: str) -> int:
    return metric(server, f'signalbox_audit_witness_{what}{{witness="{witness}"}}')


def log_key(server: Server) -> str:
    return cli("audit", "key", "--data", str(server.data)).stdout.strip()


def witnessed(server: Server) -> str:
    """The newest tree head with a quorum, once it is over all leaves."""
    count, path = leaves(server), server.data / "audit/checkpoint.witnessed"
    until(f"{count} witnessed leaves", lambda: path.exists() and size_of(path.read_text()) >= count)
    return path.read_text()


def by(*witnesses: Litewitness) -> list[str]:
    return [part for witness in witnesses for part in ("--witness", witness.key)]


def verify(target, key: str, *more: str, status: int = 0) -> dict:
    result = cli("audit", "verify", str(target), "--key", key, *more, "--json")
    assert result.returncode == status, result.stdout + result.stderr
    return json.loads(result.stdout) if result.stdout else {}


def under_another_name(key: str, name: str) -> str:
    material = key.split("+", 2)[2]
    key_id = hashlib.sha256(name.encode() + b"\n" + base64.b64decode(material)).hexdigest()[:8]
    return f"{name}+{key_id}+{material}"


class Record:
    """A server whose log is cosigned by two of three witnesses: two real ones, and one that takes calls and never answers."""

    def __init__(self, work: Path, timeout_ms: int = 60_000):
        self.work = work
        self.simulator = Simulator(work)
        self.one = Litewitness(work / "one", "one.example/witness")
        self.two = Litewitness(work / "two", "two.example/witness")
        self.silent = socket.create_server(("127.0.0.1", 0))
        self.silent_key = under_another_name(self.two.key, "silent.example")
        self.audit = {
            "quorum": 2, "witness_interval_ms": 50, "witness_timeout_ms": timeout_ms,
            "witnesses": [{"url": self.one.url, "key": self.one.key}, {"url": self.two.url + "/", "key": self.two.key},
                          {"url": f"http://127.0.0.1:{self.silent.getsockname()[1]}", "key": self.silent_key}],
        }
        (work / "mirror.key").write_text("ab" * 32)
        mirror = {"url": str(work / "mirror"), "key": f"file:{work / 'mirror.key'}"}
        self.server = Server(work, configuration(self.simulator.address, audit=self.audit, mirror=mirror))
        self.key = log_key(self.server)
        for witness in (self.one, self.two):
            witness.know(self.key)
        self.server.start()

    def second_history(self, name: str, runs: int) -> Server:
        """What the log's owner can do, with the log's key: a log of the same name with other leaves."""
        work = self.work / name
        (work / "data/keys").mkdir(mode=0o700, parents=True)
        (work / "data").chmod(0o700)
        shutil.copy(self.server.data / "keys/audit.seed", work / "data/keys/audit.seed")
        server = Server(work, configuration(self.simulator.address)).start()
        traffic(server, runs)
        server.process.stop()
        server.write_config(configuration(self.simulator.address, audit={**self.audit, "witnesses": self.audit["witnesses"][:2]}))
        return server

    def end(self):
        self.server.process.stop()
        self.simulator.process.stop()
        for witness in (self.one, self.two):
            witness.end()
        self.silent.close()


@pytest.fixture
def record(tmp_path, request):
    record = Record(tmp_path, **getattr(request, "param", {}))
    yield record
    record.end()


@needs_witness
def test_a_quorum_cosigns_and_a_witness_that_never_answers_holds_nobody_up(record, tmp_path):
    for _ in range(3):
        traffic(record.server, 20)
        note = witnessed(record.server)
    until("the cosigned checkpoint", lambda: (record.server.data / "audit/checkpoint").read_text() == note)
    assert record.server.call("GET", "/audit/checkpoint", key="none").body.decode() == note
    assert record.server.call("GET", "/audit/checkpoint.witnessed", key="none").body.decode() == note
    (tmp_path / "note").write_text(note)
    theirs = subprocess.run([COSIGNED, record.key, tmp_path / "note", record.one.key, record.two.key], capture_output=True, text=True)
    assert theirs.returncode == 0 and "2 witnesses" in theirs.stdout, theirs.stderr
    go = subprocess.run([GO_VERIFIER, record.key, f"http://{record.server.address}/audit"], capture_output=True, text=True)
    assert go.returncode == 0, go.stderr

    size = size_of(note)
    mirrored = record.work / "mirror/audit/checkpoint.witnessed"
    until("the mirror", lambda: mirrored.exists() and mirrored.read_text() == note)
    for target in (f"http://{record.server.address}/", record.server.data / "audit", record.server.data, record.work / "mirror/audit"):
        report = verify(target, record.key, *by(record.one, record.two), "--quorum", "2")
        report = report.get("log", report)
        assert report["witnessed"]["leaves"] == size == report["leaves"]
        assert [cosigner["witness"] for cosigner in report["witnessed"]["cosigners"]] == [record.one.name, record.two.name]
    for witness in (record.one, record.two):
        assert of_witness(record.server, "cosigned_leaves", witness.name) == size == witness.size(record.key)
        assert of_witness(record.server, "lag_leaves", witness.name) == 0
        assert of_witness(record.server, "failures_total", witness.name) == 0
    assert metric(record.server, "signalbox_audit_witnessed_leaves") == size
    assert of_witness(record.server, "lag_leaves", "silent.example") == size
    assert of_witness(record.server, "failures_total", "silent.example") == 0, "it is still being asked"


@needs_witness
def test_fewer_cosignatures_than_the_quorum_are_not_enough(record, tmp_path):
    traffic(record.server, 5)
    witnessed(record.server)
    url = f"http://{record.server.address}/"
    three = (*by(record.one, record.two), "--witness", record.silent_key)
    report = verify(url, record.key, *three, "--quorum", "3", status=1)
    assert "cosigned by 2 of the 3 witnesses given, the quorum is 3" in report["problems"][0]
    verify(url, record.key, *three, "--quorum", "2")
    verify(url, record.key, *three, status=1)
    for wrong in (("--quorum", "1"), (*by(record.one), "--quorum", "2"), (*by(record.one, record.one), "--quorum", "2"),
                  ("--witness", record.key), (*by(record.one), "--quorum", "0")):
        result = cli("audit", "verify", url, "--key", record.key, *wrong)
        assert result.returncode == 2 and len(result.stderr.strip().split("\n")) == 1, result.stderr

    run = record.server.chat("prove me").headers["x-signalbox-run"]
    witnessed(record.server)
    proof = tmp_path / "proof.json"
    assert cli("audit", "prove", "--data", str(record.server.data), "--run", run, "--out", str(proof)).returncode == 0
    assert len(verify(proof, record.key, *by(record.one, record.two))["cosigners"]) == 2
    verify(proof, record.key, *three, status=1)


@needs_witness
@pytest.mark.parametrize("record", ({"timeout_ms": 500},), indirect=True)
def test_a_witness_that_is_away_is_seen_and_catches_up(record, tmp_path):
    run = record.server.chat("prove me").headers["x-signalbox-run"]
    before = size_of(witnessed(record.server))
    record.two.stop()
    traffic(record.server, 5)
    until("the other one", lambda: of_witness(record.server, "cosigned_leaves", record.one.name) == leaves(record.server))
    until("a failure", lambda: of_witness(record.server, "failures_total", record.two.name) > 0)
    assert of_witness(record.server, "lag_leaves", record.two.name) == leaves(record.server) - before
    assert "audit.witness_failed" in record.server.log()
    report = verify(f"http://{record.server.address}/", record.key, *by(record.one, record.two))
    assert report["leaves"] == leaves(record.server), "the log is shown without waiting"
    assert report["witnessed"]["leaves"] == before, "and the older tree head with a quorum stays"
    proof = tmp_path / "proof.json"
    assert cli("audit", "prove", "--data", str(record.server.data), "--run", run, "--out", str(proof)).returncode == 0
    assert verify(proof, record.key, *by(record.one, record.two))["leaves"] == before, "under the tree head that has the cosignatures"
    record.two.start()
    assert size_of(witnessed(record.server)) > before
    assert "audit.witness_back" in record.server.log()


@needs_witness
def test_what_was_cosigned_survives_a_restart_and_may_be_lost(record):
    traffic(record.server, 5)
    note = witnessed(record.server)
    record.server.process.kill()
    record.one.stop()
    record.two.stop()
    record.server.start()
    assert of_witness(record.server, "cosigned_leaves", record.one.name) == size_of(note)
    until("its cosignatures again", lambda: (record.server.data / "audit/checkpoint").read_text() == note)
    record.server.process.stop()
    shutil.rmtree(record.server.data / "audit/.witness")
    record.one.start()
    record.two.start()
    record.server.start()
    traffic(record.server, 1)
    assert size_of(witnessed(record.server)) > size_of(note), "the witness told what it had cosigned"
    assert of_witness(record.server, "refusals_total", record.one.name) == 0


@needs_witness
@pytest.mark.parametrize("runs", (1, 60))
def test_a_second_history_is_refused_and_found(record, runs):
    """Shorter than what was cosigned, it is a rollback; not shorter, a fork."""
    traffic(record.server, 20)
    genuine = witnessed(record.server)
    record.server.process.stop()
    fork = record.second_history("fork", runs).start()
    try:
        assert log_key(fork) == record.key
        until("both refusals", lambda: all(of_witness(fork, "refusals_total", w.name) > 0 for w in (record.one, record.two)))
        assert (leaves(fork) < size_of(genuine)) == (runs == 1)
        refusal = next(json.loads(line) for line in fork.log().split("\n") if "audit.witness_refused" in line)
        assert refusal["level"] == "error" and ("rolled back" if runs == 1 else "another history") in refusal["detail"]
        assert of_witness(fork, "cosigned_leaves", record.one.name) == 0
        url = f"http://{fork.address}/"
        assert verify(url, record.key)["ok"], "whole in itself, and signed with the right key"
        report = verify(url, record.key, *by(record.one, record.two), status=1)
        assert "cosigned by 0 of the 2" in report["problems"][0]
        assert record.one.size(record.key) == size_of(genuine)
    finally:
        fork.process.stop()
    # The cosigned tree head of the other history beside it does not help.
    copy = record.work / "copy"
    shutil.copytree(fork.data / "audit", copy)
    (copy / "checkpoint.witnessed").write_text(genuine)
    report = verify(copy, record.key, *by(record.one, record.two), status=1)
    assert ("rolled back" if runs == 1 else "another history") in report["problems"][0]
    # Nor does a server start on it.
    shutil.copy(copy / "checkpoint.witnessed", fork.data / "audit/checkpoint.witnessed")
    refused = cli("serve", "--config", str(fork.config_file), "--data", str(fork.data), "--listen", "127.0.0.1:0")
    assert refused.returncode != 0 and "tree head" in refused.stderr, refused.stderr


@pytest.fixture
def authority(tmp_path):
    authority = Authority(tmp_path / "authority")
    yield authority
    authority.stop()


def test_tree_heads_are_time_stamped(tmp_path, authority):
    other = Authority(tmp_path / "other")
    other.stop()
    simulator = Simulator(tmp_path)
    (tmp_path / "mirror.key").write_text("ab" * 32)
    server = Server(tmp_path, configuration(
        simulator.address, audit={"timestamp": {"url": authority.url, "interval_s": 1, "ca": str(authority.ca)}},
        mirror={"url": str(tmp_path / "mirror"), "key": f"file:{tmp_path / 'mirror.key'}"})).start()
    key, folder = log_key(server), server.data / "audit/timestamp"
    try:
        traffic(server, 5)
        count = leaves(server)
        until("the stamp", lambda: metric(server, "signalbox_audit_timestamped_leaves") == count)
        assert (folder / "newest").read_text() == f"{count}\n"
        openssl = ["openssl", "ts", "-verify", "-data", folder / f"{count}", "-in", folder / f"{count}.tsr", "-CAfile"]
        assert subprocess.run([*openssl, authority.ca], capture_output=True).returncode == 0
        for target in (f"http://{server.address}/", server.data / "audit"):
            report = verify(target, key, "--tsa-ca", str(authority.ca))
            assert report["timestamp"]["leaves"] == count
            assert "time stamp" in verify(target, key, "--tsa-ca", str(other.ca), status=1)["problems"][0]
        token = server.call("GET", f"/audit/timestamp/{count}.tsr", key="none")
        assert token.body == (folder / f"{count}.tsr").read_bytes() and token.headers["content-type"] == "application/timestamp-reply"
        for path in ("timestamp/..", "timestamp/07", "timestamp/999999", "timestamp/x.tsr"):
            assert server.call("GET", f"/audit/{path}", key="none").status in (400, 404), path
        mirrored = tmp_path / "mirror/audit/timestamp"
        until("the mirror", lambda: (mirrored / "newest").exists() and (mirrored / "newest").read_text() == f"{count}\n")
        verify(tmp_path / "mirror/audit", key, "--tsa-ca", str(authority.ca))
        assert cli("audit", "verify", str(tmp_path / "mirror/audit"), "--key", key, "--tsa-ca", str(tmp_path / "nowhere")).returncode == 2

        authority.stop()
        traffic(server, 1)
        until("a failure", lambda: metric(server, "signalbox_audit_timestamp_failures_total") > 0)
        assert "audit.not_stamped" in server.log()
        verify(server.data / "audit", key, "--tsa-ca", str(authority.ca))
    finally:
        server.process.stop()
        simulator.process.stop()
    stamped = (folder / f"{count}").read_bytes()
    (folder / f"{count}").write_bytes(stamped.replace(b"\n", b"\n1", 1))
    verify(server.data / "audit", key, "--tsa-ca", str(authority.ca), status=1)
    shutil.rmtree(folder)
    assert "there is none" in verify(server.data / "audit", key, "--tsa-ca", str(authority.ca), status=1)["problems"][0]


def test_a_stamp_of_another_authority_is_not_kept(tmp_path, authority):
    other = Authority(tmp_path / "other")
    other.stop()
    simulator = Simulator(tmp_path)
    server = Server(tmp_path, configuration(simulator.address, audit={"timestamp": {"url": authority.url, "ca": str(other.ca)}})).start()
    try:
        until("a failure", lambda: metric(server, "signalbox_audit_timestamp_failures_total") > 0)
        assert metric(server, "signalbox_audit_timestamped_leaves") == 0
        assert not (server.data / "audit/timestamp").exists()
    finally:
        server.process.stop()
        simulator.process.stop()

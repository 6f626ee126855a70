"""What an auditor does who trusts nobody: the log of a real server under real traffic, verified by Go's sumdb packages."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import ROOT, Server, Simulator, cli, configuration, until

GO_VERIFIER = ROOT / "build/audit/verify"


def go_verify(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(GO_VERIFIER), *map(str, arguments)], capture_output=True, text=True, timeout=120)


def head_size(folder: Path) -> int:
    return int((folder / "checkpoint").read_text().split("\n")[1])


def traffic(server: Server, count: int):
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda i: server.chat(f"question {i}"), range(count)))
    assert all(reply.status == 200 for reply in replies)


class Log:
    """A server's published log, in two states: now, and as it was before more traffic."""

    def __init__(self, work: Path):
        self.simulator = Simulator(work)
        self.server = Server(work, configuration(self.simulator.address)).start()
        self.folder = self.server.data / "audit"
        self.key = cli("audit", "key", "--data", str(self.server.data)).stdout.strip()
        self.early_copy = self.grow(work / "early", 60)
        self.earlier = work / "earlier"
        self.earlier.write_bytes((self.early_copy / "checkpoint").read_bytes())
        self.copy = self.grow(work / "copy", 120)

    def grow(self, copy: Path, runs: int) -> Path:
        traffic(self.server, runs)
        leaves = self.leaf_count()
        until("the checkpoint over all leaves", lambda: head_size(self.folder) >= leaves)
        shutil.copytree(self.folder, copy)
        return copy

    def leaf_count(self) -> int:
        metrics = self.server.call("GET", "/metrics").body.decode()
        return int(float(next(line for line in metrics.split("\n") if line.startswith("signalbox_audit_leaves_total ")).split()[1]))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    log = Log(tmp_path_factory.mktemp("log"))
    yield log
    log.server.process.stop()
    log.simulator.process.stop()


def test_go_verifies_the_folder_and_its_growth(log):
    result = go_verify(log.key, log.copy, log.earlier)
    assert result.returncode == 0, result.stderr
    assert f"verified {head_size(log.copy)} entries" in result.stdout
    assert head_size(log.early_copy) < head_size(log.copy)
    assert head_size(log.copy) > 512, "more than two full tiles, so that all kinds of tiles are there"


def test_go_verifies_the_running_server(log):
    result = go_verify(log.key, f"http://{log.server.address}/audit", log.earlier)
    assert result.returncode == 0, result.stderr


def test_the_log_is_served_as_static_files(log):
    checkpoint = log.server.call("GET", "/audit/checkpoint", key="none")
    assert checkpoint.status == 200 and checkpoint.headers["content-type"].startswith("text/plain")
    tile = log.server.call("GET", "/audit/tile/0/000", key="none")
    assert tile.status == 200 and len(tile.body) == 8192 and "immutable" in tile.headers["cache-control"]
    assert tile.body == (log.copy / "tile/0/000").read_bytes()
    cut = log.server.call("GET", "/audit/tile/0/000.p/3")
    assert cut.body == tile.body[:96], "a partial tile that is gone is cut from the full one"
    for path in ("tile/0/00", "tile/0/999", "tile/0/000.p/256", "tile/../checkpoint", "tile/entries/x001", "nothing"):
        assert log.server.call("GET", f"/audit/{path}").status in (400, 404), path


def test_a_log_that_is_not_public_asks_for_a_key(log, tmp_path):
    closed = configuration(log.simulator.address, audit={"public": False, "origin": "example.com/record"})
    server = Server(tmp_path, closed).start()
    try:
        assert server.call("GET", "/audit/checkpoint", key="none").status == 401
        reply = server.call("GET", "/audit/checkpoint")
        assert reply.status == 200 and reply.body.startswith(b"example.com/record\n")
        assert cli("audit", "key", "--data", str(server.data)).stdout.startswith("example.com/record+")
    finally:
        server.process.stop()


def test_our_command_verifies_folder_server_and_data_directory(log, tmp_path):
    kept = tmp_path / "kept"
    for target in (str(log.copy), f"http://{log.server.address}/", str(log.server.data)):
        result = cli("audit", "verify", target, "--key", log.key, "--head", str(log.earlier), "--save", str(kept), "--json")
        assert result.returncode == 0, result.stdout + result.stderr
        assert json.loads(result.stdout)["ok"] is True
    since = cli("audit", "verify", f"http://{log.server.address}/", "--key", log.key, "--since", str(log.earlier), "--json")
    report = json.loads(since.stdout)
    assert since.returncode == 0 and report["checked"] < report["leaves"]


def test_a_proof_names_the_leaves_of_a_run_and_stands_for_itself(log, tmp_path):
    run = log.server.chat("prove me").headers["x-signalbox-run"]
    leaves = log.leaf_count()
    until("its checkpoint", lambda: head_size(log.folder) >= leaves)
    proof = tmp_path / "proof.json"
    made = cli("audit", "prove", "--data", str(log.server.data), "--run", run, "--out", str(proof))
    assert made.returncode == 0, made.stderr
    entries = json.loads(proof.read_text())["entries"]
    assert [json.loads(entry["leaf"])["run"] for entry in entries] == [run] * len(entries) and len(entries) >= 3
    assert cli("audit", "verify", str(proof), "--key", log.key).returncode == 0
    state = None
    for leaf in (json.loads(entry["leaf"]) for entry in entries):  # by the formula in docs/record.md
        assert leaf.get("prev_state") == state, leaf
        summary = json.dumps(leaf["summary"], separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        state = hashlib.sha256("\n".join([state or "", leaf["kind"], summary, leaf.get("payload_commit", "")]).encode()).hexdigest()
    whole = json.loads(proof.read_text())
    for damaged in (entries[:1] + entries[2:], entries[1:], entries[:2] + entries[1:], entries[::-1]):
        (tmp_path / "damaged.json").write_text(json.dumps({**whole, "entries": damaged}))
        found = cli("audit", "verify", str(tmp_path / "damaged.json"))
        assert found.returncode == 1 and "leaf" in found.stdout, found.stdout
    (tmp_path / "damaged.json").write_text(json.dumps({**whole, "entries": entries[:-1]}))
    assert "the run's end is not among them" in cli("audit", "verify", str(tmp_path / "damaged.json")).stdout
    disclose = ("audit", "prove", "--data", str(log.server.data), "--run", run, "--out", str(proof), "--disclose")
    unrecorded = cli(*disclose)
    assert unrecorded.returncode == 3 and "--url" in unrecorded.stderr, "the server must know who opens the content"
    key_file = tmp_path / "api.key"
    key_file.write_text(log.server.key)
    told = cli(*disclose, "--url", f"http://{log.server.address}", "--key-file", str(key_file))
    assert told.returncode == 0, told.stderr
    shown = cli("audit", "show", "--data", str(log.server.data), "--run", run).stdout.splitlines()
    assert [json.loads(leaf)["summary"] for leaf in shown if '"record.opened"' in leaf] == [{"what": "proof"}]
    verified = cli("audit", "verify", str(proof), "--key", log.key, "--json")
    assert verified.returncode == 0 and json.loads(verified.stdout)["payloads"] == 2, verified.stdout
    changed = json.loads(proof.read_text())
    changed["entries"][0]["payload"]["ciphertext"] = "AAAA" + changed["entries"][0]["payload"]["ciphertext"][4:]
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    assert cli("audit", "verify", str(tmp_path / "changed.json")).returncode == 1
    proof.write_text(proof.read_text()[:-20])
    cut = cli("audit", "verify", str(proof))
    assert cut.returncode == 1 and len(cut.stderr.strip().split("\n")) == 1


def flip(path: Path, at: int = 40):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def entries_of(path: Path) -> list[bytes]:
    data, entries = path.read_bytes(), []
    while data:
        size = 2 + int.from_bytes(data[:2], "big")
        entries.append(data[:size])
        data = data[size:]
    return entries


def partial(folder: Path, level: str) -> Path:
    return next(iter(sorted((folder / f"tile/{level}").rglob("*.p/*"), key=lambda p: (p.parent.name, int(p.name)), reverse=True)))


def edit(path: Path, change):
    path.write_bytes(change(path.read_bytes()))


def swap_entries(folder: Path):
    path = folder / "tile/entries/000"
    entries = entries_of(path)
    entries[3], entries[4] = entries[4], entries[3]
    path.write_bytes(b"".join(entries))


def swap_files(one: Path, two: Path):
    a, b = one.read_bytes(), two.read_bytes()
    one.write_bytes(b)
    two.write_bytes(a)


DAMAGES = {
    "a flipped bit in an entry": lambda f: flip(f / "tile/entries/001"),
    "a flipped bit in a tile": lambda f: flip(f / "tile/0/001"),
    "a flipped bit in an upper tile": lambda f: flip(partial(f, "1")),
    "a flipped bit in the newest entries": lambda f: flip(partial(f, "entries")),
    "a dropped entry": lambda f: (f / "tile/entries/000").write_bytes(b"".join(entries_of(f / "tile/entries/000")[1:])),
    "an added entry": lambda f: edit(f / "tile/entries/000", lambda b: b + b"\0\2{}"),
    "entries in another order": swap_entries,
    "bundles in another order": lambda f: swap_files(f / "tile/entries/000", f / "tile/entries/001"),
    "tiles in another order": lambda f: swap_files(f / "tile/0/000", f / "tile/0/001"),
    "a truncated tile": lambda f: edit(f / "tile/0/001", lambda b: b[:-32]),
    "a truncated bundle": lambda f: edit(f / "tile/entries/001", lambda b: b[:-7]),
    "a tile that is gone": lambda f: (f / "tile/0/000").unlink(),
    "a bundle that is gone": lambda f: (f / "tile/entries/000").unlink(),
    "a size in the checkpoint": lambda f: edit(f / "checkpoint", lambda b: b.replace(b"\n", b"\n1", 1)),
    "a flipped bit in the signature": lambda f: edit(f / "checkpoint", lambda b: b[:-20] + bytes([b[-20] ^ 1]) + b[-19:]),
    "a truncated checkpoint": lambda f: edit(f / "checkpoint", lambda b: b[: len(b) // 2]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_by_go_and_by_us(log, tmp_path, name):
    folder = tmp_path / "damaged"
    shutil.copytree(log.copy, folder)
    DAMAGES[name](folder)
    assert go_verify(log.key, folder, log.earlier).returncode == 1
    ours = cli("audit", "verify", str(folder), "--key", log.key)
    assert ours.returncode == 1, ours.stdout + ours.stderr
    # Reading less must not find less in what is read: the checkpoint and everything after the kept one.
    if "checkpoint" in name or "newest" in name or "signature" in name:
        assert cli("audit", "verify", str(folder), "--key", log.key, "--since", str(log.earlier)).returncode == 1


def test_a_rollback_is_found_against_a_kept_checkpoint(log, tmp_path):
    kept = tmp_path / "kept"
    kept.write_bytes((log.copy / "checkpoint").read_bytes())
    assert go_verify(log.key, log.early_copy).returncode == 0, "whole in itself"
    assert go_verify(log.key, log.early_copy, kept).returncode == 1
    assert cli("audit", "verify", str(log.early_copy), "--key", log.key, "--head", str(kept)).returncode == 1
    assert cli("audit", "verify", str(log.early_copy), "--key", log.key, "--since", str(kept)).returncode == 1


def test_a_second_history_is_found_against_a_kept_checkpoint(log, tmp_path):
    """A split view: the log's owner, with the log's key, shows another history of the same beginning."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "keys").mkdir(mode=0o700)
    shutil.copy(log.server.data / "keys/audit.seed", data / "keys/audit.seed")
    server = Server(tmp_path, configuration(log.simulator.address)).start()
    try:
        traffic(server, 120)
        until("enough leaves", lambda: head_size(data / "audit") >= head_size(log.early_copy))
    finally:
        server.process.stop()
    assert go_verify(log.key, data / "audit").returncode == 0, "whole in itself, and signed with the right key"
    assert go_verify(log.key, data / "audit", log.earlier).returncode == 1
    assert cli("audit", "verify", str(data / "audit"), "--key", log.key, "--head", str(log.earlier)).returncode == 1


def test_the_wrong_key_and_bad_addresses_are_one_clear_line(log, tmp_path):
    other = tmp_path / "other"
    assert cli("init", "--data", str(other)).returncode == 0
    key = cli("audit", "key", "--data", str(other)).stdout.strip()
    wrong = cli("audit", "verify", str(log.copy), "--key", key)
    assert wrong.returncode == 1 and wrong.stdout == "" and "NOT VERIFIED" in wrong.stderr
    assert len(wrong.stderr.strip().split("\n")) == 1, wrong.stderr
    assert go_verify(key, log.copy).returncode == 1
    for target in ("http://127.0.0.1:9/", "https://", str(tmp_path / "nowhere"), f"http://{log.server.address}/nowhere/"):
        result = cli("audit", "verify", target, "--key", log.key)
        assert result.returncode in (2, 3), target
        assert len(result.stderr.strip().split("\n")) == 1, result.stderr

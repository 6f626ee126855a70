"""Whoever gives a command the wrong key, another log, a damaged file or a place that is none is told so in one line."""

from __future__ import annotations

import json
import shutil
import sqlite3
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from harness import Server, cli, configuration, until

KEY, OTHER_KEY = "5b" * 32, "00" * 32
NO_RUN = "01a21462-3b78-75db-bd36-648d57d0c328"


def stopped_server(work: Path, simulator) -> SimpleNamespace:
    """A data directory with some runs, its mirror, a proof and its tree head."""
    work.mkdir()
    place = work / "mirror"
    server = Server(work, configuration(simulator.address, mirror={"url": str(place), "mode": "before-ack", "key": "env:SB_TEST_MIRROR"})).start()
    runs = [server.chat(f"question {i}").headers["x-signalbox-run"] for i in range(29)]
    until("the log to be in the mirror", (place / "audit/checkpoint").exists)
    runs.append(server.chat("one that a segment comes with that knows of it").headers["x-signalbox-run"])
    assert server.process.stop() == 0
    proof, head = work / "proof.json", work / "head"
    made = cli("audit", "prove", "--data", str(server.data), "--run", runs[0], "--out", str(proof))
    assert made.returncode == 0, made.stderr
    shutil.copy(server.data / "audit/checkpoint", head)
    return SimpleNamespace(data=server.data, audit=server.data / "audit", mirror=place, proof=proof, head=head, runs=runs,
                           key=cli("audit", "key", "--data", str(server.data)).stdout.strip())


@pytest.fixture(scope="module")
def boxes(simulator, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB_TEST_MIRROR", KEY)
        patch.setenv("SB_TEST_OTHER", OTHER_KEY)
        patch.delenv("SB_TEST_NONE", raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        work = tmp_path_factory.mktemp("boxes")
        yield SimpleNamespace(one=stopped_server(work / "one", simulator), two=stopped_server(work / "two", simulator), patch=patch)


def entry_bundle(audit: Path) -> Path:
    """The newest, which has the most leaves while there are fewer than 256."""
    return max((path for path in (audit / "tile/entries").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def copy_of(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def cut(path: Path, part: float = 0.5) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    return path


def flip(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


# What is asked, the exit code, and what the answer must say. Each gets (one, two, scratch folder) and returns arguments.
VERIFY = {
    "another log's key": (lambda a, b, t: [a.audit, "--key", b.key], 1, "not signed with this log's key"),
    "another log's key for a data directory": (lambda a, b, t: [a.data, "--key", b.key], 1, "not signed with this log's key"),
    "no key": (lambda a, b, t: [a.audit], 2, "--key VKEY is missing"),
    "a key that is none": (lambda a, b, t: [a.audit, "--key", "garbage"], 2, "name+id+base64"),
    "a key with another id": (lambda a, b, t: [a.audit, "--key", a.key.replace("+", "+0", 1)], 2, "id does not fit"),
    "another log's tree head": (lambda a, b, t: [a.data, "--head", b.head], 1, "not signed with this log's key"),
    "a tree head that is cut short": (lambda a, b, t: [a.data, "--head", cut(Path(shutil.copy(a.head, t)), 0.2)], 1, "not a signed note"),
    "a tree head that is not there": (lambda a, b, t: [a.data, "--head", t / "none"], 3, "No such file"),
    "a folder without a log": (lambda a, b, t: [t, "--key", a.key], 3, "no database at"),
    "a place that is not there": (lambda a, b, t: [t / "none", "--key", a.key], 3, "none"),
    "a URL of another kind": (lambda a, b, t: ["ftp://x/", "--key", a.key], 2, "not http or https"),
    "a URL without a host": (lambda a, b, t: ["http://", "--key", a.key], 2, "no host"),
    "a server that is not there": (lambda a, b, t: ["http://127.0.0.1:1/", "--key", a.key], 3, "refused"),
    "a proof that is cut short": (lambda a, b, t: [cut(Path(shutil.copy(a.proof, t))), "--key", a.key], 1, "cut short"),
    "a proof and a tree head": (lambda a, b, t: [a.proof, "--key", a.key, "--head", a.head], 2, "--head goes with a log"),
    "a proof of another log": (lambda a, b, t: [b.proof, "--key", a.key], 1, "not signed with this log's key"),
    "a file that is no proof": (lambda a, b, t: [a.data / "signalbox.db", "--key", a.key], 1, "not a proof"),
    "a database that is cut short": (lambda a, b, t: [cut_database(copy_of(a.data, t / "d"))], 1, "malformed"),
    "a data directory without its database": (lambda a, b, t: [no_database(copy_of(a.data, t / "d"), None)], 3, "no database at"),
    "an empty database": (lambda a, b, t: [no_database(copy_of(a.data, t / "d"), "")], 1, "is empty"),
    "a database that is none": (lambda a, b, t: [no_database(copy_of(a.data, t / "d"))], 1, "not a database"),
}
# A log of this key that does not hold: what is asked, and what the report must name.
DAMAGED = {
    "a bundle that is cut short": (lambda a, b, t: [copy_of(a.audit, t / "a"), "--key", a.key, *cut_bundle(t / "a")], "cut short"),
    "a bundle that was changed": (lambda a, b, t: [copy_of(a.audit, t / "a"), "--key", a.key, *flip_bundle(t / "a")], "tile/"),
    "a bundle that is gone": (lambda a, b, t: [copy_of(a.audit, t / "a"), "--key", a.key, *drop_bundle(t / "a")], "tile/entries"),
}


def cut_bundle(audit: Path) -> list:
    cut(entry_bundle(audit))
    return []


def flip_bundle(audit: Path) -> list:
    flip(entry_bundle(audit))
    return []


def drop_bundle(audit: Path) -> list:
    entry_bundle(audit).unlink()
    return []


def cut_database(data: Path) -> Path:
    with sqlite3.connect(data / "signalbox.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cut(data / "signalbox.db", 0.3)
    return data


def no_database(data: Path, content: str | None = "no database at all, but some text that is long enough\n" * 200) -> Path:
    (data / "signalbox.db").unlink()
    if content is not None:
        (data / "signalbox.db").write_text(content)
    for left in data.glob("signalbox.db-*"):
        left.unlink()
    return data


RESTORE = {
    "another key": (lambda a, b, t: [a.mirror, t / "r", "env:SB_TEST_OTHER"], 1, "another mirror key"),
    "a key that is not set": (lambda a, b, t: [a.mirror, t / "r", "env:SB_TEST_NONE"], 1, "not set"),
    "a key file that is not there": (lambda a, b, t: [a.mirror, t / "r", f"file:{t}/none"], 1, "cannot be read"),
    "the key itself": (lambda a, b, t: [a.mirror, t / "r", KEY], 2, "never the key itself"),
    "a folder that is not there": (lambda a, b, t: [t / "none", t / "r", "env:SB_TEST_MIRROR"], 1, "there is no mirror"),
    "a folder that is no mirror": (lambda a, b, t: [a.data, t / "r", "env:SB_TEST_MIRROR"], 1, "there is no mirror"),
    "a URL of another kind": (lambda a, b, t: ["http://x/", t / "r", "env:SB_TEST_MIRROR"], 2, "a folder or s3://"),
    "a bucket without credentials": (lambda a, b, t: ["s3://bucket", t / "r", "env:SB_TEST_MIRROR"], 2, "access key"),
    "the mirror itself": (lambda a, b, t: [a.mirror, a.mirror, "env:SB_TEST_MIRROR"], 2, "lie in each other"),
    "a folder in the mirror": (lambda a, b, t: [a.mirror, a.mirror / "new", "env:SB_TEST_MIRROR"], 2, "lie in each other"),
    "a data directory that is in use": (lambda a, b, t: [a.mirror, a.data, "env:SB_TEST_MIRROR"], 1, "has a database"),
    "a segment that is cut short": (lambda a, b, t: [cut_segment(copy_of(a.mirror, t / "m")), t / "r", "env:SB_TEST_MIRROR"], 1, "segments/"),
    "a segment that is gone": (lambda a, b, t: [drop_segment(copy_of(a.mirror, t / "m")), t / "r", "env:SB_TEST_MIRROR"], 1, "segments/"),
    "a list of keys that is gone": (lambda a, b, t: [drop_list(copy_of(a.mirror, t / "m")), t / "r", "env:SB_TEST_MIRROR"], 1, "lists of keys"),
    "a tree head that is gone": (lambda a, b, t: [drop_head(copy_of(a.mirror, t / "m")), t / "r", "env:SB_TEST_MIRROR"], 1, "audit/checkpoint"),
    "secrets that are gone": (lambda a, b, t: [drop_secrets(copy_of(a.mirror, t / "m")), t / "r", "env:SB_TEST_MIRROR"], 1, "keys/"),
    "a segment of another mirror": (lambda a, b, t: [foreign_segment(copy_of(a.mirror, t / "m"), b.mirror), t / "r", "env:SB_TEST_MIRROR"], 1,
                                    "segment"),
}


def second_segment(mirror: Path) -> Path:
    return sorted((mirror / "segments").iterdir())[1]


def cut_segment(mirror: Path) -> Path:
    cut(second_segment(mirror))
    return mirror


def drop_segment(mirror: Path) -> Path:
    second_segment(mirror).unlink()
    return mirror


def drop_list(mirror: Path) -> Path:
    sorted((mirror / "keys").iterdir())[-1].unlink()
    return mirror


def drop_head(mirror: Path) -> Path:
    (mirror / "audit/checkpoint").unlink()
    return mirror


def drop_secrets(mirror: Path) -> Path:
    (mirror / "secrets").unlink()
    return mirror


def foreign_segment(mirror: Path, other: Path) -> Path:
    shutil.copy(second_segment(other), second_segment(mirror))
    return mirror


OTHER_COMMANDS = {
    "an unknown audit command": (["audit", "verfy"], 2, "unknown command verfy"),
    "an unknown mirror command": (["mirror", "chekc"], 2, "unknown command chekc"),
    "a misspelt option": (["restore", "--form", "x"], 2, "did you mean --from"),
    "a number that is none": (["audit", "show", "--data", "x", "--from", "y"], 2, "takes a number"),
    "a run that is none": (["audit", "prove", "--data", "x", "--run", "y"], 2, "--run takes the UUID"),
    "no data directory": (["audit", "prove", "--data", "/nowhere", "--run", NO_RUN], 3, "no data directory"),
    "leaves of nothing": (["audit", "show", "--data", "/nowhere"], 3, "no database"),
    "the key of nothing": (["audit", "key", "--data", "/nowhere"], 3, "no data directory"),
    "the mirror of nothing": (["mirror", "check", "--from", "/tmp", "--data", "/nowhere", "--mirror-key", "env:SB_TEST_MIRROR"], 3, "has no database"),
    "an erasure of nobody": (["erase", "--legal-basis", "x", "--url", "http://127.0.0.1:1"], 2, "either --subject NAME or --run ID"),
    "an erasure for no reason": (["erase", "--subject", "x", "--url", "http://127.0.0.1:1"], 2, "--legal-basis TEXT is missing"),
    "an option for a value": (["audit", "verify", "x", "--save", "--head"], 2, "--save needs a value"),
}


def expect_one_line(done, code: int, says: str):
    assert done.returncode == code, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and says in lines[0] and len(lines[0]) < 400, done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", VERIFY)
def test_verify(boxes, tmp_path, name):
    arguments, code, says = VERIFY[name]
    expect_one_line(cli("audit", "verify", *map(str, arguments(boxes.one, boxes.two, tmp_path))), code, says)


def test_a_log_that_cannot_be_read_is_not_called_damaged(boxes):
    class Failing(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(boxes.one.audit))

        def do_GET(self):
            if self.path.startswith("/tile/"):
                return self.send_error(503)
            super().do_GET()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        done = cli("audit", "verify", f"http://127.0.0.1:{server.server_port}/", "--key", boxes.one.key)
        server.shutdown()
    expect_one_line(done, 3, "503")


@pytest.mark.parametrize("name", DAMAGED)
def test_verify_reports(boxes, tmp_path, name):
    arguments, says = DAMAGED[name]
    done = cli("audit", "verify", *map(str, arguments(boxes.one, boxes.two, tmp_path)))
    assert done.returncode == 1 and done.stderr == "", done.stderr
    summary, *problems = done.stdout.splitlines()
    assert summary.startswith("LOG NOT VERIFIED: ") and problems and says in problems[0], done.stdout


@pytest.mark.parametrize("name", RESTORE)
def test_restore(boxes, tmp_path, name):
    arguments, code, says = RESTORE[name]
    place, data, key = arguments(boxes.one, boxes.two, tmp_path)
    expect_one_line(cli("restore", "--from", str(place), "--data", str(data), "--mirror-key", key), code, says)
    assert not (tmp_path / "none").exists() and not (tmp_path / "r").exists(), "nothing is made"


@pytest.mark.parametrize("name", OTHER_COMMANDS)
def test_commands(boxes, name):
    arguments, code, says = OTHER_COMMANDS[name]
    expect_one_line(cli(*arguments), code, says)


def test_a_mirror_of_another_store_is_told_apart(boxes):
    done = cli("mirror", "check", "--from", str(boxes.two.mirror), "--data", str(boxes.one.data), "--mirror-key", "env:SB_TEST_MIRROR")
    assert done.returncode == 1 and "THE MIRROR IS NOT THE STORE" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("change", "says"), [(lambda data, other: shutil.copy(other / "keys/audit.seed", data / "keys/audit.seed"), "not signed with this data directory's key"),
                                              (lambda data, other: (data / "keys/audit.seed").unlink(), "restore it from a backup"),
                                              (lambda data, other: cut(data / "keys/vault.key"), "must hold 32 bytes")],
                         ids=["another key", "no key", "half a key"])
def test_a_server_does_not_start_on_it(boxes, tmp_path, change, says):
    data = copy_of(boxes.one.data, tmp_path / "d")
    change(data, boxes.two.data)
    expect_one_line(cli("serve", "--data", str(data), "--listen", "127.0.0.1:0"), 1, says)


def test_mirror_commands_tell_machines(boxes, tmp_path):
    one = boxes.one
    compared = ("mirror", "check", "--from", str(one.mirror), "--data", str(one.data), "--mirror-key")
    same = cli(*compared, "env:SB_TEST_MIRROR", "--json")
    report = json.loads(same.stdout)
    assert same.returncode == 0 and report["ok"] and report["store_groups"] == report["mirror_groups"] and report["log_leaves"] > 0
    foreign = cli(*compared, "env:SB_TEST_OTHER", "--json")
    assert foreign.returncode == 1 and json.loads(foreign.stdout)["error"]["code"] == "corrupt", foreign.stdout
    made = cli("restore", "--from", str(one.mirror), "--data", str(tmp_path / "new"), "--mirror-key", "env:SB_TEST_MIRROR", "--json")
    report = json.loads(made.stdout)
    assert made.returncode == 0 and report["ok"] and report["runs"] == len(one.runs) and report["losses"] == []

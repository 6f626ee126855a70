"""Who steals the database, or the mirror with its key, and has no master key, learns nothing that a person wrote."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shutil
import sqlite3
from pathlib import Path

import zstandard
from harness import cli
from mirror_objects import open_objects

MASTER, OTHER_MASTER, MIRROR_KEY = "a1" * 32, "b2" * 32, "c3" * 32

# Long random-looking words: whatever finds one of them has found what was written, and nothing else.
WORDS = {place: f"zq{hashlib.sha256(place.encode()).hexdigest()[:18]}" for place in (
    "description", "deny", "pattern", "word", "allow", "topic", "with", "title", "summary", "tag", "metadata", "literal", "header", "path",
    "body", "raised", "script", "schema", "when", "emitted", "default", "prompt", "key name", "input", "comment", "hold")}

POLICY = """
name: own
version: 7
description: {description}
detectors: [{{name: staff, type: STAFF_ID, pattern: '{pattern}[0-9]+', words: [{word}]}}]
rules:
  - {{name: hidden, deny: [{deny}], action: redact}}
  - {{name: staff, types: [STAFF_ID], action: replace, with: <{with}>, allow: ["{allow}"]}}
checks:
  - {{name: about, kind: topics, topics: {{things: [{topic}]}}, action: allow}}
"""

FLOW = """
document:
  dsl: '1.0.3'
  namespace: test
  name: stolen
  version: '1.0.0'
  title: {title}
  summary: {summary}
  tags: {{of: {tag}}}
  metadata: {{by: {metadata}}}
input: {{schema: {{document: {{type: object, description: {schema}}}}}}}
do:
  - keep: {{set: {{kept: {literal}, asked: '${{ .text // "{default}" }}'}}}}
  - decide:
      switch:
        - never: {{when: '${{ .kept == "{when}" }}', then: end}}
        - else: {{then: continue}}
  - ask:
      try:
        - call:
            call: http
            with: {{method: post, endpoint: 'http://nowhere.invalid/{path}', headers: {{x-from: {header}}}, body: {{of: {body}}}}}
      catch: {{}}
  - work:
      run: {{script: {{language: js, code: 'const s = "{script}"; console.log(s.length)'}}}}
  - answer:
      try:
        - chat:
            call: chat
            with: {{model: simulated, messages: [{{role: system, content: '{prompt}'}}, {{role: user, content: hello}}]}}
      catch: {{}}
  - tell: {{emit: {{event: {{with: {{source: 'https://flows.invalid', type: told, data: {{said: {emitted}}}}}}}}}}}
  - fail: {{raise: {{error: {{type: 'https://flows.invalid/errors/own', status: 400, title: own, detail: {raised}}}}}}}
"""


def written(text: str) -> str:
    names = {name.replace(" ", "_"): word for name, word in WORDS.items()}
    return text.format(**names)


def spelt(word: str) -> set[bytes]:
    """Every way in which bytes of a file could say it."""
    raw = word.encode()
    forms = {raw, raw.upper(), word.encode("utf-16-le"), word.encode("utf-16-be"), raw.hex().encode(), raw.hex().upper().encode(), raw[::-1]}
    for shift in range(3):  # base64 of a text that begins anywhere before it
        encoded = base64.b64encode(b"\0" * shift + raw)[shift + (shift > 0):]
        forms.add(encoded.rstrip(b"=")[:-1])
    return forms


def columns(database: Path):
    """What SQLite's pages hold, each blob also as it was before it was compressed."""
    with sqlite3.connect(f"file:{database}?immutable=1", uri=True) as opened:
        for (table,) in opened.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT NULL").fetchall():
            for row in opened.execute(f"SELECT * FROM {table}"):
                for value in row:
                    content = value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""
                    yield f"{database.name}: {table}", content
                    if content[1:5] == zstandard.FRAME_HEADER and content[:1] == b"\1":  # behind the column's format byte
                        yield f"{database.name}: {table}", zstandard.ZstdDecompressor().decompressobj().decompress(content[1:])


def everything(server, mirror: Path | None):
    for path in [*server.data.rglob("*"), server.work / "server.log"]:
        if path.is_file() and path.parent.name != "keys":
            yield path.name, path.read_bytes()
    yield from columns(server.data / "signalbox.db")
    if mirror:
        yield from open_objects(mirror, MIRROR_KEY).items()


def found_in(server, mirror: Path | None = None) -> set[tuple[str, str]]:
    forms = {form: name for name, word in WORDS.items() for form in spelt(word)}
    return {(forms[form], where) for where, content in everything(server, mirror) for form in forms if form in content}


def with_keys(own_server, monkeypatch, **more):
    for name, key in {"SB_TEST_MASTER": MASTER, "SB_TEST_MIRROR": MIRROR_KEY}.items():
        monkeypatch.setenv(name, key)
    server = own_server(encryption={"master_key": "env:SB_TEST_MASTER"}, flows={"hosts": [{"name": "nowhere.invalid", "via": "http://127.0.0.1:9"}]}, **more)
    shutil.rmtree(server.data)  # made with the configuration's master key from the beginning
    made = cli("init", "--config", str(server.config_file), "--data", str(server.data))
    assert made.returncode == 0, made.stderr
    server.key = re.search(r"api key: (sbk_\S+)", made.stdout).group(1)
    return server


def author(server):
    """Somebody writes all that can be written, and it is used."""
    assert server.call("POST", "/api/v1/policies", written(POLICY).encode()).status in (200, 201)
    made = server.call("POST", "/api/v1/keys", {"name": WORDS["key name"], "role": "client"})
    assert made.status == 201, made.body
    registered = server.call("POST", "/api/v1/flows", written(FLOW).encode())
    assert registered.status == 201, registered.body
    assert server.call("POST", "/api/v1/holds", {"subject": "somebody", "reason": WORDS["hold"]}).status == 201
    use(server, made.json()["key"])
    return made.json()["key"]


def use(server, key: str):
    policies = server.call("GET", "/api/v1/policies").json()["policies"]
    assert [policy["state"] for policy in policies if policy["name"] == "own"] == ["active"]
    assert [hold["reason"] for hold in server.call("GET", "/api/v1/holds").json()["holds"]] == [WORDS["hold"]]
    assert server.call("POST", "/api/v1/flows", written(FLOW).encode()).status == 200, "the very same"
    other = written(FLOW).replace(WORDS["literal"], "other").encode()
    assert server.call("POST", "/api/v1/flows", other).status == 409
    run = server.call("POST", "/api/v1/flows/test/stolen/runs", {"input": {"text": WORDS["input"]}, "wait": True}, key=key).json()
    assert run["status"] == "faulted" and WORDS["raised"] in json.dumps(run["error"]), run
    chat = server.chat(f"about {WORDS['deny']} and {WORDS['pattern']}77, {WORDS['topic']}", key=key)
    assert chat.status == 200
    assert server.call("POST", f"/api/v1/runs/{chat.headers['x-signalbox-run']}/feedback", {"correct": False, "comment": WORDS["comment"]}).status == 201


def test_a_stolen_database_says_nothing_that_a_person_wrote(own_server, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    server = with_keys(own_server, monkeypatch, mirror={"url": str(mirror), "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    key = author(server)
    server.process.kill()
    assert found_in(server, mirror) == set()
    server.start()
    use(server, key)
    assert server.process.stop() == 0
    assert found_in(server, mirror) == set()
    assert server.verify().returncode == 0

    # The mirror makes it again, for who has the master key.
    shutil.rmtree(server.data)
    restored = cli("restore", "--from", str(mirror), "--data", str(server.data), "--mirror-key", "env:SB_TEST_MIRROR")
    assert restored.returncode == 0, restored.stderr
    server.start()
    use(server, key)
    assert server.process.stop() == 0
    assert found_in(server, mirror) == set()


def test_another_master_key_opens_nothing(own_server, tmp_path, monkeypatch):
    server = with_keys(own_server, monkeypatch).start()
    author(server)
    assert server.process.stop() == 0
    # The database alone, in a directory whose keys are the thief's; then the whole directory.
    thief = tmp_path / "thief"
    assert cli("init", "--data", str(thief)).returncode == 0
    shutil.copy(server.data / "signalbox.db", thief / "signalbox.db")
    for data, master in ((thief, OTHER_MASTER), (thief, None), (server.data, OTHER_MASTER), (server.data, None)):
        config = json.loads(server.config_file.read_text()) | {"encryption": {"master_key": "env:SB_TEST_THIEF"} if master else {}}
        (tmp_path / "thief.yaml").write_text(json.dumps(config))
        monkeypatch.setenv("SB_TEST_THIEF", master or "")
        for command in (["serve", "--listen", "127.0.0.1:0", "--config", str(tmp_path / "thief.yaml")],
                        ["policy", "diff", policy_file(tmp_path), policy_file(tmp_path), *(["--master-key", "env:SB_TEST_THIEF"] if master else [])]):
            refused = cli(*command, "--data", str(data))
            said = refused.stdout + refused.stderr
            assert refused.returncode in (1, 2) and ("wrapped by another master key" in said or data == thief and "not signed with" in said), said
            assert len([line for line in refused.stderr.splitlines() if not line.startswith("{")]) <= 1, refused.stderr
            assert not any(word in said for word in WORDS.values())


def policy_file(tmp_path: Path) -> str:
    path = tmp_path / "some-policy.yaml"
    path.write_text("name: some\nversion: 1\nrules: []\n")
    return str(path)


def test_what_an_earlier_version_kept_in_clear_is_sealed_at_the_first_start(own_server, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror"
    server = with_keys(own_server, monkeypatch, mirror={"url": str(mirror), "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    key = author(server)
    listed = server.call("GET", "/api/v1/keys").json()["keys"]
    policies = server.call("GET", "/api/v1/policies").json()["policies"]
    assert server.process.stop() == 0
    back_to_clear(server, key, listed, {policy["hash"] for policy in policies if policy["name"] == "own"}.pop())
    assert {name for name, _ in found_in(server)} >= {"deny", "literal", "prompt", "key name", "topic", "hold"}
    server.start()
    use(server, key)
    server.process.kill()
    assert found_in(server) == set()
    assert server.verify().returncode == 0
    server.start()
    use(server, key)
    assert server.process.stop() == 0


def back_to_clear(server, key: str, listed: list[dict], policy_hash: str):
    """The database as schema 9 had it, with what that left in free pages."""
    pepper = (server.data / "keys/pepper").read_bytes()
    records = []
    for one in listed:
        text = key if one["name"] == WORDS["key name"] else server.key
        limits = {"requests_per_minute": 0, "spend_micro_per_day": 0, "max_in_flight": 0}
        records.append({"id": one["id"], "name": one["name"], "tenant": one["tenant"], "role": one["role"], "limits": limits,
                        "hash": hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest(), "created_us": 1})
    clear = {"keys": json.dumps({"version": 1, "keys": records}), "flow:test/stolen@1.0.0": written(FLOW), f"policy:{policy_hash}": written(POLICY)}
    with sqlite3.connect(server.data / "signalbox.db") as database:
        (keys,) = database.execute("SELECT body FROM documents WHERE name = 'tenant_keys'").fetchone()
        keys = json.loads(zstandard.decompress(keys[1:], max_output_size=1 << 20) if keys[:1] == b"\1" else keys[1:])
        keys.pop("server", None)
        clear["tenant_keys"] = json.dumps(keys)
        (holds,) = database.execute("SELECT body FROM documents WHERE name = 'legal_holds'").fetchone()
        (hold,) = json.loads(holds[1:])
        clear["legal_holds"] = json.dumps([{"id": hold["id"], "tenant": hold["tenant"], "subject": hold["subject"],
                                            "placedAt": hold["placedAt"], "reason": WORDS["hold"]}])
        for name, text in clear.items():
            assert database.execute("UPDATE documents SET body = ? WHERE name = ?", (b"\0" + text.encode(), name)).rowcount == 1, name
        database.execute("INSERT INTO documents VALUES ('passing', ?)", (b"\0" + written(POLICY).encode() * 100,))
        for undo in ("DROP INDEX runs_origin", "ALTER TABLE runs DROP COLUMN origin", "ALTER TABLE runs DROP COLUMN origin_step", "DROP TABLE labels",
                     "DROP TABLE notes", "DROP INDEX runs_tagged", "ALTER TABLE runs DROP COLUMN tags", "DROP TABLE outbox"):
            database.execute(undo)
        database.execute("PRAGMA user_version = 9")
    database.execute("PRAGMA secure_delete = FAST")  # as the store has it: what becomes a free page stays as it was
    database.execute("DELETE FROM documents WHERE name = 'passing'")
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    assert (server.data / "signalbox.db").read_bytes().count(WORDS["deny"].encode()) > 10

"""A person's data goes for ever, the record stays and still verifies."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from harness import cli, until
from mirror_objects import open_objects

MIRROR_KEY = "5b" * 32


def ask(server, text: str, subject: str):
    return server.chat(text, **{"x_signalbox_subject": subject})


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wrapped_key(server, run: str) -> bytes:
    with sqlite3.connect(f"file:{server.data / 'signalbox.db'}?mode=ro", uri=True) as database:
        return database.execute("SELECT wrapped FROM data_keys k JOIN runs r ON r.no = k.run WHERE r.id = ?",
                                (bytes.fromhex(run.replace("-", "")),)).fetchone()[0]


def holding(secret: bytes, objects: dict[str, bytes]) -> list[str]:
    """The names of those in which it lies."""
    return [name for name, content in objects.items() if secret in content]


def erase(server, body: dict):
    return server.call("POST", "/api/v1/erasures", body)


def test_a_subject_is_erased_and_the_record_still_verifies(own_server):
    server = own_server().start()
    canary = "canary-7f3a9c"
    mine = [ask(server, f"{canary} number {i}", "customer-1").headers["x-signalbox-run"] for i in range(8)]
    other = ask(server, "somebody else's words", "customer-2").headers["x-signalbox-run"]
    assert canary in json.dumps(server.run(mine[0])), "there before"
    assert server.verify().returncode == 0

    refused = erase(server, {"subject": "customer-1"})
    assert refused.status == 400, "an erasure says why"
    done = erase(server, {"subject": "customer-1", "legal_basis": "GDPR Art. 17(1)(b)", "requested_by": "customer-1"})
    assert done.status == 200, done.body
    report = done.json()
    assert (report["runs_erased"], report["runs_open"], report["log_scrubbed"]) == (8, 0, True), report

    for run in mine:
        after = server.run(run)
        assert after["input"] is None and after["output"] is None and len(after["tasks"]) >= 3, "steps stay, content goes"
    assert server.run(other)["input"] is not None
    for path, content in files_of(server.data).items():
        assert canary.encode() not in content, path
        assert b"customer-1" not in content, path
    verified = server.verify()
    assert verified.returncode == 0, verified.stdout + verified.stderr
    leaf = next(line for line in cli("audit", "show", "--data", str(server.data), "--limit", "1000").stdout.splitlines()
                if '"kind":"erasure"' in line)
    summary = json.loads(leaf)["summary"]
    assert summary["legal_basis"] == "GDPR Art. 17(1)(b)" and summary["runs"] == 8
    assert summary["subject"].startswith("p-") and "customer-1" not in leaf

    server.process.stop()
    server.start()
    assert server.run(mine[0])["input"] is None
    assert erase(server, {"subject": "customer-1", "legal_basis": "again"}).json()["runs_erased"] == 0


def test_a_wrapped_key_cannot_be_found_again_anywhere(own_server):
    """The key of a run is 61 bytes; after the erasure they are in no file, not even in the pages SQLite has freed."""
    server = own_server().start()
    run = ask(server, "hello", "customer-9").headers["x-signalbox-run"]
    for i in range(200):
        ask(server, f"filler {i}", "nobody")
    wrapped = wrapped_key(server, run)
    assert len(wrapped) == 61
    assert any(wrapped in content for content in files_of(server.data).values())
    answer = erase(server, {"run": run, "legal_basis": "test"}).json()
    assert answer["runs_erased"] == 1 and answer["log_scrubbed"]
    assert not any(wrapped in content for content in files_of(server.data).values())


def test_a_wrapped_key_is_in_no_object_of_the_mirror_whoever_opens_them(own_server, tmp_path, monkeypatch):
    """Keys lie in lists of their own, by segment; a list from which one is erased is written anew."""
    monkeypatch.setenv("SB_TEST_MIRROR", MIRROR_KEY)
    place = tmp_path / "mirror"
    server = own_server(mirror={"url": str(place), "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    with ThreadPoolExecutor(8) as pool:  # lists of several keys
        theirs = list(pool.map(lambda i: ask(server, f"question {i}", f"customer-{i % 2}"), range(40)))
    keys = [wrapped_key(server, reply.headers["x-signalbox-run"]) for reply in theirs]
    erased, kept = keys[0::2], keys[1::2]
    objects = open_objects(place, MIRROR_KEY)
    for key in keys:
        found = holding(key, objects)
        assert found and all(name.startswith("keys/") for name in found), found
    assert erase(server, {"subject": "customer-0", "legal_basis": "GDPR Art. 17(1)(b)"}).json()["runs_erased"] == 20
    for _ in range(2):
        objects = open_objects(place, MIRROR_KEY)
        assert [holding(key, objects) for key in erased] == 20 * [[]]
        assert all(holding(key, objects) for key in kept)
        server.process.stop()
        server.start()  # with what is sent at a start


WAITING_FLOW = """
document: {dsl: '1.0.3', namespace: test, name: waits, version: '1.0.0'}
do:
  - pause: {wait: {hours: 1}}
"""


TENANT_POLICY = """
name: shared-placeholders
version: 1
rules:
  - {name: contact, types: [EMAIL], action: tokenise, consistent: tenant}
"""


def test_values_behind_the_tenants_placeholders_go_with_the_last_person_who_brought_them(own_server, tmp_path, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", MIRROR_KEY)
    policy, place = tmp_path / "policy.yaml", tmp_path / "mirror"
    policy.write_text(TENANT_POLICY)
    server = own_server(policy={"file": str(policy)},
                        mirror={"url": str(place), "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    own, shared = "canary-7f3a9c@pages.org", "shared-7f3a9c@pages.org"
    ask(server, f"write to {own} and {shared}", "customer-1")
    ask(server, f"write to {shared}", "customer-2")

    def tokens():
        with sqlite3.connect(f"file:{server.data / 'signalbox.db'}?mode=ro", uri=True) as database:
            return database.execute("SELECT token, subject, sealed FROM tenant_tokens ORDER BY no").fetchall()

    def echo(text: str):
        return server.chat(text, model="sim-echo", x_signalbox_subject="customer-3")

    mine, theirs = tokens()[:2], tokens()[2:]
    assert len(mine) == 2 and len(theirs) == 1 and {token for token, _, _ in mine} > {theirs[0][0]}
    gone = next(row for row in mine if row[0] != theirs[0][0])
    assert own in echo(f"who is {gone[0]}?").body.decode(), "all runs of the tenant know it"
    listed = holding(gone[2], open_objects(place, MIRROR_KEY))
    assert listed and all(name.startswith("tokens/") for name in listed), listed
    report = erase(server, {"subject": "customer-1", "legal_basis": "GDPR Art. 17(1)(b)"}).json()
    assert (report["runs_erased"], report["values_erased"], report["values_shared"]) == (1, 1, 1), report
    assert tokens() == theirs
    server.process.stop()

    restored = tmp_path / "restored"
    made = cli("restore", "--from", str(place), "--data", str(restored), "--mirror-key", "env:SB_TEST_MIRROR")
    assert made.returncode == 0, made.stderr
    for contents in (files_of(server.data), open_objects(place, MIRROR_KEY), files_of(restored)):
        for name, content in contents.items():
            assert own.encode() not in content and gone[2] not in content, name
    assert holding(theirs[0][2], open_objects(place, MIRROR_KEY))
    assert any(theirs[0][2] in content for content in files_of(restored).values())
    server.start()
    assert own not in echo(f"who is {gone[0]}?").body.decode()
    assert shared in echo(f"who is {theirs[0][0]}?").body.decode()
    assert erase(server, {"subject": "customer-2", "legal_basis": "and these"}).json()["values_erased"] == 1
    assert tokens() == []
    assert server.verify().returncode == 0


def test_a_legal_hold_forbids_it_until_it_is_released(own_server):
    server = own_server().start()
    ask(server, "evidence", "customer-3")
    hold = server.call("POST", "/api/v1/holds", {"subject": "customer-3", "reason": "case 12/26"}).json()
    refused = erase(server, {"subject": "customer-3", "legal_basis": "GDPR Art. 17(1)(a)"})
    assert refused.status == 409 and "case 12/26" in refused.json()["detail"]
    run = server.call("GET", "/api/v1/runs?limit=1").json()["runs"][0]["id"]
    by_run = erase(server, {"run": run, "legal_basis": "GDPR Art. 17(1)(a)"})
    assert by_run.status == 409 and "case 12/26" in by_run.json()["detail"], "a person's runs are held one by one, too"
    assert server.call("GET", "/api/v1/holds").json()["holds"][0]["id"] == hold["id"]
    assert server.call("DELETE", f"/api/v1/holds/{hold['id']}").status == 200
    assert erase(server, {"subject": "customer-3", "legal_basis": "GDPR Art. 17(1)(a)"}).json()["runs_erased"] == 1
    kinds = [json.loads(line)["kind"] for line in cli("audit", "show", "--data", str(server.data), "--limit", "1000").stdout.splitlines()]
    assert [kind for kind in kinds if kind.startswith(("hold", "erasure"))] == ["hold.place", "hold.release", "erasure"]


def leaves(server) -> list[dict]:
    shown = cli("audit", "show", "--data", str(server.data), "--limit", "100000").stdout
    return [json.loads(line) for line in shown.splitlines()]


def test_what_was_erased_says_so_and_can_be_proved(own_server, tmp_path):
    server = own_server().start()
    runs = [ask(server, f"mine {i}", "customer-1").headers["x-signalbox-run"] for i in range(3)]
    done = erase(server, {"subject": "customer-1", "legal_basis": "GDPR Art. 17(1)(b)"}).json()
    assert server.run(runs[0])["erased"] is True
    for run in runs:
        proof = tmp_path / f"{run}.proof"

        def prove():
            made = cli("audit", "prove", "--data", str(server.data), "--run", run, "--out", str(proof))
            if "under the newest tree head" in made.stderr:
                return False
            assert made.returncode == 0, made.stderr
            return "not under a tree head" not in made.stdout

        until("a tree head over all leaves", prove)
        told = [json.loads(entry["leaf"]) for entry in json.loads(proof.read_text())["entries"]]
        assert told[-1]["kind"] == "run.erased" and told[-1]["summary"] == {"erasure": done["id"]}
        assert cli("audit", "verify", str(proof)).returncode == 0
    order = [leaf for leaf in leaves(server) if leaf["kind"] == "erasure"]
    assert [leaf["summary"]["erasure"] for leaf in order] == [done["id"]] and order[0]["summary"]["runs"] == 3
    whole = tmp_path / "erasure.proof"
    made = cli("audit", "prove", "--data", str(server.data), "--erasure", done["id"], "--out", str(whole))
    assert made.returncode == 0 and made.stdout.startswith(f"leaves of erasure {done['id']}: "), made.stdout + made.stderr
    verified = json.loads(cli("audit", "verify", str(whole), "--json").stdout)
    assert verified["ok"] and verified["erasure"] == done["id"] and verified["runs_erased"] == 3
    proof = json.loads(whole.read_text())
    proof["entries"].pop()
    whole.write_text(json.dumps(proof))
    left_out = cli("audit", "verify", str(whole))
    assert left_out.returncode == 1 and "the erasure of 3 runs, and 2 leaves" in left_out.stdout, left_out.stdout


def test_an_erasure_while_a_person_is_served_leaves_nothing_out(own_server):
    """Runs that end while it works are erased, or counted as open: never neither."""
    server = own_server().start()
    for n in range(12):
        subject, started = f"person-{n}", []
        with ThreadPoolExecutor(8) as pool:
            for _ in range(8):
                pool.submit(lambda: started.append(ask(server, "hello", subject).headers["x-signalbox-run"]))
            sent = time.time()
            report = erase(server, {"subject": subject, "legal_basis": "test"}).json()
        for run in started:
            began = int(run.replace("-", "")[:12], 16) / 1000  # UUIDv7
            if began < sent - 0.002 and report["runs_open"] == 0:
                assert server.run(run)["input"] is None, (n, report)


def stored_orders(server) -> list:
    with sqlite3.connect(f"file:{server.data / 'signalbox.db'}?mode=ro", uri=True) as database:
        row = database.execute("SELECT body FROM documents WHERE name = 'erasures'").fetchone()
    return json.loads(row[0][1:]) if row else []


def readable_runs(server) -> int:
    with sqlite3.connect(f"file:{server.data / 'signalbox.db'}?mode=ro", uri=True) as database:
        return database.execute("SELECT count(*) FROM data_keys WHERE subject IS NOT NULL AND wrapped IS NOT NULL").fetchone()[0]


def killed_amid_its_batches(server, runs: int) -> bool:
    """Whether the kill came before the last one: the batches are quick, and the machine may be slow."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: ask(server, f"question {i}", "customer-1"), range(runs)))
    seen = sqlite3.connect(f"file:{server.data / 'signalbox.db'}?mode=ro", uri=True, check_same_thread=False)
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(erase, server, {"subject": "customer-1", "legal_basis": "GDPR Art. 17(1)(b)"})
        while not told.done() and not seen.execute("SELECT 1 FROM documents WHERE name = 'erasures' AND length(body) > 9").fetchone():
            pass
        server.process.kill()
        answered = told.exception() is None
    seen.close()
    assert answered == (readable_runs(server) == 0), "who was told that it is done has nothing left"
    return not answered


def test_an_erasure_that_a_crash_cuts_off_is_finished_by_the_next_start(own_server):
    server = own_server().start()
    cut_off = False
    for _ in range(4):
        cut_off = killed_amid_its_batches(server, 2_600)
        if cut_off:
            break
        server.start()
    assert cut_off and len(stored_orders(server)) == 1
    server.start()
    until("the rest to be erased", lambda: readable_runs(server) == 0)
    until("the order to be forgotten", lambda: stored_orders(server) == [])
    told = [leaf["summary"] for leaf in leaves(server) if leaf["kind"] == "erasure"]
    orders = [summary for summary in told if summary["erasure"] == told[-1]["erasure"]]
    assert sum(order["runs"] for order in orders) == 2_600
    assert "more" in orders[0] and "more" not in orders[-1]
    assert [order.get("runs_before", 0) for order in orders] == [sum(o["runs"] for o in orders[:i]) for i in range(len(orders))]
    assert '"event":"erasure.finished"' in server.log()
    assert server.verify().returncode == 0


def test_a_name_that_an_erasure_would_not_find_is_refused(own_server):
    server = own_server().start()
    latin = server.chat("hello", x_signalbox_subject="Zo\xeb")  # http.client sends Latin-1
    assert latin.status == 400 and "UTF-8" in latin.json()["error"]["message"]
    tab = server.chat("hello", x_signalbox_subject="a\tb")
    assert tab.status == 400 and "control" in tab.json()["error"]["message"]
    utf8 = server.chat("hello", x_signalbox_subject="Zoë".encode().decode("latin-1"))
    assert utf8.status == 200
    connection = http.client.HTTPConnection(server.address)
    connection.putrequest("POST", "/v1/chat/completions")
    body = json.dumps({"model": "simulated", "messages": [{"role": "user", "content": "hello"}]}).encode()
    for name, value in (("x-signalbox-subject", "ann"), ("x-signalbox-subject", "bob"), ("content-type", "application/json"),
                        ("content-length", str(len(body))), ("authorization", f"Bearer {server.key}")):
        connection.putheader(name, value)
    connection.endheaders(body)
    twice = connection.getresponse()
    assert twice.status == 400 and b"twice" in twice.read()
    assert erase(server, {"subject": " Zoë ", "legal_basis": "test"}).json()["runs_erased"] == 1
    for body in ({"subject": "Zoë", "tenant": 5, "legal_basis": "test"}, {"subject": "Zoë", "legal_basis": "a\nb"},
                 {"subject": "Zoë", "legal_basis": "test", "requested_by": 7}):
        assert erase(server, body).status == 400, body
    unknown = erase(server, {"subject": "Zoë", "tenant": "nope", "legal_basis": "test"})
    assert unknown.status == 404 and "tenant" in unknown.json()["detail"]
    assert server.call("POST", "/api/v1/holds", {"subject": "Zoë", "reason": "x", "tenant": 5}).status == 400


def test_only_what_has_ended_and_is_there_can_be_erased(own_server):
    server = own_server().start()
    assert server.call("POST", "/api/v1/flows", WAITING_FLOW.encode()).status == 201
    open_run = server.call("POST", "/api/v1/flows/test/waits/runs", {"input": {}}, x_signalbox_subject="customer-1").json()["id"]
    refused = erase(server, {"run": open_run, "legal_basis": "test"})
    assert refused.status == 409 and "has not ended" in refused.json()["detail"]
    unknown = erase(server, {"run": "019ab000-0000-7000-8000-000000000001", "legal_basis": "test"})
    assert unknown.status == 404
    assert [leaf for leaf in leaves(server) if leaf["kind"] == "erasure"] == []
    # A hold on one run that goes on keeps all that an erasure of the person would take.
    hold = server.call("POST", "/api/v1/holds", {"run": open_run, "reason": "case 12/26"})
    assert hold.status == 201, hold.body
    held = erase(server, {"subject": "customer-1", "legal_basis": "test"})
    assert held.status == 409 and "case 12/26" in held.json()["detail"]
    wrong = server.call("POST", "/api/v1/holds", {"subject": "customer-1", "reason": "x", "tenannt": "t"})
    assert wrong.status == 400 and "tenant" in wrong.json()["detail"], "a misspelt tenant is not one's own"
    assert server.call("POST", "/api/v1/holds", {"run": "019ab000-0000-7000-8000-000000000001", "reason": "x"}).status == 404


def test_an_erasure_says_whether_the_mirror_has_it(own_server, tmp_path, monkeypatch):
    monkeypatch.setenv("SB_TEST_MIRROR", MIRROR_KEY)
    place = tmp_path / "mirror"
    server = own_server(mirror={"url": str(place), "mode": "async", "key": "env:SB_TEST_MIRROR"}).start()
    ask(server, "mine", "customer-1")
    assert erase(server, {"subject": "customer-1", "legal_basis": "test"}).json()["mirror_erased"] is True
    ask(server, "mine", "customer-2")
    place.rename(tmp_path / "away")
    place.write_text("not a folder")
    try:
        assert erase(server, {"subject": "customer-2", "legal_basis": "test"}).json()["mirror_erased"] is False
    finally:
        place.unlink()
        (tmp_path / "away").rename(place)
    again = until("the mirror has it", lambda: erase(server, {"subject": "customer-2", "legal_basis": "test"}).json()["mirror_erased"])
    assert again is True


def test_the_command_erases_and_only_an_admin_may(own_server, tmp_path):
    server = own_server().start()
    run = ask(server, "mine", "customer-5").headers["x-signalbox-run"]
    client = server.call("POST", "/api/v1/keys", {"name": "app", "role": "client"}).json()["key"]
    assert server.call("POST", "/api/v1/erasures", {"run": run, "legal_basis": "x"}, key=client).status == 403
    key_file = tmp_path / "key"
    key_file.write_text(server.key)
    key_file.chmod(0o600)
    done = cli("erase", "--url", f"http://{server.address}", "--key-file", str(key_file), "--subject", "customer-5",
               "--legal-basis", "GDPR Art. 17(1)(b)")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs_erased"] == 1


def test_the_master_key_is_rotated_and_a_wrong_one_is_refused(own_server, monkeypatch):
    first, second = "11" * 32, "22" * 32
    server = own_server(encryption={"master_key": "env:SB_TEST_MASTER"})
    shutil.rmtree(server.data)
    monkeypatch.setenv("SB_TEST_MASTER", first)
    made = cli("init", "--config", str(server.config_file), "--data", str(server.data))
    assert made.returncode == 0, made.stderr
    server.key = re.search(r"api key: (sbk_\S+)", made.stdout).group(1)
    config = json.loads(server.config_file.read_text())
    server.start()
    run = server.chat("before the rotation").headers["x-signalbox-run"]
    server.process.stop()

    monkeypatch.setenv("SB_TEST_MASTER", second)
    refused = cli("serve", "--config", str(server.config_file), "--data", str(server.data), "--listen", "127.0.0.1:0")
    assert refused.returncode == 1 and "another master key" in refused.stderr and first not in refused.stderr
    monkeypatch.setenv("SB_TEST_OLD", first)
    server.write_config({**config,
                         "encryption": {"master_key": "env:SB_TEST_MASTER", "previous_master_key": "env:SB_TEST_OLD"}})
    server.start()
    assert "before the rotation" in json.dumps(server.run(run)["input"])
    until("the leaf", lambda: "master_key.rotate" in cli("audit", "show", "--data", str(server.data), "--limit", "1000").stdout)


def test_a_tenants_key_is_rotated_through_a_kill(own_server, tmp_path):
    server = own_server(mirror={"url": str(tmp_path / "mirror"), "mode": "before-ack", "key": f"file:{tmp_path / 'mirror.key'}"})
    (tmp_path / "mirror.key").write_text(MIRROR_KEY)
    server.start()
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda i: server.chat(f"secret {i}").headers["x-signalbox-run"], range(1200)))

    def versions():
        with sqlite3.connect(f"file:{server.data / 'signalbox.db'}?mode=ro", uri=True) as database:
            return {wrapped[0] for (wrapped,) in database.execute("SELECT wrapped FROM data_keys")}

    assert versions() == {0}
    assert server.call("POST", "/api/v1/tenant-keys/default/rotate").status == 202
    assert server.call("POST", "/api/v1/tenant-keys/default/rotate").status == 409
    assert server.call("POST", "/api/v1/tenant-keys/nobody/rotate").status == 404
    until("the first batch", lambda: versions() != {0})
    server.process.kill()  # before its end in any case: two seconds pass between the last row and that
    assert 1 in versions()
    server.start()
    until("the end", lambda: not server.call("GET", "/api/v1/tenant-keys").json()["tenantKeys"][0]["rotating"])
    assert versions() == {1}
    for i in range(0, 1200, 100):
        assert f"secret {i}" in json.dumps(server.run(runs[i])["input"])
    # Once more, by the command, which waits for the end.
    key_file = tmp_path / "key"
    key_file.write_text(server.key)
    done = cli("keys", "rotate-tenant", "default", "--url", f"http://{server.address}", "--key-file", str(key_file))
    assert done.returncode == 0 and "version 2" in done.stdout, done.stdout + done.stderr
    listed = cli("keys", "tenants", "--url", f"http://{server.address}", "--key-file", str(key_file)).stdout
    assert listed == "default  version 2\n"
    assert versions() == {2}
    assert "secret 7" in json.dumps(server.run(runs[7])["input"])
    server.process.stop()
    kinds = [json.loads(line)["kind"] for line in cli("audit", "show", "--data", str(server.data), "--limit", "10000").stdout.splitlines()]
    assert [kind for kind in kinds if kind.startswith("tenant_key")] == ["tenant_key.create"] + 2 * ["tenant_key.create", "tenant_key.rotate"]
    same = cli("mirror", "check", "--from", str(tmp_path / "mirror"), "--data", str(server.data), "--mirror-key",
               f"file:{tmp_path / 'mirror.key'}")
    assert same.returncode == 0, same.stdout + same.stderr
    assert server.verify().returncode == 0


def test_what_a_flow_says_in_its_errors_is_sealed_and_erased(own_server, tmp_path, monkeypatch):
    """Of the run, and of a step whose error the flow caught: in no file, from the first commit on."""
    monkeypatch.setenv("SB_TEST_MIRROR", MIRROR_KEY)
    place = tmp_path / "mirror"
    server = own_server(mirror={"url": str(place), "mode": "before-ack", "key": "env:SB_TEST_MIRROR"}).start()
    flow = """document: {dsl: '1.0.3', namespace: test, name: fails, version: '1.0.0'}
do:
  - careful:
      try:
        - caught: {call: chat, with: {model: '${ "model of " + .who }'}}
      catch: {}
  - fail:
      raise: {error: {type: 'https://example.com/errors/no-order', status: 404, title: 'None', detail: '${ "no order for " + $context.who }'}}
"""
    flow = flow.replace("do:\n", "input: {from: .}\ndo:\n  - keep: {set: '${ . }', export: {as: .}}\n", 1)
    assert server.call("POST", "/api/v1/flows", flow.encode()).status in (200, 201)
    words = "violet-canary-of-an-error"
    run = server.call("POST", "/api/v1/flows/test/fails/runs", {"input": {"who": words}}, x_signalbox_subject="customer-9").json()["id"]
    until("failed", lambda: server.run(run)["status"] == "faulted")

    def errors():
        return [task["error"] for task in server.run(run)["tasks"] if task["status"] == "faulted"]

    assert words in server.run(run)["error"]["detail"]
    assert any(words in error["detail"] for error in errors()), errors()
    assert words in server.call("GET", f"/api/v1/runs/{run}/events").body.decode()
    for contents in (files_of(server.data), open_objects(place, MIRROR_KEY)):
        for name, content in contents.items():
            assert words.encode() not in content, name
    assert erase(server, {"subject": "customer-9", "legal_basis": "test"}).json()["runs_erased"] == 1
    assert server.run(run)["error"] is None
    assert errors() and not any(errors()), "that they failed stays"
    assert server.verify().returncode == 0

"""Policies change while the server answers: by file, by API, by two people."""

from __future__ import annotations

import json
import signal
import threading

from harness import cli, until
from test_policy import assert_nowhere, key_of

RULES = "name: {name}\nversion: {version}\nrules:\n  - {{types: [EMAIL], direction: inbound, action: {action}}}\n"


def document(version: int, action: str, name: str = "own") -> str:
    return RULES.format(name=name, version=version, action=action)


def serve(own_server, text: str, **policy):
    server = own_server()
    path = server.work / "policy.yaml"
    path.write_text(text)
    config = json.loads(server.config_file.read_text()) | {"policy": {"file": str(path), **policy}}
    server.write_config(config)
    return server.start(), path


def in_force(server) -> dict:
    listed = server.call("GET", "/api/v1/policies").json()
    return next(p for p in listed["policies"] if p["hash"] == listed["inForce"])


def seen_by_model(server) -> str:
    run = server.chat("mail ann@pages.org", model="sim-echo").headers["x-signalbox-run"]
    return server.run(run)["input"]["messages"][0]["content"]


def test_a_reload_drops_no_request(own_server):
    server, path = serve(own_server, document(1, "redact"))
    failures, answers = [], []

    def ask():
        while len(answers) < 150:
            reply = server.chat("mail ann@pages.org", model="sim-echo")
            (answers if reply.status == 200 else failures).append(reply.status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for version in range(2, 8):
        path.write_text(document(version, "mask" if version % 2 else "redact"))
        server.process.process.send_signal(signal.SIGHUP)
        until("the new version", lambda: in_force(server)["version"] == version)
    for thread in threads:
        thread.join()
    assert not failures
    assert "***" in seen_by_model(server)
    path.write_text("name: broken\nversion: 9\nrules: [{types: [EMIAL], action: mask}]\n")
    server.process.process.send_signal(signal.SIGHUP)
    until("the complaint", lambda: "policy.not_reloaded" in server.log())
    assert "did you mean" in server.log() and in_force(server)["version"] == 7


def test_a_published_version_outlives_a_restart_until_the_file_changes(own_server):
    server, path = serve(own_server, document(1, "redact"))
    published = server.call("POST", "/api/v1/policies", document(2, "mask").encode())
    assert published.status == 201 and published.json()["state"] == "active"
    assert "***" in seen_by_model(server)
    assert server.call("GET", f"/api/v1/policies/{published.json()['hash']}").body.decode() == document(2, "mask")
    assert server.process.stop() == 0
    server.start()
    assert in_force(server)["version"] == 2
    assert server.process.stop() == 0
    path.write_text(document(3, "redact"))
    server.start()
    assert in_force(server)["version"] == 3
    refused = server.call("POST", "/api/v1/policies", document(4, "redakt").encode())
    assert refused.status == 422 and "line 4" in refused.json()["detail"]
    assert server.verify().returncode == 0


def test_two_people(own_server):
    server, path = serve(own_server, document(1, "redact"), approval="two_people")
    author, other = key_of(server, "operator"), key_of(server, "operator")
    waiting = server.call("POST", "/api/v1/policies", document(2, "mask").encode(), key=author)
    assert waiting.status == 202 and waiting.json()["state"] == "pending"
    assert in_force(server)["version"] == 1
    approve = f"/api/v1/policies/{waiting.json()['hash']}/approve"
    assert server.call("POST", approve, key=author).status == 403
    assert server.call("POST", approve, key=key_of(server, "client")).status == 403
    made_for_it = server.call("POST", approve, key=key_of(server, "operator"))
    assert made_for_it.status == 403 and "made after" in made_for_it.json()["detail"]
    assert server.call("POST", approve, key=other).json()["state"] == "active"
    assert in_force(server)["version"] == 2 and "***" in seen_by_model(server)
    assert server.call("POST", approve, key=other).status == 409
    path.write_text(document(3, "redact"))  # a file is no way around the second person
    server.process.process.send_signal(signal.SIGHUP)
    until("the file's version", lambda: any(p["version"] == 3 for p in server.call("GET", "/api/v1/policies").json()["policies"]))
    assert in_force(server)["version"] == 2


def test_who_made_the_authors_key_is_no_second_person(own_server):
    server, _ = serve(own_server, document(1, "redact"), approval="two_people")

    def key(name: str, role: str, by: str | None = None) -> str:
        return server.call("POST", "/api/v1/keys", {"name": name, "role": role}, key=by).json()["key"]

    anna, bob = key("anna", "admin"), key("bob", "admin")  # made by the first key of all
    hers, hers_too = key("hers", "operator", anna), key("hers too", "operator", anna)
    made_by = {k["name"]: k["madeBy"] for k in server.call("GET", "/api/v1/keys").json()["keys"]}
    assert made_by["first admin"] is None and made_by["anna"] == made_by["bob"] is not None
    assert made_by["hers"] == made_by["hers too"] != made_by["anna"]
    waiting = server.call("POST", "/api/v1/policies", document(2, "mask").encode(), key=hers).json()
    approve = f"/api/v1/policies/{waiting['hash']}/approve"
    for same in (hers, hers_too, anna, None):
        refused = server.call("POST", approve, key=same)
        assert refused.status == 403, refused.body
    assert in_force(server)["version"] == 1
    assert server.call("POST", approve, key=bob).json()["state"] == "active"
    assert in_force(server)["version"] == 2


def test_a_file_that_is_changed_while_the_server_is_down_waits_for_the_second_person(own_server):
    server, path = serve(own_server, document(1, "redact"), approval="two_people")
    operator = key_of(server, "operator")
    assert server.process.stop() == 0
    path.write_text(document(2, "mask"))
    server.start()
    waiting = server.call("GET", "/api/v1/policies").json()["policies"][0]
    assert (waiting["version"], waiting["state"], waiting["author"]) == (2, "pending", "file")
    assert in_force(server)["version"] == 1 and "[EMAIL]" in seen_by_model(server)
    approved = server.call("POST", f"/api/v1/policies/{waiting['hash']}/approve", key=operator)
    assert approved.json()["state"] == "active" and "***" in seen_by_model(server)
    assert server.process.stop() == 0
    server.start()
    assert in_force(server)["version"] == 2
    published = leaves_of(server, "policy.publish")
    assert [leaf["state"] for leaf in published] == ["active", "pending"] and published[1]["before"] == published[0]["hash"]


def test_what_holds_for_all_is_not_one_tenants_to_change_or_read(own_server):
    server, _ = serve(own_server, document(1, "redact"), approval="two_people")
    theirs, own, admin = key_of(server, "operator", "acme"), key_of(server, "operator"), key_of(server, "admin", "acme")
    waiting = server.call("POST", "/api/v1/policies", document(2, "mask").encode(), key=own).json()
    for method, path, body in (("POST", "/api/v1/policies", document(3, "mask").encode()), ("POST", f"/api/v1/policies/{waiting['hash']}/approve", None), ("GET", f"/api/v1/policies/{waiting['hash']}", None)):
        refused = server.call(method, path, body, key=theirs)
        assert refused.status == 403 and "one policy holds for all tenants" in refused.json()["detail"], path
    listed = server.call("GET", "/api/v1/policies", key=theirs).json()
    assert [p["version"] for p in listed["policies"]] == [1] and listed["inForce"] == listed["policies"][0]["hash"]
    assert in_force(server)["version"] == 1
    assert server.call("POST", f"/api/v1/policies/{waiting['hash']}/approve", key=admin).status == 200, "admins are for all"
    assert in_force(server)["version"] == 2


def leaves_of(server, kind: str) -> list[dict]:
    lines = cli("audit", "show", "--data", str(server.data), "--limit", "1000").stdout.splitlines()
    return [json.loads(line)["summary"] for line in lines if f'"kind":"{kind}"' in line]


def test_what_a_server_is_started_with_is_on_record_where_it_changed(own_server):
    server, path = serve(own_server, document(1, "redact"))

    def again(change=lambda: None) -> list[dict]:
        assert server.process.stop() == 0
        change()
        server.start()
        return leaves_of(server, "config.change")

    first = again()
    assert len(first) == 1 and set(first[0]) == {"config", "flows", "scripts"} and first[0]["config"]["before"] == ""
    folder = server.work / "flows"
    folder.mkdir()
    config = json.loads(server.config_file.read_text())
    named = again(lambda: server.write_config(config | {"flows": {"dir": str(folder)}}))
    assert set(named[-1]) == {"config"} and named[-1]["config"]["before"] == first[0]["config"]["after"]
    flow = "document: {dsl: '1.0.3', namespace: test, name: own, version: '1.0.0'}\ndo:\n  - keep: {set: {n: 1}}\n"
    added = again(lambda: (folder / "own.yaml").write_text(flow))
    assert set(added[-1]) == {"flows"}
    changed = again(lambda: (folder / "own.yaml").write_text(flow.replace("n: 1", "n: 2")))
    assert set(changed[-1]) == {"flows"} and changed[-1]["flows"]["before"] == added[-1]["flows"]["after"]
    assert len(again()) == 4
    assert server.verify().returncode == 0


def test_a_diff_over_recorded_runs_beside_the_server(own_server):
    server, path = serve(own_server, document(1, "tokenise"))
    question = "mail ann@pages.org"
    runs = [server.chat(question, model="sim-echo", stream=stream).headers["x-signalbox-run"] for stream in (False, True)]
    server.chat("nothing to see", model="sim-echo")
    stricter = server.work / "stricter.yaml"
    stricter.write_text(document(2, "block"))
    key_file = server.work / "key"
    key_file.write_text(key_of(server, "auditor"))
    here = ("--data", str(server.data), "--url", f"http://{server.address}", "--key-file", str(key_file), "--tenant", "default")
    unsaid = cli("policy", "diff", str(path), str(stricter), "--data", str(server.data))
    assert unsaid.returncode == 2 and "--url" in unsaid.stderr and leaves_of(server, "record.opened") == []
    told = cli("policy", "diff", str(path), str(stricter), *here, "--since", "1h")
    assert told.returncode == 1, told.stderr
    for run in runs:
        assert f"{run} inbound: changed -> block" in told.stdout, told.stdout
    assert "inbound EMAIL by rule rule-1, block: 0 -> 2" in told.stdout and "2 of 6 would change" in told.stdout, told.stdout
    assert "ann@" not in told.stdout + told.stderr
    assert cli("policy", "diff", str(path), str(path), *here, "--flow", "signalbox/chat").returncode == 0
    none = cli("policy", "diff", str(path), str(path), *here, "--until", "1h")
    assert none.stdout == "0 of 0 would change\n0 runs read\n"
    opened = leaves_of(server, "record.opened")
    assert [set(leaf) for leaf in opened] == [{"since", "what"}, {"flow", "what"}, {"until", "what"}]
    assert opened[1] == {"flow": "signalbox/chat", "what": "traffic"}
    everybody = cli("policy", "diff", str(path), str(path), *here[:-2])
    assert everybody.returncode == 2, "all tenants' runs are for admins"
    key_file.write_text(key_of(server, "client"))
    assert cli("policy", "diff", str(path), str(path), *here).returncode == 2, "a client may not"
    assert len(leaves_of(server, "record.opened")) == 3
    assert server.chat(question).status == 200
    assert_nowhere(server, ["ann@pages.org"])
    server.process.stop()
    assert cli("policy", "diff", str(path), str(path), "--data", str(server.data)).returncode == 0
    assert leaves_of(server, "record.opened")[3:] == [{"what": "traffic"}]
    assert server.verify().returncode == 0

"""Candidates of triage on live traffic: shadows, splits, what the record says of them, and how a split ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import cli
from test_policy import key_of

DESK = Path(__file__).resolve().parents[2] / "examples" / "support-desk"
LABELLED = Path(__file__).resolve().parents[3] / "shared" / "data" / "triage" / "supportdesk-val.jsonl.gz"


def rules(folder: Path, name: str, text: str) -> str:
    document = folder / f"{name}.yaml"
    document.write_text(text)
    return str(document)


def ask(server, person: str, text: str = "hello", **body):
    sent = {"model": "auto", "messages": [{"role": "user", "content": text}], "user": person, **body}
    reply = server.call("POST", "/v1/chat/completions", sent)
    assert reply.status == 200, reply.body
    return reply


def decision(server, reply) -> dict:
    shown = cli("triage", "explain", "--data", str(server.data), "--run", reply.headers["x-signalbox-run"], "--json")
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def leaves(server, kind: str) -> list[dict]:
    shown = cli("audit", "show", "--data", str(server.data), "--limit", "10000").stdout.splitlines()
    return [leaf for leaf in map(json.loads, shown) if leaf["kind"] == kind]


def trial_of(server, name: str) -> dict:
    answer = server.call("GET", "/api/v1/triage/trials")
    assert answer.status == 200, answer.body
    return {trial["name"]: trial for trial in answer.json()["trials"]}[name]


def test_a_split_and_a_shadow_over_kills(own_server, tmp_path):
    small = rules(tmp_path, "small", "version: 1\ngenerative: {otherwise: small}\n")
    large = rules(tmp_path, "large", "version: 1\ngenerative: {otherwise: large}\n")
    triage = {"file": small, "trials": [
        {"name": "watch", "file": large},
        {"name": "beta", "file": large, "mode": "split", "tags": {"channel": "beta"}},
        {"name": "half", "file": large, "mode": "split", "weight_per_mille": 500}]}
    server = own_server(triage=triage, server={"shards": 2}).start()
    people = [f"person {i}" for i in range(24)]
    sides = {person: ask(server, person).headers["x-signalbox-route"] for person in people}
    assert set(sides.values()) == {"small", "large"}
    assert ask(server, people[0], metadata={"channel": "beta"}).headers["x-signalbox-route"] == "large"
    talk = {ask(server, person, metadata={"conversation_id": "one"}).headers["x-signalbox-route"] for person in people}
    assert len(talk) == 1, "a conversation stays on its side, whoever speaks"

    before = trial_of(server, "half")
    server.process.kill()
    server.start()
    assert {person: ask(server, person).headers["x-signalbox-route"] for person in people} == sides
    after = trial_of(server, "half")
    assert after["began_at"] == before["began_at"], "the same trial goes on"
    for arm in ("in_force", "candidate"):
        want = sum(1 for side in sides.values() if (side == "large") == (arm == "candidate"))
        once = want + (24 if (talk == {"large"}) == (arm == "candidate") else 0)
        assert before["arms"][arm]["queries"] == once
        assert after["arms"][arm]["queries"] == once + want
        assert set(after["arms"][arm]["routes"]) == {"small" if arm == "in_force" else "large"}
        assert after["arms"][arm]["cost_micro"] > 0
    watch = trial_of(server, "watch")["shadow"]
    assert watch["queries"] == 24 * 3 + 1 and watch["not_in_time"] == {}
    assert {(one["in_force"], one["candidate"]) for one in watch["agreement"]} == {("small", "large"), ("large", "large")}
    assert trial_of(server, "beta")["arms"]["candidate"]["queries"] == 1

    on_record = decision(server, ask(server, people[0], "canary-4711"))
    assert on_record["trial"] == {"by": "candidate" if sides[people[0]] == "large" else "in force", "name": "half"}
    assert [shadow["trial"] for shadow in on_record["shadows"]] == ["watch"]
    assert "canary-4711" not in json.dumps(on_record)
    told = cli("triage", "explain", "--data", str(server.data), "--run", ask(server, people[0]).headers["x-signalbox-run"])
    who = "candidate" if sides[people[0]] == "large" else "triage in force"
    assert f"trial     half: the {who} has decided" in told.stdout and "shadow    watch: large" in told.stdout, told.stdout
    assert [leaf["summary"]["trial"] for leaf in leaves(server, "trial.begin")] == ["watch", "beta", "half"]
    metrics = server.call("GET", "/metrics").body.decode()
    assert 'signalbox_triage_shadow_total{trial="watch",route="other"}' in metrics
    assert 'signalbox_triage_trial_queries_total{trial="half",by="candidate"}' in metrics
    told = cli("triage", "trials", "--url", f"http://{server.address}", env={"SIGNALBOX_API_KEY": server.key, "PATH": ""})
    assert told.returncode == 0 and "half (split, 500 per mille, running)" in told.stdout, told.stdout + told.stderr
    server.process.stop()
    assert server.verify().returncode == 0
    same = cli("replay", "--with", str(server.config_file), "--data", str(server.data), "--same")
    assert same.returncode == 0, same.stdout
    other = cli("replay", "--with", str(server.config_file), "--data", str(server.data), "--same", "--set", "triage.trials=[]")
    assert other.returncode == 1, "without the trials others decide"


def test_whoever_reads_costs_sees_the_trials_of_their_tenant(own_server, tmp_path):
    large = rules(tmp_path, "large", "version: 1\ngenerative: {otherwise: large}\n")
    triage = {"file": large, "trials": [{"name": "half", "file": large, "mode": "split", "weight_per_mille": 500}]}
    server = own_server(triage=triage).start()
    ask(server, "ann")
    elsewhere = server.call("POST", "/api/v1/keys", {"name": "x", "role": "operator", "tenant": "elsewhere"}).json()["key"]
    theirs = server.call("GET", "/api/v1/triage/trials", key=elsewhere).json()["trials"][0]["arms"]
    assert theirs["in_force"]["queries"] == theirs["candidate"]["queries"] == 0
    assert server.call("GET", "/api/v1/triage/trials", key=key_of(server, "client")).status == 403


def test_what_is_wrong_with_a_trial_is_said_at_the_start(own_server, tmp_path):
    small = rules(tmp_path, "small", "version: 1\n")
    script = rules(tmp_path, "script", "version: 1\nrules: [{name: a, when: {phrases: [hello]}, route: script, script: helo}]\n")
    for trial, said in (({"name": "a", "fil": small}, 'did you mean "file"?'),
                        ({"name": "a", "file": small, "mode": "spilt"}, 'expected one of: shadow, split'),
                        ({"name": "a", "file": small, "mode": "split"}, "nothing to compare it with"),
                        ({"name": "a", "file": str(tmp_path / "gone.yaml")}, "triage.trials[0]: triage: "),
                        ({"name": "a", "file": script}, 'names a script "helo" that is not there')):
        server = own_server(triage={"file": small, "trials": [trial]})
        with pytest.raises(Exception):
            server.start()
        assert said in server.log(), server.log()


ENCODER = Path(__file__).resolve().parents[2] / ".third_party" / "encoder" / "minilm.sbe"


@pytest.mark.skipif(not ENCODER.exists(), reason="the sentence encoder is not here: make encoder")
def test_a_shadow_that_takes_its_time_delays_nobody_for_long(own_server, tmp_path):
    texts = tmp_path / "texts.jsonl"
    recipes = {"card": ["my card number {}", "where is card {}"], "poem": ["write poem {}", "compose verse {}"]}
    texts.write_text("".join(json.dumps({"text": form.format(word), "intent": intent}) + "\n" for intent, forms in recipes.items()
                             for form in forms for word in "one two three four five six seven eight nine ten moon rain".split()))
    learnt = cli("triage", "train", "--data", str(texts), "--out", str(tmp_path / "slow.sbm"), "--encoder", str(ENCODER))
    assert learnt.returncode == 0, learnt.stderr
    slow = rules(tmp_path, "slow", f"version: 1\nmodel: slow.sbm\nencoder: {ENCODER}\n")
    quick = rules(tmp_path, "quick", "version: 1\ngenerative: {otherwise: small}\n")
    server = own_server(triage={"file": quick, "trials": [{"name": "slow", "file": slow}]}).start()
    for i in range(30):
        assert ask(server, "ann", f"what about my card, number {i}").headers["x-signalbox-route"] == "small"
    shadow = trial_of(server, "slow")["shadow"]
    decided = sum(one["queries"] for one in shadow["agreement"])
    assert shadow["queries"] == 30 and decided + sum(shadow["not_in_time"].values()) == 30
    assert set(shadow["not_in_time"]) <= {"late", "busy"}, "on a busy machine some are late"
    assert decided > 0, shadow


@pytest.mark.skipif(not LABELLED.exists(), reason="the support desk's labelled texts are not here")
def test_a_split_that_breaks_the_promise_ends_by_itself_for_good(own_server):
    promise = {"labelled": str(LABELLED), "routes": str(LABELLED.with_name("supportdesk-routes.json"))}
    triage = {"file": str(DESK / "triage.yaml"), "promise": promise, "trials": [
        {"name": "half", "file": str(DESK / "triage.yaml"), "mode": "split", "weight_per_mille": 500}]}
    server = own_server(triage=triage, scripts={"dir": str(DESK / "scripts")}).start()
    reviewer = key_of(server, "reviewer")
    question = "how do I activate my card"
    drawn = next(person for person in (f"person {i}" for i in range(64))
                 if decision(server, ask(server, person, question))["trial"]["by"] == "candidate")
    judged = 0
    while "trial" in decision(server, reply := ask(server, drawn, question)):
        assert reply.headers["x-signalbox-route"] == "script"
        path = f"/api/v1/runs/{reply.headers['x-signalbox-run']}/feedback"
        assert server.call("POST", path, {"correct": False}, key=reviewer).status == 201
        judged += 1
        assert judged < 50
    assert judged > 5, "a few verdicts prove nothing"
    ended = trial_of(server, "half")
    assert ended["state"] == "ended" and ended["ended_at"]
    script = ended["arms"]["candidate"]["answers"]["script"]
    assert script["judged"] == script["wrong"] == script["people"]["wrong"] == judged
    assert 0.5 < script["wrong_share"]["low"] < script["wrong_share"]["high"] == 1
    server.process.kill()
    server.start()
    assert "trial" not in decision(server, ask(server, drawn, question)), "over a kill, too"
    assert trial_of(server, "half") == ended | {"arms": trial_of(server, "half")["arms"]}
    assert [leaf["summary"]["judged"] for leaf in leaves(server, "trial.end")] == [judged]
    server.process.stop()
    assert server.verify().returncode == 0
    assert cli("replay", "--with", str(server.config_file), "--data", str(server.data), "--same").returncode == 0

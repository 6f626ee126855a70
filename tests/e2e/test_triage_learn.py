"""Labels, and triage that learns from them: a new intent live from the next request on, over kills, restarts and erasures."""

from __future__ import annotations

import datetime
import http.client
import json
import random
import re
import threading
import time

import pytest

from harness import cli, until
from test_policy import key_of
from test_trials import decision, leaves

# Every opening with every subject.
RECIPES = {
    "hours": (["what are", "tell me", "when are", "i need", "show"],
              ["your opening hours", "the hours you open", "opening times today", "the hours of the shop"]),
    "poem": (["write me", "please write", "compose", "i would like", "make up"],
             ["a poem about rain", "a poem on summer", "some verses about my cat", "a short poem"]),
    "stolen": (["somebody stole", "a thief took", "i was robbed of", "they have stolen", "someone took"],
               ["my wallet", "my card", "my phone and card", "my purse"]),
}
ROUTES = {"hours": "script", "poem": "generative", "stolen": "human"}
PARKING = [f"{opening} {subject}" for subject in ("my car", "a van", "the motorbike", "my scooter") for opening in
           ("where can i park", "is there parking for", "a garage for", "reserve a space for", "how much is parking for")]


def texts_of(recipes) -> list[dict]:
    return [{"text": f"{opening} {subject}", "intent": intent, "route": ROUTES[intent]}
            for intent, (openings, subjects) in recipes.items() for opening in openings for subject in subjects]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A classifier of three intents, which remembers what it was trained on."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "texts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in texts_of(RECIPES)))
    trained = cli("triage", "train", "--data", str(folder / "texts.jsonl"), "--out", str(folder / "desk.sbm"), "--encoder", "none")
    assert trained.returncode == 0, trained.stderr
    return folder / "desk.sbm"


def learning_server(own_server, model, tmp_path, **triage):
    document = tmp_path / "triage.yaml"
    document.write_text(f"version: 1\nmodel: {model}\ngenerative: {{otherwise: small}}\n")
    return own_server(triage={"file": str(document), **triage}).start()


def intent_of(server, text: str, **headers) -> str:
    reply = server.chat(text, model="auto", **headers)
    assert reply.status in (200, 202), reply.body
    return decision(server, reply)["intent"]


def label(server, texts, intent="parking", key=None, headers=None, **more):
    body = {"labels": [{"text": text, "intent": intent, **more} for text in texts]}
    return server.call("POST", "/api/v1/triage/labels", body, key=key, **(headers or {}))


def labels_of(server, **query) -> list[dict]:
    answer = server.call("GET", "/api/v1/triage/labels?" + "&".join(f"{name}={value}" for name, value in query.items()))
    assert answer.status == 200, answer.body
    return answer.json()["labels"]


def learn(server, body=None):
    return server.call("POST", "/api/v1/triage/learn", body or {})


def test_twenty_labels_are_an_intent_from_the_next_request_on(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    probes = ["where may i park my car", "is there parking for a tractor", "how much is parking", "reserve a garage for two vans"]
    before = [server.chat(text, model="auto").headers["x-signalbox-route"] for text in probes]
    assert intent_of(server, probes[0]) != "parking"
    assert learn(server).status == 400, "there is nothing to learn"
    first = label(server, PARKING[:10])
    assert first.status == 201 and first.json() == {"added": 10, "changed": 0, "known": 0}, first.body
    again = label(server, PARKING[:10])
    assert again.status == 200 and again.json() == {"added": 0, "changed": 0, "known": 10}, "the same again changes nothing"
    assert label(server, PARKING).json() == {"added": 10, "changed": 0, "known": 10}
    assert label(server, PARKING[:1], intent="poem").json() == {"added": 0, "changed": 1, "known": 0}
    assert label(server, PARKING[:1]).json()["changed"] == 1, "the last word counts"
    started = time.monotonic()
    learnt = learn(server)
    assert learnt.status == 200, learnt.body
    version = learnt.json()
    took = time.monotonic() - started
    assert version["state"] == "active"
    intent, = version["figures"]["learnt"]
    assert (intent["intent"], intent["new"], intent["texts"], intent["route"]) == ("parking", True, 20, "generative")
    assert intent["recognised"] >= 16 and version["figures"]["held_against"] == 30 and took < 60
    for text, route in zip(probes, before):
        reply = server.chat(text, model="auto")
        assert decision(server, reply)["intent"] == "parking", text
        expected = "human" if route == "human" else "small"
        assert reply.headers["x-signalbox-route"] == expected, "whom the weights alone send to a person they still send"
    assert intent_of(server, "what are your opening hours") == "hours"
    assert learn(server).json()["version"] == version["version"], "the same labels are the same version"

    server.process.kill()
    server.start()
    assert intent_of(server, "is there parking for my car") == "parking", "over a kill"
    listed = server.call("GET", "/api/v1/triage/versions").json()
    assert listed["inForce"] == version["version"]
    first_version = listed["versions"][1]["version"]
    assert server.call("POST", f"/api/v1/triage/versions/{first_version}/use", {}).status == 200
    assert intent_of(server, "is there parking for my car") != "parking", "taken back"
    assert server.call("POST", f"/api/v1/triage/versions/{version['version']}/use", {}).status == 200
    assert intent_of(server, "is there parking for my car") == "parking"
    server.process.stop()
    told = leaves(server, "triage.learn")
    assert [(leaf["summary"]["before"], leaf["summary"]["version"]) for leaf in told] == [(first_version, version["version"])]
    said = leaves(server, "label.add")
    assert len(said) == 22 and {leaf["summary"]["origin"] for leaf in said} == {"label"}
    record = json.dumps(said)
    assert "park" not in record and "garage" not in record, "neither texts nor names that nobody has put in force"
    assert server.verify().returncode == 0
    contents = cli("audit", "verify", "--data", str(server.data), "--contents")
    assert contents.returncode == 0, contents.stdout


def test_who_may_and_what_is_refused(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    operator, client, reviewer = (key_of(server, role) for role in ("operator", "client", "reviewer"))
    elsewhere = server.call("POST", "/api/v1/keys", {"name": "x", "role": "operator", "tenant": "elsewhere"}).json()["key"]
    for key in (client, reviewer, elsewhere):
        assert label(server, PARKING[:1], key=key).status == 403
        assert server.call("POST", "/api/v1/triage/learn", {}, key=key).status == 403
    assert label(server, PARKING[:1], key=operator).status == 201
    for body in ({}, {"labels": []}, {"labels": [{"intent": "x"}]}, {"text": "a", "run": "b", "intent": "x"},
                 {"text": "a", "intent": "two words"}, {"text": "a", "intent": "x", "route": "large"},
                 {"text": "  ", "intent": "x"}, {"text": 5, "intent": "x"}, {"run": "no-id", "intent": "x"}, [], {"texts": 1}):
        answer = server.call("POST", "/api/v1/triage/labels", body)
        assert answer.status == 400, (body, answer.body)
    assert label(server, ["x" * 3000]).status == 413
    assert len(labels_of(server)) == 1
    assert server.call("POST", "/api/v1/triage/learn", {"use": True, "more": 1}).status == 400
    bare = own_server().start()
    assert label(bare, PARKING[:1]).status == 404, "no triage is configured"


def test_labels_are_sealed_erased_with_their_run_and_taken_back(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    assert label(server, ["write to ann@pages.org about parking"], headers={"x_signalbox_subject": "ann"}).status == 201
    mine, = labels_of(server)
    shown = server.call("GET", f"/api/v1/triage/labels/{mine['label']}").json()
    assert "ann@pages.org" not in shown["text"] and shown["text"].endswith("about parking"), "as triage would see it"
    run = server.chat("make up a short poem about my quad", model="auto").headers["x-signalbox-run"]
    assert server.call("POST", "/api/v1/triage/labels", {"run": run, "intent": "parking"}).status == 201
    assert server.call("POST", "/api/v1/triage/labels", {"run": run, "intent": "parking"}).status == 200
    assert label(server, PARKING[:3]).status == 201
    assert [one["run"] for one in labels_of(server)][1] == run and len(labels_of(server)) == 5
    pages = server.call("GET", "/api/v1/triage/labels?limit=3").json()
    rest = server.call("GET", f"/api/v1/triage/labels?limit=3&after={pages['next']}").json()
    assert pages["labels"] + rest["labels"] == labels_of(server) and "next" not in rest

    assert server.call("POST", "/api/v1/erasures", {"run": run, "legal_basis": "test"}).status == 200
    assert run not in [one["run"] for one in labels_of(server)]
    assert server.call("POST", "/api/v1/triage/labels", {"run": run, "intent": "parking"}).status in (404, 409)
    assert server.call("POST", "/api/v1/erasures", {"subject": "ann", "legal_basis": "test"}).status == 200
    left = labels_of(server)
    assert len(left) == 3 and mine["label"] not in {one["label"] for one in left}
    gone = left[0]["label"]
    hold = server.call("POST", "/api/v1/holds", {"run": left[0]["run"], "reason": "case 12/26"}).json()
    assert server.call("DELETE", f"/api/v1/triage/labels/{gone}").status == 409, "a legal hold keeps it"
    assert server.call("DELETE", f"/api/v1/holds/{hold['id']}").status == 200
    assert server.call("DELETE", f"/api/v1/triage/labels/{gone}").status == 200
    assert server.call("DELETE", f"/api/v1/triage/labels/{gone}").status == 404
    assert len(labels_of(server)) == 2
    server.process.stop()
    for file in server.data.rglob("*"):
        if file.is_file() and file.suffix != ".sbm":
            content = file.read_bytes()
            assert b"motorbike" not in content and b"where can i park" not in content and b"quad" not in content, file
    assert len(leaves(server, "label.delete")) == 1
    assert {leaf["summary"]["what"] for leaf in leaves(server, "record.opened")} >= {"label"}
    assert server.verify().returncode == 0


def test_a_label_said_anew_stays_with_its_run_and_under_its_hold(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    first, second = (server.chat("make up a short poem about my quad", model="auto").headers["x-signalbox-run"] for _ in range(2))
    say = lambda run, intent: server.call("POST", "/api/v1/triage/labels", {"run": run, "intent": intent})
    assert say(first, "parking").status == 201
    hold = server.call("POST", "/api/v1/holds", {"run": first, "reason": "case 12/26"}).json()
    refused = say(second, "poem")
    assert refused.status == 409 and hold["id"] in str(refused.body), refused.body
    assert [one["intent"] for one in labels_of(server)] == ["parking"]
    assert server.call("DELETE", f"/api/v1/holds/{hold['id']}").status == 200
    assert say(second, "poem").json() == {"added": 0, "changed": 1, "known": 0}
    mine, = labels_of(server)
    assert (mine["intent"], mine["run"]) == ("poem", first)
    assert server.call("POST", "/api/v1/erasures", {"run": first, "legal_basis": "test"}).status == 200
    assert labels_of(server) == []


def test_who_answers_an_intent_is_said_by_labels_and_not_by_feedback(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    assert label(server, PARKING, route="human").status == 201
    assert learn(server).status == 200
    run = server.chat("compose a poem about rain", model="auto").headers["x-signalbox-run"]
    said = {"correct": False, "expected_intent": "parking"}
    assert server.call("POST", f"/api/v1/runs/{run}/feedback", said, key=key_of(server, "reviewer")).status == 201
    assert {one["origin"] for one in labels_of(server)} == {"label", "feedback"}
    learnt = learn(server)
    assert learnt.status == 200, learnt.body
    intent, = learnt.json()["figures"]["learnt"]
    assert (intent["intent"], intent["route"], intent["texts"]) == ("parking", "human", 21)


def test_what_people_say_of_answers_becomes_labels(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    client, reviewer = key_of(server, "client"), key_of(server, "reviewer")
    said = {"correct": False, "expected_intent": "hours"}
    run = server.chat("show the hours of the shop on sundays", model="auto", key=client).headers["x-signalbox-run"]
    assert server.call("POST", f"/api/v1/runs/{run}/feedback", said, key=client).status == 201
    assert labels_of(server) == [], "applications do not teach"
    assert server.call("POST", f"/api/v1/runs/{run}/feedback", said, key=reviewer).status == 201
    asked = server.chat("a thief took my card", model="auto", key=client)
    assert asked.headers["x-signalbox-route"] == "human"
    review, = server.call("GET", "/api/v1/reviews?state=open").json()["reviews"]
    path = f"/api/v1/reviews/{review['id']}"
    assert server.call("POST", f"{path}/claim", {}, key=reviewer).status == 200
    assert server.call("POST", f"{path}/edit", {"text": "we are open", "intent": "no such"}, key=reviewer).status == 400
    done = server.call("POST", f"{path}/edit", {"text": "we are open", "intent": "hours"}, key=reviewer)
    assert done.status == 200, done.body
    assert [(one["intent"], one["origin"]) for one in labels_of(server)] == [("hours", "feedback"), ("hours", "review")]
    assert labels_of(server)[1]["run"] == review["run"]
    server.process.stop()
    on_record = [(leaf["summary"]["by"], leaf["summary"]["intent"], leaf["summary"]["origin"]) for leaf in leaves(server, "label.add")]
    assert on_record == [("reviewer", "hours", "feedback"), ("reviewer", "hours", "review")]
    assert server.verify().returncode == 0


def test_reviewers_of_one_tenant_do_not_teach_the_triage_of_all(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    of_theirs = {role: server.call("POST", "/api/v1/keys", {"name": role, "role": role, "tenant": "elsewhere"}).json()["key"]
                 for role in ("client", "reviewer")}
    run = server.chat("show the hours of the shop", model="auto", key=of_theirs["client"]).headers["x-signalbox-run"]
    said = {"correct": False, "expected_intent": "hours"}
    assert server.call("POST", f"/api/v1/runs/{run}/feedback", said, key=of_theirs["reviewer"]).status == 201
    asked = server.chat("a thief took my card", model="auto", key=of_theirs["client"])
    assert asked.headers["x-signalbox-route"] == "human"
    review, = server.call("GET", "/api/v1/reviews?state=open", key=of_theirs["reviewer"]).json()["reviews"]
    path = f"/api/v1/reviews/{review['id']}"
    assert server.call("POST", f"{path}/claim", {}, key=of_theirs["reviewer"]).status == 200
    verdict = {"text": "we are open", "intent": "hours"}
    assert server.call("POST", f"{path}/edit", verdict, key=of_theirs["reviewer"]).status == 200
    assert labels_of(server) == []


def test_two_people_and_versions_that_are_only_kept(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path, approval="two_people")
    operator, other = key_of(server, "operator"), key_of(server, "operator")
    assert label(server, PARKING).status == 201
    kept = learn(server, {"use": False})
    assert kept.status == 200 and kept.json()["state"] == "retired", kept.body
    assert intent_of(server, "is there parking for my car") != "parking"
    waiting = server.call("POST", "/api/v1/triage/learn", {}, key=operator)
    assert waiting.status == 202 and waiting.json()["state"] == "pending", waiting.body
    assert waiting.json()["version"] == kept.json()["version"]
    assert intent_of(server, "is there parking for my car") != "parking"
    path = f"/api/v1/triage/versions/{waiting.json()['version']}/approve"
    assert server.call("POST", path, {}, key=operator).status == 403
    server.process.kill()
    server.start()
    assert server.call("POST", path, {}, key=other).status == 200
    assert intent_of(server, "is there parking for my car") == "parking"


def test_kills_in_the_middle_leave_one_version_and_whole_labels(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    pause = random.Random(11)
    for turn in range(6):
        caller = threading.Thread(target=_try, args=(server, PARKING[: 10 + turn]))
        caller.start()
        time.sleep(pause.random() * 0.15)
        server.process.kill()
        caller.join()
        server.start()
        listed = server.call("GET", "/api/v1/triage/versions").json()
        active = [one for one in listed["versions"] if one["state"] == "active"]
        assert [one["version"] for one in active] == [listed["inForce"]]
        learnt = bool(active[0]["figures"].get("learnt"))
        assert (intent_of(server, "is there parking for my car") == "parking") == learnt
    assert label(server, PARKING).status in (200, 201)
    assert len(labels_of(server)) == len(PARKING)
    assert learn(server).status == 200
    assert intent_of(server, "is there parking for my car") == "parking"
    server.process.stop()
    assert server.verify().returncode == 0


MORE = [f"{opening} {subject}" for subject in ("my truck", "a trailer", "the bus", "our coach", "my boat", "a caravan", "the tractor",
        "my bicycle", "a lorry", "the moped", "our minibus", "a camper", "my wagon", "the cart", "a limousine", "my jeep")
        for opening in ("where can i park", "is there parking for", "a garage for", "reserve a space for", "how much is parking for")]


def withheld(server) -> list[dict]:
    return [one for one in labels_of(server, limit=1000) if one["label"][0] in "0123"]


def test_a_version_must_win_on_labels_that_it_has_not_learnt(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    assert label(server, PARKING + MORE[:20]).status == 201
    for one in withheld(server)[3:]:
        assert server.call("DELETE", f"/api/v1/triage/labels/{one['label']}").status == 200
    all_of_them, held = len(labels_of(server)), len(withheld(server))
    kept = learn(server, {"held_out": True})
    assert kept.status == 200 and kept.json()["state"] == "retired", kept.body
    figures = kept.json()["figures"]
    assert figures["held_out"]["texts"] == held <= 3 and figures["held_out"]["better"] is False
    assert figures["held_out"]["chance"] >= 1 / 8, "three texts prove nothing"
    assert figures["learnt"][0]["texts"] == all_of_them - held, "what is withheld is not learnt"
    assert intent_of(server, "is there parking for my car") != "parking"
    assert label(server, MORE).status == 201
    won = learn(server, {"held_out": True})
    assert won.status == 200 and won.json()["state"] == "active", won.body
    match = won.json()["figures"]["held_out"]
    assert match["better"] is True and match["chance"] <= 0.05 and match["won"] > match["lost"]
    assert match["right"] - match["right_before"] == match["won"] - match["lost"]
    assert intent_of(server, "is there parking for my car") == "parking"
    assert server.call("POST", "/api/v1/triage/labels", {"text": "a parking place for the yacht", "intent": "parking"}).status == 201
    again = learn(server, {"held_out": True}).json()
    assert again["state"] == "active" or again["figures"]["held_out"]["better"] is False, "it is no better than itself"


def lessons(server, outcome: str) -> int:
    metrics = server.call("GET", "/metrics").body.decode()
    return int(re.search(rf'signalbox_triage_lessons_total{{outcome="{outcome}"}} (\d+)', metrics).group(1))


def test_it_learns_by_itself_where_enough_labels_have_come(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path, learn={"every_s": 1, "at_least": 60})
    assert label(server, PARKING).status == 201
    until("it has looked", lambda: lessons(server, "too_few") >= 2)
    assert intent_of(server, "is there parking for my car") != "parking", "too few have come"
    assert label(server, MORE).status == 201
    until("it has learnt", lambda: server.call("GET", "/api/v1/triage/versions").json()["versions"][0]["figures"].get("learnt"))
    version = server.call("GET", "/api/v1/triage/versions").json()["versions"][0]
    assert version["author"] == "learn" and version["state"] == "active" and version["figures"]["held_out"]["better"] is True
    newest = max(datetime.datetime.fromisoformat(one["createdAt"]) for one in labels_of(server, limit=1000))
    assert abs(version["figures"]["newest_label_us"] - newest.timestamp() * 1e6) < 1_000, "what comes after it is new, also while it learns"
    assert intent_of(server, "is there parking for my car") == "parking"
    looked = lessons(server, "too_few")
    until("it has looked again", lambda: lessons(server, "too_few") >= looked + 2)
    assert len(server.call("GET", "/api/v1/triage/versions").json()["versions"]) == 2, "nothing new has come"
    server.process.stop()
    assert len(leaves(server, "triage.learn")) == 1
    assert server.verify().returncode == 0


def test_what_is_only_kept_is_tried_on_live_traffic(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    assert label(server, PARKING).status == 201
    kept = learn(server, {"use": False}).json()
    assert kept["state"] == "retired", kept
    question = "is there parking for my car"
    assert intent_of(server, question) != "parking", "only kept"
    server.process.stop()

    configured = json.loads(server.config_file.read_text())
    configured["triage"]["trials"] = [{"name": "learnt", "version": kept["version"], "mode": "split", "tags": {"channel": "beta"}},
                                      {"name": "watch", "version": kept["version"]}]
    server.write_config(configured)
    server.start()
    asked = {"model": "auto", "messages": [{"role": "user", "content": question}]}
    tried = decision(server, server.call("POST", "/v1/chat/completions", {**asked, "metadata": {"channel": "beta"}}))
    assert (tried["intent"], tried["trial"]) == ("parking", {"by": "candidate", "name": "learnt"})
    beside = decision(server, server.call("POST", "/v1/chat/completions", asked))
    assert beside["intent"] != "parking" and [one["intent"] for one in beside["shadows"]] == ["parking"]
    began = {leaf["summary"]["trial"]: leaf["summary"] for leaf in leaves(server, "trial.begin")}
    assert set(began) == {"learnt", "watch"}
    server.process.stop()
    replay = lambda *more: cli("replay", "--with", str(server.config_file), "--data", str(server.data), "--same", *more)
    assert replay().returncode == 0, "everybody gets whom they had"
    assert replay("--triage", kept["version"]).returncode == 1, "by what was learnt others are decided otherwise"
    assert "is not kept here" in replay("--triage", "0" * 32).stderr

    configured["triage"]["trials"] = [{"name": "gone", "version": "0" * 32}]
    server.write_config(configured)
    assert server.serve().process.wait(timeout=30) != 0
    assert f"triage.trials[0]: triage version {'0' * 32} is not kept here" in server.log()


def _try(server, texts):
    try:
        label(server, texts)
        learn(server)
    except (OSError, http.client.HTTPException):
        pass  # killed


def test_the_command_line(own_server, model, tmp_path):
    server = learning_server(own_server, model, tmp_path)
    run = lambda *words: cli("triage", *words, "--url", f"http://{server.address}", env={"SIGNALBOX_API_KEY": server.key, "PATH": ""})
    file = tmp_path / "parking.jsonl"
    file.write_text("".join(json.dumps({"text": text, "intent": "parking"}) + "\n" for text in PARKING))
    added = run("labels", "add", str(file))
    assert added.returncode == 0 and added.stdout == "20 added, 0 changed, 0 known\n", added.stderr
    one = run("labels", "add", "--text", "a stable for my horse", "--intent", "stable")
    assert one.stdout == "1 added, 0 changed, 0 known\n", one.stderr
    listed = run("labels", "list").stdout.splitlines()
    assert len(listed) == 21 and listed[-1].endswith("stable")
    shown = run("labels", "show", listed[-1].split()[0])
    assert json.loads(shown.stdout)["text"] == "a stable for my horse"
    learnt = run("learn")
    assert learnt.returncode == 0, learnt.stderr
    assert " is active\n" in learnt.stdout and "stable: too few texts" in learnt.stdout and "parking" in learnt.stdout
    assert run("labels", "delete", listed[-1].split()[0]).returncode == 0
    assert len(run("labels", "list", "--json").stdout.splitlines()) == 20
    assert run("labels", "delete", "0" * 32).returncode == 1

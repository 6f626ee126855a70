"""Flows that ask models in their own words, over HTTP, through kill -9."""

from __future__ import annotations

import json

from harness import ROOT, Server, Simulator, cli, configuration, until

MAIL = "jane.roe@acme.example"


def register(server: Server, text: str):
    made = server.call("POST", "/api/v1/flows", text.encode())
    assert made.status in (200, 201), made.body


def start(server: Server, flow: str, value: dict, wait: bool = True) -> dict:
    made = server.call("POST", f"/api/v1/flows/{flow}/runs", {"input": value, "wait": wait})
    assert made.status in (200, 201, 202), made.body
    return made.json()


def test_a_letter_becomes_a_reply_that_a_person_has_read(tmp_path):
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps({"match": match, "answer": text}) + "\n" for match, text in [
        ("it asks for: a new parcel", "We are sorry, [EMAIL_1]."),
        ("what is this letter about", "a new parcel"),  # the simulated small model misses the shape: the large one is asked
    ]))
    simulator = Simulator(tmp_path, "--answers", str(answers))
    work = tmp_path / "server"
    work.mkdir()
    server = Server(work, configuration(simulator.address, policy={"file": str(ROOT / "policies/gdpr.yaml")})).start()
    try:
        register(server, (ROOT / "examples/flows/complaint.yaml").read_text())
        run = start(server, "examples/complaint", {"letter": f"My parcel came broken. {MAIL}"})
        assert run["status"] == "waiting", run
        review = next(review["id"] for review in server.call("GET", "/api/v1/reviews?state=open").json()["reviews"] if review["run"] == run["id"])
        assert server.call("POST", f"/api/v1/reviews/{review}/approve").status == 200
        done = until("the reply", lambda: (shown := server.run(run["id"]))["status"] == "completed" and shown)
        assert done["output"]["reply"].startswith("We are sorry, ")
        assert MAIL not in simulator.journal_path.read_text(), "models get placeholders"
        assert "[EMAIL_1]" in simulator.journal_path.read_text()
        assert server.verify().returncode == 0
    finally:
        server.process.stop()
        simulator.process.stop()


ROUNDS = """
document: {dsl: '1.0.3', namespace: test, name: rounds, version: '1.0.0'}
do:
  - all:
      for: {each: i, in: '${ [range(12)] }'}
      do:
        - ask:
            call: chat
            with: {model: simulated, messages: [{role: user, content: '${ "number \\($i)" }'}]}
            export: {as: '${ {said: (($context.said // []) + [.choices[0].message.content])} }'}
output: {as: '${ $context.said | length }'}
"""


def test_a_loop_of_questions_survives_kills_and_asks_each_once(tmp_path):
    simulator = Simulator(tmp_path, "--latency-ms", "40")
    work = tmp_path / "server"
    work.mkdir()
    server = Server(work, configuration(simulator.address)).start()
    try:
        register(server, ROUNDS)
        run = start(server, "test/rounds", {}, wait=False)["id"]
        for asked in (3, 7):
            until(f"{asked} questions", lambda: len(simulator.journal()) >= asked)
            server.process.kill()
            server.start()
        done = until("the end", lambda: (shown := server.run(run))["status"] == "completed" and shown)
        assert done["output"] == 12
        by_key: dict[str, list[str]] = {}
        for call in simulator.journal():
            by_key.setdefault(call["idempotency_key"], []).append(json.dumps(json.loads(call["body"])["messages"]))
        assert len(by_key) == 12
        assert all(len(set(bodies)) == 1 for bodies in by_key.values()), "a key is one question's"
        assert sum(len(bodies) for bodies in by_key.values()) <= 14, "only what was under way at a kill is asked again"
        assert server.verify().returncode == 0
    finally:
        server.process.stop()
        simulator.process.stop()


def test_functions_explain_themselves():
    listed = cli("flow", "functions")
    assert listed.returncode == 0 and "validate" in listed.stdout
    assert json.loads(cli("flow", "functions", "chat").stdout)["properties"]["messages"]["type"] == "array"
    wrong = cli("flow", "functions", "chatt")
    assert wrong.returncode != 0 and "did you mean `chat`" in wrong.stderr
    for example in sorted((ROOT / "examples/flows").glob("*.yaml")):
        assert cli("flow", "validate", str(example)).returncode == 0, example

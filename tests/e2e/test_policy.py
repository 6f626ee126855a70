"""Personal data reaches neither provider, store nor log; the caller gets its own values back."""

from __future__ import annotations

import json

from harness import sse

EMAIL = "greta.canary.77@example.org"
CARD = "4111 1111 1111 1111"
KEY = "sk-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z" + "Q7r8S9t0"


def texts_of(events: list[str]) -> str:
    text = ""
    for event in events:
        if event != "[DONE]":
            for choice in json.loads(event)["choices"]:
                text += choice["delta"].get("content") or ""
    return text


def test_values_stay_inside_and_come_back(own_server, simulator):
    server = own_server().start()
    question = f"Write to {EMAIL} about card {CARD}, my key is {KEY}."
    whole = server.chat(question, model="sim-echo")
    assert whole.status == 200
    assert EMAIL in whole.json()["choices"][0]["message"]["content"]
    streamed = server.chat(question, model="sim-echo", stream=True)
    assert EMAIL in texts_of(sse(streamed.body))
    received = simulator.journal_path.read_text()
    for value in (EMAIL, CARD, KEY):
        assert value not in received
    run = server.run(whole.headers["x-signalbox-run"])
    guard = next(task for task in run["tasks"] if task["name"] == "guard.inbound")
    assert {found["type"] for found in guard["decision"]["findings"]} >= {"EMAIL", "CREDIT_CARD"}
    assert EMAIL not in json.dumps(run)
    assert server.process.stop() == 0
    for path in [*server.data.rglob("*"), server.work / "server.log"]:
        if path.is_file():
            content = path.read_bytes()
            for value in (EMAIL, CARD, KEY):
                assert value.encode() not in content, f"{value} in {path.name}"

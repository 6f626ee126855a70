"""The small model's answer is looked at before it is given, over HTTP."""

from __future__ import annotations

import json

import openai
import pytest

from harness import ROOT, Server, Simulator, call, cli, configuration, sse

CANARY = "canary-4711"
SMALL = "small-one"
ANSWERS = [
    {"match": "password", "model": SMALL, "answer": f"I'm sorry, but I can't help with {CANARY}."},
    {"match": "sum", "model": SMALL, "answer": f"12 * 17 = 214, says {CANARY}"},
    {"match": "cut", "model": SMALL, "answer": f"That is {CANARY} and", "finish_reason": "length"},
    {"match": "loop", "model": SMALL, "answer": f"{CANARY} is the card of " * 8},
    {"match": "", "model": SMALL, "answer": "It is on the second floor."},
    {"match": "", "answer": "The large model knows it."},
]
VETOED = {"password": "refused", "what is the sum": "arithmetic", "cut it": "cut", "loop": "repeats"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    work = tmp_path_factory.mktemp("models")
    (work / "answers.jsonl").write_text("\n".join(json.dumps(line) for line in ANSWERS))
    simulator = Simulator(work, "--answers", str(work / "answers.jsonl"))
    yield simulator
    simulator.process.stop()


@pytest.fixture
def desk(models, tmp_path):
    """A server whose small answers are looked at; the small model has a price of its own."""
    document = configuration(models.address, triage={"file": str(tmp_path / "triage.yaml")})
    document["providers"]["sim"]["models"][SMALL] = {"price": {"input": 100_000, "output": 400_000}}
    document["tiers"]["small"]["deployments"][0]["model"] = SMALL
    (tmp_path / "triage.yaml").write_text("version: 1\ncascade: {}\n")
    server = Server(tmp_path, document).start()
    yield server
    if server.process.process.poll() is None:
        server.process.stop()


def client(server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://{server.address}/v1", api_key=server.key, max_retries=0)


def ask(server, text: str, stream: bool):
    """The answer's text and the headers, as the official client has them."""
    raw = client(server).chat.completions.with_raw_response.create(
        model="auto", stream=stream, messages=[{"role": "user", "content": text}])
    if not stream:
        return raw.parse().choices[0].message.content, raw.headers
    return "".join(choice.delta.content or "" for chunk in raw.parse() for choice in chunk.choices), raw.headers


def look_of(server, run: str) -> dict:
    return next(task["decision"] for task in server.run(run)["tasks"] if (task.get("decision") or {}).get("kind") == "verify")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_will_not_do_is_passed_on_and_on_record(desk, stream):
    text, headers = ask(desk, "where is it", stream)
    assert text == "It is on the second floor." and headers["x-signalbox-route"] == "small"
    assert "x-signalbox-escalated" not in headers
    for question, found in VETOED.items():
        text, headers = ask(desk, question, stream)
        assert text == "The large model knows it." and headers["x-signalbox-route"] == "large", question
        assert headers["x-signalbox-escalated"] == "small" and headers["x-signalbox-model"] == "sim/simulated"
        look = look_of(desk, headers["x-signalbox-run"])
        assert look["chosen"] == "escalate" and look["found"] == [found]
        one = desk.call("GET", f"/api/v1/costs?run={headers['x-signalbox-run']}").json()
        tasks = [call["task"] for call in one["calls"] if call["cost_micro"]]
        assert tasks == ["small", "large"] and 0 < one["rejected_micro"] < one["total_micro"]
        assert one["total_micro"] == sum(call["cost_micro"] for call in one["calls"])
    costs = desk.call("GET", "/api/v1/costs").json()
    escalated = costs["escalations"]
    assert escalated["runs"] == len(VETOED) == costs["by_route"]["large"]["escalated_runs"]
    assert 0 < escalated["rejected_micro"] < escalated["cost_micro"] == costs["by_route"]["large"]["cost_micro"]
    metrics = desk.call("GET", "/metrics").body.decode()
    assert f'signalbox_triage_verified_total{{verdict="vetoed"}} {len(VETOED)}' in metrics
    assert 'signalbox_triage_verified_total{verdict="accepted"} 1' in metrics
    desk.process.stop()
    assert desk.verify().returncode == 0
    assert CANARY not in cli("triage", "explain", "--data", str(desk.data), "--run", headers["x-signalbox-run"]).stdout
    for file in (file for file in desk.data.rglob("*") if file.is_file()):
        assert CANARY.encode() not in file.read_bytes(), file


def test_a_crash_between_the_two_models_asks_the_small_one_once(desk, models):
    desk.process.stop()
    desk.start({"SIGNALBOX_TEST_DIE_AFTER_COMMIT": "2"})  # the second is the one before the large model is asked
    before = len(models.journal())
    headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {desk.key}"}
    body = {"model": "auto", "messages": [{"role": "user", "content": "password"}]}
    with pytest.raises(OSError):
        call(desk.address, "POST", "/v1/chat/completions", body, headers)
    desk.process.process.wait(60)
    desk.start()
    reply = call(desk.address, "POST", "/v1/chat/completions", body, headers)
    assert reply.status == 200 and reply.json()["choices"][0]["message"]["content"] == "The large model knows it."
    assert reply.headers["x-signalbox-escalated"] == "small"
    asked = [entry["model"] for entry in models.journal()[before:]]
    assert asked == [SMALL, "simulated"]


def test_another_cascade_is_told_from_the_record(desk):
    for question in ("where is it", *VETOED):
        ask(desk, question, False)

    def replay(*flags):
        got = cli("replay", "--with", str(desk.config_file), "--data", str(desk.data), "--json", *flags)
        assert got.returncode in (0, 1), got.stderr
        return got.returncode, json.loads(got.stdout)

    status, same = replay("--same")
    assert status == 0 and same["nothing_differs"], same
    assert same["looks"]["exact"] == same["looks"]["recorded"] == 1 + len(VETOED)
    assert same["looks"]["recorded_passed_on"] == len(VETOED)

    other = desk.work / "other.yaml"

    def under(text):
        other.write_text("version: 1\n" + text)
        return replay("--set", f"triage.file={other}")[1]

    fewer = under("cascade: {checks: [cut]}\n")
    assert fewer["looks"]["passed_on"] == 1 and fewer["looks"]["given"] == len(VETOED)
    assert fewer["cost"]["candidate"]["unknown_runs"] == 0 == fewer["cost"]["candidate"]["expected_runs"]
    assert fewer["cost"]["candidate"]["known_micro"] < fewer["cost"]["recorded_micro"]
    none = under("")
    assert none["looks"]["not_looked_at"] == 1 + len(VETOED)
    assert none["cost"]["candidate"]["known_micro"] < fewer["cost"]["candidate"]["known_micro"]

    # What was recorded without a look: nobody knows what one would have said.
    desk.process.stop()
    (desk.work / "triage.yaml").write_text("version: 1\n")
    desk.start()
    ask(desk, "password", False)
    later = under("cascade: {}\n")
    assert later["looks"]["unknown"]["not_looked"] == 1 and later["cost"]["candidate"]["unknown_runs"] == 1


def test_runs_of_the_chat_flow_of_before_go_on(desk):
    """A data directory with an open run of the flow as it was: the next start takes it up, new runs take the new one."""
    before = (ROOT / "flows" / "chat-1.0.0.yaml").read_text()
    desk.process.stop()
    flows = desk.work / "flows"
    flows.mkdir()
    (flows / "chat.yaml").write_text(before)
    document = json.loads(desk.config_file.read_text())
    desk.write_config(document | {"flows": {"dir": str(flows)}})
    desk.start({"SIGNALBOX_TEST_DIE_AFTER_COMMIT": "1"})
    headers = {"Idempotency-Key": "old", "Authorization": f"Bearer {desk.key}"}
    body = {"model": "auto", "messages": [{"role": "user", "content": "password"}]}
    with pytest.raises(OSError):
        call(desk.address, "POST", "/v1/chat/completions", body, headers)
    desk.process.process.wait(60)
    desk.write_config(document)
    desk.start()
    old = call(desk.address, "POST", "/v1/chat/completions", body, headers)
    assert old.status == 200 and CANARY in old.body.decode(), "nobody looked at it: its flow does not"
    assert desk.run(old.headers["x-signalbox-run"])["flow"] == "signalbox/chat@1.0.0"
    new = desk.chat("password", model="auto")
    assert desk.run(new.headers["x-signalbox-run"])["flow"] == "signalbox/chat@1.2.0"
    assert new.headers["x-signalbox-route"] == "large"


def test_a_buffered_small_answer_is_given_as_a_stream_at_its_end(desk):
    reply = desk.chat("where is it", model="auto", stream=True)
    events = sse(reply.body)
    assert events[-1] == "[DONE]" and "second floor" in reply.body.decode()
    again = desk.call("GET", f"/api/v1/runs/{reply.headers['x-signalbox-run']}/stream")
    assert again.status == 200 and sse(again.body) == events, "and it may be taken up again"


def test_a_verifier_is_made_from_recorded_outcomes_and_a_damaged_one_is_refused(desk):
    rows = [{"prompt": f"question {i}", "weak_ok": i % 2 == 1, "strong_ok": True,
             "weak_response": "It is on the second floor." if i % 2 else "It depends, I assume it is unclear."}
            for i in range(400)]
    data, made = desk.work / "outcomes.jsonl", desk.work / "desk.sbo"
    data.write_text("\n".join(json.dumps(row) for row in rows))
    learn = ("triage", "outcomes", "--train", str(data), "--cascade", "--encoder", "none")
    got = cli(*learn, "--out", str(made), "--quality", "0.95")
    assert got.returncode == 0 and "avoids" in got.stderr, got.stderr
    few = desk.work / "few.jsonl"
    few.write_text("\n".join(json.dumps(row) for row in rows[:50]))
    refused = cli("triage", "outcomes", "--train", str(few), "--cascade", "--encoder", "none", "--out", str(made) + "2")
    assert refused.returncode == 1 and "cannot promise 95.0 %" in refused.stderr and "like them could" in refused.stderr
    assert not (desk.work / "desk.sbo2").exists()

    desk.process.stop()
    (desk.work / "triage.yaml").write_text("version: 1\ncascade: {verifier: desk.sbo}\n")
    desk.start()
    text, headers = ask(desk, "where is it", False)
    look = look_of(desk, headers["x-signalbox-run"])
    assert look["chosen"] == "accept" and float(look["gain"]) <= float(look["threshold"]) and look["versions"]["verifier"]
    desk.process.stop()
    made.write_bytes(made.read_bytes()[:-1] + b"x")
    assert desk.serve().process.wait(60) != 0
    assert "desk.sbo" in desk.log() and "checksum" in desk.log()

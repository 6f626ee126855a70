"""Requests that are answered from the record: only where nobody else's answer could come."""

from __future__ import annotations

import json
import pathlib
import threading

import pytest

from harness import cli, sse
from test_policy import key_of


@pytest.fixture
def caching(own_server):
    return own_server(cache={"exact_ttl_s": 3600}).start()


def cached(reply) -> bool:
    assert reply.status == 200, reply.body
    return reply.headers.get("x-signalbox-cache") == "exact"


def test_the_second_time_no_model_is_asked_and_nothing_is_paid(caching, simulator):
    first = caching.chat("when do you open, cache test")
    asked = len(simulator.journal())
    second = caching.chat("when do you open, cache test")
    assert not cached(first) and cached(second) and len(simulator.journal()) == asked
    assert second.headers["x-signalbox-cost"] == "0" != first.headers["x-signalbox-cost"]
    assert second.json()["choices"] == first.json()["choices"]
    run = caching.run(second.headers["x-signalbox-run"])
    decision = next(task["decision"] for task in run["tasks"] if (task.get("decision") or {}).get("kind") == "chat")
    assert decision["cache"] == "exact" and decision["answer_of"] == first.headers["x-signalbox-run"]
    assert caching.verify().returncode == 0
    got = cli("replay", "--with", str(caching.config_file), "--data", str(caching.data), "--same")
    assert got.returncode == 0, got.stdout


def test_a_stream_is_told_the_answer_of_a_stream(caching):
    told = []
    for _ in range(2):
        reply = caching.chat("stream it, cache test", stream=True)
        chunks = [json.loads(event) for event in sse(reply.body) if event != "[DONE]"]
        told.append("".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]))
    assert told[0] == told[1] != "" and cached(reply)


def test_whose_data_it_is_decides(caching):
    text = "mail ann@pages.org, cache test"
    assert not cached(caching.chat(text, x_signalbox_subject="ann"))
    assert not cached(caching.chat(text, x_signalbox_subject="bob"))
    assert not cached(caching.chat(text))
    assert cached(caching.chat(text, x_signalbox_subject="ann"))
    other = key_of(caching, "client")
    assert not cached(caching.chat(text, x_signalbox_subject="ann", key=other))
    plain = "where is your shop, cache test"
    assert not cached(caching.chat(plain))
    assert cached(caching.chat(plain, key=other)), "nothing was found in it: within a tenant it is the same question"


def test_an_erased_answer_is_not_told_again(caching):
    text = "what do you sell, cache test"
    first = caching.chat(text, x_signalbox_subject="ann").headers["x-signalbox-run"]
    assert cached(caching.chat(text))
    erased = caching.call("POST", "/api/v1/erasures", {"run": first, "legal_basis": "Art. 17"})
    assert erased.status == 200, erased.body
    assert not cached(caching.chat(text))


def test_without_the_key_nothing_is_cached(server):
    assert not cached(server.chat("off by default, cache test"))
    assert not cached(server.chat("off by default, cache test"))


def test_cache_control_is_heeded(caching):
    text = "when do you open, cache control test"
    assert not cached(caching.chat(text, cache_control="no-store"))
    assert not cached(caching.chat(text)), "the first was not to be kept"
    assert cached(caching.chat(text))
    assert not cached(caching.chat(text, cache_control="no-cache"))
    assert not cached(caching.chat(text, cache_control="max-age=0"))
    metrics = caching.call("GET", "/metrics").body.decode()
    for outcome, count in (("hit", 1), ("miss", 3), ("bypass", 1)):
        assert f'signalbox_flow_cache_requests_total{{outcome="{outcome}"}} {count}' in metrics


def test_an_answer_is_never_told_again_once_its_erasure_is_acknowledged(own_server):
    """Callers on several shards ask without a pause; whoever asks after the answer to an erasure gets another run's."""
    caching = own_server(cache={"exact_ttl_s": 3600}, server={"shards": 3}).start()
    text = "what is erased, cache race test"
    erased: set[str] = set()
    told_again: list[str] = []
    hits = 0
    over = threading.Event()

    def ask() -> None:
        nonlocal hits
        while not over.is_set():
            gone = set(erased)
            reply = caching.chat(text)
            if not cached(reply):
                continue
            hits += 1
            steps = caching.call("GET", f"/api/v1/costs?run={reply.headers['x-signalbox-run']}").json()["calls"]
            told_again.extend(step["answer_of"] for step in steps if step.get("answer_of") in gone)

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    for _ in range(15):
        run = caching.chat(text).headers["x-signalbox-run"]
        calls = caching.call("GET", f"/api/v1/costs?run={run}").json()["calls"]
        answered_by = next((call["answer_of"] for call in calls if "answer_of" in call), run)
        reply = caching.call("POST", "/api/v1/erasures", {"run": answered_by, "legal_basis": "Art. 17"})
        assert reply.status == 200, reply.body
        erased.add(answered_by)
    over.set()
    for caller in callers:
        caller.join()
    assert hits > 0 and told_again == []


ENCODER = pathlib.Path(__file__).parents[2] / ".third_party/encoder/minilm.sbe"


@pytest.fixture
def likeness(tmp_path):
    """Learnt from three questions in many wordings: how it is learnt is tested elsewhere."""
    if not ENCODER.exists():
        pytest.skip("no sentence encoder: make encoder")
    wordings = ["{}", "please, {}", "can you tell me {}", "i want to know {}", "hello, {}", "{} please", "do you know {}"]
    questions = ["where is the shop", "when do you open", "what is the price", "who pays for shipping"]
    lines = [{"text": wording.format(question), "intent": question} for wording in wordings for question in questions]
    data, out = tmp_path / "asked.jsonl", tmp_path / "likeness.json"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    learnt = cli("triage", "likeness", "--data", str(data), "--out", str(out), "--encoder", str(ENCODER), "--wrong-hits", "0.4",
                 "--confidence", "0.8")
    assert learnt.returncode == 0, learnt.stderr
    return out


def test_a_question_like_one_before_is_answered_by_its_answer(own_server, likeness, simulator):
    server = own_server(cache={"exact_ttl_s": 60, "semantic": {"file": str(likeness), "encoder": str(ENCODER)}}).start()
    first = server.chat("Where is the shop in Berlin?")
    asked = len(simulator.journal())
    second = server.chat("please, where is the shop in Berlin")
    assert second.headers.get("x-signalbox-cache") == "semantic" and len(simulator.journal()) == asked
    assert second.headers["x-signalbox-cost"] == "0" and second.json()["choices"] == first.json()["choices"]
    call = server.call("GET", f"/api/v1/costs?run={second.headers['x-signalbox-run']}").json()["calls"][-1]
    assert call["cache"] == "semantic" and call["answer_of"] == first.headers["x-signalbox-run"]
    for other in ("where is the shop in Munich", "where is the shop not in Berlin", "please, where was the shop in Berlin"):
        assert "x-signalbox-cache" not in server.chat(other).headers, other
    assert 'signalbox_flow_cache_requests_total{outcome="semantic"} 1' in server.call("GET", "/metrics").body.decode()
    assert server.verify().returncode == 0


@pytest.mark.parametrize("encoder, way_out", [("missing.sbe", "triage encoder"), ("other", "signalbox triage likeness")])
def test_without_its_encoder_the_server_does_not_start_and_says_what_to_do(own_server, tmp_path, likeness, encoder, way_out):
    if encoder == "other":  # learnt with one that is not there any more
        learnt = json.loads(likeness.read_text())
        likeness.write_text(json.dumps(learnt | {"encoder": "0123456789abcdef"}))
        encoder = str(ENCODER)
    server = own_server(cache={"exact_ttl_s": 60, "semantic": {"file": str(likeness), "encoder": encoder}})
    assert server.serve().process.wait(60) != 0
    assert "cache.semantic" in server.log() and way_out in server.log(), server.log()

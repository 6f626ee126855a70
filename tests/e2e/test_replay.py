"""Recorded traffic under another configuration, beside the server that recorded it."""

from __future__ import annotations

import json

import pytest

from harness import cli
from test_policy import key_of
from test_policy_versions import leaves_of

TRIAGE = """version: 1
rules:
  - {name: legal, when: {phrases: [my lawyer]}, route: large}
  - {name: threat, when: {phrases: [going to sue]}, route: human}
"""
CANARY = "canary-4711"
TEXTS = [f"my lawyer is called {CANARY}", "what is the weather", "i am going to sue", "write to ann@pages.org",
         "pay with 4111 1111 1111 1111", "int main(); return 0; };"]


@pytest.fixture
def recorded(own_server):
    """A server at work with recorded traffic."""
    server = own_server()
    (server.work / "triage.yaml").write_text(TRIAGE)
    server.write_config(json.loads(server.config_file.read_text()) | {"triage": {"file": str(server.work / "triage.yaml")}})
    server.start()
    for text in TEXTS:
        assert server.chat(text, model="auto").status == 200
        assert server.chat(text, model="auto", stream=True).status == 200
    assert server.chat("hello").status == 200
    return server


def replay(server, *flags: str, candidate=None):
    got = cli("replay", "--with", str(candidate or server.config_file), "--data", str(server.data), "--json", *flags)
    assert got.returncode in (0, 1), got.stderr
    assert CANARY not in got.stdout + got.stderr and "ann@" not in got.stdout + got.stderr
    return got.returncode, json.loads(got.stdout)


def with_triage(server, text: str) -> str:
    (server.work / "other.yaml").write_text(text)
    return f"triage.file={server.work / 'other.yaml'}"


def test_the_live_configuration_gives_exactly_what_is_on_record(recorded):
    status, report = replay(recorded, "--same")
    assert status == 0 and report["nothing_differs"], report
    assert report["runs"] == 2 * len(TEXTS) + 1 == report["decisions"]["exact"]
    assert report["cost"]["candidate"]["known_micro"] == report["cost"]["recorded_micro"] > 0
    recorded.process.stop()
    assert replay(recorded, "--same")[1]["nothing_differs"], "and without a server"
    prices = json.loads(recorded.config_file.read_text())
    prices["providers"]["sim"]["models"]["simulated"]["price"]["output"] *= 2
    dearer = recorded.work / "dearer.yaml"
    dearer.write_text(json.dumps(prices))
    status, report = replay(recorded, "--same", candidate=dearer)
    assert status == 1 and report["decisions"]["changed"] == 0
    assert report["cost"]["candidate"]["known_micro"] > report["cost"]["recorded_micro"]


def test_other_sizes_are_told_from_the_record_alone(recorded):
    _, report = replay(recorded, "--set", with_triage(recorded, TRIAGE + "generative: {large_when: {code: false, prompt_bytes_over: 15}}\n"))
    routes = {(r["recorded"], r["candidate"]): r["decisions"] for r in report["routes"]}
    assert routes[("small", "large")] == 6 and routes[("large", "large")] == 4 and sum(report["decisions"]["unknown"].values()) == 0, report
    assert report["decisions"]["from_text"] == 0 and leaves_of(recorded, "record.opened") == []


def test_other_words_take_the_texts_and_that_is_on_record(recorded):
    other = with_triage(recorded, TRIAGE.replace("my lawyer", "weather"))
    _, closed = replay(recorded, "--set", other)
    assert closed["decisions"]["unknown"]["other_sight"] == 2 * len(TEXTS)
    unsaid = cli("replay", "--with", str(recorded.config_file), "--data", str(recorded.data), "--texts")
    assert unsaid.returncode == 1 and "--url" in unsaid.stderr and leaves_of(recorded, "record.opened") == []
    key_file = recorded.work / "key"
    key_file.write_text(recorded.key)
    here = ("--texts", "--url", f"http://{recorded.address}", "--key-file", str(key_file))
    _, report = replay(recorded, "--set", other, *here)
    routes = {(r["recorded"], r["candidate"]): r["decisions"] for r in report["routes"]}
    assert routes == {("large", "small"): 2, ("large", "large"): 2, ("small", "large"): 2, ("small", "small"): 4,
                      ("human", "human"): 2, ("direct", "direct"): 1}
    assert report["decisions"]["from_text"] == 2 * len(TEXTS)
    assert leaves_of(recorded, "record.opened") == [{"direction": "inbound", "what": "traffic"}]
    key_file.write_text(key_of(recorded, "client"))
    refused = cli("replay", "--with", str(recorded.config_file), "--data", str(recorded.data), *here)
    assert refused.returncode == 1 and refused.stdout == ""


def test_another_policy_is_held_against_the_texts(recorded):
    policy = recorded.work / "policy.yaml"
    policy.write_text("name: own\nversion: 1\nrules:\n  - {types: [EMAIL], direction: inbound, action: block}\n")
    recorded.process.stop()
    flags = ("--set", f"policy.file={policy}")
    _, closed = replay(recorded, *flags)
    assert closed["decisions"]["unknown"]["other_policy"] == closed["runs"] == closed["findings"]["unknown_runs"]
    _, report = replay(recorded, *flags, "--texts")
    assert {"recorded": "small", "candidate": "blocked", "decisions": 2} in report["routes"], report["routes"]
    assert report["findings"]["inbound_candidate"]["EMAIL"] == {"block": 2}


def test_erased_texts_are_counted_and_said(recorded):
    run = recorded.chat("what is the weather", model="auto").headers["x-signalbox-run"]
    assert recorded.call("POST", "/api/v1/erasures", {"run": run, "legal_basis": "Art. 17"}).status == 200
    assert replay(recorded, "--same")[1]["erased_runs"] == 1
    recorded.process.stop()
    other = with_triage(recorded, TRIAGE.replace("my lawyer", "weather"))
    _, report = replay(recorded, "--set", other, "--texts")
    assert report["decisions"]["unknown"]["erased"] == 1 and report["erased_runs"] == 1
    table = cli("replay", "--with", str(recorded.config_file), "--data", str(recorded.data), "--set", other, "--texts")
    assert "it takes the text, and that was erased" in table.stdout


def test_the_page_and_the_table(recorded, tmp_path):
    page = tmp_path / "week.html"
    got = cli("replay", "--with", str(recorded.config_file), "--data", str(recorded.data), "--html", str(page), "--since", "1h")
    assert got.returncode == 0 and "nothing differs" in got.stdout and "Decisions" in got.stdout, got.stderr
    html = page.read_text()
    assert "nothing differs" in html and "<svg" in html and "<script" not in html and CANARY not in html


def test_another_gateways_log_is_routed_from_its_texts(recorded):
    log = recorded.work / "litellm.jsonl"
    log.write_text("".join(json.dumps({"call_type": "completion", "model": "simulated", "response_cost": 0.5, "prompt_tokens": 10,
                                       "completion_tokens": 5, "messages": [{"role": "user", "content": text}]}) + "\n" for text in TEXTS))
    got = cli("replay", "--with", str(recorded.config_file), "--import", "litellm", "--json", str(log))
    assert got.returncode == 0, got.stderr
    report = json.loads(got.stdout)
    routes = {r["candidate"]: r["decisions"] for r in report["routes"] if r["recorded"] == "logged"}
    assert routes == {"large": 2, "small": 3, "human": 1}, routes
    assert report["cost"]["recorded_micro"] == 3_000_000
    assert report["cost"]["candidate"]["known_micro"] == 5 * (10 + 4 * 5), "their tokens at our prices; a person costs nothing"
    assert CANARY not in got.stdout + got.stderr


@pytest.mark.parametrize("flags, said", [
    (["--with", "{config}", "--import", "litellm"], "go together"),
    (["--with", "{config}", "--import", "langfuze", "{wrong}"], 'did you mean "langfuse"?'),
    (["--with", "{config}", "--import", "openai", "{wrong}"], "invalid JSON"),
    (["--with", "{config}", "--import", "openai", "{config}"], "no call of a chat"),
    ([], "--with FILE"),
    (["--with", "{work}/none.yaml"], "none.yaml"),
    (["--with", "{config}", "--data", "{work}/nothing"], "nothing"),
    (["--with", "{config}", "--data", "{data}", "--until", "30d"], "no recorded run"),
    (["--with", "{config}", "--data", "{data}", "--since", "yesterday"], "yesterday"),
    (["--with", "{config}", "--data", "{data}", "--limit", "0"], "limit"),
    (["--with", "{config}", "--data", "{data}", "--set", "triage.fiel=x"], 'did you mean "file"?'),
    (["--with", "{config}", "--data", "{data}", "--set", "triage.file={wrong}"], 'unknown key "threshold"; did you mean "thresholds"?'),
    (["--with", "{config}", "--data", "{data}", "--html", "{work}/no/where.html"], "where.html"),
])
def test_what_is_wrong_is_named(recorded, flags, said):
    wrong = recorded.work / "wrong.yaml"
    wrong.write_text("version: 1\nthreshold: {script: 0.9}\n")
    names = {"work": recorded.work, "config": recorded.config_file, "data": recorded.data, "wrong": wrong}
    got = cli("replay", *[flag.format(**names) for flag in flags])
    assert got.returncode in (1, 2) and said in got.stderr, (got.returncode, got.stderr)

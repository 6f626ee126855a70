"""The demo's own checks must notice what they are there for, and its material must be sound.

Run by tests/clients/run, or: .venv/bin/python -m pytest examples/support-desk
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import check_messages  # noqa: E402
from desk import checks, report  # noqa: E402
from desk.traffic import Outcome  # noqa: E402


def outcome(number: int, run: str = "", route: str = "small", **fields) -> Outcome:
    message = {"id": f"m{number:03}", "text": "?", "expect": ["small"], "pii": [], **fields.pop("message", {})}
    return Outcome(message, f"key-{number}", run=run or f"run-{number}", route=route, answer="yes", tries=1, **fields)


def run_of(o: Outcome, status: str = "completed", cost: int = 0) -> dict:
    return {"id": o.run, "status": status, "cost_micro": cost}


def durability(outcomes, runs, again=(), calls=None, kills=1, keyless=0):
    journal = checks.Journal("small", Counter(calls or {}), [], keyless)
    found = checks.check_durability(outcomes, runs, list(again), [journal], kills)
    return len(found.lost), len(found.doubled)


def test_a_sound_run_has_nothing_lost_and_nothing_doubled():
    first, second = outcome(1), outcome(2)
    second.tries = 2
    parked = outcome(3, route="human")
    runs = [run_of(first), run_of(second), run_of(parked, "waiting")]
    assert durability([first, second, parked], runs, [(first, outcome(1))], {"a": 1, "b": 2}) == (0, 0)


@pytest.mark.parametrize(
    "runs, lost, doubled",
    [
        ([], 1, 0),
        ([{"id": "run-1", "status": "running"}], 1, 0),
        ([{"id": "run-1", "status": "faulted"}], 1, 0),
        ([{"id": "run-1", "status": "completed"}] * 2, 0, 1),
        ([{"id": "run-1", "status": "completed"}, {"id": "run-9", "status": "completed"}], 0, 1),
    ],
    ids=["run_unknown", "run_not_finished", "run_failed", "run_listed_twice", "run_of_nobody"],
)
def test_the_servers_list_is_held_against_the_answers(runs, lost, doubled):
    assert durability([outcome(1)], runs) == (lost, doubled)


def test_a_message_without_an_answer_is_lost():
    unanswered = outcome(1, failed="APITimeoutError")
    assert durability([unanswered], []) == (1, 0)
    assert durability([unanswered], [run_of(outcome(1))]) == (1, 0)
    assert durability([unanswered], [run_of(outcome(1)), run_of(outcome(2))]) == (1, 2)


def test_two_messages_with_one_run_are_doubled():
    pair = [outcome(1, "same"), outcome(2, "same")]
    assert durability(pair, [run_of(pair[0])]) == (0, 1)


@pytest.mark.parametrize(
    "again, lost, doubled",
    [
        (outcome(1, "other"), 0, 1),
        (outcome(1, failed="NotFoundError"), 1, 0),
    ],
    ids=["second_run", "forgotten"],
)
def test_an_answer_from_before_the_crash_must_stay(again, lost, doubled):
    first = outcome(1)
    assert durability([first], [run_of(first)], [(first, again)]) == (lost, doubled)


def test_another_answer_of_the_same_run_is_doubled():
    first, again = outcome(1), outcome(1)
    again.answer = "no"
    assert durability([first], [run_of(first)], [(first, again)]) == (0, 1)


@pytest.mark.parametrize(
    "calls, kills, keyless, doubled",
    [
        ({"a": 3}, 1, 0, 2),  # more calls than the crash explains, and nobody was in flight
        ({"a": 2}, 1, 0, 1),  # repeated although nobody was in flight
        ({"a": 2}, 0, 0, 2),
        ({"a": 1}, 1, 1, 1),
    ],
    ids=["three_calls", "nobody_in_flight", "no_crash", "no_key"],
)
def test_the_providers_journals_show_second_effects(calls, kills, keyless, doubled):
    first = outcome(1)
    assert durability([first], [run_of(first)], calls=calls, kills=kills, keyless=keyless) == (0, doubled)


@pytest.mark.parametrize("written", ["4111 1111 1111 1111", "4111111111111111", "4111-1111-1111-1111"])
def test_masking_finds_a_value_however_it_is_written(written, tmp_path):
    card = outcome(1, message={"pii": ["card"], "pii_values": ["4111 1111 1111 1111"]})
    log = tmp_path / "signalbox.log"
    log.write_text("nothing here")
    clean = checks.check_masking([card], [checks.Journal("large", bodies=["[CREDIT_CARD]"])], [log])
    assert (clean.leaks, clean.sent["card"], clean.to_models["card"]) == ([], 1, 1)
    assert checks.check_masking([card], [checks.Journal("large", bodies=[f"my card {written}."])], [log]).leaks
    log.write_text(f'{{"text": "{written}"}}')
    assert checks.check_masking([card], [], [log]).leaks


def test_routing_tells_harmless_from_harmful():
    def routed(route, expect, **message):
        o = outcome(1, route=route, message={"expect": expect, **message})
        o.intent = message.get("seen", "")
        return checks.check_routing([o], {"b77:a": "one", "b77:b": "two", "c150:a": "one"})

    assert routed("script", ["script"]).right == 1
    assert routed("script", ["script"], expect_intent=["b77:a"], seen="b77:a").right == 1
    assert routed("script", ["script"], expect_intent=["b77:a"], seen="c150:a").right == 1
    assert routed("script", ["script"], expect_intent=["b77:a"], seen="b77:b").wrong_script
    assert routed("script", ["human"]).wrong_script
    assert routed("small", ["human"]).missed_human
    assert routed("human", ["script"]).needless_human
    assert routed("large", ["script"]).too_high


def test_money_must_add_up():
    o = outcome(1, cost_micro=7)
    assert checks.check_money({"total_micro": 7, "all_large_micro": 70}, [o], [run_of(o, cost=7)]).fault == ""
    assert checks.check_money({"total_micro": 14, "all_large_micro": 70}, [o], [run_of(o, cost=7)]).fault
    assert checks.check_money({"total_micro": 9, "all_large_micro": 70}, [o], [run_of(o, cost=9)]).fault
    assert checks.Money(7, 70).saved_percent == pytest.approx(90)


def test_a_kept_answer_is_looked_at_once():
    costs = {"by_route": {"small": {"runs": 9, "escalated_runs": 1}}, "escalations": {"runs": 4, "rejected_micro": 8}}
    found = checks.count_cascade(costs)
    assert (found.looked_at, found.given, found.passed_on) == (12, 9, 3)
    assert checks.count_cascade({"by_route": {}, "escalations": {"runs": 0}}).looked_at == 0


def test_an_answer_that_did_not_do_was_routed_all_the_same():
    passed_on = outcome(1, route="large", escalated=True)
    assert checks.check_routing([passed_on], {}).right == 1


def test_journal_counts_calls_by_key(tmp_path):
    path = tmp_path / "j.jsonl"
    lines = [
        {"idempotency_key": "a", "body": "{}"},
        {"idempotency_key": "a", "body": {"x": 1}},
        {"idempotency_key": "", "body": ""},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    journal = checks.Journal.read("small", path)
    assert (journal.calls, journal.keyless, journal.bodies[1]) == (Counter(a=2), 1, '{"x": 1}')


def test_percentiles_are_values_that_occurred():
    assert report.percentile([3, 1, 2, 4], 0.5) == 2
    assert report.percentile(list(range(1, 101)), 0.95) == 95
    assert report.percentile([], 0.5) == 0


@pytest.mark.parametrize(
    "kind, value, valid",
    [
        ("card", "4111 1111 1111 1111", True),
        ("card", "4111 1111 1111 1112", False),
        ("iban", "GB29 NWBK 6016 1331 9268 19", True),
        ("iban", "GB29 NWBK 6016 1331 9268 91", False),
        ("email", "a@example.org", True),
        ("email", "a@bank.com", False),
    ],
)
def test_check_digits(kind, value, valid):
    assert check_messages.value_valid(kind, value) is valid


def test_the_messages_are_sound():
    done = subprocess.run([sys.executable, str(HERE / "check_messages.py")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

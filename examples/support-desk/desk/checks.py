"""What must hold after the run, computed from what customers, server and providers each wrote down."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from .traffic import Outcome

FINISHED = {"completed", "waiting"}  # a run that waits for a person is parked, not lost
MODEL_ROUTES = {"small", "large"}


@dataclass
class Journal:
    """What one provider received: calls by idempotency key, and the bodies in the order of arrival."""

    name: str
    calls: Counter = field(default_factory=Counter)
    bodies: list[str] = field(default_factory=list)
    keyless: int = 0

    @classmethod
    def read(cls, name: str, path: Path) -> "Journal":
        journal = cls(name)
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            entry = json.loads(line)
            body = entry["body"]
            journal.bodies.append(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))
            if entry.get("idempotency_key"):
                journal.calls[entry["idempotency_key"]] += 1
            else:
                journal.keyless += 1
        return journal


@dataclass
class Durability:
    """The counts behind "lost" and "doubled", each with the faults that make it up."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    repeated_calls: int = 0  # provider calls that the crash interrupted and that were made again, as they may be


def check_durability(
    outcomes: list[Outcome], runs: list[dict], again: list[tuple[Outcome, Outcome]], journals: list[Journal], kills: int
) -> Durability:
    """`runs` as the server lists them now; `again` are answers from before the crash, asked for once more after it."""
    result = Durability()
    listed = defaultdict(list)
    for run in runs:
        listed[run["id"]].append(run["status"])

    owner: dict[str, str] = {}
    for outcome in outcomes:
        name = outcome.message["id"]
        if outcome.failed:
            result.lost.append(f"{name}: no answer ({outcome.failed})")
            continue
        states = listed.get(outcome.run, [])
        if not states:
            result.lost.append(f"{name}: acknowledged as run {outcome.run or '(none)'}, which the server does not know")
        elif len(states) > 1:
            result.doubled.append(f"{name}: run {outcome.run} is listed {len(states)} times")
        elif states[0] not in FINISHED:
            result.lost.append(f"{name}: run {outcome.run} is {states[0]}")
        if outcome.run in owner:
            result.doubled.append(f"{name} and {owner[outcome.run]} share run {outcome.run}")
        owner[outcome.run] = name
    # A run nobody got an answer from is a second run of somebody's message, unless it is that of one without an answer.
    strangers = [run for run in listed if run not in owner]
    unanswered = sum(1 for outcome in outcomes if outcome.failed)
    if len(strangers) > unanswered:
        result.doubled += [f"run {run} belongs to no message" for run in strangers]

    for first, second in again:
        name = first.message["id"]
        if second.failed:
            result.lost.append(f"{name}: acknowledged before the crash, now {second.failed}")
        elif second.run != first.run:
            result.doubled.append(f"{name}: run {first.run} before the crash, {second.run} when asked again")
        elif second.answer != first.answer:
            result.doubled.append(f"{name}: asked again, the same run gave another answer")

    for journal in journals:
        if journal.keyless:
            result.doubled.append(
                f"{journal.name}: {journal.keyless} calls without an idempotency key cannot be told apart"
            )
        for key, calls in journal.calls.items():
            # A call in flight at a crash is made once more with the same key; anything beyond that is a second effect.
            if calls > 1 + kills:
                result.doubled.append(f"{journal.name}: {calls} calls with key {key}")
            result.repeated_calls += calls - 1
    # At most what was in flight at the crash may have been repeated: messages whose first try did not succeed.
    interrupted = sum(1 for outcome in outcomes if outcome.tries > 1)
    if result.repeated_calls > interrupted * max(kills, 1):
        result.doubled.append(
            f"{result.repeated_calls} provider calls were repeated, but only {interrupted} messages "
            "were in flight at the crash"
        )
    return result


def squash(text: str) -> str:
    """Without the separators people put into numbers, so that "4111 1111" and "4111-1111" look alike."""
    return re.sub(r"[\s\-().\u00a0]", "", text).casefold()


@dataclass
class Masking:
    """Pieces of personal data by type: sent by customers, of it in messages that a model answered, and the leaks."""

    sent: Counter = field(default_factory=Counter)
    to_models: Counter = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)


def check_masking(outcomes: list[Outcome], journals: list[Journal], files: list[Path]) -> Masking:
    """Looks for every raw value in what the providers received, and in the server's logs and data."""
    result = Masking()
    received = {journal.name: squash("\n".join(journal.bodies)) for journal in journals}
    written = {file.name: squash(file.read_bytes().decode("utf-8", "replace")) for file in files}
    for outcome in outcomes:
        message = outcome.message
        for kind, value in zip(message["pii"], message.get("pii_values", [])):
            result.sent[kind] += 1
            if outcome.route in MODEL_ROUTES:
                result.to_models[kind] += 1
            for place, text in (received | written).items():
                if squash(value) in text:
                    result.leaks.append(f"{message['id']}: {kind} in clear in {place}")
    return result


@dataclass
class Routing:
    """How the routes compare with what a person expected of them."""

    right: int = 0
    total: int = 0
    # Of the wrong ones: an intent script for something else, a person not asked where one is needed, the rest.
    wrong_script: list[str] = field(default_factory=list)
    missed_human: list[str] = field(default_factory=list)
    needless_human: list[str] = field(default_factory=list)
    too_high: list[str] = field(default_factory=list)  # a model where a script would do: dearer, not wrong


def check_routing(outcomes: list[Outcome], script_of: dict[str, str]) -> Routing:
    """`script_of`: the script that answers an intent. Intents with one script are one question to the customer."""
    result = Routing()
    for outcome in outcomes:
        # Where triage sent it: that the answer did not do there is another matter.
        message, route = outcome.message, "small" if outcome.escalated else outcome.route
        result.total += 1
        wanted = message.get("expect_intent")
        # A script is right only for the very question, where it is known which.
        wrong_intent = (
            route == "script"
            and wanted
            and outcome.intent
            and script_of.get(outcome.intent) not in {script_of.get(intent) for intent in wanted}
        )
        if route in message["expect"] and not wrong_intent:
            result.right += 1
        elif route == "script":
            result.wrong_script.append(message["id"])
        elif message["expect"] == ["human"]:
            result.missed_human.append(message["id"])
        elif route == "human":
            result.needless_human.append(message["id"])
        else:
            result.too_high.append(message["id"])
    return result


@dataclass
class Money:
    total_micro: int
    all_large_micro: int
    fault: str = ""
    rejected_micro: int = 0  # of the total: for small answers that did not do

    @property
    def saved_percent(self) -> float:
        return 100 * (1 - self.total_micro / self.all_large_micro) if self.all_large_micro else 0.0


@dataclass
class Cascade:
    """Answers of the small model, all of which are looked at."""

    given: int
    passed_on: int

    @property
    def looked_at(self) -> int:
        return self.given + self.passed_on


def count_cascade(costs: dict) -> Cascade:
    """From the account, which outlives the crash. An answer that was only kept because nobody had another is given."""
    small = costs["by_route"].get("small", {})
    return Cascade(small.get("runs", 0), costs["escalations"]["runs"] - small.get("escalated_runs", 0))


def check_money(costs: dict, outcomes: list[Outcome], runs: list[dict]) -> Money:
    """The server's total must be the sum over its runs, and each run must cost what its customer was told."""
    money = Money(costs["total_micro"], costs["all_large_micro"])
    money.rejected_micro = costs.get("escalations", {}).get("rejected_micro", 0)
    by_run = {run["id"]: run.get("cost_micro", 0) for run in runs}
    if sum(by_run.values()) != money.total_micro:
        money.fault = f"the runs cost {sum(by_run.values())}, the account says {money.total_micro}"
    for outcome in outcomes:
        if outcome.cost_micro and by_run.get(outcome.run) != outcome.cost_micro:
            money.fault = (
                f"run {outcome.run} cost {by_run.get(outcome.run)}, its customer was told {outcome.cost_micro}"
            )
    return money

#!/usr/bin/env python3
"""The support desk, end to end: a real server, real messages, a crash in the middle, and a reckoning.

Starts the small model, a simulated large model and Signalbox; sends every message of messages.jsonl through the
official OpenAI client; kills the server with SIGKILL half way and goes on; lets a person approve some reviews; then
checks everything against what the providers and the server wrote down, and prints the report. The exit code is 0 only
if every check holds.

    demo.py                      all messages
    demo.py --messages 60        only the first 60
    KEEP=1 demo.py               leaves the server up and says where to look

With OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment the large tier is a real model, which costs real money
(SIMULATED=1 keeps it simulated).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
import urllib.error
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from desk import checks, report
from desk.processes import Api, Process, Signalbox, StartError, start_simulator, start_small_model
from desk.traffic import Desk, Outcome, Progress

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PARALLEL = 8
KILL_AFTER = 0.4  # share of the messages that are answered when the server is killed
ASK_AGAIN = 25  # answers from before the crash that are asked for once more
APPROVALS = 3
LISTED_MAX = 1000  # most entries of one listing


@dataclass
class World:
    """Everything that runs, and where it writes."""

    work: Path
    large: str  # "simulated", "openai" or "anthropic"
    helpers: list[Process] = field(default_factory=list)
    server: Signalbox | None = None
    api_key: str = ""

    def close(self, keep: bool) -> None:
        if keep:
            return
        if self.server:
            self.server.stop()
        for helper in self.helpers:
            helper.stop()


def large_tier() -> str:
    if not os.environ.get("SIMULATED"):
        for name in ("openai", "anthropic"):
            if os.environ.get(f"{name.upper()}_API_KEY"):
                return name
    return "simulated"


def start(world: World, binary: Path) -> None:
    print("Starting the small model (SmolLM2-135M on this machine)", flush=True)
    small, small_address = start_small_model(HERE / "small_model.py", world.work)
    world.helpers.append(small)
    overrides = [f"providers.local.base_url=http://{small_address}/v1"]
    config = HERE / "signalbox.yaml"
    if world.large == "simulated":
        print("Starting the large model (simulated: its answers are canned and labelled so)", flush=True)
        large, large_address = start_simulator(binary, HERE / "answers.jsonl", world.work)
        world.helpers.append(large)
        overrides.append(f"providers.distant.base_url=http://{large_address}/v1")
    else:
        print(f"The large model is the real one of {world.large}; its calls cost real money", flush=True)
        config = HERE / f"signalbox.{world.large}.yaml"
    world.server = Signalbox(binary, config, world.work / "data", world.work / "signalbox.log", overrides)
    world.api_key = world.server.init()
    seconds = world.server.start()
    print(f"Signalbox answers at http://{world.server.listen} after {seconds:.2f} s\n", flush=True)


@dataclass
class Crash:
    seconds_down: float = 0
    again: list[tuple[Outcome, Outcome]] = field(default_factory=list)


async def crash(world: World, desk: Desk, progress: Progress, ticker: report.Ticker, stop: asyncio.Event) -> Crash:
    """Waits until part of the work is done and more is in flight, then kills the server and starts it again."""
    result = Crash()
    while len(progress.outcomes) < progress.total * KILL_AFTER or progress.in_flight == 0:
        if stop.is_set():
            return result
        await asyncio.sleep(0.005)
    before = [outcome for outcome in progress.outcomes if not outcome.failed][-ASK_AGAIN:]
    ticker.say(f"  kill -9 {world.server.pid} with {progress.in_flight} messages in flight")
    progress.kills += 1
    began = time.monotonic()
    await asyncio.to_thread(world.server.kill)
    await asyncio.to_thread(world.server.start)
    result.seconds_down = time.monotonic() - began
    ticker.say(f"  back after {result.seconds_down:.2f} s; the customers go on")
    for outcome in before:
        result.again.append((outcome, await desk.ask_again(outcome)))
    return result


async def traffic(world: World, messages: list[dict], progress: Progress) -> Crash:
    desk = Desk(f"http://{world.server.listen}", world.api_key, f"desk-{int(time.time())}", PARALLEL)
    ticker, stop = report.Ticker(progress), asyncio.Event()

    async def tick() -> None:
        while not stop.is_set():
            ticker.show()
            await asyncio.sleep(0.2)

    crashing = asyncio.create_task(crash(world, desk, progress, ticker, stop))
    ticking = asyncio.create_task(tick())
    try:
        await asyncio.gather(*(desk.send(message, progress) for message in messages))
        stop.set()
        result = await crashing
    finally:
        stop.set()
        await asyncio.gather(ticking, crashing, return_exceptions=True)
        await desk.close()
    ticker.show(end=True)
    return result


def ends(api: Api, run: str, seconds: float = 10) -> bool:
    """Whether the run completes in time: a verdict sets it going, it need not have arrived yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if api.call("GET", f"/api/v1/runs/{run}")["status"] == "completed":
            return True
        time.sleep(0.05)
    return False


def approve(api: Api, reviews: list[dict]) -> list[str]:
    """A person answers the first few reviews. Returns what went wrong."""
    faults = []
    for review in reviews[:APPROVALS]:
        path = f"/api/v1/reviews/{review['id']}"
        try:
            api.call("POST", f"{path}/claim")
            api.call("POST", f"{path}/approve", {"reason": "looked at during the demonstration"})
            if not ends(api, review["run"]):
                faults.append(f"run {review['run']} has not gone on after the approval")
        except urllib.error.HTTPError as error:
            faults.append(f"{error.url} answered {error.code}: {error.read(300).decode(errors='replace')}")
    return faults


def all_runs(api: Api) -> list[dict]:
    """Every run the server lists, page by page, newest first."""
    runs: list[dict] = []
    before = ""
    while True:
        page = api.call("GET", f"/api/v1/runs?limit={LISTED_MAX}{before}")
        runs += page["runs"]
        if not page.get("next"):
            return runs
        before = f"&before={page['next']}"


def reckon(world: World, progress: Progress, crashed: Crash, began: float) -> bool:
    """Gathers the evidence, prints the report and says whether everything holds."""
    api = Api(f"http://{world.server.listen}", world.api_key)
    outcomes = progress.outcomes
    journals = [checks.Journal.read("small-model", world.work / "small-model.journal.jsonl")]
    if world.large == "simulated":
        journals.append(checks.Journal.read("large-model", world.work / "large-model.journal.jsonl"))
    reviews = api.call("GET", f"/api/v1/reviews?state=open&limit={LISTED_MAX}")["reviews"]
    review_faults = approve(api, reviews)
    runs = all_runs(api)
    durable = checks.check_durability(outcomes, runs, crashed.again, journals, progress.kills)
    files = [world.work / "signalbox.log", *(file for file in (world.work / "data").rglob("*") if file.is_file())]
    masked = checks.check_masking(outcomes, journals, files)
    costs = api.call("GET", "/api/v1/costs")
    money = checks.check_money(costs, outcomes, runs)
    audit = world.server.command("audit", "verify")

    report.routes(outcomes)
    triage = yaml.safe_load((HERE / "triage.yaml").read_text(encoding="utf-8"))
    report.routing(checks.check_routing(outcomes, triage["scripts"]))
    report.masking(masked)
    report.cascade(checks.count_cascade(costs))
    report.money(money, "EUR")
    report.durability(durable, progress, crashed.seconds_down, len(crashed.again))
    report.head("People and record")
    print(
        f"  {len(reviews)} reviews waited for a person, {min(APPROVALS, len(reviews))} approved just now, "
        f"{max(0, len(reviews) - APPROVALS)} wait on"
    )
    print(f"  audit: {' '.join((audit.stdout if audit.returncode == 0 else audit.stdout + audit.stderr).split())}")

    problems = {
        "lost": durable.lost,
        "doubled": durable.doubled,
        "personal data": masked.leaks,
        "reviews": review_faults,
        "cost": [money.fault] if money.fault else [],
        "record": [] if audit.returncode == 0 else ["signalbox audit verify failed"],
        "crash": [] if progress.kills else ["the server was not killed: too few messages"],
    }
    if any(problems.values()):
        report.head("What did not hold")
        for name, lines in problems.items():
            report.faults(name, lines)
    where_to_look(world)
    print(f"\n{len(outcomes)} messages in {time.monotonic() - began:.0f} s")
    print(f"lost {len(durable.lost)}")
    print(f"doubled {len(durable.doubled)}")
    print(
        f"saved {money.saved_percent:.1f} % of the cost of sending everything to the large model"
        + (" (simulated, at its list price)" if world.large == "simulated" else "")
    )
    return not any(problems.values())


def where_to_look(world: World) -> None:
    report.head("Where to look next")
    print(f"  what the models received  {world.work}/*.journal.jsonl")
    print(f"  the server's log          {world.work}/signalbox.log")
    print("  routes, rules, answers    examples/support-desk/triage.yaml, policy.yaml, scripts/")
    if os.environ.get("KEEP"):
        base = f"http://{world.server.listen}"
        print(f"  the server (still up)     {base}  key {world.api_key}")
        print(f"  runs, reviews, costs      curl -H 'Authorization: Bearer {world.api_key}' {base}/api/v1/runs")
        print(f"  metrics                   {base}/metrics")
        print(f"  stop it                   kill {world.server.pid} {' '.join(str(h.pid) for h in world.helpers)}")
    else:
        print("  the running server        make demo KEEP=1")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--signalbox", type=Path, default=ROOT / "build/release/apps/signalbox/signalbox", help="the binary"
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / "run/support-desk", help="folder for data, logs and journals"
    )
    parser.add_argument("--messages", type=int, default=0, help="send only the first N")
    args = parser.parse_args()
    if not args.signalbox.is_file():
        parser.error(f"{args.signalbox} is not there: build it with `make release`, or name it with --signalbox")
    return args


def clear(work: Path) -> None:
    """A demonstration starts from nothing. Only what an earlier one wrote is removed."""
    work.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work / "data", ignore_errors=True)
    for name in ("signalbox", "small-model", "large-model"):
        for ending in ("log", "port", "journal.jsonl"):
            (work / f"{name}.{ending}").unlink(missing_ok=True)


def main() -> int:
    args = arguments()
    messages = [json.loads(line) for line in (HERE / "messages.jsonl").read_text(encoding="utf-8").splitlines()]
    messages = messages[: args.messages] if args.messages else messages
    clear(args.work)
    world = World(args.work.resolve(), large_tier())
    keep = False
    try:
        start(world, args.signalbox.resolve())
        progress = Progress(len(messages))
        began = time.monotonic()
        print(f"Sending {len(messages)} customer messages, {PARALLEL} at a time", flush=True)
        crashed = asyncio.run(traffic(world, messages, progress))
        keep = bool(os.environ.get("KEEP"))
        return 0 if reckon(world, progress, crashed, began) else 1
    except StartError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    finally:
        world.close(keep)


if __name__ == "__main__":
    sys.exit(main())

"""Runs Gherkin scenarios about flows against a Signalbox server. See `run` for the command line."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.path.insert(0, str(HERE))

import gherkin  # noqa: E402
import harness  # noqa: E402
import kills  # noqa: E402
from standin import StandIn  # noqa: E402

HOSTS = ["petstore.swagger.io", "httpbin.org", "api.test", "login.test"]
SECRETS = {"TEST_TOKEN": "s3cret", "TEST_LOGIN": json.dumps({"username": "ann", "password": "pw"})}
FINAL = {"completed", "faulted", "cancelled"}
PATIENCE_S = 30
SHARED = Path(os.environ.get("SB_SHARED", ROOT.parent / "shared"))
KITS = [SHARED / "data/serverless-workflow-ctk" / part for part in ("features", "open-workflow-2026-07/features")]


class Core(yaml.SafeLoader):
    """YAML 1.2 core, as the server reads it: `on`, `no` and dates are text."""


Core.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read(text: str):
    return yaml.load(re.sub(r"\A(yaml|json)\b", "", text.lstrip()), Core)


def source(text: str) -> str:
    return re.sub(r"\A\s*\n", "", text)


class Failed(AssertionError):
    pass


def check(condition, what: str):
    if not condition:
        raise Failed(what)


def show(value) -> str:
    return json.dumps(value, ensure_ascii=False)[:600]


def at_path(value, path: str):
    for part in path.split("."):
        if isinstance(value, list):
            value = value[int(part)]
        else:
            check(isinstance(value, dict) and part in value, f"there is no '{path}' in {show(value)}")
            value = value[part]
    return value


class Play:
    """One scenario under way."""

    def __init__(self, server: harness.Server, standin: StandIn, number: str):
        self.server, self.standin, self.number = server, standin, number
        self.definitions: list[str] = []
        self.input = None
        self.run_id = None
        self.run = None
        self.event_reply = None
        self.refusal = None
        self.flow = None
        self.began = 0.0

    def call(self, method, path, body=None, **headers):
        """Again while the server is away: a killed one comes back."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                reply = self.server.call(method, path, body, **headers)
                if reply.status != 503:
                    return reply
            except OSError:
                pass
            except Exception as error:  # http.client: the connection broke in the middle
                if type(error).__module__ != "http.client":
                    raise
            check(time.monotonic() < deadline, f"no answer to {method} {path}")
            time.sleep(0.02)

    def register(self, text: str):
        # Scenarios share a server: each has namespaces and paths of its own.
        text = re.sub(r"(\bnamespace:\s*['\"]?)([A-Za-z0-9-]+)", rf"\g<1>\g<2>-{self.number}", text)
        text = text.replace("SCENARIO", self.number)
        reply = self.call("POST", "/api/v1/flows", text.encode())
        if reply.status == 422:
            self.refusal = reply.json()
            return
        check(reply.status in (200, 201), f"registering gave {reply.status}: {reply.body[:400]!r}")
        self.flow = reply.json()

    def start(self, expect_refusal=False):
        for text in self.definitions:
            self.register(text)
            if self.refusal:
                break
        if expect_refusal:
            return
        check(not self.refusal, f"the flow was refused: {show(self.refusal)}")
        self.began = time.monotonic()
        self.launch()

    def launch(self, key=None):
        body = {"input": self.input} if self.input is not None else {}
        reply = self.call("POST", f"/api/v1/flows/{self.flow['namespace']}/{self.flow['name']}/runs", body,
                          Idempotency_Key=key or f"run-{self.number}")
        check(reply.status == 202, f"starting gave {reply.status}: {reply.body[:400]!r}")
        self.run_id = reply.json()["id"]

    def state(self):
        reply = self.call("GET", f"/api/v1/runs/{self.run_id}")
        check(reply.status == 200, f"reading the run gave {reply.status}")
        return reply.json()

    def until(self, statuses, what):
        deadline = time.monotonic() + PATIENCE_S
        pause = 0.002
        while True:
            run = self.state()
            if run["status"] in statuses:
                return run
            check(run["status"] not in FINAL, f"the run is {run['status']}: {show(run.get('error'))}; wanted {what}")
            check(time.monotonic() < deadline, f"the run is still {run['status']}; wanted {what}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def finish(self):
        if self.run is None:
            self.run = self.until(FINAL, "its end")
            self.took_ms = (time.monotonic() - self.began) * 1000
        return self.run

    def output(self):
        run = self.finish()
        check(run["status"] == "completed", f"the run is {run['status']}: {show(run['error'])}")
        return run["output"]

    def tasks(self):
        return [task for task in self.finish()["tasks"] if task["kind"] != "guard"]

    def same(self, got, want, what):
        check(got == want, f"{what} is {show(got)}, wanted {show(want)}")


STEPS = []


def step(pattern):
    def keep(function):
        STEPS.append((re.compile(f"^{pattern}$"), function))
        return function
    return keep


@step(r"(?:given )?a(?:nother)? workflow with definition:")
def _(play, doc):
    play.definitions.append(source(doc.removeprefix("yaml")))


@step(r"(?:given )?the workflow input is:")
def _(play, doc):
    play.input = read(doc)


@step(r"the workflow is executed")
def _(play, doc):
    play.start()


@step(r"the workflow is registered")
def _(play, doc):
    play.start(expect_refusal=True)


@step(r"the run is waiting")
def _(play, doc):
    play.until({"waiting"}, "waiting")


@step(r"the event is sent:")
def _(play, doc):
    event = {"specversion": "1.0", "id": f"{play.number}-{time.monotonic_ns()}", "source": "https://test", **read(doc.replace("SCENARIO", play.number))}
    play.event_reply = play.call("POST", "/api/v1/events", event)
    check(play.event_reply.status == 202, f"the event got {play.event_reply.status}: {play.event_reply.body[:300]!r}")


@step(r"the event should reach (\d+) runs?")
def _(play, doc, count):
    play.same(play.event_reply.json()["runs"], int(count), "the number of runs")


@step(r"the event should be a duplicate")
def _(play, doc):
    play.same(play.event_reply.json()["duplicate"], True, "duplicate")


@step(r"the run is (suspend|resume|cancel)(?:ed|d|led)")
def _(play, doc, verb):
    reply = play.call("POST", f"/api/v1/runs/{play.run_id}/{verb}", {})
    check(reply.status == 200, f"{verb} gave {reply.status}: {reply.body[:300]!r}")


@step(r"the run is retried(?: from '([^']+)')?")
def _(play, doc, task):
    reply = play.call("POST", f"/api/v1/runs/{play.run_id}/retry", {"from": task} if task else {}, Idempotency_Key=f"retry-{play.number}")
    check(reply.status == 202, f"the retry got {reply.status}: {reply.body[:300]!r}")
    play.run = None


@step(r"a retry should be refused with status (\d+)")
def _(play, doc, status):
    play.same(play.call("POST", f"/api/v1/runs/{play.run_id}/retry", {}).status, int(status), "the status")


@step(r"the run is forked from '([^']+)'(?: with input:)?")
def _(play, doc, task):
    body = {"from": task, **({"input": read(doc)} if doc else {})}
    reply = play.call("POST", f"/api/v1/runs/{play.run_id}/fork", body, Idempotency_Key=f"fork-{play.number}")
    check(reply.status == 202, f"the fork got {reply.status}: {reply.body[:300]!r}")
    play.run_id, play.run = reply.json()["id"], None


@step(r"the run should be (suspended|waiting|cancelled|completed)")
def _(play, doc, status):
    play.until({status}, status)


@step(r"the workflow should be refused with '(.*)'(?: at line (\d+))?")
def _(play, doc, text, line):
    check(play.refusal, "the flow was accepted")
    found = [error for error in play.refusal["errors"] if text in error["detail"]]
    check(found, f"no finding says '{text}': {show(play.refusal['errors'])}")
    if line:
        play.same(found[0]["line"], int(line), "the line")


@step(r"the workflow should be accepted")
def _(play, doc):
    check(not play.refusal, f"refused: {show(play.refusal)}")


@step(r"the workflow should complete")
def _(play, doc):
    play.output()


@step(r"the workflow should complete with output:")
def _(play, doc):
    play.same(play.output(), read(doc), "the output")


@step(r"the workflow should fault")
def _(play, doc):
    play.same(play.finish()["status"], "faulted", f"the status (output {show(play.run['output'])})")


@step(r"the workflow should fault with error:")
def _(play, doc):
    run = play.finish()
    play.same(run["status"], "faulted", f"the status (output {show(run['output'])})")
    for key, want in read(doc).items():
        play.same(run["error"].get(key), want, f"error.{key}")


@step(r"the error detail should contain '(.*)'")
def _(play, doc, text):
    check(text in play.finish()["error"].get("detail", ""), f"the detail is {show(play.run['error'])}")


@step(r"the workflow output should have properties (.*)")
def _(play, doc, names):
    for name in re.findall(r"'([^']+)'", names):
        at_path(play.output(), name)


@step(r"the workflow output should have a '([^']+)' property with value:")
def _(play, doc, name):
    play.same(at_path(play.output(), name), read(doc), name)


@step(r"the workflow output should have a '([^']+)' property containing (\d+) items?")
def _(play, doc, name, count):
    play.same(len(at_path(play.output(), name)), int(count), f"the number of items of {name}")


@step(r"the workflow output should not have a '([^']+)' property")
def _(play, doc, name):
    check(name not in play.output(), f"it has: {show(play.output())}")


@step(r"(\w+) should run first")
def _(play, doc, name):
    play.same(play.tasks()[0]["name"], name, "the first task")


@step(r"(\w+) should run last")
def _(play, doc, name):
    play.same(play.tasks()[-1]["name"], name, "the last task")


@step(r"(\w+) should run after (\w+)")
def _(play, doc, later, sooner):
    names = [task["name"] for task in play.tasks()]
    check(later in names and sooner in names and names.index(later) > names.index(sooner), f"the order is {names}")


@step(r"(\w+) should not run")
def _(play, doc, name):
    check(name not in [task["name"] for task in play.tasks()], f"it ran: {[task['name'] for task in play.tasks()]}")


@step(r"(\w+) should run (\d+) times?")
def _(play, doc, name, count):
    play.same(len([1 for task in play.tasks() if task["name"] == name]), int(count), f"runs of {name}")


@step(r"'([^']+)' should be called (\d+) times?")
def _(play, doc, path, count):
    play.finish()
    path = path.replace("SCENARIO", play.number)
    play.same(play.standin.effects(path), int(count), f"effects at {path}")


@step(r"the run should take at least (\d+) ms")
def _(play, doc, least):
    play.finish()
    check(play.took_ms >= int(least), f"it took {play.took_ms:.0f} ms")


@step(r"the run should take less than (\d+) ms")
def _(play, doc, most):
    play.finish()
    check(play.took_ms < int(most), f"it took {play.took_ms:.0f} ms")


@step(r"there should be at least (\d+) runs? of the workflow")
def _(play, doc, count):
    def enough():
        reply = play.call("GET", f"/api/v1/runs?flow={play.flow['namespace']}/{play.flow['name']}&status=completed")
        return len(reply.json()["runs"]) >= int(count)
    deadline = time.monotonic() + PATIENCE_S
    while not enough():
        check(time.monotonic() < deadline, "there are fewer")
        time.sleep(0.05)


@step(r"the output of its newest run should be:")
def _(play, doc):
    runs = play.call("GET", f"/api/v1/runs?flow={play.flow['namespace']}/{play.flow['name']}").json()["runs"]
    play.run_id, play.run = runs[0]["id"], None
    play.same(play.output(), read(doc), "the output")


@step(r"the run's (tags|annotations|scores) should be:")
def _(play, doc, what):
    noted = play.finish()[what]
    if isinstance(noted, list):
        check(all(note.pop("at", "") and note.pop("step", 0) for note in noted), f"some have no time: {show(noted)}")
    play.same(noted, read(doc), what)


@step(r"what is told of the run should be:")
def _(play, doc):
    """`TYPE` or `TYPE PLACE` each, in order, as a flow `lifecycle` of the scenario's own heard it: once each."""
    run, want = play.run_id, read(doc)

    def heard():
        listed = play.call("GET", f"/api/v1/runs?flow=watch-{play.number}/lifecycle&status=completed&limit=1000").json()["runs"]
        outputs = [play.call("GET", f"/api/v1/runs/{one['id']}").json()["output"] for one in listed]
        ours = sorted((int(one["id"].rsplit("-", 1)[1]), one["what"]) for one in outputs if one["subject"] == run)
        return [what for _, what in ours]
    deadline = time.monotonic() + PATIENCE_S
    while len(heard()) < len(want) and time.monotonic() < deadline:
        time.sleep(0.05)
    play.same(heard(), want, "what was told")


def perform(play: Play, scenario: gherkin.Scenario):
    for one in scenario.steps:
        for pattern, function in STEPS:
            if match := pattern.match(one.text):
                try:
                    function(play, one.doc, *match.groups())
                except Failed as error:
                    raise Failed(f"line {one.line}: {one.text}: {error}") from None
                break
        else:
            raise Failed(f"line {one.line}: nobody knows the step: {one.text}")


class World:
    """A server, its stand-ins and its data."""

    def __init__(self, environment=None):
        self.work = Path(tempfile.mkdtemp(prefix="sb-conformance-"))
        self.standin = StandIn()
        config = {
            "server": {"shards": 2},
            "flows": {"lifecycle": {"types": ["io.serverlessworkflow.*"], "flows": ["observed-*/*"]},
                      "catalog": str(HERE / "catalog"),
                      "hosts": [{"name": host, "via": self.standin.url} for host in HOSTS], "shell": True, "python": True,
                      "secrets": [{"name": name.lower().replace("test_", ""), "value": f"file:{self.work}/{name}"} for name in SECRETS]},
        }
        for name, value in SECRETS.items():
            (self.work / name).write_text(value)
        self.server = harness.Server(self.work, config)
        self.server.start(environment)

    def check_record(self):
        """Whatever runs did, the record says it: each step and end as it is stored, each run's chain whole."""
        verified = self.server.verify()
        if verified.returncode != 0:
            raise Failed(f"the record does not verify: {verified.stdout}{verified.stderr}")

    def close(self):
        self.server.process.kill()
        self.standin.close()
        shutil.rmtree(self.work, ignore_errors=True)


def play_all(scenarios, jobs: int):
    world = World()
    failures = []

    def one(numbered):
        index, scenario = numbered
        try:
            perform(Play(world.server, world.standin, f"s{index}"), scenario)
        except Exception as error:
            failures.append((scenario, error))

    try:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, enumerate(scenarios)))
        world.check_record()
        return failures
    finally:
        if failures:
            print(world.server.log()[-3000:] if "--log" in sys.argv else "", file=sys.stderr)
        world.close()


def main():
    options = argparse.ArgumentParser(description="Conformance scenarios against a real server.")
    options.add_argument("names", nargs="*", help="only scenarios whose title contains one of these")
    options.add_argument("--kill", action="store_true", help="kill the server after each durable write of a run")
    options.add_argument("--kit", action="store_true", help="the specification's kit alone")
    options.add_argument("--log", action="store_true", help="print the server's log after failures")
    options.add_argument("--jobs", type=int, default=8)
    wanted = options.parse_args()
    files = [] if wanted.kit else sorted((HERE / "features").glob("*.feature"))
    for kit in KITS:
        files += sorted(kit.glob("*.feature"))
    scenarios = [one for file in files for one in gherkin.parse(file)]
    if wanted.names:
        scenarios = [one for one in scenarios if any(name in one.title for name in wanted.names)]
    if wanted.kill:
        scenarios = kills.fit_ones(scenarios)
    started = time.monotonic()
    failures = kills.play_with_kills(scenarios, World, Play, perform, Failed) if wanted.kill else play_all(scenarios, wanted.jobs)
    for scenario, error in failures:
        kind = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
        print(f"FAILED {scenario.file.parent.parent.name}/{scenario.title}\n       {kind}{error}")
    kits = {kit: len([1 for one in scenarios if kit in one.file.parents]) for kit in KITS}
    print(f"{len(scenarios) - len(failures)} of {len(scenarios)} scenarios hold, in {time.monotonic() - started:.1f} s"
          + "".join(f"; kit {kit.parent.name}: {count - len([1 for one, _ in failures if kit in one.file.parents])} of {count}"
                    for kit, count in kits.items() if count))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

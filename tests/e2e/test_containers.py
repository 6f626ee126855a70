"""`run: container` with a stand-in; with SB_REAL_CONTAINERS set (`make containers`) also with Debian's podman, where this machine runs containers."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from containers import IMAGE, Runtime, podman, stand_in, why_no_containers
from harness import until

RUNTIMES = {"podman": podman, "stand-in": stand_in}


@pytest.fixture(scope="module")
def runtime(request) -> Runtime:
    """The stand-in, unless a test says otherwise: a real one takes seconds for each command, and a minute on a busy machine."""
    kind = getattr(request, "param", "stand-in")
    if kind == "podman" and (why := "make containers" if "SB_REAL_CONTAINERS" not in os.environ else why_no_containers()):
        pytest.skip(why)
    with tempfile.TemporaryDirectory() as home:
        made = RUNTIMES[kind](Path(home))
        yield made
        made.close()


each_runtime = pytest.mark.parametrize("runtime", RUNTIMES, indirect=True)
# On a machine that builds beside them their seconds become a minute.
by_the_clock = pytest.mark.skipif("SB_REAL_CONTAINERS" not in os.environ, reason="make containers")
real_runtime = pytest.mark.parametrize("runtime", ["podman"], indirect=True)


class Place:
    """A server that may run containers, and a folder that it shares with them."""

    def __init__(self, make, runtime: Runtime, out: Path):
        self.make, self.runtime, self.out = make, runtime, out
        out.mkdir()
        out.chmod(0o777)

    def start(self, **limits):
        containers = {"runtime": str(self.runtime.program), "images": ["localhost/*"], "volumes": [{"folder": str(self.out), "write": True}],
                      "memory_mb": 64, "pids": 32, **limits}
        self.server = self.make(flows={"containers": containers}).start()
        return self

    def begin(self, container: str, run: str = "", task: str = "", input=None) -> str:
        flow = f"""
document: {{dsl: '1.0.3', namespace: shop, name: box, version: '1.0.0'}}
do:
  - box:
      run: {{container: {{image: '{IMAGE}', volumes: {{{self.out}: /mnt/out}}, {container}}}{run}}}
      {task}
"""
        made = self.server.call("POST", "/api/v1/flows", flow.encode())
        assert made.status == 201, made.body
        return self.server.call("POST", "/api/v1/flows/shop/box/runs", {"input": input or {}}).json()["id"]

    def end_of(self, run: str) -> dict:
        until("its end", lambda: self.server.run(run)["status"] in ("completed", "faulted", "cancelled"))
        return self.server.run(run)

    def run_of(self, container: str, *more: str, **named) -> dict:
        return self.end_of(self.begin(container, *more, **named))

    def containers_of(self, run: str) -> list[str]:
        return [name for name in self.runtime.names() if run in name]

    def nothing_is_left_of(self, run: str):
        until("the container's end", lambda: not self.containers_of(run))

    def lines(self, name: str = "log") -> list[str]:
        path = self.out / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def place(own_server, runtime, tmp_path) -> Place:
    return Place(own_server, runtime, tmp_path / "out")


# Writes that it has begun, waits for the file `go`, and writes that it ends.
SLOW = "echo begun >> /mnt/out/log; while [ ! -e /mnt/out/go ]; do sleep 0.1; done; echo ended >> /mnt/out/log; echo done"


def fault_of(run: dict) -> tuple[str, int, str]:
    assert run["status"] == "faulted", run
    error = run["error"]
    return error["type"].rsplit("/", 1)[1], error["status"], error.get("title", "") + ": " + error.get("detail", "")


@each_runtime
def test_what_it_is_given_and_what_it_writes(place):
    place.start()
    run = place.run_of("""command: 'echo "$1|$2|$A|$(cat)"; echo oops >&2; exit 3', arguments: ['a b', '${ .n }'],
        environment: {A: '${ "x=" + .text }'}, stdin: '${ .text }', lifetime: {cleanup: always}""", ", return: all",
                       input={"n": 7, "text": "--privileged\n'quoted'"})
    assert run["output"] == {"code": 3, "stdout": "a b|7|x=--privileged\n'quoted'|--privileged\n'quoted'", "stderr": "oops"}, run
    place.nothing_is_left_of(run["id"])


@pytest.mark.parametrize(("returned", "output"), [("stdout", "out"), ("stderr", "err"), ("code", 0), ("none", None)])
def test_what_a_task_returns(place, returned, output):
    assert place.start().run_of("command: 'echo out; echo err >&2'", f", return: {returned}")["output"] == output


def test_a_status_other_than_zero_is_an_error(place):
    assert fault_of(place.start().run_of("command: 'exit 3'"))[::2] == ("runtime", "The process failed: it ended with status 3")


def test_without_await_the_input_goes_on(place):
    assert place.start().run_of("command: 'echo out'", ", await: false", input={"a": 1})["output"] == {"a": 1}


@each_runtime
@pytest.mark.parametrize("ends_meanwhile", [False, True])
@pytest.mark.parametrize("stdin", [False, True])
def test_a_killed_server_finds_it_again(place, stdin, ends_meanwhile):
    place.start()
    reads = "cat > /mnt/out/read; " if stdin else ""
    text = "line\n" * 50_000
    run = place.begin(f"command: '{reads}{SLOW}'" + (", stdin: '${ .text }'" if stdin else ""), input={"text": text})
    until("its beginning", lambda: place.lines() == ["begun"])
    place.server.process.kill()
    if ends_meanwhile:
        (place.out / "go").touch()
        until("its end", lambda: place.lines() == ["begun", "ended"])
    place.server.start()
    (place.out / "go").touch()
    ended = place.end_of(run)
    assert ended["output"] == "done", ended
    assert place.lines() == ["begun", "ended"]
    assert not stdin or (place.out / "read").read_text() == text
    assert len(place.containers_of(run)) == 1
    assert place.server.process.stop() == 0 and place.server.verify().returncode == 0


@each_runtime
def test_a_server_that_stops_leaves_it_running(place):
    place.start()
    place.server.write_config({**json.loads(place.server.config_file.read_text()), "server": {"shards": 1, "drain_timeout_ms": 100}})
    place.server.process.stop()
    place.server.start()
    run = place.begin(f"command: '{SLOW}', lifetime: {{cleanup: always}}")
    until("its beginning", lambda: place.lines() == ["begun"])
    assert place.server.process.stop() == 0
    (place.out / "go").touch()
    place.server.start()
    assert place.end_of(run)["output"] == "done"
    assert place.lines() == ["begun", "ended"]
    place.nothing_is_left_of(run)


@by_the_clock
@each_runtime
def test_a_cancelled_run_leaves_nothing(place):
    run = place.start().begin(f"command: '{SLOW}'")
    until("its beginning", lambda: place.lines() == ["begun"])
    assert place.server.call("POST", f"/api/v1/runs/{run}/cancel").json()["status"] == "cancelled"
    place.nothing_is_left_of(run)
    (place.out / "go").touch()
    assert place.lines() == ["begun"]


@by_the_clock
def test_a_suspended_run_leaves_nothing_and_runs_it_anew(place):
    run = place.start().begin(f"command: '{SLOW}'")
    until("its beginning", lambda: place.lines() == ["begun"])
    assert place.server.call("POST", f"/api/v1/runs/{run}/suspend").json()["status"] == "suspended"
    place.nothing_is_left_of(run)
    assert place.server.call("POST", f"/api/v1/runs/{run}/resume").status < 300
    until("its second beginning", lambda: place.lines() == ["begun", "begun"])
    (place.out / "go").touch()
    assert place.end_of(run)["output"] == "done"
    assert place.lines() == ["begun", "begun", "ended"]


@by_the_clock
def test_a_tasks_time_limit_stops_it(place):
    run = place.start().run_of(f"command: '{SLOW}'", task="timeout: {after: {seconds: 5}}")
    assert fault_of(run)[:2] == ("timeout", 408)
    place.nothing_is_left_of(run["id"])


@by_the_clock
def test_the_operators_time_limit_stops_it(place):
    run = place.start(seconds=5).run_of(f"command: '{SLOW}'")
    assert fault_of(run)[::2] == ("timeout", "The container took too long: it ran longer than 5 s")
    place.nothing_is_left_of(run["id"])


@by_the_clock
@pytest.mark.parametrize("stream", ["1", "2"])
def test_who_writes_too_much_is_stopped(place, stream):
    run = place.start(output_kb=16).run_of(f"command: 'while true; do echo 0123456789abcdef0123456789abcdef >&{stream}; done'", ", return: all")
    assert fault_of(run)[0] == "runtime" and "wrote too much" in fault_of(run)[2], run
    place.nothing_is_left_of(run["id"])


@by_the_clock
def test_its_flow_says_whether_it_stays(place):
    place.start()
    stays = place.run_of("command: 'echo 1'")
    assert len(place.containers_of(stays["id"])) == 1
    flow = (f"document: {{dsl: '1.0.3', namespace: shop, name: later, version: '1.0.0'}}\ndo: [{{box: {{run: {{container: {{image: '{IMAGE}', "
            "command: 'echo 1', lifetime: {cleanup: eventually, after: PT1S}}}}}]")
    assert place.server.call("POST", "/api/v1/flows", flow.encode()).status == 201
    goes = place.server.call("POST", "/api/v1/flows/shop/later/runs", {"input": {}}).json()["id"]
    assert place.end_of(goes)["status"] == "completed"
    place.nothing_is_left_of(goes)
    assert len(place.containers_of(stays["id"])) == 1


@by_the_clock
def test_more_than_may_run_at_once_wait(place):
    place.start(at_once=1)
    first = place.begin(f"command: '{SLOW}'")
    until("its beginning", lambda: place.lines() == ["begun"])
    second = place.server.call("POST", "/api/v1/flows/shop/box/runs", {"input": {}}).json()["id"]
    third = place.server.call("POST", "/api/v1/flows/shop/box/runs", {"input": {}}).json()["id"]
    assert place.server.call("POST", f"/api/v1/runs/{third}/cancel").json()["status"] == "cancelled"
    assert place.lines() == ["begun"] and not place.containers_of(second)
    (place.out / "go").touch()
    assert place.end_of(first)["output"] == place.end_of(second)["output"] == "done"
    assert place.lines() == ["begun", "ended"] * 2 and not place.containers_of(third)


def test_an_image_is_looked_at_when_it_is_known(place):
    place.start()
    for image, why in (("other/box:1", "flows.containers.images"), ("--privileged", "no name of an image"), ("-v=/:/host", "no name of an image")):
        text = f"document: {{dsl: '1.0.3', namespace: shop, name: any, version: '1.0.0'}}\ndo: [{{box: {{run: {{container: {{image: '${{ .image }}'}}}}}}}}]"
        assert place.server.call("POST", "/api/v1/flows", text.encode()).status in (200, 201)
        run = place.end_of(place.server.call("POST", "/api/v1/flows/shop/any/runs", {"input": {"image": image}}).json()["id"])
        assert why in fault_of(run)[2], run
    assert not place.containers_of(run["id"])


@each_runtime
def test_an_image_that_is_not_there_is_an_error(place):
    place.start()
    text = "document: {dsl: '1.0.3', namespace: shop, name: gone, version: '1.0.0'}\ndo: [{box: {run: {container: {image: 'localhost/gone:1'}}}}]"
    assert place.server.call("POST", "/api/v1/flows", text.encode()).status == 201
    run = place.end_of(place.server.call("POST", "/api/v1/flows/shop/gone/runs", {"input": {}}).json()["id"])
    assert fault_of(run)[0] == "runtime" and "image not known" in fault_of(run)[2], run
    place.nothing_is_left_of(run["id"])


def test_what_it_is_given_has_passed_the_policy(place):
    run = place.start().run_of("stdin: '${ .text }', command: 'cat > /mnt/out/log'", input={"text": "to greta.canary.77@example.org"})
    assert run["status"] == "completed", run
    assert place.lines()[0].startswith("to ") and "greta.canary.77" not in place.lines()[0]


def test_a_flow_that_was_registered_fails_where_no_container_runs_any_more(place):
    place.start()
    assert place.run_of("command: 'echo 1'")["status"] == "completed"
    place.server.process.stop()
    settings = json.loads(place.server.config_file.read_text())
    del settings["flows"]["containers"]
    place.server.write_config(settings)
    place.server.start()
    run = place.end_of(place.server.call("POST", "/api/v1/flows/shop/box/runs", {"input": {}}).json()["id"])
    assert fault_of(run)[:2] == ("configuration", 501) and "flows.containers is not in signalbox.yaml" in fault_of(run)[2]


def test_a_runtime_that_is_not_there_is_told_at_the_start(own_server):
    server = own_server(flows={"containers": {"runtime": "no-such-runtime", "images": []}})
    process = server.serve()
    assert process.process.wait(60) == 1
    assert "flows.containers.runtime: there is no program no-such-runtime in PATH" in server.log()


@real_runtime
def test_what_stands_around_a_real_container(place):
    place.start()
    run = place.run_of("command: 'grep -E ^Cap[EB]..: /proc/self/status; grep NoNewPrivs /proc/self/status; ls /sys/class/net; touch /x; "
                       "touch /tmp/x && echo tmp'", ", return: all")
    said = run["output"]["stdout"].split()
    assert said == ["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1", "lo", "tmp"], run
    assert "Read-only file system" in run["output"]["stderr"], run

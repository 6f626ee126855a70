"""Versions of triage: kept, put in force again without a restart, on record, and over kills."""

from __future__ import annotations

import http.client
import random
import threading
import time

from harness import cli
from test_policy import key_of
from test_trials import leaves


def route_of(server, **headers) -> str:
    reply = server.chat("hello", model="auto", **headers)
    assert reply.status == 200, reply.body
    return reply.headers["x-signalbox-route"]


def versions(server) -> dict:
    answer = server.call("GET", "/api/v1/triage/versions")
    assert answer.status == 200, answer.body
    return answer.json()


def server_with_two(own_server, tmp_path, **triage):
    """One that was started with a triage to `small`, then with one to `large`."""
    document = tmp_path / "triage.yaml"
    document.write_text("version: 1\ngenerative: {otherwise: small}\n")
    server = own_server(triage={"file": str(document), **triage}).start()
    assert route_of(server) == "small"
    server.process.stop()
    document.write_text("version: 1\ngenerative: {otherwise: large}\n")
    server.start()
    return server


def test_a_version_is_put_in_force_under_load_and_over_a_kill(own_server, tmp_path):
    server = server_with_two(own_server, tmp_path)
    assert route_of(server) == "large", "the file was changed"
    listed = versions(server)
    large, small = (one["version"] for one in listed["versions"])
    assert listed["inForce"] == large
    (tmp_path / "triage.yaml").unlink()  # what is kept needs no file

    stop, failed, seen = threading.Event(), [], []

    def ask():
        while not stop.is_set():
            reply = server.chat("hello", model="auto")
            (seen if reply.status == 200 else failed).append(reply.headers.get("x-signalbox-route", reply.status))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    for wanted in (small, large, small, large, small):
        used = server.call("POST", f"/api/v1/triage/versions/{wanted}/use", {})
        assert used.status == 200 and used.json()["state"] == "active", used.body
        assert route_of(server) == ("small" if wanted == small else "large"), "from the next request on"
        time.sleep(0.05)
    stop.set()
    for caller in callers:
        caller.join()
    assert failed == [] and set(seen) == {"small", "large"}
    server.process.kill()
    (tmp_path / "triage.yaml").write_text("version: 1\ngenerative: {otherwise: large}\n")
    server.start()
    assert route_of(server) == "small", "the file is what it was: what was put in force holds"
    assert versions(server)["inForce"] == small
    told = cli("triage", "versions", "--url", f"http://{server.address}", env={"SIGNALBOX_API_KEY": server.key, "PATH": ""})
    assert told.returncode == 0 and [line.split()[:2] for line in told.stdout.splitlines()] == [[small, "active"], [large, "retired"]]
    told = cli("triage", "use", large, "--url", f"http://{server.address}", env={"SIGNALBOX_API_KEY": server.key, "PATH": ""})
    assert told.returncode == 0 and told.stdout == f"{large} is active\n", told.stderr
    assert route_of(server) == "large"
    server.process.stop()
    on_record = [(leaf["summary"]["before"], leaf["summary"]["version"]) for leaf in leaves(server, "triage.use")]
    assert on_record == [(large, small), (small, large)] * 2 + [(large, small), (small, large)]
    assert server.verify().returncode == 0


def test_a_kill_in_the_middle_leaves_one_version_in_force(own_server, tmp_path):
    server = server_with_two(own_server, tmp_path)
    large, small = (one["version"] for one in versions(server)["versions"])
    pause = random.Random(7)
    for turn in range(8):
        wanted = small if turn % 2 == 0 else large
        # A kill while the change is on its way: it is done, or it is not.
        caller = threading.Thread(target=lambda: _try(server, wanted))
        caller.start()
        time.sleep(pause.random() * 0.01)
        server.process.kill()
        caller.join()
        server.start()
        listed = versions(server)
        active = [one["version"] for one in listed["versions"] if one["state"] == "active"]
        assert active == [listed["inForce"]]
        assert route_of(server) == ("small" if active == [small] else "large")
    server.process.stop()
    assert server.verify().returncode == 0


def _try(server, version):
    try:
        server.call("POST", f"/api/v1/triage/versions/{version}/use", {})
    except (OSError, http.client.HTTPException):
        pass  # killed


def test_two_people_and_only_those_who_may(own_server, tmp_path):
    server = server_with_two(own_server, tmp_path, approval="two_people")
    assert route_of(server) == "small", "a changed file waits for a second person"
    waiting = versions(server)["versions"][0]
    assert waiting["state"] == "pending" and waiting["author"] == "file"
    path = f"/api/v1/triage/versions/{waiting['version']}"
    assert server.call("POST", f"{path}/approve", {}).status == 200
    assert route_of(server) == "large"
    other = next(one["version"] for one in versions(server)["versions"] if one["state"] == "retired")
    asked = server.call("POST", f"/api/v1/triage/versions/{other}/use", {})
    assert asked.status == 202 and asked.json()["state"] == "pending"
    assert server.call("POST", f"/api/v1/triage/versions/{other}/approve", {}).status == 403, "who asked cannot approve"
    assert route_of(server) == "large"
    elsewhere = server.call("POST", "/api/v1/keys", {"name": "x", "role": "operator", "tenant": "elsewhere"}).json()["key"]
    for key in (key_of(server, "client"), key_of(server, "reviewer"), elsewhere):
        assert server.call("POST", f"/api/v1/triage/versions/{other}/use", {}, key=key).status == 403
        assert server.call("GET", "/api/v1/triage/versions", key=key).status == 403
    assert server.call("POST", "/api/v1/triage/versions/nonsense/use", {}).status == 404
    server.process.stop()
    assert server.verify().returncode == 0


def test_a_script_that_is_not_there_is_said_at_the_start_and_not_put_in_force(own_server, tmp_path):
    document = tmp_path / "triage.yaml"
    document.write_text("version: 1\nrules: [{name: a, when: {phrases: [hello]}, route: script, script: helo}]\n")
    server = own_server(triage={"file": str(document)}).start()
    assert "triage.script_missing" in server.log() and '\\"helo\\"' in server.log(), server.log()
    missing = versions(server)["inForce"]
    assert route_of(server) in ("small", "large"), "a model answers"
    server.process.stop()
    document.write_text("version: 1\n")
    server.start()
    refused = server.call("POST", f"/api/v1/triage/versions/{missing}/use", {})
    assert refused.status == 400 and "helo" in refused.json()["detail"], refused.body
    assert versions(server)["inForce"] != missing

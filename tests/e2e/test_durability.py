"""kill -9 under load: nothing acknowledged is lost, nothing is done twice, the record verifies."""

from __future__ import annotations

import json
import os
import random
import threading

from crash import Load, check
from harness import Server, Simulator, call, configuration, sse, until

KILLS = 4  # tests/torture/run: many more


def test_kill_under_load_loses_and_doubles_nothing(own_server, simulator):
    server = own_server().start()
    rng = random.Random(int(os.environ.get("SB_SEED", "20261123")))
    with Load(server, f"kill-{os.getpid()}") as load:
        for _ in range(KILLS):
            load.more(rng.randint(5, 40))
            server.process.kill()
            server.start()
        load.more(10)
    check(server, simulator, load, KILLS)


def test_a_graceful_stop_finishes_what_is_in_flight(tmp_path):
    provider = Simulator(tmp_path, "--latency-ms", "1500")
    server = Server(tmp_path, configuration(provider.address)).start()
    try:
        replies = []
        slow = threading.Thread(target=lambda: replies.append(server.chat("take your time")))
        slow.start()
        # Durability sync: a run is on disk before its model is called, and the model takes its time.
        until("the call in flight", lambda: server.call("GET", "/api/v1/runs?status=running").json()["runs"])
        assert not replies
        assert server.process.stop() == 0
        slow.join(60)
        assert replies and replies[0].status == 200
    finally:
        if server.process.process.poll() is None:
            server.process.kill()
        provider.process.stop()


def test_idempotency_key_with_another_request_is_refused(server):
    assert server.chat("one", Idempotency_Key="same").status == 200
    reply = server.chat("two", Idempotency_Key="same")
    assert reply.status == 409 and reply.json()["error"]["param"] == "Idempotency-Key"


def test_a_stream_is_taken_up_again_after_the_last_event(server):
    first = server.chat("tell me", stream=True, Idempotency_Key="stream-again")
    whole = sse(first.body)
    assert whole[-1] == "[DONE]" and len(whole) > 4
    run = server.run(first.headers["x-signalbox-run"])
    assert run["cost_micro"] > 0 and "x-signalbox-cost" not in first.headers  # not known when the headers were sent
    assert f": signalbox-cost {run['cost_micro']}\ndata: [DONE]".encode() in first.body
    rest = server.chat("tell me", stream=True, Idempotency_Key="stream-again", Last_Event_ID="1")
    assert sse(rest.body) == whole[2:]
    run = first.headers["x-signalbox-run"]
    by_id = server.call("GET", f"/api/v1/runs/{run}/stream", Last_Event_ID="1")
    assert sse(by_id.body) == whole[2:]


def test_a_tenants_first_key_that_was_not_stored_is_nobodys(own_server):
    server = own_server().start()

    def tenants() -> list[str]:
        return [key["tenant"] for key in server.call("GET", "/api/v1/tenant-keys").json()["tenantKeys"]]

    def make_key():
        return server.call("POST", "/api/v1/keys", {"name": "first", "tenant": "globex", "role": "client"})

    assert server.process.stop() == 0
    config = json.loads(server.config_file.read_text())
    server.write_config(config | {"data": config.get("data", {}) | {"min_free_disk_mb": 1 << 20}})
    server.start()
    refused = make_key()
    assert refused.status == 503 and "free space" in refused.json()["detail"]
    assert tenants() == ["default"], "what it sealed would be lost with this process"
    assert server.process.stop() == 0
    server.write_config(config)
    server.start()
    key = make_key().json()["key"]
    assert tenants() == ["default", "globex"]
    run = server.chat("hello", key=key).headers["x-signalbox-run"]
    assert server.process.stop() == 0
    server.start()
    assert "hello" in json.dumps(server.run(run)), "its key is there again"


def test_no_room_on_disk_is_said_and_survived(own_server, simulator):
    server = own_server(data={"min_free_disk_mb": 1_048_576}).start()
    reply = server.chat("hello")
    assert reply.status in (503, 507), reply.body
    assert "free space" in reply.json()["error"]["message"]
    assert call(server.address, "GET", "/healthz").status == 200


def test_runs_that_are_written_once_are_all_there_after_a_stop(tmp_path):
    provider = Simulator(tmp_path)
    server = Server(tmp_path, configuration(provider.address, data={"durability": "exit"})).start()
    try:
        replies = [server.chat(f"question {n}") for n in range(20)]
        assert {reply.headers["x-signalbox-durability"] for reply in replies} == {"exit"}
        assert server.process.stop() == 0
        server.start()
        for reply in replies:
            run = server.run(reply.headers["x-signalbox-run"])
            assert run["status"] == "completed" and run["cost_micro"] > 0
            assert {"guard.inbound", "guard.outbound"} < {task["name"] for task in run["tasks"]}
    finally:
        server.process.stop()
        provider.process.stop()

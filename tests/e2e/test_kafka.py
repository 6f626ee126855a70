"""Work over Kafka, with a real broker: every record becomes one run, whatever dies meanwhile."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import until
from kafka import Kafka, kafka_jars
from test_policy import assert_nowhere

FLOW = """
document: {dsl: '1.0.3', namespace: test, name: takes, version: '1.0.0'}
input: {schema: {document: {type: object, required: [n], properties: {n: {type: integer}}}}}
do:
  - keep: {set: {n: '${ .n }'}}
"""
CANARY = "kafka.canary.53@acme.org"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """One for all tests of this file: each has topics and groups of its own."""
    jars, why_not = kafka_jars()
    if not jars:
        pytest.skip(why_not)
    service = Kafka(tmp_path_factory.mktemp("kafka"))
    yield service
    service.stop()


def kafka_section(broker: Kafka, session_ms: int = 10_000, **sources) -> dict:
    settings = {"session.timeout.ms": str(session_ms), "heartbeat.interval.ms": "300", "reconnect.backoff.max.ms": "200"}
    return {"brokers": broker.address, "settings": settings, "sources": sources}


def source(topic: str, **more) -> dict:
    return {"topics": [topic], "group": f"{topic}-group", "flow": "test/takes", **more}


def runs_of(server, flow: str = "test/takes@1.0.0") -> list[dict]:
    found, before = [], ""
    while True:
        page = server.call("GET", f"/api/v1/runs?limit=1000&flow={flow}{before}").json()
        found += page["runs"]
        if "next" not in page:
            return found
        before = f"&before={page['next']}"


def numbers_of(server) -> list[int]:
    """What the runs were given, in order of size."""
    with ThreadPoolExecutor(8) as pool:
        runs = pool.map(lambda run: server.run(run["id"]), runs_of(server))
    return sorted(run["output"]["n"] for run in runs)


def metric(server, name: str) -> int:
    return sum(int(float(found)) for found in re.findall(rf"^{re.escape(name)} (\S+)$", server.call("GET", "/metrics").body.decode(), re.M))


def records(server, outcome: str, source_name: str = "orders") -> int:
    return metric(server, f'signalbox_kafka_records_total{{source="{source_name}",outcome="{outcome}"}}')


def numbered(count: int, first: int = 0) -> list[dict]:
    return [{"value": json.dumps({"n": n}), "key": str(n)} for n in range(first, first + count)]


def with_flow(server):
    made = server.call("POST", "/api/v1/flows", FLOW.encode())
    assert made.status in (200, 201), made.body
    return server


def test_records_become_runs_and_pass_the_policy(broker, own_server):
    topic = broker.make_topic("policed", 3)
    broker.write(topic, [{"value": json.dumps({"n": n, "mail": f"{n}.{CANARY}"}), "partition": n % 3,
                          "headers": {"x-signalbox-subject": f"customer-{CANARY}"}} for n in range(30)])
    server = own_server(kafka=kafka_section(broker, orders=source(topic))).start()
    # Nobody has told it of the flow yet: records wait, and none is skipped.
    until("records that wait", lambda: metric(server, 'signalbox_kafka_retries_total{source="orders"}'))
    assert broker.committed("policed-group", topic, 3) == [-1001] * 3
    with_flow(server)
    until("the records", lambda: records(server, "taken") == 30)
    assert numbers_of(server) == list(range(30))
    run = server.run(runs_of(server)[0]["id"])
    assert run["status"] == "completed" and re.fullmatch(r"\[EMAIL_\d+\]", run["input"]["mail"]), run["input"]
    assert metric(server, 'signalbox_kafka_in_flight_records{source="orders"}') == 0
    erased = server.call("POST", "/api/v1/erasures", {"subject": f"customer-{CANARY}", "legal_basis": "test"})
    assert erased.status in (200, 201) and erased.json()["runs_erased"] == 30, erased.body
    assert server.process.stop() == 0
    assert broker.committed("policed-group", topic, 3) == [10] * 3
    assert_nowhere(server, [CANARY])
    assert server.verify().returncode == 0


def test_kill_amid_records_loses_and_doubles_nothing(broker, own_server):
    count = 2000
    topic = broker.make_topic("killed", 4)
    # A session that ends soon after its server: the next start waits for it.
    server = with_flow(own_server(kafka=kafka_section(broker, 1000, orders=source(topic))).start())
    broker.write(topic, [{**record, "partition": n % 4} for n, record in enumerate(numbered(count))])
    for kill in range(3):
        part = (kill + 1) * count // 5
        until(f"{part} records", lambda: len(runs_of(server)) >= part)
        server.process.kill()
        server.start()
    until("all records", lambda: len(runs_of(server)) >= count and metric(server, 'signalbox_kafka_lag_records{source="orders"}') == 0)
    assert server.process.stop() == 0
    assert broker.committed("killed-group", topic, 4) == [count // 4] * 4
    server.start()
    assert numbers_of(server) == list(range(count)), "lost or doubled"
    assert server.process.stop() == 0
    assert server.verify().returncode == 0


def test_what_can_never_work_is_told_to_the_dead_letter_topic_without_its_content(broker, own_server):
    topic, dead = broker.make_topic("poisoned"), broker.make_topic("poisoned-dead")
    policy = "name: p\nversion: 1\nrules:\n  - {name: iban, types: [IBAN], direction: inbound, action: block}\n"
    server = own_server(kafka=kafka_section(broker, orders=source(topic, dead_letter=dead), silent=source(topic, group="silent")),
                        server={"shards": 2, "limits": {"body_bytes": 4096}})
    (server.work / "policy.yaml").write_text(policy)
    server.write_config(json.loads(server.config_file.read_text()) | {"policy": {"file": str(server.work / "policy.yaml")}})
    with_flow(server.start())
    iban = "DE89370400440532013000"
    poison = [{"value": f"no JSON of {CANARY}"}, {"value": None}, {"value": json.dumps({"n": f"schema {CANARY}"})},
              {"value": json.dumps({"n": 1, "to": iban})}, {"value": json.dumps({"n": 2, "text": CANARY * 400})},
              {"value": '{"n": 3}', "headers": [("x-signalbox-subject", "a"), ("x-signalbox-subject", "b")]}]
    broker.write(topic, [entry for n, bad in enumerate(poison) for entry in (bad, {"value": json.dumps({"n": 100 + n})})])
    until("the records", lambda: records(server, "taken") == len(poison))
    letters = broker.read(dead, len(poison))
    until("both sources", lambda: records(server, "rejected") == records(server, "rejected", "silent") == len(poison))
    told = sorted((json.loads(letter.value()) for letter in letters), key=lambda letter: letter["offset"])
    assert [(letter["offset"], letter["code"]) for letter in told] == [
        (0, "invalid_argument"), (2, "invalid_argument"), (4, "invalid_argument"), (6, "policy_denied"), (8, "too_large"), (10, "invalid_argument")]
    assert dict(letters[0].headers())["signalbox-topic"] == topic.encode()
    assert server.run(told[3]["run"])["error"]["status"] == 403, "the refusal is on record"
    assert metric(server, 'signalbox_kafka_dead_letters_total{source="orders"}') == len(poison)
    assert metric(server, 'signalbox_kafka_dead_letters_total{source="silent"}') == 0
    assert server.process.stop() == 0
    assert broker.committed("poisoned-group", topic) == broker.committed("silent", topic) == [2 * len(poison)]
    for letter in letters:
        assert CANARY.encode() not in letter.value() and iban.encode() not in letter.value()
    assert_nowhere(server, [CANARY, iban])


def test_a_store_without_room_keeps_records_where_they_are(broker, own_server):
    topic = broker.make_topic("crowded")
    server = with_flow(own_server(kafka=kafka_section(broker, orders=source(topic, max_in_flight=8))).start())
    assert server.process.stop() == 0
    config = json.loads(server.config_file.read_text())
    server.write_config(config | {"data": {"min_free_disk_mb": 1 << 20}})
    server.start()
    broker.write(topic, numbered(50))
    until("records that wait", lambda: metric(server, 'signalbox_kafka_retries_total{source="orders"}') > 16)
    assert metric(server, 'signalbox_kafka_in_flight_records{source="orders"}') == 8
    assert runs_of(server) == [] and records(server, "taken") == records(server, "rejected") == 0
    assert server.process.stop() == 0
    assert broker.committed("crowded-group", topic) == [-1001]
    server.write_config(config)
    server.start()
    until("the records", lambda: records(server, "taken") == 50)
    assert numbers_of(server) == list(range(50))


def test_a_server_may_be_stopped_at_any_moment_of_its_joining(broker, own_server):
    """librdkafka 2.0 aborts when a member is destroyed between the answers to JoinGroup and to SyncGroup."""
    topics = [broker.make_topic(f"joined-{i}") for i in range(6)]
    sources = {f"orders-{i}": source(topic) for i, topic in enumerate(topics)}
    server = with_flow(own_server(kafka=kafka_section(broker)).start())
    assert server.process.stop() == 0
    server.write_config(json.loads(server.config_file.read_text()) | {"kafka": kafka_section(broker, **sources)})
    ended = {}
    for milliseconds in range(0, 96, 4):
        server.start()
        time.sleep(milliseconds / 1000)
        ended[milliseconds] = server.process.stop()
    assert set(ended.values()) == {0}, ended


def test_a_record_that_comes_again_is_known_by_its_place_or_by_its_key(broker, own_server):
    topic = broker.make_topic("again")
    keyed = [{"value": '{"n": 7}', "headers": {"idempotency-key": "order-7"}}] * 2
    other = {"value": '{"n": 8}', "headers": {"idempotency-key": "order-7"}}
    broker.write(topic, [*keyed, other, *numbered(10)])
    server = with_flow(own_server(kafka=kafka_section(broker, orders=source(topic, max_in_flight=1))).start())  # in order
    until("the records", lambda: records(server, "taken") == 11)
    assert records(server, "known") == 1 and records(server, "rejected") == 1, "another record may not have the same key"
    # Another group reads all of it from the beginning; only those with a key are the same work.
    assert server.process.stop() == 0
    server.write_config(json.loads(server.config_file.read_text()) | {"kafka": kafka_section(broker, orders=source(topic, group="again-anew"))})
    server.start()
    until("the records", lambda: (records(server, "taken"), records(server, "known"), records(server, "rejected")) == (10, 2, 1))
    assert numbers_of(server) == sorted([7, *range(10), *range(10)])


class TakesItsTime(http.server.BaseHTTPRequestHandler):
    """A check of the policy that is asked before a run is on disk: its record is in work for so long."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.2)
        body = b'{"objects": false, "label": "fine"}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Patient(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A server that stops hangs up."""


@pytest.fixture
def slow_policy(tmp_path):
    service = Patient(("127.0.0.1", 0), TakesItsTime)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    path = tmp_path / "slow.yaml"
    path.write_text("name: slow\nversion: 1\nrules: []\nchecks: [{name: slow, kind: http, action: block, timeout_ms: 20000, "
                    f"url: 'http://127.0.0.1:{service.server_port}/'}}]\n")
    yield {"file": str(path)}
    service.shutdown()
    service.server_close()


def test_two_servers_of_one_group_share_the_records_and_double_none(broker, own_server, slow_policy):
    topic = broker.make_topic("shared", 4)
    first, second = [own_server(kafka=kafka_section(broker, orders=source(topic, max_in_flight=16)), policy=slow_policy) for _ in range(2)]
    with_flow(first.start())
    written, enough = 0, threading.Event()

    def write():
        nonlocal written
        while not enough.wait(0.05):
            broker.write(topic, [{"value": json.dumps({"n": n, "text": "hello"}), "partition": n % 4} for n in range(written, written + 20)])
            written += 20

    writer = threading.Thread(target=write)
    writer.start()
    try:  # partitions change hands while records are in work
        until("the first to work", lambda: runs_of(first))
        with_flow(second.start())
        until("the second to work", lambda: runs_of(second))
        assert first.process.stop() == 0
        seen = len(runs_of(second))
        first.start()
        until("both to work", lambda: len(runs_of(second)) > seen and records(first, "taken"))
    finally:
        enough.set()
        writer.join(60)
    until("all records", lambda: sum(run["status"] == "completed" for server in (first, second) for run in runs_of(server)) >= written)
    assert sorted(numbers_of(first) + numbers_of(second)) == list(range(written)), "lost or doubled"


LISTENING_FLOW = """
document: {dsl: '1.0.3', namespace: test, name: listens, version: '1.0.0'}
do:
  - hear: {listen: {to: {one: {with: {type: order.paid}}}, read: data}}
"""
EMITTING_FLOW = """
document: {dsl: '1.0.3', namespace: test, name: emits, version: '1.0.0'}
do:
  - tell: {emit: {event: {with: {type: order.done, partitionkey: '${ .customer }', data: {n: '${ .n }', mail: '${ .mail }'}}}}}
"""


def test_events_in_both_modes_wake_who_listens_once(broker, own_server):
    topic = broker.make_topic("events")
    server = own_server(kafka=kafka_section(broker, orders={"topics": [topic], "group": "events", "events": True})).start()
    assert server.call("POST", "/api/v1/flows", LISTENING_FLOW.encode()).status == 201

    def listener() -> str:
        run = server.call("POST", "/api/v1/flows/test/listens/runs", {"input": {}}).json()["id"]
        until("a listener", lambda: server.run(run)["status"] == "waiting")
        return run

    binary = {"value": json.dumps({"n": 1, "mail": CANARY}),
              "headers": {"ce_id": "1", "ce_source": "/shop", "ce_type": "order.paid", "ce_specversion": "1.0", "content-type": "application/json"}}
    structured = {"value": json.dumps({"id": "2", "source": "/shop", "type": "order.paid", "specversion": "1.0", "data": {"n": 2}}),
                  "headers": {"content-type": "application/cloudevents+json"}}
    for n, event in enumerate([binary, structured], 1):
        run = listener()
        broker.write(topic, [event])
        until("the event", lambda: server.run(run)["status"] == "completed")
        heard = server.run(run)["output"]
        assert heard[0]["n"] == n, heard
    waiting = listener()
    broker.write(topic, [binary, structured, {"value": json.dumps({"id": "3", "source": "/shop"})}])
    until("all of them", lambda: (records(server, "taken"), records(server, "known"), records(server, "rejected")) == (2, 2, 1))
    assert server.run(waiting)["status"] == "waiting", "the same event again wakes nobody"
    assert server.process.stop() == 0
    assert broker.committed("events", topic) == [5]
    assert_nowhere(server, [CANARY])


def test_a_broker_that_dies_is_waited_for_and_an_emitted_event_is_there_once(broker, own_server):
    topic, done = broker.make_topic("orphaned", 2), broker.make_topic("done")
    section = {**kafka_section(broker, 1000, orders=source(topic)), "sinks": [{"topic": done, "types": ["order.*"]}]}
    server = with_flow(own_server(kafka=section).start())
    assert server.call("POST", "/api/v1/flows", EMITTING_FLOW.encode()).status == 201

    def emit(n: int) -> str:
        body = {"input": {"n": n, "customer": f"c{n}", "mail": CANARY}}
        return server.call("POST", "/api/v1/flows/test/emits/runs", body).json()["id"]

    def status(run: str) -> str:
        return server.run(run)["status"]

    broker.write(topic, [{**record, "partition": n % 2} for n, record in enumerate(numbered(100))])
    until("records before", lambda: records(server, "taken") == 100)
    emitting = [emit(0)]
    until("the first event", lambda: status(emitting[0]) == "completed")
    broker.kill()
    try:
        until("the log to say so", lambda: "kafka.trouble" in server.log())
        emitting.append(emit(1))
        until("the step to be under way", lambda: status(emitting[1]) == "running")
        assert server.call("GET", "/readyz").status == 200, "HTTP works without the broker"
        # Without one it also stops and starts; and it is killed.
        assert server.process.stop() == 0
        server.start()
        server.process.kill()
        server.start()
        assert status(emitting[1]) == "running", "it is not done before the broker has it"
    finally:
        broker.start()
    broker.write(topic, [{**record, "partition": n % 2} for n, record in enumerate(numbered(100, 100))])
    until("records after", lambda: len(runs_of(server)) >= 200)
    until("the second event", lambda: status(emitting[1]) == "completed")
    found = broker.read(done, 2)
    events = [json.loads(record.value()) for record in found]
    assert [record.key() for record in found] == [b"c0", b"c1"] and [event["data"]["n"] for event in events] == [0, 1]
    assert [event["id"].rsplit("-", 1)[0] for event in events] == emitting
    assert dict(found[0].headers())["content-type"] == b"application/cloudevents+json; charset=UTF-8"
    assert all(CANARY not in record.value().decode() for record in found)
    assert metric(server, f'signalbox_kafka_written_total{{topic="{done}"}}') == 1
    assert numbers_of(server) == list(range(200))
    assert server.process.stop() == 0
    assert broker.committed("orphaned-group", topic, 2) == [100, 100]


def test_what_becomes_of_runs_is_on_a_topic_though_the_broker_was_away(broker, own_server):
    topic = broker.make_topic("lifecycle")
    section = {**kafka_section(broker), "sinks": [{"topic": topic, "types": ["io.serverlessworkflow.*"]}]}
    lifecycle = {"types": ["io.serverlessworkflow.workflow.*", "io.serverlessworkflow.task.completed.v1"], "output": True}
    server = with_flow(own_server(kafka=section, flows={"lifecycle": lifecycle}).start())

    def run(n: int) -> str:
        made = server.call("POST", "/api/v1/flows/test/takes/runs", {"input": {"n": n}, "wait": True})
        assert made.json()["status"] == "completed", made.body
        return made.json()["id"]

    runs = [run(0)]
    broker.read(topic, 3)
    broker.kill()
    try:
        runs.append(run(1))  # nobody waits for the topic
        server.process.kill()
        server.start()
        runs.append(run(2))
    finally:
        broker.start()
    found = {}  # a record that was on its way when the server died is written again, under the same id
    for record in broker.read(topic, 9):
        event = json.loads(record.value())
        found.setdefault(event["id"], (record.key().decode(), event))
    assert len(found) == 9
    for number, name in enumerate(runs):
        events = [event for key, event in found.values() if key == name]
        assert [event["type"].split(".", 2)[2] for event in events] == ["workflow.started.v1", "task.completed.v1", "workflow.completed.v1"]
        assert [event["data"].get("output") for event in events] == [None, {"n": number}, {"n": number}]
    assert server.process.stop() == 0

"""Messages of an AsyncAPI document as records, with a real broker: under the policy, to named topics, over a kill."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from harness import until
from test_kafka import broker, kafka_section, metric  # noqa: F401
from test_policy import assert_nowhere

CANARY = "asyncapi.canary.17@acme.org"
DOCUMENT = """
asyncapi: 3.0.0
servers:
  queue: {{host: queue.invalid, protocol: amqp}}
  stream: {{host: '{address}', protocol: kafka}}
channels:
  orders:
    address: shop.{{country}}.orders
    parameters: {{country: {{location: '$message.header#/country'}}}}
    messages: {{order: {{$ref: '#/components/messages/order'}}}}
  missing: {{address: shop.missing}}
  secret: {{address: secret.orders}}
operations:
  order: {{action: receive, channel: {{$ref: '#/channels/orders'}}}}
  lose: {{action: receive, channel: {{$ref: '#/channels/missing'}}}}
  steal: {{action: receive, channel: {{$ref: '#/channels/secret'}}}}
components:
  messages:
    order:
      correlationId: {{location: '$message.payload#/id'}}
      payload: {{type: object, required: [id], properties: {{id: {{type: string}}}}}}
"""
FLOW = """
document: {dsl: '1.0.3', namespace: test, name: orders, version: '1.0.0'}
do:
  - tell:
      call: asyncapi
      with:
        document: {endpoint: 'http://api.invalid/asyncapi.yaml'}
        operation: order
        message: {payload: '${ .order }', headers: {country: '${ .country }', note: '${ .note }'}}
"""
STEALING_FLOW = FLOW.replace("name: orders", "name: steals").replace("operation: order", "operation: steal")
HASTY_FLOW = FLOW.replace("name: orders", "name: hastens").replace("- tell:", "- tell:\n      timeout: {after: {milliseconds: 300}}")
CATCHING_FLOW = """
document: {dsl: '1.0.3', namespace: test, name: loses, version: '1.0.0'}
do:
  - guarded:
      try:
        - tell: {call: asyncapi, with: {document: {endpoint: 'http://api.invalid/asyncapi.yaml'}, operation: lose, message: {payload: 1}}}
      catch:
        errors: {with: {type: https://open-workflow-specification.org/spec/1.0.0/errors/communication}}
        do: [{note: {set: {lost: true}}}]
"""


@pytest.fixture
def publishing(broker, own_server):  # noqa: F811
    """A server whose flows find the document, and may write to orders of the shop."""
    text = DOCUMENT.format(address=broker.address).encode()

    class Describes(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "application/yaml")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Describes)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    hosts = [{"name": "api.invalid", "via": f"http://127.0.0.1:{service.server_port}"}]
    section = kafka_section(broker)
    section["settings"]["topic.metadata.propagation.max.ms"] = "500"  # so long a topic that is not there may yet come
    section["publish"] = ["shop.*.orders", "shop.missing"]
    server = own_server(kafka=section, flows={"hosts": hosts}).start()
    for flow in (FLOW, STEALING_FLOW, HASTY_FLOW, CATCHING_FLOW):
        assert server.call("POST", "/api/v1/flows", flow.encode()).status == 201
    yield server
    service.shutdown()
    service.server_close()


def start(server, number: str, wait: bool = False, flow: str = "orders", country: str = "de") -> dict:
    body = {"input": {"order": {"id": number, "mail": CANARY}, "country": country, "note": f"for {CANARY}"}, "wait": wait}
    return server.call("POST", f"/api/v1/flows/test/{flow}/runs", body).json()


def test_a_message_is_a_record_once_done_whatever_dies(broker, publishing):  # noqa: F811
    topic = broker.make_topic("shop.de.orders")
    runs = [start(publishing, "A-1", wait=True)["id"]]
    assert publishing.run(runs[0])["status"] == "completed", publishing.run(runs[0])
    assert publishing.run(runs[0])["output"]["key"] == "A-1"
    broker.kill()
    try:
        runs.append(start(publishing, "A-2")["id"])
        until("the step to be under way", lambda: publishing.run(runs[1])["status"] == "running")
        publishing.process.kill()
        publishing.start()
        assert publishing.run(runs[1])["status"] == "running", "it is not done before the broker has it"
    finally:
        broker.start()
    until("the second record", lambda: publishing.run(runs[1])["status"] == "completed")
    found = {}  # a record that was on its way when the server died may be there twice, under one key
    for record in broker.read(topic, 2):
        headers = dict(record.headers())
        found.setdefault(headers["idempotency-key"].decode(), (record.key(), json.loads(record.value()), headers))
    assert [key.rsplit("-", 1)[0] for key in found] == runs
    assert [key for key, _, _ in found.values()] == [b"A-1", b"A-2"]
    for number, (_, value, headers) in zip(["A-1", "A-2"], found.values(), strict=True):
        assert value == {"id": number, "mail": "[EMAIL_1]"} and headers["note"] == b"for [EMAIL_1]", (value, headers)
        assert headers["content-type"] == b"application/json"
    assert metric(publishing, "signalbox_kafka_published_total") == 1
    assert publishing.process.stop() == 0
    assert_nowhere(publishing, [CANARY])
    assert publishing.verify().returncode == 0


def test_only_named_topics_are_written_and_a_refusal_can_be_caught(broker, publishing):  # noqa: F811
    secret = broker.make_topic("secret.orders")
    broker.make_topic("shop.de.orders.secret")
    for refused in ({"flow": "steals"}, {"country": "de.orders.secret\x00"}, {"country": f"{CANARY}"}):
        run = publishing.run(start(publishing, "B-1", wait=True, **refused)["id"])
        assert run["status"] == "faulted" and run["error"]["status"] == 403, run
    lost = publishing.call("POST", "/api/v1/flows/test/loses/runs", {"input": {}, "wait": True}).json()
    assert lost["output"] == {"lost": True}, lost
    assert metric(publishing, "signalbox_kafka_publish_failures_total") == 1
    assert "kafka.not_written" in publishing.log()
    for topic in (secret, "shop.de.orders.secret"):
        broker.write(topic, [{"value": "mark"}])
        assert [record.value() for record in broker.read(topic, 1)] == [b"mark"]


def test_a_time_limit_ends_the_waiting_and_not_the_record(broker, publishing):  # noqa: F811
    topic = broker.make_topic("shop.it.orders")
    assert start(publishing, "C-1", wait=True, country="it")["status"] == "completed"
    broker.kill()
    try:
        late = publishing.run(start(publishing, "C-2", wait=True, flow="hastens", country="it")["id"])
        assert late["status"] == "faulted" and late["error"]["status"] == 408, late
    finally:
        broker.start()
    assert [record.key() for record in broker.read(topic, 2)] == [b"C-1", b"C-2"], "what was on its way goes on"

"""`call: grpc` against a real gRPC server."""

from __future__ import annotations

import json

import pytest

from grpc_shop import PROTO, Shop, certificate
from harness import until


def flow(arguments: str = "'${ . }'", method: str = "Place", service: str = "", more: str = "", name: str = "order",
         host: str = "host: shop.test") -> bytes:
    return f"""
document: {{dsl: '1.0.3', namespace: shop, name: {name}, version: '1.0.0'}}
use: {{secrets: [token]}}
do:
  - ask:
      call: grpc
      with:
        proto: {{endpoint: 'file://protos/shop.proto'}}
        service: {{name: shop.Orders, {host}{service}}}
        method: {method}
        arguments: {arguments}
      {more}
""".encode()


@pytest.fixture
def grpc_server(own_server, tmp_path):
    """Makes a server that has the shop's proto and may call `hosts`."""
    folder = tmp_path / "catalog"
    (folder / "protos").mkdir(parents=True)
    (folder / "protos/shop.proto").write_text(PROTO)
    (tmp_path / "token").write_text("s3cret-of-the-shop")

    def make(*hosts: dict, **more):
        return own_server(flows={"hosts": list(hosts), "catalog": str(folder),
                                 "secrets": [{"name": "token", "value": f"file:{tmp_path}/token"}]}, **more)

    make.proto = folder / "protos/shop.proto"
    return make


def in_clear(shop: Shop) -> dict:
    return {"name": "shop.test", "via": f"http://localhost:{shop.port}"}


def register(server, text: bytes):
    made = server.call("POST", "/api/v1/flows", text)
    assert made.status == 201, made.body


def begin(server, document: dict, name: str = "order") -> str:
    return server.call("POST", f"/api/v1/flows/shop/{name}/runs", {"input": document}).json()["id"]


def end_of(server, run: str) -> dict:
    until("its end", lambda: server.run(run)["status"] in ("completed", "faulted"))
    return server.run(run)


def run_of(server, document: dict, name: str = "order") -> dict:
    return end_of(server, begin(server, document, name))


def fault_of(run: dict) -> tuple[str, int, str]:
    assert run["status"] == "faulted", run
    error = run["error"]
    return error["type"].rsplit("/", 1)[1], error["status"], error.get("detail", "")


def test_a_call_over_clear_http2(grpc_server):
    with Shop() as shop:
        server = grpc_server(in_clear(shop)).start()
        register(server, flow(service=", authentication: {bearer: {token: '${ $secrets.token }'}}"))
        run = run_of(server, {"customer": "Ann", "count": 3, "lines": ["tea", "milk"]})
        assert run["output"] == {"id": "r-Ann", "cents": "750", "lines": ["tea", "milk"]}, run
        call, = shop.calls
        assert (call.order.customer, call.order.count, list(call.order.lines)) == ("Ann", 3, ["tea", "milk"])
        assert call.metadata["authorization"] == "Bearer s3cret-of-the-shop"
        assert call.metadata["idempotency-key"].rpartition("-")[0] == run["id"]
        assert 30 < call.seconds_left <= 60
        lines = ["x" * 1000] * 1000  # more than a window of HTTP/2, both ways
        assert run_of(server, {"customer": "Bo", "lines": lines})["output"]["lines"] == lines
        assert run_of(server, {})["output"] == {"id": "r-", "cents": "0", "lines": []}, "fields that hold their default are there"
        server.process.stop()
        data = b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
        assert b"s3cret-of-the-shop" not in data and "s3cret-of-the-shop" not in server.log()


def test_a_stream_of_answers_is_a_list(grpc_server):
    with Shop() as shop:
        server = grpc_server(in_clear(shop)).start()
        register(server, flow(method="Watch"))
        assert [r["id"] for r in run_of(server, {"count": 3})["output"]] == ["r0", "r1", "r2"]
        assert run_of(server, {"count": 0})["output"] == []
        assert len(run_of(server, {"count": 10_000})["output"]) == 10_000
        assert fault_of(run_of(server, {"count": 10_001}))[:2] == ("communication", 502)
        assert fault_of(run_of(server, {"count": 2, "customer": "abort NOT_FOUND"}))[:2] == ("communication", 404)


def test_tls_unless_the_configuration_says_otherwise(grpc_server, tmp_path):
    trusted, identity = certificate(tmp_path)
    with Shop(identity) as shop, Shop() as clear:
        server = grpc_server({"name": f"localhost:{shop.port}"}, {"name": f"localhost:{clear.port}"})
        server.start({"SSL_CERT_FILE": str(trusted)})
        register(server, flow(host=f"host: localhost, port: {shop.port}"))
        assert run_of(server, {"customer": "Ann"})["output"]["id"] == "r-Ann"
        register(server, flow(host=f"host: localhost, port: {clear.port}", name="clear"))
        kind, status, detail = fault_of(run_of(server, {"customer": "Ann"}, "clear"))
        assert (kind, status) == ("communication", 503) and "TLS" in detail
        assert not clear.calls
        register(server, flow(host="host: elsewhere.test", name="elsewhere"))
        assert fault_of(run_of(server, {}, "elsewhere"))[:2] == ("authorization", 403)


def test_statuses_are_errors_of_the_dsl(grpc_server):
    with Shop() as shop:
        server = grpc_server(in_clear(shop)).start()
        register(server, flow())
        for code, expected in {"INVALID_ARGUMENT": ("validation", 400), "DEADLINE_EXCEEDED": ("timeout", 408),
                               "NOT_FOUND": ("communication", 404), "PERMISSION_DENIED": ("authorization", 403),
                               "UNAUTHENTICATED": ("authentication", 401), "UNAVAILABLE": ("communication", 503),
                               "INTERNAL": ("communication", 500)}.items():
            run = run_of(server, {"customer": f"abort {code}"})
            assert fault_of(run)[:2] == expected, run
            assert code in run["error"]["detail"] and "w0rds" not in json.dumps(run)
        assert fault_of(run_of(server, {"customer": "large"}))[0] == "communication"
        assert fault_of(run_of(server, {"customer": ["not", "text"]}))[:2] == ("validation", 400)
        assert fault_of(run_of(server, {"customers": "Ann"}))[:2] == ("validation", 400)
        assert "w0rds" not in server.log()
    kind, status, _ = fault_of(run_of(server, {"customer": "Ann"}))
    assert (kind, status) == ("communication", 503), "nobody is there"


def test_a_time_limit_ends_the_call(grpc_server):
    with Shop() as shop:
        server = grpc_server(in_clear(shop)).start()
        register(server, flow(more="timeout: {after: {milliseconds: 300}}"))
        assert fault_of(run_of(server, {"customer": "hang"}))[:2] == ("timeout", 408)
        assert shop.calls[0].over.wait(30), "the service is told that nobody waits"


def test_a_call_that_a_crash_cut_is_made_again_with_its_key(grpc_server):
    with Shop() as shop:
        server = grpc_server(in_clear(shop)).start()
        register(server, flow())
        run = begin(server, {"customer": "hang"})
        until("the call", lambda: shop.calls)
        server.process.kill()
        grpc_server.proto.unlink()  # what was registered needs it no more
        shop.release.set()
        server.start()
        assert end_of(server, run)["output"]["id"] == "r-hang"
        first, again = shop.calls
        assert first.metadata["idempotency-key"] == again.metadata["idempotency-key"]
        assert server.verify().returncode == 0


def test_arguments_and_answers_pass_the_policy(grpc_server):
    with Shop() as shop:
        server = grpc_server(in_clear(shop))
        policy = server.work / "policy.yaml"
        policy.write_text("name: p\nversion: 1\nrules:\n  - {types: [EMAIL], direction: outbound, action: mask}\n"
                          "  - {types: [CREDIT_CARD], direction: outbound, action: block}\n")
        server.write_config(json.loads(server.config_file.read_text()) | {"policy": {"file": str(policy)}})
        server.start()
        register(server, flow())
        run = run_of(server, {"customer": "write to ann.lee@example.org", "count": 1})
        assert "ann.lee" not in shop.calls[0].order.customer and shop.calls[0].order.customer.startswith("write to ")
        assert "ann.lee" not in json.dumps(run["output"])
        leaked = run_of(server, {"customer": "leak"})["output"]["id"]
        assert leaked.startswith("ask ") and "bob.ray" not in leaked
        assert fault_of(run_of(server, {"customer": "4000056655665556"}))[:2] == ("authorization", 403)
        assert len(shop.calls) == 2


def test_what_cannot_be_called_is_refused_at_registration(grpc_server):
    server = grpc_server().start()

    def refused(text: bytes) -> dict:
        reply = server.call("POST", "/api/v1/flows", text)
        assert reply.status == 422, reply.body
        return reply.json()["errors"][0]

    error = refused(flow(method="Upload"))
    assert error["line"] == 10 and "takes a stream of messages" in error["detail"], error
    error = refused(flow(method="Cancel"))
    assert error["line"] == 10 and "it has Place, Watch, Upload" in error["detail"], error
    error = refused(flow(arguments="{customr: Ann}"))
    assert error["line"] == 11 and "customer" in error["detail"], error
    grpc_server.proto.write_text(PROTO + 'import "google/api/annotations.proto";\n')
    error = refused(flow())
    assert error["line"] == 8 and "`google/api/annotations.proto`" in error["detail"], error
    tasks = ""
    for n in range(5):
        (grpc_server.proto.parent / f"{n}.proto").write_text(PROTO + "//" + "x" * 250_000)
        tasks += f"""
  - t{n}: {{call: grpc, with: {{proto: {{endpoint: 'file://protos/{n}.proto'}}, service: {{name: shop.Orders, host: a}}, method: Place}}}}"""
    head = "document: {dsl: '1.0.3', namespace: shop, name: many, version: '1.0.0'}\ndo:"
    error = refused((head + tasks).encode())
    assert error["line"] == 7 and "more than 1 MiB" in error["detail"], error
    assert server.call("POST", "/api/v1/flows", (head + tasks[:tasks.index("\n  - t4")]).encode()).status == 201
    grpc_server.proto.unlink()
    error = refused(flow())
    assert error["line"] == 8 and "flows.catalog" in error["detail"], error

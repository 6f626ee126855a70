"""Functions of catalogs: had when a flow is registered, part of it from then on."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import until

DOUBLE = "input: {from: .n}\nset: {n: '${ . * 2 }'}\n"


def flow(version: str, call: str = "double:1.0.0@shared", use: str = "") -> bytes:
    use = use or "catalogs: {shared: {endpoint: {uri: 'https://catalog.test/all', authentication: {use: mine}}}}"
    return f"""
document: {{dsl: '1.0.3', namespace: shop, name: twice, version: '{version}'}}
use:
  secrets: [token]
  authentications: {{mine: {{bearer: {{use: token}}}}}}
  {use}
do:
  - twice: {{call: '{call}', with: {{n: 21}}}}
""".encode()


class Catalog:
    def __init__(self):
        self.files = {"/all/functions/double/1.0.0/function.yaml": DOUBLE}
        self.asked: list[tuple[str, str]] = []
        catalog = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                catalog.asked.append((self.path, self.headers.get("Authorization", "")))
                body = catalog.files.get(self.path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def catalog_server(own_server, asked: Catalog, tmp_path, **flows):
    (tmp_path / "token").write_text("s3cret-of-the-catalog")
    hosts = [{"name": "catalog.test", "via": asked.url}]
    secrets = [{"name": "token", "value": f"file:{tmp_path}/token"}]
    return own_server(flows={"hosts": hosts, "secrets": secrets, **flows})


def output_of(server) -> dict:
    run = server.call("POST", "/api/v1/flows/shop/twice/runs", {}).json()["id"]
    until("its end", lambda: server.run(run)["status"] in ("completed", "faulted"))
    return server.run(run)["output"]


def test_a_function_is_had_once_and_stays_what_it_was(own_server, tmp_path):
    catalog = Catalog()
    server = catalog_server(own_server, catalog, tmp_path).start()
    made = server.call("POST", "/api/v1/flows", flow("1.0.0"))
    assert made.status == 201, made.body
    assert catalog.asked == [("/all/functions/double/1.0.0/function.yaml", "Bearer s3cret-of-the-catalog")]
    assert output_of(server) == {"n": 42}
    catalog.files["/all/functions/double/1.0.0/function.yaml"] = "set: {n: 0}\n"
    again = server.call("POST", "/api/v1/flows", flow("1.0.0"))
    assert (again.status, again.json()["hash"]) == (200, made.json()["hash"])
    server.process.kill()
    catalog.close()
    server.start()
    assert output_of(server) == {"n": 42}, "neither a run nor a start asks the catalog"
    assert len(catalog.asked) == 1
    assert server.process.stop() == 0
    data = b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    assert b"s3cret-of-the-catalog" not in data


def test_what_cannot_be_had_is_refused_by_name_and_line(own_server, tmp_path):
    catalog = Catalog()
    server = catalog_server(own_server, catalog, tmp_path).start()

    def refused(text: bytes) -> dict:
        reply = server.call("POST", "/api/v1/flows", text)
        assert reply.status == 422, reply.body
        return reply.json()["errors"][0]

    error = refused(flow("1.0.0", "missing:1.0.0@shared"))
    assert error["line"] == 8 and "`missing:1.0.0@shared` could not be had" in error["detail"] and "404" in error["detail"]
    error = refused(flow("1.0.0", use="catalogs: {shared: {endpoint: 'https://elsewhere.test'}}"))
    assert error["line"] == 8 and "elsewhere.test" in error["detail"], error
    assert not [path for path, _ in catalog.asked if "elsewhere" in path]
    error = refused(flow("1.0.0", "double:1.0.0@default"))
    assert "flows.catalog" in error["detail"]
    catalog.files["/all/functions/double/1.0.0/function.yaml"] = "sett: {n: 1}\n"
    error = refused(flow("1.0.0"))
    assert "line 1 of its text" in error["detail"] and "did you mean `set`?" in error["detail"]
    catalog.close()


def test_flows_of_the_folder_and_the_catalog_of_the_server(own_server, tmp_path):
    catalog = Catalog()
    flows, functions = tmp_path / "flows", tmp_path / "catalog"
    place = functions / "functions/double/1.0.0"
    flows.mkdir()
    place.mkdir(parents=True)
    (place / "function.yaml").write_text(DOUBLE)
    (flows / "twice.yaml").write_bytes(flow("1.0.0", "double:1.0.0@default"))
    (flows / "other.yaml").write_bytes(flow("1.0.0").replace(b"name: twice", b"name: other"))
    server = catalog_server(own_server, catalog, tmp_path, dir=str(flows), catalog=str(functions)).start()
    assert output_of(server) == {"n": 42}
    (place / "function.yaml").write_text("set: {n: 0}\n")
    server.process.kill()
    catalog.close()
    server.start()
    assert output_of(server) == {"n": 42}
    assert len(catalog.asked) == 1

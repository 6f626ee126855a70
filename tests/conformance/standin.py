"""The services that scenarios call: a pet store, an echo with authentication, and whatever a path tells it to do.

Every request is counted, so that a scenario can ask how often an effect happened. Requests that carry an
Idempotency-Key they carried before are counted apart: a service that knows the key does nothing the second time.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PETS = [{"id": i, "name": name, "status": "available", "category": {"id": 1, "name": "dogs"}, "tags": []}
        for i, name in enumerate(("rex", "bella", "max"), start=1)]

SWAGGER = {
    "swagger": "2.0", "host": "petstore.swagger.io", "basePath": "/v2", "schemes": ["https"],
    "paths": {
        "/pet/findByStatus": {"get": {"operationId": "findPetsByStatus", "parameters": [
            {"name": "status", "in": "query", "required": True, "type": "array", "collectionFormat": "multi"}]}},
        "/pet/{petId}": {"get": {"operationId": "getPetById", "parameters": [{"name": "petId", "in": "path", "required": True}]}},
        "/pet": {"post": {"operationId": "addPet", "parameters": [{"name": "body", "in": "body", "required": True}]}},
    },
}

OPENAPI = {
    "openapi": "3.0.3", "servers": [{"url": "https://{place}.test/v3", "variables": {"place": {"default": "api"}}}],
    "paths": {
        "/echo/{word}": {
            "parameters": [{"name": "word", "in": "path", "required": True}],
            "post": {"operationId": "echoWord", "parameters": [
                {"name": "loud", "in": "query"}, {"$ref": "#/components/parameters/Trace"}],
                "requestBody": {"content": {"application/json": {}}}},
        },
    },
    "components": {"parameters": {"Trace": {"name": "x-trace", "in": "header"}}},
}


ASYNCAPI_2 = {
    "asyncapi": "2.6.0",
    "servers": {
        "queue": {"url": "queue.test", "protocol": "amqp"},
        "web": {"url": "https://{place}.test/echo", "protocol": "https", "variables": {"place": {"default": "nowhere"}}}},
    "channels": {
        "orders/{country}": {
            "parameters": {"country": {"location": "$message.payload#/country"}},
            "publish": {"bindings": {"http": {"type": "request", "method": "PUT"}}, "message": {"$ref": "#/components/messages/order"}}},
        "heard": {"subscribe": {"message": {"payload": {"type": "string"}}}}},
    "components": {
        "messages": {"order": {"payload": {"$ref": "#/components/schemas/order"}}},
        "schemas": {"order": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}}},
}

ASYNCAPI_3 = b"""
asyncapi: 3.0.0
servers:
  web: {host: api.test, pathname: /echo, protocol: https}
  locked: {host: api.test, pathname: /bearer, protocol: https}
  queue: {host: queue.test, protocol: mqtt}
  stream: {host: 'stream.test:9092', protocol: kafka}
channels:
  greetings:
    address: greetings
    servers: [{$ref: '#/servers/web'}, {$ref: '#/servers/stream'}]
    messages: {greeting: {contentType: text/plain, payload: {type: string}}}
  doors: {address: s3cret, servers: [{$ref: '#/servers/locked'}]}
  queued: {address: queued, servers: [{$ref: '#/servers/queue'}]}
operations:
  greet: {action: send, channel: {$ref: '#/channels/greetings'}}
  open: {action: receive, channel: {$ref: '#/channels/doors'}}
  queue: {action: send, channel: {$ref: '#/channels/queued'}}
"""


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Callers that gave up waiting are part of the game."""


class StandIn:
    def __init__(self):
        self.lock = threading.Lock()
        self.counts: dict[str, int] = {}
        self.distinct: dict[str, set[str]] = {}
        self.attempts: dict[str, int] = {}
        self.server = QuietServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def reset(self):
        with self.lock:
            self.counts.clear()
            self.distinct.clear()
            self.attempts.clear()

    def calls(self, path: str) -> int:
        with self.lock:
            return self.counts.get(path, 0)

    def effects(self, path: str) -> int:
        """Requests, those with a key that was seen before counted once."""
        with self.lock:
            return len(self.distinct.get(path, ()))

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def handler(self):
        standin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status: int, body=None, headers=None, kind="application/json"):
                data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                if data:
                    self.send_header("Content-Type", kind)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def serve(self):
                split = urlsplit(self.path)
                path, query = unquote(split.path), parse_qs(split.query)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with standin.lock:
                    standin.counts[path] = standin.counts.get(path, 0) + 1
                    seen = standin.distinct.setdefault(path, set())
                    seen.add(self.headers.get("Idempotency-Key") or f"#{len(seen)}")
                route(self, standin, path, query, body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = serve

        return Handler


def digest_ok(header: str, method: str, password: str) -> bool:
    fields = dict(re.findall(r'(\w+)="?([^",]+)"?', header))
    hashed = lambda text: hashlib.md5(text.encode()).hexdigest()
    a1 = hashed(f"{fields.get('username')}:{fields.get('realm')}:{password}")
    a2 = hashed(f"{method}:{fields.get('uri')}")
    want = hashed(f"{a1}:{fields.get('nonce')}:{fields.get('nc')}:{fields.get('cnonce')}:{fields.get('qop')}:{a2}")
    return fields.get("response") == want


def route(http, standin: StandIn, path: str, query: dict, body: bytes):
    authorization = http.headers.get("Authorization", "")
    # The pet store
    if path == "/v2/swagger.json":
        return http.answer(200, SWAGGER)
    if path == "/v3/openapi.json":
        return http.answer(200, OPENAPI)
    if path == "/asyncapi-2.json":
        return http.answer(200, ASYNCAPI_2)
    if path == "/asyncapi-3.yaml":
        return http.answer(200, ASYNCAPI_3, kind="application/yaml")
    if path == "/v2/pet/findByStatus":
        return http.answer(200, PETS if query.get("status") == ["available"] else [])
    if path == "/v2/pet" and http.command == "POST":
        return http.answer(200, json.loads(body))
    if match := re.fullmatch(r"/v2/pet/(\d+)", path):
        found = [pet for pet in PETS if pet["id"] == int(match[1])]
        return http.answer(200, found[0]) if found else http.answer(404, {"message": "Pet not found"})
    # A catalog of functions
    if path == "/catalog/functions/double/1.0.0/function.yaml":
        return http.answer(200, b"input: {from: .n}\nset: {n: '${ . * 2 }'}\n", kind="application/yaml")
    if path.startswith("/catalog/"):
        return http.answer(404)
    # Echo and authentication
    if match := re.fullmatch(r"/basic-auth/([^/]+)/([^/]+)", path):
        want = "Basic " + base64.b64encode(f"{match[1]}:{match[2]}".encode()).decode()
        return http.answer(200, {"authenticated": True, "user": match[1]}) if authorization == want else http.answer(401, {})
    if match := re.fullmatch(r"/bearer/(.+)", path):
        return http.answer(200, {"authenticated": True}) if authorization == f"Bearer {match[1]}" else http.answer(401, {})
    if match := re.fullmatch(r"/digest-auth/([^/]+)/([^/]+)", path):
        if authorization.startswith("Digest ") and digest_ok(authorization, http.command, match[2]):
            return http.answer(200, {"authenticated": True, "user": match[1]})
        return http.answer(401, {}, {"WWW-Authenticate": 'Digest realm="here", nonce="abc", qop="auth", algorithm=MD5'})
    if path == "/oauth2/token":
        fields = {k: v[0] for k, v in parse_qs(body.decode()).items()} if not body.startswith(b"{") else json.loads(body)
        if fields.get("client_secret") == "wrong":
            return http.answer(400, {"error": "invalid_client"})
        name = fields.get("client_id") or (base64.b64decode(authorization[6:]).decode().split(":")[0] if authorization else "nobody")
        return http.answer(200, {"access_token": f"token-of-{name}", "token_type": "Bearer", "expires_in": 3600})
    if path == "/.well-known/openid-configuration":
        return http.answer(200, {"token_endpoint": "https://login.test/oauth2/token"})
    if path.startswith("/echo") or path.startswith("/v3/echo"):
        try:
            parsed = json.loads(body) if body else None
        except ValueError:
            parsed = body.decode(errors="replace")
        return http.answer(200, {"method": http.command, "path": path, "query": {k: v if len(v) > 1 else v[0] for k, v in query.items()},
                                 "headers": {k.lower(): v for k, v in http.headers.items()}, "body": parsed})
    if path == "/text":
        return http.answer(200, b"plain words", kind="text/plain")
    if path == "/empty":
        return http.answer(204)
    if path == "/yaml":
        return http.answer(200, b"a: 1\n", kind="application/yaml")
    if path == "/redirect":
        return http.answer(302, None, {"Location": "/echo"})
    if match := re.fullmatch(r"/status/(\d+)", path):
        return http.answer(int(match[1]), {"status": int(match[1])})
    if match := re.fullmatch(r"/slow/(\d+)", path):
        time.sleep(int(match[1]) / 1000)
        return http.answer(200, {"slept": int(match[1])})
    if match := re.fullmatch(r"/flaky/([^/]+)/(\d+)/(\d+)", path):  # fails so often with that status, then answers
        with standin.lock:
            count = standin.attempts[path] = standin.attempts.get(path, 0) + 1
        return http.answer(int(match[3]), {}) if count <= int(match[2]) else http.answer(200, {"attempt": count})
    # JSON-RPC
    if path in ("/rpc", "/mcp"):
        request = json.loads(body)
        if request["method"] == "fail":
            return http.answer(200, {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "no"}})
        result = {"method": request["method"], "params": request.get("params")}
        reply = {"jsonrpc": "2.0", "id": request["id"], "result": result}
        if path == "/mcp":
            return http.answer(200, f"event: message\ndata: {json.dumps(reply)}\n\n".encode(), kind="text/event-stream")
        return http.answer(200, reply)
    return http.answer(404, {"message": "nothing here"})

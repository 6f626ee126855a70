"""Stands before an HTTP service and fails as networks and busy services do; drawn from a seed."""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG_S = 40  # longer than the 30 s after which a client gives an answer up


class FaultProxy:
    """`share` of the requests fail while `on` is set: refused with 500; done, but the answer lost; cut in the middle of the
    upload; slow. One, where `hang` asks for it, is never answered."""

    KINDS = ("error 500", "answer lost", "half upload", "slow")

    def __init__(self, port: int, seed: int, share: float):
        self.port, self.share, self.on, self.hang = port, share, False, False
        self.rng, self.lock, self.counts = random.Random(seed), threading.Lock(), Counter()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                proxy.handle(self)

            do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.service.daemon_threads = True
        self.service.handle_error = lambda *_: None  # a client that went away
        self.endpoint = f"http://127.0.0.1:{self.service.server_address[1]}"
        threading.Thread(target=self.service.serve_forever, daemon=True).start()

    def draw(self) -> str:
        with self.lock:
            if self.hang:
                self.hang = False
                kind = "no answer"
            elif not self.on or self.rng.random() >= self.share:
                return "well"
            else:
                kind = self.rng.choice(self.KINDS)
            self.counts[kind] += 1
            return kind

    def handle(self, request: BaseHTTPRequestHandler):
        kind = self.draw()
        size = int(request.headers.get("Content-Length", 0))
        if kind == "half upload":
            request.rfile.read(size // 2)
            return cut(request)
        body = request.rfile.read(size)
        if kind == "no answer":
            time.sleep(HANG_S)
            return cut(request)
        if kind == "slow":
            time.sleep(1)
        if kind == "error 500":
            return answer(request, 500, [], b"<Error><Code>InternalError</Code></Error>")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            # As it came, its Host too: it is signed.
            connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            reply = connection.getresponse()
            content = reply.read()
        except OSError:
            return cut(request)
        finally:
            connection.close()
        if kind == "answer lost":
            return cut(request)
        answer(request, reply.status, reply.getheaders(), content)


def answer(request: BaseHTTPRequestHandler, status: int, headers, body: bytes):
    request.send_response_only(status)
    for name, value in headers:
        if name.lower() not in ("content-length", "transfer-encoding", "connection"):
            request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def cut(request: BaseHTTPRequestHandler):
    request.close_connection = True
    try:
        request.connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass

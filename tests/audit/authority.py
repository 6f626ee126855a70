"""A time-stamping authority: certificates of its own, and every request answered by `openssl ts -reply`."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIGURATION = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
digests = sha256
default_policy = 1.2.3.4.1
[stamping]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
"""


def openssl(*arguments: str | Path):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


class Authority:
    def __init__(self, folder: Path):
        folder.mkdir()
        self.folder, self.ca = folder, folder / "ca.pem"
        (folder / "serial").write_text("01")
        (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        openssl("req", "-x509", *key, "-keyout", folder / "ca.key", "-out", self.ca, "-days", "2", "-subj", "/CN=authority")
        openssl("req", *key, "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr", "-subj", "/CN=stamps")
        openssl("x509", "-req", "-in", folder / "tsa.csr", "-CA", self.ca, "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "1",
                "-out", folder / "tsa.pem", "-extfile", folder / "tsa.cnf", "-extensions", "stamping")
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                answer = authority.stamp(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200 if self.headers["Content-Type"] == "application/timestamp-query" else 415)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/stamps"
        self.one_at_a_time = threading.Lock()  # the serial number is a file
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stamp(self, request: bytes) -> bytes:
        with self.one_at_a_time, tempfile.TemporaryDirectory() as scratch:
            query, reply = Path(scratch, "query"), Path(scratch, "reply")
            query.write_bytes(request)
            openssl("ts", "-reply", "-config", self.folder / "tsa.cnf", "-section", "authority", "-queryfile", query, "-out", reply)
            return reply.read_bytes()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

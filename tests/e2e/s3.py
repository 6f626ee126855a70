"""A real S3 service on loopback: versitygw over a folder, built once from its pinned Go module."""

from __future__ import annotations

import datetime
import functools
import hashlib
import hmac
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from harness import ROOT, until

VERSION = "v1.8.0"
BINARY = ROOT / "build/versitygw" / VERSION / "versitygw"
ACCESS_KEY, SECRET_KEY, REGION = "testkey", "testsecret", "us-east-1"


GO_MINOR = 25  # versitygw's go.mod; an older Go would fetch another one


@functools.cache
def s3_binary() -> tuple[Path | None, str]:
    """Built once, some minutes, wherever there is Go; or nothing, and why."""
    if BINARY.exists():
        return BINARY, ""
    go = shutil.which("go")
    found = re.search(r"go1\.(\d+)", subprocess.run([go, "version"], capture_output=True, text=True).stdout) if go else None
    if not found or int(found.group(1)) < GO_MINOR:
        return None, f"needs an S3 service: Go 1.{GO_MINOR} or newer builds one, once"
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    made = subprocess.run([go, "install", f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"], capture_output=True, text=True,
                          env={**os.environ, "GOBIN": str(BINARY.parent), "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"})
    if made.returncode != 0:
        return None, f"needs an S3 service, and versitygw {VERSION} cannot be built: {made.stderr.strip().splitlines()[-1:]}"
    return BINARY, ""


class S3:
    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "buckets").mkdir(parents=True)
        (folder / "versions").mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.start()

    def start(self):
        with (self.folder / "s3.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "--port", f"127.0.0.1:{self.port}", "--keep-alive", "--quiet", "posix", "--versioning-dir",
                 str(self.folder / "versions"), str(self.folder / "buckets")],
                env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

        def answers():
            assert self.process.poll() is None, (self.folder / "s3.log").read_text()[-2000:]
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
                connection.request("GET", "/")
                return connection.getresponse().status == 403
            except OSError:
                return False

        until("the S3 service", answers)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def pause(self):
        """It neither answers nor forgets."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def uploads(self, bucket: str) -> list[Path]:
        """Parts of uploads that were neither completed nor aborted, as this service keeps them."""
        return [path for path in (self.folder / "buckets" / bucket / ".sgwtmp" / "multipart").rglob("*") if path.is_file()]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL_S3": self.endpoint, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_REGION": REGION}

    def make_bucket(self, name: str, versions: bool = False, lock: bool = False):
        wanted = {"x-amz-bucket-object-lock-enabled": "true"} if lock else {}
        assert self.request("PUT", f"/{name}", headers=wanted).status == 200
        if versions:
            wanted = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            assert self.request("PUT", f"/{name}", "versioning=", wanted).status == 200

    def versions(self, bucket: str) -> list[str]:
        """Every version of every object, and every mark that one was deleted."""
        listed = self.request("GET", f"/{bucket}", "versions=").read().decode()
        return re.findall(r"<(?:Version|DeleteMarker)>.*?<Key>(.*?)</Key>", listed)

    def version_ids(self, bucket: str, key: str) -> list[str]:
        listed = self.request("GET", f"/{bucket}", f"prefix={key.replace('/', '%2F')}&versions=").read().decode()
        return re.findall(r"<Version>.*?<VersionId>(.*?)</VersionId>", listed)

    def request(self, method: str, path: str, query: str = "", body: bytes = b"", headers: dict | None = None) -> http.client.HTTPResponse:
        """Signed by hand: the test does not use the client it tests."""
        now = datetime.datetime.now(datetime.timezone.utc)
        stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        content = hashlib.sha256(body).hexdigest()
        host = f"127.0.0.1:{self.port}"
        signed = {**(headers or {}), "host": host, "x-amz-content-sha256": content, "x-amz-date": stamp}
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, path, query, *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names, content])
        scope = f"{day}/{REGION}/s3/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + SECRET_KEY).encode()
        for part in (day, REGION, "s3", "aws4_request", to_sign):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        credential = f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        connection.request(method, f"{path}?{query}" if query else path, body, headers={**signed, "Authorization": credential})
        return connection.getresponse()

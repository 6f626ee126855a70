"""A witness that is not ours: litewitness of filippo.io/torchwood, its key in an ssh-agent, its logs in its own database."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import sqlite3
import subprocess
import tempfile
from pathlib import Path

from harness import ROOT, until

LITEWITNESS = ROOT / "build/audit/litewitness"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Litewitness:
    def __init__(self, folder: Path, name: str):
        folder.mkdir()
        self.folder, self.name, self.process = folder, name, None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
        self.sockets = tempfile.TemporaryDirectory(prefix="agent")  # the path of a socket must be short
        self.agent_socket = str(Path(self.sockets.name, "agent"))
        self.agent = subprocess.Popen(["ssh-agent", "-D", "-a", self.agent_socket], stdout=subprocess.DEVNULL)
        until("the ssh-agent", lambda: os.path.exists(self.agent_socket))
        subprocess.run(["ssh-add", "-q", str(folder / "key")], check=True, env={**os.environ, "SSH_AUTH_SOCK": self.agent_socket})
        self.start()
        self.key = re.search(r'vkey=(\S+)', until("its key", lambda: re.search(r"vkey=\S+", self.log())).group()).group(1)

    def start(self):
        fingerprint = subprocess.run(["ssh-keygen", "-lf", str(self.folder / "key.pub")], check=True, capture_output=True, text=True).stdout.split()[1]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([str(LITEWITNESS), "-name", self.name, "-db", str(self.folder / "db"), "-ssh-agent", self.agent_socket,
                                             "-listen", f"127.0.0.1:{self.port}", "-key", fingerprint], stdout=log, stderr=log)
        until("the witness", self.answers)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def know(self, log_key: str):
        """What its own `witnessctl add-log, add-key` writes."""
        origin = log_key.split("+")[0]
        with sqlite3.connect(self.folder / "db") as database:
            database.execute("INSERT INTO log VALUES (?, 0, ?)", (origin, base64.b64encode(hashlib.sha256(b"").digest()).decode()))
            database.execute("INSERT INTO key VALUES (?, ?)", (origin, log_key))
        database.close()

    def size(self, log_key: str) -> int:
        with sqlite3.connect(self.folder / "db") as database:
            row = database.execute("SELECT tree_size FROM log WHERE origin = ?", (log_key.split("+")[0],)).fetchone()
        database.close()
        return row[0]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def end(self):
        self.stop()
        self.agent.terminate()
        self.agent.wait(60)
        self.sockets.cleanup()

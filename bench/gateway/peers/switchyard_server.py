"""Switchyard's native server, which its package starts only from Python: switchyard_server.py ROUTES.toml PORT."""

import signal
import sys

from switchyard_rust.server import Server

server = Server(sys.argv[1], int(sys.argv[2]))
signal.sigwait([signal.SIGTERM, signal.SIGINT])
server.close()

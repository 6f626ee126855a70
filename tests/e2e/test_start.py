"""What a person meets who starts the server wrongly."""

from __future__ import annotations

import json
import subprocess

from harness import binary, cli


def test_unknown_configuration_key_names_the_nearest(tmp_path):
    config = tmp_path / "signalbox.yaml"
    config.write_text("server:\n  lisen: 127.0.0.1:0\n")
    got = cli("serve", "--config", str(config), "--data", str(tmp_path / "data"))
    assert got.returncode == 1
    assert ":2:" in got.stderr and "listen" in got.stderr


def test_taken_port_is_one_line(server, tmp_path):
    got = cli("serve", "--data", str(tmp_path / "data"), "--listen", server.address, "--set", "server.shards=1")
    # SO_REUSEPORT lets two servers of one user share a port on purpose only within one process.
    assert got.returncode == 1 and server.address in got.stderr
    assert len(got.stderr.strip().splitlines()) == 1


def test_one_process_a_data_directory(server):
    got = cli("serve", "--data", str(server.data), "--listen", "127.0.0.1:0")
    assert got.returncode == 1 and str(server.process.process.pid) in got.stderr


def test_without_keys_only_loopback_is_bound(tmp_path):
    got = cli("serve", "--data", str(tmp_path / "data"), "--listen", "0.0.0.0:0")
    assert got.returncode == 1 and "signalbox init" in got.stderr


def test_init_is_idempotent(tmp_path):
    first = cli("init", "--data", str(tmp_path / "data"))
    again = cli("init", "--data", str(tmp_path / "data"))
    assert "sbk_" in first.stdout and "sbk_" not in again.stdout and again.returncode == 0


def test_the_log_is_named_by_the_first_start_and_keeps_its_name(own_server):
    server = own_server(audit={"origin": "example.com/box"})  # made by an init that knows nothing of the name
    server.start()
    server.chat("hello")
    server.process.stop()
    assert (server.data / "audit/checkpoint").read_text().startswith("example.com/box\n")
    assert server.verify().returncode == 0
    config = json.loads(server.config_file.read_text())
    for origin in ("example.com/other", ""):
        server.write_config({**config, "audit": {"origin": origin}})
        got = cli("serve", "--config", str(server.config_file), "--data", str(server.data), "--listen", "127.0.0.1:0")
        assert got.returncode == 1 and len(got.stderr.strip().splitlines()) == 1, got.stderr
        assert "set audit.origin to example.com/box" in got.stderr
    again = cli("init", "--data", str(server.data))
    assert again.returncode == 0 and "nothing changed" in again.stdout, again.stderr
    server.write_config(config)
    server.start()
    assert server.chat("and on it goes").status == 200


def test_help_teaches():
    got = cli("--help")
    assert got.returncode == 0
    for command in ("serve", "init", "simulate", "triage", "policy", "audit", "reviews", "config"):
        assert command in got.stdout
    typo = subprocess.run([binary(), "sevre"], capture_output=True, text=True)
    assert typo.returncode == 2 and "serve" in typo.stderr

"""The gateways people use today, each set up as a plain proxy to one provider: the least work it can be asked to do.

Installed by install-peers into .cache/peers (nginx: Debian's nginx-light). A peer that is missing or does not start is a
RuntimeError with the reason.
"""

from __future__ import annotations

import pathlib
import shutil

from servers import ROOT, Server, free_port, listens

CACHE = ROOT / ".cache/peers"
HERE = pathlib.Path(__file__).resolve().parent


def nginx(work: pathlib.Path, upstream: str) -> Server:
    if not shutil.which("nginx"):
        raise RuntimeError("not installed (scripts/install-deps --bench)")
    port = free_port()
    temporary = "".join(f"{kind}_temp_path {work}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (work / "nginx.conf").write_text(f"""daemon off; master_process off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; {temporary}keepalive_requests 100000000; client_body_buffer_size 64k;
  upstream provider {{ server {upstream}; keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
""")
    return _start("nginx proxy_pass", ["nginx", "-p", str(work), "-c", str(work / "nginx.conf")], work, port)


def smg(work: pathlib.Path, upstream: str) -> Server:
    port = free_port()
    command = [_installed("smg/bin/smg"), "launch", "--host", "127.0.0.1", "--port", str(port), "--worker-urls", f"http://{upstream}",
               "--backend", "openai", "--log-level", "error", "--disable-health-check", "--prometheus-port", str(free_port())]
    return _start("SMG 1.13.0", command, work, port)


def switchyard(work: pathlib.Path, upstream: str) -> Server:
    port = free_port()
    (work / "routes.toml").write_text(f"""schema_version = 1
[llm_clients.provider]
format = "openai_chat"
base_url = "http://{upstream}/v1"
api_key_env = "BENCH_API_KEY"
[targets.m]
id = "m"
llm_client = "provider"
[routes.m]
id = "m"
type = "passthrough"
target = "m"
""")
    command = [_installed("switchyard/bin/python"), str(HERE / "peers/switchyard_server.py"), str(work / "routes.toml"), str(port)]
    return _start("NeMo Switchyard 0.3.0", command, work, port, {"BENCH_API_KEY": "not-a-secret-of-anyone", "RUST_LOG": "error"})


def portkey(work: pathlib.Path, upstream: str) -> Server:
    port, script = free_port(), _installed("portkey/node_modules/@portkey-ai/gateway/build/start-server.js")
    server = _start("Portkey 1.15.2", ["node", script, f"--port={port}", "--headless"], work, port)
    server.headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://{upstream}/v1", "Authorization": "Bearer none"}
    return server


def litellm(work: pathlib.Path, upstream: str) -> Server:
    port = free_port()
    (work / "litellm.yaml").write_text(f"""model_list:
  - {{model_name: m, litellm_params: {{model: openai/m, api_base: "http://{upstream}/v1", api_key: none}}}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
""")
    command = [_installed("litellm/bin/litellm"), "--config", str(work / "litellm.yaml"), "--host", "127.0.0.1", "--port", str(port),
               "--num_workers", "1"]
    return _start("LiteLLM 1.106.12", command, work, port, {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"})


ALL = {"nginx": nginx, "smg": smg, "switchyard": switchyard, "portkey": portkey, "litellm": litellm}


def _installed(path: str) -> str:
    if not (CACHE / path).exists():
        raise RuntimeError("not installed (bench/gateway/install-peers)")
    return str(CACHE / path)


def _start(name: str, command: list[str], work: pathlib.Path, port: int, env: dict | None = None) -> Server:
    server = Server(name, command, work / f"{pathlib.Path(command[0]).name}-{port}.log", env=env)
    server.address = f"127.0.0.1:{port}"
    try:
        server.wait_for(lambda: listens(port), "listening port")
    except RuntimeError:
        server.stop()
        raise
    return server

"""Container runtimes for tests: Debian's podman where this machine can run containers, and a stand-in that runs the program itself."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

IMAGE = "localhost/box:1"

# The few commands that Signalbox gives a runtime, by Docker's command line. Walls it has none: the program runs as it is, and
# folders that it would have at another place are put into its arguments. A container is a folder, made once by whoever comes first.
STAND_IN = r'''#!/usr/bin/env python3
import datetime, json, os, pathlib, shutil, signal, subprocess, sys, time

HOME = pathlib.Path(__file__).resolve().parent / "containers"
KNOWN = {"name", "detach", "interactive", "attach", "sig-proxy", "pull", "network", "cap-drop", "security-opt", "read-only", "tmpfs", "user",
         "memory", "cpus", "pids-limit", "log-driver", "stop-timeout", "label", "env", "mount"}

def now(): return datetime.datetime.now(datetime.timezone.utc).isoformat()
def state(box): return json.loads((box / "state.json").read_text())
def put(box, **more):
    scratch = box / f"state.{os.getpid()}"
    scratch.write_text(json.dumps({**(state(box) if (box / "state.json").exists() else {}), **more}))
    scratch.rename(box / "state.json")
def there(name):
    box = HOME / name
    if not (box / "state.json").exists(): sys.exit(f"Error: no such container {name}")
    return box

def run(arguments):
    options, mounts, labels, environment = {}, [], {}, {}
    while arguments and arguments[0].startswith("--"):
        name, _, value = arguments.pop(0)[2:].partition("=")
        if name not in KNOWN: sys.exit(f"unknown option {name}")
        if name == "label": labels.update([value.split("=", 1)])
        elif name == "env": environment.update([value.split("=", 1)])
        elif name == "mount": mounts.append(dict(part.partition("=")[::2] for part in value.split(",")))
        else: options[name] = value
    image, *program = arguments
    if image != "IMAGE": print(f"Error: {image}: image not known", file=sys.stderr); sys.exit(125)
    box = HOME / options["name"]
    try: box.mkdir(parents=True)
    except FileExistsError: print("Error: the name is already in use", file=sys.stderr); sys.exit(125)
    for mount in mounts: program = [part.replace(mount["target"], mount["source"]) for part in program]
    put(box, Status="created", ExitCode=0, StartedAt="0001-01-01T00:00:00Z", FinishedAt="0001-01-01T00:00:00Z", Labels=labels)
    if os.fork() == 0:
        os.setsid()
        streams = {"stdin": 0 if "interactive" in options else subprocess.DEVNULL, "stdout": (box / "out").open("wb"), "stderr": (box / "err").open("wb")}
        child = subprocess.Popen(program, env={"PATH": "/usr/bin:/bin", **environment}, start_new_session=True, **streams)
        null = os.open("/dev/null", os.O_RDWR)
        for stream in range(3): os.dup2(null, stream)
        put(box, Status="running", StartedAt=now(), Pid=child.pid)
        code = child.wait()
        if box.exists(): put(box, Status="exited", ExitCode=code if code >= 0 else 128 - code, FinishedAt=now())
        os._exit(0)
    while state(box)["Status"] == "created": time.sleep(0.01)
    print("0" * 64)

def inspect(arguments):
    said = state(there(arguments[-1]))
    print(json.dumps({"state": said, "labels": said.pop("Labels")}))

def logs(arguments):
    box = there(arguments[-1])
    files = [(box / "out").open("rb"), (box / "err").open("rb")]
    while True:
        ended = not (box / "state.json").exists() or state(box)["Status"] == "exited"
        for file, into in zip(files, (sys.stdout.buffer, sys.stderr.buffer)): into.write(file.read()); into.flush()
        if ended or "--follow" not in arguments: return
        time.sleep(0.01)

def wait(arguments):
    box = there(arguments[-1])
    while state(box)["Status"] != "exited": time.sleep(0.01)
    print(state(box)["ExitCode"])

def rm(arguments):
    box = there(arguments[-1])
    try: os.killpg(state(box)["Pid"], signal.SIGKILL)
    except (ProcessLookupError, KeyError): pass
    shutil.rmtree(box, ignore_errors=True)

def ps(arguments):
    for box in HOME.glob("*/state.json"): print(box.parent.name)

globals()[sys.argv[1]](sys.argv[2:])
'''.replace("IMAGE", IMAGE)


class Runtime:
    def __init__(self, program: Path, home: Path):
        self.program, self.home = program, home

    def ask(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=60)

    def names(self) -> list[str]:
        return self.ask("ps", "--all", "--format={{.Names}}").stdout.split()

    def close(self):
        for name in self.names():
            self.ask("rm", "--force", name)


def stand_in(home: Path) -> Runtime:
    program = home / "runtime"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return Runtime(program, home)


def box_image(home: Path) -> Path:
    """An image's root with nothing but a static busybox."""
    image = home / "box.tar"
    with tarfile.open(image, "w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for name in ("sh", "cat", "echo", "env", "grep", "id", "ls", "sleep", "touch", "wc", "head", "yes"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return image


def podman(home: Path) -> Runtime:
    """With storage of its own below `home`, and whatever of the kernel's it needs on a small machine: no overlay file system, no systemd."""
    settings = home / "containers.conf"
    settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n[engine]\nevents_logger = "file"\n')
    program = home / "runtime"
    which = next((name for name in ("runc", "crun") if shutil.which(name)), "runc")
    program.write_text(f'#!/bin/sh\nCONTAINERS_CONF={settings} exec podman --root {home}/root --runroot {home}/run --storage-driver vfs '
                       f'--cgroup-manager cgroupfs --runtime {which} "$@"\n')
    program.chmod(0o755)
    runtime = Runtime(program, home)
    made = runtime.ask("import", str(box_image(home)), IMAGE)
    assert made.returncode == 0, made.stderr
    return runtime


@functools.cache
def why_no_containers() -> str:
    """Empty: this machine can run them, with the limits that Signalbox asks for."""
    if not shutil.which("podman") or not os.path.exists("/bin/busybox"):
        return "no podman or no busybox-static on this machine (scripts/install-deps --containers)"
    home = Path(tempfile.mkdtemp())
    try:
        tried = podman(home).ask("run", "--rm", "--pull=never", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges",
                                 "--memory=64m", "--cpus=1.00", "--pids-limit=32", IMAGE, "echo", "it runs")
        return "" if tried.stdout.strip() == "it runs" else f"this machine runs no containers: {tried.stderr.strip()[-300:]}"
    finally:
        shutil.rmtree(home, ignore_errors=True)

from __future__ import annotations

import pytest

from harness import Server, Simulator, configuration


@pytest.fixture(scope="session")
def simulator(tmp_path_factory):
    simulator = Simulator(tmp_path_factory.mktemp("simulator"))
    yield simulator
    simulator.process.stop()


@pytest.fixture(scope="session")
def server(simulator, tmp_path_factory):
    """One server for all tests that do not kill or reconfigure it."""
    server = Server(tmp_path_factory.mktemp("server"), configuration(simulator.address)).start()
    yield server
    assert server.process.stop() == 0, server.log()[-3000:]


@pytest.fixture
def own_server(simulator, tmp_path):
    """Makes a server of the test's own; whatever still runs is stopped."""
    made = []

    def make(**more) -> Server:
        work = tmp_path / f"server{len(made)}"
        work.mkdir()
        made.append(Server(work, configuration(simulator.address, **more)))
        return made[-1]

    yield make
    for server in made:
        if server.process and server.process.process.poll() is None:
            server.process.stop()

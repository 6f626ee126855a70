"""DBOS on PostgreSQL: a workflow of ten steps, each recorded before the next.

    dbos_flow.py DATABASE_URL POSTMASTER_PID SECONDS
"""

from __future__ import annotations

import os
import sys

import psycopg
from dbos import DBOS, DBOSConfig
from measure import IN_FLIGHT, STEPS, load

url, postmaster, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
config: DBOSConfig = {
    "name": "bench",
    "system_database_url": url,
    "run_admin_server": False,
    "enable_otlp": False,
    "log_level": "ERROR",
    "sys_db_pool_size": IN_FLIGHT,
}
DBOS(config=config)


@DBOS.step()
def step(n: int) -> int:
    return n + 1


@DBOS.workflow()
def flow() -> int:
    n = 0
    for _ in range(STEPS):
        n = step(n)
    return n


def run() -> None:
    assert flow() == STEPS


def database_bytes() -> int:
    with psycopg.connect(url) as connection:
        connection.execute("CHECKPOINT")
        return connection.execute("SELECT pg_database_size(current_database())").fetchone()[0]


DBOS.launch()
for _ in range(20):
    run()
pids = [os.getpid(), postmaster]
before = database_bytes()
done = load("dbos_one", run, seconds, 1, pids)
print(f"dbos_bytes_a_run {(database_bytes() - before) // done}")
load("dbos_many", run, seconds, IN_FLIGHT, pids)
DBOS.destroy()

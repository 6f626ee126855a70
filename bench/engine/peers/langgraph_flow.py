"""LangGraph with its SQLite saver: a graph of ten nodes, each checkpointed before the next (durability "sync").

    langgraph_flow.py FOLDER SECONDS
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pathlib
import sqlite3
import sys
import time
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from measure import IN_FLIGHT, STEPS, bytes_below, load, processor_ms, report


class State(TypedDict):
    n: int


def graph_of_ten() -> StateGraph:
    graph = StateGraph(State)
    for i in range(STEPS):
        graph.add_node(f"step{i}", lambda state: {"n": state["n"] + 1})
        graph.add_edge(START if i == 0 else f"step{i - 1}", f"step{i}")
    graph.add_edge(f"step{STEPS - 1}", END)
    return graph


def thread_config(number: int) -> dict:
    return {"configurable": {"thread_id": str(number)}}


async def many(folder: pathlib.Path, seconds: float) -> None:
    latencies: list[float] = []
    numbers = itertools.count()
    async with AsyncSqliteSaver.from_conn_string(str(folder / "many.db")) as saver:
        graph = graph_of_ten().compile(checkpointer=saver)
        begin, cpu = time.monotonic(), processor_ms([os.getpid()])

        async def work() -> None:
            while time.monotonic() - begin < seconds:
                start = time.monotonic()
                await graph.ainvoke({"n": 0}, thread_config(next(numbers)), durability="sync")
                latencies.append(time.monotonic() - start)

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        report("langgraph_many", latencies, time.monotonic() - begin, processor_ms([os.getpid()]) - cpu)


def main() -> None:
    folder, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])
    folder.mkdir(parents=True)
    numbers = itertools.count()
    connection = sqlite3.connect(folder / "one.db", check_same_thread=False)
    connection.execute("PRAGMA synchronous=FULL")
    graph = graph_of_ten().compile(checkpointer=SqliteSaver(connection))

    def run() -> None:
        assert graph.invoke({"n": 0}, thread_config(next(numbers)), durability="sync")["n"] == STEPS

    run()
    done = 1 + load("langgraph_one", run, seconds, 1, [os.getpid()])
    connection.close()
    print(f"langgraph_bytes_a_run {bytes_below(folder) // done}")
    asyncio.run(many(folder, seconds))


main()

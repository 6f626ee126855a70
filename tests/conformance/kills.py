"""Every scenario again, the server killed right after the k-th durable write of a run, for k = 1, 2, 3 ... until it has
no more: output, error and effects are those of a run that nobody disturbed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

MOST_KILLS = 40
# What is measured by the clock, or counted at a moment that a restart moves.
UNFIT = ("should take", "should be a duplicate", "should reach", "should run", "is waiting", "runs of the workflow", "run of the workflow")


def fit(scenario) -> bool:
    texts = [step.text for step in scenario.steps]
    return any("is executed" in text for text in texts) and not any(part in text for text in texts for part in UNFIT)


def fit_ones(scenarios):
    return [one for one in scenarios if fit(one)]


class Keeper(threading.Thread):
    """Starts the server again when it has died."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.stopped, self.deaths = server, False, 0

    def run(self):
        while not self.stopped:
            if self.server.process.process.poll() is not None and not self.stopped:
                self.deaths += 1
                self.server.start()
            time.sleep(0.01)

    def stop(self):
        self.stopped = True
        self.join()


def play_once(scenario, number, k, World, Play, perform):
    world = World({"SIGNALBOX_TEST_DIE_AFTER_COMMIT": str(k)})
    keeper = Keeper(world.server)
    keeper.start()
    try:
        perform(Play(world.server, world.standin, f"k{number}x{k}"), scenario)
        world.check_record()
    finally:
        keeper.stop()
        world.close()
    return keeper.deaths > 0


def play_with_kills(scenarios, World, Play, perform, Failed):
    failures, kills = [], [0]

    def one(numbered):
        number, scenario = numbered
        for k in range(1, MOST_KILLS + 1):
            try:
                if not play_once(scenario, number, k, World, Play, perform):
                    return
                kills[0] += 1
            except Exception as error:
                failures.append((scenario, Failed(f"killed after write {k}: {error}")))
                return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, enumerate(scenarios)))
    print(f"{kills[0]} kills")
    return failures

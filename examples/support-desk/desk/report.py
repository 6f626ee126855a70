"""Shows progress while the demo runs, and prints the report at its end."""

from __future__ import annotations

import math
import shutil
import sys

from .checks import Cascade, Durability, Masking, Money, Routing
from .traffic import Outcome, Progress

ROUTES = ("script", "small", "large", "human")
COLOURS = {"script": 32, "small": 36, "large": 33, "human": 35}


class Ticker:
    """A bar that is drawn over itself on a terminal; a line for every tenth of the way elsewhere."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._live = sys.stdout.isatty()
        self._tenth = -1

    def show(self, end: bool = False) -> None:
        done, total = len(self._progress.outcomes), self._progress.total
        mix = "  ".join(f"{name} {count}" for name, count in self._progress.routes().items())
        if self._live:
            width = max(10, min(40, shutil.get_terminal_size().columns - 68))
            print(f"\r\033[K  {self._bar(width)} {done}/{total}  {mix}", end="\n" if end else "", flush=True)
        elif done * 10 // total > self._tenth:
            self._tenth = done * 10 // total
            print(f"  {done:4}/{total}  {mix}", flush=True)

    def _bar(self, width: int) -> str:
        """One block of colour a route, as long as its share."""
        bar = ""
        drawn = 0
        for name, count in self._progress.routes().items():
            cells = count * width // self._progress.total
            drawn += cells
            bar += f"\033[{COLOURS.get(name, 31)}m{'█' * cells}\033[0m"
        return bar + "░" * (width - drawn)

    def say(self, text: str) -> None:
        print(("\r\033[K" if self._live else "") + text, flush=True)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def head(text: str) -> None:
    print(f"\n{text}")


def routes(outcomes: list[Outcome]) -> None:
    head("Routes (times of the tries that were not interrupted)")
    for name in ROUTES:
        mine = [o for o in outcomes if o.route == name]
        times = [o.seconds * 1000 for o in mine if o.tries == 1]
        share = 100 * len(mine) / max(1, len(outcomes))
        print(
            f"  {name:7} {len(mine):4}  {share:5.1f} %"
            f"   p50 {percentile(times, 0.5):7.1f} ms   p95 {percentile(times, 0.95):7.1f} ms"
        )


def routing(found: Routing) -> None:
    head("Routing, against what a person expected")
    print(f"  as expected     {found.right} of {found.total}: {100 * found.right / max(1, found.total):.1f} %")
    print(f"  wrong script    {len(found.wrong_script)}")
    print(f"  person missed   {len(found.missed_human)}")
    print(f"  needless person {len(found.needless_human)}")
    print(f"  a tier too high {len(found.too_high)} (dearer than need be, not wrong)")


def masking(found: Masking) -> None:
    head("Personal data: sent by customers, of it in messages that a model answered, there in clear")
    for kind in sorted(found.sent):
        print(
            f"  {kind:8} {found.sent[kind]:3}  {found.to_models[kind]:3}"
            f"  {sum(f' {kind} ' in leak for leak in found.leaks):3}"
        )


def cascade(found: Cascade) -> None:
    head("Answers of the small model, looked at before they were given")
    print(f"  looked at {found.looked_at}, given {found.given}, passed on to the large model {found.passed_on}")


def money(found: Money, currency: str) -> None:
    head("Cost")
    print(
        f"  this run {found.total_micro / 1e6:.4f} {currency},"
        f" all by the large model {found.all_large_micro / 1e6:.4f} {currency}"
    )
    print(f"  of it for small answers that did not do {found.rejected_micro / 1e6:.4f} {currency}")


def durability(found: Durability, progress: Progress, seconds_down: float, asked_again: int) -> None:
    interrupted = sum(1 for outcome in progress.outcomes if outcome.tries > 1)
    head("Crash")
    print(
        f"  {progress.kills} x kill -9 under load, back after {seconds_down:.2f} s; "
        f"{interrupted} messages were in flight and sent again, "
        f"{found.repeated_calls} provider calls repeated under the same key"
    )
    print(f"  {asked_again} answers from before the crash asked for again: the same run each")


def faults(name: str, lines: list[str], most: int = 8) -> None:
    for line in lines[:most]:
        print(f"  ! {name}: {line}")
    if len(lines) > most:
        print(f"  ! {name}: and {len(lines) - most} more")

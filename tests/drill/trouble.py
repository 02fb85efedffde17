"""What happens to the gateways while the stations work: kills and outages, spread over the work."""

import argparse
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from processes import Box, Floor, say, until

WORK_MAX_S = 900.0
AWAY_S = 4.0  # of the site, and of the cloud once more
LATE_S = (1.0, 5.0)
BACK_AT = 0.66  # of the work
ANSWER = b'"kind": "quantity"'  # of these it is known beforehand how many there will be


def make(here: Floor, given: argparse.Namespace, stations: subprocess.Popen, notes: Path, office: Callable) -> None:
    """Returns when everything has happened. `office()` waits until the office has done all that it does without a line."""
    expected = given.stations * given.operations * given.count
    happens = [*kills(here, given), (BACK_AT, lambda: line_back(here, office))]
    happens += [*outages(here)] if here.cells else []
    for share, act in sorted(happens, key=lambda one: one[0]):
        done = lambda share=share: stations.poll() is not None or written(notes) >= expected * share  # noqa: E731 -- bound to this share
        until(done, WORK_MAX_S, f"{share:.0%} of the work is done")
        say(f"{share:4.0%}  {act()}")


def kills(here: Floor, given: argparse.Namespace) -> Iterator[tuple[float, Callable[[], str]]]:
    """With three levels every third kill is that of the site, the others those of the cells in turn."""
    for place in range(given.gateway_kills):
        turn = [*here.cells, here.site] if here.cells else [here.site]
        box = turn[place % len(turn)]
        yield (place + 1) / (given.gateway_kills + 1), lambda box=box: killed(box)
    for place in range(given.broker_kills):
        box = here.boxes[place % len(here.boxes)]
        yield (place + 0.5) / given.broker_kills, lambda box=box: f"broker of {box.name} killed: {box.kill_broker()}"


def outages(here: Floor) -> Iterator[tuple[float, Callable[[], str]]]:
    yield 0.25, lambda: gone(here.site)
    yield 0.45, lambda: stopped(here.site)
    yield 0.8, lambda: stopped(here.site)
    yield 0.85, lambda: cloud_away(here)


def killed(box: Box) -> str:
    box.kill()
    return f"{box.name} killed; ready again after {box.start():.1f} s"


def gone(box: Box) -> str:
    box.kill()
    time.sleep(AWAY_S)
    return f"{box.name} killed and away for {AWAY_S:.0f} s; ready again after {box.start():.1f} s"


def stopped(box: Box) -> str:
    box.stand_still()
    time.sleep(AWAY_S)
    box.go_on()
    return f"{box.name} stood still for {AWAY_S:.0f} s"


def cloud_away(here: Floor) -> str:
    here.cloud.away(AWAY_S)
    return f"the cloud is away once more, for {AWAY_S:.0f} s"


def line_back(here: Floor, office: Callable) -> str:
    office()
    late = {"late_delivery": 0.03, "late_min_s": LATE_S[0], "late_max_s": LATE_S[1]}
    here.cloud.ask("faults", {"lose_reply": 0.10, **late})
    here.cloud.away(0)
    return "the line is back: 10 % of the replies are lost after the commit, 3 % of the requests come late"


def all_well(here: Floor) -> None:
    """Nothing is lost any more; returns when the last late request has run."""
    here.cloud.ask("faults", dict.fromkeys(("lose_reply", "late_delivery"), 0))
    time.sleep(LATE_S[1])


def written(notes: Path) -> int:
    return notes.read_bytes().count(ANSWER) if notes.exists() else 0

"""What a turn of the uplink costs while so many job trees wait: the next lane, its end, the watermark. It must not grow with them.

Ratio: a turn at the fewest lanes to one at the most, medians of interleaved rounds. Floor: 0.1 (the logarithm, cold caches, the
collector).
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.cloud.lanes import RECENT_S, Lanes
from gateway.cloud.worth import TRANSITION

SIZES = (1_000, 10_000, 100_000)
TURNS = 2_000
ROUNDS = 5
FLOOR = 0.1


def turn_us(lanes: Lanes, turns: int, now_s: float, seq: int) -> float:
    lanes.next_try_s(now_s)  # they grow old: once for each, whenever that is
    began = time.perf_counter()
    for number in range(turns):
        lane = lanes.next(now_s, beside=(), backlog_max=3, short=False)
        lanes.finished(lane, lane.first)
        lanes.release(lane, now_s)
        lanes.seen([(seq + number, f"job:live-{number % 10}", TRANSITION, 1)], now_s, old=False, suspect=False)
        lanes.next_try_s(now_s)
        lanes.watermark()
    return (time.perf_counter() - began) / turns * 1e6


def waiting(size: int) -> Lanes:
    lanes = Lanes(0, {})
    entries = [(seq, f"job:{seq % size}", TRANSITION, 1) for seq in range(1, 2 * size + 1)]
    lanes.seen(entries, 0.0, old=False, suspect=False)
    return lanes


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--turns", type=int, default=TURNS)
    given = arguments.parse_args()
    taken: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS):
        for size in SIZES:
            taken[size].append(turn_us(waiting(size), given.turns, RECENT_S + 1, 10 * max(SIZES)))
    medians = {size: statistics.median(times) for size, times in taken.items()}
    for size, median in medians.items():
        print(f"{size:>9,} lanes: {median:7.1f} us a turn")
    ratio = medians[min(SIZES)] / medians[max(SIZES)]
    print(f"fewest to most: {ratio:.2f} (floor {FLOOR})")
    return int(ratio < FLOOR)


if __name__ == "__main__":
    raise SystemExit(main())

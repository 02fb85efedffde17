"""How often something took how long: cheap enough for the request path and the writer thread. /metrics makes a histogram of it."""

from bisect import bisect_left
from collections.abc import Sequence


class Tally:
    """`bounds_s`: upper ends of the buckets in seconds, ascending; `counts` has one more, for what took longer. One thread adds."""

    __slots__ = ("bounds_s", "counts", "sum_s")

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def add(self, took_s: float) -> None:
        self.counts[bisect_left(self.bounds_s, took_s)] += 1
        self.sum_s += took_s

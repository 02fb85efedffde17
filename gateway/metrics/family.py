"""One metric with its samples, as prometheus_client takes it. That is imported by who scrapes, not by every start."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from gateway.kernel.tally import Tally

TOTAL = "_total"  # what the name of a counter ends with, and of nothing else
Labels = Sequence[str]


def family(name: str, about: str, labels: Labels, samples: Iterable[tuple[Labels, float]]) -> Any:
    """A counter when its name says so, else a gauge. `samples`: (values of the labels, value)."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 -- paid by who scrapes

    made = (CounterMetricFamily if name.endswith(TOTAL) else GaugeMetricFamily)(name, about, labels=labels)
    for values, value in samples:
        made.add_metric(values, value)
    return made


def single(name: str, about: str, value: float | None) -> Any:
    """Without labels; None: there is nothing to tell now."""
    return family(name, about, (), [] if value is None else [((), value)])


def histogram(name: str, about: str, labels: Labels, tallies: Iterable[tuple[Labels, Tally]]) -> Any:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 -- paid by who scrapes

    made = HistogramMetricFamily(name, about, labels=labels)
    for values, tally in tallies:
        ends = [*map(str, tally.bounds_s), "+Inf"]
        made.add_metric(values, [*zip(ends, accumulate(tally.counts), strict=True)], tally.sum_s)
    return made

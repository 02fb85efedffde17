"""All checks, over the same facts."""

from collections.abc import Iterator, Mapping

from gateway.repairs import machine, network, work
from gateway.repairs.facts import Facts
from gateway.repairs.model import ERROR, Bad, Check, Finding

CHECKS = (*machine.CHECKS, *work.CHECKS, *network.CHECKS)
NONE: Mapping[str, str] = {}


def examined(facts: Facts, ignored: Mapping[str, str] = NONE) -> list[Finding]:
    """The worst first. What cannot be looked at just now is not there. `ignored`: problem -> until when."""
    found = [one for check in CHECKS for one in _findings(check, facts, ignored)]
    return sorted(found, key=lambda one: one.rank)


def unusable(why: str) -> list[Finding]:
    """When the settings cannot be read nothing else can be looked at. `why`: one line for each key."""
    check = next(one for one in CHECKS if one.kind == "config")
    return [
        Finding(check, Bad(line, about=str(number) if number else "", severity=ERROR), line)
        for number, line in enumerate(why.splitlines())
    ]


def _findings(check: Check, facts: Facts, ignored: Mapping[str, str]) -> Iterator[Finding]:
    seen = check.look(facts)
    if isinstance(seen, str):
        yield Finding(check, None, seen)
    for bad in () if seen is None or isinstance(seen, str) else seen:
        found = Finding(check, bad, bad.found)
        yield Finding(check, bad, bad.found, ignored.get(found.id))

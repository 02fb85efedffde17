"""A check: what is looked at, and all that a person is told when it is not well."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.repairs.facts import Facts

Severity = Literal["error", "warning", "info"]
ERROR: Severity = "error"  # it keeps the gateway from working, or puts work at risk
WARNING: Severity = "warning"  # somebody should look at it
INFO: Severity = "info"
_RANK = {ERROR: 0, WARNING: 1, INFO: 2}


@dataclass(frozen=True, slots=True)
class Bad:
    """One problem. `about` tells several of a check apart; `values` are the numbers and names in `found`, for pages in other
    languages; `severity`: other than the check's.
    """

    found: str
    about: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity | None = None


Look = Callable[[Facts], Sequence[Bad] | str | None]


@dataclass(frozen=True, slots=True)
class Fix:
    """A verb of the admin socket that mends it. `takes`: which values of the problem it is given."""

    label: str
    verb: str
    takes: tuple[str, ...] = ()

    def of(self, bad: Bad) -> dict[str, Any]:
        return {"label": self.label, "verb": self.verb, "given": {name: bad.values[name] for name in self.takes}}


@dataclass(frozen=True, slots=True)
class Check:
    """`look` returns the problems, or a few words when all is well, or None when there is nothing to look at just now."""

    kind: str
    title: str
    severity: Severity
    cause: str
    effect: str
    steps: tuple[str, ...]
    look: Look
    fix: Fix | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found. `ignored_until`: somebody knows, ISO 8601."""

    check: Check
    bad: Bad | None
    found: str
    ignored_until: str | None = None

    @property
    def id(self) -> str:
        about = self.bad.about if self.bad else ""
        return f"{self.check.kind}:{about}" if about else self.check.kind

    @property
    def severity(self) -> Severity | None:
        return None if self.bad is None else self.bad.severity or self.check.severity

    @property
    def rank(self) -> int:
        """The worst first; what somebody knows of last but for what is well."""
        if self.severity is None:
            return len(_RANK) + 1
        return len(_RANK) if self.ignored_until else _RANK[self.severity]

    @property
    def needs_you(self) -> bool:
        return self.severity in (ERROR, WARNING) and not self.ignored_until

    def shown(self) -> dict[str, Any]:
        """For JSON. Causes, steps and the like stand there only for a problem."""
        check = self.check
        told: dict[str, Any] = {"id": self.id, "kind": check.kind, "what": check.title, "ok": self.bad is None}
        told["found"] = self.found
        if self.bad is None:
            return told
        return told | {
            "severity": self.severity,
            "about": self.bad.about,
            "values": dict(self.bad.values),
            "cause": check.cause,
            "effect": check.effect,
            "steps": list(check.steps),
            "fix": check.fix and check.fix.of(self.bad),
            "ignored_until": self.ignored_until,
        }

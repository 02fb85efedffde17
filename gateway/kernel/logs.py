"""Logs go to stderr: for people on a terminal, one JSON object a line otherwise. Secrets never get there."""

import asyncio
import json
import logging
import re
import sys
from collections import deque
from collections.abc import Collection, Mapping, MutableMapping
from functools import partial
from typing import Any, Literal

import structlog

from gateway.kernel import following
from gateway.kernel.repeats import Repeats
from gateway.kernel.secrets import kept_back

Format = Literal["auto", "console", "json"]

_SECRET_NAME = re.compile(r"secret|password|token|api_?key|authorization|\bpin\b", re.IGNORECASE)
# Keys and webhook secrets by their beginning, what follows `Bearer`, the password in an address. Without a word boundary in
# front: on a terminal the end of a colour stands there, and that is a letter.
_SECRET_VALUE = re.compile(
    r"(ery_(?:live|test|term)_|whsec_|sealed:1:)[\w+/=-]+|(Bearer )[^\s\"'\\]+|(://[^\s/:@\"']*:)[^\s/@\"']+(?=@)",
    re.IGNORECASE,
)
_NOT_SHOWN = "***"
RECORDS_MAX = 2_000
RECORD_MAX_CHARACTERS = 4_000
VALUE_MAX_CHARACTERS = 1_000
LEVELS = ("debug", "info", "warning", "error")


class Tail:
    """The newest records, for whoever looks at the log of a running gateway. Filled from any thread."""

    def __init__(self) -> None:
        self._records: deque[tuple[int, dict[str, Any]]] = deque(maxlen=RECORDS_MAX)
        self._count = 0
        self._level = self._configured = "info"
        self._hidden: tuple[str, ...] = ()
        self._back: asyncio.TimerHandle | None = None

    def after(self, number: int) -> list[tuple[int, dict[str, Any]]]:
        """(number, record) of those that came later, the oldest first."""
        return [one for one in self._records.copy() if one[0] > number]

    @property
    def level(self) -> str:
        return self._level

    @property
    def configured(self) -> str:
        """The level that it goes back to."""
        return self._configured

    def show(self, level: str, loop: asyncio.AbstractEventLoop, for_s: float) -> None:
        """For a while what is at least so important is logged."""
        if self._back is not None:
            self._back.cancel()
        self._back = loop.call_later(for_s, self._set, self._configured)
        self._set(level)

    def _set(self, level: str) -> None:
        self._level = level
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(_threshold(level)))

    def begin(self, level: str, hidden: tuple[str, ...]) -> None:
        self._level = self._configured = level
        self._hidden = hidden

    def __call__(self, logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A processor: keeps a copy without secrets, passes on what it was given."""
        told = {name: _short(value) for name, value in event.items() if not name.startswith("_")}
        if "exc_info" in told:
            told = dict(structlog.processors.format_exc_info(logger, _method, dict(event)))
            told = {name: _short(value) for name, value in told.items() if not name.startswith("_")}
        told.setdefault("module", getattr(logger, "name", ""))
        line = _values_kept_back(logger, _method, json.dumps(told, default=str, ensure_ascii=False), self._hidden)
        if len(line) > RECORD_MAX_CHARACTERS:
            names = ("timestamp", "level", "event", "module", "request_id")
            line = json.dumps({name: told[name] for name in names if name in told} | {"cut": len(line)}, default=str)
            line = _values_kept_back(logger, _method, line, self._hidden)
        self._count += 1
        self._records.append((self._count, json.loads(line)))
        return event


def _short(value: Any) -> Any:
    return value[:VALUE_MAX_CHARACTERS] + "…" if isinstance(value, str) and len(value) > VALUE_MAX_CHARACTERS else value


class _Named(structlog.PrintLogger):
    """Knows for whom it logs."""

    def __init__(self, *names: Any) -> None:
        super().__init__(sys.stderr)
        self.name = str(names[0]).removeprefix("gateway.") if names else ""


def configure(level: str, style: Format = "auto", tail: Tail | None = None, hidden: Collection[str] = ()) -> None:
    """Set up structlog, and the standard library's loggers behind it. Called once by whoever starts the process. `hidden`: secrets
    that no line may hold, whoever's exception quotes them.
    """
    secrets = tuple({*hidden, *(json.dumps(one, ensure_ascii=False)[1:-1] for one in hidden)})
    people = sys.stderr.isatty() if style == "auto" else style == "console"
    repeats = Repeats()
    shared: list[Any] = [
        following.logged,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [
        _names_kept_back,
        *([] if tail is None else [tail]),
        *(
            [
                structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
            ]  # others show local variables
            if people
            else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        ),
        partial(_values_kept_back, secrets=secrets),
    ]
    threshold = _threshold(level)
    if tail is not None:
        tail.begin(level, secrets)
    structlog.configure(
        processors=[repeats, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_Named,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    handler.addFilter(repeats)
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def _threshold(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _names_kept_back(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What is called like a secret, however deep and of whatever type."""
    for name, value in event.items():
        event[name] = _NOT_SHOWN if _names_a_secret(name, value) else _inside(value)
    return event


def _inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _NOT_SHOWN if _names_a_secret(name, one) else _inside(one) for name, one in value.items()}
    return [_inside(one) for one in value] if isinstance(value, list | tuple) else value


def _names_a_secret(name: object, value: Any) -> bool:
    return value is not None and isinstance(name, str) and _SECRET_NAME.search(name) is not None


def _values_kept_back(_logger: Any, _method: str, line: str, secrets: tuple[str, ...]) -> str:
    """In the finished line: messages, tracebacks, everything."""
    return kept_back(without_secrets(line), secrets)


def without_secrets(text: str) -> str:
    """What looks like a secret is taken out."""
    return _SECRET_VALUE.sub(lambda found: f"{found[1] or found[2] or found[3]}{_NOT_SHOWN}", text)

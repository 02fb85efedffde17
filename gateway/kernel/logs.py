"""Logs go to stderr: for people on a terminal, one JSON object a line otherwise. Secrets never get there."""

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any, Literal

import structlog

Format = Literal["auto", "console", "json"]

_SECRET_NAME = re.compile(r"secret|password|token|api_key|authorization|\bpin\b", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"\b(ery_(?:live|test)_)\w+")
_NOT_SHOWN = "***"


def configure(level: str, style: Format = "auto") -> None:
    """Set up structlog, and the standard library's loggers behind it. Called once by whoever starts the process."""
    people = sys.stderr.isatty() if style == "auto" else style == "console"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = (
        [_without_secrets, structlog.dev.ConsoleRenderer()]
        if people
        else [
            structlog.processors.format_exc_info,
            _without_secrets,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def _without_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in _texts(event):
        event[name] = _NOT_SHOWN if _SECRET_NAME.search(name) else _SECRET_VALUE.sub(rf"\1{_NOT_SHOWN}", value)
    return event


def _texts(event: MutableMapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from [(name, value) for name, value in event.items() if isinstance(value, str)]

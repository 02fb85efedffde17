"""Logs go to stderr: for people on a terminal, one JSON object a line otherwise. Secrets never get there."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog

Format = Literal["auto", "console", "json"]

_SECRET_NAME = re.compile(r"secret|password|token|api_?key|authorization|\bpin\b", re.IGNORECASE)
# Keys and webhook secrets by their beginning, what follows `Bearer`, the password in an address. Without a word boundary in
# front: on a terminal the end of a colour stands there, and that is a letter.
_SECRET_VALUE = re.compile(
    r"(ery_(?:live|test|term)_|whsec_)[\w+/=-]+|(Bearer )[^\s\"'\\]+|(://[^\s/:@\"']*:)[^\s/@\"']+(?=@)", re.IGNORECASE
)
_NOT_SHOWN = "***"


def configure(level: str, style: Format = "auto") -> None:
    """Set up structlog, and the standard library's loggers behind it. Called once by whoever starts the process."""
    people = sys.stderr.isatty() if style == "auto" else style == "console"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [
        _names_kept_back,
        *(
            [structlog.dev.ConsoleRenderer()]
            if people
            else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
        ),
        _values_kept_back,
    ]
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


def _values_kept_back(_logger: Any, _method: str, line: str) -> str:
    """What looks like a secret, in the finished line: messages, tracebacks, everything."""
    return _SECRET_VALUE.sub(lambda found: f"{found[1] or found[2] or found[3]}{_NOT_SHOWN}", line)

"""What must not leave the house. Settings by the names of their keys, texts by the words that the database knows as somebody's."""

import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from gateway.kernel.logs import without_secrets
from gateway.settings import Settings

NOT_SHOWN = "***"
LENGTH_MIN = 3  # shorter words would black out half of every text
_PRIVATE = re.compile(r"secret|passw|pwd|token|key|\bpin\b|credential|user|operator|auth|email", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_QUERY = re.compile(r"(https?://[^\s?\"']+)\?[^\s\"']+")
# Whole values; of people's names each word as well.
_VALUES = """
SELECT username FROM profiles UNION SELECT email FROM profiles UNION SELECT employee_id FROM profiles
UNION SELECT employee_id FROM operators UNION SELECT job_number FROM jobs UNION SELECT customer FROM jobs
UNION SELECT part_number FROM parts UNION SELECT name FROM api_keys UNION SELECT name FROM mcp_authentication_keys
UNION SELECT title FROM issues UNION SELECT url FROM webhooks UNION SELECT username FROM mqtt_publishers
"""
_PEOPLE = "SELECT full_name FROM profiles UNION SELECT full_name FROM operators"


def settings_shown(settings: Settings) -> dict[str, Any]:
    """Every setting; what is or may be a secret or somebody's name is hidden."""
    shown: dict[str, Any] = _hidden(settings.shown())
    return shown


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: NOT_SHOWN if _PRIVATE.search(name) and one else _hidden(one) for name, one in value.items()}
    return [_hidden(one) for one in value] if isinstance(value, list) else value


def secrets_in(settings: Settings) -> set[str]:
    """Their values, to be found wherever a text quotes one."""
    return {one for one in _secrets(settings) if len(one) >= LENGTH_MIN}


def _secrets(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _secrets(getattr(value, field), field)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _secrets(one, str(key))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _secrets(one, name)
    elif isinstance(value, str) and _PRIVATE.search(name):
        yield value


# ------------------------------------------------------------------ words


def words_in(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold()))


def somebodys(connection: sqlite3.Connection, words: Collection[str]) -> set[str]:
    """The names and numbers of the database that may stand in a text of these words."""
    people = [row[0] for row in connection.execute(_PEOPLE)]
    values = (row[0] for row in connection.execute(_VALUES))
    every = (*people, *(word for name in people for word in _WORD.findall(name)))
    return {
        one for source in (every, values) for one in source if one and len(one) >= LENGTH_MIN and _among(one, words)
    }


def _among(value: str, words: Collection[str]) -> bool:
    parts = _WORD.findall(value.casefold())
    return bool(parts) and all(part in words for part in parts)


class Scrub:
    """Takes out what is in `hidden`, whole words only, and whatever looks like a secret."""

    def __init__(self, hidden: Collection[str]) -> None:
        longest_first = sorted(hidden, key=len, reverse=True)
        one = "|".join(re.escape(value) for value in longest_first)
        self._known = re.compile(rf"(?<!\w)(?:{one})(?!\w)", re.IGNORECASE) if hidden else None

    def text(self, text: str) -> str:
        text = _QUERY.sub(rf"\1?{NOT_SHOWN}", without_secrets(text))
        return text if self._known is None else self._known.sub(NOT_SHOWN, text)

    def value(self, value: Any, keep: Collection[str] = ()) -> Any:
        """The same for JSON; what stands under a name of `keep` is ours."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(name): one if name in keep else self.value(one, keep) for name, one in value.items()}
        return [self.value(one, keep) for one in value] if isinstance(value, list | tuple) else value

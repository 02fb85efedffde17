"""The configuration file of this gateway, for whoever looks at it or changes it: where each value comes from, what another text
would change, and keys written into it without touching the rest.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway.kernel.disk import write_whole
from gateway.kernel.errors import BadRequest, Invalid, StartupError
from gateway.settings import CONFIGS, Settings, flat, in_force, load, origins, parsed, unused

TEXT_MAX_CHARACTERS = 200_000
CHANGES_MAX = 50
DEFAULT, GIVEN = "default", "given by the program"
NOT_SHOWN = "***"
_KEY = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")

Check = Callable[[Settings], None]


@dataclass(frozen=True, slots=True)
class Instead:
    """Another file than the one that was named is in force. `why`: for people."""

    file: Path
    why: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """`path` and `data` as on the command line, None where nothing was named; `check` raises StartupError.

    `read` false: what runs was not read from a file (the demo): there is nothing to compare with, nor to write into.
    `instead`: what it was read from, when that is not the file that was named.
    """

    path: Path | None
    data: Path | None
    check: Check
    read: bool = True
    instead: Instead | None = None

    @property
    def file(self) -> Path:
        """The one that is in force, or that would be written."""
        return in_force(self.path) or CONFIGS[0].absolute()

    def shown(self, running: Settings) -> dict[str, Any]:
        """Every value with its origin, secrets hidden; `restart`: keys that a restart would change."""
        if not self.read:
            values = [{"key": key, "value": value, "origin": GIVEN} for key, value in flat(running.shown())]
            return {"file": None, "there": False, "values": values, "restart": [], "error": None}
        came = origins(self.instead.file if self.instead else self.path, self.data)
        values = [
            {"key": key, "value": value, "origin": next(_origins(key, came), DEFAULT)}
            for key, value in flat(running.shown())
        ]
        try:
            restart, error = [one["key"] for one in changed(running, load(self.path, self.data))], None
        except StartupError as exc:
            restart, error = [], exc.message
        return {
            "file": str(self.file),
            "there": self.file.exists(),
            "values": values,
            "restart": restart,
            "error": error,
        }

    def checked(self, text: str) -> dict[str, Any]:
        """Whether this text could be the configuration: `errors` and `warnings`, one sentence each."""
        try:
            settings = self._settings(text)
            self.check(settings)
        except StartupError as exc:
            return {"ok": False, "errors": exc.message.splitlines(), "warnings": []}
        return {"ok": True, "errors": [], "warnings": unused(settings)}

    def diff(self, running: Settings, text: str) -> list[dict[str, Any]]:
        """What it would change: {key, before, after}, secrets hidden. Raises StartupError."""
        return changed(running, self._settings(text))

    def write(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Sets keys (`cloud.url`) in the file, comments stay. Raises Invalid when the whole would not be a configuration.

        `written` false: the file cannot be written; `paste` is what has to stand in it.
        """
        if not self.read:
            raise Invalid("what runs here was not read from a file: `eryxon-gateway run --config FILE` reads one")
        self._settable(changes)
        text = self._with(changes)
        told = self.checked(text)
        if not told["ok"]:
            raise Invalid("; ".join(told["errors"]), [{"field": "changes", "message": one} for one in told["errors"]])
        answer = {"file": str(self.file), "written": True, "keys": sorted(changes), "warnings": told["warnings"]}
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, text.encode())
        except OSError as exc:
            why = f"{self.file} cannot be written ({exc.strerror}): put these lines into it yourself"
            return answer | {"written": False, "why": why, "paste": _lines(changes)}
        return answer

    def _settings(self, text: str) -> Settings:
        if len(text) > TEXT_MAX_CHARACTERS:
            raise BadRequest(f"a configuration of {len(text)} characters: at most {TEXT_MAX_CHARACTERS}")
        return parsed(text, str(self.file), self.data)

    def _settable(self, changes: Mapping[str, Any]) -> None:
        if not 1 <= len(changes) <= CHANGES_MAX:
            raise BadRequest(f"{len(changes)} changes: 1 to {CHANGES_MAX} at once")
        came = origins(self.path, self.data)
        for key in changes:
            if not _KEY.fullmatch(key):
                raise BadRequest(f'"{key}" is no key of the configuration: as "cloud.url"')
            where = next(_origins(key, came), DEFAULT)
            if where not in (DEFAULT, str(self.file)):
                raise Invalid(f"{key} is set by {where}, which wins over the file: change it there")

    def _with(self, changes: Mapping[str, Any]) -> str:
        import tomlkit  # noqa: PLC0415 -- for whoever writes a configuration
        from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 -- as above

        try:
            document = tomlkit.parse(self.file.read_text(encoding="utf-8") if self.file.exists() else "")
        except (OSError, UnicodeDecodeError, TOMLKitError) as exc:
            raise Invalid(f"{self.file} cannot be changed as it is: {exc}") from None
        for key, value in changes.items():
            *sections, name = key.split(".")
            table: Any = document
            for section in sections:
                if section not in table:
                    table[section] = tomlkit.table()
                table = table[section]
                if not isinstance(table, dict):
                    raise Invalid(f'{key}: "{section}" is a value in {self.file}, not a section')
            if value is None:
                table.pop(name, None)
            else:
                table[name] = value
        return tomlkit.dumps(document)


def changed(before: Settings, after: Settings) -> list[dict[str, Any]]:
    """{key, before, after}; a secret is only told to be another."""
    old, new = dict(flat(before.model_dump())), dict(flat(after.model_dump()))
    told_old, told_new = dict(flat(before.shown())), dict(flat(after.shown()))
    return [
        {
            "key": key,
            "before": _hidden(old.get(key), told_old.get(key)),
            "after": _hidden(new.get(key), told_new.get(key)),
        }
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _hidden(value: Any, told: Any) -> Any:
    return (NOT_SHOWN if value.get_secret_value() else "") if isinstance(value, SecretStr) else told


def _origins(key: str, came: Mapping[str, str]) -> Iterator[str]:
    """Also where a section as a whole, or something inside a value, was given."""
    for one, origin in reversed(list(came.items())):
        if one == key or key.startswith(f"{one}.") or one.startswith(f"{key}."):
            yield origin


def _lines(changes: Mapping[str, Any]) -> str:
    """As they would stand in the file."""
    by_section: dict[str, list[str]] = {}
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        by_section.setdefault(section, []).append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(f"[{section}]\n" + "\n".join(lines) for section, lines in by_section.items())

"""The configuration file of this gateway, for whoever looks at it or changes it: where each value comes from, what another text
would change, and keys written into it without touching the rest.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from gateway import sealed
from gateway.kernel.disk import write_whole
from gateway.kernel.errors import BadRequest, Invalid, StartupError
from gateway.kernel.secrets import Secrets
from gateway.settings import CONFIGS, Settings, flat, in_force, load, origins, parsed, unused

if TYPE_CHECKING:  # for whoever writes a configuration
    from tomlkit import TOMLDocument

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
        """Sets keys (`cloud.url`) in the file, secrets sealed, comments stay. Raises Invalid when the whole would not be a
        configuration, StorageFailed when a secret cannot be sealed.

        `written` false: the file cannot be written; `paste` is what has to stand in it.
        """
        if not self.read:
            raise Invalid("what runs here was not read from a file: `eryxon-gateway run --config FILE` reads one")
        self._settable(changes)
        document = self._document()
        self._put(document, changes)
        told = self.checked(document.as_string())
        if not told["ok"]:
            raise Invalid("; ".join(told["errors"]), [{"field": "changes", "message": one} for one in told["errors"]])
        settings, written = self._settings(document.as_string()), copy.deepcopy(dict(changes))
        sealed.seal(written, Secrets(settings.data_dir, settings.credentials))
        self._put(document, written)
        return self._saved(document, written) | {"warnings": told["warnings"]}

    def seal(self) -> dict[str, Any]:
        """Seals the secrets that stand in the file in the clear, comments stay; `keys`: which. Raises Invalid, StorageFailed.

        `written` as in `write`.
        """
        if not self.read or not self.file.exists():
            raise Invalid(f"there is no configuration to seal: {self.file}")
        document = self._document()
        before = self._settings(document.as_string())
        done = sealed.seal(document, Secrets(before.data_dir, before.credentials))
        if self._settings(document.as_string()) != before:  # as read again, with every secret opened
            raise Invalid(
                f"{self.file} would not be the same configuration with its secrets sealed: nothing was changed"
            )
        lines = {key: value for key, value in flat(document.unwrap()) if any(one.startswith(key) for one in done)}
        return self._saved(document, lines) | {"keys": done}

    def _saved(self, document: "TOMLDocument", changes: Mapping[str, Any]) -> dict[str, Any]:
        """`changes`: what is new in it."""
        answer = {"file": str(self.file), "written": True, "keys": sorted(changes)}
        if not changes:
            return answer
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, document.as_string().encode())
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

    def _document(self) -> "TOMLDocument":
        import tomlkit  # noqa: PLC0415 -- for whoever writes a configuration
        from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 -- as above

        try:
            return tomlkit.parse(self.file.read_text(encoding="utf-8") if self.file.exists() else "")
        except (OSError, UnicodeDecodeError, TOMLKitError) as exc:
            raise Invalid(f"{self.file} cannot be changed as it is: {exc}") from None

    def _put(self, document: "TOMLDocument", changes: Mapping[str, Any]) -> None:
        import tomlkit  # noqa: PLC0415 -- for whoever writes a configuration

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

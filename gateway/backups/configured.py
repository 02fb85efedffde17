"""The configuration that is in force as a file of its own: what differs from the defaults, without any secret."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from gateway.kernel.errors import Invalid
from gateway.settings import SECRET_NAME, Settings

_HEAD = "# What was set on {gateway} when the backup was made, from its file and its environment.\n"
_ASKED = "# Secrets are not in here. To be set again: "


def split(settings: Settings) -> tuple[dict[str, Any], dict[str, str]]:
    """(what is set, without secrets, as it would be written; the secrets, each by its way with dots)."""
    written = json.loads(settings.model_dump_json(exclude_defaults=True))
    secrets: dict[str, str] = {}
    kept = _without(written, settings.model_dump(exclude_defaults=True), (), secrets)
    return kept, secrets


def text(gateway: str, kept: Mapping[str, Any], missing: Mapping[str, str]) -> str:
    """As TOML. `missing`: the secrets that are not in it."""
    import tomlkit  # noqa: PLC0415 -- paid by who makes a backup

    asked = f"{_ASKED}{', '.join(sorted(missing))}\n" if missing else ""
    return f"{_HEAD.format(gateway=gateway)}{asked}\n{tomlkit.dumps(kept)}"


def asked(written: str) -> tuple[str, ...]:
    """The secrets that `text` left out."""
    line = next((line for line in written.splitlines() if line.startswith(_ASKED)), None)
    return tuple(line.removeprefix(_ASKED).split(", ")) if line else ()


def read(content: bytes) -> dict[str, Any]:
    """Raises Invalid."""
    try:
        return tomllib.loads(content.decode())
    except ValueError as exc:
        raise Invalid(f"the configuration in the backup cannot be read ({exc})") from None


def put_back(kept: dict[str, Any], secrets: Mapping[str, str]) -> None:
    """The secrets to where they were."""
    for way, value in secrets.items():
        *steps, last = way.split(".")
        section: Any = kept
        for step in steps:
            section = section[int(step)] if isinstance(section, list) else section.setdefault(step, {})
        section[last] = value


def _without(written: Any, found: Any, way: tuple[str, ...], secrets: dict[str, str]) -> Any:
    if isinstance(written, list):
        pairs = zip(written, found, strict=True)
        return [_without(*pair, (*way, str(place)), secrets) for place, pair in enumerate(pairs)]
    if not isinstance(written, dict):
        return written
    kept = {}
    for name, value in written.items():
        inner = found[name]
        if isinstance(inner, SecretStr) or (way[:1] == ("plugins",) and _is_secret(name, inner)):
            shown = inner.get_secret_value() if isinstance(inner, SecretStr) else inner
            secrets[".".join((*way, name))] = shown
        elif value is not None:
            kept[name] = _without(value, inner, (*way, name), secrets)
    return kept


def _is_secret(name: str, value: Any) -> bool:
    return isinstance(value, str) and SECRET_NAME.search(name) is not None

"""The settings of this gateway: one TOML file, and environment variables that win over it.

`GATEWAY_<SECTION>__<KEY>` sets a key (`GATEWAY_HTTP__PORT=9000`, deeper: `GATEWAY_PLUGINS__OPCUA_MIRROR__PORT`). Between the two
are the credentials of the service. This is the only place that reads the environment.
"""

import contextlib
import difflib
import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from gateway import sealed
from gateway.cloud_section import Cloud
from gateway.credentials import SOURCE, settings_in
from gateway.kernel.errors import StartupError
from gateway.kernel.logs import without_secrets
from gateway.kernel.secrets import Secrets
from gateway.sections import (
    Bridge,
    Broker,
    Device,
    Gateway,
    Http,
    Retention,
    Settings,
    Uns,
)
from gateway.sections import Mapping_ as DeviceMapping
from gateway.values import SECRET_NAME, Section, is_loopback

__all__ = [
    "CONFIGS",
    "SECRET_NAME",
    "Bridge",
    "Broker",
    "Cloud",
    "Device",
    "DeviceMapping",
    "Http",
    "Retention",
    "Settings",
    "Uns",
    "Whereabouts",
    "flat",
    "in_force",
    "inherited",
    "is_loopback",
    "load",
    "origins",
    "parsed",
    "passphrase",
    "program",
    "secret_values",
    "supervisor",
    "unused",
    "whereabouts",
]

CONFIGS = (
    Path("gateway.toml"),
    Path("/etc/eryxon-gateway/gateway.toml"),
)  # the first that is there, when none was named
PREFIX = "GATEWAY_"
QUOTED_MIN_CHARACTERS = 6  # of a secret that is looked for in texts
_SEARCHED = ("/usr/sbin", "/usr/local/sbin")  # not on every user's PATH
_TORN = ""  # no section's name
S = TypeVar("S", bound=Section)
_SECRETS = {key.rpartition(".")[2] for key in sealed.SECRET_KEYS}
_CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd's


def load(path: Path | None = None, data: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the file (`path`, or the first of CONFIGS that exists), lay the environment over it, check.

    `data` is the data folder where it was named on the command line. Raises StartupError with file, key, value, way out.
    """
    chosen = in_force(path)
    return _loaded(_read(chosen) if chosen else {}, str(chosen) if chosen else "settings", data, environment)


def in_force(path: Path | None) -> Path | None:
    """The file that is read: `path`, or the first of CONFIGS that exists; None: there is none. Raises StartupError."""
    return path or next(filter(_there, CONFIGS), None)


def parsed(text: str, name: str, data: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """As `load`, of a text that would stand in the file `name`. Raises StartupError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise StartupError(f"{name} is not valid TOML: {exc}") from None
    return _loaded(tree, name, data, environment)


def origins(path: Path | None, data: Path | None, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where each key comes from that is set: `http.port` -> the name of the variable, `--data`, or the file."""
    chosen = in_force(path)
    found = dict.fromkeys(_keys(_read(chosen)), str(chosen)) if chosen else {}
    given = os.environ if environment is None else environment
    folder = _credentials(given)
    found |= {key: SOURCE for key, _ in (settings_in(folder) if folder else ())}
    for name, where, _ in _overrides(given):
        found[".".join(where)] = name
    return found | ({"gateway.data_dir": "--data"} if data is not None else {})


def secret_values(settings: Settings) -> frozenset[str]:
    """What nobody may be shown, wherever a text quotes it; shorter ones than that would black out other words."""
    return frozenset(one for one in _secrets(settings.model_dump()) if len(one) >= QUOTED_MIN_CHARACTERS)


def _secrets(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _secrets(inner, key)
    elif isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, str) and sealed.is_secret(key):
        yield value


def flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """`http.port` and its value; a list is one value."""
    for name, value in tree.items():
        key = f"{above}.{name}".lstrip(".")
        if isinstance(value, Mapping) and value:
            yield from flat(value, key)
        else:
            yield key, value


def _keys(tree: Mapping[str, Any]) -> Iterator[str]:
    return (key for key, _ in flat(tree))


def _loaded(tree: dict[str, Any], name: str, data: Path | None, environment: Mapping[str, str] | None) -> Settings:
    sources: dict[tuple[str, ...], str] = {}
    given = os.environ if environment is None else environment
    folder = _credentials(given)
    for key, text in settings_in(folder) if folder else ():
        where = tuple(key.split("."))
        sources[where] = f"{SOURCE} {key}"
        _put(tree, sources[where], where, _value(text, typed=where[0] != "plugins"))
    for variable, where, text in _overrides(given):
        _put(tree, variable, where, text)
        sources[where] = variable
    if data is not None:
        _put(tree, "--data", ("gateway", "data_dir"), str(data))
    settings, locked = _checked(tree, name, sources), {}
    if sealed.holds_sealed(tree):
        locked = sealed.open_all(tree, Secrets(settings.data_dir, folder))
        settings = _checked(tree, name, sources)
    return _absolute(settings).loaded(folder, locked)


def _checked(tree: dict[str, Any], name: str, sources: Mapping[tuple[str, ...], str]) -> Settings:
    try:
        return Settings.model_validate(tree)
    except ValidationError as exc:
        raise StartupError("\n".join(_told(error, name, sources) for error in exc.errors(include_url=False))) from None


def _absolute(settings: Settings) -> Settings:
    folders = {name: found for name in ("data_dir", "plugins_dir") if (found := getattr(settings.gateway, name))}
    absolute = {name: folder.expanduser().absolute() for name, folder in folders.items()}
    sections: dict[str, Any] = {"gateway": settings.gateway.model_copy(update=absolute)}
    if (folder := settings.backup.folder) is not None:
        sections["backup"] = settings.backup.model_copy(update={"folder": folder.expanduser().absolute()})
    return settings.model_copy(update=sections)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Of a gateway whose settings may be broken: where its data lies and where people look for it. `text`: of the file in force;
    `secrets`: what may not be quoted from it.
    """

    file: Path | None
    text: bytes
    data_dir: Path
    http: Http
    secrets: frozenset[str]


def whereabouts(
    path: Path | None = None, data: Path | None = None, environment: Mapping[str, str] | None = None
) -> Whereabouts:
    """As far as file and environment can be read; what cannot has its default. Never raises."""
    given = os.environ if environment is None else environment
    file, text = path, b""
    with contextlib.suppress(StartupError, OSError):
        file = in_force(path)
        text = file.read_bytes() if file else b""
    tree = _readable(text.decode(errors="replace"))
    torn = tree.pop(_TORN, False)
    for name, where, value in _overrides(given):
        with contextlib.suppress(StartupError):
            _put(tree, name, where, value)
    folder = data or _some(Gateway, tree.get("gateway"), "data_dir").data_dir
    if torn and folder == Gateway().data_dir and (ours := given.get("STATE_DIRECTORY")):
        folder = Path(ours.partition(":")[0])  # systemd's
    http = _some(Http, tree.get("http"), "host", "port", "allow_plain_lan")
    return Whereabouts(file, text, folder.expanduser().absolute(), http, frozenset(_named_secrets(tree)))


def _readable(text: str) -> dict[str, Any]:
    """All of it, or with _TORN the sections that can be read each by itself."""
    with contextlib.suppress(tomllib.TOMLDecodeError):
        return tomllib.loads(text)
    tree: dict[str, Any] = {}
    for section in re.split(r"^(?=\[)", text, flags=re.MULTILINE):
        with contextlib.suppress(tomllib.TOMLDecodeError):
            tree = tomllib.loads(section) | tree
    return tree | {_TORN: True}


def _some(kind: type[S], given: Any, *names: str) -> S:
    """A section of these keys alone; its defaults when they are not good."""
    with contextlib.suppress(ValidationError):
        return kind.model_validate({name: given[name] for name in names if name in given} if given else {})
    return kind()


def _named_secrets(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _named_secrets(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _named_secrets(one, name)
    elif isinstance(value, str) and len(value) >= QUOTED_MIN_CHARACTERS and SECRET_NAME.search(name):
        yield value


def unused(settings: Settings) -> list[str]:
    """What is set and has no effect, one sentence each."""
    sections = settings.plugins.items()
    off = [f"plugins.{name}: enabled = true is missing, so it is off" for name, one in sections if "enabled" not in one]
    return off + [f"{key} does not open: {why}" for key, why in settings.locked.items()]


def supervisor() -> tuple[str, float]:
    """systemd's socket, and within how many seconds it wants to hear from us; empty and 0 without it."""
    return os.environ.get("NOTIFY_SOCKET", ""), int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6


def passphrase() -> str | None:
    """For the secrets of a backup."""
    return os.environ.get("GATEWAY_PASSPHRASE") or None


def inherited() -> dict[str, str]:
    """The environment of a child: without our settings and credentials, which may be secret, and without our line to systemd."""
    ours = (PREFIX, "NOTIFY_", "WATCHDOG_", _CREDENTIALS)
    return {name: text for name, text in os.environ.items() if not name.startswith(ours)}


def program(name: str) -> str | None:
    """Where a program of this machine is."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SEARCHED)))


# ------------------------------------------------------------------ reading


def _credentials(environment: Mapping[str, str]) -> Path | None:
    folder = environment.get(_CREDENTIALS)
    return Path(folder) if folder else None


def _there(path: Path) -> bool:
    """Raises StartupError for the machine's own file when we may not see it: another data folder would be taken."""
    try:
        path.stat()
    except PermissionError as exc:
        if path.is_absolute():
            raise StartupError(f"{path} cannot be looked at ({exc.strerror}): run this as the gateway's user") from None
        return False  # started in a folder of somebody else's, as root's home
    except OSError:
        return False
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise StartupError(
            f"{path} cannot be read ({exc.strerror}): `eryxon-gateway init --config {path}` writes one"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise StartupError(f"{path} is not valid TOML: {exc}") from None


def _overrides(environment: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """(variable, where it belongs, value). Variables without `__` are somebody else's."""
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX) and "__" in name:
            where = tuple(name.removeprefix(PREFIX).lower().split("__"))
            yield name, where, _value(text, typed=where[0] != "plugins")


def _value(text: str, *, typed: bool) -> Any:
    """Lists and tables are written as JSON; a plugin's values too, as nobody here knows their types."""
    if typed and not text.lstrip().startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _put(tree: dict[str, Any], name: str, where: tuple[str, ...], value: Any) -> None:
    section = tree
    for step in where[:-1]:
        inner = section.setdefault(step, {})
        if not isinstance(inner, dict):
            raise StartupError(f'{name}: "{step}" is a value, not a section')
        section = inner
    section[where[-1]] = value


# ------------------------------------------------------------------ saying what is wrong


def _told(error: ErrorDetails, name: str, sources: Mapping[tuple[str, ...], str]) -> str:
    steps = tuple(str(step) for step in error["loc"])
    key = ".".join(steps)
    below = (variable for where, variable in sources.items() if where[: len(steps)] == steps)
    source = next(below, name)
    if error["type"] == "extra_forbidden":
        return f"{source}: unknown key {key}{_nearest(steps)}"
    message = error["msg"].removeprefix("Value error, ")
    if isinstance(error["input"], dict) or _SECRETS.intersection(steps[-1:]):
        return without_secrets(f"{source}: {key}: {message}")
    return without_secrets(f"{source}: {key} = {json.dumps(error['input'], default=str)}: {message}")


def _nearest(steps: tuple[str, ...]) -> str:
    """The key that was probably meant, or all that there are."""
    section: type[BaseModel] = Settings
    for step in steps[:-1]:
        field = section.model_fields.get(step)
        if field is not None:
            section = next((kind for kind in _kinds(field.annotation) if issubclass(kind, BaseModel)), section)
    known = list(section.model_fields)
    close = difflib.get_close_matches(steps[-1], known, n=1, cutoff=0.5)
    return f': did you mean "{close[0]}"?' if close else f"; known here: {', '.join(known)}"


def _kinds(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)

"""The door of a broker of our own: who gets in and what he may do there, whichever broker it is.

What a device may do stands in the settings. Its password is made here; only its hash is kept, in `devices.json` in the
broker's folder. A device gets in when it has both.
"""

import difflib
import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.kernel.clock import Clock, zulu
from gateway.kernel.errors import Conflict, Invalid, NotFound, StorageFailed
from gateway.settings import Settings
from gateway.uns import plan, rights, users
from gateway.uns.rights import Rights
from gateway.uns.topics import Place, Topics
from gateway.values import DeviceName

FOLDER = "broker"  # in the data folder
FILE = "devices.json"
_NAME: TypeAdapter[str] = TypeAdapter(DeviceName)


class Door:
    """`on_change` is called whenever somebody may do more or less than before."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.folder = settings.data_dir / FOLDER
        self._settings = settings
        self._uns = settings.uns
        self.topics = Topics.of(settings, settings.gateway.id)
        self._clock = clock
        self._places: tuple[Place, ...] = ()
        self._rights: dict[str, Rights] | None = None  # as long as nothing has changed
        self._own: dict[str, str] = {}
        self._own_hashes: dict[str, str] = {}
        self.on_change: Callable[[], None] = _nobody

    # ------------------------------------------------------------------ for the broker

    def open(self) -> None:
        """Make the folder, and our own users."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = users.passwords(self.folder)
        if own != self._own:
            self._own, self._own_hashes = own, {name: users.hashed(word) for name, word in own.items()}

    def password(self, user: str) -> str:
        """Of one of our own users; empty before `open`."""
        return self._own.get(user, "")

    def hashes(self) -> dict[str, str]:
        """User -> hash, of everybody who gets in."""
        kept = self._kept()
        defined = (device.id for device in self._uns.device)
        return self._own_hashes | {name: kept[name]["password"] for name in defined if name in kept}

    def rights(self) -> dict[str, Rights]:
        """Of everybody who gets in: who has only a certificate left may do nothing."""
        if self._rights is None:
            kept = self._kept()
            devices = rights.of_devices(self._uns, self.topics, self._places)
            self._rights = rights.OWN | {name: one for name, one in devices.items() if name in kept}
        return self._rights

    def lets_in(self, user: str, password: str) -> bool:
        kept = self.hashes().get(user)
        return kept is not None and users.matches(password, kept)

    @property
    def has_devices(self) -> bool:
        """Whether anybody but ourselves gets in."""
        return len(self.hashes()) > len(self._own_hashes)

    def show(self, places: Iterable[Place]) -> None:
        """The cells that are there now."""
        told = tuple(places)
        if told != self._places:
            before = self.rights()
            self._places, self._rights = told, None
            if self.rights() != before:
                self.on_change()

    # ------------------------------------------------------------------ for people

    def missing(self) -> list[str]:
        """What the settings name and is not there yet."""
        return [one["text"] for one in plan.missing(self._settings, self._places, self._kept())]

    def resolved(self, places: Iterable[Place], nobody: Collection[str]) -> dict[str, Any]:
        """See plan.py."""
        return plan.resolved(self._settings, self.topics, places, self._kept(), nobody)

    def add(self, device: str) -> str:
        """Returns the password, which nobody can ask for again. Raises Conflict, Invalid."""
        if _named(device) in self._kept():
            raise Conflict(f'"{device}" has a password already: `uns devices rotate {device}` makes another')
        return self._set(device)

    def rotate(self, device: str) -> str:
        """Another password; whoever is connected with the old one is thrown out. Raises NotFound."""
        self._require(device)
        return self._set(device)

    def remove(self, device: str) -> None:
        """It gets in no more, and is thrown out. Raises NotFound."""
        kept = self._require(device)
        del kept[device]
        self._keep(kept)

    def listed(self) -> list[dict[str, Any]]:
        """Whoever is defined or has a password."""
        kept = self._kept()
        found = [
            {
                "device": one.id,
                "role": one.role,
                "cells": list(one.cells),
                "commands": list(one.commands),
                "defined": True,
                "since": kept.get(one.id, {}).get("since"),
            }
            for one in self._uns.device
        ]
        nothing: dict[str, Any] = {"role": None, "cells": [], "commands": [], "defined": False}
        known = {one["device"] for one in found}
        return found + [
            {"device": name, **nothing, "since": kept[name]["since"]} for name in sorted(kept) if name not in known
        ]

    def notes(self, device: str) -> list[str]:
        """What keeps this device from getting in, whatever its password."""
        told = []
        names = [one.id for one in self._uns.device]
        if device not in names:
            close = difflib.get_close_matches(device, names, n=1)
            meant = f' (did you mean "{close[0]}"?)' if close else ""
            told.append(
                f'no [[uns.device]] has the id "{device}"{meant}: until the configuration has one and the gateway has '
                "been started again, this password opens nothing"
            )
        if self._settings.broker.mode == "external":
            told.append(
                "[broker] mode is external: give your broker this user, as a line of Mosquitto's password file "
                f"{device}:{self._kept()[device]['password']}"
            )
        return told

    def _set(self, device: str) -> str:
        password = users.new_password()
        made = {"password": users.hashed(password), "since": zulu(self._clock.now())}
        self._keep(self._kept() | {device: made})
        return password

    def _require(self, device: str) -> dict[str, dict[str, str]]:
        kept = self._kept()
        if device not in kept:
            raise NotFound(f'"{device}" has no password: `uns devices list` shows who has, `uns devices add` makes one')
        return kept

    def _kept(self) -> dict[str, dict[str, str]]:
        file = self.folder / FILE
        try:
            found: dict[str, dict[str, str]] = json.loads(file.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise StorageFailed(
                f"{file} cannot be read ({exc}): bring it back, or remove it and add every device anew"
            ) from None
        return found

    def _keep(self, kept: dict[str, dict[str, str]]) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        users.write(self.folder / FILE, json.dumps(kept, indent=1))
        self._rights = None
        self.on_change()


def _named(device: str) -> str:
    try:
        return _NAME.validate_python(device)
    except ValidationError as exc:
        told = exc.errors()[0]["msg"].removeprefix("Value error, ")
        raise Invalid(
            f'"{device}" cannot be the name of a device ({told}): small letters, digits and -, as laser-1'
        ) from None


def _nobody() -> None:
    """Nobody serves: the next start reads the files."""

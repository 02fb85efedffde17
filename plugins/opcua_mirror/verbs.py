"""What `eryxon-gateway opcua` does in the plugin's folder. The mirror looks there at the next login: no restart is needed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def certs(folder: Path, *, renew: bool, names: Sequence[str]) -> dict[str, Any]:
    """Our certificate, made when there is none. The mirror takes a renewed one when it starts next."""
    pki = _pki(folder)
    return {**_shown(pki.own(datetime.now(UTC), renew=renew, names=names)), "file": str(pki.certificate)}


def trust(folder: Path, *, which: str | None, minutes: int | None, remove: bool) -> dict[str, Any]:
    """What is trusted, and what was turned away; `which` is trusted first, or with `remove` not any more."""
    pki = _pki(folder)
    if which is not None:
        (pki.distrust if remove else pki.trust)(which)
    if minutes is not None:
        pki.let_in(minutes, datetime.now(UTC))
    until = pki.open_until()
    return {
        "open_until": until.isoformat() if until > datetime.now(UTC) else None,
        "trusted": [_shown(one) for one in pki.trusted()],
        "rejected": [_shown(one) for one in pki.rejected()],
    }


def add_user(
    folder: Path, *, name: str, role: str, cells: Sequence[str], operator_id: str | None, certificate: str | None
) -> dict[str, Any]:
    """With a password that is shown only now, a new one for somebody who is there; or with the `certificate` in a file."""
    shown = _fingerprint(Path(certificate)) if certificate else ""
    password = _users(folder).add(name, role, cells, operator_id, shown)
    made = {"name": name, "role": role, "cells": [*cells] or ["*"], "operator_id": operator_id}
    return {**made, "certificate": shown} if shown else {**made, "password": password}


def remove_user(folder: Path, *, name: str) -> dict[str, Any]:
    _users(folder).remove(name)
    return {"name": name}


def users(folder: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in one.items() if key not in ("salt", "hash")} for one in _users(folder).shown()]


def _shown(one: Any) -> dict[str, Any]:
    return {"id": one.id, "subject": one.subject, "uri": one.uri, "names": [*one.names], "ends": one.ends.isoformat()}


def _pki(folder: Path) -> Any:
    from plugins.opcua_mirror.pki import Pki  # noqa: PLC0415 -- cryptography is paid by who asks for it

    return Pki(folder)


def _fingerprint(file: Path) -> str:
    from plugins.opcua_mirror.pki import fingerprint_in  # noqa: PLC0415 -- as above

    return fingerprint_in(file)


def _users(folder: Path) -> Any:
    from plugins.opcua_mirror.users import Users  # noqa: PLC0415 -- as above

    return Users(folder)


VERBS: Mapping[str, Callable[..., Any]] = {
    "certs": certs,
    "trust": trust,
    "users.add": add_user,
    "users.remove": remove_user,
    "users.list": users,
}

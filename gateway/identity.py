"""Who this box is: its device id, and the epoch that tells its life before a restore or a clone from the one after."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway import __version__
from gateway.kernel import clock as time_
from gateway.kernel import trail
from gateway.kernel.db import Tx
from gateway.kernel.trail import Act
from gateway.outbox import journal
from gateway.outbox.event import Stamp

MACHINE_ID = Path("/etc/machine-id")
_PUT = "INSERT INTO gateway_state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


@dataclass(frozen=True, slots=True)
class Identity:
    """`first`: this database has never been served before. `cloned`: it was, on another machine.

    `epochs`: all of its lives, each with where the journal ended when it began: what was written before belongs to another.
    """

    device_id: str
    epoch: int
    first: bool
    cloned: bool
    epochs: tuple[tuple[int, int], ...] = ()


def machine(file: Path = MACHINE_ID) -> str:
    """A mark of the machine that does not give its id away; empty where there is none (some containers)."""
    try:
        found = file.read_bytes().strip()
    except OSError:
        return ""
    return hashlib.blake2b(found, digest_size=16, key=b"eryxon-gateway").hexdigest() if found else ""


def establish(tx: Tx, stamp: Stamp, tenant_id: str, here: str) -> Identity:
    """Part of every start. A new epoch at the first one, and whenever the machine is not the one of last time."""
    state: Mapping[str, str] = dict(tx.execute("SELECT key, value FROM gateway_state").fetchall())
    first = "epoch" not in state
    cloned = not first and bool(here) and bool(state.get("machine")) and state["machine"] != here
    device_id, epoch = state.get("device_id", ""), int(state.get("epoch", 0))
    wanted = {"tenant_id": tenant_id, "served_at": time_.text(stamp.now), "version": __version__}
    epochs = _epochs(state)
    if first or cloned:
        device_id = stamp.new_id()
        epoch = max(epoch + 1, int(stamp.now.timestamp()))
        epochs.append((epoch, journal.head(tx)))
        wanted |= _life(epochs, stamp.now)
        if cloned:
            _began(tx, stamp, "gateway.cloned", epoch)
    wanted["device_id"] = device_id
    if here:
        wanted["machine"] = here
    tx.executemany(_PUT, wanted.items())
    return Identity(device_id, epoch, first, cloned, tuple(epochs))


def restored(tx: Tx, stamp: Stamp, here: str, above: int) -> Identity:
    """A backup begins a new life, above its own and above the epoch that stood here. What it finds unsent stands before the new
    life began: the box that made the backup may have sent it.
    """
    state: Mapping[str, str] = dict(tx.execute("SELECT key, value FROM gateway_state").fetchall())
    epochs = _epochs(state)
    epoch = max(int(state.get("epoch", 0)) + 1, above + 1, int(stamp.now.timestamp()))
    epochs.append((epoch, journal.head(tx)))
    wanted = _life(epochs, stamp.now) | ({"machine": here} if here else {})
    tx.executemany(_PUT, wanted.items())
    _began(tx, stamp, "gateway.restored", epoch)
    return Identity(state.get("device_id", ""), epoch, first=False, cloned=False, epochs=tuple(epochs))


def renew(tx: Tx, highest: int, unsent: int, now: datetime) -> int | None:
    """The epoch to go on with when a hub has seen `highest` of this box, or None: this box was replaced.

    Only an epoch that was made without knowing the time is too low by mistake: it is made anew once nothing waits to be sent,
    or the clock is set.
    """
    state: Mapping[str, str] = dict(tx.execute("SELECT key, value FROM gateway_state").fetchall())
    trusted = time_.trusted(now)
    if state.get("epoch_timeless") != "1" or (unsent and not trusted):
        return None
    epoch = max(highest + 1, int(now.timestamp()) if trusted else 0)
    tx.executemany(_PUT, _life([*_epochs(state), (epoch, journal.head(tx))], now).items())
    return epoch


def _began(tx: Tx, stamp: Stamp, action: str, epoch: int) -> None:
    trail.add(tx, stamp.new_id(), stamp.text, Act(trail.BOX, trail.INSIDE, action, json.dumps({"epoch": epoch})))


def _epochs(state: Mapping[str, str]) -> list[tuple[int, int]]:
    """A database from before they were written down has had one life."""
    known = state.get("epochs")
    if known is None:
        return [(int(state["epoch"]), 0)] if "epoch" in state else []
    return [(epoch, began) for epoch, began in json.loads(known)]


def _life(epochs: Sequence[tuple[int, int]], now: datetime) -> dict[str, str]:
    timeless = "0" if time_.trusted(now) else "1"
    return {"epoch": str(epochs[-1][0]), "epochs": json.dumps(epochs), "epoch_timeless": timeless}

"""Who this box is: its device id, and the epoch that tells its life before a restore or a clone from the one after."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.outbox.event import Stamp

MACHINE_ID = Path("/etc/machine-id")
_PUT = "INSERT INTO gateway_state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


@dataclass(frozen=True, slots=True)
class Identity:
    """`first`: this database has never been served before. `cloned`: it was, on another machine."""

    device_id: str
    epoch: int
    first: bool
    cloned: bool


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
    if first or cloned:
        device_id = stamp.new_id()
        epoch = max(epoch + 1, int(stamp.now.timestamp()))
    wanted = {"device_id": device_id, "epoch": str(epoch), "tenant_id": tenant_id, "served_at": time_.text(stamp.now)}
    if here:
        wanted["machine"] = here
    tx.executemany(_PUT, wanted.items())
    return Identity(device_id, epoch, first, cloned)

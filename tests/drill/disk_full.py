"""The drill of the full disk: a gateway on a small tmpfs, with a real Mosquitto and the stand-in cloud, filled again and again
while people book and upload, a machine counts and plans are pulled.

What is refused is refused in its order and with 507, reads go on, bookings live on the ballast; once there is room everything
works again by itself within 30 s. At the end everything that was answered 2xx is there and in the cloud, and the file is sound.
Exit 1 otherwise.
"""

import argparse
import contextlib
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sides
from disk_work import DEVICE, DONE, FULL, Desk, Machine, Shift, Told
from machines import Broker
from plan import fixed, plan
from processes import CLOUD_KEY, GATEWAY, START_MAX_S, Box, Floor, fetch, floor, say, until
from small_disk import MIB, SmallDisk, in_own_namespace, small_disk

STATIONS, OPERATIONS = 3, 4
BALLAST_BYTES = 64 * MIB
LEAVES = 8  # uploads leave this part of the disk, telemetry half of that, plans a quarter
RECOVER_MAX_S = 30.0
DRAIN_MAX_S = 300.0
STATES = itertools.cycle(("running", "idle", "setup", "stopped"))
REPORT_CHARACTERS = 4_000
REPORTS = 40  # bookings that take room, on a disk that has none
CROWDED_EVERY = 5  # cycles, of which one ends with no name left for a file
SHOWN_MAX = 10


class Cycle:
    """One time full, and room again."""

    def __init__(self, box: Box, disk: SmallDisk, desk: Desk, machine: Machine, faults: list[str]) -> None:
        self._box = box
        self._disk = disk
        self._desk = desk
        self._machine = machine
        self._faults = faults
        total = os.statvfs(disk.folder)
        self._reserve = total.f_blocks * total.f_frsize // LEAVES

    def run(self, number: int) -> float:
        """In how many seconds everything worked again."""
        said = ["upload", "telemetry", "plan"]
        for refused in range(1, len(said) + 1):
            self._at(said[:refused], self._reserve * 4 // 5 >> (refused - 1))
        self._no_backup()
        if number % CROWDED_EVERY == 0:
            self._crowded()
        self._to_the_end()
        return self._recovered(self._disk.clear())

    def _at(self, refused: list[str], free_bytes: int) -> None:
        """So much is free: these are refused and the others are not."""
        operation, person = fixed("operation", 0, 0), fixed("person", 0)
        for what, act in (
            ("upload", self._desk.upload),
            ("telemetry", lambda: DONE[0] if self._machine.state(self._box, next(STATES)) else FULL),
            ("plan", lambda: self._desk.plan(0)),
            ("booking", lambda: self._desk.book(operation, person)),
            ("read", self._desk.read),
        ):
            self._disk.leave(free_bytes)
            status = act()
            wanted = (FULL,) if what in refused else DONE
            self._hold(
                status in wanted, f"{what} got {status} with {free_bytes} bytes free, while {refused} are refused"
            )
            told = self._health().get("problems", [])
            self._hold(any("nearly full" in one for one in told), f"health does not say who is refused: {told}")

    def _no_backup(self) -> None:
        """Refused like uploads, and nothing of it is left."""
        done = subprocess.run(
            [GATEWAY, "backup", "create", "--config", self._box.config], capture_output=True, text=True, check=False
        )
        self._hold(done.returncode == 1 and "refused" in done.stderr, f"a backup on a full disk: {done}")
        left = list((self._box.data / "backups").glob(".work-*")) + list((self._box.data / "backups").glob("*.eryxon"))
        self._hold(not left, f"of a refused backup this is left: {left}")

    def _crowded(self) -> None:
        """Room, but no name for another file: rows have theirs already."""
        self._disk.clear()
        self._disk.crowd()
        for what, status in (
            ("upload", self._desk.upload()),
            ("plan", self._desk.plan(0)),
            ("read", self._desk.read()),
        ):
            wanted = (FULL,) if what == "upload" else DONE
            self._hold(status in wanted, f"{what} got {status} without room for another file")
        self._recovered(self._disk.clear())

    def _to_the_end(self) -> None:
        """Bookings find the ballast; when that is eaten, too, they are refused by name, and reads go on."""
        self._disk.fill()
        about = (fixed("operation", 0, 1), fixed("person", 0), REPORT_CHARACTERS)
        self._hold(self._desk.report(*about) in DONE, "a booking did not find the ballast")
        for _ in range(REPORTS):
            self._disk.fill()
            self._desk.report(*about)
            self._hold(self._desk.read() in DONE, "a read failed on a full disk")

    def _recovered(self, began_s: float) -> float:
        """Everything works again by itself."""
        works = {
            "upload": lambda: self._desk.upload() in DONE,
            "telemetry": lambda: self._machine.state(self._box, next(STATES)),
            "plan": lambda: self._desk.plan(0) in DONE,
            "booking": lambda: self._desk.book(fixed("operation", 0, 0), fixed("person", 0)) in DONE,
            "ballast": (self._box.data / "ballast").exists,
            "health": lambda: not self._health().get("problems"),
            "pull": lambda: self._links().get("cloud-pull", {}).get("state") == "up",
            "uplink": lambda: self._links().get("cloud", {}).get("state") == "up",
        }
        while waits := [name for name, is_well in works.items() if not is_well()]:
            if time.monotonic() - began_s > RECOVER_MAX_S:
                self._faults.append(
                    f"{RECOVER_MAX_S:.0f} s after there is room these do not work: {waits}; {self._links()}"
                )
                break
            time.sleep(0.2)
        return time.monotonic() - began_s

    def _health(self) -> dict:
        told = fetch(f"{self._box.url}/healthz", key=self._box.key)
        return told if isinstance(told, dict) else {}

    def _links(self) -> dict:
        return self._health().get("links", {})

    def _hold(self, fact: object, otherwise: str) -> None:
        if not fact:
            self._faults.append(otherwise)


def configure(here: Floor, disk: SmallDisk, broker: Broker) -> Box:
    box = here.site
    box.data = disk.folder / "data"
    above = {"kind": "plain", "url": here.cloud.url, "api_key": CLOUD_KEY, "timeout": "3s"}
    box.configure(broker="external", **above, pull_every="3s", settle_after="2s")
    device = (
        f'[[uns.device]]\nid = "{DEVICE}"\ncells = ["Cell 0"]\nrate_per_s = 1000\nstale_after = "1h"\n'
        f'[[uns.mapping]]\ndevice = "{DEVICE}"\ninput = "counter/good"\nrule = "counter_delta"\n'
        'report = "quantity_good"\nbits = 32\nflush = "1s"\nhold_max = 1000000\n'
    )
    box.config.write_text(box.config.read_text().replace(f"port = {box.mqtt}\n", f"port = {broker.port}\n") + device)
    return box


def drill(here: Floor, disk: SmallDisk, broker: Broker, cycles: int) -> list[str]:
    """What was not as it should be."""
    rows = plan(STATIONS, OPERATIONS, 1)
    here.start_cloud(rows)
    box = configure(here, disk, broker)
    people = here.folder / "people.json"
    people.write_text(json.dumps({"cells": rows["cells"], "profiles": rows["profiles"]}))
    box.command("import", str(people))
    say(f"{box.name} ready after {box.start():.1f} s, on a disk of {os.statvfs(disk.folder).f_blocks // 256} MiB")
    until(lambda: box.holds("api-operations") >= len(rows["operations"]), START_MAX_S, "the plan is pulled")
    told, faults = Told(), []
    machine, desk = Machine(broker.port, told), Desk(box, told, 1)
    press = {"operation_id": fixed("operation", 0, 0), "action": "start", "operator_id": fixed("person", 0)}
    fetch(f"{box.url}/api-operation-lifecycle", press, box.key)
    took_s: list[float] = []
    with contextlib.closing(_Ending(machine)), Shift(box, told, machine, STATIONS, OPERATIONS):
        for number in range(1, cycles + 1):
            took_s.append(Cycle(box, disk, desk, machine, faults).run(number))
            say(
                f"full and room again, {number} of {cycles}: works again after {took_s[-1]:.1f} s, {len(faults)} faults"
            )
    say(f"answers: { {f'{what} {status}': count for (what, status), count in sorted(told.statuses.items())} }")
    return faults + told.wrong + [*_ends(here, box, told)]


class _Ending:
    """The machine leaves after everybody."""

    def __init__(self, machine: Machine) -> None:
        self.close = machine.end


def _ends(here: Floor, box: Box, told: Told) -> Iterator[str]:
    """Everything that was answered is there, once, and both sides say the same; the file is sound."""
    with contextlib.suppress(SystemExit):
        until(lambda: _pieces(box, told) == told.counted - 1, START_MAX_S, "all that was counted is booked")
    if (pieces := _pieces(box, told)) != told.counted - 1:
        yield f"the machine made {told.counted - 1} pieces, {pieces} are booked"
    until(box.drained, DRAIN_MAX_S, f"nothing waits: {box.link()}")
    with contextlib.suppress(SystemExit):
        until(lambda: not _apart(here, box), START_MAX_S, "both sides say the same")
    yield from _apart(here, box)
    cloud = here.cloud.ask("state")
    for table, ids in (("operation_quantities", told.quantities), ("issues", told.issues)):
        there = [row["id"] for row in cloud[table]]
        lost = set(ids) - set(there)
        if lost or len(there) != len(set(there)):
            yield f"{table}: {len(lost)} of {len(ids)} are lost in the cloud, {len(there) - len(set(there))} doubled"
    notes = {row["id"]: row["notes"] for row in cloud["jobs"]}
    yield from (
        f"job {job}: {note!r} was told, {notes.get(job)!r} is there"
        for job, note in told.notes.items()
        if notes.get(job) != note
    )
    with box.read() as connection:
        paths = {row[0] for row in connection.execute("SELECT path FROM files")}
    if missing := set(told.files) - paths:
        yield f"{len(missing)} of {len(told.files)} files that were taken are not there"
    audit = subprocess.run(
        [GATEWAY, "audit", "verify", "--config", box.config], capture_output=True, text=True, check=False
    )
    if audit.returncode:
        yield f"audit verify: {audit.stdout} {audit.stderr}"
    box.end()
    with contextlib.closing(sqlite3.connect(box.database)) as connection:
        if (found := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            yield f"quick_check: {found}"
    say(
        f"{len(told.quantities)} quantities, {len(told.issues)} issues, {len(told.files)} files and {told.counted} counts were "
        "taken"
    )
    say(f"the database has {box.database.stat().st_size // MIB} MiB")


def _pieces(box: Box, told: Told) -> int:
    """Those that the machine has counted and nobody else: its first value is where it began."""
    with box.read() as connection:
        rows = connection.execute(
            "SELECT id, quantity_good FROM operation_quantities WHERE operation_id = ?", (fixed("operation", 0, 0),)
        ).fetchall()
    by_people = set(told.quantities)
    return sum(good for row_id, good in rows if row_id not in by_people)


def _apart(here: Floor, box: Box) -> list[str]:
    with box.read() as connection:
        return sides.apart(connection, [], here.cloud.ask("state"))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cycles", type=int, default=50)
    arguments.add_argument("--disk-mib", type=int, default=192)
    arguments.add_argument("--files", type=int, default=4000, help="that the disk can name")
    arguments.add_argument("--keep", type=Path, help="leave logs in this folder")
    given = arguments.parse_args()
    in_own_namespace()
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="disk-full-")))
        disk = stack.enter_context(small_disk(folder / "disk", given.disk_mib, given.files))
        here = stack.enter_context(floor(folder, 1, 0))
        broker = Broker(folder)
        stack.callback(broker.kill)
        broker.start()
        faults = drill(here, disk, broker, given.cycles)
        for fault in faults[:SHOWN_MAX]:
            say(f"FAULT: {fault}")
        if faults:
            say((here.site.folder / "gateway.log").read_text()[-3000:])
    say(f"{len(faults)} faults" if faults else "passed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""Updates a box that has everything still to send: the version before books it over REST without a cloud, the next sends it.

For a hub and for a plain cloud, once forward (try, begin, start, confirm) and once with a rollback in the middle: the newer version
books too, then the older one is back, books on, and sends all of it. Nothing may be lost, doubled, out of order or without its true
time. Then accidents: the first start of the newer version killed at many moments, a disk that is full, an older version on a newer
database. Exit 1 on anything that is not as it must be.
"""

import argparse
import contextlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cloud"))

from accidents import accidents
from booking import book, people
from floor import differences as from_the_cloud
from offline import differences as from_the_hub
from offline_plain import CloudProcess
from processes import say, until
from tcp import free_port
from versions import ROOT, Box, Version, before, next_one

from gateway.demo import factory

DRAIN_MAX_S = 3_600.0
CLOUD_DELAY_S = 60.0  # the gateway looks for a cloud that was away with growing pauses
# Per lane the hub has heard it in the order in which it happened; each entry once, with the time at which it happened.
_ORDER = """
SELECT count(*) FROM (
  SELECT c.seq, lag(c.seq) OVER (PARTITION BY c.lane ORDER BY h.seq) AS earlier
  FROM hub.events h JOIN main.events c ON c.id = h.id
) WHERE earlier > seq
"""
_TIMES = "SELECT count(*) FROM hub.events h JOIN main.events c ON c.id = h.id WHERE h.occurred_at <> c.occurred_at"
_MISSING = "SELECT count(*) FROM main.events WHERE origin = 'cell' AND type IS NOT NULL AND id NOT IN (SELECT id FROM hub.events)"


class Hub:
    """Another gateway above, of the newer version: it is updated first, as it has to know what those below tell."""

    kind = "hub"

    def __init__(self, folder: Path, version: Version) -> None:
        self._box = Box(folder / "hub", "hub", free_port(), 'kind = "off"')
        self._version = version
        self._box.configure(self._version)

    @property
    def settings(self) -> str:
        names = ", ".join(f'"{cell["name"]}"' for cell in people()["cells"])
        return f'kind = "hub"\nurl = "{self._box.url}"\napi_key = "{self._box.key}"\ncells = [{names}]\ntimeout = "30s"'

    @contextlib.contextmanager
    def there(self) -> Iterator[None]:
        with self._box.serving(self._version):
            yield

    def wrong(self, database: Path) -> list[str]:
        told = from_the_hub(database, self._box.database)
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            connection.execute("ATTACH ? AS hub", (f"file:{self._box.database}?mode=ro",))
            for what, sql in (("out of order", _ORDER), ("with another time", _TIMES), ("missing", _MISSING)):
                if count := connection.execute(sql).fetchone()[0]:
                    told.append(f"{count} entries are {what} at the hub")
        return told


class Plain:
    """The cloud as it is."""

    kind = "plain"

    def __init__(self, folder: Path, _version: Version) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._port, self._people = free_port(), folder / "people.json"
        self._people.write_text(json.dumps(people()))
        self._cloud: CloudProcess | None = None

    @property
    def settings(self) -> str:
        url = f"http://127.0.0.1:{self._port}/functions/v1"
        return f'kind = "plain"\nurl = "{url}"\napi_key = "{factory.CLOUD_KEY}"\nsettle_after = "5s"\npull_every = "1h"'

    @contextlib.contextmanager
    def there(self) -> Iterator[None]:
        command = [sys.executable, "-m", "gateway.demo.cloud", "--load", str(self._people), "--port", str(self._port)]
        command += ["--key", factory.CLOUD_KEY, "--tenant", factory.TENANT_ID]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=Version("cloud", ROOT).environment)
        try:
            self._cloud = CloudProcess(process)
            yield
        finally:
            process.terminate()
            process.wait()

    def wrong(self, database: Path) -> list[str]:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return from_the_cloud(connection, self._cloud)


def _count(database: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def tried(box: Box, new: Version) -> None:
    """While the version before serves."""
    began = time.monotonic()
    told = box.update(new, "try")
    schema = f"schema {told['schema']['from']} to {told['schema']['to']} in {told['migrate_s']} s"
    say(f"  tried in {time.monotonic() - began:.1f} s ({schema}, {told['bytes'] / 1e6:.0f} MB)")


def begun(box: Box, new: Version) -> None:
    began = time.monotonic()
    box.update(new, "begin")
    say(f"  begun in {time.monotonic() - began:.1f} s")


def drained(box: Box, version: Version, above) -> list[str]:
    """Everything goes up. What was wrong."""
    with box.serving(version), above.there():
        link = box.health()["links"]["cloud"]
        began, waited = time.monotonic(), link["pending"]
        while link["pending"]:
            if link["accepted"] != link["sent"] + link["pending"] + link["parked"] + link["skipped"]:
                raise SystemExit(f"the counts do not add up: {link}")
            if time.monotonic() - began > DRAIN_MAX_S:
                raise SystemExit(f"{link['pending']} entries are left: {link}")
            time.sleep(0.2)
            link = box.health()["links"]["cloud"]
        say(f"  {waited:,} entries went up in {time.monotonic() - began:.0f} s, {link['parked']} parked")
        wrong = [f"{link['parked']} entries were refused"] if link["parked"] else []
        if above.kind == "plain":
            until(lambda: not _unsettled(box.database), CLOUD_DELAY_S, "what was in doubt is settled")
            wrong += above.wrong(box.database)
        audit = version.call(box.config, "audit", "verify")
        wrong += [f"the journal is not what was written: {audit.stdout}"] if audit.returncode else []
    return wrong + (above.wrong(box.database) if above.kind == "hub" else [])


def _unsettled(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM cloud_rows WHERE unsettled_until IS NOT NULL").fetchone()[0]


def forward(folder: Path, above, old: Version, new: Version, entries: int) -> list[str]:
    """Booked with the version before, updated, sent by the next."""
    say(f"{above.kind}: {entries:,} entries with {old.name}, then forward")
    box = Box(folder / "cell", "cell", free_port(), above.settings)
    box.configure(old, people())
    with box.serving(old):
        booked(box, "old", entries)
        tried(box, new)
    begun(box, new)
    with box.serving(new):
        box.update(new, "confirm")
        say(f"  ready after {box.starts[-1]:.1f} s, confirmed")
    return drained(box, new, above)


def there_and_back(folder: Path, above, old: Version, new: Version, entries: int) -> list[str]:
    """The newer version books too, is rolled back, and the older one books on and sends all."""
    say(f"{above.kind}: {entries:,} entries with {old.name}, then forward and back")
    box = Box(folder / "cell", "cell", free_port(), above.settings)
    box.configure(old, people())
    with box.serving(old):
        booked(box, "old", entries // 2)
        tried(box, new)
    begun(box, new)
    with box.serving(new):
        booked(box, "new", entries // 4)
    refused = old.call(box.config, "status")
    wrong = [] if refused.returncode and "update rollback" in refused.stderr else [f"an older version on it: {refused}"]
    head, began = _count(box.database, "events"), time.monotonic()
    back = box.update(new, "rollback")
    say(f"  rolled back to schema {back['schema']['to']} in {time.monotonic() - began:.1f} s, {back['rows']:,} rows")
    say(f"  no place in the older one: {back['left'] or 'nothing'}")
    if _count(box.database, "events") != head or back["refused"] or back["parked"]:
        wrong.append(f"a rollback left something behind: {back}")
    with box.serving(old):
        booked(box, "back", entries // 4)
    return wrong + drained(box, old, above)


def booked(box: Box, shift: str, entries: int) -> None:
    began = time.monotonic()
    requests = book(box, shift, entries)
    took = time.monotonic() - began
    link = box.health()["links"]["cloud"]
    say(f"  {requests:,} requests in {took:.0f} s; {link['pending']:,} entries wait, {link['sent']:,} were sent")


ROUNDS = {
    "hub": (Hub, forward),
    "hub-back": (Hub, there_and_back),
    "plain": (Plain, forward),
    "plain-back": (Plain, there_and_back),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=100_000, help="journal entries that wait, to a hub")
    arguments.add_argument("--plain-events", type=int, help="the same, to a plain cloud; a fifth of --events")
    arguments.add_argument("--from", dest="revision", help="a commit; the one before HEAD")
    arguments.add_argument("--only", choices=[*ROUNDS, "accidents"], action="append", help="may be repeated")
    given = arguments.parse_args()
    plain = given.plain_events or given.events // 5
    with tempfile.TemporaryDirectory(prefix="upgrade-") as name:
        folder = Path(name)
        old = before(given.revision, folder / "old")
        new = next_one(folder / "new", old)
        wrong = []
        for title, (above, round_) in ROUNDS.items():
            if not given.only or title in given.only:
                place = folder / title
                entries = given.events if above is Hub else plain
                found = round_(place, above(place, new), old, new, entries)
                wrong += [f"{title}: {one}" for one in found]
        if not given.only or "accidents" in given.only:
            wrong += accidents(folder / "accidents", old, new, min(given.events, 20_000))
        print(*wrong[:20] or ["all there, all sent, none twice, in order, with its true time"], sep="\n")
        return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())

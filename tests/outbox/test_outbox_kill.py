"""kill -9 in the middle of writing, again and again: what was acknowledged is there, whole, and no way out forgets."""

import random
import subprocess
import sys
import time
from pathlib import Path

from ledger import booking, opened, position, seqs

from gateway.outbox import journal
from gateway.outbox.receipts import Receipt, request_hash

ROUNDS = 6
PROCESS = Path(__file__).parent / "booking_process.py"
ENOUGH = 40  # lines after which it may die


def killed_at_work(folder: Path, round_: int, rng: random.Random) -> list[list[str]]:
    """What the process said before it was killed, at some moment while it was writing."""
    lines: list[list[str]] = []
    with subprocess.Popen(
        [sys.executable, str(PROCESS), str(folder), str(round_)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.split(maxsplit=1))
                if len(lines) == ENOUGH:
                    break
            time.sleep(rng.uniform(0, 0.15))
        finally:
            process.kill()
        # the last line may be torn: it was promised to nobody
        lines += [line.split(maxsplit=1) for line in process.stdout if line.endswith("\n")]
    assert len(lines) >= ENOUGH, "it did not get to work"
    return [[word, rest.strip()] for word, rest in lines]


def state(connection) -> tuple[list[str], list[str], list[str], list[int]]:
    """(rows, rows that the journal tells of, receipts, seqs)."""
    return (
        [row[0] for row in connection.execute("SELECT id FROM cells ORDER BY rowid")],
        [row[0] for row in connection.execute("SELECT data ->> 'name' FROM events ORDER BY seq")],
        [row[0] for row in connection.execute("SELECT key FROM receipts ORDER BY id")],
        seqs(connection),
    )


async def test_what_was_acknowledged_survives_every_kill_and_rows_journal_and_receipts_agree(tmp_path):
    rng = random.Random(9)
    acknowledged: list[str] = []
    delivered: set[int] = set()
    for round_ in range(ROUNDS):
        told = killed_at_work(tmp_path, round_, rng)
        acknowledged += [rest for word, rest in told if word == "booked"]
        delivered |= {int(rest) for word, rest in told if word == "delivered"}
        assert (tmp_path / "lock").stat().st_size > 0, "it did not end in order"
        async with opened(tmp_path) as db:
            rows, journalled, kept, numbers = await db.read(state)
            at = await db.read(position, "uns")
        assert set(acknowledged) <= set(rows), "nothing acknowledged is lost"
        assert rows == journalled == kept, "they were committed together, in one order"
        assert numbers == list(range(1, len(numbers) + 1)), "without a hole"
        assert not any("refused" in row for row in rows), "nothing that was refused is there"
        assert delivered >= set(range(1, at + 1)), "a position never claims what was not handed over"
        async with opened(tmp_path) as db:
            assert [entry.seq for entry in await db.read(journal.after, at, 100_000)] == numbers[at:]
    async with opened(tmp_path) as db:
        again = [booking(db).book(Receipt("rest:kill", name, request_hash(name)), name) for name in acknowledged]
        for answer in again:
            assert (await answer).replayed, "who asks again gets the first answer"
        assert len((await db.read(state))[0]) == len(rows)

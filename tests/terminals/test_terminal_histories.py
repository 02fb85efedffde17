"""Whatever three people tap on four operations: nobody's time runs twice, work stands when nobody is on it, and times add up."""

import random

import pytest
from station import ANNA, BEN, CEM, LASER

from gateway.operations.time_entries import store

TAPS = 150
RUNNING = "SELECT operator_id, count(*) FROM time_entries WHERE end_time IS NULL AND is_paused = 0 GROUP BY 1 HAVING count(*) > 1"
STATES = """
SELECT o.status, coalesce(sum(t.end_time IS NULL AND t.is_paused = 0), 0), coalesce(sum(t.end_time IS NULL), 0)
FROM operations o LEFT JOIN time_entries t ON t.operation_id = o.id GROUP BY o.id
"""


def counted(connection):
    ids = [row[0] for row in connection.execute("SELECT id FROM operations ORDER BY id")]
    return [store.counted_s(connection, one) for one in ids]


@pytest.mark.parametrize("seed", range(2))
async def test_a_shift_of_random_taps(hall, seed):
    rng = random.Random(seed)
    operations = [(await hall.job(f"J-{n}", LASER))[0] for n in range(4)]
    terminals = [await hall.terminal("Laser 1"), await hall.terminal("Laser 2")]
    sessions = [(terminal, await terminal.sign_in(who)) for terminal in terminals for who in (ANNA, BEN, CEM)]
    done = {200: 0, 400: 0, 409: 0}
    for _ in range(TAPS):
        terminal, session = rng.choice(sessions)
        kind = rng.choices(("start", "pause", "resume", "finish", "report"), (5, 4, 4, 1, 2))[0]
        payload = {}
        if kind == "start":
            payload = {"join": rng.random() < 0.6}
        if kind in ("start", "resume") and rng.random() < 0.5:
            payload["pause_other"] = rng.choice(operations)
        if kind == "finish":
            payload = {"good": 1, "confirmed": ["under_plan", "over_plan"]}
        if kind == "report":
            payload = {"good": 1}
        late = rng.choice((0, 0, 20_000))
        reply = await terminal.tap(kind, rng.choice(operations), payload, session=session, age_ms=late)
        done[reply.status] += 1
        assert await hall.query(RUNNING) == []
        for status, running, open_ in await hall.query(STATES):
            assert (status == "in_progress") is (running > 0), (kind, status, running)
            assert status != "completed" or open_ == 0
        await hall.clock.advance(rng.choice((1, 30, 60)))
    assert min(done.values()) > TAPS // 20, done
    stored = [row[0] for row in await hall.query("SELECT actual_time_s FROM operations ORDER BY id")]
    assert stored == await hall.gateway.db.read(counted)

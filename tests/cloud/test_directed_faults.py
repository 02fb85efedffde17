"""Each kind of accident at each request of a shift that has every kind of mutation: in the end both sides say the same."""

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from floor import differences
from shift import Accident, Shift

AT_A_TIME = 10  # shops beside each other: they wait more than they work
SETTLE_AFTER_S = 0.8  # far above LATE_S: a machine with other work delivers late requests later still
LATE_S = {"late_min_s": 0.03, "late_max_s": 0.2}
OTHERS = ("truncated_body", "duplicate", "error_500", "error_503", "boot_error", "database_away")
SAMPLE = 5  # places
HOURS_AGO = 9


@dataclass(frozen=True)
class Way:
    """How a shift reaches the cloud: told as it happens, told late step by step, or told late in one go."""

    name: str
    late: bool
    step_by_step: bool


FRESH, LATE, OFFLINE = Way("fresh", False, True), Way("late", True, True), Way("offline", True, False)


Case = tuple[Way, str, int] | tuple[Way, str, int, int]  # way, accident, place, how often in a row


async def shift_with(
    folder: Path, pulled: Path, way: Way, fault: str, place: int, times: int = 1
) -> tuple[Accident, list[str]]:
    """The accident, and what is wrong afterwards."""
    cloud = stand_in(PLANNED_AT, seed=place)
    cloud.faults = accident = Accident(fault=fault, place=place, times=times, **LATE_S)
    began = datetime.now(UTC) - timedelta(hours=HOURS_AGO) if way.late else None
    async with shop_of(folder, cloud, pulled) as shop:
        shift = Shift(shop, began)
        if way.step_by_step:
            async with shop.online(settle_after_s=SETTLE_AFTER_S):
                await shift.work(shop.sent)
                await shop.drained()
        else:
            await shift.work(lambda: asyncio.sleep(0))
            async with shop.linked(settle_after_s=SETTLE_AFTER_S):
                await shop.drained()
        wrong = await shop.db.read(differences, cloud)
        parked = await shop.ask("SELECT seq, reason FROM event_parked")
    return accident, wrong + [f"parked: {one}" for one in parked]


async def all_well(folder: Path, pulled: Path, cases: list[Case]) -> None:
    room = asyncio.Semaphore(AT_A_TIME)
    missed = 0

    async def one(number: int, case: Case) -> str:
        nonlocal missed
        async with room:
            try:
                accident, wrong = await shift_with(folder / str(number), pulled, *case)
            except AssertionError as exc:
                return f"{case}: {exc}"
            missed += not accident.met
            return f"{case} ({accident.met}): {wrong}" if wrong else ""

    told = await asyncio.gather(*(one(number, case) for number, case in enumerate(cases)))
    assert [one for one in told if one] == []
    assert (
        missed <= len(cases) // 5
    )  # what is folded differs a little from run to run: the last places are not always there


async def places(folder: Path, pulled: Path, way: Way) -> int:
    """How many requests that change something a quiet shift takes; it has to be right as well."""
    accident, wrong = await shift_with(folder / f"quiet-{way.name}", pulled, way, "", 0)
    assert wrong == []
    return accident.seen


@pytest.mark.parametrize("first", [1, 2])
async def test_a_shift_that_is_told_as_it_happens_survives_silence_at_every_request(tmp_path, pulled, first):
    """In turn the answer is lost, and the request arrives late; both halves together are every place."""
    count = await places(tmp_path, pulled, FRESH)
    faults = ("late_delivery", "lose_reply")
    cases = [(FRESH, faults[place // 2 % 2], place, 1 + place // 4 % 2) for place in range(first, count + 1, 2)]
    await all_well(tmp_path, pulled, cases)


@pytest.mark.parametrize("way", [LATE, OFFLINE], ids=lambda way: way.name)
async def test_a_shift_that_is_told_late_survives_both(tmp_path, pulled, way):
    count = await places(tmp_path, pulled, way)
    rng = random.Random(way.name)
    faults = ("lose_reply", "late_delivery")
    cases = [(way, fault, place) for fault in faults for place in rng.sample(range(1, count + 1), SAMPLE)]
    await all_well(tmp_path, pulled, cases)


async def test_every_other_accident_is_survived_on_every_way(tmp_path, pulled):
    rng = random.Random(3)
    cases: list[Case] = []
    for way in (FRESH, LATE, OFFLINE):
        count = await places(tmp_path, pulled, way)
        cases += [(way, fault, rng.randint(1, count), rng.choice((1, 1, 2))) for fault in OTHERS]
        cases += [(way, "false_402", rng.randint(1, 4))]  # only creates can meet it, and those come first
    await all_well(tmp_path, pulled, cases)

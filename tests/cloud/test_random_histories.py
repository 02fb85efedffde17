"""Whatever happens on the floor, and whatever happens on the way: in the end the cloud says what the floor says."""

import asyncio
import random

import pytest
from floor import Floor, differences

ACTS = 120
FAULTS = {
    "quiet": {},
    "lossy": {"lose_reply": 0.1, "late_delivery": 0.05, "late_min_s": 0.05, "late_max_s": 0.4, "duplicate": 0.05},
    "sick": {
        "error_500": 0.1,
        "error_503": 0.05,
        "truncated_body": 0.1,
        "boot_error": 0.03,
        "false_402": 0.1,
    },
}


async def play(shop, floor: Floor, rng: random.Random, faults: dict[str, float], linked=None) -> None:
    """A shift in stretches: with the line, without it, with a cloud that is away, and with a gateway that was restarted."""
    linked = linked or shop.linked
    for name, value in faults.items():
        setattr(shop.cloud.faults, name, value)
    done = 0
    while done < ACTS:
        stretch = rng.randint(5, 30)
        done += stretch
        match rng.choice(("linked", "cut", "away")):
            case "linked":
                async with linked():
                    for _ in range(stretch):
                        await floor.act()
                        await asyncio.sleep(rng.choice((0, 0, 0.05)))
            case "cut":
                for _ in range(stretch):
                    await floor.act()
            case "away":
                async with linked():
                    shop.cloud.go_away()
                    for _ in range(stretch):
                        await floor.act()
                    shop.cloud.come_back()


@pytest.mark.parametrize("weather", FAULTS)
@pytest.mark.parametrize("seed", [1, 2])
async def test_in_the_end_both_sides_say_the_same(shop, weather, seed):
    async with shop.linked():
        await shop.pulled()
    floor = Floor(shop, seed)
    await play(shop, floor, random.Random(seed), FAULTS[weather])
    shop.cloud.faults.change(**dict.fromkeys(FAULTS[weather], 0))  # what was handed over late still arrives
    async with shop.linked():
        await shop.drained()
        assert await shop.db.read(differences, shop.cloud) == []
    assert len(floor.acted) > 9, floor.acted

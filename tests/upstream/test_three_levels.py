"""Two cells below a site below the cloud: whatever happens in them and whichever line is cut, in the end all say the same."""

import asyncio
import random

import pytest
from firm import firm
from floor import FORWARDED, Floor, differences
from levels import Level, until

ACTS = 150
# What a cell cannot see of work in another: seconds, and what only rules ask for.
OF_THE_OTHER = ("moved_at", "actual_time_s", "actual_duration_s", "status_before_hold")


@pytest.mark.parametrize("seed", [1, 2])
async def test_in_the_end_all_three_levels_say_the_same(tmp_path, seed):
    async with firm(tmp_path) as here:
        floors = []
        for place, (name, cell) in enumerate(here.cells.items()):
            ((own,),) = await cell.ask("SELECT id FROM cells WHERE name = ?", name)
            floors.append(Floor(cell, 10 * seed + place, name.lower(), frozenset((own,))))
        rng = random.Random(seed)
        for _ in range(ACTS):
            await rng.choice(floors).act()
            if rng.random() < 0.06:
                line = rng.choice(here.lines)
                line.cut() if line.whole else line.mend()
            await asyncio.sleep(rng.choice((0, 0, 0.05)))
        for line in here.lines:
            line.mend()
        await until(here.drained, "all is up", here.stand)
        wrong = await here.site.db.read(differences, here.cloud)
        print(*wrong, sep="\n")
        assert wrong == []
        await until(here.told, "all is told", here.stand)
        site = await here.site.rows(*FORWARDED)
        for cell in here.cells.values():
            apart = await told_apart(cell, site)
            print(*apart, sep="\n")
            assert apart == []


async def told_apart(cell: Level, site: dict) -> list[str]:
    """Rows of the cell that the site has otherwise."""
    there = {table: {row["id"]: row for row in rows} for table, rows in site.items()}
    apart = []
    for table, rows in (await cell.rows(*FORWARDED)).items():
        for row in rows:
            other = there[table].get(row["id"])
            if other is None:
                apart.append(f"{table} {row['id']} is not at the site")
            elif not (row.get("deleted_at") and other.get("deleted_at")):  # of those only that they are gone is told
                apart += [
                    f"{table} {row['id']} {name}: {value!r} in the cell, {other[name]!r} at the site"
                    for name, value in row.items()
                    if name not in OF_THE_OTHER and value != other[name]
                ]
    return apart

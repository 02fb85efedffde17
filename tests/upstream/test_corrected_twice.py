"""A row that is changed twice before anything goes up is told as it is now, by two entries: each has to make sense alone."""

import re

from hall import ANNA, LASER
from levels import level, line_to, until

from gateway.hub.raw import TABLES, TOGETHER

SUM = "SELECT quantity_produced, quantity_good, quantity_scrap, quantity_rework FROM operation_quantities WHERE id = ?"


async def test_a_quantity_that_is_corrected_twice_while_the_line_is_cut(tmp_path):
    async with level(tmp_path / "site", "site") as site:
        await site.furnished()
        async with line_to(site.url) as line:
            cloud = {"kind": "hub", "url": f"http://127.0.0.1:{line.port}", "api_key": await site.key_for("cell")}
            cloud |= {"cells": ["Laser"], "timeout": "5s"}
            async with level(tmp_path / "cell", "cell", cloud=cloud) as cell:
                await until(lambda: cell.knows("cells", LASER), "the plan")
                operation = (await cell.job("J-1", LASER))["parts"][0]["operations"][0]["id"]
                given = {"operation_id": operation, "recorded_by": ANNA, "quantity_good": 9, "quantity_scrap": 2}
                made = (await cell.done("POST", "/api-operation-quantities", given))["operation_quantity"]["id"]
                await until(cell.drained, "sent")
                line.cut()
                for given in ({"quantity_good": 7}, {"quantity_scrap": 5}, {"quantity_rework": 1}):
                    await cell.done("PATCH", f"/api-operation-quantities?id={made}", given)
                line.mend()
                await until(cell.drained, "sent, and nothing of it refused")
                assert await site.ask(SUM, made) == await cell.ask(SUM, made) == [(13, 7, 5, 1)]


async def test_columns_that_a_constraint_holds_together_go_together(tmp_path):
    """A list of ours beside the schema: it has to know every constraint over several columns."""
    async with level(tmp_path / "site", "site") as site:
        for table in TABLES:
            names = {row[0] for row in await site.ask("SELECT name FROM pragma_table_info(?)", table)}
            for check in await _checks(site, table):
                if len(found := names.intersection(re.findall(r"\w+", check))) > 1:
                    assert TOGETHER.get(table) == found, check


async def _checks(site, table: str) -> list[str]:
    """What stands between the brackets of each CHECK."""
    text = (await site.ask("SELECT sql FROM sqlite_schema WHERE name = ?", table))[0][0]
    found = []
    for begin in re.finditer(r"\bCHECK \(", text):
        depth, end = 1, begin.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        found.append(re.sub(r"'[^']*'", "", text[begin.end() : end - 1]))
    return found

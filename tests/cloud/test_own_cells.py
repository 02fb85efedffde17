"""[cloud] cells by name: a cell that the office gives another name stays ours, over restarts too."""

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from session_shop import ASSEMBLY, cloud_with_user, in_mode, office, one, signed_in
from session_shop import rounds as feed_rounds
from shift import LASER
from test_pull import pulling, rounds

from gateway.cloud.own_cells import own

LATER = "Assembly, later"


@pytest.mark.parametrize(
    ("wanted", "known", "ids", "missing"),
    [
        (("*",), {}, None, ()),
        (("Laser",), {}, {"l"}, ()),
        (("l",), {}, {"l"}, ()),
        (("Old",), {}, set(), ("Old",)),
        (("Old",), {"Old": ["s"]}, {"s"}, ()),  # it was called so
        (("Laser",), {"Laser": ["s"]}, {"l"}, ()),  # somebody else is called so now
        (("Old",), {"Old": ["gone"]}, set(), ("Old",)),
        (("Twin",), {}, {"t", "u"}, ()),  # [U] two cells of one name
    ],
)
def test_which_cells_are_meant(wanted, known, ids, missing):
    found = own(wanted, {"l": "Laser", "s": "Saw", "t": "Twin", "u": "Twin"}, known)
    assert (found.ids, found.missing) == (ids if ids is None else frozenset(ids), missing)


def test_one_that_is_not_there_for_a_while_is_not_forgotten():
    away = own(("Old",), {"l": "Laser"}, {"Old": ["s"]})
    assert away.found == {"Old": ["s"]}
    assert own(("Old",), {"s": "Saw"}, away.found).ids == {"s"}


async def test_a_renamed_cell_is_still_read_and_still_ours(tmp_path):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT)) as shop:
        for name in ("Assembly", LATER):
            async with pulling(shop, cells=("Assembly",)):
                await shop.until(lambda c: c.execute("SELECT count(*) FROM operations").fetchone()[0], "pulled")
                if name != LATER:
                    await rounds(shop)
                    await shop.in_the_office("cells", ASSEMBLY, name=LATER)
                await rounds(shop)
                assert shop.health.link("cloud-pull").state == "up"
        operation = next(row["id"] for row in shop.cloud.rows("operations") if row["cell_id"] == ASSEMBLY)
        await shop.in_the_office("operations", operation, status="on_hold")  # somebody else, in a cell of ours
        async with pulling(shop, cells=("Assembly",)):
            sql = "SELECT resolution FROM cloud_conflicts WHERE row_id = ?"
            await shop.until(lambda c: c.execute(sql, (operation,)).fetchone(), "it is told")


async def test_a_box_that_has_never_seen_the_cell_by_that_name_says_so(tmp_path):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT)) as shop:
        await shop.in_the_office("cells", ASSEMBLY, name=LATER)
        async with pulling(shop, cells=("Assembly",)):
            link = shop.health.link("cloud-pull")
            await shop.until(lambda _: link.tried and link.state == "down", "down")
        assert "no cell Assembly" in link.error


async def test_by_a_users_session_as_well(tmp_path):
    async with shop_of(tmp_path / "shop", cloud_with_user()) as shop:
        async with signed_in(shop, cells=("Laser",)):
            await in_mode(shop, "B")
            await shop.until(lambda c: c.execute("SELECT count(*) FROM operations").fetchone()[0], "pulled")
            office(shop, "cells", LASER, name="Laser 2000")
            await feed_rounds(shop)
        async with signed_in(shop, cells=("Laser",)):
            await in_mode(shop, "B")
            await feed_rounds(shop)
            assert shop.health.link("cloud-pull").state == "up"
            assert await one(shop, "cells", LASER, "name") == "Laser 2000"

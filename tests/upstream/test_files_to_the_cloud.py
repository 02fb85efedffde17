"""Files of a cell, through its site, to the cloud: once, and what is deleted in the cell is deleted there. Paths come down."""

from firm import LASER, firm
from levels import until
from photos import counted, drawing, images, photograph, picture

from gateway.demo.cloud_storage import ISSUES, PART_IMAGES


async def operation_of(cell):
    """(operation, part) of the cell's own plan."""
    sql = "SELECT o.id, o.part_id FROM operations o JOIN cells c ON c.id = o.cell_id WHERE c.name = ? ORDER BY o.id LIMIT 1"
    return (await cell.ask(sql, LASER))[0]


def there(cloud, part):
    """The images that the cloud lists for a part, as bytes."""
    return sorted(
        cloud.storage.objects[PART_IMAGES, path].data for path in cloud.row("parts", part)["image_paths"] or ()
    )


def files(cloud, table, row, column):
    return [cloud.storage.objects[ISSUES, path].data for path in cloud.row(table, row)[column] or ()]


async def test_all_that_a_cell_lists_is_in_the_cloud_once_however_the_lines_are_cut(tmp_path):
    async with firm(tmp_path) as here:
        cell, (above, laser, _) = here.cells[LASER], here.lines
        operation, part = await operation_of(cell)
        laser.cut()
        paths = [await photograph(cell, part, picture(str(number), 100_000)) for number in range(3)]
        plan, proof = (
            await drawing(cell, "plan.pdf", b"%PDF-1.7\nplan"),
            await drawing(cell, "proof.pdf", b"%PDF-1.7\nproof"),
        )
        await cell.done("PATCH", f"/api-parts?id={part}", {"file_paths": [plan]})
        person = (await cell.ask("SELECT id FROM profiles LIMIT 1"))[0][0]
        issue = {"operation_id": operation, "created_by": person, "description": "a burr", "severity": "low"}
        issue = (await cell.done("POST", "/api-issues", {**issue, "image_paths": [proof]}))["issue"]["id"]
        above.cut()
        laser.mend()
        await until(cell.drained, "at the site", here.stand)
        assert counted(await here.site.link())
        laser.cut()
        above.mend()
        await until(here.site.drained, "in the cloud", here.stand)
        laser.mend()
        await until(here.drained, "settled", here.stand)
        assert there(here.cloud, part) == sorted(picture(str(number), 100_000) for number in range(3))
        assert files(here.cloud, "parts", part, "file_paths") == [b"%PDF-1.7\nplan"]
        assert files(here.cloud, "issues", issue, "image_paths") == [b"%PDF-1.7\nproof"]
        assert len(here.cloud.storage.objects) == 5

        await cell.done("DELETE", f"/api-parts-images?part_id={part}", {"path": paths[1]})
        await until(lambda: count(here.cloud, 4), "deleted in the cloud, too", here.stand)
        await until(here.drained, "all told", here.stand)
        assert there(here.cloud, part) == sorted(picture(str(number), 100_000) for number in (0, 2))
        assert sorted(await images(here.site, part)) == sorted({*paths} - {paths[1]})


async def count(cloud, objects):
    return len(cloud.storage.objects) == objects


async def test_what_the_office_lists_comes_down_as_a_path(tmp_path):
    async with firm(tmp_path) as here:
        cell = here.cells[LASER]
        _, part = await operation_of(cell)
        ours = await drawing(cell, "ours.pdf")
        await cell.done("PATCH", f"/api-parts?id={part}", {"file_paths": [ours]})
        await until(here.drained, "sent", here.stand)
        (name,) = here.cloud.row("parts", part)["file_paths"]
        with here.cloud.committing() as database:
            database.tables["parts"][part]["file_paths"] = [name, "office/step.step"]

        async def listed():
            told = (await cell.done("GET", f"/api-parts?id={part}"))["part"]["file_paths"]
            return told == [ours, "office/step.step"]

        await until(listed, "the office's path is in the cell", here.stand)
        assert len(here.cloud.storage.objects) == 1
        await until(here.drained, "nothing goes up again", here.stand)
        assert here.cloud.row("parts", part)["file_paths"] == [name, "office/step.step"]

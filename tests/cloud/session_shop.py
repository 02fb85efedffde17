"""A user of the cloud who is there for the gateway, and what the tests of his session stand on."""

from cloud_shop import PLANNED_AT, Shop, stand_in
from shift import OTTO

from gateway.cloud.session import ServiceUser
from gateway.demo import factory
from gateway.demo.cloud_tables import ANON_KEY, User

MAIL, WORD = "gateway@example.com", "a long pass phrase"
FEED_EVERY_S = 0.1
FIRST = factory.named("part", "1", "Beam")
ITS_JOB = factory.named("job", "1")
ASSEMBLY = factory.named("cell", "Assembly")
PULL = "cloud-pull"


def cloud_with_user(planned_at=PLANNED_AT, **more):
    cloud = stand_in(planned_at, **more)
    cloud.tables.add_user(User(OTTO, factory.TENANT_ID, MAIL, WORD))
    return cloud


def signed_in(shop: Shop, password: str = WORD, **more):
    user = ServiceUser(shop.url.removesuffix("/functions/v1"), MAIL, password, ANON_KEY)
    given = {"feed_every_s": FEED_EVERY_S, "again_s": FEED_EVERY_S, "pull_every_s": 0.3, "settle_after_s": 0.1}
    return shop.linked(service=user, **{**given, **more})


def mode(shop: Shop) -> str:
    return shop.health.link(PULL).facts.get("mode", "")


async def in_mode(shop: Shop, wanted: str) -> None:
    await shop.until(lambda _: mode(shop) == wanted, f"mode {wanted}")


def reads(shop: Shop, table: str) -> list:
    return [one for one in shop.asked("GET") if one.path == f"/rest/v1/{table}"]


async def rounds(shop: Shop, count: int = 3) -> None:
    """So many whole readings of the feed, from now on."""
    seen = len(reads(shop, "activity_log"))
    await shop.until(lambda _: len(reads(shop, "activity_log")) > seen + count, f"{count} rounds")


async def here(shop: Shop, table: str, row_id: str, column: str, value) -> None:
    """Wait for it."""
    sql = f"SELECT {column} FROM {table} WHERE id = ?"
    await shop.until(lambda c: tuple(c.execute(sql, (row_id,)).fetchone() or ()) == (value,), f"{table} {column}")


async def one(shop: Shop, table: str, row_id: str, column: str):
    found = await shop.ask(f"SELECT {column} FROM {table} WHERE id = ?", row_id)
    return found[0][0] if found else None


def office(shop: Shop, table: str, row_id: str, began=None, **values) -> None:
    """Somebody writes the table itself, as the web client does."""
    with shop.cloud.committing(began) as db:
        db.update(table, db.get(table, row_id), values)


async def conflicts(shop: Shop) -> list[tuple]:
    return await shop.ask("SELECT table_name, row_id, field, resolution FROM cloud_conflicts ORDER BY rowid")

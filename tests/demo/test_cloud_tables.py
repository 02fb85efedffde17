"""The stand-in cloud's door for people who are signed in: tokens, tables, the activity log."""

from datetime import timedelta

import pytest

from gateway.demo.cloud_tables import ANON_KEY, HOUR_S, User
from gateway.kernel.clock import text

MAIL, WORD = "service@example.com", "a long pass phrase"


class Person:
    """Somebody who signs in at the shop's cloud."""

    def __init__(self, shop) -> None:
        self.shop = shop
        self.root = shop.url.removesuffix("/functions/v1")
        self.token = ANON_KEY
        shop.cloud.tables.add_user(User(shop.OPERATOR, shop.TENANT, MAIL, WORD))

    async def ask(self, path: str, body=None, apikey: str = ANON_KEY, **query):
        headers = {"apikey": apikey, "Authorization": f"Bearer {self.token}"}
        method = "GET" if body is None else "POST"
        async with self.shop.session.request(
            method, self.root + path, params=query, json=body, headers=headers
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def sign_in(self, grant: str = "password", **body):
        status, answer = await self.ask("/auth/v1/token", body or {"email": MAIL, "password": WORD}, grant_type=grant)
        if status == 200:
            self.token = answer["access_token"]
        return status, answer

    async def rows(self, table: str, **query):
        status, rows = await self.ask(f"/rest/v1/{table}", **query)
        assert status == 200, rows
        return rows

    async def log(self, *kinds: str):
        listed = ",".join(kinds or ("jobs", "parts", "operations", "cells"))
        return await self.rows("activity_log", entity_type=f"in.({listed})", order="created_at.asc,id.asc")


@pytest.fixture
def person(shop):
    return Person(shop)


async def test_a_token_is_good_for_an_hour_and_a_refresh_once(person, shop):
    status, first = await person.sign_in()
    assert (status, first["expires_in"], first["user"]["id"]) == (200, HOUR_S, shop.OPERATOR)
    assert len(await person.rows("jobs")) == 1
    await shop.clock.advance(HOUR_S)
    status, refused = await person.ask("/rest/v1/jobs")
    assert (status, refused["message"]) == (401, "JWT expired")
    assert (await person.sign_in("refresh_token", refresh_token=first["refresh_token"]))[0] == 200
    assert len(await person.rows("jobs")) == 1
    assert (await person.sign_in("refresh_token", refresh_token=first["refresh_token"]))[0] == 400


async def test_who_is_not_signed_in_sees_nothing_and_a_wrong_word_says_so(person):
    assert await person.rows("jobs") == []
    status, answer = await person.sign_in(email=MAIL, password="wrong")
    assert (status, answer["msg"]) == (400, "Invalid login credentials")
    assert (await person.ask("/rest/v1/jobs", apikey="other"))[0] == 401
    person.token = "nobody gave this out"
    assert (await person.ask("/rest/v1/jobs"))[0] == 401


async def test_it_is_not_counted_against_the_plan(person, shop):
    await person.sign_in()
    before = shop.tenant.requests
    await person.rows("operations")
    assert shop.tenant.requests == before


async def test_filters_order_and_pages(person, shop):
    await person.sign_in()
    at = shop.clock.now()
    names = ["Bend", "Weld", "Saw", "Turn"]
    with shop.cloud.committing() as db:
        made = [
            db.insert(
                "cells",
                {"tenant_id": shop.TENANT, "name": name, "sequence": number, "created_at": text(at)},
            )["id"]
            for number, name in enumerate(names, 2)
        ]
    later = {"created_at": f"gte.{text(at)}", "order": "created_at.asc,id.asc", "select": "id,name"}
    page = await person.rows("cells", **later, limit="2", name="in.(Bend,Weld,Saw,Turn)")
    assert [one["id"] for one in page] == sorted(made)[:2]
    assert page[0].keys() == {"id", "name"}
    rest = await person.rows("cells", **later, id=f"gt.{page[-1]['id']}", name='in.(Bend,"Weld",Saw,Turn)')
    assert [one["id"] for one in rest] == sorted(made)[2:]
    assert [one["name"] for one in await person.rows("cells", order="sequence.desc", limit="1")] == ["Turn"]
    assert len(await person.rows("jobs", deleted_at="is.null")) == 1
    assert (await person.ask("/rest/v1/jobs", colour="eq.red"))[1]["message"] == "column jobs.colour does not exist"
    assert (await person.ask("/rest/v1/jobs", status="like.x"))[0] == 400
    assert (await person.ask("/rest/v1/jobs", id="eq.x"))[1]["code"] == "22P02"
    assert (await person.ask("/rest/v1/pauses"))[0] == 404


async def test_a_deleted_job_is_shown_and_told(person, shop):
    await person.sign_in()
    await shop.send("DELETE", f"/api-jobs?id={shop.JOB}")
    ((job,), log) = (await person.rows("jobs"), await person.log("jobs", "job"))
    assert job["deleted_at"] is not None
    assert {(one["entity_type"], one["action"], one["entity_id"]) for one in log} == {
        ("jobs", "update", shop.JOB),
        ("job", "update", shop.JOB),
    }
    assert log[0]["changes"]["old"]["deleted_at"] is None
    assert log[0]["changes"]["new"] == job


async def test_what_goes_for_good_leaves_its_last_image(person, shop):
    await person.sign_in()
    with shop.cloud.committing() as db:
        db.delete("jobs", db.get("jobs", shop.JOB))
    log = await person.log("jobs", "parts", "operations")
    assert {(one["entity_type"], one["action"]) for one in log} == {
        ("jobs", "delete"),
        ("parts", "delete"),
        ("operations", "delete"),
    }
    assert all(one["changes"].keys() == {"old"} for one in log)
    assert await person.rows("operations") == []


async def test_every_request_of_a_key_is_noise_and_some_tables_are_missing(person, shop):
    await person.sign_in()
    await shop.send("POST", "/api-resources", {"name": "Jig", "type": "tooling"})
    assert [one["entity_type"] for one in await person.rows("activity_log")] == ["tenants"]


async def test_a_long_transaction_is_stamped_with_its_beginning(person, shop):
    await person.sign_in()
    began = shop.clock.now()
    await shop.clock.advance(30)
    await shop.send("PATCH", f"/api-jobs?id={shop.JOB}", {"customer": "First"})
    with shop.cloud.committing(began) as db:
        db.update("jobs", db.get("jobs", shop.JOB), {"customer": "Second"})
    told = await person.log("jobs")
    assert [one["changes"]["new"]["customer"] for one in told] == ["Second", "First"]
    newer = await person.rows(
        "activity_log", entity_type="eq.jobs", created_at=f"gt.{text(began + timedelta(seconds=1))}"
    )
    assert [one["changes"]["new"]["customer"] for one in newer] == ["First"]

"""The calls of one /api-forward share commits: with the same answers, order and receipts as one after the other."""

import random

from gateway.hub import items
from gateway.web import inside


def item(key: str, method: str, path: str, body=None, **more) -> dict:
    return {"key": key, "method": method, "path": path, "body": body, **more}


def cell(key: str, name: str, **more) -> dict:
    return item(key, "POST", "/api-cells", {"name": name, "sequence": 1}, **more)


def counted(key: str, operation: str, good: int = 1) -> dict:
    return item(key, "POST", "/api-operation-quantities", {"operation_id": operation, "quantity_good": good})


async def forwarded(floor, *sent) -> list[dict]:
    reply = await floor.send("POST", "/api-forward", {"gateway_id": "gw-cell", "epoch": 5, "items": [*sent]})
    assert reply.status == 200, reply.body
    assert [one["key"] for one in reply.data["results"]] == [one["key"] for one in sent]
    return reply.data["results"]


async def test_many_of_them_are_one_commit(floor):
    operation = (await floor.job())["parts"][0]["operations"][0]["id"]
    before = floor.db.commits.count
    results = await forwarded(floor, *(counted(f"k{number}", operation) for number in range(300)))
    assert {one["status"] for one in results} == {201}
    assert floor.db.commits.count - before < 150
    assert len((await floor.get("/api-operation-quantities?limit=1000"))["operation_quantities"]) == 300


async def test_they_stand_in_the_journal_in_their_order(floor):
    names = [f"Cell {number}" for number in range(250)]
    results = await forwarded(floor, *(cell(name, name) for name in names))
    made = [one["body"]["data"]["cell"]["id"] for one in results]
    told = [change["id"] for entry in await floor.events() for change in entry["changes"] if change["table"] == "cells"]
    assert told[-len(made) :] == made


async def test_one_that_fails_after_it_has_written_takes_only_itself_back(floor):
    job = (await floor.job())["id"]
    twice = {"job_id": job, "material": "Steel", "quantity": 1}
    operations = [{"operation_name": "Op", "sequence": 1, "cell_id": floor.NOWHERE}]
    results = await forwarded(
        floor,
        cell("a", "Before"),
        item("b", "POST", "/api-parts", {**twice, "part_number": "P-1", "operations": operations}),
        item("c", "POST", "/api-parts", {**twice, "part_number": "P-2"}),
        cell("d", "After"),
    )
    assert [one["status"] for one in results] == [201, 422, 424, 201]
    assert {one["name"] for one in (await floor.get("/api-cells"))["cells"]} >= {"Before", "After"}
    assert [one["part_number"] for one in (await floor.get("/api-parts"))["parts"]] == ["J-1-P1"]


async def test_of_a_long_tree_everything_behind_the_first_refusal_waits_over_the_whole_request(floor, monkeypatch):
    monkeypatch.setattr(items, "AT_ONCE", 7)
    one, two = [(await floor.job(name))["parts"][0]["operations"][0]["id"] for name in ("J-1", "J-2")]
    sent = [counted(f"a{number}", one) for number in range(20)]
    sent[5] = counted("a5", one, good=-1)
    mixed = [call for pair in zip(sent, [counted(f"b{n}", two) for n in range(20)], strict=True) for call in pair]
    results = {found["key"]: found for found in await forwarded(floor, *mixed)}
    assert [results[f"a{number}"]["status"] for number in range(20)] == [201] * 5 + [422] + [424] * 14
    assert {results[f"b{number}"]["status"] for number in range(20)} == {201}
    assert {results[f"a{n}"]["body"]["error"]["details"]["refused"] for n in range(6, 20)} == {"a5"}
    sent[5] = counted("a5", one)
    again = await forwarded(floor, *sent)
    assert [(found["status"], found["replayed"]) for found in again] == [(201, True)] * 5 + [(201, False)] * 15


async def test_what_was_carried_out_before_is_answered_as_then_also_behind_a_refusal(floor):
    operation = (await floor.job())["parts"][0]["operations"][0]["id"]
    await forwarded(floor, counted("b", operation))
    results = await forwarded(floor, counted("a", operation, good=-1), counted("b", operation), counted("c", operation))
    assert [(one["status"], one["replayed"]) for one in results] == [(422, False), (201, True), (424, False)]


async def test_a_key_of_another_request_stops_its_tree(floor):
    operation = (await floor.job())["parts"][0]["operations"][0]["id"]
    await forwarded(floor, counted("a", operation, good=1))
    results = await forwarded(floor, counted("a", operation, good=2), counted("b", operation))
    assert [one["status"] for one in results] == [422, 424]


async def test_what_depends_on_an_item_of_another_tree_waits_for_it(floor):
    results = await forwarded(
        floor,
        cell("a", "Paint"),
        cell("b", "Pack", depends_on="a"),
        item("c", "POST", "/api-cells", {"name": 7}),
        cell("d", "Never", depends_on="c"),
        cell("e", "Neither", depends_on="d"),
    )
    assert [one["status"] for one in results] == [201, 201, 422, 424, 424]


async def test_what_leaves_no_receipt_can_be_depended_on(floor):
    monitor = item("m", "POST", "/api-batch-lifecycle/monitor", {})
    results = await forwarded(floor, monitor, cell("a", "Paint", depends_on="m"))
    assert [one["status"] for one in results] == [200, 201]


async def test_in_any_mixture_it_comes_to_the_same_as_one_after_the_other(floor, monkeypatch):
    """The same calls, once in one request and once each in a request of its own."""
    rng = random.Random(7)
    both = []
    for gateway in ("together", "alone"):
        operations = [(await floor.job(f"{gateway}-{n}"))["parts"][0]["operations"][0]["id"] for n in range(4)]
        both.append(operations)
    calls = []
    for number in range(150):
        tree, kind = rng.randrange(4), rng.choice(("start", "pause", "resume", "complete", "count", "wrong"))
        calls.append((f"k{number}", tree, kind))

    def call(key: str, operation: str, kind: str) -> dict:
        if kind in ("count", "wrong"):
            return counted(key, operation, 1 if kind == "count" else -1)
        return item(key, "POST", f"/api-operation-lifecycle/{kind}?id={operation}")

    together = await forwarded(floor, *(call(f"t{key}", both[0][tree], kind) for key, tree, kind in calls))
    alone, stopped = [], set()
    for key, tree, kind in calls:
        if tree in stopped:
            alone.append(424)
            continue
        (result,) = await forwarded(floor, call(f"a{key}", both[1][tree], kind))
        alone.append(result["status"])
        if result["status"] >= 300:
            stopped.add(tree)
    assert [one["status"] for one in together] == alone
    for mine, theirs in zip(*both, strict=True):
        assert (await floor.operation(mine))["status"] == (await floor.operation(theirs))["status"]


async def test_a_defect_in_one_of_them_is_its_own(floor, monkeypatch):
    run = inside.Inside._run

    async def broken(self, inner, caller, request_id):
        if inner.key == "b":
            raise ZeroDivisionError
        return await run(self, inner, caller, request_id)

    monkeypatch.setattr(inside.Inside, "_run", broken)
    results = await forwarded(floor, cell("a", "One"), cell("b", "Two"), cell("c", "Three"))
    assert [one["status"] for one in results] == [201, 500, 201]

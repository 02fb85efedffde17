"""Each accident of the stand-in cloud: what the client sees, and what was done all the same."""

import asyncio
import random

import aiohttp
import pytest

from gateway.demo.cloud_faults import Faults

CUT_OFF = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)


def job(shop, number="J-2"):
    return {"id": shop.NEW, "job_number": number}


async def test_a_lost_reply_means_done_but_not_told(shop):
    shop.cloud.faults.lose_reply = 1.0
    with pytest.raises(CUT_OFF):
        await shop.send("POST", "/api-jobs", job(shop))
    assert shop.cloud.row("jobs", shop.NEW)["job_number"] == "J-2"
    assert [(entry.status, entry.fault) for entry in shop.cloud.log] == [(201, "lose_reply")]


async def test_reads_lose_no_reply(shop):
    shop.cloud.faults.change(lose_reply=1.0, late_delivery=1.0, duplicate=1.0)
    assert (await shop.send("GET", "/api-jobs"))[0] == 200


async def test_the_repeat_of_a_create_whose_reply_was_lost_names_the_primary_key(shop):
    shop.cloud.faults.change(lose_reply=1.0, left=1)
    with pytest.raises(CUT_OFF):
        await shop.send("POST", "/api-jobs", job(shop))
    status, text = await shop.refusal("POST", "/api-jobs", job(shop))
    assert (status, text) == (
        500,
        'Failed to create job: duplicate key value violates unique constraint "jobs_pkey"',
    )


async def test_a_late_request_is_done_after_newer_ones(shop):
    shop.cloud.faults.change(late_delivery=1.0, left=1, late_min_s=20.0, late_max_s=30.0)
    path = f"/api-operations?id={shop.OPERATION}"
    with pytest.raises(CUT_OFF):
        await shop.send("PATCH", path, {"status": "in_progress"})
    assert shop.operation["status"] == "not_started"
    await shop.send("PATCH", path, {"status": "completed"})
    await shop.clock.advance(19)
    assert shop.operation["status"] == "completed"
    await shop.clock.advance(11)
    assert shop.operation["status"] == "in_progress"
    late, newer = shop.cloud.log
    assert (late.status, late.fault, newer.fault) == (200, "late_delivery", "")
    assert (late.method, late.path, late.query) == ("PATCH", "/api-operations", f"id={shop.OPERATION}")


async def test_a_late_lifecycle_call_stamps_the_time_at_which_it_arrives(shop):
    shop.cloud.faults.change(late_delivery=1.0, left=1, late_min_s=60.0, late_max_s=60.0)
    with pytest.raises(CUT_OFF):
        await shop.lifecycle("start")
    await shop.clock.advance(60)
    assert shop.operation["started_at"] == "2026-11-02T07:01:00+00:00"


async def test_a_cut_answer_has_been_done(shop):
    shop.cloud.faults.truncated_body = 1.0
    with pytest.raises(CUT_OFF):
        await shop.send("PATCH", f"/api-jobs?id={shop.JOB}", {"notes": "cut"})
    assert shop.cloud.row("jobs", shop.JOB)["notes"] == "cut"


async def test_a_duplicate_is_done_twice_and_answered_once(shop):
    shop.cloud.faults.duplicate = 1.0
    body = {"operation_id": shop.OPERATION, "quantity_produced": 1, "quantity_good": 1}
    assert (await shop.send("POST", "/api-operation-quantities", body))[0] == 201
    assert len(shop.cloud.rows("operation_quantities")) == 2


async def test_a_slow_answer_comes_after_the_deed(shop):
    shop.cloud.faults.slow_s = 40.0
    asked = asyncio.create_task(shop.send("PATCH", f"/api-jobs?id={shop.JOB}", {"notes": "slow"}))
    await shop.until(lambda: shop.cloud.log and shop.cloud.log[0].status)
    assert shop.cloud.row("jobs", shop.JOB)["notes"] == "slow"
    await shop.clock.advance(39)
    assert not asked.done()
    await shop.clock.advance(1)
    assert (await asked)[0] == 200


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("error_500", 500, "INTERNAL_ERROR"),
        ("false_429", 429, "RATE_LIMIT_EXCEEDED"),
        ("false_402", 402, "QUOTA_EXCEEDED"),
    ],
)
async def test_a_refusal_in_error_does_nothing(shop, fault, status, code):
    shop.cloud.faults.change(**{fault: 1.0})
    answered, answer = await shop.send("POST", "/api-jobs", job(shop))
    assert (answered, answer["error"]["code"]) == (status, code)
    assert len(shop.cloud.rows("jobs")) == 1


async def test_a_503_is_a_page_and_a_boot_error_is_not_enveloped(shop):
    shop.cloud.faults.error_503 = 1.0
    async with shop.session.get(f"{shop.url}/api-jobs") as answer:
        assert (answer.status, answer.content_type) == (503, "text/html")
    shop.cloud.faults.change(error_503=0.0, boot_error=1.0)
    status, answer = await shop.send("GET", "/api-parts")
    assert (status, answer["code"]) == (503, "BOOT_ERROR")


async def test_a_bare_cloud_lacks_the_columns_of_the_hosted_one(shop):
    shop.cloud.faults.bare = True
    assert (await shop.refusal("GET", "/api-operations"))[1].endswith("column operations.started_at does not exist")
    status, text = await shop.refusal("POST", "/api-jobs", {**job(shop), "started_at": "2026-11-02T07:00:00Z"})
    assert (status, "Could not find the 'started_at' column" in text) == (500, True)
    call = f"/api-operation-lifecycle/start?id={shop.NEW}"
    assert await shop.refusal("POST", call) == (404, "Operation not found")
    assert (await shop.send("POST", "/api-jobs", job(shop)))[0] == 201


async def test_without_its_database_the_cloud_doubts_the_key(shop):
    shop.cloud.faults.database_away = True
    assert await shop.refusal("POST", "/api-jobs", job(shop)) == (401, "Authentication failed")
    shop.cloud.faults.database_away = False
    assert (await shop.send("POST", "/api-jobs", job(shop)))[0] == 201


async def test_a_false_402_says_zero_of_zero(shop):
    shop.cloud.faults.false_402 = 1.0
    _, answer = await shop.send("POST", "/api-jobs", job(shop))
    assert answer["error"]["message"] == "job limit exceeded (0/0)"
    assert answer["error"]["details"] == {"limitType": "job", "currentUsage": 0, "limit": 0}


async def test_the_daily_quota_ends_a_day_after_its_first_request(shop):
    shop.cloud.faults.quota = 2
    for _ in range(2):
        assert (await shop.send("GET", "/api-jobs"))[0] == 200
    await shop.clock.advance(3600)
    headers = {"Authorization": f"Bearer {shop.KEY}"}
    async with shop.session.get(f"{shop.url}/api-jobs", headers=headers) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, str(23 * 3600))
        assert answer.headers["X-RateLimit-Reset"] == "2026-11-03T07:00:00+00:00"
    await shop.clock.advance(23 * 3600)
    assert (await shop.send("GET", "/api-jobs"))[0] == 200


async def test_away_is_no_answer_at_all_and_back_is_as_before(shop):
    await shop.send("GET", "/api-jobs")
    shop.cloud.go_away()
    with pytest.raises(aiohttp.ClientConnectionError):
        await shop.send("GET", "/api-jobs")
    with pytest.raises(aiohttp.ClientConnectorError):
        await shop.send("GET", "/api-jobs")
    shop.cloud.come_back()
    assert (await shop.send("GET", "/api-jobs"))[0] == 200


async def test_going_away_resets_a_request_that_waits(shop):
    shop.cloud.faults.slow_s = 10.0
    asked = asyncio.create_task(shop.send("PATCH", f"/api-jobs?id={shop.JOB}", {"notes": "done"}))
    await shop.until(lambda: shop.cloud.log and shop.cloud.log[0].status)
    shop.cloud.go_away()
    with pytest.raises(CUT_OFF):
        await asked
    await shop.clock.advance(10)


async def test_away_and_back_in_one_breath(shop):
    for _ in range(3):
        shop.cloud.go_away()
        shop.cloud.come_back()
    assert (await shop.send("GET", "/api-jobs"))[0] == 200


async def test_a_fault_can_be_kept_for_one_kind_of_request(shop):
    shop.cloud.faults.change(error_500=1.0, only="POST /api-operation-lifecycle/start")
    assert (await shop.send("GET", "/api-jobs"))[0] == 200
    assert (await shop.lifecycle("start"))[0] == 500


def test_the_same_seed_has_the_same_accidents():
    def accidents(seed):
        faults, rng = Faults(lose_reply=0.3, error_500=0.1), random.Random(seed)
        return [faults.fall(rng, "POST", "/api-parts") for _ in range(200)]

    assert accidents(1) == accidents(1) != accidents(2)
    assert set(accidents(1)) == {"", "lose_reply", "error_500"}


async def test_a_fault_that_there_is_not_is_refused(shop):
    with pytest.raises(ValueError, match="no fault is named 'loose_reply'"):
        shop.cloud.faults.change(loose_reply=1.0)

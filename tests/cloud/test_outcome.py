"""What an answer of the cloud means: the texts are the cloud's own."""

import json

import pytest

from gateway.cloud.outcome import Kind, classify, stored


def refusal(message: str, code: str = "INTERNAL_ERROR", details: object = None) -> bytes:
    return json.dumps({"success": False, "error": {"code": code, "message": message, "details": details}}).encode()


def database(text: str) -> bytes:
    return refusal(text)


@pytest.mark.parametrize(
    ("method", "status", "body", "kind"),
    [
        ("POST", 201, b'{"success":true,"data":{"job":{"id":"a"}}}', Kind.OK),
        ("POST", 201, b'{"success":true,"data":{"job":{"id":', Kind.UNKNOWN),
        ("POST", 200, b"<html>maintenance</html>", Kind.UNKNOWN),
        ("POST", 200, b'{"success":false}', Kind.UNKNOWN),
        ("POST", 500, database('duplicate key value violates unique constraint "jobs_pkey"'), Kind.OWN_ID_EXISTS),
        (
            "POST",
            500,
            database('duplicate key value violates unique constraint "jobs_tenant_id_job_number_key"'),
            Kind.NAME_TAKEN,
        ),
        (
            "POST",
            500,
            database('insert or update on table "parts" violates foreign key constraint "parts_job_id_fkey"'),
            Kind.PARENT_MISSING,
        ),
        (
            "DELETE",
            500,
            database('update or delete on table "cells" violates foreign key constraint "tasks_stage_id_fkey"'),
            Kind.IN_USE,
        ),
        ("POST", 500, database('null value in column "name" violates not-null constraint'), Kind.REFUSED),
        ("PATCH", 500, database('invalid input syntax for type integer: "9.5"'), Kind.REFUSED),
        ("POST", 500, database("Unterminated string in JSON at position 12"), Kind.OUTAGE),
        ("POST", 500, database("something new"), Kind.UNKNOWN),
        ("POST", 502, b"<html>bad gateway</html>", Kind.UNKNOWN),
        ("POST", 503, refusal("boot error"), Kind.UNKNOWN),
        ("GET", 401, refusal("Authentication failed", "UNAUTHORIZED"), Kind.OUTAGE),
        ("GET", 401, refusal("Invalid API key", "UNAUTHORIZED"), Kind.KEY),
        ("POST", 402, refusal("limit", "PAYMENT_REQUIRED", {"limit": 10}), Kind.PLAN_LIMIT),
        ("POST", 402, refusal("limit", "PAYMENT_REQUIRED", {"limit": 0}), Kind.OUTAGE),
        ("PATCH", 404, refusal("not found", "NOT_FOUND"), Kind.GONE),
        ("DELETE", 409, refusal("in use", "CONFLICT"), Kind.IN_USE),
        ("POST", 422, refusal("invalid", "VALIDATION_ERROR", [{"field": "x"}]), Kind.REFUSED),
        ("POST", 422, b'{"success":false,"error":{"statusCode":422}}', Kind.PLAN_LIMIT),
        ("POST", 500, database("The resource already exists"), Kind.STORED),
        ("POST", 429, refusal("Rate limit exceeded", "RATE_LIMIT_EXCEEDED"), Kind.QUOTA),
    ],
)
def test_every_answer_has_one_meaning(method, status, body, kind):
    assert classify(method, status, body, None).kind is kind


def test_a_wrong_state_names_the_state_it_is_in():
    told = "Cannot start operation with status 'in_progress'. Must be not_started or on_hold."
    outcome = classify("POST", 400, refusal(told, "INVALID_STATE_TRANSITION"), None)
    assert (outcome.kind, outcome.state) == (Kind.WRONG_STATE, "in_progress")


def test_a_quota_names_its_plan_and_when_to_come_back():
    outcome = classify("POST", 429, refusal("Your free plan allows 100 requests a day"), "3600")
    assert (outcome.plan, outcome.retry_after_s) == (("free", 100), 3600.0)


def test_silence_and_the_clouds_own_word_are_told_apart():
    assert classify("POST", 500, database("something new"), None).said
    assert not classify("POST", 502, b"", None).said


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (200, b'{"Key":"issues/x"}', Kind.OK, False),
        (409, b'{"statusCode":"409","error":"Duplicate","message":"The resource already exists"}', Kind.STORED, False),
        (400, b'{"statusCode":"409","error":"Duplicate","message":"The resource already exists"}', Kind.STORED, False),
        (400, b'{"statusCode":"415","message":"mime type x is not supported"}', Kind.REFUSED, False),
        (413, b'{"message":"too large"}', Kind.REFUSED, False),
        (400, b'{"statusCode":"400","error":"InvalidJWT","message":"exp"}', Kind.UNKNOWN, True),
        (502, b"<html>", Kind.UNKNOWN, False),
    ],
)
def test_the_storage_has_words_of_its_own(status, body, kind, said):
    outcome = stored(status, body)
    assert (outcome.kind, outcome.said) == (kind, said)

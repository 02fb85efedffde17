"""When a delivery is tried again, what its log says, and what it is signed with."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from gateway.webhooks import attempts, signing
from gateway.webhooks.attempts import Kind, Reply, Round

HOUR_S = 3_600


@pytest.mark.parametrize(
    ("status", "again", "kind"),
    [
        (200, False, Kind.DELIVERED),
        (204, False, Kind.DELIVERED),
        (299, False, Kind.DELIVERED),
        (None, True, Kind.AWAY),
        (408, True, Kind.AWAY),
        (429, True, Kind.AWAY),
        (502, True, Kind.AWAY),
        (503, True, Kind.AWAY),
        (504, True, Kind.AWAY),
        (500, True, Kind.LATER),
        (501, True, Kind.LATER),
        (507, True, Kind.LATER),
        (300, False, Kind.NEVER),
        (302, False, Kind.NEVER),
        (304, False, Kind.NEVER),
        (400, False, Kind.NEVER),
        (401, False, Kind.NEVER),
        (404, False, Kind.NEVER),
        (410, False, Kind.NEVER),
    ],
)
def test_what_an_answer_means(status, again, kind):
    reply = Reply(status)
    assert (reply.again, reply.kind) == (again, kind)


def test_the_pauses_are_those_of_the_contract_and_end_after_72_hours():
    pauses = [attempts.pause_s(rounds) for rounds in range(17)]
    assert pauses[:6] == [60, 300, 1_800, 7_200, 6 * HOUR_S, 6 * HOUR_S]
    assert set(pauses[4:15]) == {6 * HOUR_S}
    assert pauses[16] is None
    assert sum(pauses[:16]) == 72 * HOUR_S
    assert [attempts.quick_pause_s(tries) for tries in (1, 2, 3, 9)] == [0.5, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("tried", "earlier", "rounds", "text"),
    [
        (Round(Reply(200)), (), 0, None),
        (
            Round(Reply(200), ("HTTP 500: a", "b")),
            (),
            0,
            "Recovered after 2 retries; final attempt 3/3 succeeded. Prior failures: HTTP 500: a | b",
        ),
        (Round(Reply(204), ("a",)), (), 0, "Recovered after 1 retries; final attempt 2/3 succeeded. Prior failures: a"),
        (
            Round(Reply(503, "x"), ("a", "b")),
            (),
            0,
            "Exhausted retries after 3 attempts. Last failure: x. Prior failures: a | b",
        ),
        (Round(Reply(400, "HTTP 400: no")), (), 0, "HTTP 400: no"),
        (
            Round(Reply(200)),
            ("a", "b", "c"),
            2,
            "Recovered after 6 retries; final attempt 1/3 succeeded. Prior failures: a | b | c",
        ),
    ],
)
def test_the_log_says_it_in_the_clouds_words(tried, earlier, rounds, text):
    assert attempts.told(tried, earlier, rounds) == text


def test_what_an_answer_says_is_cut():
    assert attempts.refused(400, "x" * 10_000).error == f"HTTP 400: {'x' * (attempts.TEXT_MAX - 10)}"


AT = datetime(2021, 2, 25, 15, 2, 10, 900_000, tzinfo=UTC)
ID, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'


def test_a_secret_of_standard_webhooks_signs_as_their_libraries_do():
    """The example of the specification."""
    made = signing.headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "e", ID, BODY, datetime.fromtimestamp(1614265330, UTC), None
    )
    assert made["webhook-id"] == ID
    assert made["webhook-timestamp"] == "1614265330"
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["s3cret", "whsec_*", "müller", "00" * 32])
def test_any_other_secret_is_its_bytes(secret):
    made = signing.headers(secret, "job.started", ID, BODY, AT, None)
    stamp = made["webhook-timestamp"]
    assert stamp == str(int(AT.timestamp()))
    digest = hmac.digest(secret.encode(), f"{ID}.{stamp}.{BODY.decode()}".encode(), hashlib.sha256)
    assert made["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert made["X-Eryxon-Signature"] == f"sha256={hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()}"
    assert made.keys() == {
        "Content-Type",
        "User-Agent",
        "X-Eryxon-Event",
        "X-Eryxon-Signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
    assert (made["Content-Type"], made["User-Agent"]) == ("application/json", "Eryxon-Webhooks/1.0")
    assert secret not in str(made)


def test_a_replay_says_so():
    assert signing.headers("s", "e", ID, BODY, AT, "r-1")["X-Eryxon-Replay"] == "r-1"

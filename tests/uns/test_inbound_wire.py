"""What small controllers send, read as what they mean."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.errors import GatewayError, Invalid, MalformedPayload, NotFound, TooLarge
from gateway.machines.model import Badge, Cycle, Reading
from gateway.settings import Settings
from gateway.uns.inbound import wire
from gateway.uns.inbound.wire import Online
from gateway.uns.payloads import PAYLOAD_BYTES_MAX
from gateway.uns.topics import TOPIC_BYTES_MAX, Topics

NINE = datetime(2026, 2, 3, 9, 15, 4, tzinfo=UTC)
TOPICS = Topics.of(Settings.model_validate({"site": {"enterprise": "acme", "site": "plant1"}}), "gw-test")


@pytest.mark.parametrize(
    ("rest", "payload", "said"),
    [
        ("in/state", b"4", Reading("laser-1", "state", 4)),
        ("in/state", b" 4.0\r\n", Reading("laser-1", "state", 4.0)),
        ("in/state", b'"4"', Reading("laser-1", "state", "4")),
        ("in/state", b"running", Reading("laser-1", "state", "running")),
        ("in/state", b"running\0\0\0", Reading("laser-1", "state", "running")),
        ("in/state", b'{"v":4,"ts":"2026-02-03T09:15:04Z","firmware":"x"}', Reading("laser-1", "state", 4, NINE)),
        ("in/state", b'\xef\xbb\xbf{"state":"running"}', Reading("laser-1", "state", "running")),
        ("in/counter/good", b"8841", Reading("laser-1", "counter/good", 8841)),
        ("in/counter/good", b'{"v":"8841"}', Reading("laser-1", "counter/good", "8841")),
        ("in/tag/light", b"ON", Reading("laser-1", "tag/light", "ON")),
        ("in/tag/light", b'{"a":{"b":[1]}}', Reading("laser-1", "tag/light", {"a": {"b": [1]}})),
        ("in/cycle", b'{"id":"c-1","good":2,"x":1}', Cycle("laser-1", "c-1", 2)),
        (
            "in/cycle",
            b'{"id":88213,"good":"2","scrap":1.0,"program":"N","duration_s":3.5,"ts":"2026-02-03T10:15:04+01:00"}',
            Cycle("laser-1", "88213", "2", 1.0, "N", 3.5, NINE),
        ),
        ("in/cycle", b"1", Cycle("laser-1", None, 1)),
        ("in/badge", b'{"badge":"04A2","on":true}', Badge("laser-1", "04A2", on=True)),
        ("in/badge", b'{"badge":"04A2","on":0}', Badge("laser-1", "04A2", on=False)),
        ("in/badge", b"041230", Badge("laser-1", "041230", on=True)),
        ("in/badge", b'"41E5"', Badge("laser-1", "41E5", on=True)),
        ("in/badge", b"41E5\0\0", Badge("laser-1", "41E5", on=True)),  # no 4,100,000
        ("status", b'{"online":false,"why":"will"}', Online("laser-1", online=False)),
        ("status", b"1", Online("laser-1", online=True)),
        ("status", b"offline", Online("laser-1", online=False)),
    ],
)
def test_a_payload_is_read_as_it_was_meant(rest, payload, said):
    assert wire.said("laser-1", rest, payload) == said


@pytest.mark.parametrize(
    ("rest", "payload", "kind"),
    [
        ("in/state", b'{"v":', MalformedPayload),
        ("in/state", b"\xff\xfe4", MalformedPayload),
        ("in/state", b"{running}", MalformedPayload),
        ("in/counter/good", b"many", MalformedPayload),
        ("in/counter/good", b"NaN", MalformedPayload),
        ("in/counter/good", b"1e999", MalformedPayload),
        ("in/counter/good", b"9" * 5000, MalformedPayload),
        ("in/counter/good", b'{"v":1,"v":2}', MalformedPayload),
        ("in/tag/deep", b"[" * 17 + b"]" * 17, MalformedPayload),
        ("in/tag/deep", b"[" * 100_000, MalformedPayload),
        ("in/cycle", b"[1]", MalformedPayload),
        ("in/cycle", b"true", MalformedPayload),
        ("in/cycle", b'{"id":["c-1"]}', Invalid),
        ("in/cycle", b'{"id":""}', Invalid),
        ("in/cycle", b'{"id":"c-1","ts":"yesterday"}', Invalid),
        ("in/state", b'{"v":4,"ts":12345678901234567890}', Invalid),
        ("in/badge", b'{"on":true}', Invalid),
        ("in/badge", b'{"badge":"04A2","on":"perhaps"}', Invalid),
        ("in/badge", b"", MalformedPayload),
        ("status", b'{"on":true}', Invalid),
        ("in/weather", b"1", NotFound),
        ("in/counter", b"1", NotFound),
        ("nonsense", b"1", NotFound),
        ("in/tag/large", b'"' + b"x" * PAYLOAD_BYTES_MAX + b'"', TooLarge),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(rest, payload, kind):
    with pytest.raises(kind) as caught:
        wire.said("laser-1", rest, payload)
    assert "04A2" not in caught.value.message
    assert "04A2" not in str(caught.value.details)


def test_sixteen_levels_are_taken():
    deep = b"[" * 16 + b"]" * 16
    assert wire.said("laser-1", "in/tag/deep", deep).input == "tag/deep"


def code_of(read) -> str | None:
    """Of its refusal."""
    try:
        read()
    except GatewayError as refusal:
        return refusal.code
    return None


@given(
    st.binary(max_size=60), st.sampled_from(["in/state", "in/counter/x", "in/tag/x", "in/cycle", "in/badge", "status"])
)
def test_no_bytes_raise_anything_but_an_error_with_a_name(payload, rest):
    for read in (
        lambda: wire.said("laser-1", rest, payload),
        lambda: wire.request("laser-1", "start", payload, None, queued=False),
        lambda: wire.mapped("laser-1", "a/b", payload),
    ):
        assert code_of(read) in {None, "MALFORMED_PAYLOAD", "VALIDATION_ERROR", "PAYLOAD_TOO_LARGE"}
    assert wire.request_id_of(payload, None) is None or b"request_id" in payload


# ------------------------------------------------------------------ requests


def test_a_request_keeps_its_body_and_gives_up_its_id():
    asked = wire.request("laser-1", "report", b'{"request_id":"7c20","good":5}', None, queued=True)
    assert (asked.request_id, asked.body, asked.queued) == ("7c20", {"good": 5}, True)


@pytest.mark.parametrize(
    ("payload", "correlation", "request_id"),
    [
        (b'{"request_id":"a"}', b"\x00\x01", "a"),
        (b'{"request_id":17}', None, "17"),
        (b"{}", b"\x00\x01", base64.b64encode(b"\x00\x01").decode()),
        (b"{}", b"", None),
        (b"{}", None, None),
    ],
)
def test_the_id_of_a_request_stands_in_it_or_is_its_correlation_data(payload, correlation, request_id):
    assert wire.request("laser-1", "active", payload, correlation, queued=False).request_id == request_id
    assert wire.request_id_of(payload, correlation) == request_id


@pytest.mark.parametrize(
    ("payload", "correlation", "kind"),
    [
        (b'{"request_id":""}', None, Invalid),
        (b'{"request_id":true}', None, Invalid),
        (b'{"request_id":"%s"}' % (b"x" * 129), None, Invalid),
        (b"{}", b"x" * 97, Invalid),
        (b'"start"', None, MalformedPayload),
        (b"", None, MalformedPayload),
    ],
)
def test_a_request_that_cannot_be_told_from_others_is_refused(payload, correlation, kind):
    with pytest.raises(kind):
        wire.request("laser-1", "start", payload, correlation, queued=False)
    assert wire.request_id_of(payload, correlation) is None


# ------------------------------------------------------------------ topics

OWN = "acme/plant1/_dev/laser-1/rsp"


@pytest.mark.parametrize(
    ("wished", "used"),
    [
        (None, OWN),
        (OWN, OWN),
        (f"{OWN}/hmi/3", f"{OWN}/hmi/3"),
        ("acme/plant1/_dev/laser-2/rsp", OWN),
        ("acme/plant1/_dev/laser-1/rsp2", OWN),
        ("acme/plant1/_dev/laser-1/cmd/start", OWN),
        (f"{OWN}/+", OWN),
        (f"{OWN}/#", OWN),
        (f"{OWN}/\x00", OWN),
        (f"{OWN}/" + "x" * TOPIC_BYTES_MAX, OWN),
        ("", OWN),
    ],
)
def test_a_device_is_answered_below_its_own_root_only(wished, used):
    assert TOPICS.answer("laser-1", wished) == used


@pytest.mark.parametrize(
    ("topic", "found"),
    [
        ("acme/plant1/_dev/laser-1/in/state", ("laser-1", "in/state")),
        ("acme/plant1/_dev/laser-1/cmd/a/b", ("laser-1", "cmd/a/b")),
        ("acme/plant1/_dev/laser-1", None),
        ("acme/plant2/_dev/laser-1/in/state", None),
        ("x/acme/plant1/_dev/laser-1/in/state", None),
    ],
)
def test_who_says_something_is_told_by_its_topic(topic, found):
    assert TOPICS.from_device(topic) == found

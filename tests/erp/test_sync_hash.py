"""The hash of a record: the contract's vectors, and whatever JavaScript would write differently."""

import json

import pytest

from gateway.erp.hash import number, sync_hash, text

ERP_JOB = {
    "external_id": "ERP-JOB-001",
    "external_source": "sap",
    "job_number": "JOB-2024-001",
    "customer_name": "Acme Corp",
    "due_date": "2024-02-15",
}
VECTORS = [
    ('{"b":1,"a":{"id":"x","z":null}}', '{"a":{"z":null},"b":1}', "8873b4878109c588f99648e5601a8fed"),
    (
        json.dumps(ERP_JOB),
        json.dumps(dict(sorted(ERP_JOB.items())), separators=(",", ":")),
        "5b11db65b20d76b910f6cb49cf385467",
    ),
    (
        '{"n":1.0,"f":0.5,"s":"\\u00c4/\\"\\u00e9","l":[3,1,{"updated_at":"x","k":true}]}',
        '{"f":0.5,"l":[3,1,{"k":true}],"n":1,"s":"\u00c4/\\"\u00e9"}',
        "75036db979fd19c697b022ee69c0cf0d",
    ),
    ('{"10":1,"9":2,"b":3}', '{"9":2,"10":1,"b":3}', "c2399338c20e2e9e802b9687aa4c8112"),
]


@pytest.mark.parametrize(("payload", "normalised", "digest"), VECTORS)
def test_the_vectors_of_the_contract(payload, normalised, digest):
    assert text(json.loads(payload)) == normalised
    assert sync_hash(normalised) == digest


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (0, "0"),
        (0.1, "0.1"),
        (123456.789, "123456.789"),
        (1e16, "10000000000000000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (-2.5e-10, "-2.5e-10"),
        (5e-324, "5e-324"),
        (2**53 + 1, "9007199254740992"),
        (123456789012345678901, "123456789012345680000"),
        (10**400, "null"),
        (float("inf"), "null"),
    ],
)
def test_numbers_are_written_as_javascript_does(value, written):
    assert number(value) == written


@pytest.mark.parametrize(
    ("keys", "ordered"),
    [
        (["b", "a", "B"], ["B", "a", "b"]),
        (["10", "9", "01", "-1", "0"], ["0", "9", "10", "-1", "01"]),  # places in an array first, and only those
        (["4294967295", "4294967294", "A"], ["4294967294", "4294967295", "A"]),  # the last place there can be
        (["\uffff", "\U00010000"], ["\U00010000", "\uffff"]),  # two code units, the first of them smaller
        (["b", "a\uffff", "a\U00010000"], ["a\U00010000", "a\uffff", "b"]),
    ],
)
def test_keys_are_ordered_by_utf_16(keys, ordered):
    assert list(json.loads(text(dict.fromkeys(keys, 1)))) == ordered


def test_texts_are_escaped_as_javascript_does():
    assert text('a"\\\n\t\b\f\r\x01\x7f/\u00e9\u2028') == '"a\\"\\\\\\n\\t\\b\\f\\r\\u0001\x7f/\u00e9\u2028"'
    assert text("\ud800x\udfff") == '"\\ud800x\\udfff"'
    assert text("\U0001f600") == '"\U0001f600"'


def test_bookkeeping_is_left_out_at_every_depth_and_null_is_not():
    names = "id tenant_id created_at updated_at deleted_at deleted_by synced_at sync_hash cached_at".split()
    record = {**dict.fromkeys(names, 1), "a": [{**dict.fromkeys(names, 2), "b": None}]}
    assert text(record) == '{"a":[{"b":null}]}'


def test_records_inside_are_written_once():
    inner = {"b": 1, "id": 7}
    texts: dict[int, str] = {}
    assert text({"parts": [inner]}, texts) == '{"parts":[{"b":1}]}'
    assert texts[id(inner)] == text(inner)

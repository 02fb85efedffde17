"""Names on the wire, held against the contract's examples; payloads that need no broker to be looked at."""

import json

import pytest

from gateway.kernel.errors import Invalid, StartupError
from gateway.outbox.event import Entry
from gateway.settings import Settings
from gateway.uns import payloads, topics
from gateway.uns.payloads import Source
from gateway.uns.topics import Place, Topics

LASER = Place("0190aaaa-0000-7000-8000-000000000001", "Laser 1", "laser_1")
SITE = {"enterprise": "Acme", "site": "Plant 1", "area": "Fabrication"}


def built(**sections) -> Topics:
    return Topics.of(Settings.model_validate({"site": SITE, **sections}), "gw-a1")


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("Laser Cell 1", "laser_cell_1"),
        ("Bräcket/A1", "brcketa1"),
        ("a \t\n b", "a_b"),
        ("+#/$", ""),
        ("焊接", ""),
        ("Press-2", "press-2"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_name_becomes_a_level_as_in_the_cloud(name, level):
    assert topics.level(name) == level


def test_a_place_is_never_empty_never_ours_and_nobody_elses():
    assert topics.slug("Laser 1", "0190abcd-1", []) == "laser_1"
    assert topics.slug("__Laser", "0190abcd-1", []) == "laser"
    assert topics.slug("焊接", "0190abcd-1234", []) == "cell-0190abcd"
    assert topics.slug("Laser", "0190abcd-1234", ["laser"]) == "laser-0190"
    assert topics.slug("Laser", "0190abcd-1234", ["laser", "laser-0190"]) == "laser-0190abcd"
    assert len(topics.slug("x" * 99, "0190abcd-1234", ["x" * 64])) == 64


@pytest.mark.parametrize(
    ("pattern", "topic"),
    [
        ("{enterprise}/{site}/{area}/{cell}/{event}", "acme/plant_1/fabrication/laser_1/operation/started"),
        ("{enterprise}/mes/{site}/{cell}/{operation}/{event}", "acme/mes/plant_1/laser_1/cut_out/operation/started"),
        ("/{enterprise}//{line}/{event}/", "acme/operation/started"),
        ("{unknown}/{job_number}/{part_number}/{event}", "{unknown}/job-7/p_1/operation/started"),
    ],
)
def test_a_pattern_is_filled_as_in_the_cloud(pattern, topic):
    data = {"operation_name": "Cut out", "job_number": "JOB-7", "part_number": "P 1"}
    assert built(uns={"topic_pattern": pattern}).event("operation.started", LASER, data) == topic


def test_every_dot_of_an_event_is_a_level_and_only_the_first_for_todays_cloud():
    assert built().event("sync.jobs.completed", None, {}) == "acme/plant_1/fabrication/default/sync/jobs/completed"
    upstream = built(compat={"topic": "upstream"})
    assert upstream.event("sync.jobs.completed", None, {}) == "acme/plant_1/fabrication/default/sync/jobs.completed"


def test_a_cell_may_lie_in_another_area():
    made = built(uns={"areas": {"Laser 1": "Finishing"}})
    assert made.cell(LASER) == "acme/plant_1/finishing/laser_1/_state"
    assert made.event("operation.started", LASER, {}) == "acme/plant_1/finishing/laser_1/operation/started"


@pytest.mark.parametrize(
    "sections",
    [
        {"site": SITE | {"enterprise": "_acme"}},
        {"site": SITE | {"area": "焊接"}},
        {"uns": {"topic_pattern": "$share/{event}"}},
        {"uns": {"topic_pattern": "{site}/#/{event}"}},
        {"uns": {"topic_pattern": "{site}/\x00/{event}"}},
        {"uns": {"topic_pattern": "{site}/{cell}"}},
        {"uns": {"topic_pattern": "{site}/_state/{event}"}},
        {"uns": {"topic_pattern": "x" * 500 + "/{event}/{cell}"}},
        {"uns": {"areas": {"Laser 1": "_x"}}},
    ],
)
def test_a_name_that_could_not_be_published_is_refused_at_the_start(sections):
    with pytest.raises(StartupError):
        built(**sections)


@pytest.mark.parametrize("word", ["", "a/b", "a+", "#", "$x", "a\x00", "x" * 65])
def test_an_id_that_is_no_level_is_refused(word):
    with pytest.raises(Invalid):
        topics.checked(word)


def entry(data: dict) -> Entry:
    at = "2026-02-03T09:15:04.120000+00:00"
    return Entry(48211, "019c", "operation.started", "job:j", "operation:o", "gw-a1", at, at, 1, json.dumps(data), "[]")


def test_an_event_has_the_clouds_shape_and_ours_after_it():
    told = payloads.event(entry({"a": 1}), {"a": 1}, Source("gw-a1", 1_769_843_524, "6f"), 48209)
    assert told == {
        "event": "operation.started",
        "timestamp": "2026-02-03T09:15:04.120Z",
        "tenant_id": "6f",
        "data": {"a": 1},
        "id": "019c",
        "seq": 48211,
        "prev": 48209,
        "epoch": 1_769_843_524,
        "source": "gw-a1",
        "schema": "uns/event/1",
    }
    assert [*told][:4] == ["event", "timestamp", "tenant_id", "data"]


def test_names_of_people_and_units_of_time_are_settled_here():
    data = {"operator_id": "1", "operator_name": "Otto", "recorded_by_name": "Otto", "actual_time": 2}
    data |= {"actual_time_seconds": 125, "pause_duration_seconds": 7, "actual_duration": None}
    plain = payloads.event(entry(data), data, Source("g", 1, "t"), None)["data"]
    assert plain == {name: data[name] for name in data if not name.endswith("_name")}
    other = Source("g", 1, "t", publish_names=True, in_seconds=True)
    assert payloads.event(entry(data), data, other, None)["data"] == data | {"actual_time": 125}


def test_what_is_too_long_is_cut_until_it_fits_and_its_ids_stay_whole():
    own = "0190abcd-0000-7000-8000-000000000001"
    told = {"schema": "s", "id": own, "rows": [{"id": own, "text": "ü" * 5_000}] * 5_000}
    cut = payloads.written(told)
    assert len(cut.encode()) <= payloads.PAYLOAD_BYTES_MAX
    found = json.loads(cut)
    assert found["truncated"] is True
    assert found["rows"][0]["id"] == own
    assert payloads.written({"schema": "s"}) == '{"schema":"s"}'

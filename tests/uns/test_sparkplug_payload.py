"""Sparkplug B on the wire: the encoder's every case, and what is made of bytes that somebody else sent."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import StartupError
from gateway.machines.model import Quality, Standing, State
from gateway.settings import Settings
from gateway.sparkplug import host, metrics, payload
from gateway.sparkplug.host import HostState
from gateway.sparkplug.life import Life
from gateway.sparkplug.payload import Datatype, Metric
from gateway.uns.payloads import CellRow, Counted, OperationRow
from gateway.uns.topics import Place, SparkplugTopics

CLOCK = ManualClock()
LASER = Place("c1", "Laser", "laser")
IDLE = CellRow("c1", None, 3, 0)
WORK = OperationRow(
    "o1",
    "Cut",
    "in_progress",
    1,
    "c1",
    "p1",
    "P-7",
    40,
    "j1",
    "J-1042",
    None,
    None,
    None,
    None,
    None,
    1,
    Counted(9, 8, 1),
)
BUSY = replace(IDLE, active=(replace(WORK, id="o0", operation_name="Engrave"), WORK))


def life(**given) -> Life:
    settings = Settings.model_validate({"gateway": {"id": "gw-a1"}, "site": {"site": "Plant 1"}, "sparkplug": given})
    return Life(SparkplugTopics.of(settings), CLOCK, 7, "0.1.0")


def test_a_payload_is_these_bytes():
    """By hand from the specification's field numbers: what no decoder of ours can get wrong in the same way."""
    told = payload.written([Metric("a", Datatype.STRING, "b")], CLOCK.now(), 5)
    stamp = payload._varint(round(CLOCK.now().timestamp() * 1000))
    metric = b"\x0a\x01a" + b"\x18" + stamp + b"\x20\x0c" + b"\x7a\x01b"
    assert told == b"\x08" + stamp + b"\x12" + bytes([len(metric)]) + metric + b"\x18\x05"


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**64 - 1, "ffffffffffffffffff01")],
)
def test_a_number_takes_as_few_bytes_as_it_needs(number, written):
    assert payload._varint(number).hex() == written


def test_what_is_not_there_is_null_and_a_death_has_no_seq():
    nothing = payload.written([Metric("a", Datatype.INT64, None)], CLOCK.now(), None)
    assert nothing.endswith(b"\x20\x04\x38\x01")  # its datatype, and that it is null
    assert payload.written([], CLOCK.now(), 0).endswith(b"\x18\x00")  # zero is a seq


@given(st.binary(max_size=200))
def test_whatever_comes_in_is_a_command_or_refused(told):
    try:
        found = payload.commands(told)
    except ValueError:
        return
    assert all(isinstance(name, str) for name in found)


def test_what_is_too_long_or_cut_off_is_refused():
    whole = payload.written([Metric(metrics.REBIRTH, Datatype.BOOLEAN, value=True)], CLOCK.now(), 0)
    assert payload.commands(whole) == {metrics.REBIRTH: True}
    with pytest.raises(ValueError, match="cut off"):
        payload.commands(whole[:-4])
    with pytest.raises(ValueError, match="more than a command"):
        payload.commands(b"\0" * (payload.COMMAND_BYTES_MAX + 1))


# ------------------------------------------------------------------ a life


def kinds(messages) -> list[str]:
    return [one.topic.removeprefix("spBv1.0/plant_1/") for one in messages]


def test_one_sequence_goes_through_births_data_and_deaths_and_begins_again_after_255():
    told = life()
    cells = {"laser": (LASER, IDLE, None), "saw": (Place("c2", "Saw", "saw"), IDLE, None)}
    assert kinds(told.births(cells)) == ["NBIRTH/gw-a1", "DBIRTH/gw-a1/laser", "DBIRTH/gw-a1/saw"]
    assert told.seq == 3
    for number in range(253):
        cells["laser"] = (LASER, replace(IDLE, queue_length=number + 4), None)
        assert kinds(told.news(cells)) == ["DDATA/gw-a1/laser"]
    assert told.seq == 0
    del cells["saw"]
    assert kinds(told.news(cells)) == ["DDEATH/gw-a1/saw"]
    assert told.seq == 1
    assert kinds(told.births(cells))[0] == "NBIRTH/gw-a1"
    assert told.seq == 2


def test_only_what_has_changed_is_told():
    told = life()
    list(told.births({"laser": (LASER, IDLE, None)}))
    assert list(told.news({"laser": (LASER, IDLE, None)})) == []
    (message,) = told.news({"laser": (LASER, replace(IDLE, queue_length=2), None)})
    assert b"Queue/Length" in message.payload
    assert b"Job/Number" not in message.payload
    assert (message.qos, message.retain) == (0, False)


def test_a_cell_shows_the_operation_that_was_started_last_and_null_without_one():
    shown = {name: metric.value for name, metric in metrics.of_cell(BUSY, State.RUNNING).items()}
    assert shown["Operation/Name"] == "Cut"
    assert (shown["Job/Number"], shown["Job/Part"]) == ("J-1042", "P-7")
    assert (shown["Quantity/Planned"], shown["Quantity/Good"], shown["Quantity/Scrap"]) == (40, 8, 1)
    assert shown["Machine/State"] == "running"
    idle = {name: metric.value for name, metric in metrics.of_cell(IDLE, None).items()}
    assert idle == dict.fromkeys(shown) | {"Queue/Length": 3}


@pytest.mark.parametrize(
    ("machines", "shown"),
    [
        ([], None),
        ([("running", "good"), ("fault", "uncertain"), ("idle", "good")], State.FAULT),
        ([("fault", "bad"), ("idle", "good")], State.IDLE),
        ([("running", "bad")], State.UNKNOWN),
    ],
)
def test_of_several_machines_the_one_that_needs_somebody_most_is_shown(machines, shown):
    nothing = dict.fromkeys(("raw", "since", "source_timestamp", "received_at", "program", "operation_id"))
    standing = [
        Standing("m", State(state), quality=Quality(quality), counters={}, tags={}, version=1, **nothing)
        for state, quality in machines
    ]
    assert metrics.state_of(standing) == shown


@pytest.mark.parametrize("given", [{"group": "a/b"}, {"group": "x" * 65}, {"primary_host": "+"}])
def test_a_name_that_is_no_level_is_refused_at_the_start(given):
    with pytest.raises(StartupError, match="sparkplug"):
        life(**given)


# ------------------------------------------------------------------ the primary host


@pytest.mark.parametrize(
    ("told", "known"),
    [
        (b'{"online":true,"timestamp":6}', HostState(online=True, timestamp=6)),
        (b'{"online":false,"timestamp":5}', HostState(online=False, timestamp=5)),
        (b'{"online":true,"timestamp":4}', HostState(online=False, timestamp=5)),  # from before
        (b'{"online":1,"timestamp":9}', HostState(online=False, timestamp=5)),
        (b'{"online":true,"timestamp":true}', HostState(online=False, timestamp=5)),
        (b"ONLINE", HostState(online=False, timestamp=5)),
        (b"[" * 5_000, HostState(online=False, timestamp=5)),
        (b"\xff", HostState(online=False, timestamp=5)),
        (b"", HostState(online=False, timestamp=5)),
    ],
)
def test_the_newest_word_of_the_host_counts(told, known):
    assert host.heard(told, HostState(online=False, timestamp=5)) == known

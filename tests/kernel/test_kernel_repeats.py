"""What says the same again and again does not fill the log; and which request a line belongs to."""

import asyncio
import json
import logging

import pytest
import structlog

from gateway.kernel import following, logs
from gateway.kernel.repeats import EVENTS_MAX, LINES_MAX, WINDOW_S, Repeats


class Hands:
    """Of a clock."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
def repeats(hands):
    return Repeats(hands)


@pytest.fixture
def as_a_service():
    """A logger, set up when it is asked for: stderr is another one while fixtures are made."""

    def configured():
        logs.configure("info", "json")
        return structlog.get_logger("test")

    yield configured
    structlog.reset_defaults()
    logging.basicConfig(handlers=[], level=logging.WARNING, force=True)


def test_so_many_lines_of_one_event_in_a_minute_and_the_next_one_says_how_many_were_left_out(repeats, hands):
    assert [repeats.left_out("link.down") for _ in range(LINES_MAX + 30)] == [0] * LINES_MAX + [None] * 30
    assert repeats.left_out("disk.full") == 0
    hands.now_s += WINDOW_S
    assert [repeats.left_out("link.down") for _ in range(2)] == [30, 0]


def test_a_quiet_minute_forgets_what_was_left_out(repeats, hands):
    for _ in range(LINES_MAX + 1):
        repeats.left_out("link.down")
    hands.now_s += WINDOW_S
    repeats.left_out("other")
    hands.now_s += WINDOW_S
    assert repeats.left_out("link.down") == 0


def test_messages_that_are_all_different_are_bounded_too(repeats):
    told = [repeats.left_out(f"message {number}") for number in range(EVENTS_MAX + 5)]
    assert told == [0] * EVENTS_MAX + [None] * 5


def test_both_kinds_of_loggers_are_cut_off(as_a_service, capsys):
    log = as_a_service()
    for _ in range(LINES_MAX + 7):
        log.warning("link.down", link="cloud")
        logging.getLogger("other.people").warning("cannot reach %s", "them")
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert (events.count("link.down"), events.count("cannot reach them")) == (LINES_MAX, LINES_MAX)


async def test_a_line_has_the_id_of_the_request_that_it_was_written_for(as_a_service, capsys):
    log = as_a_service()

    async def serve(request_id):
        with following.followed(request_id):
            await asyncio.sleep(0)
            log.info("work.done", of=request_id)

    await asyncio.gather(*(serve(f"r-{number}") for number in range(3)))
    log.info("work.done", of=None)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one.get("request_id") for one in told] == [one["of"] for one in told]
    assert len(told) == 4


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("a" * 200, "a" * 200),
        ("rig:1_2.3-4", "rig:1_2.3-4"),
        ("a" * 201, None),
        ("", None),
        (None, None),
        ("a b", None),
        ('a"b', None),
        ("a\n", None),
        ("é", None),
    ],
)
def test_what_somebody_calls_his_request(sent, taken):
    assert following.sane(sent) == taken


def test_a_line_about_many_requests_names_some():
    ids = [f"r-{number}" for number in range(following.SHOWN_MAX + 3)]
    assert following.shown(ids) == {"request_ids": ids[: following.SHOWN_MAX], "more_requests": 3}
    assert following.shown(ids[:2]) == {"request_ids": ids[:2]}

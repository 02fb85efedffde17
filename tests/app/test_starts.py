"""What counts as a crash loop, what is tried in one, and what becomes the last good configuration."""

import json
import stat
from itertools import pairwise

import pytest

from gateway import starts
from gateway.kernel.disk import DataLock
from gateway.settings import whereabouts
from gateway.starts import Past, Start, Way, counted, judged, trouble

GOOD, BROKEN = b"good = 1\n", b"broken"
HERE = Past("boot-1", "config-1")


def ways(count: int, *, every_s: float, other: bool, past: Past = HERE) -> list[Way]:
    """Of starts that all die without a word."""
    found = []
    for number in range(count):
        way, past = judged(past, HERE, 1000 + number * every_s, other=other)
        found.append(way)
    return found


# ------------------------------------------------------------------ the rule


def test_the_fifth_start_within_two_minutes_takes_the_last_good_configuration():
    assert ways(5, every_s=10, other=True) == [Way.FILE] * 4 + [Way.LAST_GOOD]


def test_without_one_it_takes_the_file_once_more_and_says_why_that_fails():
    assert ways(5, every_s=10, other=False) == [Way.FILE] * 4 + [Way.AGAIN]


def test_in_a_loop_each_try_that_dies_is_followed_by_the_page_however_long_that_stays():
    assert ways(9, every_s=25, other=True)[4:] == [Way.LAST_GOOD, Way.PAGE, Way.LAST_GOOD, Way.PAGE, Way.LAST_GOOD]


def test_starts_that_are_further_apart_are_none():
    assert ways(50, every_s=31, other=True) == [Way.FILE] * 50


@pytest.mark.parametrize("other_one", [Past("boot-2", "config-1"), Past("boot-1", "config-2")], ids=["boot", "config"])
def test_another_start_of_the_machine_and_another_text_in_the_file_count_anew(other_one):
    loop = Past("boot-1", "config-1", (1.0, 2.0, 3.0, 4.0, 5.0), Way.PAGE, "no")
    assert judged(loop, other_one, 6.0, other=True) == (Way.FILE, Past(other_one.boot, other_one.config, (6.0,)))


def test_a_machine_without_a_boot_id_is_not_deceived_by_seconds_that_began_anew():
    before = Past("", "config-1", (5000.0, 5001.0, 5002.0, 5003.0))
    assert judged(before, Past("", "config-1"), 20.0, other=True)[0] is Way.FILE


# ------------------------------------------------------------------ as it is kept


def test_whoever_restarts_it_in_order_makes_no_loop(tmp_path):
    for second in range(20):
        start = Start(tmp_path, GOOD, float(second))
        assert start.way is Way.FILE
        start.ended()


def test_a_start_that_lasted_makes_its_configuration_the_last_good_one(tmp_path):
    Start(tmp_path, GOOD, 1.0).lasted()
    kept = tmp_path / "last-good.toml"
    assert kept.read_bytes() == GOOD
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    tries = [Start(tmp_path, BROKEN, 2.0 + number) for number in range(5)]
    assert [one.way for one in tries] == [Way.FILE] * 4 + [Way.LAST_GOOD]
    tries[-1].lasted()
    assert kept.read_bytes() == GOOD  # what did not come from the file is not its praise
    assert Start(tmp_path, BROKEN, 9.0).way is Way.FILE


def test_the_same_configuration_is_no_way_out_of_a_loop(tmp_path):
    Start(tmp_path, GOOD, 1.0).lasted()
    assert [Start(tmp_path, GOOD, 2.0 + number).way for number in range(5)][-1] is Way.AGAIN


def test_what_was_said_last_is_known_when_it_falls_back(tmp_path):
    for number in range(4):
        Start(tmp_path, BROKEN, float(number)).refused(f"no {number}")
    assert trouble(tmp_path) is None
    last = Start(tmp_path, BROKEN, 4.0)
    assert (last.looping, last.why) == (True, "no 3")
    last.refused("never")
    assert "never" in trouble(tmp_path)
    assert Start(tmp_path, BROKEN, 5.0).way is Way.AGAIN  # a refusal was told, so it is tried again
    assert "never" in trouble(tmp_path)


def test_a_restart_of_one_that_shows_the_page_is_a_try(tmp_path):
    for number in range(5):
        start = Start(tmp_path, BROKEN, float(number))
        start.refused("no")
    start.ended()
    assert trouble(tmp_path) is None
    assert Start(tmp_path, BROKEN, 6.0).way is Way.AGAIN


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"boot": 1}', '{"boot":"","config":"","at_s":["x"],"loop":"","why":""}']
)
def test_a_count_that_is_not_ours_is_none(tmp_path, text):
    (tmp_path / "starts.json").write_text(text)
    assert Start(tmp_path, GOOD).way is Way.FILE
    assert json.loads((tmp_path / "starts.json").read_text())["boot"]


def test_where_nothing_can_be_noted_the_first_refusal_is_told_on_the_page(tmp_path):
    (tmp_path / "file").write_text("")
    start = Start(tmp_path / "file" / "data", GOOD)
    assert start.way is Way.AGAIN
    start.refused("no")
    start.ended()
    start.lasted()


def test_a_start_beside_a_gateway_that_runs_is_not_counted(tmp_path):
    assert counted(tmp_path)
    with DataLock(tmp_path):
        assert not counted(tmp_path)


def test_a_loop_is_told_before_the_limit_that_systemd_has_by_itself():
    times = [0.0, *(number * 5.0 for number in range(1, 5))]  # RestartSec
    assert all(later - earlier < starts.WITHIN_S / starts.STARTS_MAX for earlier, later in pairwise(times))


# ------------------------------------------------------------------ where it is, however broken its settings

TORN = '[gateway]\ndata_dir = "{data}"\n[http]\nport = 9123\n[cloud]\napi_key = "canary-1\n[broker]\npassword = "canary-2"\n'


def test_folder_and_port_are_found_in_a_file_that_is_no_toml(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text(TORN.format(data=tmp_path / "d"))
    found = whereabouts(file, None, {"STATE_DIRECTORY": "/var/lib/other"})
    assert (found.data_dir, found.http.host, found.http.port) == (tmp_path / "d", "127.0.0.1", 9123)
    assert found.secrets == {"canary-2"}
    assert found.text == file.read_bytes()


def test_of_a_file_that_says_nothing_systemds_folder_is_taken(tmp_path):
    file = tmp_path / "gateway.toml"
    file.write_text("[gateway\n")
    assert str(whereabouts(file, None, {"STATE_DIRECTORY": "/var/lib/ours:/x"}).data_dir) == "/var/lib/ours"
    file.write_text("[gateway]\n")  # as the settings have it
    assert whereabouts(file, None, {"STATE_DIRECTORY": "/var/lib/ours"}).data_dir.name == "data"


@pytest.mark.parametrize(
    "text",
    [
        'gateway = 1\nhttp = "x"\n',
        '[http]\nhost = "0.0.0.0"\nport = 9000\n',  # in the clear for everybody: not without being allowed to
        "[http]\nport = 99999\n",
        "\xff\x00",
    ],
)
def test_what_cannot_be_had_is_the_default(tmp_path, text):
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    found = whereabouts(file, tmp_path, {"GATEWAY_HTTP__PORT__X": "1"})
    assert (found.data_dir, found.http.host) == (tmp_path, "127.0.0.1")


def test_the_environment_and_the_command_line_win(tmp_path):
    given = {"GATEWAY_HTTP__PORT": "9001", "GATEWAY_GATEWAY__DATA_DIR": "/nowhere", "GATEWAY_CLOUD__API_KEY": "canary"}
    found = whereabouts(tmp_path / "missing.toml", tmp_path, given)
    assert (found.data_dir, found.http.port, found.secrets) == (tmp_path, 9001, {"canary"})

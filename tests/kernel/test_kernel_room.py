"""Who is refused when the disk fills up, in which order, and that it does not flap."""

import shutil

import pytest
from structlog.testing import capture_logs

from gateway.kernel.disk import BALLAST_BYTES
from gateway.kernel.errors import RoomKept, Unavailable
from gateway.kernel.room import FILES_LEAVE, MIB, Room, Space, Use, leaves_bytes

LARGE = 64 * 1024 * MIB
CARD = 2 * 1024 * MIB


@pytest.fixture
def room(tmp_path, monkeypatch):
    """`room.shows(free in MiB)`: what the disk is said to have."""
    room = Room(tmp_path)

    def shows(free_mib: int, *, total: int = LARGE, files: tuple[int, int] | None = None) -> list[str]:
        monkeypatch.setattr(room, "space", lambda: Space(free_mib * MIB, total, files))
        return list(room.told()["refused"])

    room.shows = shows
    return room


@pytest.mark.parametrize(
    ("free_mib", "total", "refused"),
    [
        (5000, LARGE, []),
        (512, LARGE, []),
        (511, LARGE, ["upload"]),
        (256, LARGE, ["upload"]),
        (255, LARGE, ["upload", "telemetry"]),
        (127, LARGE, ["upload", "telemetry", "plan"]),
        (0, LARGE, ["upload", "telemetry", "plan"]),
        (256, CARD, []),
        (255, CARD, ["upload"]),
        (127, CARD, ["upload", "telemetry"]),
        (63, CARD, ["upload", "telemetry", "plan"]),
    ],
)
def test_uploads_go_first_then_telemetry_then_plans_and_bookings_never(room, free_mib, total, refused):
    assert room.shows(free_mib, total=total) == refused
    for use in Use:
        if use.name.lower() in refused:
            with pytest.raises(
                RoomKept, match=f"{use.shown} are refused: {free_mib} MiB are free, and .* MiB are kept"
            ):
                room.require(use)
        else:
            room.require(use)
        assert room.admits(use) is (use.name.lower() not in refused)


def test_a_small_disk_leaves_a_share_and_the_setting_is_taken_as_it_is():
    assert [leaves_bytes(use, CARD, None) // MIB for use in Use] == [256, 128, 64, 0]
    assert [leaves_bytes(use, LARGE, None) // MIB for use in Use] == [512, 256, 128, 0]
    assert [leaves_bytes(use, LARGE, 40 * MIB) // MIB for use in Use] == [40, 20, 10, 0]


def test_what_was_refused_comes_back_only_with_room_to_spare(room):
    assert room.shows(511) == ["upload"]
    assert room.shows(512) == ["upload"], "at the limit it would flap"
    assert room.shows(639) == ["upload"]
    assert room.shows(640) == []
    assert room.shows(512) == []


def test_each_change_is_logged_once(room):
    with capture_logs() as logs:
        for free_mib in (700, 300, 300, 100, 700, 700):
            room.shows(free_mib)
    told = [(one["event"], one["what"]) for one in logs]
    all_ = "uploads and backups, machine values and logs, plans and master data"
    assert told == [
        ("disk.refusing", "uploads and backups"),
        ("disk.refusing", all_),
        ("disk.room_again", all_),
    ]


def test_a_refusal_is_for_programs_too_and_means_try_again(room):
    room.shows(100)
    with pytest.raises(RoomKept) as refused:
        room.require(Use.PLAN)
    assert refused.value.details == {"class": "plan", "free_bytes": 100 * MIB, "kept_bytes": 128 * MIB}
    assert refused.value.code == "INSUFFICIENT_STORAGE"
    assert isinstance(refused.value, Unavailable)


def test_a_large_one_is_refused_before_it_eats_what_is_kept(room):
    room.shows(600)
    room.require(Use.UPLOAD, 88 * MIB)
    with pytest.raises(RoomKept, match="600 MiB are free and 89 MiB are wanted, and 512 MiB are kept"):
        room.require(Use.UPLOAD, 89 * MIB)


def test_without_names_for_more_files_uploads_are_refused_and_nothing_else(room):
    many = FILES_LEAVE * 100
    assert room.shows(5000, files=(FILES_LEAVE, many)) == []
    assert room.shows(5000, files=(FILES_LEAVE - 1, many)) == ["upload"]
    with pytest.raises(RoomKept, match="999 more files fit on the disk"):
        room.require(Use.UPLOAD)
    assert room.shows(5000, files=(FILES_LEAVE, many)) == ["upload"]
    assert room.shows(5000, files=(FILES_LEAVE * 5 // 4, many)) == []
    assert room.shows(5000, files=(40, 400)) == ["upload"], "a share of a small disk"


def test_what_the_ballast_held_is_for_bookings_alone(tmp_path):
    room = Room(tmp_path)
    room.ballast.lay_down()
    held = room.space().free_bytes
    room.ballast.release()
    assert abs(room.space().free_bytes - held) < BALLAST_BYTES // 2, "its room is not anybody's"
    assert shutil.disk_usage(tmp_path).free - room.space().free_bytes > BALLAST_BYTES // 2


def test_people_are_told_who_is_refused_and_what_bookings_live_on(room):
    room.shows(5000)
    assert room.problem() is None
    room.shows(300)
    assert room.problem() == (
        "the disk is nearly full (300 MiB are free): uploads and backups are refused, "
        "bookings live on the 64 MiB kept back for them"
    )
    room.ballast.lay_down()
    assert room.problem() == "the disk is nearly full (300 MiB are free): uploads and backups are refused"

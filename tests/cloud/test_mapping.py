"""Our rows in the cloud's words."""

from gateway.cloud import mapping

ENTRY = {
    "id": "e1",
    "operation_id": "o1",
    "operator_id": "p1",
    "time_type": "run",
    "start_time": "2026-11-02T07:00:00+00:00",
    "end_time": "2026-11-02T08:00:00+00:00",
    "duration_s": 2400,
    "notes": None,
    "created_at": "2026-11-02T07:00:00+00:00",
}
PAUSE = {"paused_at": "2026-11-02T07:20:00+00:00", "resumed_at": "2026-11-02T07:40:00+00:00", "segment_id": "s1"}


def stretches(entry, pauses):
    return [
        (one.id, one.values["start_time"][11:16], (one.values["end_time"] or "")[11:16], one.values["duration"])
        for one in mapping.wanted("time_entries", entry, pauses)
    ]


def test_an_entry_without_pauses_is_one_entry():
    assert stretches(ENTRY | {"duration_s": 3600}, []) == [("e1", "07:00", "08:00", 60)]


def test_a_pause_cuts_an_entry_in_two():
    assert stretches(ENTRY, [PAUSE]) == [("e1", "07:00", "07:20", 20), ("s1", "07:40", "08:00", 20)]


def test_while_paused_nothing_runs():
    open_pause = PAUSE | {"resumed_at": None}
    assert stretches(ENTRY | {"end_time": None, "duration_s": None}, [open_pause]) == [("e1", "07:00", "07:20", 20)]


def test_resumed_and_running():
    assert stretches(ENTRY | {"end_time": None, "duration_s": None}, [PAUSE]) == [
        ("e1", "07:00", "07:20", 20),
        ("s1", "07:40", "", None),
    ]


def test_nobody_worked_between_a_resume_and_an_end_in_one_moment():
    at_once = PAUSE | {"resumed_at": ENTRY["end_time"]}
    wanted = mapping.wanted("time_entries", ENTRY, [at_once])
    assert [want.empty for want in wanted] == [False, True]
    assert [want.id for want in wanted] == ["e1", PAUSE["segment_id"]]


def test_what_an_entry_counts_is_shared_among_its_stretches():
    assert stretches(ENTRY | {"duration_s": 1800}, [PAUSE]) == [
        ("e1", "07:00", "07:20", 15),
        ("s1", "07:40", "08:00", 15),
    ]
    assert stretches(ENTRY | {"duration_s": 600}, []) == [("e1", "07:00", "08:00", 10)]


def test_what_an_entry_counts_stays_with_the_first_stretch_where_nobody_worked():
    pauses = [PAUSE | {"paused_at": ENTRY["start_time"], "resumed_at": ENTRY["end_time"]}]
    assert [one[3] for one in stretches(ENTRY | {"duration_s": 600}, pauses)] == [10, 0]


def test_equal_as_the_cloud_sees_it():
    assert mapping.same("2026-11-02T07:00:00.500000+00:00", "2026-11-02T07:00:00.5+00:00")
    assert mapping.same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not mapping.same("a", "b")
    assert not mapping.same("2026-11-02T07:00:00+00:00", None)


def test_most_of_the_scrap_names_the_reason():
    reasons = [{"scrap_reason_id": "a", "quantity": 1}, {"scrap_reason_id": "b", "quantity": 3}]
    assert mapping.dominant(reasons) == "b"


def test_a_list_names_files_by_the_clouds_paths_once_they_are_there():
    files = [{"path": "a", "cloud_path": "A"}, {"path": "b", "cloud_path": None}]
    row = dict.fromkeys(mapping._PLAIN["parts"]) | {"id": "p1", "file_paths": '["a", "b", "elsewhere"]'}
    (want,) = mapping.wanted("parts", row, files)
    assert want.values["file_paths"] == ["A", "elsewhere"]
    (want,) = mapping.wanted("parts", row | {"file_paths": None})
    assert want.values["file_paths"] is None

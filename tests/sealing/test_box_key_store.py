"""The box key from the credential store of the service: it wins, it is never made a second time, two that differ are an error."""

import shutil

import pytest

from gateway.kernel.errors import StorageFailed
from gateway.kernel.secrets import FILE, KNOWN, Secrets

KEY, OTHER = bytes(range(64)), bytes(range(1, 65))


@pytest.fixture
def store(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (store / "box-key").write_bytes(KEY)
    return store


@pytest.fixture
def data(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    return data


def test_the_store_has_the_key_and_none_is_made_in_the_data_folder(data, store):
    box = Secrets(data, store)
    box.settle()
    sealed = box.seal("hush", "x")
    assert box.open(sealed, "x") == "hush"
    assert [file.name for file in data.iterdir()] == [KNOWN]
    assert (data / KNOWN).stat().st_mode & 0o777 == 0o600
    assert KEY.hex()[:16] not in (data / KNOWN).read_text()


def test_a_key_that_moves_into_the_store_opens_what_it_sealed(data, store, tmp_path):
    sealed = Secrets(data).seal("hush", "x")
    (data / FILE).replace(store / "box-key")
    assert Secrets(data, store).open(sealed, "x") == "hush"


def test_the_same_key_in_both_places_is_one_key(data, store):
    (data / FILE).write_bytes(KEY)
    box = Secrets(data, store)
    box.settle()
    assert (box.problem(), box.key()) == (None, KEY)


def test_two_that_differ_seal_and_open_nothing(data, store):
    sealed = Secrets(data).seal("hush", "x")
    box = Secrets(data, store)
    for ask in (
        box.key,
        box.settle,
        lambda: box.seal("a", "x"),
        lambda: box.open(sealed, "x"),
        lambda: box.derived("y"),
    ):
        with pytest.raises(StorageFailed, match=r"they differ.*install\.sh"):
            ask()
    assert "they differ" in box.problem()
    assert not (data / KNOWN).exists()
    shutil.move(data / FILE, store / "box-key")
    assert box.open(sealed, "x") == "hush"


def test_outside_the_service_no_second_key_is_made(data, store):
    Secrets(data, store).settle()
    outside = Secrets(data)
    for ask in (lambda: outside.seal("a", "x"), lambda: outside.derived("y"), lambda: outside.open("sealed:1:00", "x")):
        with pytest.raises(StorageFailed, match="start the service and run this again"):
            ask()
    assert not (data / FILE).exists()


def test_another_key_in_the_store_is_not_taken_silently(data, store):
    Secrets(data, store).settle()
    (store / "box-key").write_bytes(OTHER)
    assert "another one" in Secrets(data, store).problem()
    (store / "box-key").unlink()
    assert "is not there" in Secrets(data, store).problem()
    (data / FILE).write_bytes(OTHER)
    assert FILE in Secrets(data).problem()
    (data / FILE).write_bytes(KEY)
    assert Secrets(data).problem() is None  # it came back out of the store


def test_a_damaged_one_is_said(data, store):
    (store / "box-key").write_bytes(KEY + b"\n")
    with pytest.raises(StorageFailed, match="damaged"):
        Secrets(data, store).key()

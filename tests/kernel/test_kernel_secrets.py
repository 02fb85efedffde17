"""What is sealed opens here, for the same thing, and nowhere else."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.kernel.errors import StorageFailed
from gateway.kernel.secrets import FILE, KEY_BYTES, MARK, Secrets


@given(st.text(max_size=300))
def test_it_opens_as_it_was(tmp_path_factory, secret):
    box = Secrets(tmp_path_factory.getbasetemp())
    sealed = box.seal(secret, "webhooks:1")
    assert sealed.startswith(MARK)
    assert box.open(sealed, "webhooks:1") == secret
    assert box.open(sealed, "webhooks:2") is None


def test_the_same_is_sealed_alike_and_tells_nothing(tmp_path):
    box = Secrets(tmp_path)
    assert box.seal("s3cret", "a") == Secrets(tmp_path).seal("s3cret", "a")
    assert len({box.seal("s3cret", "a"), box.seal("s3cret", "b"), box.seal("s3creT", "a")}) == 3
    assert "s3cret" not in box.seal("s3cret", "a")


def test_another_box_cannot_open_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    sealed = Secrets(tmp_path / "a").seal("s3cret", "x")
    assert Secrets(tmp_path / "b").open(sealed, "x") is None


@pytest.mark.parametrize("sealed", ["", MARK, MARK + "zz", MARK + "00" * 20, "s3cret"])
def test_what_was_never_sealed_does_not_open(tmp_path, sealed):
    assert Secrets(tmp_path).open(sealed, "x") is None


def test_one_byte_changed_and_it_does_not_open(tmp_path):
    box = Secrets(tmp_path)
    sealed = box.seal("s3cret", "x")
    last = "0" if sealed[-1] != "0" else "1"
    assert box.open(sealed[:-1] + last, "x") is None


def test_the_key_is_for_its_owner_only_and_made_when_it_is_needed(tmp_path):
    box = Secrets(tmp_path)
    assert list(tmp_path.iterdir()) == []
    box.seal("s3cret", "x")
    (file,) = tmp_path.iterdir()
    assert (file.name, file.stat().st_size) == (FILE, KEY_BYTES)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_many_at_once_make_one_key(tmp_path):
    def seal(_number: int) -> str:
        return Secrets(tmp_path).seal("s3cret", "x")

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(seal, range(64)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_a_damaged_key_is_said_and_not_replaced(tmp_path):
    (tmp_path / FILE).write_bytes(b"short")
    with pytest.raises(StorageFailed, match=FILE):
        Secrets(tmp_path).seal("s3cret", "x")
    assert (tmp_path / FILE).read_bytes() == b"short"


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(StorageFailed, match=FILE):
        Secrets(tmp_path / "gone").seal("s3cret", "x")


def test_a_gateway_without_secrets_does_not_load_what_seals_them():
    code = "import gateway.app, sys; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

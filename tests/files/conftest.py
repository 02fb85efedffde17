import pytest
from uploader import Uploads


@pytest.fixture
def uploads(floor, tmp_path):
    return Uploads(floor, tmp_path)

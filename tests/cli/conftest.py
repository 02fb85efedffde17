"""The command line as a person or a script has it."""

from collections.abc import Iterator

import pytest
from program import Program


@pytest.fixture
def program(tmp_path) -> Program:
    program = Program.at(tmp_path)
    program.configure()
    return program


@pytest.fixture
def running(program) -> Iterator[Program]:
    with program.serving():
        yield program


@pytest.fixture(params=["stopped", "running"])
def either(program, request):
    """The same command on the files of a stopped gateway and through the socket of a running one."""
    if request.param == "stopped":
        yield program
        return
    with program.serving():
        yield program

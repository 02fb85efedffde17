"""`uns watch` on a running gateway: lines for scripts, a tree on a terminal, and Ctrl-C ends it in order."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from program import Program

WAIT_MAX_S = 30
CELL = {"id": "00000000-0000-4000-8000-0000000ce001", "name": "Laser", "sequence": 1}


@pytest.fixture
def served(tmp_path):
    program = Program.at(tmp_path)
    site = '[site]\nenterprise = "acme"\nsite = "plant1"\n[sparkplug]\nenabled = true\n'
    program.configure(f"{site}[broker]\nport = {Program.free_port()}\n")
    (tmp_path / "hall.json").write_text(json.dumps({"cells": [CELL]}))
    with program.serving():
        program.ok("import", str(tmp_path / "hall.json"))
        yield program


@contextlib.contextmanager
def watching(program: Program, *words: str, **streams):
    command = [sys.executable, "-m", "gateway", "uns", "watch", *words, "--config", str(program.config)]
    process = subprocess.Popen(command, env=program.environment, cwd=program.folder, **streams)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_script_gets_an_object_for_each_message(served):
    with watching(served, "acme/plant1/+/+/_state", "--json", stdout=subprocess.PIPE, text=True) as process:
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_MAX_S) == 0
        process.stdout.close()
    assert told["topic"] == "acme/plant1/area/laser/_state"
    assert told["payload"]["cell"]["name"] == "Laser"
    assert (told["count"], told["quality"]) == (1, "good")


def test_sparkplug_runs_beside_it_and_its_bytes_are_told_by_their_number(served):
    with watching(served, "spBv1.0/#", "--json", stdout=subprocess.PIPE, text=True) as process:
        ends_s = time.monotonic() + WAIT_MAX_S
        while (link := served.ok("status", "--json").json["links"]["sparkplug"])["state"] != "up":
            assert time.monotonic() < ends_s, link
        (served.folder / "more.json").write_text(json.dumps({"cells": [{**CELL, "name": "Laser 7"}]}))
        served.ok("import", str(served.folder / "more.json"))
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.stdout.close()
    assert (link["group"], link["devices"]) == ("plant1", 1)
    assert told["topic"].startswith("spBv1.0/plant1/D")
    assert "bytes>" in told["payload"]


def test_a_terminal_gets_a_tree_as_wide_as_it_is(served):
    ours, theirs = pty.openpty()
    served.environment |= {"COLUMNS": "50", "LINES": "12", "TERM": "xterm"}
    with watching(served, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        drawn, ends_s = "", time.monotonic() + WAIT_MAX_S
        while "area/laser/_state" not in drawn:
            assert time.monotonic() < ends_s, drawn
            if select.select([ours], [], [], 0.2)[0]:
                drawn += os.read(ours, 65_536).decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_MAX_S) == 0
    os.close(ours)
    last = drawn.split("\x1b[H")[-2]
    lines = [line.removesuffix("\x1b[K") for line in last.replace("\x1b[J", "").split("\r\n")]
    assert max(map(len, lines)) <= 50


def test_without_a_broker_it_says_what_is_missing(tmp_path):
    program = Program.at(tmp_path)
    program.configure('[broker]\nmode = "off"\n')
    off = program.call("uns", "watch")
    assert (off.code, 'mode is "off"' in off.err) == (1, True)
    program.configure(f"[broker]\nport = {Program.free_port()}\n")
    never = program.call("uns", "watch")
    assert (never.code, "no broker has run" in never.err) == (3, True)


def test_a_filter_that_is_none_is_told_how_one_looks(tmp_path):
    program = Program.at(tmp_path)
    program.configure("")
    said = program.call("uns", "watch", "a/#/b")
    assert said.code == 1
    assert '"a/#/b" is no topic filter: as "acme/plant1/#"' in said.err
    assert "Traceback" not in said.err

"""What bandit is told to pass over says which finding it means, and why."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(file for top in ("gateway", "plugins", "tools", "systemd") for file in (ROOT / top).rglob("*.py"))
COMMENTS = [
    (file.relative_to(ROOT), number, line[line.index("# nosec") :])
    for file in SOURCES
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    if "# nosec" in line
]
FORM = re.compile(r"# nosec (B\d{3})(, B\d{3})* # (noqa: [A-Z0-9, ]+ -- )?\w.{3,}")


def test_each_names_the_finding_and_a_reason():
    assert len(COMMENTS) > 100
    assert [found for found in COMMENTS if not FORM.fullmatch(found[2])] == []


def test_nothing_is_passed_over_for_a_whole_file_or_by_configuration():
    assert "[tool.bandit" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert not list(ROOT.glob(".bandit")) + list(ROOT.glob("bandit.y*ml"))


@pytest.mark.parametrize("folder", ["gateway", "plugins", "tools", "systemd"])
def test_the_check_looks_everywhere(folder):
    (line,) = re.findall(r"^BANDIT = bandit (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert folder in line.partition(" -x ")[0].split()
    assert re.search(r"^check:.*\n.*\$\(BANDIT\)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

"""What docs/security.md claims is tested is a test that is there and runs, and no requirement is passed over."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"\b(test_\w+\.py)::(test_\w+)", PAGE)))
# Of IEC 62443-4-2, by foundational requirement: those for software and hosts, and those for networks, which are said not to apply.
COMPONENT = {
    1: range(1, 15),
    2: range(1, 14),
    3: range(1, 15),
    4: range(1, 4),
    5: range(1, 5),
    6: range(1, 3),
    7: range(1, 9),
}
PART_1 = ["I (1)", *(f"I (2)({letter})" for letter in "abcdefghijklm")]  # of Annex I of the Cyber Resilience Act
PART_2 = [f"II ({number})" for number in range(1, 9)]
UNPROVEN = ("not applicable", "not met", "no test: ")  # the words of a line that has no test


def rows(heading: str) -> list[list[str]]:
    """The cells of every line of the tables of a section."""
    section = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, heading
    lines = [line.strip("|").split("|") for line in section[1].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines]


@functools.cache
def functions(name: str) -> dict[str, str]:
    """The tests of a file -> their text, with the marks that all of the file have."""
    (file,) = (ROOT / "tests").rglob(name)
    body = ast.parse(file.read_text(encoding="utf-8")).body
    marks = "".join(
        ast.unparse(one) for one in body if isinstance(one, ast.Assign) and "pytestmark" in ast.unparse(one)
    )
    below = [one for top in body for one in ([*top.body, *top.orelse] if isinstance(top, ast.If) else [top])]
    found = [one for one in below if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {one.name: ast.unparse(one) + marks for one in found}


@pytest.mark.parametrize(("name", "function"), NAMED, ids=[f"{name}::{function}" for name, function in NAMED])
def test_a_test_that_is_named_is_there_and_runs(name, function):
    found = functions(name).get(function)
    assert found, f"{name} has no {function}"
    assert not re.search(r"\b(skip|skipif|xfail|importorskip)\b", found), f"{name}::{function} may not run"


def test_every_requirement_has_a_line():
    words = {
        match
        for row in rows("IEC 62443-4-2, security level 2")
        for match in re.findall(r"[A-Z]{2,3} (\d\.\d+)", row[0])
    }
    assert {f"{part}.{number}" for part, numbers in COMPONENT.items() for number in numbers} <= words
    assert sum(row[0].startswith("CCSC ") for row in rows("IEC 62443-4-2, security level 2")) == 4
    named = [row[0] for row in rows("EU Cyber Resilience Act, Annex I")]
    assert [one for one in named if re.match(r"I+ \(", one)] == PART_1 + PART_2


@pytest.mark.parametrize("heading", ["IEC 62443-4-2, security level 2", "EU Cyber Resilience Act, Annex I"])
def test_every_line_names_a_test_or_says_that_there_is_none(heading):
    lines = [row for row in rows(heading) if re.match(r"[A-Z]+ [\d(]|CCSC|NDR|SAR|HDR", row[0])]
    assert len(lines) > 20
    for row in lines:
        assert "::" in row[-1] or row[-1].startswith(UNPROVEN), row
        assert len(row[2]) > 10, row


def test_every_way_in_has_a_proof():
    ways = [row for row in rows("Threat model") if len(row) == 4 and row[0] != "Way in"]
    assert len(ways) > 15
    assert [row[0] for row in ways if "::" not in row[3]] == []


def test_what_is_listed_is_reachable_from_the_index_of_the_docs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "`docs/security.md`" in readme
    assert "docs/security.md" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")

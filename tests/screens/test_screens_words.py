"""English, Dutch and German say the same things, with the same values in them; whatever the pages ask for is there."""

import json
import re
from collections.abc import Iterator

import pytest

from gateway.screens.assets import Assets

ASSETS = Assets()
LANGUAGES = ("en", "nl", "de")
WORDS = {language: json.loads(ASSETS.files[f"i18n/{language}.json"]) for language in LANGUAGES}
NEEDED = {"one", "other"}


def texts(words, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """("badge.online", [its forms])"""
    for name, value in words.items():
        if isinstance(value, str):
            yield path + name, [value]
        elif value.keys() == NEEDED:
            yield path + name, [*value.values()]
        else:
            yield from texts(value, f"{path}{name}.")


def placeholders(forms: list[str]) -> set[str]:
    return {name for form in forms for name in re.findall(r"\{(\w+)\}", form)}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_language_has_the_same_words_with_the_same_values(language):
    english, other = dict(texts(WORDS["en"])), dict(texts(WORDS[language]))
    assert english.keys() == other.keys()
    assert {key for key in english if placeholders(english[key]) != placeholders(other[key])} == set()
    assert {key for key in english if len(english[key]) != len(other[key])} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_empty_and_nothing_is_decorated(language):
    for key, forms in texts(WORDS[language]):
        assert all(form.strip() for form in forms), key
        assert not any(re.search("[\U0001f300-\U0001faff]", form) for form in forms), key


def test_every_word_that_a_page_asks_for_is_there():
    known = {key for key, _ in texts(WORDS["en"])}
    asked = {
        key
        for path, content in ASSETS.files.items()
        if path.startswith(("shared/", "terminal/", "ops/")) and path.endswith(".js")
        for key in re.findall(r'\bt\(\s*"([\w.]+)"', content.decode())
    }
    assert len(asked) > 50
    assert asked - known == set()


def test_no_word_is_there_for_nobody():
    """A name that is put together (`badge.${key}`) stands for all that begin so."""
    sources = " ".join(
        content.decode()
        for path, content in ASSETS.files.items()
        if path.startswith(("shared/", "terminal/", "ops/")) and path.endswith(".js")
    )
    whole = set(re.findall(r'"([a-z_]+\.[\w.]+)"', sources))
    begun = tuple(re.findall(r"`([a-z_]+\.[\w.]*)\$\{", sources))
    unused = {key for key, _ in texts(WORDS["en"]) if key not in whole and not key.startswith(begun)}
    titles = {key for key in unused if key.endswith(".title")}  # of a view: `${name}.title`
    assert unused - titles == set()

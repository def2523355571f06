"""Names in Markdown, judged by a parser of it that takes HTML and links as the Prefect UI does."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flows.orchestration.markdown_text import code, escape
from tests.support.lanes import examples

PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
EVIL = [
    "[click](http://evil.example)",
    "![](http://evil.example/pixel.png)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "a | b | c",
    "**bold** _kick_ ~~gone~~ `rm -rf`",
    "# heading",
    "- list",
    "12. twelfth",
    "&lt;b&gt; &amp;",
    "back\\slash \\[",
    "``` fence",
    "loop_120_bpm_.wav",
    "= a",
    "two\nlines | and\r\nmore",
    "<http://evil.example>",
    "a@b.example",
    "$x$",
]
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30) | st.text(
    "ab1 _*`[]()<>|~!#&\\-+=.:/@$", max_size=30
)


class Shown(HTMLParser):
    """The text of a page, and its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def line_of(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("text", EVIL)
def test_such_names_are_shown_as_they_are(text: str) -> None:
    for markdown, tags in ((escape(text), ["p"]), (code(text), ["p", "code"])):
        shown = Shown(PARSER.render(markdown))
        assert shown.tags == tags
        assert shown.text.strip() == line_of(text).replace("|", "\\|" if tags[-1] == "code" else "|")


@pytest.mark.slow
@pytest.mark.thorough
@settings(max_examples=examples(200), deadline=None)
@given(TEXT, TEXT)
@example("a|b", "c`|")
@example("\\", "|")
def test_a_cell_of_a_table_stays_one(first: str, second: str) -> None:
    page = Shown(PARSER.render(f"| x | y |\n|---|---|\n| {escape(first)} | {code(second or 'c')} |"))
    assert set(page.tags) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.tags.count("td") == 2
    assert re.sub(r"\s", "", page.text) == re.sub(r"\s", "", f"xy{first}{second or 'c'}")


@pytest.mark.parametrize("text", ["http://evil.example", "www.evil.example", "HTTPS://evil.example", "a@b.example"])
def test_addresses_are_no_links(text: str) -> None:
    """GitHub's Markdown, which the Prefect UI speaks, makes links of addresses that stand in the text."""
    linked = re.compile(r"(https?|ftp)://|www\.|[\w.+-]@", re.IGNORECASE)
    assert linked.search(text)
    assert not linked.search(escape(text))
    assert Shown(PARSER.render(escape(text))).text.strip() == text

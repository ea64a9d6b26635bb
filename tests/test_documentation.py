"""What the documentation site is made of: the reference of commands, and the check of what its pages load."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def reference() -> str:
    return str(runpy.run_path(str(ROOT / "benchmarks" / "command_reference.py"))["reference"]())


@pytest.fixture(scope="module")
def check() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / ".ci" / "own_resources.py"))


def test_the_reference_has_every_command_with_each_of_its_options(reference: str) -> None:
    sections = {section.partition("\n")[0]: section for section in reference.split("## ")[1:]}
    assert sorted(sections) == sorted(main.commands)
    for name, command in main.commands.items():
        options = [option for option in command.params if isinstance(option, click.Option)]
        missing = [option.name for option in options if not any(told in sections[name] for told in option.opts)]
        assert missing == []
        assert all(row.count("|") == 3 for row in sections[name].splitlines() if row.startswith("| "))


def test_a_page_of_the_reference_has_it_in_the_place_of_its_mark_and_other_pages_are_as_they_were(
    reference: str,
) -> None:
    hook = runpy.run_path(str(ROOT / "benchmarks" / "command_reference.py"))["on_page_markdown"]
    assert hook("# Commands\n\n<!-- commands -->\n") == f"# Commands\n\n{reference}\n"
    assert hook("# Other\n", page=None) == "# Other\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example/x.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//fonts.example/css">'),
        ("a.html", '<img src="http://example/x.png">'),
        ("a.html", "<style>@import 'https://fonts.example/css';</style>"),
        ("a.html", '<p style="background: url(https://example/x.png)">'),
        ("a.html", '<script>fetch("https://example/x")</script>'),
        ("a.css", '@font-face {src: url("https://fonts.example/x.woff2")}'),
        ("a.js", 'new Worker("https://unpkg.example/worker.js")'),
        ("a.svg", '<svg><image href="https://example/x.png"/></svg>'),
    ],
)
def test_what_is_loaded_from_another_host_is_found(check: dict[str, Any], tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    (line,) = check["from_elsewhere"](tmp_path)
    assert line.startswith(f"{tmp_path / name}: loads ")


def test_links_to_follow_and_resources_of_the_site_are_no_finding(check: dict[str, Any], tmp_path: Path) -> None:
    text = '<link rel="canonical" href="https://example/"><a href="https://example/">x</a><img src="images/x.png">'
    (tmp_path / "a.html").write_text(text + '<script src="../x.js"></script>', encoding="utf-8")
    assert list(check["from_elsewhere"](tmp_path)) == []


def commands_of(page: Path) -> list[list[str]]:
    """The lines of its shell blocks that call sartranslate, each in words, without what is done with their output."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    called = [line[line.index("sartranslate") + 1 :] for line in lines if "sartranslate" in line]
    cut = [line[: line.index(">")] if ">" in line else line for line in called]
    return [line for line in cut if line]  # else the shell asks for its completion


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_command_of_a_page_is_one_that_is_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sartranslate.rasters.local_only.restrict", lambda: None)  # else for all tests to come
    for name, *arguments in commands_of(page):
        main.commands[name].make_context(name, arguments).close()


def test_commands_are_found_on_the_pages() -> None:
    assert len(commands_of(ROOT / "docs" / "tutorial.md")) == 9
    assert sum(len(commands_of(page)) for page in PAGES) > 30

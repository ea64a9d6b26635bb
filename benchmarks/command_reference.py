"""The commands and their options as Markdown, from click itself; MkDocs calls it where a page says `<!-- commands -->`.

python benchmarks/command_reference.py
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with the reference in the place of its mark."""
    return markdown.replace(MARK, reference()) if MARK in markdown else markdown


def reference() -> str:
    """A section for each command, in the order of the names."""
    sys.path.insert(0, str(Path(__file__).parents[1]))  # the commands of this checkout
    from cli import main

    with click.Context(main, info_name="sartranslate", **main.context_settings) as group:
        return "\n".join(line for name in sorted(main.commands) for line in _section(main.commands[name], name, group))


def _section(command: click.Command, name: str, group: click.Context) -> Iterable[str]:
    """What a command does, how it is called, and a table of its options."""
    with click.Context(command, info_name=name, parent=group) as context:
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
        records = [record for option in options if (record := option.get_help_record(context))]
    yield from (f"## {name}", "", "```text", usage, "```", "", _prose(inspect.cleandoc(command.help or "")), "")
    yield from ("| option | |", "|---|---|")
    for names, meaning in records:
        yield f"| {_code(names)} | {_prose(meaning)} |"
    yield ""


def _code(text: str) -> str:
    """As code, in a cell of a table too, which `|` would end."""
    return f"<code>{_escaped(text).replace('|', '&#124;')}</code>"


def _prose(text: str) -> str:
    """With what stands between backticks as code, and all else as it is."""
    parts = text.split("`")
    return "".join(_code(part) if index % 2 else _literal(part) for index, part in enumerate(parts))


def _literal(text: str) -> str:
    """Without what Markdown would take for its own."""
    for character in "\\*_[]":
        text = text.replace(character, "\\" + character)
    return _escaped(text).replace("|", "&#124;")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    print(reference())

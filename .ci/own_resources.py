"""Ends with 1 where a file of a site loads a script, style, font, image or frame from another host, and says which.

python .ci/own_resources.py SITE
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

LOADING = ("src", "srcset", "data", "poster", "background")  # attributes; href of anything but a link to follow
FOLLOWED = ("a", "area")
NOT_LOADED = {"canonical", "prev", "next", "alternate", "author", "license", "help", "search"}  # kinds of <link>
ELSEWHERE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?\s*([^\"')\s]+)", re.IGNORECASE)
IN_SCRIPTS = re.compile(r"(?:fetch|import|importScripts|Worker)\s*\(\s*[\"']([^\"']+)|\.src\s*=\s*[\"']([^\"']+)")


class _Page(HTMLParser):
    """Collects what a page loads, its styles and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        values = {name: value or "" for name, value in attrs}
        self.loaded += [values[name] for name in LOADING if name in values]
        self.loaded += styled(values.get("style", ""))
        kinds = set(values.get("rel", "").split())
        if "href" in values and tag not in FOLLOWED and not (kinds and kinds <= NOT_LOADED):
            self.loaded.append(values["href"])

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.loaded += styled(data)
        elif self._inside == "script":
            self.loaded += scripted(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def styled(text: str) -> list[str]:
    """Addresses that a style sheet loads."""
    return [found[1] for found in IN_STYLES.finditer(text)]


def scripted(text: str) -> list[str]:
    """Addresses that a script loads, where it names them."""
    return [found[1] or found[2] for found in IN_SCRIPTS.finditer(text)]


def paged(text: str) -> list[str]:
    """Addresses that a page or a picture in SVG loads."""
    page = _Page()
    page.feed(text)
    page.close()
    return page.loaded


READ = {".html": paged, ".svg": paged, ".css": styled, ".js": scripted}


def from_elsewhere(site: Path) -> Iterator[str]:
    """A line for each address of another host that a file of the site loads."""
    for path in sorted(site.rglob("*")):
        read = READ.get(path.suffix)
        if read:
            loaded = read(path.read_text(encoding="utf-8"))
            yield from (f"{path}: loads {address[:100]}" for address in loaded if ELSEWHERE.match(address))


def main() -> int:
    site = Path(sys.argv[1])
    pages = len(list(site.rglob("*.html")))
    lines = list(from_elsewhere(site))
    print(*lines or [f"{site}: {pages} pages load nothing from another host"], sep="\n")
    return 1 if lines or not pages else 0


if __name__ == "__main__":
    raise SystemExit(main())

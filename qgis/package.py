"""Make the plugin's zip: `python qgis/package.py [FILE]`; the same files give the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

PLUGIN = Path(__file__).with_name("sartranslate_qgis")
LICENSE = PLUGIN.parents[1] / "LICENSE"
KINDS = (".py", ".txt", ".html", ".qml", ".svg")
EPOCH = (1980, 1, 1, 0, 0, 0)  # of the zip format
MODE = 0o100644 << 16  # a file that its owner writes and others read


def package(out: Path) -> None:
    """Write the plugin and the licence to the zip `out`, as QGIS installs it."""
    with ZipFile(out, "w") as archive:
        for name, file in sorted(_members()):
            member = ZipInfo(f"{PLUGIN.name}/{name}", EPOCH)
            member.external_attr, member.create_system = MODE, 3  # as on Unix, wherever it is made
            archive.writestr(member, file.read_bytes(), ZIP_DEFLATED)


def _members() -> Iterator[tuple[str, Path]]:
    yield LICENSE.name, LICENSE
    for file in PLUGIN.rglob("*"):
        if file.suffix in KINDS:
            yield file.relative_to(PLUGIN).as_posix(), file


if __name__ == "__main__":
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("sartranslate_qgis.zip")
    package(out)
    print(out)

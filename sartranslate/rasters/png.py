"""Whether a PNG file is whole, which GDAL does not say: it reads what is missing as zeros."""

from __future__ import annotations

import zlib
from pathlib import Path

from sartranslate.errors import SceneError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LAST = b"IEND"
FRAME = 12  # bytes of a chunk besides its data: length, type and checksum


def check_png(path: Path) -> None:
    """Raise `SceneError` unless all chunks have their length and checksum (ISO/IEC 15948, 5.3), to the last one."""
    content = memoryview(path.read_bytes())
    start, kind = len(SIGNATURE), b""
    while kind != LAST:
        length = int.from_bytes(content[start : start + 4], "big")
        end = start + FRAME + length
        if len(content) < end:
            raise SceneError(f"ends after {len(content)} bytes, expected a whole PNG")
        kind = bytes(content[start + 4 : start + 8])
        if zlib.crc32(content[start + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            raise SceneError(f"damaged at byte {start}, expected a whole PNG")
        start = end

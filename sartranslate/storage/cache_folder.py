"""Where the user's cache is, for what may be lost."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path

from sartranslate.errors import OutputError


def cache_folder() -> Path:
    """The project's own, which may not be there yet. Raises `OutputError` where the user has no home that is known."""
    try:
        return user_cache_path("sartranslate")
    except RuntimeError as error:
        raise OutputError(f"no cache folder: {error}; XDG_CACHE_HOME names one") from error

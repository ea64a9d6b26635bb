"""Which bands of a scene feed which channels of a model, by polarisation name where names are known."""

from __future__ import annotations

from collections.abc import Sequence

from sartranslate.counts import counted
from sartranslate.errors import OptionError, SceneError

POLARISATIONS = ("VV", "VH", "HH", "HV")
MOST_LISTED = 8  # bands that an error names


def choose_bands(
    names: Sequence[str | None], wanted: Sequence[Sequence[str]], told: Sequence[int] = (), option: str = ""
) -> tuple[int, ...]:
    """1-based bands, one for each channel of `wanted`, which lists accepted polarisations by preference.

    `names` are the scene's polarisations band by band, None where unknown. `told` overrides the
    choice. Without names the counts must agree. Raises `SceneError` saying found and expected, and
    that `option` chooses, where there is one.

    >>> choose_bands(["VV", "VH"], [["VH", "VV"]])
    (2,)
    """
    listed = [*(name or "unnamed" for name in names[:MOST_LISTED]), *(["..."] if len(names) > MOST_LISTED else [])]
    found = f"{counted(len(names), 'band')} ({', '.join(listed)})"
    expected = f"{len(wanted)} ({', '.join(' or '.join(channel) for channel in wanted)})"
    if told:
        if any(not 1 <= band <= len(names) for band in told) or len(told) != len(wanted):
            raise SceneError(f"bands {', '.join(map(str, told))} of {found} told, the model expects {expected}")
        return tuple(told)
    bands = _by_name(names, wanted) if any(names) else None
    if bands is None:
        if any(names) or len(names) != len(wanted):
            advice = f"; choose with {option}" if option else ""
            raise SceneError(f"{found}, the model expects {expected}{advice}")
        return tuple(range(1, len(names) + 1))
    return bands


def parse_channels(text: str) -> tuple[tuple[str, ...], ...]:
    """The polarisations that each channel of a model accepts. Raises `OptionError` for an unknown one.

    >>> parse_channels("vv,VH|HV")
    (('VV',), ('VH', 'HV'))
    """
    channels = tuple(tuple(name.strip().upper() for name in names.split("|")) for names in text.split(","))
    for name in (name for channel in channels for name in channel):
        if name not in POLARISATIONS:
            raise OptionError(f"bands {text!r}: {name!r} is none of {', '.join(POLARISATIONS)}")
    return channels


def polarisation(description: str | None) -> str | None:
    """The polarisation that a band description names, or None.

    >>> polarisation("Sigma0_VH_db")
    'VH'
    """
    words = "".join(c if c.isalnum() else " " for c in (description or "").upper()).split()
    named = [word for word in words if word in POLARISATIONS]
    return named[0] if len(named) == 1 else None


def _by_name(names: Sequence[str | None], wanted: Sequence[Sequence[str]]) -> tuple[int, ...] | None:
    bands = []
    for channel in wanted:
        accepted = [name for name in channel if name in names]
        if not accepted:
            return None
        bands.append(names.index(accepted[0]) + 1)
    return tuple(bands)

"""SAR scenes to georeferenced RGB GeoTIFFs, and the Pix2Pix GAN that translates them.

>>> import sartranslate
>>> sorted(sartranslate.__all__)
['__version__', 'translate', 'translate_array', 'translate_dataarray']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sartranslate.arrays import translate_array
    from sartranslate.dataarrays import translate_dataarray
    from sartranslate.translation import translate

__version__ = "0.1.0"
__all__ = ["__version__", "translate", "translate_array", "translate_dataarray"]


def __getattr__(name: str) -> Any:
    """Functions are loaded, with what they need, when they are first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sartranslate.arrays import translate_array
    from sartranslate.dataarrays import translate_dataarray
    from sartranslate.translation import translate

    functions = {function.__name__: function for function in (translate, translate_array, translate_dataarray)}
    globals().update(functions)
    return functions[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Ctrl-C, SIGTERM and a lost terminal as a wish to stop at the next good moment."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

# Of a program that is to end; not every system has the second one.
TERMINATING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupt:
    """Inside, the first signal is noted and nothing else happens; the second one acts as usual.

    Has to be entered in the main thread.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, *TERMINATING):
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):  # as for what runs in the background
                self._earlier[number] = handler
                signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def received(self) -> bool:
        return self._received is not None

    @property
    def exit_code(self) -> int:
        """As shells expect it of a program that a signal has ended; 0 where there was none."""
        return 128 + self._received if self._received else 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

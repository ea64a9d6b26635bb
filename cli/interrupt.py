"""Ctrl-C, SIGTERM and a lost terminal as a wish to stop at the next good moment, and then as an order."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any, NoReturn

# Of a program that is to end; not every system has the second one.
TERMINATING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupt:
    """Inside, the first signal is noted and nothing else happens; the second one ends the process at once.

    What is unfinished then is removed. Has to be entered in the main thread.
    """

    def __init__(self) -> None:
        from sartranslate.storage.atomic import tidy_up  # not when a signal comes, which may be amid an import

        self._tidy_up = tidy_up
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

    def check(self) -> None:
        """Raise `SystemExit` where a signal was received."""
        if self.received():
            raise SystemExit(self.exit_code)

    @property
    def exit_code(self) -> int:
        """As shells expect it of a program that a signal has ended; 0 where there was none."""
        return 128 + self._received if self._received else 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            self._end(number)
        self._received = number

    def _end(self, number: int) -> NoReturn:
        # Not by an exception: TensorFlow's C++, which calls Python as it traces a graph, would have to pass it on, and
        # may lose it or make a SystemError of it. The files that it would have removed on its way are removed here.
        for other in self._earlier:
            signal.signal(other, signal.SIG_IGN)  # a third one would leave half of them
        try:
            self._tidy_up()
        finally:
            os._exit(128 + number)

    def _restore(self) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

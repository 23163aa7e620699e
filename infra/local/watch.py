"""Notices programs that die, and says when they are well again."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from infra.local.programs import Program
from infra.local.supervision import Exit, State

PATIENCE_SECONDS = 15.0


@dataclass
class Fall:
    """A program that died and is not well yet."""

    reason: str
    at: float
    deaths: int = 0
    is_told: bool = False


class Watch:
    """Follows the programs from look to look.

    `say` gets a line for each program that had died; `mend` is called with its name once it is well again.
    """

    def __init__(
        self,
        programs: Iterable[Program],
        say: Callable[[str], None],
        mend: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.programs = {program.name: program for program in programs}
        self.falls: dict[str, Fall] = {}
        self._say = say
        self._mend = mend
        self._clock = clock

    def look(self, states: Iterable[State], exits: Iterable[Exit]) -> None:
        """Take in what ended since the last look, and report what is well again."""
        for each in exits:
            fall = self.falls.setdefault(each.name, Fall(each.reason, each.at))
            fall.reason, fall.deaths = each.reason, fall.deaths + 1
        for state in states:
            if state.name in self.falls:
                self._follow(state)

    def is_well(self, state: State) -> bool:
        """Whether a program runs and, where it can be asked, says so itself."""
        program = self.programs[state.name]
        if program.is_well is None:
            return state.state == "RUNNING"
        return state.state in ("STARTING", "RUNNING") and program.is_well()

    def _follow(self, state: State) -> None:
        fall = self.falls[state.name]
        seconds = self._clock() - fall.at
        if self.is_well(state):
            del self.falls[state.name]
            self._mend(state.name)
            times = f" {fall.deaths} times" if fall.deaths > 1 else ""
            self._say(
                f"{state.name} died{times} ({fall.reason}), restarted, healthy again after {seconds:.1f} s"
            )
        elif seconds > PATIENCE_SECONDS and not fall.is_told:
            fall.is_told = True
            self._say(f"{state.name} died ({fall.reason}) and is not healthy yet: see its log")

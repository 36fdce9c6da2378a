"""`RedrivePolicy`: what earlier runs have asked that is asked again."""

from __future__ import annotations

from dataclasses import dataclass

from ..endpoint.errors import MANY, ConfigurationError, check_type, check_whole
from ..endpoint.faults import FAULTS
from .history import ANSWERED, ANSWERED_OF, KnownDead

REDRIVES = ("none", "retryable", "failed", "changed", "everything")
NONE, RETRYABLE, FAILED, CHANGED, EVERYTHING = REDRIVES


@dataclass(frozen=True)
class RedrivePolicy:
    """What earlier runs have asked that is asked again.

    Args:
      redrive: `none`; `retryable`, dead letters of a class that may pass; `failed`, all dead letters; or some classes
        of them, comma-separated. `changed` with one of these, or with `retryable` if alone: also what was answered of
        an image that is not the same any more. `everything`: also what is answered.
      max_redrives: how often a dead letter's image is called again over all runs; where no call was made, none counts.
      fit: what images are fitted to. An answer to an image that was fitted to fewer pixels is none; an image that could
        not be sent is called again if it was not fitted then, or to more pixels.
    """

    redrive: str = RETRYABLE
    max_redrives: int = 3
    fit: int | None = None

    def __post_init__(self) -> None:
        check_type("redrive", self.redrive, str, f"the default is {RETRYABLE!r}")
        classes = [name for name, fault in FAULTS.items() if not fault.systemic]
        is_word = self.redrive == EVERYTHING or self._of_dead in ([NONE], [RETRYABLE], [FAILED])
        for name in self._of_dead if not is_word else ():
            if name not in classes:
                raise ConfigurationError(
                    f"redrive {self.redrive if name in REDRIVES else name!r}",
                    f"it is one of {', '.join(REDRIVES)}, or classes of dead letters: {', '.join(classes)}",
                    f"correct it; only {CHANGED} goes with one of {NONE}, {RETRYABLE}, {FAILED}, or with classes",
                )
        check_whole("max_redrives", self.max_redrives, 0, MANY, "the default is 3")

    @property
    def _words(self) -> list[str]:
        return [name.strip() for name in self.redrive.split(",")]

    @property
    def _of_dead(self) -> list[str]:
        """What is said of dead letters."""
        return [name for name in self._words if name != CHANGED] or [RETRYABLE]

    @property
    def is_anew(self) -> bool:
        """Whether what is answered is asked again."""
        return self.redrive == EVERYTHING

    @property
    def looks(self) -> bool:
        """Whether answered images are looked at, and asked again where they are not the same any more."""
        return CHANGED in self._words

    @property
    def history_of_answers(self) -> str:
        """What has to be known of answers, as a kind of `ReadHistory`."""
        return ANSWERED_OF if self.looks else ANSWERED

    def skip_reason(self, dead: KnownDead) -> str | None:
        """Why a known bad image is not called again; None if it is."""
        if self.is_anew:
            return None
        named = self._of_dead
        is_wanted = FAILED in named or (RETRYABLE in named and dead.retryable) or dead.fault_class in named
        if not is_wanted and (NONE in named or not dead.is_weaker_than(self.fit)):
            return "known_bad"
        return "redrives_spent" if dead.attempts and dead.redrive_count >= self.max_redrives else None

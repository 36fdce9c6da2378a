"""What is to be done with each image: plain functions on one shard of images, no Beam.

The order of the questions is the order of cost: an answer that is there or journalled is never paid again; a known bad
image is not tried again unless asked; the rest is called, within the budget.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..endpoint.errors import MANY, ConfigurationError, check_type, check_whole
from ..endpoint.faults import FAULTS, OUTAGE_FAULTS, UNSETTLED
from ..endpoint.signatures import signature_ends_at
from ..endpoint.uri import ImageRef
from .former_ids import present_ids, under_present_ids
from .history import Block, KnownDead

NONE, RETRYABLE, FAILED, EVERYTHING = REDRIVES = ("none", "retryable", "failed", "everything")
_IMAGE_FAULTS = frozenset({"invalid_image", "unreadable_image", "rejected_image"})  # whatever is asked
_ALL = -1  # every bit


@dataclass(frozen=True)
class RedrivePolicy:
    """What earlier runs have asked that is asked again.

    Args:
      redrive: `none`; `retryable`, dead letters of a class that may pass; `failed`, all dead letters; `everything`,
        also what is answered; or some classes of dead letters, comma-separated.
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
        for name in self.classes if self.redrive not in REDRIVES else ():
            if name not in classes:
                raise ConfigurationError(
                    f"redrive {name!r}",
                    f"it is one of {', '.join(REDRIVES)}, or classes of dead letters: {', '.join(classes)}",
                    "correct it",
                )
        check_whole("max_redrives", self.max_redrives, 0, MANY, "the default is 3")

    @property
    def classes(self) -> list[str]:
        """The classes that are named."""
        return [name.strip() for name in self.redrive.split(",")]

    @property
    def is_anew(self) -> bool:
        """Whether what is answered is asked again."""
        return self.redrive == EVERYTHING

    def skip_reason(self, dead: KnownDead) -> str | None:
        """Why a known bad image is not called again; None if it is."""
        if self.redrive == EVERYTHING:
            return None
        is_wanted = {
            NONE: False,
            RETRYABLE: dead.retryable,
            FAILED: True,
        }.get(self.redrive, dead.fault_class in self.classes)
        if not is_wanted and (self.redrive == NONE or not dead.is_weaker_than(self.fit)):
            return "known_bad"
        return "redrives_spent" if dead.attempts and dead.redrive_count >= self.max_redrives else None


class ToDo(NamedTuple):
    """An image to call; `priority` 0 for those that an earlier run deferred, else 1.

    `why`: `redriven`, `deferred_before`, `more` is asked of an answered one, or `new`.
    """

    priority: int
    why: str
    image: ImageRef


@dataclass
class ShardPlan:
    """The plan of one shard: every input reference is counted in exactly one of the lists and counts.

    `by_former_id`: those that need no call because they were answered under the id that an earlier version gave them.
    """

    to_do: list[ToDo] = field(default_factory=list)
    duplicates: list[ImageRef] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    recovered: dict[str, list[int]] = field(default_factory=dict)
    recovered_dead: dict[str, list[int]] = field(default_factory=dict)
    recovered_inputs: int = 0
    recovered_extra: int = 0
    by_former_id: set[str] = field(default_factory=set)

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


class Journalled(NamedTuple):
    """Where a journal has an outcome; of a dead letter, of which class.

    `order` tells the later of two: when it was answered, in microseconds; of a dead letter, how often it was redriven.
    `is_small`: it answers nothing, as the image was fitted to too few pixels.
    """

    order: int
    path: str
    row: int
    fault_class: str = ""
    is_small: bool = False


def _strength(letter: KnownDead) -> tuple[int, int, float]:
    """Orders dead letters of an image: the last one called; of those that were never called, the strongest fit."""
    return letter.redrive_count, letter.last_attempt_us, float("-inf") if letter.fit is None else -letter.fit


_Key = tuple[str, str]  # image id, and the fingerprint of what was asked


@dataclass
class _Known:
    """What the history says of one shard's images. What is answered of the request are bits of its features."""

    answered: set[tuple[Any, ...]] = field(default_factory=set)
    held: dict[str, int] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    unsettled: set[str] = field(default_factory=set)
    journalled: dict[_Key, Journalled] = field(default_factory=dict)
    journalled_dead: dict[_Key, Journalled] = field(default_factory=dict)
    dead: dict[str, list[tuple[str, KnownDead]]] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)

    def holds_answer(self, key: _Key, order: int) -> bool:
        """Whether tables have a journalled answer; one that no table can hold is a dead letter of the same time."""
        if key in self.answered or (*key, order) in self.answered:
            return True
        return any(letter.last_attempt_us == order for letter in self._dead_letters(key))

    def holds_dead(self, key: _Key, order: int) -> bool:
        """Whether tables have a journalled dead letter, or one of another run that called the image in its place."""
        called = (letter for letter in self._dead_letters(key) if letter.attempts)
        return key in self.answered or any(letter.redrive_count >= order for letter in called)

    def dead_letter(self, image_id: str, asked: int) -> KnownDead | None:
        """The last dead letter that says something of what is asked; a fault of an image that was answered is past."""
        of_image = image_id not in self.held
        said = [
            letter
            for fingerprint, letter in self.dead.get(image_id, ())
            if self.answers.get(fingerprint, 0) & asked or (of_image and letter.fault_class in _IMAGE_FAULTS)
        ]
        return max(said, key=_strength, default=None)

    def _dead_letters(self, key: _Key) -> Iterable[KnownDead]:
        image_id, asked = key
        return (letter for fingerprint, letter in self.dead.get(image_id, ()) if fingerprint == asked)


def plan_shard(
    images: Iterable[list[ImageRef]], history: Iterable[Block], features: Sequence[str], policy: RedrivePolicy
) -> ShardPlan:
    """Decides on all images of one shard.

    Args:
      images: the input references of the shard, in blocks.
      history: blocks of `ReadHistory` for the same shard.
      features: what is asked; of a custom model, one name.
      policy: what is asked again.
    """
    listed = list(_unique(images))
    present = present_ids(image for image, _ in listed)
    plan = ShardPlan()
    known = _gather(under_present_ids(history, present, plan.by_former_id))
    recovered = _recover(plan, known)
    everything = (1 << len(features)) - 1
    for image, copies in listed:
        plan.duplicates.extend(copies)
        held = 0 if policy.is_anew else known.held.get(image.image_id, 0)
        if missing := everything & ~(held | recovered.get(image.image_id, 0)):
            _call_or_skip(plan, image, known, policy, missing, features)
        elif recovered.get(image.image_id):
            plan.recovered_inputs += 1
        else:
            plan.skip("answered")
    taken_in = (*plan.recovered.values(), *plan.recovered_dead.values())
    plan.recovered_extra = sum(map(len, taken_in)) - plan.recovered_inputs
    return plan


def _gather(history: Iterable[Block]) -> _Known:
    known = _Known()
    for kind, rows, answers in history:
        known.answers.update(answers)
        if kind in ("answered", "answered_at"):
            known.answered.update(rows)
            for image_id, asked, *_ in rows:
                known.held[image_id] = known.held.get(image_id, 0) | answers.get(asked, 0)
        elif kind == "deferred":
            known.deferred.update(image_id for image_id, _, _ in rows)
            known.unsettled.update(image_id for image_id, _, reason in rows if reason == UNSETTLED)
        elif kind == "dead":
            for image_id, asked, dead in rows:
                known.dead.setdefault(image_id, []).append((asked, dead))
        else:
            newest = known.journalled_dead if kind == "journalled_dead" else known.journalled
            for image_id, asked, *where in rows:
                one = Journalled(*where)._replace(is_small=kind == "journalled_small")
                newest[image_id, asked] = max(one, newest.get((image_id, asked), one))
    return known


def _recover(plan: ShardPlan, known: _Known) -> dict[str, int]:
    """Takes over journalled outcomes that no committed run holds; by image id, what of the request they settle."""
    settled: dict[str, int] = defaultdict(int)
    for key, (order, path, row, _, is_small) in known.journalled.items():
        if not known.holds_answer(key, order):
            plan.recovered.setdefault(path, []).append(row)
            settled[key[0]] |= 0 if is_small else known.answers.get(key[1], 0)
    for key, (order, path, row, fault_class, _) in known.journalled_dead.items():
        # Of an image that was called twice, by tries that did not know of each other, the answer counts.
        if key not in known.journalled and not known.holds_dead(key, order):
            plan.recovered_dead.setdefault(path, []).append(row)
            settled[key[0]] |= _ALL if fault_class in _IMAGE_FAULTS else known.answers.get(key[1], 0)
    return settled


def _unique(images: Iterable[list[ImageRef]]) -> Iterable[tuple[ImageRef, list[ImageRef]]]:
    """Each image once, by its best reference and under its first spelling, with its other references."""
    by_id: dict[str, list[ImageRef]] = {}
    for block in images:
        for image in block:
            by_id.setdefault(image.image_id, []).append(image)
    for image_id in sorted(by_id):
        references = by_id[image_id]
        first, *copies = best_first(references)
        if copies:
            listed = min(references, key=lambda image: (image.listed_in, image.position, image.image_uri))
            first = first._replace(image_uri=listed.image_uri)
        yield first, copies


def best_first(references: Iterable[ImageRef]) -> list[ImageRef]:
    """References to one image: first the one whose signature holds longest."""
    return sorted(references, key=lambda image: (-_holds_until(image), image.uri))


def _holds_until(image: ImageRef) -> float:
    ends_at = signature_ends_at(image.uri)
    return float("inf") if ends_at is None else ends_at


def _call_or_skip(
    plan: ShardPlan, image: ImageRef, known: _Known, policy: RedrivePolicy, missing: int, features: Sequence[str]
) -> None:
    dead = known.dead_letter(image.image_id, missing)
    reason = policy.skip_reason(dead) if dead else None
    if reason:
        plan.skip(reason)
        return
    failed_before = image.image_id in known.unsettled
    if dead:
        failed_before |= dead.fault_class in OUTAGE_FAULTS
        redrive_count = dead.redrive_count + (1 if dead.attempts else 0)
        image = image._replace(redrive_count=redrive_count, first_attempt_us=dead.first_attempt_us)
    asked = [name for number, name in enumerate(features) if missing >> number & 1]
    is_part = len(asked) < len(features)
    image = image._replace(failed_before=failed_before, asks=",".join(asked) if is_part else "")
    is_deferred = image.image_id in known.deferred
    why = "redriven" if dead else "deferred_before" if is_deferred else "more" if is_part else "new"
    plan.to_do.append(ToDo(0 if is_deferred else 1, why, image))

"""What is to be done with each image: plain functions on one shard of images, no Beam.

The order of the questions is the order of cost: an answer that is there or journalled is never paid again; a known bad
image is not tried again unless asked; the rest is called, within the budget.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from ..endpoint.faults import OUTAGE_FAULTS, UNSETTLED
from ..endpoint.signatures import signature_ends_at
from ..endpoint.uri import ImageRef
from .content import Content
from .former_ids import present_ids, under_present_ids
from .history import ANSWERED, ANSWERED_OF, Block, KnownDead
from .redrive import RedrivePolicy

_IMAGE_FAULTS = frozenset({"invalid_image", "unreadable_image", "rejected_image"})  # whatever is asked
_ALL = -1  # every bit


class ToDo(NamedTuple):
    """An image to call; `priority` 0 for those that an earlier run deferred, else 1.

    `why`: `changed`, `redriven`, `deferred_before`, `more` is asked of an answered one, or `new`.
    """

    priority: int
    why: str
    image: ImageRef


class Case(NamedTuple):
    """An image with what the history says of it; parts of the request are bits of its features.

    `letters`: its dead letters, each with what it says something of. `missing`: what no answer is held of.
    `contents`: what the newest answers were given to.
    """

    image: ImageRef
    letters: list[tuple[int, KnownDead]]
    is_deferred: bool
    is_unsettled: bool
    missing: int
    contents: dict[Content, int]

    def dead_letter(self, asked: int) -> KnownDead | None:
        """The last dead letter that says something of what is asked."""
        return max((letter for bits, letter in self.letters if bits & asked), key=_strength, default=None)


@dataclass
class ShardPlan:
    """The plan of one shard: every input reference is counted in exactly one of the lists and counts.

    `to_look_at`: answered images that are called if they are not the same any more (`plan_after_look`).
    `by_former_id`: those that need no call because they were answered under the id that an earlier version gave them.
    """

    to_do: list[ToDo] = field(default_factory=list)
    to_look_at: list[Case] = field(default_factory=list)
    duplicates: list[ImageRef] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    recovered: dict[str, list[int]] = field(default_factory=dict)
    recovered_dead: dict[str, list[int]] = field(default_factory=dict)
    recovered_inputs: int = 0
    recovered_extra: int = 0
    by_former_id: set[str] = field(default_factory=set)

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    @property
    def counts(self) -> dict[str, int]:
        """What adds up over all shards, without what is zero."""
        counts = {
            "duplicates": len(self.duplicates),
            "recovered": self.recovered_inputs,
            "recovered_extra": self.recovered_extra,
            "by_former_id": len(self.by_former_id),
            **{f"to_do.{why}": number for why, number in Counter(to_do.why for to_do in self.to_do).items()},
            **{f"skipped.{reason}": number for reason, number in self.skipped.items()},
        }
        return {name: number for name, number in counts.items() if number}


class Journalled(NamedTuple):
    """Where a journal has an outcome; of a dead letter, of which class; of an answer, whether its boxes are those of
    other pixels than would be sent now.

    `number`: how many committed runs there were when its run began. What these answered, it called on purpose.
    `order`, of two with one number, tells the later: when it was answered, in microseconds; of a dead letter, how often
    it was redriven.
    """

    number: int
    order: int
    path: str
    row: int
    fault_class: str = ""
    is_of_other_pixels: bool = False


def _strength(letter: KnownDead) -> tuple[int, int, float]:
    """Orders dead letters of an image: the last one called; of those that were never called, the strongest fit."""
    return letter.redrive_count, letter.last_attempt_us, float("-inf") if letter.fit is None else -letter.fit


_Key = tuple[str, str]  # image id, and the fingerprint of what was asked


@dataclass
class _Known:
    """What the history says of one shard's images. What is answered of the request are bits of its features.

    `answered`: the number of the last run that answered.
    """

    answered: dict[_Key, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    deferred: set[str] = field(default_factory=set)
    unsettled: set[str] = field(default_factory=set)
    journalled: dict[_Key, Journalled] = field(default_factory=dict)
    journalled_dead: dict[_Key, Journalled] = field(default_factory=dict)
    dead: dict[str, list[tuple[str, KnownDead]]] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    kept: dict[str, list[tuple[int, int, Content]]] = field(default_factory=dict)

    def holds_answer(self, key: _Key, answer: Journalled) -> bool:
        """Whether tables have a journalled answer; one that no table can hold is a dead letter of the same time."""
        if self._is_answered_since(key, answer):
            return True
        return any(letter.last_attempt_us == answer.order for letter in self._dead_letters(key))

    def holds_dead(self, key: _Key, dead: Journalled) -> bool:
        """Whether tables have a journalled dead letter, or one of another run that called the image in its place."""
        called = (letter for letter in self._dead_letters(key) if letter.attempts)
        return self._is_answered_since(key, dead) or any(letter.redrive_count >= dead.order for letter in called)

    def _is_answered_since(self, key: _Key, journalled: Journalled) -> bool:
        """Whether another run answered since the journal's began: it took that over, or called in its place."""
        return self.answered.get(key, -1) >= journalled.number

    def case(self, image: ImageRef, missing: int) -> Case:
        """All that is known of an image; a fault of one that was answered is past."""
        image_id = image.image_id
        of_image = _IMAGE_FAULTS if image_id not in self.held else ()
        letters = [
            (_ALL if letter.fault_class in of_image else self.answers.get(fingerprint, 0), letter)
            for fingerprint, letter in self.dead.get(image_id, ())
        ]
        is_deferred, is_unsettled = image_id in self.deferred, image_id in self.unsettled
        return Case(image, letters, is_deferred, is_unsettled, missing, self._contents(image_id))

    def _contents(self, image_id: str) -> dict[Content, int]:
        """What the newest answers were given to, where that is known."""
        contents: dict[Content, int] = defaultdict(int)
        seen = 0
        for _, bits, content in sorted(self.kept.get(image_id, ()), key=itemgetter(0), reverse=True):
            if content.is_known and bits & ~seen:
                contents[content] |= bits & ~seen
            seen |= bits
        return dict(contents)

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
        taken_over = recovered.get(image.image_id, 0)
        missing = everything & ~(held | taken_over)
        case = known.case(image, missing) if missing or policy.looks else None
        if case and case.contents and not taken_over:
            plan.to_look_at.append(case)
        elif case and missing:
            _call_or_skip(plan, case, missing, policy, features)
        elif taken_over:
            plan.recovered_inputs += 1
        else:
            plan.skip("answered")
    taken_in = (*plan.recovered.values(), *plan.recovered_dead.values())
    plan.recovered_extra = sum(map(len, taken_in)) - plan.recovered_inputs
    return plan


def plan_after_look(
    looked_at: Iterable[tuple[Case, int | None]], features: Sequence[str], policy: RedrivePolicy
) -> ShardPlan:
    """Decides on answered images, each with what was answered of another content; None: it cannot be looked at."""
    plan = ShardPlan()
    for case, changed in looked_at:
        if asked := case.missing | (changed or 0):
            _call_or_skip(plan, case, asked, policy, features, is_changed=bool(changed))
        else:
            plan.skip("unseen" if changed is None else "answered")
    return plan


def _gather(history: Iterable[Block]) -> _Known:
    known = _Known()
    for kind, rows, answers, number in history:
        known.answers.update(answers)
        if kind in (ANSWERED, ANSWERED_OF):
            for image_id, asked, *content in rows:
                known.answered[image_id, asked] = max(number, known.answered.get((image_id, asked), 0))
                known.held[image_id] = known.held.get(image_id, 0) | answers.get(asked, 0)
                if content and asked in answers:
                    known.kept.setdefault(image_id, []).append((number, answers[asked], Content(*content)))
        elif kind == "deferred":
            known.deferred.update(image_id for image_id, _, _ in rows)
            known.unsettled.update(image_id for image_id, _, reason in rows if reason == UNSETTLED)
        elif kind == "dead":
            for image_id, asked, dead in rows:
                known.dead.setdefault(image_id, []).append((asked, dead))
        else:
            newest = known.journalled_dead if kind == "journalled_dead" else known.journalled
            for image_id, asked, *where in rows:
                one = Journalled(number, *where)
                newest[image_id, asked] = max(one, newest.get((image_id, asked), one))
    return known


def _recover(plan: ShardPlan, known: _Known) -> dict[str, int]:
    """Takes over journalled outcomes that no committed run holds; by image id, what of the request they settle.

    Answers to too few pixels settle it too, as the tables of a run hold an image once; the next run asks again.
    """
    settled: dict[str, int] = defaultdict(int)
    for key, answer in known.journalled.items():
        if not known.holds_answer(key, answer):
            plan.recovered.setdefault(answer.path, []).append(answer.row)
            settled[key[0]] |= known.answers.get(key[1], 0)
    for key, dead in known.journalled_dead.items():
        # Of an image that was called twice, by tries that did not know of each other, the answer counts.
        if key not in known.journalled and not known.holds_dead(key, dead):
            plan.recovered_dead.setdefault(dead.path, []).append(dead.row)
            settled[key[0]] |= _ALL if dead.fault_class in _IMAGE_FAULTS else known.answers.get(key[1], 0)
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


def asks_for(bits: int, features: Sequence[str]) -> str:
    """Some features of a request, as `ImageRef.asks` names them: empty for all."""
    asked = [name for number, name in enumerate(features) if bits >> number & 1]
    return ",".join(asked) if len(asked) < len(features) else ""


def best_first(references: Iterable[ImageRef]) -> list[ImageRef]:
    """References to one image: first the one whose signature holds longest."""
    return sorted(references, key=lambda image: (-_holds_until(image), image.uri))


def _holds_until(image: ImageRef) -> float:
    ends_at = signature_ends_at(image.uri)
    return float("inf") if ends_at is None else ends_at


def _call_or_skip(
    plan: ShardPlan,
    case: Case,
    missing: int,
    policy: RedrivePolicy,
    features: Sequence[str],
    is_changed: bool = False,
) -> None:
    image, dead = case.image, case.dead_letter(missing)
    reason = policy.skip_reason(dead) if dead else None
    if reason:
        plan.skip(reason)
        return
    failed_before = case.is_unsettled
    if dead:
        failed_before |= dead.fault_class in OUTAGE_FAULTS
        redrive_count = dead.redrive_count + (1 if dead.attempts else 0)
        image = image._replace(redrive_count=redrive_count, first_attempt_us=dead.first_attempt_us)
    asks = asks_for(missing, features)
    image = image._replace(failed_before=failed_before, asks=asks)
    reasons = (("changed", is_changed), ("redriven", dead), ("deferred_before", case.is_deferred), ("more", asks))
    why = next((why for why, applies in reasons if applies), "new")
    plan.to_do.append(ToDo(0 if case.is_deferred else 1, why, image))

"""What is to be done with each image: plain functions on one shard of images, no Beam.

The order of the questions is the order of cost: an answer that is there or journalled is never paid again; a known bad
image is not tried again unless asked; the rest is called, within the budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .endpoint.errors import ConfigurationError
from .endpoint.uri import ImageRef
from .history import Block, KnownDead

REDRIVES = ("retryable", "all", "none")


@dataclass(frozen=True)
class RedrivePolicy:
    """Which dead letters of earlier runs are called again.

    Args:
      redrive: `retryable`, `all` or `none`.
      max_redrives: how often one image is called again over all runs.
    """

    redrive: str = "retryable"
    max_redrives: int = 3

    def __post_init__(self) -> None:
        if self.redrive not in REDRIVES:
            raise ConfigurationError(f"redrive {self.redrive!r}", f"it is one of {', '.join(REDRIVES)}", "correct it")
        if self.max_redrives < 0:
            raise ConfigurationError(f"max_redrives {self.max_redrives}", "it is at least 0", "the default is 3")

    def skip_reason(self, dead: KnownDead) -> str | None:
        """Why a known bad image is not called again; None if it is."""
        if self.redrive == "none" or (self.redrive == "retryable" and not dead.retryable):
            return "known_bad"
        return "redrives_spent" if dead.redrive_count >= self.max_redrives else None


class ToDo(NamedTuple):
    """An image to call; `priority` 0 for those that an earlier run deferred, else 1."""

    priority: int
    image: ImageRef


def why_called(to_do: ToDo) -> str:
    """`deferred_before`, `redriven` or `new`."""
    if to_do.image.redrive_count:
        return "redriven"
    return "new" if to_do.priority else "deferred_before"


@dataclass
class ShardPlan:
    """The plan of one shard: every input reference is counted in exactly one of the lists and counts."""

    to_do: list[ToDo] = field(default_factory=list)
    duplicates: list[ImageRef] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    recovered: dict[str, list[int]] = field(default_factory=dict)
    recovered_inputs: int = 0
    recovered_extra: int = 0

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


@dataclass
class _Known:
    """What the history says of one shard's images."""

    answered: set[tuple[str, str]] = field(default_factory=set)
    deferred: set[str] = field(default_factory=set)
    journalled: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    dead: dict[str, KnownDead] = field(default_factory=dict)


def plan_shard(
    images: Iterable[list[ImageRef]], history: Iterable[Block], fingerprint: str, policy: RedrivePolicy
) -> ShardPlan:
    """Decides on all images of one shard.

    Args:
      images: the input references of the shard, in blocks.
      history: blocks of `ReadHistory` for the same shard.
      fingerprint: of the request.
      policy: which known bad images are called again.
    """
    known = _gather(history)
    plan = ShardPlan()
    recovered = _recover(plan, known, fingerprint)
    for image, copies in _unique(images):
        plan.duplicates.extend(copies)
        if image.image_id in recovered:
            plan.recovered_inputs += 1
        elif (image.image_id, fingerprint) in known.answered:
            plan.skip("answered")
        else:
            _call_or_skip(plan, image, known, policy)
    plan.recovered_extra = sum(map(len, plan.recovered.values())) - plan.recovered_inputs
    return plan


def _gather(history: Iterable[Block]) -> _Known:
    known = _Known()
    for kind, rows in history:
        if kind == "answered":
            known.answered.update(rows)
        elif kind == "deferred":
            known.deferred.update(row[0] for row in rows)
        elif kind == "journalled":
            for image_id, fingerprint, path, row in rows:
                key = (image_id, fingerprint)
                known.journalled[key] = min((path, row), known.journalled.get(key, (path, row)))
        else:
            for image_id, _, dead in rows:
                earlier = known.dead.get(image_id, dead)
                known.dead[image_id] = max(earlier, dead, key=lambda d: (d.redrive_count, d.last_attempt_us))
    return known


def _recover(plan: ShardPlan, known: _Known, fingerprint: str) -> set[str]:
    """Takes over journalled answers that no committed run holds; the ids that were asked what we ask."""
    ids = set()
    for (image_id, journalled_fingerprint), (path, row) in known.journalled.items():
        if (image_id, journalled_fingerprint) in known.answered:
            continue
        plan.recovered.setdefault(path, []).append(row)
        if journalled_fingerprint == fingerprint:
            ids.add(image_id)
    return ids


def _unique(images: Iterable[list[ImageRef]]) -> Iterable[tuple[ImageRef, list[ImageRef]]]:
    """Each image once, by the smallest of its spellings, with its other references."""
    by_id: dict[str, list[ImageRef]] = {}
    for block in images:
        for image in block:
            by_id.setdefault(image.image_id, []).append(image)
    for image_id in sorted(by_id):
        first, *copies = sorted(by_id[image_id], key=lambda image: image.uri)
        yield first, copies


def _call_or_skip(plan: ShardPlan, image: ImageRef, known: _Known, policy: RedrivePolicy) -> None:
    dead = known.dead.get(image.image_id)
    reason = policy.skip_reason(dead) if dead else None
    if reason:
        plan.skip(reason)
        return
    if dead:
        image = image._replace(redrive_count=dead.redrive_count + 1, first_attempt_us=dead.first_attempt_us)
    plan.to_do.append(ToDo(0 if image.image_id in known.deferred else 1, image))


class Cut(NamedTuple):
    """Where a budget ends, in the order of (priority, bucket): all before it are called, of `bucket` only `take`."""

    bucket: tuple[int, str]
    take: int


def budget_bucket(to_do: ToDo) -> tuple[int, str]:
    """The part of the order of dispatch that an image falls in: what was deferred first, then by image id."""
    return to_do.priority, to_do.image.image_id[:4]


def cut_of(counts: dict[tuple[int, str], int], budget: int) -> Cut | None:
    """Where `budget` images end, given the size of each bucket; None if all fit."""
    left = budget
    for bucket in sorted(counts):
        if counts[bucket] > left:
            return Cut(bucket, left)
        left -= counts[bucket]
    return None

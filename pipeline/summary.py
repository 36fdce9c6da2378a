"""The last lines of a run, from its manifest: what happened, how fast, for how much, and what is left to do."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ..transforms.endpoint.guard import TOO_MANY_DEAD_LETTERS
from ..transforms.files import storage
from ..transforms.prices import money
from .report.accounts import SKIPPED, cost, duration, limited_by
from .terminal import NotPrinted, counted, out, say, seconds
from .troubleshooting import SINGLE_IMAGES, advice, entry_of_deferred, with_link

_A_CENT = Decimal("0.01")


def print_end(output: str, manifest: dict[str, Any], *more: str) -> None:
    """What happened, and where the tables are; if it can be printed."""
    where = f"tables: {output}/<table>/run={manifest['run_id']}/*.parquet"
    lines = [*nothing_new(manifest), *nothing_good(manifest), summary(manifest), *details(manifest), where, *more]
    try:
        out("\n".join(lines))
    except NotPrinted as error:
        say(f"{error}; the tables are there")


def nothing_new(manifest: dict[str, Any]) -> list[str]:
    """A line where all images were answered before."""
    accounts, answered = manifest["conservation"], manifest["skipped"].get("answered", 0)
    if not answered or answered + accounts["duplicates"] != accounts["input"]:
        return []
    return [f"nothing new, all {answered} are answered"]


def nothing_good(manifest: dict[str, Any]) -> list[str]:
    """A line where every image that was called, or could not be, is a dead letter."""
    accounts = manifest["conservation"]
    if not accounts["dead_letters"] or accounts["dead_letters"] + accounts["duplicates"] != accounts["input"]:
        return []
    return [f"no image was answered: all {accounts['dead_letters']} are dead letters"]


def too_many(manifest: dict[str, Any]) -> str:
    """The line of a run that is complete, and has not succeeded: there are more dead letters than there may be."""
    dead, answered = (manifest["conservation"][name] for name in ("dead_letters", "analyzed"))
    line = f"too_many_dead_letters: {dead} of {dead + answered}, with --max_dead_letters {manifest['max_dead_letters']}"
    return with_link(f"{line}; {advice(TOO_MANY_DEAD_LETTERS)}", entry_of_deferred(TOO_MANY_DEAD_LETTERS))


def summary(manifest: dict[str, Any]) -> str:
    """The run in one line."""
    accounts, attempts = manifest["conservation"], manifest["calls"]["attempts"]
    extra = f" (and {accounts['recovered_extra']} recovered)" if accounts["recovered_extra"] else ""
    reasons = ", ".join(f"{number} {SKIPPED.get(reason, reason)}" for reason, number in manifest["skipped"].items())
    why_skipped = f" ({reasons})" if reasons else ""
    return (
        f"{counted(accounts['input'], 'image')}{extra}: {accounts['analyzed']} analyzed, "
        f"{counted(accounts['dead_letters'], 'dead letter')}, {accounts['deferred']} deferred, "
        f"{accounts['skipped']} skipped{why_skipped}, {counted(accounts['duplicates'], 'duplicate')}; "
        f"{counted(attempts, 'call')} made"
    )


def details(manifest: dict[str, Any]) -> Iterator[str]:
    """Duration and pace; cost; copies; bytes saved; dead letters by class. Nothing where there is nothing to say."""
    if letters := by_number(manifest["dead_letters"]):
        by_class = ", ".join(f"{number} {name}" for name, number in letters)
        yield with_link(f"dead letters: {by_class}", SINGLE_IMAGES)
    if (taken := duration(manifest)) is not None:
        yield f"time: {seconds(taken)}{_pace(manifest)}"
    if line := _cost(manifest):
        yield line
    if changed := manifest["why"].get("changed"):
        yield f"changed: {counted(changed, 'image')} not the same any more as when answered"
    if copies := manifest["copies"]:
        yield f"copies: {counted(copies, 'image')} with the bytes of another took its answer, without a call"
    if images := manifest["fitted"]["images"]:
        saved = manifest["fitted"]["bytes_saved"]
        yield f"fit: {counted(images, 'image')} not sent as they are, {saved / 1e6:,.1f} MB less"


def _cost(manifest: dict[str, Any]) -> str:
    spent = cost(manifest, None)
    if not spent.transactions:
        return ""
    number = sum(spent.transactions.values())
    about = f"about {money(spent.amount)}" if spent.amount >= _A_CENT or not spent.amount else "less than 0.01"
    amount = f"{about} {spent.prices.currency} for {counted(number, 'transaction')}"
    maybe = f"; {money(spent.maybe)} more if lost answers were billed" if spent.maybe else ""
    return f"cost: {amount} ({spent.prices.source}){maybe}"


def by_number(numbers: dict[str, int]) -> list[tuple[str, int]]:
    """The largest first."""
    return sorted(numbers.items(), key=lambda named: (-named[1], named[0]))


def _pace(manifest: dict[str, Any]) -> str:
    pace = manifest["calls"]["requests_per_second"]
    if not pace:
        return ""
    why = limited_by(manifest)
    return f"; {pace:g} calls a second{', ' if why else ''}{why}"


def closed_lines(manifest: dict[str, Any], resources: int) -> list[str]:
    """One line per resource that a fault closed for a process, where others went on."""
    closed = manifest["closed"]
    if len(closed) >= resources * manifest["calls"]["processes"]:
        return []
    return [f"closed: {which}; the others went on" for which in closed]


def incomplete_lines(output: str, manifest: dict[str, Any]) -> list[str]:
    """One line per reason for which a run has not succeeded: what happened, and what to do."""
    if manifest["complete"]:
        return [too_many(manifest)] if manifest["exit_status"] else []
    told: dict[str, str] = {}
    for name in manifest["tables"]["deferred"]["files"]:
        rows = storage.read_table(storage.join(output, name), ["reason", "detail"])
        for reason, detail in zip(rows["reason"].to_pylist(), rows["detail"].to_pylist(), strict=True):
            told.setdefault(reason, " ".join(detail.split()))
    lines = []
    for reason, number in manifest["deferred"].items():
        line = f"incomplete: {number} images deferred, {reason}: {told.get(reason, '')}; {advice(reason)}"
        lines.append(with_link(line, entry_of_deferred(reason)))
    return lines

"""Many files cost many requests, not many waits: in parallel, in the store's batches, with a bounded number in hand."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from typing import TypeVar

from .schemes import scheme_of
from .store import Found, Store, store_of

Item = TypeVar("Item")
Result = TypeVar("Result")


def list_folder(path: str) -> Iterator[Found]:
    """The files below a folder, at any depth, one page at a time; none where it does not exist. The path is literal."""
    folder = path.rstrip("/") + "/"
    return store_of(folder).listing(folder)


def remove_many(paths: Iterable[str]) -> None:
    """Removes files of one file system, in no order; gone already is done.

    Raises:
      OSError: one that cannot be removed; others may be left too. It can be done again.
    """
    store, paths = _with_store(paths, lambda path: path)
    if store:
        _run(store.remove, _batches(paths, store.names_per_removal), store.requests_at_once)


def rename_many(pairs: Iterable[tuple[str, str]]) -> None:
    """Renames files of one file system over whatever is there, in no order; gone here and there already is done.

    Raises:
      OSError: one that cannot be renamed; others may be left too. It can be done again.
    """
    store, pairs = _with_store(pairs, lambda pair: pair[0])
    if store:
        _run(lambda pair: store.move(*pair), pairs, store.requests_at_once)


def read_many(paths: Iterable[str]) -> Iterator[bytes | None]:
    """What each small file holds, or None where it is not there, in the order of `paths`, all of one file system."""
    store, paths = _with_store(paths, lambda path: path)
    if store:
        yield from in_parallel(store.read, paths, store.requests_at_once)


def remove_folder(path: str) -> None:
    """Removes a folder and all that is in it, also one that is gone. The path is literal."""
    remove_many(file.path for file in list_folder(path))
    if scheme_of(path) is None:
        shutil.rmtree(path, ignore_errors=True)


def remove_empty_folders(path: str) -> None:
    """Removes the folders in a folder, and itself, that hold no file; an object store has none."""
    if scheme_of(path) is None:
        for folder, _, _ in os.walk(path, topdown=False):
            with suppress(OSError):
                os.rmdir(folder)


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item], at_once: int) -> Iterator[Result]:
    """`map` with threads, in order; items are taken as they can be worked on. The first error ends it."""
    items = iter(items)
    first = list(islice(items, 2))
    if at_once == 1 or len(first) < 2:
        yield from map(work, chain(first, items))
        return
    pool = ThreadPoolExecutor(at_once, "files")
    running: deque[Future[Result]] = deque()
    try:
        for item in chain(first, items):
            running.append(pool.submit(work, item))
            if len(running) == 2 * at_once:  # one may take long, the others go on meanwhile
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _run(work: Callable[[Item], None], items: Iterable[Item], at_once: int) -> None:
    for _ in in_parallel(work, items, at_once):
        pass


def _with_store(items: Iterable[Item], path: Callable[[Item], str]) -> tuple[Store | None, Iterable[Item]]:
    items = iter(items)
    for first in items:
        return store_of(path(first)), chain([first], items)
    return None, ()


def _batches(paths: Iterable[str], size: int) -> Iterator[list[str]]:
    paths = iter(paths)
    while batch := list(islice(paths, size)):
        yield batch

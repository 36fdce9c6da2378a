"""From the frame that an answer names to the image's own: boxes, polygons and sizes of answers to fitted images.

A fitted image was sent with other sides than its own. The service may have turned it by its EXIF orientation, as it
may have turned the image itself: the frame is what `metadata` says, turned or not. So every number is scaled along its
axis and stays in that frame. Edges are rounded to the nearest pixel in integers, so that boxes that touch still do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .reading import INT32_MAX, INT32_MIN

Ints = npt.NDArray[np.int64]
_AXES = {"x": "w", "y": "h"}


class Scale(NamedTuple):
    """For each row, along one axis: pixels of the image for pixels of the frame."""

    image: Ints
    frame: Ints

    def edges(self, positions: Ints) -> Ints:
        """Positions in the image, to the nearest pixel, halves up."""
        return np.clip((2 * positions * self.image + self.frame) // (2 * self.frame), INT32_MIN, INT32_MAX)

    def floats(self, positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return positions * self.image / self.frame

    def of(self, rows: Ints) -> Scale:
        return Scale(self.image[rows], self.frame[rows])


class Scaling:
    """The scales of the answers of a batch; an answer to an image that was sent untouched keeps its numbers.

    Args:
      responses: a table of the schema of `responses`.
      images: the columns of `images` with `answer`, the row in `responses`, in its order.
    """

    def __init__(self, responses: pa.Table, images: pa.Table) -> None:
        answers = _ints(images["answer"])
        frame = _ints(images["width"]), _ints(images["height"])
        own, sent = ([_of(responses, f"{of}_{side}", answers) for side in ("width", "height")] for of in _SIDES)
        fitted = (own[0] > 0) & (own[1] > 0)
        turned = _is_turned(frame, (sent[0], sent[1]))
        width, height = np.where(turned, own[1], own[0]), np.where(turned, own[0], own[1])
        self._row_of = np.full(responses.num_rows, -1)
        self._row_of[answers] = np.arange(len(answers))
        self._scales = {
            "x": Scale(np.where(fitted, width, 1), np.where(fitted, frame[0], 1)),
            "y": Scale(np.where(fitted, height, 1), np.where(fitted, frame[1], 1)),
        }

    def applied(self, columns: pa.Table) -> pa.Table:
        """The columns of a table, with `answer`, in the frame of the image."""
        rows = self._row_of[_ints(columns["answer"])]
        names = columns.column_names
        if "x" in names:
            for position, length in _AXES.items():
                columns = self._box(columns, rows, position, length)
        elif "width" in names:
            columns = self._sides(columns, rows)
        if "polygon" in names:
            columns = self._polygons(columns, rows)
        return columns

    def _box(self, columns: pa.Table, rows: Ints, position: str, length: str) -> pa.Table:
        scale, start = self._scales[position].of(rows), _ints(columns[position])
        first, last = scale.edges(start), scale.edges(start + _ints(columns[length]))
        columns = _replaced(columns, position, pa.array(first, pa.int32()))
        return _replaced(columns, length, pa.array(np.clip(last - first, INT32_MIN, INT32_MAX), pa.int32()))

    def _sides(self, columns: pa.Table, rows: Ints) -> pa.Table:
        for name, axis in (("width", "x"), ("height", "y")):
            scale, kind = self._scales[axis].of(rows), columns.schema.field(name).type
            cells = columns[name].combine_chunks()
            values = np.asarray(cells.fill_null(0))
            scaled: Any = scale.edges(values.astype(np.int64)) if pa.types.is_integer(kind) else scale.floats(values)
            mask = cells.is_null().to_numpy(zero_copy_only=False)
            columns = _replaced(columns, name, pa.array(scaled, kind, mask=mask))
        return columns

    def _polygons(self, columns: pa.Table, rows: Ints) -> pa.Table:
        polygons = columns["polygon"].combine_chunks()
        points = polygons.flatten().to_numpy(zero_copy_only=False).reshape(-1, 4, 2)
        scaled = np.empty_like(points)
        for number, axis in enumerate("xy"):
            scale = self._scales[axis].of(rows)
            scaled[:, :, number] = Scale(scale.image[:, None], scale.frame[:, None]).floats(points[:, :, number])
        offsets = np.arange(0, 8 * len(rows) + 1, 8, dtype=np.int32)
        values = pa.array(scaled.ravel(), polygons.type.value_type)
        return _replaced(columns, "polygon", pa.ListArray.from_arrays(offsets, values, polygons.type))


_SIDES = ("original", "sent")


def _is_turned(frame: tuple[Ints, Ints], sent: tuple[Ints, Ints]) -> npt.NDArray[np.bool_]:
    """Whether the frame is that of the image on its side: by its sides, or, where they are others, by its form."""
    as_sent = (frame[0] == sent[0]) & (frame[1] == sent[1])
    on_its_side = (frame[0] == sent[1]) & (frame[1] == sent[0])
    other_form = (frame[0] - frame[1]) * (sent[0] - sent[1]) < 0
    return ~as_sent & (on_its_side | other_form)


def _of(responses: pa.Table, name: str, rows: Ints) -> Ints:
    return _ints(responses[name])[rows]


def _ints(cells: pa.ChunkedArray) -> Ints:
    return np.asarray(cells.fill_null(0)).astype(np.int64)


def _replaced(table: pa.Table, name: str, cells: pa.Array) -> pa.Table:
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(index), cells)


def scaled_back(tables: dict[str, pa.Table], responses: pa.Table) -> dict[str, pa.Table]:
    """The columns of all tables, each with `answer`, in the frames of the images."""
    if responses["original_width"].null_count == responses.num_rows:
        return tables
    scaling = Scaling(responses, tables["images"])
    return {name: scaling.applied(columns) for name, columns in tables.items()}

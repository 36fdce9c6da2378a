"""Optional text reading with RapidOCR (extra `emulator-ocr`): lines and words with polygons and scores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from .decode import open_picture, seen
from .sections import Line, Word

READING_SIDE = 1600
"""Longer side of the copy that is read."""


def text_reader() -> Callable[[bytes, bool], list[Line]]:
    """A function from picture bytes to lines. Raises RuntimeError if rapidocr is not installed."""
    try:
        from rapidocr import RapidOCR
    except ImportError:
        raise RuntimeError("reading text needs rapidocr: pip install 'image-analysis-beam[emulator-ocr]'") from None
    engine = RapidOCR(
        params={
            "Global.return_word_box": True,
            "Global.log_level": "critical",
            "Det.limit_type": "max",
            "Det.limit_side_len": 640,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )
    one_at_a_time = threading.Lock()

    def read(data: bytes, turns: bool) -> list[Line]:
        size, small = seen(open_picture(data), turns, READING_SIDE)
        with one_at_a_time:
            found = engine(np.asarray(small)[..., ::-1].copy())
        return _lines(found, small, size)

    return read


def _lines(found: Any, small: Image.Image, size: tuple[int, int]) -> list[Line]:
    if found.boxes is None:
        return []
    scale = np.array([size[0] / small.size[0], size[1] / small.size[1]])
    lines = []
    for text, box, words in zip(found.txts, found.boxes, found.word_results, strict=True):
        line_words = tuple(_word(w, scale) for w in words if w[0].strip())
        if line_words:
            lines.append(Line(text, _polygon(box, scale), line_words))
    return lines


def _word(word: Sequence[Any], scale: np.ndarray) -> Word:
    text, score, box = word
    return Word(text.strip(), _polygon(box, scale), round(min(0.999, max(0.001, float(score))), 3))


def _polygon(box: Any, scale: np.ndarray) -> tuple[int, ...]:
    points = np.maximum(np.round(np.asarray(box, float) * scale), 0).astype(int)
    return tuple(int(v) for v in points.ravel())

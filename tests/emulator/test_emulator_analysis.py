"""The answers are computed from the pixels: change the picture and they change in the way they should."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from image_analysis_beam.emulator.analysis.decode import WORKING_SIDE, decode, open_picture
from image_analysis_beam.emulator.analysis.geometry import Box
from image_analysis_beam.emulator.analysis.sections import Sections, Wanted, analyze
from image_analysis_beam.emulator.errors import Refused

from .conftest import ALL_FEATURES, Caller, encode, scene

DIGEST = "0" * 64


def answer(image: Image.Image, *ratios: float, digest: str = DIGEST, neutral: bool = False) -> Sections:
    return analyze(open_picture(encode(image, "PNG")), digest, Wanted(ratios, neutral))


def tags(image: Image.Image) -> dict[str, float]:
    return dict(answer(image).tags)


def plain(colour: str, size: tuple[int, int] = (200, 150)) -> Image.Image:
    return Image.new("RGB", size, colour)


@pytest.mark.parametrize(
    ("image", "present", "missing"),
    [
        (plain("#e8e8e8"), {"bright", "white", "smooth", "black and white"}, {"dark", "colorful", "textured"}),
        (plain("#101010"), {"dark", "black", "low contrast"}, {"bright", "white", "sharp"}),
        (plain("#c81e1e"), {"red", "colorful", "warm colors"}, {"blue", "cool colors", "black and white"}),
        (plain("#2850d8"), {"blue", "cool colors"}, {"red", "warm colors"}),
        (plain("#3c963c"), {"green", "plant"}, {"sky"}),
        (plain("grey", (300, 100)), {"landscape format", "grey"}, {"portrait format", "square format"}),
        (plain("grey", (100, 300)), {"portrait format"}, {"landscape format", "square format"}),
        (plain("grey", (200, 200)), {"square format"}, {"landscape format", "portrait format"}),
        (Image.effect_noise((200, 150), 90).convert("RGB"), {"textured", "sharp"}, {"smooth", "blurry"}),
    ],
)
def test_tags_say_what_is_there(image, present, missing):
    found = set(tags(image))
    assert present <= found
    assert not missing & found


def test_more_of_a_colour_is_surer():
    half = plain("white")
    ImageDraw.Draw(half).rectangle((0, 0, 60, 150), fill="red")
    assert tags(half)["red"] < tags(plain("red"))["red"]


def test_smart_crop_follows_the_detail():
    crops = {}
    for name, left in (("left", 0), ("right", 300)):
        image = plain("grey", (400, 200))
        image.paste(Image.effect_noise((100, 200), 120).convert("RGB"), (left, 0))
        crops[name] = answer(image, 0.9).crops[0][1]
    assert crops["left"].x == 0
    assert crops["right"].x + crops["right"].w == 400


def test_objects_are_where_the_colour_is():
    image = plain("white", (400, 300))
    ImageDraw.Draw(image).rectangle((200, 150, 350, 250), fill="red")
    [(name, _, box)] = answer(image).objects
    assert name == "red region"
    wanted = Box(200, 150, 151, 101)
    assert overlap(box, wanted) > 0.7


def overlap(one: Box, two: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.w, two.x + two.w) - max(one.x, two.x)
    down = min(one.y + one.h, two.y + two.h) - max(one.y, two.y)
    shared = max(0, across) * max(0, down)
    return shared / (one.area + two.area - shared)


def test_an_upright_skin_coloured_figure_is_the_surest_person():
    people = answer(scene()).people
    assert people[0][0] > 0.3
    assert people[0][1].x < 100
    assert people[-1][0] < 0.1


def test_captions_can_be_gender_neutral():
    texts = {answer(scene(), digest=digest).caption[0] for digest in ("0" * 64, "1" * 64)}
    neutral = {answer(scene(), digest=digest, neutral=True).caption[0] for digest in ("0" * 64, "1" * 64)}
    assert sorted("woman" in text for text in texts) == [False, True]
    assert all(" man " in text or " woman " in text for text in texts)
    assert len(neutral) == 1
    assert "a person" in neutral.pop()


def test_a_plain_picture_has_no_regions_but_a_caption():
    found = answer(plain("#2850d8"))
    assert (found.objects, found.people, len(found.dense_captions)) == ([], [], 1)
    assert "blue" in found.caption[0]


pictures = st.builds(
    lambda width, height, seed, mode: scene(width, height, seed).convert(mode),
    st.integers(50, 700),
    st.integers(50, 700),
    st.integers(0, 9),
    st.sampled_from(["RGB", "L", "P", "RGBA", "1", "I;16"]),
)


@settings(max_examples=40)
@given(pictures, st.lists(st.floats(0.75, 1.8), max_size=3, unique=True))
def test_invariants_of_the_contract(image, ratios):
    found = answer(image, *ratios)
    assert (found.width, found.height) == image.size
    assert found.dense_captions[0][0] == found.caption[0]
    assert found.dense_captions[0][2] == Box(0, 0, *image.size)
    assert len(found.dense_captions) <= 10
    names = [name for name, _ in found.tags]
    assert len(set(names)) == len(names)
    assert [c for _, c in found.tags] == sorted((c for _, c in found.tags), reverse=True)
    assert [c for c, _ in found.people] == sorted((c for c, _ in found.people), reverse=True)
    confidences = [found.caption[1], *(row[1] for row in [*found.tags, *found.dense_captions, *found.objects])]
    assert all(0 < value < 1 for value in [*confidences, *(c for c, _ in found.people)])
    for boxes in ([r[2] for r in found.dense_captions], [r[2] for r in found.objects], [r[1] for r in found.people]):
        assert len(set(boxes)) == len(boxes)
        assert all(inside(box, image.size) for box in boxes)
    check_crops(found, ratios)


def check_crops(found: Sections, ratios: list[float]) -> None:
    assert all(inside(box, (found.width, found.height)) for _, box in found.crops)
    if not ratios:
        [(ratio, box)] = found.crops
        assert 0.5 <= ratio <= 2.0
        ratios = [ratio]
    assert [ratio for ratio, _ in found.crops] == ratios
    for ratio, box in found.crops:
        assert abs(box.w - box.h * ratio) <= 0.5 + ratio


def inside(box: Box, size: tuple[int, int]) -> bool:
    return (
        box.x >= 0 and box.y >= 0 and box.w > 0 and box.h > 0 and box.x + box.w <= size[0] and box.y + box.h <= size[1]
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(60, 50), (1200, 900)])
def test_every_mode_becomes_a_small_rgb_picture(mode, size):
    small = decode(open_picture(encode(scene(*size).convert(mode), "PNG")))
    assert small.mode == "RGB"
    assert max(small.size) <= WORKING_SIDE


def test_transparency_is_laid_over_grey():
    small = decode(open_picture(encode(Image.new("RGBA", (60, 60), (255, 0, 0, 0)), "PNG")))
    assert np.asarray(small).reshape(-1, 3).tolist() == [[128, 128, 128]] * 3600


def test_sixteen_bits_are_stretched_to_eight():
    ramp = Image.fromarray(np.tile(np.linspace(0, 65535, 200).astype(np.uint16), (100, 1)))
    small = np.asarray(decode(open_picture(encode(ramp, "PNG"))))
    assert small[0, 0, 0] < 10
    assert small[0, -1, 0] > 245


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr("image_analysis_beam.emulator.analysis.decode.DECODED_BYTES_LIMIT", 60 * 60 * 4 - 1)
    with pytest.raises(Refused, match="format"):
        decode(open_picture(encode(plain("red", (60, 60)), "PNG")))


def test_equal_questions_get_equal_bytes_and_other_pictures_other_answers(caller: Caller):
    bodies = [encode(scene(seed=seed)) for seed in (1, 1, 2)]
    replies = [caller.analyze(body, ALL_FEATURES).content for body in bodies]
    assert replies[0] == replies[1] != replies[2]


def test_equal_questions_at_the_same_time(caller: Caller):
    body = encode(scene(900, 700, seed=5))
    replies: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: replies.append(Caller(caller.emulator).analyze(body).content)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 8
    assert len(set(replies)) == 1

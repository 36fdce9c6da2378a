"""What is sent of an image that does not fit: sides, format, size, orientation; and what cannot be fitted."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageDraw

from image_analysis_beam.transforms.endpoint.fitting import LEAST_FIT, MOST_FIT, fit, fitted_sides
from image_analysis_beam.transforms.endpoint.pictures import PayloadFault
from image_analysis_beam.transforms.endpoint.request import MAX_IMAGE_BYTES

SIDES = st.integers(50, 40_000)


def encoded(image, file_format, orientation=1, **how):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make] = "a camera"
    buffer = io.BytesIO()
    image.save(buffer, file_format, exif=exif, **how)
    return buffer.getvalue()


def corners(size=(600, 400), mode="RGB"):
    """White, with a red corner at the top left and a blue one at the top right."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0] // 4, size[1] // 4), fill="red")
    draw.rectangle((size[0] - size[0] // 4, 0, size[0], size[1] // 4), fill="blue")
    return image.convert(mode)


def decoded(body):
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


@given(SIDES, SIDES, st.integers(LEAST_FIT, MOST_FIT), st.booleans())
def test_sides_stay_in_their_limits_and_in_their_ratio(width, height, most, is_turned):
    sides = fitted_sides((width, height), most, is_turned)
    assert max(sides) <= most
    assert min(sides) >= 50
    if max(width, height) <= most:
        assert sides == (width, height)
        return
    assert max(sides) == most
    assert (sides[0] >= sides[1]) == (width >= height) or sides[0] == sides[1]
    exact = min(width, height) * most / max(width, height)
    assert min(sides) == 50 or abs(min(sides) - exact) <= 0.5 + is_turned
    if is_turned and width != height:
        assert sides[0] != sides[1], "which side is which could not be told of an image on its side"


@given(SIDES, SIDES, st.integers(LEAST_FIT, MOST_FIT))
def test_a_wider_image_is_not_narrower_when_it_is_fitted(width, height, most):
    assert fitted_sides((width, height), most)[::-1] == fitted_sides((height, width), most)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_what_fits_is_not_touched(file_format):
    buffer = io.BytesIO()
    corners().save(buffer, file_format)
    fitted = fit(buffer.getvalue(), 600, MAX_IMAGE_BYTES)
    assert fitted == (buffer.getvalue(), file_format, (600, 400), None)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_pixels_are_not_turned_and_the_orientation_goes_along(file_format, orientation):
    fitted = fit(encoded(corners(), file_format, orientation), 300, MAX_IMAGE_BYTES)
    assert (fitted.format, fitted.sides, fitted.original) == ("JPEG", (300, 200), (600, 400))
    sent = decoded(fitted.body)
    assert sent.size == (300, 200)
    assert sent.getexif().get(ExifTags.Base.Orientation, 1) == orientation
    assert ExifTags.Base.Make not in sent.getexif()
    red, blue = sent.getpixel((10, 10)), sent.getpixel((290, 10))
    assert red[0] > 200 > 60 > red[2]
    assert blue[2] > 200 > 60 > blue[0]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "LAB", "I;16", "I", "F"])
def test_every_kind_of_pixel_is_sent_as_eight_bits(mode):
    grey = mode in ("I;16", "I", "F")
    image = corners(mode="L" if grey or mode == "LAB" else mode).convert(
        "I" if mode == "I;16" else "L" if grey else None
    )
    if mode == "I;16":
        image = image.point(lambda value: value * 257).convert("I;16")
    elif grey:
        image = image.convert(mode)
    elif mode == "LAB":
        image = Image.merge("LAB", [image, *[Image.new("L", image.size, 128)] * 2])
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    sent = decoded(fit(buffer.getvalue(), 300, MAX_IMAGE_BYTES).body)
    assert (sent.format, sent.size) == ("JPEG", (300, 200))
    assert sent.convert("L").getpixel((150, 150)) > 240
    assert sent.convert("L").getpixel((10, 10)) < 120


def test_heic_is_read_with_its_extra():
    pillow_heif = pytest.importorskip("pillow_heif", reason="writes HEIC")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(corners()).save(buffer, quality=90)
    fitted = fit(buffer.getvalue(), MOST_FIT, MAX_IMAGE_BYTES)
    assert (fitted.format, fitted.sides, fitted.original) == ("JPEG", (600, 400), (600, 400))
    assert decoded(fitted.body).getpixel((590, 10))[2] > 200


def test_transparency_is_kept_and_none_is_dropped():
    clear = corners(mode="RGBA")
    clear.paste((0, 0, 0, 0), (200, 200, 400, 400))
    sent = decoded(fit(encoded(clear, "PNG"), 300, MAX_IMAGE_BYTES).body)
    assert (sent.format, sent.mode, sent.getpixel((150, 150))[3]) == ("PNG", "RGBA", 0)
    assert decoded(fit(encoded(corners(mode="RGBA"), "PNG"), 300, MAX_IMAGE_BYTES).body).format == "JPEG"
    assert decoded(fit(encoded(clear.convert("P"), "GIF"), 300, MAX_IMAGE_BYTES).body).size == (300, 200)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF", "MPO"])
def test_of_several_pictures_the_first_is_sent(file_format):
    buffer = io.BytesIO()
    others = [Image.new("RGB", (600, 400), color) for color in ("green", "black")]
    corners().save(buffer, file_format, save_all=True, append_images=others)
    fitted = fit(buffer.getvalue(), 300, MAX_IMAGE_BYTES)
    assert (fitted.format, fitted.original) == ("JPEG", (600, 400))
    assert decoded(fitted.body).getpixel((10, 10))[0] > 200


def test_a_size_above_the_limit_is_reduced():
    noise = Image.effect_noise((1000, 600), 80).convert("RGB")
    body = encoded(noise, "PNG", compress_level=0)
    limit = 100_000
    fitted = fit(body, MOST_FIT, limit)
    assert len(fitted.body) <= limit
    assert fitted.original == (1000, 600)
    assert decoded(fitted.body).size == fitted.sides
    assert fitted.sides[0] > 300, "as large as the limit allows"


def test_another_set_of_formats_may_be_taken():
    webp = encoded(corners(), "WEBP")
    assert fit(webp, 600, MAX_IMAGE_BYTES).body == webp
    fitted = fit(webp, 600, MAX_IMAGE_BYTES, formats=("JPEG", "PNG"))
    assert (fitted.format, fitted.sides, fitted.original) == ("JPEG", (600, 400), (600, 400))


def test_a_strip_keeps_the_sides_that_the_service_asks_for():
    fitted = fit(encoded(Image.new("RGB", (6000, 60), "red"), "PNG"), 512, MAX_IMAGE_BYTES)
    assert (fitted.sides, fitted.original) == ((512, 50), (6000, 60))


def test_a_jpeg_is_scaled_as_if_libjpeg_had_not_helped():
    """Its draft mode rounds sides up: a pixel that is none would shift all others."""
    image = Image.new("L", (4001, 2003))
    image.paste(255, (2001, 0, 4001, 2003))
    fitted = fit(encoded(image, "JPEG", quality=95), 500, MAX_IMAGE_BYTES)
    row = list(decoded(fitted.body).crop((240, 100, 260, 101)).get_flattened_data())
    edge = next(x for x, value in enumerate(row, 240) if value > 127)
    assert abs(edge - 2001 * fitted.sides[0] / 4001) <= 1


def test_a_huge_jpeg_is_decoded_at_a_part_of_its_size():
    image = encoded(Image.new("L", (16_100, 6_000)), "JPEG")
    fitted = fit(image, 16_000, MAX_IMAGE_BYTES)
    assert (fitted.original, fitted.sides) == ((16_100, 6_000), (8_050, 3_000))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 600 600\n", "not an image"),
        (encoded(corners((49, 600)), "PNG"), "49x600"),
        (encoded(corners(), "PNG")[:900], "cannot be decoded"),
        (encoded(Image.new("1", (16_001, 16_001)), "PNG"), "a decompression bomb: 16001x16001"),
        (encoded(Image.new("RGBA", (8_000, 8_000)), "PNG"), "a decompression bomb"),
        (encoded(Image.new("RGB", (9_000, 9_000)), "JPEG", progressive=True), "a decompression bomb"),
    ],
    ids=["nothing", "svg", "eps", "small", "cut", "many pixels", "much memory", "coefficients"],
)
def test_what_cannot_be_fitted_says_why(data, why):
    with pytest.raises(PayloadFault, match=why) as error:
        fit(data, 512, MAX_IMAGE_BYTES)
    assert error.value.fault == "invalid_image"

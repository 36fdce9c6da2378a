"""What is checked before a call is paid for."""

import io
import threading

import pytest
from PIL import Image

from image_analysis_beam.transforms.endpoint.byte_budget import ByteBudget
from image_analysis_beam.transforms.endpoint.payload import is_sent_as_url, payload_of, read_image, url_payload
from image_analysis_beam.transforms.endpoint.pictures import PayloadFault, check_image
from image_analysis_beam.transforms.endpoint.request import AnalyzeRequest
from image_analysis_beam.transforms.endpoint.uri import ImageRef
from image_analysis_beam.transforms.files.storage import read_first

TAGS = AnalyzeRequest(features="tags")
LIMIT = TAGS.max_image_bytes


def encoded(file_format, size=(60, 50), mode="RGB"):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, file_format)
    return buffer.getvalue()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "MPO"])
def test_supported_formats(file_format):
    check_image(encoded(file_format), LIMIT)


def test_icons_have_sides_too():
    check_image(encoded("ICO", (64, 64)), LIMIT)
    with pytest.raises(PayloadFault, match="32x32"):
        check_image(encoded("ICO", (32, 32)), LIMIT)


@pytest.mark.parametrize("sides", [(50, 50), (16_000, 50), (50, 16_000)])
def test_sides_at_the_limits(sides):
    check_image(encoded("PNG", sides, "1"), LIMIT)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (encoded("PNG", (49, 60)), "49x60"),
        (encoded("PNG", (60, 16_001), "1"), "60x16001"),
        (encoded("PPM"), "not an image of a supported format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "not an image"),
        (encoded("PNG")[:20], "not an image"),
        (b"\xff\xd8\xff" + b"\0" * (LIMIT + 1), f"larger than {LIMIT} bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_service_would_refuse(data, why):
    with pytest.raises(PayloadFault, match=why) as error:
        check_image(data, LIMIT)
    assert error.value.fault == "invalid_image"


def test_a_size_that_pillow_takes_for_a_bomb_is_fine_for_the_service():
    check_image(encoded("PNG", (16_000, 16_000), "1"), LIMIT)


def test_transient_reads_are_tried_again_and_lasting_ones_are_not():
    tries = []

    def flaky(path, most):
        tries.append(most)
        if len(tries) < 3:
            raise ConnectionResetError("later")
        return encoded("PNG"), "7"

    pauses = []
    data, etag = read_image(ImageRef.of("gs://b/a"), LIMIT, flaky, pauses.append)
    payload = payload_of(data, TAGS)
    assert payload.content_type == "application/octet-stream"
    assert (tries, pauses, etag) == ([LIMIT + 1] * 3, [0.5, 1.0], "7")

    class Forbidden(Exception):
        code = 403

    for error in (FileNotFoundError("gs://b/a"), PermissionError(), Forbidden("no")):
        tries.clear()

        def fail(path, most, error=error):
            tries.append(path)
            raise error

        with pytest.raises(PayloadFault) as refused:
            read_image(ImageRef.of("gs://b/a"), LIMIT, fail, pauses.append)
        assert (refused.value.fault, len(tries)) == ("unreadable_image", 1)


def test_a_missing_file_is_named_with_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PayloadFault, match=rf"there is no file {tmp_path}/a.jpg\?sig=…$"):
        read_image(ImageRef.of("a.jpg?sig=CANARY"), LIMIT, read_first)


def test_text_that_is_not_utf_8_is_no_uri():
    for uri in ("caf\udce9.jpg", "https://h/caf\udce9.jpg"):
        with pytest.raises(PayloadFault, match="not UTF-8"):
            is_sent_as_url(ImageRef.of(uri))


def test_urls_are_sent_as_urls():
    image = ImageRef.of("https://h/ü.jpg?sig=1#top")
    assert is_sent_as_url(image)
    assert url_payload(image).body == b'{"url": "https://h/%C3%BC.jpg?sig=1"}'
    assert not is_sent_as_url(ImageRef.of("gs://b/a"))
    with pytest.raises(PayloadFault, match="not supported"):
        is_sent_as_url(ImageRef.of("ftp://h/a"))


def test_a_url_whose_signature_has_expired_is_not_sent():
    image = ImageRef.of("https://h/a.jpg?sv=2022&sr=b&sp=r&sig=S&se=2026-01-02T03:04Z")
    end = 1767323040.0
    assert url_payload(image, lambda: end - 1).body
    with pytest.raises(PayloadFault, match="ended at 2026-01-02T03:04:00") as expired:
        url_payload(image, lambda: end)
    assert expired.value.fault == "expired_url"


def test_why_a_file_cannot_be_read_quotes_no_secret():
    def fail(path, most):
        raise PermissionError(f"KEY:hunter22@bucket refused {path}")

    with pytest.raises(PayloadFault, match="cannot be read") as refused:
        read_image(ImageRef.of("s3://KEY:hunter22@bucket/x"), LIMIT, fail)
    assert "hunter22" not in str(refused.value)


def test_bytes_held_at_once_are_bounded():
    budget = ByteBudget(100)
    entered, shrunk, done = threading.Event(), threading.Event(), threading.Event()

    def second():
        with budget.reserve(60):
            entered.set()
        done.set()

    with budget.reserve(60) as shrink:
        waiting = threading.Thread(target=second, daemon=True)
        waiting.start()
        assert not entered.wait(0.05)
        shrink(40)
        shrunk.set()
        assert entered.wait(30)
    waiting.join(30)
    assert done.is_set()


def test_an_image_larger_than_the_budget_still_passes_alone():
    with ByteBudget(10).reserve(60):
        pass

"""The page in a browser: search, filters, slider, lightbox, keys, copying; no request, no complaint, hostile texts run
nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from image_analysis_beam.emulator import Emulator
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.report import REPORT
from image_analysis_beam.pipeline.report.page import render
from image_analysis_beam.pipeline.report.sheet import Sheet
from stand_ins.report_page import Page

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT / "examples" / "photos"
AXE = ROOT / ".venv" / "engines" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
ALL = "caption,denseCaptions,tags,objects,people,smartCrops,read"
SEEN = "[...document.querySelectorAll('{}')].filter(one => one.getClientRects().length).length"
TILES = "#pictures .tile"
KEYS = {"Escape": 27}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The output of a run over the photographs and two that fail; the photographs lie beside it."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(PHOTOS, folder / "photos")
    lines = [*sorted(map(str, (folder / "photos").glob("*.jpg"))), str(folder / "none.jpg"), "ftp://a/b.png"]
    (folder / "uris.txt").write_text("\n".join(lines))
    with Emulator(key="k") as emulator, pytest.MonkeyPatch.context() as environment:
        environment.setenv("VISION_ENDPOINT", emulator.url)
        environment.setenv("VISION_KEY", "k")
        flags = ["--input", str(folder / "uris.txt"), "--output", str(folder / "out"), "--features", ALL, "--quiet"]
        assert main(["run", *flags]) == 0
    return folder / "out"


@pytest.fixture
def page(browser, output):
    browser.open(output / REPORT)
    return browser


def seen(browser, selector):
    """How many elements of a selector are on display."""
    return browser.evaluate(SEEN.format(selector))


def give(browser, selector, value, event="change"):
    """What a person puts into a field."""
    set_it = f"(one => {{ one.value = {value!r}; one.dispatchEvent(new Event('{event}')); }})"
    browser.evaluate(f"{set_it}(document.querySelector('{selector}'))")


def click(browser, selector):
    browser.evaluate(f"document.querySelector('{selector}').click()")


def key(browser, name):
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=KEYS.get(name, 0))


def text(browser, selector):
    return browser.evaluate(f"document.querySelector('{selector}').textContent")


JPEGS = len(list(PHOTOS.glob("*.jpg")))


def test_the_page_is_alone_and_silent(page):
    assert len(page.requests) == 1
    assert page.requests[0].startswith("file:")
    assert page.complaints == []
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert text(page, "h1") == f"{JPEGS} of {JPEGS + 2} analyzed. 2 need you."
    assert text(page, ".stamp") == "Emulator"
    shown = page.evaluate("document.body.innerText")
    assert not re.search(r"\b(undefined|NaN|null|Infinity)\b", shown)


def test_rows_fill_the_width_and_the_sheet_opens(page):
    few = seen(page, TILES)
    assert 0 < few <= JPEGS + 2
    rows = page.evaluate("""[...document.querySelectorAll('.row')].map(row =>
      row.lastChild.getBoundingClientRect().right - document.querySelector('.sheet').getBoundingClientRect().right)""")
    assert all(abs(off) < 1 for off in rows[:-1])
    if seen(page, ".more"):
        click(page, ".more")
    assert page.evaluate("document.querySelectorAll('#pictures .tile').length") == JPEGS + 2


def test_words_and_filters_find_images(page):
    give(page, "input[type=search]", "coffee", "input")
    assert seen(page, TILES) == 1
    assert text(page, ".found") == f"1 picture of {JPEGS + 2}"
    give(page, "input[type=search]", "no such thing", "input")
    assert (seen(page, TILES), seen(page, ".none")) == (0, 1)
    click(page, ".tools button")
    give(page, "select[aria-label=Outcome]", "dead_letter")
    assert seen(page, TILES) == 2
    give(page, "select[aria-label=Outcome]", "")
    option = "document.querySelector('select[aria-label=Tag]').options[3]"
    tag, label = page.evaluate(f"[{option}.value, {option}.textContent]")
    number = int(label.rsplit("(")[-1].rstrip(")"))
    give(page, "select[aria-label=Tag]", tag)
    assert seen(page, TILES) == number > 0


def test_a_bar_of_a_name_filters_the_sheet(page):
    name = text(page, ".names button bdi")
    number = text(page, ".names button .number")
    click(page, ".names button")
    assert page.evaluate("document.querySelector('select[aria-label=Tag]').value") == name
    assert seen(page, TILES) == int(number)


def test_the_slider_works_on_all(page):
    click(page, ".tile img")
    shown = []
    for least in (0, 0.05, 0.3, 1):
        give(page, ".tools input[type=range]", str(least), "input")
        shown.append(seen(page, "#light .layer-2 li"))
        assert text(page, ".tools output") == text(page, "#light output") == f"{least:.2f}"
    assert shown[0] > shown[1] >= shown[2] >= shown[3] == 0
    assert seen(page, '#light [data-shape^="2-"]') == 0
    assert "0 of " in text(page, "#facets figure .note")


def test_boxes_light_up_with_their_words_and_the_reverse(page):
    click(page, ".tile img")
    page.evaluate("document.querySelector('#light [data-item=\"0-0\"]').focus()")
    assert page.evaluate("document.querySelector('polygon.lit').dataset.shape") == "0-0"
    assert seen(page, "polygon.lit") == 1
    words = text(page, '#light [data-item="0-0"] bdi')
    assert text(page, ".lit-label") == words[:80]
    over = "dispatchEvent(new Event('mouseover', {bubbles: true}))"
    page.evaluate(f"document.querySelector('#light polygon[data-shape^=\"1-\"]').{over}")
    assert page.evaluate("document.querySelector('.item.lit').dataset.item").startswith("1-")


def test_shapes_sit_where_the_answer_says_at_every_width(page, browser):
    click(page, ".tile img")
    measure = """[...document.querySelectorAll('#light polygon')].map(shape => {
      const svg = shape.closest('svg'), frame = svg.parentElement.getBoundingClientRect();
      const x = Math.min(...[...shape.points].map(point => point.x)) / svg.viewBox.baseVal.width;
      return shape.getClientRects().length ? Math.abs(shape.getBoundingClientRect().x - frame.x - x * frame.width) : 0;
    }).reduce((most, off) => Math.max(most, off), 0)"""
    assert page.evaluate(measure) < 2.5
    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.send("Emulation.setDeviceMetricsOverride", **size)
    assert page.evaluate(measure) < 2.5


def test_the_file_itself_is_shown_only_where_it_is_the_one(page, output):
    photo = output.parent / "photos" / "coffee.jpg"
    whole = photo.read_bytes()
    look = """new Promise(resolve => {
      const search = document.querySelector('input[type=search]');
      search.value = 'coffee.jpg'; search.dispatchEvent(new Event('input'));
      document.querySelector('#pictures .tile').click();
      const image = document.querySelector('#light .original');
      image.addEventListener('load', () => resolve(!image.hidden));
    })"""
    assert page.evaluate(look)
    assert page.requests[1:] == [photo.as_uri()]
    try:
        shutil.copy(output.parent / "photos" / "camera.jpg", photo)
        page.open(output / REPORT)
        assert not page.evaluate(look)
    finally:
        photo.write_bytes(whole)


def test_the_keyboard_is_enough(page):
    page.evaluate("document.querySelector('#pictures [tabindex=\"0\"]').focus()")
    places = [0]
    for name in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "End", "Home"):
        key(page, name)
        places.append(page.evaluate("Number(document.activeElement.dataset.place)"))
    assert places[:3] == [0, 1, 2]
    assert places[3] > 4
    assert places[4] in (1, 2, 3)
    assert places[5:] == [JPEGS + 1, 0]
    assert page.evaluate("document.querySelectorAll('#pictures [tabindex=\"0\"]').length") == 1
    page.evaluate("document.activeElement.click()")
    key(page, "ArrowRight")
    assert text(page, ".where") == f"2 of {JPEGS + 2}"
    key(page, "Escape")
    assert not page.evaluate("document.getElementById('light').open")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate("Number(document.activeElement.dataset.place)") == 1


def test_uris_and_command_are_copied(page, output):
    page.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    copied = """(async number => {
      const button = document.querySelectorAll('.group button.small')[number];
      button.click();
      await new Promise(resolve => setTimeout(resolve, 0));
      return navigator.clipboard.readText();
    })"""
    found = {page.evaluate(f"{copied}({number})") for number in range(4)}
    base = f"image-analysis-beam run --input {output.parent / 'uris.txt'} --features {ALL} --output {output}"
    assert found == {str(output.parent / "none.jpg"), "ftp://a/b.png", base, f"{base} --redrive invalid_uri"}
    assert text(page, "#said") == "command copied"


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_texts_run_nothing_and_do_not_widen_the_page(browser, emulator, run, pictures, width):
    emulator.set_faults({"hostile_text": True})
    output = run("--images", pictures(6)[0].parent / "*.png", features=ALL).output
    browser.open(output / REPORT, width)
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    click(browser, ".tile")
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.complaints == []
    assert all(address.startswith("file:") for address in browser.requests)
    assert browser.evaluate("document.scripts.length") == 3


def test_dark_and_light_differ(page, browser, output):
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    browser.open(output / REPORT, dark=True)
    assert browser.evaluate(background) != light


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_axe_finds_nothing_to_complain_of(browser, output, width, dark):
    if not AXE.exists():
        pytest.skip("axe-core is not here: .ci/engines.sh fetches it with npm")
    browser.open(output / REPORT, width, dark)
    browser.send("Runtime.evaluate", expression=AXE.read_text())
    find = "axe.run(document).then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.html)]))"
    assert browser.evaluate(find) == []
    click(browser, ".tile")
    assert browser.evaluate(find) == []


def test_of_a_thousand_images_only_those_near_the_screen_are_in_the_page(browser, output, tmp_path):
    page = Page(output)
    images, pictures = page.images * 60, page.pictures * 60
    page.data["sheet"]["images"] = images
    path = tmp_path / REPORT
    path.write_text(render(page.data, Sheet(images, pictures, page.data["sheet"]["names"], {}, len(images))))
    browser.open(path)
    assert text(browser, ".more") == "Show all 1\u202f140"
    click(browser, ".more")
    browser.evaluate("document.querySelector('#pictures [tabindex=\"0\"]').focus()")
    for name, place in (("End", len(images) - 1), ("Home", 0)):
        key(browser, name)
        assert browser.evaluate("Number(document.activeElement.dataset.place)") == place
        assert 5 < browser.evaluate("document.querySelectorAll('#pictures .tile').length") < 200
    give(browser, "input[type=search]", "coffee", "input")
    assert text(browser, ".found") == "60 pictures of 1\u202f140"
    assert browser.complaints == []

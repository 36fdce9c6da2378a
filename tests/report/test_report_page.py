"""The page in a browser: toggles, slider, highlighting; no request, no complaint, hostile texts run nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from image_analysis_beam.pipeline.report import REPORT

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
ALL = "caption,denseCaptions,tags,objects,people,smartCrops,read"
SEEN = "[...document.querySelectorAll('{}')].filter(one => one.getClientRects().length).length"


@pytest.fixture
def page(browser, emulator, run):
    output = run("--images", PHOTOS / "*.jpg", features=ALL).output
    browser.open(output / REPORT)
    return browser


def seen(browser, selector):
    """How many elements of a selector are on display."""
    return browser.evaluate(SEEN.format(selector))


def set_slider(browser, value):
    browser.evaluate(f"slider.value = {value}; slider.dispatchEvent(new Event('input'))")


def test_the_page_is_alone_and_silent(page):
    assert len(page.requests) == 1
    assert page.requests[0].startswith("file:")
    assert page.complaints == []
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert seen(page, ".card img") == len(list(PHOTOS.glob("*.jpg")))


def test_a_toggle_shows_and_hides_its_layer(page):
    assert seen(page, "[data-layer=dense_captions] polygon") == 0
    assert seen(page, "[data-layer=objects] polygon") > 0
    for layer in ("dense_captions", "objects"):
        page.evaluate(f"document.querySelector('[data-toggles={layer}]').click()")
    assert seen(page, "[data-layer=dense_captions] polygon") > 40
    assert seen(page, "[data-layer=objects] polygon") == 0


def test_the_slider_hides_what_is_less_sure(page):
    everything = page.evaluate("document.querySelectorAll('[data-layer=people] polygon').length")
    shown = []
    for least in (0, 0.05, 0.3, 1):
        set_slider(page, least)
        shown.append(seen(page, "[data-layer=people] polygon"))
    assert shown[0] == everything > shown[1] > shown[2] > shown[3] == 0
    assert page.evaluate("document.getElementById('least').textContent") == "1.00"


def test_shapes_sit_where_the_answer_says_at_every_width(page, browser):
    measure = """[...document.querySelectorAll('[data-layer=objects] polygon')].map(shape => {
      const svg = shape.closest('svg'), frame = svg.previousElementSibling.getBoundingClientRect();
      const x = Math.min(...[...shape.points].map(point => point.x)) / svg.viewBox.baseVal.width;
      return shape.getClientRects().length ? Math.abs(shape.getBoundingClientRect().x - frame.x - x * frame.width) : 0;
    }).reduce((most, off) => Math.max(most, off), 0)"""
    assert page.evaluate(measure) < 2.5
    size = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.send("Emulation.setDeviceMetricsOverride", **size)
    assert page.evaluate(measure) < 2.5


def test_a_line_of_text_lights_its_shape_also_from_the_keyboard(page):
    page.evaluate(
        "document.querySelector('.found').open = true; document.querySelector('.found li:not(.unsure)').focus()"
    )
    lit = page.evaluate("document.querySelector('.lit').id")
    assert lit == page.evaluate("document.activeElement.dataset.shape")
    assert seen(page, ".lit polygon") == 1


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_texts_run_nothing_and_do_not_widen_the_page(browser, emulator, run, pictures, width):
    emulator.set_faults({"hostile_text": True})
    output = run("--images", pictures(6)[0].parent / "*.png", features=ALL).output
    browser.open(output / REPORT, width)
    assert browser.complaints == []
    assert len(browser.requests) == 1
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.evaluate("document.scripts.length") == 1


def test_dark_and_light_differ(page, browser, tmp_path):
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    browser.open(tmp_path / "out" / REPORT, dark=True)
    assert browser.evaluate(background) != light

"""The report of real runs against the emulator: what it says, that it is bounded, and that it repeats no markup."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from image_analysis_beam.emulator.hostile import FRAGMENTS
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.report import REPORT

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
JPEGS, ANSWERS = len(list(PHOTOS.glob("*.jpg"))), len(list(PHOTOS.glob("*.[jp][pn]g")))
ALL = "caption,denseCaptions,tags,objects,people,smartCrops,read"
OUTCOMES = ("analyzed", "dead_letters", "deferred", "skipped", "duplicates")


class Page(HTMLParser):
    """A page as a parser sees it: elements with their attributes, and all text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.elements, self.text, self._within = html, [], "", ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self._within = tag
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self._within not in ("script", "style"):
            self.text += data

    def all(self, tag, **wanted):
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]

    def number(self, name):
        return int(re.search(rf'id="{name}">([\d\u2009]+)<', self.html)[1].replace("\u2009", ""))


def page_of(output: Path) -> Page:
    return Page((output / REPORT).read_text())


def words(page: Page) -> dict[str, int]:
    """The most frequent names, with how often they are there."""
    section = re.search(r'<section id="words".*?</section>', page.html, re.DOTALL)[0]
    rows = re.findall(r'<th scope="row">(.*?)</th>.*?class="number">(\d+)<', section, re.DOTALL)
    return {re.sub("<.*?>", "", name): int(number) for name, number in rows}


@pytest.fixture
def photo_run(emulator, run):
    return run("--images", PHOTOS / "*.jpg", "--images", PHOTOS / "*.png", features=ALL)


def test_a_local_run_ends_with_a_report_whose_counts_add_up(emulator, run, pictures, listed, tmp_path):
    good = pictures(12)
    missing, small = tmp_path / "missing.png", tmp_path / "small.png"
    Image.new("RGB", (20, 20)).save(small)
    finished = run("--input", listed([*good, good[0], missing, small, "ftp://a/b.png"]), "--max_calls", "13")
    page = page_of(finished.output)
    accounts = finished.manifest["conservation"]
    assert finished.code == 3
    assert f"report: {finished.output / REPORT}" in finished.out
    assert {name: page.number(f"{name}-number") for name in OUTCOMES} == {name: accounts[name] for name in OUTCOMES}
    assert page.number("came-in") == accounts["input"] == sum(accounts[name] for name in OUTCOMES)
    assert accounts["dead_letters"] >= 1
    assert accounts["deferred"] >= 1
    assert "incomplete" in page.text
    assert "run the same command again to go on" in page.text


def test_dead_letters_are_grouped_with_examples_and_advice(emulator, run, pictures, tmp_path):
    emulator.set_faults({"rules": [{"match": {"width": 77}, "fault": "internal"}]})
    folder = pictures(20)[0].parent
    pictures(7, width=77)
    Image.new("RGB", (20, 20)).save(folder / "small.png")
    finished = run("--images", folder / "*.png", "--max_attempts", "2")
    page = page_of(finished.output)
    assert finished.manifest["dead_letters"] == {"invalid_image": 1, "service_error": 7}
    groups = re.findall(r'<article class="group dead-letter">.*?</article>', page.html, re.DOTALL)
    assert [re.search(r"<h3>(.*?) <span", group)[1] for group in groups] == ["service error", "invalid image"]
    assert "run again when the service is well" in groups[0]
    assert groups[0].count('<code class="uri">') == 5
    assert "HTTP 500" in groups[0]
    assert "2 attempts" in groups[0]
    assert "small.png" in groups[1]
    assert "convert or resize the image" in groups[1]


def test_the_head_says_whose_answers_they_are(photo_run):
    assert "All answers are the emulator's" in page_of(photo_run.output).text
    for path in photo_run.output.glob("images/run=*/*.parquet"):
        table = pq.read_table(path)
        real = pa.array(["2023-10-01"] * table.num_rows)
        place = table.schema.get_field_index("model_version")
        pq.write_table(table.set_column(place, table.schema.field(place), real), path)
    assert main(["report", str(photo_run.output)]) == 0
    assert "emulator's" not in page_of(photo_run.output).text


def test_boxes_are_drawn_in_the_pixels_of_the_answer_over_a_thumbnail_of_its_shape(photo_run):
    page = page_of(photo_run.output)
    sizes = {uri: (width, height) for uri, width, height in photo_run.rows("images", "image_uri, width, height")}
    assert len(page.all("img")) == len(sizes) == ANSWERS
    views = [found["viewbox"].split()[2:] for found in page.all("svg") if found.get("class") == "shapes"]
    assert sorted((int(width), int(height)) for width, height in views) == sorted(sizes.values())
    for (width, height), image in zip(views, page.all("img"), strict=True):
        picture = Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1])))
        assert max(picture.size) <= 480
        assert picture.width / picture.height == pytest.approx(int(width) / int(height), rel=0.01)
    drawn = {found["points"] for found in page.all("polygon")}
    boxes = photo_run.rows("objects", "x, y, w, h")
    assert boxes
    for x, y, w, h in boxes:
        assert f"{x},{y} {x + w},{y} {x + w},{y + h} {x},{y + h}" in drawn


def test_every_layer_of_an_answer_can_be_toggled(photo_run):
    page = page_of(photo_run.output)
    toggles = {found["data-toggles"] for found in page.all("input", type="checkbox")}
    assert toggles == {"dense_captions", "objects", "people", "smart_crops"}
    assert {found["data-layer"] for found in page.all("g") if "data-layer" in found} == toggles


def test_frequencies_are_those_of_the_tables(photo_run):
    names = Counter(name for (name,) in photo_run.rows("tags", "name"))
    name, number = min(names.items(), key=lambda item: (-item[1], item[0]))
    (table,) = re.findall(r"<caption>tags.*?</table>", page_of(photo_run.output).html, re.DOTALL)
    first = re.search(r"<tbody>.*?</tr>", table, re.DOTALL)[0]
    assert f'<bdi dir="auto">{name}</bdi>' in first
    assert f'<td class="number">{number}</td>' in first
    assert f"{len(names)} different" in table


def test_cost_is_answers_times_features_times_prices(photo_run, tmp_path, capsys):
    prices = tmp_path / "prices.json"
    prices.write_text('{"currency": "EUR", "caption": 1000, "read": 500, "denseCaptions": 2}')
    assert main(["report", str(photo_run.output), "--prices", str(prices)]) == 0
    assert capsys.readouterr().out.strip() == str(photo_run.output / REPORT)
    cost = ANSWERS * (1000 + 500 + 2 + 4 * 1.0) / 1000
    assert f"<dt>about, in EUR</dt><dd>{cost:.2f}</dd>" in page_of(photo_run.output).html


def test_images_that_cannot_be_read_have_a_placeholder_and_keep_their_boxes(emulator, run, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(PHOTOS, folder)
    run("--images", folder / "*.jpg", features=ALL)
    (folder / "coffee.jpg").unlink()
    (folder / "rocket.jpg").write_bytes(b"no image")
    Image.new("RGB", (100, 100)).save(folder / "camera.jpg")
    assert main(["report", str(tmp_path / "out")]) == 0
    page = page_of(tmp_path / "out")
    assert len(page.all("img")) == JPEGS - 3
    assert len(page.all("p", **{"class": "placeholder"})) == 3
    assert len(page.all("svg", **{"class": "shapes"})) == JPEGS
    assert "there is no file" in page.text
    assert "the file is now 100x100 pixels; it was 512x512" in page.text


def test_web_images_are_not_fetched(emulator, run, listed, web):
    run("--input", listed([web.url("coffee.jpg?sig=SECRET")]), features="objects")
    asked = web.requests
    assert asked > 0
    assert main(["report", str(listed([]).parent / "out")]) == 0
    page = page_of(listed([]).parent / "out")
    assert web.requests == asked
    assert "the report fetches nothing" in page.text
    assert "SECRET" not in page.html


def test_hostile_answers_are_text(emulator, run, pictures):
    emulator.set_faults({"hostile_text": True})
    finished = run("--images", pictures(30)[0].parent / "*.png", features=ALL)
    page = page_of(finished.output)
    assert len(page.all("script")) == 1
    for fragment in FRAGMENTS:
        assert re.sub(r"\s+", " ", fragment) in re.sub(r"\s+", " ", page.text)
    assert "x" * 3000 in page.text
    assert "x" * 5000 not in page.text
    assert "more characters are in the table" in page.text
    assert len(page.html) < 3_000_000


def test_hostile_uris_are_text(emulator, run, listed, tmp_path):
    names = ["<img src=x onerror=alert(1)>.png", '"><script>alert(2)</script>.png', "\u202egnp.evil", "x" * 9000]
    finished = run("--input", listed([str(tmp_path / name) for name in names]))
    page = page_of(finished.output)
    assert finished.manifest["conservation"]["dead_letters"] == 4
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert all(name in page.text for name in names[:3])
    assert "complete, with 4 dead letters" in page.text
    assert "no image was answered: all 4 are dead letters\n4 images: " in finished.out


def test_a_large_run_is_sampled_for_variety_and_bounded_in_size(emulator, run, tmp_path):
    folder = tmp_path / "noise"
    folder.mkdir()
    for number in range(80):
        noise = Image.effect_noise((480, 480), 100).convert("RGB")
        noise.save(folder / f"{number}.jpg", quality=60)
    finished = run("--images", folder / "*.jpg")
    page = page_of(finished.output)
    shown = len(page.all("img"))
    assert 10 < shown <= 60
    assert f"{shown} of 80 images" in re.sub(r"\s+", " ", page.text)
    assert len(page.html.encode()) < 3_000_000


def test_answers_of_earlier_runs_to_the_same_request_are_shown_too(emulator, run, pictures):
    folder = pictures(5)[0].parent
    run("--images", folder / "*.png")
    run("--images", folder / "*.png", features="objects")
    pictures(2, first=5)
    finished = run("--images", folder / "*.png")
    page = page_of(finished.output)
    assert page.number("analyzed-number") == 2
    assert page.number("skipped-number") == 5
    assert len(page.all("img")) == 7
    assert "All 7 images with answers to this request, of this run and 1 before it" in re.sub(r"\s+", " ", page.text)
    totals = re.search(r"<tfoot>.*</tfoot>", page.html, re.DOTALL)[0]
    assert re.findall(r"<td>(\d+)</td>", totals)[:2] == ["17", "12"]


def test_an_image_is_shown_with_its_newest_answers_whichever_calls_gave_them(emulator, run, pictures, tmp_path):
    images, everything = pictures(6)[0].parent / "*.png", "caption,tags,objects"
    run("--images", images, features="caption,tags")
    run("--images", images, features=everything)
    anew = run("--images", images, "--redrive", "everything", features="tags")
    assert emulator.stats()["calls"] == 18
    found = words(page_of(anew.output))
    tags = Counter(name for (name,) in anew.rows("tags", "name", f"run_id = '{anew.manifest['run_id']}'"))
    assert found
    assert found.items() <= tags.items()
    again = run("--images", images, features=everything)
    assert again.manifest["conservation"]["skipped"] == 6
    page = page_of(again.output)
    whole = page_of(run("--images", images, "--output", tmp_path / "whole", features=everything).output)
    assert "All 6 images with answers to this request, of this run and 3 before it" in re.sub(r"\s+", " ", page.text)
    assert words(page) == words(whole)
    captions = [len(shown.all("p", **{"class": "said-caption"})) for shown in (page, whole)]
    assert captions == [6, 6]


def test_what_is_not_committed_is_not_reported(emulator, run, pictures, capsys):
    folder = pictures(4)[0].parent
    first = run("--images", folder / "*.png")
    pictures(3, first=4)
    second = run("--images", folder / "*.png")
    (second.output / "runs" / f"{second.manifest['run_id']}.json").unlink()
    assert main(["report", str(first.output)]) == 0
    page = page_of(first.output)
    assert len(page.all("img")) == page.number("analyzed-number") == 4
    assert second.out not in page.html


def test_a_named_run_is_reported_and_an_unknown_one_refused(emulator, run, pictures, capsys):
    folder = pictures(3)[0].parent
    first = run("--images", folder / "*.png").manifest["run_id"]
    pictures(2, first=3)
    output = run("--images", folder / "*.png").output
    assert main(["report", str(output), "--run", first]) == 0
    assert page_of(output).number("analyzed-number") == 3
    assert main(["report", str(output), "--run", "20200101T000000Z-0000"]) == 2
    assert main(["report", str(output / "nowhere")]) == 2
    assert "it holds no committed run" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_does_not_fail_the_run(emulator, run, pictures, tmp_path):
    (tmp_path / "out" / REPORT).mkdir(parents=True)
    finished = run("--images", pictures(3)[0].parent / "*.png")
    assert finished.code == 0
    assert "report: it could not be made (IsADirectoryError" in finished.out


def test_a_folder_rebuilt_without_calls_has_a_report(emulator, run, pictures, tmp_path):
    run("--images", pictures(4)[0].parent / "*.png")
    run("--stored", tmp_path / "out", "--output", tmp_path / "again", features=None, command="reflatten")
    assert main(["report", str(tmp_path / "again")]) == 0
    page = page_of(tmp_path / "again")
    assert page.number("came-in") == page.number("analyzed-number") == 4
    assert "No call was made in this run." in page.text
    assert len(page.all("img")) == 4

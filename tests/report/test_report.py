"""The report of real runs against the emulator: what it says, that it is bounded, and that it repeats no markup."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from image_analysis_beam.emulator.hostile import FRAGMENTS
from image_analysis_beam.pipeline import run as run_command
from image_analysis_beam.pipeline.__main__ import main
from image_analysis_beam.pipeline.report import REPORT, command
from stand_ins.report_page import Page, decoded

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"
JPEGS, ANSWERS = len(list(PHOTOS.glob("*.jpg"))), len(list(PHOTOS.glob("*.[jp][pn]g")))
ALL = "caption,denseCaptions,tags,objects,people,smartCrops,read"
OUTCOMES = ("analyzed", "dead_letters", "deferred", "skipped", "duplicates")


@pytest.fixture
def photo_run(emulator, run):
    return run("--images", PHOTOS / "*.jpg", "--images", PHOTOS / "*.png", features=ALL)


def test_a_local_run_ends_with_a_report_whose_counts_add_up(emulator, run, pictures, listed, tmp_path):
    good = pictures(12)
    missing, small = tmp_path / "missing.png", tmp_path / "small.png"
    Image.new("RGB", (20, 20)).save(small)
    finished = run("--input", listed([*good, good[0], missing, small, "ftp://a/b.png"]), "--max_calls", "11")
    page = Page(finished.output)
    accounts, verdict = finished.manifest["conservation"], page.data["verdict"]
    assert finished.code == 3
    assert f"report: {finished.output / REPORT}" in finished.out
    assert {name: page.outcome(name) for name in OUTCOMES} == {name: accounts[name] for name in OUTCOMES}
    assert verdict["input"] == accounts["input"] == sum(accounts[name] for name in OUTCOMES)
    assert (verdict["images"], verdict["answered"]) == (15, accounts["analyzed"])
    assert verdict["need"] == 15 - accounts["analyzed"]
    assert accounts["dead_letters"] + accounts["deferred"] == sum(group["number"] for group in page.data["needs"])
    deferred = [group for group in page.data["needs"] if group["place"] == "deferred"]
    assert [(group["reason"], group["number"]) for group in deferred] == [("over_budget", accounts["deferred"])]
    assert deferred[0]["what_to_do"] == "run the same command again to go on"
    assert deferred[0]["next"] == ["called first by the next run"]


def test_a_later_run_ends_while_the_report_is_made(emulator, run, pictures, tmp_path, monkeypatch):
    """The report of the earlier one came last, and stayed."""
    render = command.render
    flags = ["--output", str(tmp_path / "out"), "--features", "tags", "--images", str(pictures(2)[1])]

    def render_before_another(*data):
        monkeypatch.setattr(command, "render", render)
        page = render(*data)
        assert run_command.main(flags) == 0
        return page

    monkeypatch.setattr(command, "render", render_before_another)
    finished = run("--images", pictures(1)[0])
    assert finished.code == 0
    assert Page(finished.output).data["runs"]["number"] == 2


def test_what_needs_a_person_is_told_with_place_and_command(emulator, run, pictures, listed, tmp_path):
    emulator.set_faults({"rules": [{"match": {"width": 77}, "fault": "internal"}]})
    small = tmp_path / "small.png"
    Image.new("RGB", (20, 20)).save(small)
    good = pictures(40)
    uris = listed([*good[:5], *pictures(7, width=77), small, *good[5:]])
    finished = run("--input", uris, "--max_attempts", "2", "--max_in_flight", "4")
    page = Page(finished.output)
    away, bad = page.data["needs"]
    assert [(group["reason"], group["number"]) for group in (away, bad)] == [("service_error", 7), ("invalid_image", 1)]
    assert away["what_to_do"] == "run again when the service is well"
    assert away["next"] == ["called again by the next run"]
    assert away["messages"][0][1].startswith("HTTP 500 · InternalServerError · 2 attempts · request ")
    assert away["link"].endswith("docs/troubleshooting.md#service_error")
    assert away["uris"] == [[str(path), str(uris), line] for line, path in enumerate(pictures(7, width=77), 6)]
    assert bad["uris"] == [[str(small), str(uris), 13]]
    assert [page.images[place]["f"][1] for place in away["images"]] == ["service_error"] * 7
    assert all(page.pictures[place] for place in away["images"])
    command = f"image-analysis-beam run --input {uris} --features tags --output {finished.output}"
    assert (away["command"], bad["command"]) == (command, f"{command} --redrive invalid_image")


def test_what_changed_since_the_run_before_is_told(emulator, run, pictures, listed, tmp_path):
    good, (late,) = pictures(2), pictures(1, first=2)
    bytes_of_it = late.read_bytes()
    late.unlink()
    first = run("--input", listed([*good, late, tmp_path / "never.png"]))
    assert Page(first.output).data["changed"] is None
    late.write_bytes(bytes_of_it)
    second = run("--input", listed([*good, late, tmp_path / "never.png", tmp_path / "neither.png"]))
    changed = Page(second.output).data["changed"]
    assert changed == {"since": first.manifest["run_id"], "new": 1, "fixed": 1, "still": 1}
    page = Page(second.output)
    assert (page.data["verdict"]["images"], page.data["verdict"]["answered"], page.data["verdict"]["need"]) == (5, 3, 2)
    assert "open" not in page.data["runs"]
    assert main(["report", str(second.output), "--all"]) == 0
    told = Page(second.output).data["runs"]
    assert told["open"] == [[first.manifest["run_id"], 2], [second.manifest["run_id"], 2]]
    assert [(month[1], month[2]) for month in told["months"]] == [("USD", 3)]


def test_the_head_says_whose_answers_they_are(photo_run):
    verdict = Page(photo_run.output).data["verdict"]
    assert verdict["emulated"] == verdict["answers"] == ANSWERS
    for path in photo_run.output.glob("images/run=*/*.parquet"):
        table = pq.read_table(path)
        real = pa.array(["2023-10-01"] * table.num_rows)
        place = table.schema.get_field_index("model_version")
        pq.write_table(table.set_column(place, table.schema.field(place), real), path)
    assert main(["report", str(photo_run.output)]) == 0
    assert Page(photo_run.output).data["verdict"]["emulated"] == 0


def test_boxes_are_in_the_pixels_of_the_answer_over_a_thumbnail_of_its_shape(photo_run):
    page = Page(photo_run.output)
    sizes = {uri: (width, height) for uri, width, height in photo_run.rows("images", "image_uri, width, height")}
    assert {image["u"]: (image["w"], image["h"]) for image in page.images} == sizes
    for image, picture in zip(page.images, page.pictures, strict=True):
        small = decoded(picture)
        assert max(small.size) <= 720
        assert small.width / small.height == pytest.approx(image["w"] / image["h"], rel=0.01)
    names = page.data["sheet"]["names"]
    drawn = {
        (image["u"], names[name], *place) for image in page.images for name, _, *place in page.shapes(image, "objects")
    }
    assert drawn == set(photo_run.rows("objects", "image_uri, name, x, y, w, h"))
    assert drawn


def test_names_confidences_and_text_are_those_of_the_tables(photo_run):
    page = Page(photo_run.output)
    for table in ("tags", "objects"):
        assert page.names(table) == Counter(name for (name,) in photo_run.rows(table, "name"))
        assert sum(page.data["facets"]["confidences"][table]) == photo_run.rows(table, "count(*)")[0][0]
    lines = photo_run.rows("read_lines", "count(*), count(DISTINCT image_id)")[0]
    assert (page.data["facets"]["text"]["lines"], page.data["facets"]["text"]["images"]) == lines
    assert page.data["facets"]["text"]["asked"] == ANSWERS
    assert dict(page.data["facets"]["formats"]) == {"jpg": JPEGS, "png": ANSWERS - JPEGS}
    sides = {uri: max(size) for uri, *size in photo_run.rows("images", "image_uri, width, height")}
    told = page.data["facets"]["sides"]
    assert sum(number for _, number in told) == ANSWERS
    assert all(number == sum(to / 2 < side <= to for side in sides.values()) for to, number in told)


def test_cost_is_answers_times_features_times_prices(photo_run, tmp_path, capsys):
    prices = tmp_path / "prices.json"
    prices.write_text('{"currency": "EUR", "caption": 1000, "read": 500, "denseCaptions": 2}')
    assert main(["report", str(photo_run.output), "--prices", str(prices)]) == 0
    assert capsys.readouterr().out.strip() == str(photo_run.output / REPORT)
    cost = ANSWERS * (1000 + 500 + 2 + 4 * 1.0) / 1000
    told = Page(photo_run.output).data["cost"]
    assert (told["amount"], told["currency"]) == (f"{cost:.2f}", "EUR")
    (row,) = Page(photo_run.output).data["runs"]["rows"]
    assert (f"{row['amount']:.2f}", row["currency"]) == (f"{cost:.2f}", "EUR")


def test_images_that_cannot_be_read_say_why_and_keep_their_boxes(emulator, run, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(PHOTOS, folder)
    run("--images", folder / "*.jpg", features=ALL)
    (folder / "coffee.jpg").unlink()
    (folder / "rocket.jpg").write_bytes(b"no image")
    Image.new("RGB", (100, 100)).save(folder / "camera.jpg")
    assert main(["report", str(tmp_path / "out")]) == 0
    page = Page(tmp_path / "out")
    assert len(page.images) == JPEGS
    assert len([picture for picture in page.pictures if picture]) == JPEGS - 3
    reasons = {Path(image["u"]).name: image["n"] for image in page.images if "n" in image}
    assert "there is no file" in reasons["coffee.jpg"]
    assert reasons["camera.jpg"] == "the file is now 100x100 pixels; it was 512x512"
    assert set(reasons) == {"coffee.jpg", "rocket.jpg", "camera.jpg"}
    assert all(page.shapes(image, "dense_captions") for image in page.images)


def test_failures_with_a_picture_come_first_and_those_without_last_each_by_their_uris(emulator, run, pictures, listed):
    emulator.set_faults({"rules": [{"match": {"width": 90}, "fault": "image_refused"}]})
    good, refused, absent = pictures(9), pictures(2, width=90, first=20), ["none.png", "z.png"]
    page = Page(run("--input", listed([*absent, *reversed(good), *refused])).output)
    assert [image["u"] for image in page.images] == list(map(str, [*refused, *good, *absent]))


def test_only_a_file_beside_the_report_is_shown_itself(emulator, run, tmp_path):
    shutil.copytree(PHOTOS, tmp_path / "photos")
    turned = Image.open(PHOTOS / "coffee.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "photos" / "coffee.jpg", exif=exif)
    page = Page(run("--images", tmp_path / "photos" / "c*.jpg", "--images", PHOTOS / "rocket.jpg").output)
    beside = {Path(image["u"]).name: image["o"] for image in page.images if "o" in image}
    wanted = {path.name: path.as_uri() for path in (tmp_path / "photos").glob("c*.jpg")}
    del wanted["coffee.jpg"]  # programs turn it, and differ in that
    assert beside == wanted
    assert len(beside) >= 3


def test_web_images_are_not_fetched(emulator, run, listed, web):
    run("--input", listed([web.url("coffee.jpg?sig=SECRET")]), features="objects")
    asked = web.requests
    assert asked > 0
    assert main(["report", str(listed([]).parent / "out")]) == 0
    page = Page(listed([]).parent / "out")
    assert web.requests == asked
    assert page.images[0]["n"] == "on the web; the report fetches nothing"
    assert "SECRET" not in page.html


def test_hostile_answers_are_text(emulator, run, pictures):
    emulator.set_faults({"hostile_text": True})
    page = Page(run("--images", pictures(30)[0].parent / "*.png", features=ALL).output)
    assert [tag for tag, _ in page.elements].count("script") == 3
    told = json.dumps([page.data["sheet"], page.data["facets"]], ensure_ascii=False)
    for fragment in FRAGMENTS:
        assert json.dumps(fragment.strip(), ensure_ascii=False).strip('"')[:900] in told
    assert max(len(image["c"][0][0]) for image in page.images) < 1100
    assert "more characters are in the table" in told
    assert len(page.html.encode()) < 5_000_000


def test_hostile_uris_are_text(emulator, run, listed, tmp_path):
    names = ["<img src=x onerror=alert(1)>.png", '"><script>alert(2)</script>.png', "\u202egnp.evil", "x" * 9000]
    finished = run("--input", listed([str(tmp_path / name) for name in names]))
    page = Page(finished.output)
    assert finished.manifest["conservation"]["dead_letters"] == 4
    assert page.data["verdict"]["need"] == 4
    assert [tag for tag, _ in page.elements].count("script") == 3
    assert "img" not in [tag for tag, _ in page.elements]
    told = [uri for group in page.data["needs"] for uri, *_ in group["uris"]]
    assert {str(tmp_path / name) for name in names[:3]} <= set(told)
    assert "no image was answered: all 4 are dead letters\n4 images: " in finished.out


def test_a_large_run_is_sampled_and_bounded_in_size(emulator, run, tmp_path):
    folder = tmp_path / "noise"
    folder.mkdir()
    for number in range(80):
        noise = Image.effect_noise((480, 480), 100).convert("RGB")
        noise.save(folder / f"{number}.jpg", quality=60)
    page = Page(run("--images", folder / "*.jpg").output)
    assert 20 < len(page.images) < 80
    assert page.data["sheet"]["of"] == 80
    assert len(page.html.encode()) < 5_000_000


def test_answers_of_earlier_runs_are_shown_and_other_lists_are_not(emulator, run, pictures, listed):
    folder = pictures(5)[0].parent
    run("--images", folder / "*.png")
    run("--input", listed([*pictures(3, "others"), "ftp://a/b.png"]), features="objects")
    pictures(2, first=5)
    finished = run("--images", folder / "*.png")
    page = Page(finished.output)
    assert (page.outcome("analyzed"), page.outcome("skipped")) == (2, 5)
    assert ["skipped", 5, {"answered before": 5}] in page.data["outcomes"]
    assert len(page.images) == page.data["sheet"]["of"] == page.data["verdict"]["answered"] == 7
    assert {Path(image["u"]).parent for image in page.images} == {folder}
    assert (page.data["verdict"]["need"], page.data["verdict"]["elsewhere"], page.data["needs"]) == (0, 1, [])
    rows = page.data["runs"]["rows"]
    assert sum(row["input"] for row in rows) == 5 + 4 + 7
    assert sum(row["analyzed"] for row in rows) == 5 + 3 + 2


def test_an_image_is_shown_with_its_newest_answers_whichever_calls_gave_them(emulator, run, pictures, tmp_path):
    images, everything = pictures(6)[0].parent / "*.png", "caption,tags,objects"
    run("--images", images, features="caption,tags")
    run("--images", images, features=everything)
    anew = run("--images", images, "--redrive", "everything", features="tags")
    assert emulator.stats()["calls"] == 18
    tags = Counter(name for (name,) in anew.rows("tags", "name", f"run_id = '{anew.manifest['run_id']}'"))
    assert tags
    assert Page(anew.output).names("tags") == tags
    again = run("--images", images, features=everything)
    assert again.manifest["conservation"]["skipped"] == 6
    page = Page(again.output)
    whole = Page(run("--images", images, "--output", tmp_path / "whole", features=everything).output)
    assert page.data["facets"]["names"] == whole.data["facets"]["names"]
    assert [len(shown.images) for shown in (page, whole)] == [6, 6]
    assert all(len(image["c"]) == 1 for image in page.images)


def test_what_is_not_committed_is_not_reported(emulator, run, pictures, capsys):
    folder = pictures(4)[0].parent
    first = run("--images", folder / "*.png")
    pictures(3, first=4)
    second = run("--images", folder / "*.png")
    (second.output / "runs" / f"{second.manifest['run_id']}.json").unlink()
    assert main(["report", str(first.output)]) == 0
    page = Page(first.output)
    assert len(page.images) == page.outcome("analyzed") == 4
    assert second.out not in page.html


def test_a_named_run_is_reported_as_it_was_and_an_unknown_one_refused(emulator, run, pictures, capsys):
    folder = pictures(3)[0].parent
    first = run("--images", folder / "*.png").manifest["run_id"]
    pictures(2, first=3)
    output = run("--images", folder / "*.png").output
    assert Page(output).data["verdict"]["answered"] == 5
    assert main(["report", str(output), "--run", first]) == 0
    page = Page(output)
    assert (page.outcome("analyzed"), page.data["verdict"]["answered"], len(page.images)) == (3, 3, 3)
    assert main(["report", str(output), "--run", "20200101T000000Z-0000"]) == 2
    assert main(["report", str(output / "nowhere")]) == 2
    assert "it holds no committed run" in capsys.readouterr().err


def test_a_report_that_cannot_be_written_does_not_fail_the_run(emulator, run, pictures, tmp_path):
    (tmp_path / "out" / REPORT).mkdir(parents=True)
    finished = run("--images", pictures(3)[0].parent / "*.png")
    assert finished.code == 0
    assert "report: it could not be made: Is a directory" in finished.out


def test_a_folder_rebuilt_without_calls_has_a_report(emulator, run, pictures, tmp_path):
    run("--images", pictures(4)[0].parent / "*.png")
    run("--stored", tmp_path / "out", "--output", tmp_path / "again", features=None, command="reflatten")
    assert main(["report", str(tmp_path / "again")]) == 0
    page = Page(tmp_path / "again")
    assert page.data["verdict"]["images"] == page.data["verdict"]["answered"] == page.outcome("analyzed") == 4
    assert page.data["pace"]["steps"] == []
    assert len([picture for picture in page.pictures if picture]) == 4


def test_fitted_images_are_shown_and_what_they_saved(emulator, run, tmp_path):
    """Of more than 20 MiB, in a format that is sent as it is, and in one that is not."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="writes HEIC")
    folder = tmp_path / "fitted"
    folder.mkdir()
    Image.effect_noise((1600, 1200), 60).save(folder / "a.tif")
    Image.new("RGB", (3000, 2600), "red").save(folder / "b.bmp")
    pillow_heif.from_pillow(Image.new("RGB", (1600, 1200), "blue")).save(folder / "c.heic")
    finished = run("--images", folder, "--fit", "400", features="objects")
    page = Page(finished.output)
    assert (folder / "b.bmp").stat().st_size > 20 * 2**20
    assert {(image["w"], image["h"]) for image in page.images} == {(1600, 1200), (3000, 2600)}
    assert sorted(decoded(picture).size for picture in page.pictures) == [(720, 540), (720, 540), (720, 624)]
    ((stored, sent),) = finished.rows("images", "sum(content_bytes)::INT, sum(sent_bytes)::INT")
    assert page.data["cost"]["fitted"] == {"images": 3, "bytes_saved": stored - sent}
    assert sent < stored

"""The answers of the contract, and every value of every row that they become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest

from image_analysis_beam.schemas import TABLES, Flattened, flatten

KEY = ("image_id", "image_uri", "fingerprint", "run_id")
SECTION_TABLES = [name for name, table in TABLES.items() if table.kind == "section"]

# Rows by table, without the key columns; a table that is not named has no row.
GOLDEN: dict[str, dict[str, list[tuple[Any, ...]]]] = {
    "ga_all_features": {
        "images": [
            (
                864,
                576,
                [
                    "captionResult",
                    "denseCaptionsResult",
                    "tagsResult",
                    "objectsResult",
                    "peopleResult",
                    "smartCropsResult",
                    "readResult",
                ],
                "2023-10-01",
            )
        ],
        "captions": [(0, "a woman wearing a mask sitting at a table with a laptop", 0.8498482704162598)],
        "dense_captions": [
            (0, "a woman wearing a mask sitting at a table with a laptop", 0.8502674698829651, 0, 0, 864, 576),
            (1, "a person using a laptop", 0.7724273204803467, 293, 383, 195, 100),
        ],
        "tags": [(0, "furniture", 0.9874445199966431), (1, "using", 0.5358931422233582)],
        "objects": [(0, "chair", 0.618, 603, 225, 152, 224, [{"name": "chair", "confidence": 0.618}], None)],
        "people": [(0, 0.9602553248405457, 395, 241, 261, 333)],
        "smart_crops": [(0, 0.9, 238, 0, 511, 568)],
        "read_pages": [(0, "123 456", None, None, None, None, None, None, None)],
        "read_lines": [(0, 0, "123 456", [721, 548, 791, 548, 791, 563, 721, 564], None)],
        "read_words": [
            (0, 0, 0, "123", 0.994, [723, 548, 750, 548, 750, 564, 723, 564], None, None),
            (1, 0, 0, "456", 0.999, [761, 548, 788, 549, 787, 564, 760, 564], None, None),
        ],
    },
    "preview_seed": {
        "images": [
            (
                1260,
                473,
                ["captionResult", "tagsResult", "objectsResult", "peopleResult", "smartCropsResult", "readResult"],
                "2023-02-01-preview",
            )
        ],
        "captions": [(0, "a person wearing a mask sitting at a table with a laptop", 0.8502674698829651)],
        "tags": [(0, "computer", 0.9865934252738953), (1, "clothing", 0.9695653915405273)],
        "objects": [
            (
                0,
                "kitchen appliance",
                0.501,
                730,
                66,
                135,
                85,
                [{"name": "kitchen appliance", "confidence": 0.501}],
                None,
            ),
            (1, "Laptop", 0.85, 471, 218, 289, 226, [{"name": "Laptop", "confidence": 0.85}], None),
        ],
        "people": [(0, 0.9698998332023621, 660, 0, 584, 471), (1, 0.0010676260571926832, 591, 305, 29, 42)],
        "smart_crops": [(0, 1.94, 158, 20, 840, 433)],
        "read_pages": [
            (0, "", 1, 1260.0, 473.0, 0.0, [{"offset": 0, "length": 0}], "TextElements", "2022-04-30"),
        ],
    },
    "preview_text": {
        "images": [(1038, 692, ["denseCaptionsResult", "readResult"], "2023-02-01-preview")],
        "dense_captions": [
            (0, "a man driving a tractor in a farm", 0.535620927810669, 0, 0, 850, 567),
            (1, "a man driving a tractor in a field", 0.5428450107574463, 132, 266, 209, 219),
        ],
        "read_pages": [
            (
                0,
                "9:35 AM\nTown Hall",
                1,
                1038.0,
                692.0,
                0.3048,
                [{"offset": 0, "length": 17}],
                "TextElements",
                "2022-04-30",
            ),
        ],
        "read_lines": [
            (0, 0, "9:35 AM", [130, 129, 215, 130, 215, 149, 130, 148], [{"offset": 0, "length": 7}]),
            (1, 0, "Town Hall", [546, 180, 590, 180, 590, 190, 546, 190], [{"offset": 8, "length": 9}]),
        ],
        "read_words": [
            (0, 0, 0, "9:35", 0.993, [131, 130, 171, 130, 171, 149, 130, 149], 0, 4),
            (1, 0, 0, "AM", 0.998, [179, 130, 204, 130, 203, 149, 178, 149], 5, 2),
            (2, 0, 1, "Town", 0.981, [547, 181, 568, 181, 568, 190, 546, 191], 8, 4),
            (3, 0, 1, "Hall", 0.991, [570, 181, 590, 181, 590, 191, 570, 190], 13, 4),
        ],
        "read_styles": [(0, True, 0.95, [{"offset": 0, "length": 7}])],
    },
    "custom_sections": {
        "images": [(1260, 900, ["customModelResult"], "2023-02-01-preview")],
        "custom_tags": [(0, "hemlock", 0.97970027), (1, "japanese-cherry", 0.020299695)],
        "custom_objects": [(0, "can", 0.91, 23, 17, 24, 11, [{"name": "can", "confidence": 0.91}], None)],
    },
    "custom_lists": {
        "images": [(1260, 900, ["customModelResult"], None)],
        "custom_tags": [(0, "hemlock", 0.97970027), (1, "japanese-cherry", 0.020299695)],
    },
}


def rows(flattened: Flattened, table: str, image: int = 0) -> list[tuple[Any, ...]]:
    """The rows of one image without the columns that come from its row of `responses`."""
    found = flattened.tables[table].to_pylist()
    taken = set(KEY) if table != "images" else set(TABLES["responses"].schema.names)
    mine = [row for row in found if row["image_id"] == f"{image:032x}"]
    return [tuple(value for name, value in row.items() if name not in taken) for row in mine]


@pytest.mark.parametrize("table", SECTION_TABLES)
@pytest.mark.parametrize("answer", GOLDEN)
def test_each_answer_becomes_exactly_these_rows(
    answer: str, table: str, contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    flattened = flatten(responses(contract_bodies[answer]))

    assert rows(flattened, table) == GOLDEN[answer].get(table, [])
    assert flattened.rejected == []
    assert flattened.unknown_fields == {}


def test_a_batch_of_all_answers_keeps_them_in_order_and_apart(
    contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    flattened = flatten(responses(*contract_bodies.values()))

    for name in SECTION_TABLES:
        ids = flattened.tables[name]["image_id"].to_pylist()
        assert ids == sorted(ids)
        for image, answer in enumerate(contract_bodies):
            assert rows(flattened, name, image) == GOLDEN[answer].get(name, [])


def test_every_row_carries_the_key_of_its_answer(
    contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    flattened = flatten(responses(*contract_bodies.values()))

    for table in flattened.tables.values():
        for row in table.select(KEY).to_pylist():
            image = int(row["image_id"], 16)
            assert row == {
                "image_id": f"{image:032x}",
                "image_uri": f"https://photos.example/{image}.jpg",
                "fingerprint": "v1-0123456789abcdef",
                "run_id": "20260102T030405Z-ab12",
            }


def test_images_carry_the_facts_of_the_call(
    contract_bodies: dict[str, str], responses: Callable[..., pa.Table]
) -> None:
    (image,) = flatten(responses(contract_bodies["ga_all_features"])).tables["images"].to_pylist()

    assert {name: image[name] for name in ("features", "model_name", "api_version", "request_id", "region")} == {
        "features": ["tags", "read"],
        "model_name": None,
        "api_version": "2024-02-01",
        "request_id": "request-0",
        "region": "West US",
    }
    assert (image["billed_units"], image["latency_ms"], image["attempts"], image["maybe_billed"]) == (1, 12.5, 2, True)
    assert image["analyzed_at"] == datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)


def test_primary_keys_are_unique(contract_bodies: dict[str, str], responses: Callable[..., pa.Table]) -> None:
    flattened = flatten(responses(*contract_bodies.values(), *contract_bodies.values()))

    for name, table in flattened.tables.items():
        keys = [tuple(row.values()) for row in table.select(TABLES[name].primary_key).to_pylist()]
        assert len(keys) == len(set(keys))

"""Who calls a batch: tries of one bundle, in one process or in several, at the same time or one after the other."""

import pytest

from image_analysis_beam.schemas.outcomes import DeadLetter
from image_analysis_beam.transforms.ledger.claims import Claim, batch_id
from image_analysis_beam.transforms.ledger.journal import JournalWriter
from image_analysis_beam.transforms.ledger.liveness import DEAD_AFTER

IDS = ["a" * 32, "b" * 32]
BATCH = batch_id(IDS, "v1")


@pytest.fixture
def claim(tmp_path):
    """`claim(process, bundle)`: a try's claim; `claim.ended_well`: how bundles of it ended."""

    def make(process, bundle):
        who = {"process": process, "bundle": bundle}
        return Claim(str(tmp_path), BATCH, set(IDS), who, make.ended_well.get)

    make.ended_well = {}
    return make


@pytest.fixture
def journalled(tmp_path):
    """`journalled(image_id)`: a dead letter of it is durable."""

    def write(image_id):
        letter = DeadLetter(
            image_id, "u", "rejected_image", 400, None, None, "", False, False, 1, None, None, None, None, None, "v1",
            0, None, "r",
        )  # fmt: skip
        writer = JournalWriter(str(tmp_path))
        writer.add(BATCH, letter, {"attempts.rejected_image": 1})
        writer.close()

    return write


def test_the_name_of_a_batch_is_that_of_its_images_and_of_what_is_asked():
    assert batch_id(reversed(IDS), "v1") == BATCH
    assert len({BATCH, batch_id(IDS[:1], "v1"), batch_id(IDS, "v2")}) == 3


@pytest.mark.parametrize("ended_well", [True, False])
def test_the_first_one_calls_and_a_later_try_in_the_same_process_what_is_missing(claim, journalled, ended_well):
    first, later = claim("p", "1"), claim("p", "2")
    assert first.turn() == ([], True, True)
    assert later.turn() is None, "the first one is at it"
    journalled(IDS[0])
    claim.ended_well["1"] = ended_well
    turn = later.turn()
    assert (turn.may_call, turn.is_known) == (True, ended_well)
    assert [segment.rows["image_id"].to_pylist() for segment in turn.held] == [IDS[:1]]
    assert first.is_lost()
    assert not later.is_lost()


def test_who_finds_all_there_calls_nothing(claim, journalled):
    claim("p", "1").turn()
    for image_id in IDS:
        journalled(image_id)
    turn = claim("q", "2").turn()
    assert (len(turn.held), turn.may_call) == (2, False)


def test_another_process_waits_as_long_as_something_comes(claim, journalled):
    claim("p", "1").turn()
    other = claim("q", "2")
    for _ in range(DEAD_AFTER):
        assert other.turn() is None
    journalled(IDS[0])
    for _ in range(DEAD_AFTER):
        assert other.turn() is None
    turn = other.turn()
    assert (len(turn.held), turn.may_call, turn.is_known) == (1, True, False)


def test_of_two_that_wait_one_calls(claim):
    claim("p", "1").turn()
    waiting = [claim("q", "2"), claim("r", "3")]
    for _ in range(DEAD_AFTER):
        assert [other.turn() for other in waiting] == [None, None]
    turns = [other.turn() for other in waiting]
    assert turns[0].may_call
    assert turns[1] is None
    assert not waiting[0].is_lost()

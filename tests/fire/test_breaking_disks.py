"""A disk that breaks amid an fsync: what the journal has acknowledged must be there once it is mended."""

import pytest
from breaking_disks import in_a_namespace
from real_disk import why_no_disk


@pytest.mark.slow
def test_given_a_disk_that_breaks_amid_an_append_when_it_is_mended_then_all_that_was_acknowledged_is_there() -> None:
    reason = why_no_disk()
    if reason is not None:
        pytest.skip(reason)
    # A table of SQLite's own loses something in one of six rounds, or so.
    assert in_a_namespace("journal", rounds=100, seed=1) == {"rounds": 100, "lost": 0}

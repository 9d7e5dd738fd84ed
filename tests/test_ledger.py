"""`Ledger`: counts add up, empty rules vanish, nothing is accounted for twice over."""

import pytest

from kptdata.errors import DatasetError
from kptdata.ledger import Ledger


def test_counts_add_up():
    ledger = Ledger(total=10, repaired={"moved": [1, 2]}, skipped={"empty": [3], "outside": [4, 5]})

    assert (ledger.kept, ledger.untouched) == (7, 5)
    assert ledger.untouched + 2 + 3 == ledger.total
    assert str(ledger) == ("10 in, 7 kept, 2 repaired (moved: 2), 3 skipped (empty: 1, outside: 2)")


def test_rules_without_instances_are_left_out():
    ledger = Ledger(total=1, skipped={"empty": []}, added={"new": [9]}, notes={"a": 0, "b": 2})

    assert dict(ledger.skipped) == {}
    assert dict(ledger.notes) == {"b": 2}
    assert ledger.to_dict() == {
        "total": 1, "kept": 1, "repaired": {}, "skipped": {}, "added": {"new": [9]},
        "notes": {"b": 2},
    }  # fmt: skip


def test_more_than_went_in_is_refused():
    with pytest.raises(DatasetError, match="2 instances are accounted for, 1 went in"):
        Ledger(total=1, repaired={"a": [1]}, skipped={"b": [2]})


def test_ledger_does_not_change():
    ledger = Ledger(total=1, skipped={"empty": [1]})
    with pytest.raises(TypeError):
        ledger.skipped["more"] = [2]

import pytest

from trainer.data import DATASETS
from trainer.errors import UserError
from trainer.networks import NETWORKS
from trainer.objectives import OBJECTIVES
from trainer.registry import Registry


@pytest.mark.parametrize("registry", [DATASETS, NETWORKS, OBJECTIVES], ids=lambda each: each.kind)
def test_each_row_is_found_by_its_own_name(registry):
    assert all(registry.find(name) is row and row.name == name for name, row in registry.items())


def test_an_unknown_name_gets_the_nearest_known_one():
    registry = Registry("colour", {"red": 1, "green": 2})

    with pytest.raises(UserError) as error:
        registry.find("gren")

    assert str(error.value) == ("unknown colour 'gren'; did you mean 'green'? (known: green, red)")


def test_an_assigned_row_is_found_and_named_in_errors():
    registry = Registry("colour", {"red": 1})

    registry["blue"] = 3

    assert registry.find("blue") == 3
    with pytest.raises(UserError, match="known: blue, red"):
        registry.find("x")


def test_a_row_under_another_name_is_refused():
    with pytest.raises(UserError, match="data set 'mine': the row's own name is 'digits'"):
        Registry("data set", {})["mine"] = DATASETS["digits"]

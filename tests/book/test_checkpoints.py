"""What stands beside the files of the trained networks: the table, the cards; and the page on training one."""

import pytest

from salkit import models
from salkit.course.recipes import read_recipe
from tools import chapters, checkpoints


def test_the_table_is_that_of_the_files():
    assert checkpoints.TABLE.read_text(encoding="utf-8") == checkpoints.table(), (
        "run: python -m tools.checkpoints --cards"
    )


def test_a_network_has_the_name_of_its_recipe():
    for name in models.trained_names():
        assert checkpoints.file_of(name).is_file()


@pytest.mark.parametrize("name", models.trained_names())
def test_the_card_is_the_one_that_the_record_gives(name):
    card = checkpoints.file_of(name, "md")
    assert card.read_text(encoding="utf-8") == checkpoints.card(name), "run: python -m tools.checkpoints --cards"


def test_the_recipe_on_the_page_is_sound(tmp_path):
    page = (chapters.BOOK / "many-machines.md").read_text(encoding="utf-8")
    path = tmp_path / "mine.json"
    path.write_text(page.split("```json\n")[1].split("```")[0], encoding="utf-8")
    assert read_recipe(path).stages[0].options().epochs > 0

"""The page on many machines."""

from salkit.course.recipes import read_recipe
from tools import chapters


def test_the_recipe_on_the_page_is_sound(tmp_path):
    page = (chapters.BOOK / "many-machines.md").read_text(encoding="utf-8")
    path = tmp_path / "mine.json"
    path.write_text(page.split("```json\n")[1].split("```")[0], encoding="utf-8")
    assert read_recipe(path).stages[0].fit

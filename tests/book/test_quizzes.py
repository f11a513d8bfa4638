"""Every answer of a quiz is explained, one is right, and all of it works by keyboard, from a file, without scripts."""

import re
import subprocess
import sys

import pytest

from tools import chapters

QUIZZES = sorted(chapters.BOOK.glob("quiz-*.md"))
CHOICE = re.compile(
    r'<details class="choice( right)?" name="([\w-]+)"><summary>(.+?)</summary>\n\n(.+?)\n\n</details>', re.S
)
each_quiz = pytest.mark.parametrize("quiz", QUIZZES, ids=lambda path: path.stem)


def questions(text):
    """``[(what is asked, [(right or not, name, choice, explanation), ...]), ...]``."""
    blocks = re.split(r"^## ", text, flags=re.M)[1:]
    found = []
    for block in blocks:
        choices = [(bool(right), *rest) for right, *rest in CHOICE.findall(block)]
        assert len(choices) == block.count("<details") == block.count("</details>"), "a choice in another form"
        found.append((block.split("<details")[0], choices))
    return found


@each_quiz
def test_every_question_has_one_right_answer_and_every_answer_is_explained(quiz):
    found = questions(quiz.read_text())
    assert len(found) >= 5
    for asked, choices in found:
        assert len(choices) >= 3 and len(asked.split()) > 8, asked
        assert [right for right, *_ in choices].count(True) == 1, asked
        assert len({choice for _, _, choice, _ in choices}) == len(choices)
        for right, _, choice, explanation in choices:
            assert explanation.startswith("**Right.**") == right, choice
            assert right or re.match(r"\*\*(?:No|Not quite|Not yet)\.\*\*", explanation), choice
            assert len(explanation.split()) >= 12, f"say why: {choice}"


@each_quiz
def test_the_right_answer_is_not_always_in_the_same_place_nor_the_longest(quiz):
    places, longest = [], []
    for _, choices in questions(quiz.read_text()):
        (place,) = [i for i, (right, *_) in enumerate(choices) if right]
        places.append(place)
        lengths = [len(choice) for _, _, choice, _ in choices]
        longest.append(lengths[place] == max(lengths))
    assert all(places.count(place) <= len(places) / 2 for place in places)
    assert len(set(places)) >= 3 and longest.count(True) <= 0.7 * len(longest)


@each_quiz
def test_the_answers_of_a_question_close_each_other_and_no_others(quiz):
    names = [{name for _, name, *_ in choices} for _, choices in questions(quiz.read_text())]
    assert all(len(group) == 1 for group in names) and len(set.union(*names)) == len(names)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The quizzes as pages, in a theme without scripts of its own."""
    root = tmp_path_factory.mktemp("quizzes")
    (root / "conf.py").write_text("extensions = ['myst_parser']\nmyst_enable_extensions = ['dollarmath']\n")
    for quiz in QUIZZES:
        (root / quiz.name).write_text(quiz.read_text())
    (root / "index.md").write_text("# Quizzes\n\n```{toctree}\n" + "\n".join(q.stem for q in QUIZZES) + "\n```\n")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", root, root / "html"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root / "html"


@each_quiz
def test_a_quiz_works_by_keyboard_from_a_file_and_without_scripts(site, browser, quiz):
    context = browser.new_context(java_script_enabled=False, offline=True)
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto((site / f"{quiz.stem}.html").as_uri())
    choices = page.locator("details.choice")
    first, second = choices.nth(0), choices.nth(1)
    assert not first.locator("p").is_visible()
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert first.locator("p").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert second.locator("p").is_visible() and not first.locator("p").is_visible()
    context.close()

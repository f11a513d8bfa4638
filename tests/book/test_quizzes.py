"""Every answer of a quiz is explained, one is right, and all of it works by keyboard, from a file, without scripts."""

import re
import subprocess
import sys
import zipfile
from html import unescape
from xml.etree import ElementTree

import pytest

from tools import quizzes

QUIZZES = quizzes.pages()
each_quiz = pytest.mark.parametrize("quiz", QUIZZES, ids=lambda path: path.stem)


@each_quiz
def test_every_question_has_one_right_answer_and_every_answer_is_explained(quiz):
    text = quiz.read_text()
    found = quizzes.questions(text)
    assert len(found) >= 5
    assert sum(len(question.choices) for question in found) == text.count("<details") == text.count("</details>")
    for _, asked, choices in found:
        assert len(choices) >= 3 and len(asked.split()) > 8, asked
        assert [choice.right for choice in choices].count(True) == 1, asked
        assert len({choice.text for choice in choices}) == len(choices)
        for right, choice, explanation in choices:
            assert explanation.startswith("**Right.**") == right, choice
            assert right or re.match(r"\*\*(?:No|Not quite|Not yet)\.\*\*", explanation), choice
            assert len(explanation.split()) >= 12, f"say why: {choice}"


@each_quiz
def test_the_right_answer_is_not_always_in_the_same_place(quiz):
    asked = quizzes.questions(quiz.read_text())
    places = [[choice.right for choice in question.choices].index(True) for question in asked]
    assert all(places.count(place) <= len(places) / 2 for place in places) and len(set(places)) >= 3


@pytest.mark.parametrize("extreme", [max, min])
def test_the_right_answer_is_not_known_by_its_length(extreme):
    """Over the whole book it is the longest, and the shortest, about as often as by chance: one standard deviation."""
    hits, chance, variance = 0, 0.0, 0.0
    for question in (question for quiz in QUIZZES for question in quizzes.questions(quiz.read_text())):
        lengths = [len(choice.text) for choice in question.choices]
        hits += lengths[[choice.right for choice in question.choices].index(True)] == extreme(lengths)
        share = 1 / len(lengths)
        chance, variance = chance + share, variance + share * (1 - share)
    assert abs(hits - chance) <= variance**0.5, f"{hits}, and by chance {chance:.1f}"


@each_quiz
def test_the_answers_of_a_question_close_each_other_and_no_others(quiz):
    blocks = re.split(r"^## ", quiz.read_text(), flags=re.M)[1:]
    names = [set(re.findall(r'<details class="choice(?: right)?" name="([\w-]+)">', block)) for block in blocks]
    assert all(len(group) == 1 for group in names) and len(set.union(*names)) == len(names)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What ``make quizzes`` writes, by name."""
    return {path.name: path for path in quizzes.write(tmp_path_factory.mktemp("written") / "out")}


def words(html):
    """What a reader sees of HTML, in one line."""
    return " ".join(re.sub(r"<[^>]+>", "", unescape(html)).split())


def as_asked(quiz):
    """Each question of a page as ``(title, text, [(right, text, explanation), ...])``, in words."""
    found = []
    for title, text, choices in quizzes.questions(quiz.read_text()):
        offered = [(right, *(words(quizzes.html(part)) for part in parts)) for right, *parts in choices]
        found.append((title, words(quizzes.html(text)), offered))
    return found


@each_quiz
def test_a_reader_of_gift_finds_every_question(quiz, files):
    reader = pytest.importorskip("ua_exam.gift_parser", reason="ua-exam is in the group quizzes: make interop")
    path = files[f"{quiz.stem}.gift"]
    read = reader.parse_gift_file(path)
    assert {(q["category"], q["type"]) for q in read} == {(f"saliency/{quiz.stem}", "multiple_choice")}
    # It keeps no explanations: they are what its tokens have between # and the next answer.
    tokens, explained = reader.tokenize(path.read_text(encoding="utf-8")), []
    for kind, text, *_ in tokens:
        if kind == "#":
            explained.append("")
        elif kind in ("=", "~", "}", "NEWLINE"):
            explained.append(None)
        elif explained and explained[-1] is not None:
            explained[-1] += text
    said = (words(text) for text in explained if text)
    found = [
        (
            q["title"],
            words(q["text"].removeprefix("[html]")),
            [(option["is_correct"], words(option["text"]), next(said)) for option in q["options"]],
        )
        for q in read
    ]
    assert found == as_asked(quiz) and not [*said]


@each_quiz
def test_a_reader_of_qti_finds_every_question(quiz, files, tmp_path):
    reader = pytest.importorskip("onyx2moodle.parser", reason="onyx2moodle is in the group quizzes: make interop")
    with zipfile.ZipFile(files[f"{quiz.stem}-qti.zip"]) as package:
        package.extractall(tmp_path)
    manifest = ElementTree.parse(tmp_path / "imsmanifest.xml")
    items = [file.get("href") for file in manifest.iter("{http://www.imsglobal.org/xsd/imscp_v1p1}file")]
    found = []
    for item in (reader.parse_item(tmp_path / name) for name in items):
        (choice,), (right,) = item.interactions, item.response_decls["RESPONSE"].correct_values
        said = {feedback.identifier: words(feedback.html) for feedback in item.feedback}
        answers = [(c.identifier == right, words(c.html), said[c.identifier]) for c in choice.choices]
        text = words("".join(item.body_xml[0].itertext()))
        found.append((item.title, text, answers))
    assert found == as_asked(quiz)


def test_formulas_links_and_signs_survive():
    question = quizzes.Question(
        "A = b",
        "Is $\\nabla S_{c} < 0$ in [chapter 2](02-vanilla-saliency.ipynb#aims), or *not*?",
        [quizzes.Choice(True, "Yes: {1}", "So ~ it # is."), quizzes.Choice(False, "No", "No.")],
    )
    text = quizzes.gift("a", [question])
    assert "::A \\= b::" in text and "\\\\(\\\\nabla S_\\{c\\} &lt; 0\\\\)" in text and "<em>not</em>" in text
    assert "book/02-vanilla-saliency.html\\#aims" in text and "=<p>Yes\\: \\{1\\}</p>#<p>So \\~ it \\# is.</p>" in text
    assert "\\(\\nabla S_{c} &lt; 0\\)" in quizzes.items("a", [question])["a-01.xml"]


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

"""The built pages in a real browser: wide and on a phone, in light and dark, by keyboard, on paper, without a network.

Opening a page and asking axe-core about it takes seconds, so each page is opened once and taken through all its
states; the tests then ask one thing each about what was seen.
"""

import io
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import axe_playwright_python
import numpy as np
import pytest
from PIL import Image

from tools import build, chapters
from tools.browser import transferred

# Milliseconds before the browser counts as stuck: a busy machine is slow, and that is no defect of a page.
PATIENCE = 120_000
LOCAL = ("file", "data", "blob", "about")
WIDE, PHONE = {"width": 1200, "height": 800}, {"width": 360, "height": 740}
SHEET = {"width": 665, "height": 950}  # the text on A4, in CSS pixels
STATES = ("beside", "wide", "phone")  # axe is asked in
MAX_BYTES = 1_600_000  # of which the fonts are 0.1 MB

# The pages with the source of the package are all made alike: the list of them and one stand for the rest.
SOURCES = ["_modules/index", "_modules/salkit/attribution/cams"]
PAGES = [*build.pages(), "search", "genindex", *SOURCES]
CHAPTERS = [f"book/{path.stem}" for path in chapters.chapters() if f"book/{path.stem}" in PAGES]
QUIZZES = [name for name in PAGES if "/quiz-" in name]
every_page = pytest.mark.parametrize("name", PAGES)

# Colours take axe far longer than all its other rules, and they follow from the style sheets: what has the same tags,
# classes and colours of its own up to the root has the same ones. So each kind of text is asked about once, on whatever
# page it is first seen. The rest of long code is not asked about at all.
AXE = (
    Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
    + "axe.configure({rules: [{id: 'color-contrast', selector: '[data-asked]'}]});"
    + """document.querySelectorAll(".bd-article details").forEach(
        (details) => { details.removeAttribute("name"); details.open = true; });"""
)
# Marks the texts in view whose kind is new, and returns these kinds.
MARK_NEW = """([known, among]) => {
    const seen = new Set(known), fresh = [];
    document.querySelectorAll("[data-asked]").forEach((element) => element.removeAttribute("data-asked"));
    for (const element of document.querySelectorAll(among)) {
        const words = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!words || !element.checkVisibility({visibilityProperty: true})) continue;
        const chain = [];
        for (let at = element; at !== document.documentElement; at = at.parentElement) {
            const style = (at.getAttribute("style") ?? "").split(";").filter((one) => /col|back|opac|filt/.test(one));
            const own = `${at.localName} ${at.getAttribute("class")} ${style}`;
            if (own !== chain.at(-1)) chain.push(own);  // a list in a list looks like the list
        }
        const kind = chain.join(" < ");
        if (seen.has(kind)) continue;
        seen.add(kind);
        fresh.push(kind);
        element.toggleAttribute("data-asked", true);
    }
    for (const code of document.querySelectorAll(".highlight pre"))
        code.toggleAttribute("data-seen", !code.querySelector("[data-asked]"));
    return fresh;
}"""
RUN_AXE = """async ([where, rules]) => {
    // Style sheets are not read a second time: a page opened from a folder may not.
    const options = {preload: false, resultTypes: ["violations"], ...(rules ? {runOnly: rules} : {})};
    const {violations} = await axe.run({include: [where], exclude: ["pre[data-seen]"]}, options);
    return violations.filter(({impact}) => ["serious", "critical"].includes(impact)).flatMap(
        ({id, nodes}) => nodes.map(({target, failureSummary}) => `${id}: ${target}: ${failureSummary}`));
}"""

# What keeps somebody with a keyboard from something, or from seeing where they are.
KEYBOARD = """() => {
    const wrong = [];
    const say = (element, words) => wrong.push(`${words}: ${element.outerHTML.slice(0, 120)}`);
    for (const element of document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")) {
        if (!element.checkVisibility({visibilityProperty: true}) || element.disabled) continue;
        if (element.tabIndex > 0) say(element, "out of order");
        if (element.tabIndex < 0 && element.matches("a[href], button, input, select, textarea, summary"))
            say(element, "not reached by Tab");
        if (element.tabIndex !== 0) continue;
        element.focus();
        const style = getComputedStyle(element);
        if (document.activeElement !== element) say(element, "takes no focus");
        else if ((style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1) && style.boxShadow === "none")
            say(element, "focus is not seen");
    }
    document.activeElement.blur();
    for (const code of document.querySelectorAll("pre"))
        if (code.scrollWidth > code.clientWidth && code.tabIndex !== 0) say(code, "can't be scrolled by keys");
    return wrong;
}"""

# Everything that changes the colours of an image of the text, by itself or by what it lies in.
COLOURS = """() => [...document.querySelectorAll(".bd-content img")].flatMap((image) => {
    const changes = [];
    for (let element = image; element; element = element.parentElement) {
        const {filter, opacity, mixBlendMode, backdropFilter} = getComputedStyle(element);
        changes.push(filter, mixBlendMode.replace("normal", "none"), opacity === "1" ? "none" : opacity);
    }
    return changes;
}).filter((change) => change !== "none")"""

IMAGES = (".cell_output img", "a.enlarge img", "a.enlarge .salkit-wide use")

# What a figure says to those who don't see it, and the frames of a slider. Figures that were stored before they were
# drawings are images.
SAYS = """figure => {
    const drawing = figure.querySelector("svg.salkit-wide");
    const said = [...drawing?.querySelectorAll(":scope > title, :scope > desc") ?? []];
    return drawing ? said.map((one) => one.textContent).join(" ") : figure.querySelector("img").alt;
}"""


def frames(slider):
    return slider.locator(".salkit-frame" if slider.locator(".salkit-frame").count() else "img")


# The theme waits half a second before it lets Tab stop at what has come to scroll; a busy machine takes longer.
TAB_STOPS = """async () => {
    const boxes = [...document.querySelectorAll("pre, .output, .pst-scrollable-table-container")];
    const missed = (box) => box.scrollWidth > box.clientWidth && box.tabIndex < 0;
    for (let i = 0; i < 500 && boxes.some(missed); i++) await new Promise((go) => setTimeout(go, 20));
}"""

# Sliders whose frames and words don't go together; the keys are tried on one page.
SLIDERS = """() => [...document.querySelectorAll(".salkit-slider")].flatMap((slider) => {
    const [input, output] = [slider.querySelector("input"), slider.querySelector("output")];
    const kind = slider.querySelector(".salkit-frame") ? ".salkit-frame" : "img"; // drawings, or pictures
    const frames = [...slider.querySelectorAll(kind)], wrong = [];
    for (const at of [...frames.keys(), 0]) {
        input.value = at;
        input.dispatchEvent(new Event("input"));
        const {label} = frames[at].dataset, said = [output.textContent, input.getAttribute("aria-valuetext")];
        const shown = frames.filter((frame) => frame.checkVisibility({visibilityProperty: true}));
        if (shown.length !== 1 || shown[0] !== frames[at] || Number(input.max) !== frames.length - 1
            || !label || said.some((words) => words !== label))
            wrong.push(`frame ${at} of ${slider.getAttribute("aria-label")}`);
    }
    return wrong;
})"""

WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"

MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
    const {animationDuration, animationName, transitionDuration, scrollBehavior} = getComputedStyle(element);
    const longest = (times) => Math.max(...times.split(",").map(parseFloat));
    return scrollBehavior === "smooth" || longest(transitionDuration) > 0.01
        || (animationName !== "none" && longest(animationDuration) > 0.01);
}).map((element) => element.outerHTML.slice(0, 120))"""

ON_PAPER = """() => {
    const wrong = [];
    const shown = (element) => element.checkVisibility({visibilityProperty: true});
    const say = (element, words) => wrong.push(`${words}: ${element.outerHTML.slice(0, 120)}`);
    const pressed = ".bd-sidebar, .bd-header-article, .prev-next-footer, nav, button, .bd-content input, .headerlink";
    document.querySelectorAll(pressed).forEach((element) => shown(element) && say(element, "nothing to press"));
    if (!document.querySelector(".bd-article h1")?.checkVisibility()) wrong.push("the title is missing");
    for (const details of document.querySelectorAll(".bd-article details"))
        if (![...details.children].slice(1).some((child) => child.getBoundingClientRect().height > 5))
            say(details, "lost, because it is closed");
    const {left, right} = document.querySelector(".bd-article").getBoundingClientRect();
    for (const image of document.querySelectorAll(".bd-article img")) {
        const box = image.getBoundingClientRect();
        if (box.left < left - 1 || box.right > right + 1 || box.height > innerHeight) say(image, "cut");
        if (box.height && getComputedStyle(image).breakInside !== "avoid") say(image, "may be cut");
    }
    for (const slider of document.querySelectorAll(".salkit-slider")) {
        // Those of sliders from before they had frames of their own kind are images.
        const all = slider.querySelectorAll(slider.querySelector(".salkit-frame") ? ".salkit-frame" : "img");
        const frames = [...all].filter((frame) => frame.getBoundingClientRect().height);
        if (frames.length !== 1 || !shown(slider.querySelector("output"))) say(slider, "not one frame with its label");
    }
    for (const block of document.querySelectorAll(".bd-article pre"))
        if (block.scrollWidth > block.clientWidth + 1) say(block, "cut");
    for (let element = document.querySelector(".bd-article"); element; element = element.parentElement) {
        const colour = getComputedStyle(element).backgroundColor;
        if (!["rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"].includes(colour)) say(element, `on ${colour}`);
    }
    return wrong;
}"""


def watched(browser, **options):
    """A new page that notes what it asks for, what it complains about, and which files it reads."""
    page = browser.new_context(**{"viewport": WIDE, "offline": True} | options).new_page()
    page.set_default_timeout(PATIENCE)
    page.asked, page.complaints = set(), []
    page.on("request", lambda request: page.asked.add(request.url))
    page.on("requestfailed", lambda request: page.complaints.append(f"{request.url}: {request.failure}"))
    page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    return page


def settled(page, address):
    """Open an address and wait until its mathematics is drawn."""
    page.goto(address, wait_until="load")
    if page.locator(".math").count():
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise")


def turn(page, theme):
    page.emulate_media(color_scheme=theme)
    page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)


def resize(page, size):
    page.set_viewport_size(size)
    page.evaluate(TAB_STOPS)


def remote(page, host=""):
    asked = [urlsplit(url) for url in page.asked]
    return [url.geturl() for url in asked if url.scheme not in LOCAL and url.netloc != host]


def pixels(image):
    """What is on the screen where the image is, less its rim, which blends with the page."""
    with Image.open(io.BytesIO(image.screenshot(animations="disabled"))) as shot:
        return np.asarray(shot.convert("RGB"))[10:-10, 10:-10]


def new_in(page, kinds, among="body *"):
    """Mark the texts whose kind is not in ``kinds``, which learns them, and say whether there are any."""
    fresh = page.evaluate(MARK_NEW, [[*kinds], among])
    kinds.update(fresh)
    return bool(fresh)


def observe(browser, address, kinds):
    """Take a page through its states; what was seen, as a dictionary.

    ``kinds`` are the kinds of text that were seen before, in each of ``STATES``.
    """
    page = watched(browser, color_scheme="light")
    settled(page, address)
    files = {Path(unquote(urlsplit(url).path)) for url in page.asked if url.startswith("file:")}
    seen = {"title": page.title(), "bytes": transferred(files), "axe": [], "widths": {}}
    math = page.locator(".math")
    seen["formulas"] = (math.count(), page.locator(".math mjx-container").count(), page.locator("mjx-merror").count())

    page.keyboard.press("Tab")  # From now on the focus is shown, as it is to everybody who uses the keyboard.
    seen["keyboard"] = page.evaluate(KEYBOARD)
    seen["sliders"] = page.evaluate(SLIDERS)

    # Before axe unfolds everything.
    page.set_viewport_size(SHEET)
    page.emulate_media(media="print", color_scheme="dark")
    seen["paper"] = page.evaluate(ON_PAPER) if page.locator(".bd-article").count() else []
    page.set_viewport_size(WIDE)
    # Less motion, so that axe doesn't judge a colour half on its way.
    page.emulate_media(media="screen", color_scheme="light", reduced_motion="reduce")
    seen["moving"] = page.evaluate(MOVING)

    turn(page, "light")
    page.evaluate(AXE)
    seen["widths"]["wide"] = page.evaluate(WIDTHS)
    new_in(page, kinds["wide"])
    seen["axe"] += page.evaluate(RUN_AXE, ["html", None])
    images = page.locator(", ".join(f".bd-article {image}:visible" for image in IMAGES))
    chosen = [images.first, images.last] if images.count() else []
    light = [pixels(image) for image in chosen]

    turn(page, "dark")
    seen["pixels"] = [(one.shape, np.array_equal(one, pixels(image))) for one, image in zip(light, chosen)]
    seen["colours"] = page.evaluate(COLOURS)
    # What a phone doesn't show, such as the sidebar; on a phone it is dark as well.
    if new_in(page, kinds["beside"], "body *:not(.bd-article *)"):
        seen["axe"] += page.evaluate(RUN_AXE, ["html", ["color-contrast"]])

    resize(page, PHONE)
    seen["widths"]["phone"] = page.evaluate(WIDTHS)
    seen["keyboard"] += page.evaluate(KEYBOARD)
    if new_in(page, kinds["phone"]):
        seen["axe"] += page.evaluate(RUN_AXE, ["html", None])

    seen |= {"remote": remote(page), "complaints": page.complaints}
    page.context.close()
    return seen


@pytest.fixture(scope="module")
def look(browser, html):
    """A function that gives what was seen on a page; the page is opened the first time."""
    seen, kinds = {}, {state: set() for state in STATES}

    def look(name):
        if name not in seen:
            seen[name] = observe(browser, (html / f"{name}.html").as_uri(), kinds)
        return seen[name]

    return look


@pytest.fixture
def visit(browser, html):
    """A function that opens a page with the network off; closed afterwards, and it must not have complained."""
    pages = []

    def visit(name, **options):
        pages.append(watched(browser, **options))
        settled(pages[-1], (html / name).as_uri() if name.endswith(".html") else f"{(html / name).as_uri()}.html")
        return pages[-1]

    yield visit
    complaints = [complaint for page in pages for complaint in page.complaints]
    for page in pages:
        page.context.close()
    assert complaints == []


def test_every_built_page_is_looked_at(html):
    built = [path.relative_to(html) for path in html.rglob("*.html") if "_static" not in path.parts]
    found = {str(path.with_suffix("")) for path in built}
    assert {name for name in found if not name.startswith("_modules/")} == {*PAGES, "index", "404"} - {*SOURCES}
    assert found >= {*SOURCES}


def test_the_first_address_leads_to_the_first_page(browser, html):
    page = watched(browser)
    page.goto((html / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    page.context.close()


@every_page
def test_a_page_is_whole_without_a_network(look, name):
    seen = look(name)
    assert seen["title"] and seen["remote"] == [] and seen["complaints"] == []
    formulas, drawn, errors = seen["formulas"]
    assert drawn == formulas and errors == 0


@every_page
def test_a_page_never_scrolls_sideways(look, name):
    for where, (width, screen) in look(name)["widths"].items():
        assert width <= screen, f"{name}, {where}: {width} pixels wide on a screen of {screen}"


@every_page
def test_axe_finds_nothing_serious(look, name):
    found = look(name)["axe"]
    assert not found, "\n".join(found)


@every_page
def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(look, name):
    found = look(name)["keyboard"]
    assert not found, "\n".join(found)


@every_page
def test_images_have_the_same_colours_in_dark_mode(look, name):
    seen = look(name)
    assert seen["colours"] == []
    assert all(equal for _, equal in seen["pixels"]), seen["pixels"]
    assert name not in CHAPTERS or len(seen["pixels"]) == 2


@every_page
def test_the_words_of_a_slider_belong_to_its_frames(look, name):
    assert look(name)["sliders"] == []


@every_page
def test_nothing_moves_for_those_who_asked_for_less_motion(look, name):
    assert look(name)["moving"] == []


@pytest.mark.parametrize("name", build.pages())
def test_a_page_can_be_printed(look, name):
    found = look(name)["paper"]
    assert not found, "\n".join(found)


@every_page
def test_a_page_is_light_enough_for_a_phone(look, name):
    assert look(name)["bytes"] < MAX_BYTES


def test_the_checks_see_what_they_look_for(browser, tmp_path):
    image = io.BytesIO()
    Image.fromarray(np.full((60, 60, 3), (200, 30, 40), np.uint8)).save(image, "png")
    (tmp_path / "red.png").write_bytes(image.getvalue())
    bad = tmp_path / "bad.html"
    bad.write_text(
        """<!doctype html><html lang="en"><title>Bad</title><style>
        @media (prefers-color-scheme: dark) { img { filter: brightness(.8); } p.only-dark.only-dark { color: #eee; } }
        p.only-dark, p.only-phone { color: #111; } @media (max-width: 400px) { p.only-phone { color: #eee; } }
        p { color: #999; transition: color 1s; } a:focus { outline: none; } @media print { body { background: #eee; } }
        </style><body class="bd-content"><main class="bd-sidebar-primary bd-article"><h1>Bad</h1>
        <p>Pale words. <a href="#">A link</a> <button tabindex="-1">Press</button></p>
        <div class="cell_output"><img src="red.png" alt="Red"></div><div style="width: 5000px">Wide</div>
        <p class="only-dark">Pale in the dark.</p><p class="only-phone">Pale on a phone.</p>
        <img src="red.png" width="9">
        <div class="salkit-slider" aria-label="S"><img src="red.png" alt="A" data-label="a"><img src="red.png" alt="B"
            data-label="b" hidden><input type="range" aria-label="S" max="1" value="0" oninput="const at = this.value;
            this.parentNode.querySelectorAll('img').forEach((frame, i) => { frame.hidden = i != at; });
            this.setAttribute('aria-valuetext', 'ab'[at])"><output>a</output></div>
        <div class="highlight"><pre style="overflow: hidden"><span>black</span></pre></div>
        <div class="highlight"><pre style="width: 9em; overflow: auto"><span>as</span> <span class="pale"
            style="color: #ddd">pale</span> and longer than its box</pre></div>
        <details><summary>More</summary>Words</details><span class="math"></span>
        <script src="https://example.org/x.js"></script></main><script>
        const dark = matchMedia("(prefers-color-scheme: dark)");
        dark.onchange = () => { document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; };
        throw new Error("A complaint");</script>"""
    )

    class WithMathJax:
        @staticmethod
        def new_context(**options):
            made = browser.new_context(**options)
            made.add_init_script("window.MathJax = {startup: {promise: Promise.resolve()}}")
            return made

    kinds = {state: set() for state in STATES}
    seen = observe(WithMathJax, bad.as_uri(), kinds)
    assert any("color-contrast" in found for found in seen["axe"])
    assert any("not reached" in found for found in seen["keyboard"])
    assert any("focus is not seen" in found for found in seen["keyboard"])
    assert any("scrolled by keys" in found for found in seen["keyboard"])
    assert any("pale" in found for found in seen["axe"]), "a colour that only the second code has"
    assert any("only-dark" in found for found in seen["axe"]) and any("only-phone" in found for found in seen["axe"])
    assert any(found.startswith("image-alt") for found in seen["axe"]), "axe's other rules"
    assert seen["sliders"] == ["frame 1 of S"]
    assert seen["colours"] and seen["pixels"] and not any(equal for _, equal in seen["pixels"])
    assert all(width > screen for width, screen in seen["widths"].values())
    assert seen["moving"] and seen["remote"] and seen["complaints"] and seen["formulas"] == (1, 0, 0)
    assert any("nothing to press" in found for found in seen["paper"])
    assert any("on rgb(238" in found for found in seen["paper"])


# ------------------------------------------------------------------------------------------------- one by one


def test_a_page_opens_dark_for_those_who_prefer_it_and_the_choice_is_kept(visit):
    page = visit("book/notation", color_scheme="dark")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    switch = page.locator(".theme-switch-button:visible").first
    switch.focus()
    for _ in range(3):
        page.keyboard.press("Enter")
        if page.evaluate(theme) == "light":
            break
    assert page.evaluate(theme) == "light"
    page.reload()
    assert page.evaluate(theme) == "light"


def test_mathematics_is_drawn(visit):
    box = visit("book/notation").locator("mjx-container").first.bounding_box()
    assert box["width"] > 10 and box["height"] > 5


def test_tab_goes_through_a_whole_page(visit):
    page = visit(QUIZZES[0])
    expected = page.evaluate(
        """[...document.querySelectorAll("a[href], button, input, summary, [tabindex='0']")].filter(
            (element) => element.checkVisibility({visibilityProperty: true}) && element.tabIndex === 0).length"""
    )
    page.evaluate("addEventListener('focusin', ({target}) => (window.visited ??= new Set()).add(target))")
    for _ in range(expected + 5):
        page.keyboard.press("Tab")
    assert page.evaluate("visited.size") >= expected


@pytest.mark.parametrize("name", QUIZZES)
def test_a_quiz_is_answered_by_keyboard(visit, name):
    page = visit(name)
    choices = page.locator("details.choice")
    first, second = choices.nth(0), choices.nth(1)
    assert not first.locator("p").last.is_visible()
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert first.locator("p").last.is_visible()
    second.locator("summary").focus()  # a formula in the answer takes a Tab of its own
    page.keyboard.press("Space")
    assert second.locator("p").last.is_visible() and not first.locator("p").last.is_visible()


def test_sliders_and_figures_are_used_by_keyboard(visit):
    page = visit(CHAPTERS[1])
    slider = page.locator(".salkit-slider").first
    labels = frames(slider).evaluate_all("frames => frames.map(frame => frame.dataset.label)")
    slider.locator("input").focus()
    for key, expected in (("ArrowRight", labels[1]), ("End", labels[-1]), ("Home", labels[0])):
        page.keyboard.press(key)
        assert slider.locator("output").text_content() == expected

    figure = page.locator("a.enlarge").first
    small = figure.get_by_role("img").and_(page.locator(":visible")).first.bounding_box()
    dialog = page.locator("dialog.enlarged")
    figure.focus()
    page.keyboard.press("Enter")
    large = dialog.get_by_role("img").bounding_box()
    assert large["width"] * large["height"] > 1.2 * small["width"] * small["height"]
    assert dialog.locator("p").text_content() == figure.evaluate(SAYS)
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert page.evaluate("document.activeElement.classList.contains('enlarge')"), "the focus goes back to the figure"


def test_a_figure_is_enlarged_by_a_click_and_on_a_phone(visit):
    page = visit(CHAPTERS[1], viewport=PHONE, color_scheme="dark")
    figure, dialog = page.locator("a.enlarge").first, page.locator("dialog.enlarged")
    figure.scroll_into_view_if_needed()
    small = figure.get_by_role("img").first.bounding_box()
    figure.click()
    large = dialog.get_by_role("img")
    assert large.bounding_box()["height"] > 1.2 * small["height"]
    assert large.evaluate("image => getComputedStyle(image).filter") == "none", "dark mode dims it"
    page.evaluate(AXE)
    new_in(page, set(), "dialog.enlarged *")
    assert page.evaluate(RUN_AXE, ["dialog.enlarged", None]) == []
    dialog.locator("button").click()
    dialog.wait_for(state="detached")


def test_a_frame_of_a_slider_is_enlarged_by_a_click_and_by_enter(visit):
    page = visit(CHAPTERS[5], viewport=PHONE)
    slider, dialog = page.locator(".salkit-slider").first, page.locator("dialog.enlarged")
    frame = frames(slider).first
    small, label = frame.bounding_box(), frame.get_attribute("data-label")
    for open_it in (frame.click, lambda: slider.locator("input").press("Enter")):
        open_it()
        assert dialog.get_by_role("img").bounding_box()["height"] > 1.2 * small["height"]
        assert dialog.locator("p").text_content().endswith(label)
        page.keyboard.press("Escape")
        dialog.wait_for(state="detached")
    assert page.evaluate("document.activeElement.type") == "range", "the focus goes back to the slider"


def test_without_scripts_a_figure_leads_to_its_file_and_the_text_is_there(browser, html):
    page = watched(browser, java_script_enabled=False)
    page.goto((html / f"{CHAPTERS[1]}.html").as_uri())
    assert page.locator(".bd-article h1").is_visible()
    page.locator("a.enlarge").first.click()
    page.wait_for_url(re.compile("/(_images|_frames)/"))
    assert remote(page) == []
    page.context.close()


def test_on_a_phone_the_contents_open_and_close_by_keyboard(visit):
    page = visit("book/notation", viewport=PHONE)
    contents = page.locator(".bd-links a", has_text="Glossary").first
    assert not contents.is_visible()
    page.locator("button.primary-toggle:visible").focus()
    page.keyboard.press("Enter")
    contents.wait_for(state="visible")
    page.keyboard.press("Escape")
    contents.wait_for(state="hidden")


def test_search_works_from_a_folder(visit):
    page = visit("book/notation")
    page.keyboard.press("Control+k")
    page.keyboard.type("occlusion")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=occlusion*")
    results = page.locator("#search-results ul.search li a")
    results.first.wait_for()
    assert any("05-occlusion.html" in link.get_attribute("href") for link in results.all())
    results.first.click()
    page.wait_for_url("**/book/**")
    assert remote(page) == []


# ---------------------------------------------------------------------------------------------- from a web server


@pytest.fixture(scope="module")
def server(html):
    """The address under which a local web server shows the pages."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=html)) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


@pytest.mark.parametrize("name", ["book/index", CHAPTERS[1], *QUIZZES[:1], "search"])
def test_a_page_from_a_server_is_whole(browser, server, name):
    page = watched(browser, offline=False, color_scheme="dark")
    elsewhere = lambda url: not url.startswith(server) and urlsplit(url).scheme not in LOCAL  # noqa: E731
    page.route(elsewhere, lambda route: route.abort())
    settled(page, f"{server}/{name}.html{'?q=gradient' if name == 'search' else ''}")
    if name == "search":
        page.locator("#search-results ul.search li p.context").first.wait_for()  # found, and quoted
    assert remote(page, urlsplit(server).netloc) == [] and page.complaints == []
    assert page.evaluate(WIDTHS)[0] <= WIDE["width"]
    page.context.close()

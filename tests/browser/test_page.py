"""The borrower's page in a real browser: at the size of a telephone and of a desk, in both themes and both languages.

`make browser` makes the environment; where Chromium or Playwright is missing, these say so and are left out.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
AXE = os.environ.get("AXE", "")
SHOTS = os.environ.get("SHOTS", "")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: see `make browser`")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium: on Debian, apt-get install chromium"),
]

SIZES = {"phone": (390, 844), "desk": (1280, 900)}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MOST_BYTES = 60_000


def _serve(told: Connection) -> None:
    """In a process of its own: the embedded AWS patches what the browser's driver needs."""
    from local.commands.serve import SAMPLES, serving

    with serving() as served:
        links: dict[str, list[str]] = {each.locale: [served.link(each) for _ in range(4)] for each in SAMPLES}
        told.send(links)
        served.run(told.poll)


@pytest.fixture(scope="module")
def links() -> Iterator[dict[str, list[str]]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    assert ours.poll(120), "the page did not come up"
    yield ours.recv()
    ours.send("end")
    process.join(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def look(page: Any, name: str) -> None:
    """What must be so of every page: nothing breaks the policy, nothing is cut off, axe finds nothing."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "it scrolls sideways"
    if AXE:
        source = Path(AXE).read_text(encoding="utf-8")
        page.evaluate(source)  # by the debugger: the policy lets no script of a page's run
        found = page.evaluate("axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa']})")
        said = [f"{each['id']}: {node['html'][:160]}" for each in found["violations"] for node in each["nodes"]]
        assert not said, said


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_borrower_comes_in_and_looks(
    browser: Any, links: dict[str, list[str]], locale: str, size: str, theme: str
) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, locale=locale, bypass_csp=False
    )
    page = context.new_page()
    asked: list[str] = []
    received: list[int] = []
    broken: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda answer: received.append(int(answer.headers.get("content-length", 0))))
    page.on("console", lambda line: broken.append(line.text) if line.type == "error" else None)
    url = links[locale][0]
    page.goto(url)
    look(page, f"door-{locale}-{size}-{theme}")
    page.get_by_role("textbox").fill("1990-12-31")
    page.get_by_role("button").click()
    page.wait_for_load_state()
    text = page.inner_text("main")
    assert ("$240.00" if locale == "en-US" else "¥240.00") in text
    assert max(received) < MOST_BYTES
    look(page, f"inside-{locale}-{size}-{theme}")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    look(page, f"open-{locale}-{size}-{theme}")
    host = url.split("/my/")[0]
    assert all(each.startswith(host) for each in asked), "it asked another host"
    assert not [each for each in broken if "favicon" not in each and "403" not in each], broken
    context.close()


def test_everything_works_without_script_and_with_the_keyboard(browser: Any, links: dict[str, list[str]]) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844}, locale="en-US")
    page = context.new_page()
    page.goto(links["en-US"][1])
    page.keyboard.press("Tab")
    page.keyboard.type("31.12.1990")
    page.keyboard.press("Enter")
    page.wait_for_url("**said=wrong")
    page.get_by_role("textbox").fill("1990-12-31")
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1, name="Hello").wait_for()
    page.get_by_text("Ask for a plan").first.click()
    page.get_by_role("button", name="Show plans").click()
    page.get_by_text("Choose plan 1").wait_for()
    page.get_by_role("button", name="Choose plan 1").click()
    page.wait_for_url("**said=plan_*")
    page.get_by_text("Stop or resume messages").click()
    page.get_by_role("button", name="Stop: Overdue messages").click()
    page.get_by_text("Done. No more messages of this kind").wait_for()
    page.get_by_role("button", name="Close this page").click()
    page.get_by_text("You are out.").wait_for()
    context.close()

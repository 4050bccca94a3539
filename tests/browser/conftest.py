"""A real Chromium, and pages opened in it that may ask for nothing and complain of nothing.

``make test-browser`` installs Debian's Chromium and runs these; without it they are skipped.
"""

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        if os.environ.get("REQUIRE_CHROMIUM"):
            raise RuntimeError("chromium must be installed: make test-browser does it")
        pytest.skip("Chromium is not installed: make test-browser does it")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser, address, request):
    """The module's page, opened; parameters of the test are those of the browser's context."""
    context = browser.new_context(**getattr(request, "param", {}))
    opened, wrong = context.new_page(), []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda asked: asked.url == address or wrong.append(asked.url))
    opened.goto(address)
    yield opened
    context.close()
    assert not wrong

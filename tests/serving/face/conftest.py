"""A browser for the tests of the page: Chromium of this machine, or the one that Playwright installed."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, sync_playwright


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
        except Error as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no browser: install chromium, or run `playwright install chromium` ({error.message[:80]})")
        yield chromium
        chromium.close()

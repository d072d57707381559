"""Take the documentation's pictures of the dashboard: ``python tests/serving/face/take_pictures.py docs/images``."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from serving_faces import served
from shown_trader import ShownTrader

PICTURES = {
    "dashboard.png": {"viewport": {"width": 1440, "height": 1040}, "locale": "en-US", "color_scheme": "light"},
    "dashboard-phone.png": {
        "viewport": {"width": 390, "height": 844},
        "locale": "ja-JP",
        "color_scheme": "dark",
        "device_scale_factor": 2,
    },
}


def take(folder: Path) -> None:
    """Write each picture into a folder."""
    with served(ShownTrader()) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, context in PICTURES.items():
            page = browser.new_context(**context).new_page()
            page.goto(address)
            page.wait_for_selector("#equity svg .worth")
            page.screenshot(path=folder / name)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]))

"""Node and Chromium for the tests of the page; skipped with the reason where there are none."""

import json
import shutil
import subprocess

import pytest

from wengert.show.player import javascript

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture(scope="session")
def node():
    """Run the page's functions in Node: ``node(expression, data)``; `data` is its ``data``."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed: apt-get install nodejs")

    def run(expression, data=None):
        script = (
            f"{javascript()}\n"
            "const data = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
            f"process.stdout.write(JSON.stringify({expression}, (key, x) => "
            "typeof x === 'number' && !Number.isFinite(x) ? String(x) : x) ?? 'null');"
        )
        done = subprocess.run(
            [program, "-e", script],
            input=json.dumps(data, allow_nan=False),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-600:]
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium, driven by selenium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("Chromium is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(switch)
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture
def window(browser):
    """Set the size of the page and the user's preferences, and take them back afterwards."""

    def resize(width=1280, height=900, dark=False):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    resize()
    yield resize
    resize()

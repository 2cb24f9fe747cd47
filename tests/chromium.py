"""A headless Chromium, driven through a pipe in the protocol of its developer tools.

Reference:
    https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
HINT = "No Chromium to open the page in: apt install chromium"
PATIENCE = 60  # Seconds.
# The browser reads commands from its descriptor 3 and writes answers to its 4.
START = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""


def find():
    """Returns the path of the browser, or None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def browser():
    """Yields a `Browser`, which ends with the block."""
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    flags = [
        "--headless=new",
        "--no-sandbox",  # It refuses to run as root otherwise.
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--remote-debugging-pipe",
    ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        ends = (str(to_browser), str(from_browser))
        command = [find(), f"--user-data-dir={profile}", *flags]
        process = subprocess.Popen(
            [sys.executable, "-c", START, *ends, *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Browser(commands, answers)
        finally:
            process.kill()
            process.wait()
            for end in (to_browser, commands, answers, from_browser):
                os.close(end)


class Browser:
    """Opens pages one after another and notes what goes wrong in them.

    Args:
        commands: Descriptor to write to.
        answers: Descriptor to read from.

    Attributes:
        complaints: List of texts: what stood in the console of the page, errors
            of its scripts, and requests to anything but the page itself.
    """

    def __init__(self, commands, answers):
        self.commands = commands
        self.answers = answers
        self.received = b""
        self.number = 0
        self.session = None
        self.loaded = False
        self.complaints = []
        self.url = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def open(self, path, width=390, height=844, dark=False):
        """Opens an HTML file in a window of that size, in pixels."""
        self.loaded, self.complaints, self.url = False, [], path.as_uri()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        answer = self.send("Page.navigate", url=self.url)
        assert "errorText" not in answer, f"{self.url}: {answer['errorText']}"
        while not self.loaded:
            self.note(self.receive())

    def evaluate(self, expression):
        """Returns the value of an expression in the page, ready for JSON."""
        answer = self.send(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    def screenshot(self):
        """Returns the whole page as the bytes of a PNG."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def send(self, method, **parameters):
        """Sends a command and returns its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.note(answer)

    def receive(self):
        """Returns the next message of the browser."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self.received:
            left = max(0, deadline - time.monotonic())
            readable, _, _ = select.select([self.answers], [], [], left)
            assert readable, f"Chromium did not answer within {PATIENCE} s"
            content = os.read(self.answers, 2**16)
            assert content, "Chromium ended; its messages are shown when run by hand"
            self.received += content
        message, self.received = self.received.split(b"\0", 1)
        return json.loads(message)

    def note(self, event):
        """Keeps what an event says about the page."""
        method, content = event.get("method"), event.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(content["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"console: {content['args']}")
        elif method == "Log.entryAdded":
            self.complaints.append(content["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = content["request"]["url"]
            if url != self.url and not url.startswith("data:"):
                self.complaints.append(f"request: {url}")

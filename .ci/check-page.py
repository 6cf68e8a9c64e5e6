#!/usr/bin/env python3
"""Opens the page of a report in Chromium: no message on the console, no request but for the page, and tables that sort.

usage: .ci/check-page.py PAGE [FOLDER]

Screenshots in light, dark and narrow go to FOLDER.
"""

import http.server
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

# Chromium's own services are off, so that each request in the log is the page's.
CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--enable-logging=stderr",
]
LOOKS = {
    "light": ["--window-size=1400,3000"],
    "dark": ["--window-size=1400,3000", "--blink-settings=preferredColorScheme=0"],
    "narrow": ["--window-size=500,3000"],
}


class Server(http.server.BaseHTTPRequestHandler):
    page = b""
    requests = []

    def do_GET(self):
        Server.requests.append(self.path)
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(Server.page)

    def log_message(self, *_):
        pass


def opened(page, address, *more):
    """What a page writes to the console, the requests that it makes, and the document that it becomes."""
    Server.page, Server.requests = page.encode(), []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [*CHROMIUM, f"--user-data-dir={profile}", *more, address]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = [line for line in ran.stderr.splitlines() if ":CONSOLE" in line]
    return console, Server.requests, ran.stdout


def main():
    page = Path(sys.argv[1]).read_text()
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    faults = []

    for name, options in LOOKS.items():
        picture = folder / f"{name}.png"
        console, requests, _ = opened(page, address, *options, f"--screenshot={picture}")
        faults += [f"{name}: {line}" for line in console]
        if requests != ["/"]:
            faults.append(f"{name}: the page requests {requests}")
        if not picture.exists() or picture.stat().st_size < 10_000:
            faults.append(f"{name}: there is no picture")

    # What the page's policy forbids is on the console, so that a request of the page would have been seen above.
    console, _, _ = opened(page.replace("<main>", '<main><img src="/other">'), address, "--dump-dom")
    if not console:
        faults.append("a page that fetches something is not noticed")

    # A click on the first column of the last table, in a page without a policy.
    bare = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", page)
    click = "<script>[...document.querySelectorAll('table')].at(-1).querySelector('th button').click()</script>"
    _, _, document = opened(bare.replace("</body>", f"{click}</body>"), address, "--dump-dom")
    rows = re.findall(r"<tr>(.*?)</tr>", document.rpartition("<tbody>")[2], re.DOTALL)
    values = [re.findall(r'data-sort="([^"]*)"', row)[0] for row in rows]
    if 'aria-sort="ascending"' not in document or len(values) < 2 or values != sorted(values):
        faults.append(f"the table is not sorted: {values[:5]}")

    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


main()

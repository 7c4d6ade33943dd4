"""Shows a page's frames one after the other in Chromium, by its own `seek(frame)`, and hands the pictures to ffmpeg.

Knows nothing of what the page shows. That frame 90 looks the same whether 89 frames were shown before it or none is the
page's promise; that nothing else decides how it looks is this program's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

FLAGS = [
    "--no-sandbox",  # a container has no user namespaces; the page is our own
    "--disable-gpu",  # pixels by the processor: graphics drivers round each in their own way
    "--disable-skia-runtime-opts",  # the same routines on every processor, whatever it could do besides
    "--force-color-profile=srgb",  # not the display's
    "--force-device-scale-factor=1",
    "--font-render-hinting=none",  # glyphs where the layout puts them, not where the machine's settings do
    "--disable-lcd-text",
    "--disable-partial-raster",  # a tile is drawn whole: what was there before shows nowhere
    "--disable-checker-imaging",  # no picture is taken before its images are decoded
    "--run-all-compositor-stages-before-draw",  # nor before what changed has gone through every stage
    "--disable-threaded-animation",
    "--disable-threaded-scrolling",
    "--hide-scrollbars",
    "--mute-audio",
]


def pictures(page_file: Path, size: tuple[int, int], start: int, count: int) -> Iterator[bytes]:
    """The PNG of each frame."""
    from playwright.sync_api import sync_playwright

    # The browser binds a socket in its TMPDIR, whose path may have 107 bytes; a workspace may lie deeper than that.
    with sync_playwright() as playwright, TemporaryDirectory(dir="/tmp") as short:
        environment = {**os.environ, "TMPDIR": short}
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS, env=environment)
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale="en-US", timezone_id="UTC", offline=True
        )
        page = context.new_page()
        page.goto(page_file.resolve().as_uri())
        page.evaluate("document.fonts.ready")
        for frame in range(start, start + count):
            page.evaluate("frame => seek(frame)", frame)
            yield page.screenshot(type="png", animations="allow", caret="hide")  # "allow": seek has placed them already
        browser.close()


def chromium() -> str:
    """The browser's program. Playwright's own download is never used: its version would be nobody's declared tool."""
    found = which("chromium")
    if found is None:
        raise SystemExit("chromium is not on PATH (Debian: apt-get install chromium)")
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=Path)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", default="30")
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("output")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    words = ["ffmpeg", "-v", "error", "-f", "image2pipe", "-c:v", "png", "-r", options.fps, "-i", "-"]
    words += ["-c:v", "libx264", "-threads", "1", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p"]
    words += ["-x264-params", "stitchable=1", "-flags:v", "+bitexact", "-fflags", "+bitexact", options.output]
    encoder = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert encoder.stdin is not None
    for picture in pictures(options.page, (width, height), options.start, options.count):
        encoder.stdin.write(picture)
    encoder.stdin.close()
    raise SystemExit(encoder.wait())


if __name__ == "__main__":
    main()

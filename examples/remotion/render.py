"""Has Remotion render frames START to END of the composition as PNGs into a folder."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

FLAGS = [
    "--sequence",
    "--image-format=png",  # lossless: video is encoded once, in the stitch, with a known number of threads
    "--concurrency=1",  # one tab, frames in order; several chunks run at once instead
    "--gl=swangle",  # drawn by the processor, the same everywhere
    "--log=error",
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("composition")
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--end", type=int, required=True)
    parser.add_argument("--browser", required=True)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    # Remotion takes a dot anywhere in the output's path for a file's suffix, and refuses; and the browser binds a socket in
    # TMPDIR, whose path may have 107 bytes. A workspace has the one and may exceed the other, so both go by way of /tmp.
    with TemporaryDirectory(dir="/tmp", prefix="remotion-") as scratch:
        words = ["npx", "--no-install", "remotion", "render", "src/index.jsx", options.composition, f"{scratch}/frames"]
        words += [f"--frames={options.start}-{options.end}", f"--browser-executable={options.browser}", *FLAGS]
        subprocess.run(words, check=True, env={**os.environ, "TMPDIR": scratch})
        shutil.copytree(f"{scratch}/frames", options.output, dirs_exist_ok=True)


if __name__ == "__main__":
    main()

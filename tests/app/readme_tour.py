"""Runs every command of README.md's sh blocks that starts the built program, with the build under test in its place.

Usage: readme_tour.py README BIN_FOLDER
"""
import pathlib
import re
import subprocess
import sys
import tempfile

SECONDS_MAX = 120
BUILT = "build/release/bin/"


def main() -> int:
    readme, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    blocks = re.findall(r"```sh\n(.*?)```", readme.read_text(), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith(BUILT)]
    if len(commands) < 5:
        print(f"only {len(commands)} commands found: has the tour another form now?")
        return 1
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        for command in commands:
            line = command.replace(BUILT, f"{folder}/")
            ran = subprocess.run(["sh", "-c", line], cwd=scratch, timeout=SECONDS_MAX, capture_output=True, text=True)
            if ran.returncode != 0 or not ran.stdout:
                failures += 1
                print(f"{command}\n  exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    print(f"{len(commands)} commands, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Proves what app/packaging/install.sh does on other machines, with stand-ins for the system's programs.

Usage: install_test.py SOURCE_FOLDER
"""
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(sys.argv[1])
INSTALL = SOURCE / "app/packaging/install.sh"
PACKAGES = SOURCE / "app/packaging/packages.txt"
# What the script itself needs of a system.
PLAIN = ["sh", "sed", "tr", "dirname", "cat"]


def stand_in(folder: pathlib.Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def run(folder: pathlib.Path, *kinds: str) -> subprocess.CompletedProcess:
    for name in PLAIN:
        real = next(p for p in (pathlib.Path("/bin") / name, pathlib.Path("/usr/bin") / name) if p.exists())
        if not (folder / name).exists():
            os.symlink(real, folder / name)
    return subprocess.run(["/bin/sh", str(INSTALL), *kinds], env={"PATH": str(folder)}, capture_output=True, text=True)


def nothing_is_done_when_all_is_there(folder: pathlib.Path) -> None:
    stand_in(folder, "dpkg-query", 'echo "install ok installed"\n')
    stand_in(folder, "apt-get", "exit 9\n")
    ran = run(folder, "build", "test")
    assert ran.returncode == 0 and ran.stderr == "", ran


def user_installs_what_is_missing_by_sudo_and_says_so(folder: pathlib.Path) -> None:
    stand_in(folder, "dpkg-query", 'case "$*" in *cmake*) exit 1 ;; esac; echo "install ok installed"\n')
    stand_in(folder, "apt-get", f'echo "apt-get $*" >>{folder}/log\n')
    stand_in(folder, "sudo", f'echo "sudo $1" >>{folder}/log; exec "$@"\n')
    stand_in(folder, "id", "echo 1000\n")
    ran = run(folder, "build")
    assert ran.returncode == 0 and "Installing: cmake\n" in ran.stderr, ran
    log = (folder / "log").read_text()
    assert log.count("sudo apt-get") == 2 and "install" in log and log.rstrip().endswith(" cmake"), log


def root_needs_no_sudo(folder: pathlib.Path) -> None:
    stand_in(folder, "dpkg-query", "exit 1\n")
    stand_in(folder, "apt-get", f'echo "$*" >>{folder}/log\n')
    stand_in(folder, "sudo", "exit 9\n")
    stand_in(folder, "id", "echo 0\n")
    assert run(folder, "test").returncode == 0
    log = (folder / "log").read_text()
    assert "python3" in log and "qt6-base-dev" not in log, log


def user_without_sudo_is_told_what_to_ask_for(folder: pathlib.Path) -> None:
    stand_in(folder, "dpkg-query", "exit 1\n")
    stand_in(folder, "apt-get", "exit 9\n")
    stand_in(folder, "id", "echo 1000\n")
    ran = run(folder, "build")
    assert ran.returncode == 1 and "qt6-base-dev" in ran.stderr and "root" in ran.stderr, ran


def machine_without_apt_is_told_what_is_missing(folder: pathlib.Path) -> None:
    stand_in(folder, "cmake", "exit 0\n")
    ran = run(folder, "build")
    assert ran.returncode == 1 and "c++ ninja pkg-config" in ran.stderr and "libtbb-dev" in ran.stderr, ran


def machine_without_apt_that_has_all_goes_on(folder: pathlib.Path) -> None:
    for name in ("c++", "cmake", "ninja", "pkg-config"):
        stand_in(folder, name, "exit 0\n")
    assert run(folder, "build", "test").returncode == 0


def each_package_is_listed_once(_: pathlib.Path) -> None:
    lines = [line.split() for line in PACKAGES.read_text().splitlines() if line and not line.startswith("#")]
    names = [line[1] for line in lines]
    assert len(names) == len(set(names)) and {line[0] for line in lines} == {"build", "test", "ci"}, names


def main() -> int:
    tests = [
        nothing_is_done_when_all_is_there,
        user_installs_what_is_missing_by_sudo_and_says_so,
        root_needs_no_sudo,
        user_without_sudo_is_told_what_to_ask_for,
        machine_without_apt_is_told_what_is_missing,
        machine_without_apt_that_has_all_goes_on,
        each_package_is_listed_once,
    ]
    for test in tests:
        with tempfile.TemporaryDirectory() as folder:
            test(pathlib.Path(folder))
        print("PASS", test.__name__)
    return 0


if __name__ == "__main__":
    sys.exit(main())

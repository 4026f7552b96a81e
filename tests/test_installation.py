"""What is installed beside emodiss: one OpenCV, and nothing that needs a library of the system."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

import emodiss

SITE = Path(sysconfig.get_path("purelib")).resolve()

RUNTIME = re.compile(
    r"(linux-vdso|/lib.*/ld-linux.*|lib(c|m|mvec|dl|rt|util|pthread|gcc_s|stdc\+\+|z))\.so(\.\d+)*"
)
"""What every Linux with a Python has: the C and C++ runtime, and zlib."""

NEVER_LOADED = {
    "libOpenCL.so.1",  # OpenVINO's plugin for Intel GPUs, loaded where there is one
    "libcuda.so.1",  # the driver of an NVIDIA GPU, likewise
    "libsox.so",  # torchaudio's reader of rare formats, loaded when asked for
}


def imported() -> set[str]:
    """Name the packages of others that any module of emodiss imports."""
    found: set[str] = set()
    for path in Path(emodiss.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"emodiss"}


def native_files(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    folders = (spec and spec.submodule_search_locations) or []
    return [p for folder in folders for p in sorted(Path(folder).rglob("*.so*")) if p.is_file()]


def test_one_build_of_opencv_is_installed():
    pytest.importorskip("cv2")
    names = {str(one.metadata["Name"]).lower() for one in metadata.distributions()}
    # Two builds write the same files, and the one with windows needs libraries of a desktop.
    assert [n for n in names if n.startswith("opencv")] == ["opencv-python-headless"]
    assert [n for n in names if n.startswith("scenedetect")] == ["scenedetect-headless"]


def test_native_modules_need_nothing_but_the_runtime_and_what_packages_carry():
    if not sys.platform.startswith("linux") or shutil.which("ldd") is None:
        pytest.skip("ldd, which lists what a native module needs, is not on this machine")
    packages = imported()
    assert {"cv2", "av", "torch", "numpy"} <= packages
    files = [str(path) for package in sorted(packages) for path in native_files(package)]
    assert len(files) > 50
    listed = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    wanted: dict[str, str] = {}
    user = ""
    for line in listed.splitlines():
        if not line.startswith("\t"):
            user = line.rstrip(":")
            continue
        if line.strip() == "statically linked":
            continue
        name, _, place = line.strip().partition(" => ")
        name, place = name.partition(" (")[0], place.partition(" (")[0]
        carried = place.startswith("/") and Path(place).resolve().is_relative_to(SITE)
        if not (carried or RUNTIME.fullmatch(name) or name in NEVER_LOADED):
            wanted[name] = user
    # Some are found only beside a package that is loaded first, as torch's are by torchaudio.
    carried_somewhere = {path.name for path in SITE.rglob("*.so*")} if wanted else set()
    assert {name: by for name, by in wanted.items() if name not in carried_somewhere} == {}

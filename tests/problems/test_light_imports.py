"""The problems room can be imported, for its names and choices, without the heavy libraries."""

import subprocess
import sys

HEAVY = {"torch", "transformers", "datasets", "pandas", "math_verify", "sympy", "jinja2", "huggingface_hub"}


def test_the_room_imports_no_heavy_library():
    rooms = ", ".join(f"rlprobe.problems.{name}" for name in ("answers", "datasets", "grading", "prompts", "responses"))
    program = f"import sys, {rooms}; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_the_worker_imports_neither_torch_nor_this_package():
    program = "import sys, runpy, rlprobe.problems as room; runpy.run_path(room.__path__[0] + '/_worker.py');"
    program += "print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "datasets", "pandas", "rlprobe.problems.grading"} & set(loaded)

"""Each C program of tests/unit is one test; cmocka's own report is shown on failure."""

import pathlib
import subprocess

import pytest
from conftest import BUILD, SANITIZER_ENV

PROGRAMS = sorted(p.stem for p in pathlib.Path(__file__).parent.glob("test_*.c"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_module(name):
    done = subprocess.run(
        [BUILD / "tests" / "unit" / name],
        env=SANITIZER_ENV,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[  PASSED  ]" in done.stderr + done.stdout

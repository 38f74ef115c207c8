"""A short run of each fuzzer, from the inputs that are kept here; `make fuzz` runs longer."""

import pathlib
import shutil
import subprocess

import pytest
from conftest import BUILD, SANITIZER_ENV

HERE = pathlib.Path(__file__).parent
FUZZERS = BUILD.parent / "fuzz" / "tests" / "fuzz"
NAMES = sorted(p.stem for p in HERE.glob("fuzz_*.c"))
RUNS = {"fuzz_restore": 2000}  # each one makes a store


@pytest.mark.skipif(not shutil.which("clang"), reason="clang is not there to build fuzzers")
@pytest.mark.parametrize("name", NAMES)
def test_fuzzer(name, tmp_path):
    grown = tmp_path / "corpus"
    grown.mkdir()
    dictionary = HERE / f"{name.removeprefix('fuzz_')}.dict"
    done = subprocess.run(
        [
            FUZZERS / name,
            f"-runs={RUNS.get(name, 20000)}",
            "-seed=1",
            "-max_len=4096",
            "-timeout=60",
            f"-dict={dictionary}",
            f"-artifact_prefix={tmp_path}/",
            grown,
            HERE / "corpus" / name.removeprefix("fuzz_"),
        ],
        env=SANITIZER_ENV,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stderr[-8000:]
    assert "DONE" in done.stderr, done.stderr[-2000:]

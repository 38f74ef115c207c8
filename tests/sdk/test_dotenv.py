"""common/dotenv.c and npm's dotenv read the same thing out of the same text."""

import os
import pathlib
import re
import subprocess

from conftest import BUILD, SANITIZER_ENV

HERE = pathlib.Path(__file__).resolve().parent
COUNT = 10_000


def test_random_texts(node_packages):
    done = subprocess.run(
        ["node", HERE / "dotenv.mjs", BUILD / "tests" / "unit" / "test_dotenv", str(COUNT)],
        env={**os.environ, **SANITIZER_ENV},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    compared = re.match(
        r"(\d+) texts with (\d+) assignments are the same, (\d+) replacements are right",
        done.stdout,
    )
    assert compared, done.stdout
    assert int(compared[1]) == COUNT
    assert int(compared[2]) > COUNT // 2
    assert int(compared[3]) > COUNT // 4

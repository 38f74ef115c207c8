"""common/dotenv.c and npm's dotenv read the same thing out of the same text, and others what is
published."""

import collections
import itertools
import os
import pathlib
import re
import subprocess

import dialects
import pytest
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


KEY = "OPENAI_ASSISTANT_ID"
ID = "asst_1s1BYw3v9kXh5o8i0cTVPmGg"

ENTRIES = [
    "",
    *(
        prefix + KEY + rest
        for prefix in ("", "export ")
        for rest in (
            "=", "=old", "='old'", '="old"', "=`old`", "=''", '=""', "=  ", "=\t",
            "= # note", "=# note", "=#note", "=  # note", "=\t# note", "=#", "= #",
            "=old # note", "=old#note", "=old #", "='old' # note", '="old" # note',
            "='old'# note", "='' # note", '=""# note', "= old", "= 'old'", "= old # note",
            " = old", " = # note", ": old", ": # note", '="two\nlines"', "=old # it's",
            "= # it's", "=$A", "=old\\", "=a=b", "=old  ",
        )
    ),
]  # fmt: skip
BEFORE = ["", "A=1\n", "# it's mine\n", 'A="x\\ny" # c\n', "A=x\\\n", "\ufeff"]
AFTER = ["", "\nB=2\n", "\r\nB=2\r\n", "\n# the end\nB='z'", "\nB=x\\\n"]


def test_all_dialects_read_what_is_published(tmp_path, node_packages):
    """Who reads the same old id as npm's dotenv does, reads the new one; nothing else changes."""
    readers = [name for name in dialects.READERS if not dialects.missing(name)]
    texts = ["".join(parts) for parts in itertools.product(BEFORE, ENTRIES, AFTER)]
    paths = [tmp_path / str(i) for i in range(len(texts))]
    for path, text in zip(paths, texts):
        path.write_bytes(text.encode())
    before = {name: dialects.read(name, paths) for name in readers}
    done = subprocess.run(
        [BUILD / "tests" / "unit" / "test_publish", "--publish", KEY, ID, *paths],
        env={**os.environ, **SANITIZER_ENV},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    after = {name: dialects.read(name, paths) for name in readers}
    agreed = collections.Counter()
    for i, text in enumerate(texts):
        for name in readers:
            old, new = before[name][i], after[name][i]
            if old is None or old.get(KEY) != before["npm"][i].get(KEY):
                continue
            if name == "sh" and "\r" in text:  # for sh a part of each value
                continue
            agreed[name] += 1
            assert new == {**old, KEY: ID}, (name, text, paths[i].read_text(), old, new)
    # Each of them was asked about many, and not only about those with nothing in them.
    assert all(agreed[name] > len(texts) // 4 for name in readers), agreed
    for name in dialects.READERS:
        if name not in readers:
            pytest.skip(f"not asked: {dialects.missing(name)}")

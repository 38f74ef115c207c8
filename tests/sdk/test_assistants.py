"""OpenAI's own Node client against /v1/assistants. The newest one asks for Node 22 in its
package.json, and does what is used here with Debian 12's Node 18 just as well."""

import os
import re
import sqlite3
import subprocess
import threading

import pytest
from conftest import ROOT, make_token

HERE = ROOT / "tests" / "sdk"


def client(site, mode):
    """Runs one mode of the script; how many checks it made."""
    url = f"http://127.0.0.1:{site.port}/v1"
    keys = make_token({"role": "admin"}), make_token()
    done = subprocess.run(
        ["node", HERE / "assistants.mjs", mode, url, *keys],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.fullmatch(r"(\d+) checks", done.stdout.splitlines()[-1])[1])


@pytest.fixture
def site(node_packages, make_site):
    return make_site({"OAM_JWT_MANAGE": "role=admin"})


@pytest.mark.parametrize("mode, least", [("calls", 30), ("errors", 50), ("retries", 10)])
def test_client(site, mode, least):
    assert client(site, mode) >= least
    assert site.sql("SELECT count(*) FROM assistant WHERE label <> 'deleted'") == [(0,)]


def test_client_and_a_busy_store(site):
    lock = sqlite3.connect(site.db, isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    # longer than a client takes to start and the programs wait, so that the first answer is 503
    threading.Timer(15, lock.execute, ["ROLLBACK"]).start()
    assert client(site, "busy") == 2
    lock.close()
    assert site.sql("SELECT count(*) FROM assistant") == [(1,)]


def test_client_and_a_broken_store(site):
    site.get("/status")
    site.sql("ALTER TABLE assistant RENAME TO elsewhere")
    try:
        assert client(site, "broken") == 9
    finally:
        site.sql("ALTER TABLE elsewhere RENAME TO assistant")


def test_the_example_of_the_readme(site):
    """The README's Node example, run as it stands."""
    example = re.search(r"^```js\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    example = example.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{site.port}")
    done = subprocess.run(
        ["node", "--input-type=module"],
        cwd=HERE,
        input=example,
        env={"PATH": os.environ["PATH"], "TOKEN": make_token({"role": "admin"})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"asst_\w{24} Poet\n", done.stdout), done.stdout

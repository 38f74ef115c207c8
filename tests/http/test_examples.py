"""The examples for callers, run against a site; a language that is not there is skipped."""

import shutil
import subprocess

import pytest
from conftest import BASE, ROOT, make_token

EXAMPLES = {"current.sh": "sh", "current.mjs": "node", "current.py": "python3", "current.php": "php"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example(site, name):
    interpreter = shutil.which(EXAMPLES[name])
    if not interpreter:
        pytest.skip(f"{EXAMPLES[name]} is not there")

    def run(token):
        return subprocess.run(
            [interpreter, ROOT / "deploy/examples" / name],
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "OAM_URL": f"http://127.0.0.1:{site.port}{BASE}",
                "OAM_TOKEN": token,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    done = run(make_token())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == site.get("/current").data["assistantId"]
    refused = run("nonsense")
    assert "asst_" not in refused.stdout
    assert name == "current.sh" or refused.returncode != 0


def test_every_example_is_run():
    files = {p.name for p in (ROOT / "deploy/examples").iterdir()} - {"current.c"}
    assert files == set(EXAMPLES)

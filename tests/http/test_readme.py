"""Every example of the README, pasted into a shell in its order; the JSON that it shows
has the same members and types as the JSON that comes."""

import json
import re
import subprocess

from conftest import BUILD, ROOT

BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.M | re.S)


def shape(value):
    """Keys and types; what null may stand for is left open."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value]
    return type(value).__name__


def test_every_example(make_site):
    site = make_site()
    text = (ROOT / "README.md").read_text()
    for old, new in {
        "http://127.0.0.1:8080": f"http://127.0.0.1:{site.port}",
        "var/.env": str(site.env_file),
        "var/oam.db": str(site.db),
        "var/": str(site.folder) + "/",
        "build/cli/oam": str(BUILD / "cli" / "oam"),
    }.items():
        text = text.replace(old, new)
    blocks = BLOCK.findall(text)
    script, answers = "set -e\n", []
    for number, (kind, content) in enumerate(blocks):
        if kind == "sh":
            script += f"{content}\necho; echo '<<<{number}>>>'\n"
        else:
            answers.append((number - 1, json.loads(content)))
    done = subprocess.run(
        ["bash", "-c", script],
        env=site.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outputs, rest = {}, done.stdout
    for number, (kind, _) in enumerate(blocks):
        if kind == "sh":
            outputs[number], rest = rest.split(f"<<<{number}>>>\n", 1)
    assert len(answers) == 10
    for number, documented in answers:
        came = json.loads(outputs[number])
        assert came["message"] == documented["message"]
        assert shape(came) == shape(documented), outputs[number]


def test_the_messages_of_the_table():
    """What it says that the programs say is what they say."""
    text = (ROOT / "README.md").read_text().split("## When something is wrong")[1]
    rows = re.findall(r"^\| `([^`]+)` \|", text.split("\n## ")[0], re.M)
    assert len(rows) > 10
    messages = re.findall(r'^X\(.*"([^"]+)"\)', (ROOT / "common/error.h").read_text(), re.M)
    for row in rows:
        pattern = ".*".join(re.escape(part) for part in row.split("…"))
        assert any(re.match(pattern, message) for message in messages), row

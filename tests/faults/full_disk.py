"""Run by test_limits.py in a mount namespace of its own: full_disk.py FOLDER, where it puts a
small file system, fills it up, and sees what our programs do."""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from conftest import BASE, BUILD, Site, make_token  # noqa: E402


def ask(site, method, endpoint):
    done = subprocess.run(
        [BUILD / "cgi" / endpoint],
        env=site.environment(
            REQUEST_METHOD=method,
            SCRIPT_NAME=f"{BASE}/{endpoint}",
            HTTP_AUTHORIZATION=f"Bearer {make_token()}",
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    head, body = done.stdout.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), json.loads(body)


def fill(site, left):
    """All of the disk but `left` bytes."""
    filler = site.folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass
    os.truncate(filler, max(0, filler.stat().st_size - left))
    return filler


def check_rest(site):
    """With space again, one run brings everything to rest; returns the current id."""
    site.sql("UPDATE profile SET retry_at = 0, publish_at = min(publish_at, 1)")
    done = site.oam_refresh()
    assert done.returncode in (0, 10), done.stderr
    id = site.oam("current").stdout.strip()
    assert f"OPENAI_ASSISTANT_ID={id}\n" in site.env_file.read_text()
    config = site.folder / "config/openai-assistant.json"
    assert json.loads(config.read_text())["assistantId"] == id
    assert site.sql("PRAGMA integrity_check") == [("ok",)]
    assert site.sql("SELECT count(*) FROM rotation WHERE ended_at IS NULL") == [(0,)]
    assert not list(site.folder.rglob(".*.oam-*"))
    return id


def try_with(site, left):
    """Returns the statuses of the writers."""
    old = check_rest(site)
    filler = fill(site, left)
    said = []
    status, answer = ask(site, "GET", "current")
    assert (status, answer["data"]["assistantId"]) == (200, old)
    assert ask(site, "GET", "status")[0] == 200
    status, answer = ask(site, "POST", "refresh")
    said.append(status)
    assert status in (200, 500, 503), answer
    acknowledged = answer["data"]["newAssistantId"] if status == 200 else None
    done = site.oam("refresh", check=False)
    said.append(done.returncode)
    assert done.returncode in (0, 1, 75) and (done.returncode == 0 or done.stderr)
    if done.returncode == 0:
        acknowledged = done.stdout.strip()
    done = site.oam("backup", "copy.db", check=False)
    said.append(done.returncode)
    assert (done.returncode == 0) == (site.folder / "copy.db").exists(), done.stderr
    (site.folder / "copy.db").unlink(missing_ok=True)
    with open(site.folder / "dump", "wb") as dump:
        done = subprocess.run(
            [BUILD / "cli/oam", "export"], env=site.environment(), stdout=dump, stderr=-1
        )
    lines = (site.folder / "dump").read_bytes().splitlines()
    count = site.sql("SELECT count(*) FROM assistant WHERE label <> 'deleted'")[0][0]
    said.append(done.returncode)
    assert done.returncode != 0 or len(lines) == count, done.stderr
    (site.folder / "dump").unlink()
    env = site.env_file.read_text()
    assert env.startswith("JWT_SECRET=") and env.count("OPENAI_ASSISTANT_ID=asst_") == 1
    filler.unlink()
    new = check_rest(site)
    # The command's refresh may have failed after it made the assistant: then that came last.
    recovered = site.sql(
        f"SELECT old_id FROM rotation WHERE new_id = '{new}' AND outcome = 'recovered'"
    )
    assert acknowledged in (None, new) or recovered == [(acknowledged,)]
    return said


def main(folder):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    site = Site(folder, {"OAM_KEEP_COUNT": "3"}).migrate()
    site.oam("initialize")
    said = {left: try_with(site, left) for left in [*range(0, 60_000, 4096), 100_000, 300_000]}
    # From nothing works to everything does.
    assert 200 not in said[0] and 0 not in said[0] and said[300_000] == [200, 0, 0, 0]
    print(f"disk full: {len(said)} sizes, statuses of refresh, oam refresh, backup, export: {said}")


if __name__ == "__main__":
    main(sys.argv[1])

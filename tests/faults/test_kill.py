"""SIGKILL at random moments of a refresh: nothing that was acknowledged is lost, and after
one more refresh the store and the upstream agree. KILLS=N sets how often (300 for each)."""

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest
from conftest import BUILD, make_token
from fake_upstream import FakeUpstream

KILLS = int(os.environ.get("KILLS", "300"))


# Each carries out one refresh in one process, and says the new id when it is done.
PROGRAMS = [["cgi/refresh"], ["cli/oam", "refresh"], ["cli/oam-refresh", "--force"]]


def start_refresh(site, program=PROGRAMS[0]):
    request = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/api/openai-assistant/refresh",
        "HTTP_AUTHORIZATION": f"Bearer {make_token()}",
    }
    return subprocess.Popen(
        [BUILD / program[0], *program[1:]],
        env=site.environment(**(request if program[0].startswith("cgi") else {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def answer_of(output):
    """The new id, when the whole answer came."""
    try:
        return json.loads(output.split(b"\r\n\r\n", 1)[1])["data"]["newAssistantId"]
    except (IndexError, ValueError, KeyError):
        found = re.match(rb"(?:default: )?(asst_\w+)(?: replaces \w+)?\n", output)
        return found and found[1].decode()


def kill_many(site, seed):
    """Returns the acknowledged ids. Each run is killed somewhere between its start and a
    little after the time that a whole one takes, as the last whole ones showed it."""
    moments = random.Random(seed)
    acknowledged, killed = [], 0
    whole = {program[0]: 1.0 for program in PROGRAMS}
    while killed < KILLS:
        start = time.monotonic()
        program = moments.choice(PROGRAMS)
        process = start_refresh(site, program)
        try:
            moment = moments.uniform(0, 1.1 * whole[program[0]])
            process.wait(moment if acknowledged else 60)
            whole[program[0]] = (whole[program[0]] + time.monotonic() - start) / 2
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        if id := answer_of(output):
            acknowledged.append(id)
    return acknowledged


def check(site, acknowledged, hosted):
    last = answer_of(start_refresh(site).communicate(timeout=60)[0])
    rows = dict(site.sql("SELECT id, label FROM assistant"))
    assert last and rows[last] == "current"
    assert set(acknowledged) <= set(rows)
    site.oam_refresh()  # publishes what the last one that was killed did not
    assert f"OPENAI_ASSISTANT_ID={last}\n" in site.env_file.read_text()
    config = site.folder / "config"
    assert json.loads((config / "openai-assistant.json").read_text())["assistantId"] == last
    assert not [p for p in [*config.iterdir(), *site.folder.iterdir()] if ".oam-" in p.name]
    assert set(hosted()) == {id for id, label in rows.items() if label != "deleted"}
    assert not {"pending", "unmanaged"} & set(rows.values())
    assert list(rows.values()).count("current") == 1
    assert site.sql("SELECT count(*) FROM rotation WHERE ended_at IS NULL") == [(0,)]
    nonces = site.sql(
        "SELECT count(*), count(DISTINCT json_extract(config, '$.metadata.oam_nonce')) "
        "FROM assistant"
    )[0]
    assert nonces[0] == nonces[1]
    assert site.sql("PRAGMA integrity_check") == [("ok",)]
    owned = "SELECT count(*) FROM assistant WHERE profile_id = 1 AND label <> 'deleted'"
    assert site.sql("SELECT assistants FROM profile") == site.sql(owned)
    return dict(site.sql("SELECT outcome, count(*) FROM rotation GROUP BY outcome"))


@pytest.mark.parametrize("upstream", ["embedded", "http"])
def test_kills(make_site, upstream, record_property):
    seed = int(os.environ.get("SEED", time.time()))
    if upstream == "embedded":
        site = make_site(start=False)
        acknowledged = kill_many(site, seed)
        outcomes = check(
            site,
            acknowledged,
            lambda: [i for (i,) in site.sql("SELECT id FROM assistant WHERE label <> 'deleted'")],
        )
    else:
        server = FakeUpstream()
        server.delay = 0.004
        env = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k", "OAM_KEEP_COUNT": "3"}
        site = make_site(env, start=False)
        acknowledged = kill_many(site, seed)
        outcomes = check(site, acknowledged, lambda: server.assistants)
        server.close()
    record_property(
        "note",
        f"kills: {KILLS} of refreshes, upstream {upstream}, SEED={seed}: "
        f"{len(acknowledged)} acknowledged; rotations {outcomes}",
    )
    # Otherwise the kills came too early or too late to prove anything.
    assert outcomes.get("abandoned", 0) + outcomes.get("recovered", 0) > KILLS / 30

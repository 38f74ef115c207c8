"""One oam manages the assistants that another one hosts: both are tested by the other."""

import json
import random
import signal
import subprocess
import time

import pytest
from conftest import BUILD, eventually, make_token


@pytest.fixture
def pair(make_site):
    """(the host, the manager): the manager's upstream is the host's /v1."""
    host = make_site()
    manager = make_site(
        {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{host.port}/v1",
            "OPENAI_API_KEY": make_token(),
        }
    )
    return host, manager


def hosted(host):
    return {id for (id,) in host.sql("SELECT id FROM assistant WHERE label <> 'deleted'")}


def recorded(manager):
    return {id for (id,) in manager.sql("SELECT id FROM assistant WHERE label <> 'deleted'")}


def test_the_ten_requests(pair):
    host, manager = pair
    id = manager.post("/initialize").data["assistantId"]
    assert hosted(host) == {id}
    new = manager.post("/refresh", {"config": {"name": "Ö", "top_p": 0.5}}).data["newAssistantId"]
    there = host.get(f"/details/{new}").data
    assert there == manager.get(f"/details/{new}").data
    assert there["name"] == "Ö" and there["metadata"]["oam_nonce"]
    assert [a["id"] for a in manager.get("/list").data["assistants"]] == [new, id]
    assert manager.put(f"/update/{new}", {"updates": {"name": None}}).data["name"] is None
    assert host.get(f"/details/{new}").data["name"] is None
    assert manager.post("/cleanup", {"keepCount": 1}).data["deletedAssistants"] == [id]
    assert manager.delete(f"/delete/{new}").data["deleted"] is True
    assert hosted(host) == set()
    assert manager.delete(f"/delete/{new}").error["code"] == "assistant_not_found"


def test_the_hosts_words_reach_the_caller(pair):
    host, manager = pair
    manager.post("/initialize")
    manager.set_env(
        {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{host.port}/v1",
            "OPENAI_API_KEY": make_token({"exp": 1}),
        }
    )
    manager.restart()
    reply = manager.post("/refresh")
    assert reply.status == 502 and reply.error["code"] == "upstream_unauthorized"


def test_a_host_that_loses_an_assistant(pair):
    host, manager = pair
    id = manager.post("/initialize").data["assistantId"]
    assert host.delete(f"/delete/{id}").status == 200
    manager.sql("UPDATE profile SET verified_at = 0")
    assert manager.get("/current").data["assistantId"] == id
    new = eventually(lambda: (i := manager.get("/current").data["assistantId"]) != id and i)
    assert hosted(host) == recorded(manager) == {new}


def test_recovery(pair, record_property):
    """The manager is killed again and again while it refreshes."""
    host, manager = pair
    manager.post("/initialize")
    manager.stop()
    moments, killed, whole = random.Random(time.time()), 0, 0.2
    while killed < 60:
        start = time.monotonic()
        process = subprocess.Popen(
            [BUILD / "cli" / "oam", "refresh", "--quiet"],
            env=manager.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(moments.uniform(0, 1.1 * whole))
            whole = (whole + time.monotonic() - start) / 2
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    last = manager.oam("refresh", "--quiet").stdout.strip()
    assert hosted(host) == recorded(manager) and last in recorded(manager)
    outcomes = dict(manager.sql("SELECT outcome, count(*) FROM rotation GROUP BY outcome"))
    assert outcomes.get("recovered", 0) > 0
    nonces = [
        n for (n,) in host.sql("SELECT json_extract(config, '$.metadata.oam_nonce') FROM assistant")
    ]
    assert len(nonces) == len(set(nonces))
    record_property("note", f"kills: 60 of a manager on another oam: rotations {outcomes}")


def test_cleanup_of_thousands(pair, record_property):
    host, manager = pair
    current = manager.post("/initialize").data["assistantId"]
    ids = [f"asst_old{n:05}" for n in range(3000)]
    dump = host.folder / "dump.jsonl"
    dump.write_text("".join(json.dumps({"id": i, "model": "m", "created_at": 1}) + "\n" for i in ids))
    assert "Imported 3000" in host.oam("import", dump).stderr
    values = ",".join(
        f"('{id}','http://127.0.0.1:{host.port}/v1',1,'retired','{{}}',{n + 1},{n + 1})"
        for n, id in enumerate(ids)
    )
    manager.sql(
        "INSERT INTO assistant (id, upstream, profile_id, label, config, created_at, "
        f"updated_at) VALUES {values}"
    )
    start = time.monotonic()
    done = manager.oam("cleanup", "1", "--yes")
    took = time.monotonic() - start
    assert sorted(done.stdout.split()) == ids
    assert hosted(host) == recorded(manager) == {current}
    record_property("note", f"cleanup: 3,000 on another oam in {took:.1f} s, sanitized builds")

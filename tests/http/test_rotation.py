"""The rules of rotation, through the web server: one id, one refresh, nothing lost."""

import concurrent.futures
import json
import os
import signal
import time

import pytest
from conftest import DAY, alive, eventually, parent


def together(count, call):
    """Runs call() `count` times at once and returns what each gave."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: call(), range(count)))


def labels(site, profile="default"):
    rows = site.sql(
        "SELECT a.label, a.id FROM assistant a JOIN profile p USING (profile_id) "
        "WHERE p.name = ? ORDER BY a.seq",
        profile,
    )
    return [(label, id) for label, id in rows]


def current(site):
    return site.get("/current").data["assistantId"]


def add_hosted(site, id, name="Hosted", profile=None, created_at=None):
    """An assistant that the store hosts but no profile owns."""
    created_at = created_at or int(time.time() * 1000)
    site.sql(
        "INSERT INTO assistant (id, upstream, label, config, created_at, updated_at) "
        "VALUES (?, 'embedded', 'unmanaged', ?, ?, ?)",
        id,
        json.dumps({"name": name, "model": "gpt-4o", "instructions": "Be brief."}),
        created_at,
        created_at,
    )


# ---- current ----


def test_fifty_first_calls_share_one_assistant(site):
    ids = {r.data["assistantId"] for r in together(50, lambda: site.get("/current"))}
    assert len(ids) == 1
    assert site.sql("SELECT count(*) FROM assistant") == [(1,)]
    assert site.sql("SELECT outcome FROM rotation") == [("done",)]


def test_fifty_first_calls_of_both_kinds_share_one_assistant(site):
    calls = [lambda: site.get("/current"), lambda: site.post("/initialize")]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda n: calls[n % 2](), range(50)))
    assert len({r.data["assistantId"] for r in replies}) == 1
    assert site.sql("SELECT count(*) FROM assistant") == [(1,)]


def test_fifty_calls_when_due_make_one_new_assistant(site):
    old = current(site)
    site.make_due()
    replies = together(50, lambda: site.get("/current"))
    new = eventually(lambda: (id := current(site)) != old and id)
    assert {r.data["assistantId"] for r in replies} <= {old, new}
    site.all_workers("current")  # and no renewal beside them any more
    assert current(site) == new
    assert labels(site) == [("previous", old), ("current", new)]
    reasons = site.sql("SELECT reason, outcome FROM rotation ORDER BY rotation_id")
    assert reasons[1:] == [("expiry", "done")]


def test_interval_zero_never_refreshes(site):
    old = current(site)
    site.put("/refresh-interval", {"intervalMs": 0})
    site.make_due()
    assert site.get("/status").data["needsRefresh"] is False
    together(10, lambda: site.get("/current"))
    time.sleep(0.5)
    assert current(site) == old


def test_refresh_restarts_the_interval(site):
    current(site)
    site.make_due()
    assert site.get("/status").data["needsRefresh"] is True
    before = int(time.time() * 1000)
    new = site.post("/refresh").data["newAssistantId"]
    status = site.get("/status").data
    assert status["needsRefresh"] is False and status["assistantId"] == new
    (refreshed,) = site.sql("SELECT refreshed_at FROM profile")[0]
    assert before <= refreshed <= int(time.time() * 1000)


# ---- refresh ----


def test_concurrent_refreshes_make_one_each_or_conflict(site):
    current(site)
    replies = together(20, lambda: site.post("/refresh"))
    done = [r for r in replies if r.status == 200]
    refused = [r for r in replies if r.status == 409]
    assert len(done) + len(refused) == 20 and done
    for r in refused:
        assert r.error["code"] == "refresh_in_progress"
        assert int(r.headers["retry-after"]) > 0
    made = {r.data["newAssistantId"] for r in done}
    assert len(made) == len(done)
    assert site.sql("SELECT count(*) FROM rotation WHERE reason = 'api'") == [(len(done),)]
    assert site.sql("SELECT count(*) FROM assistant WHERE label = 'current'") == [(1,)]


def test_overrides_are_remembered(site):
    config = {"name": "Custom Assistant Name", "model": "gpt-4o-mini", "temperature": 0.25}
    first = site.post("/refresh", {"config": config}).data["newAssistantId"]
    second = site.post("/refresh").data
    assert second["previousAssistantId"] == first
    made = site.get(f"/details/{second['newAssistantId']}").data
    assert {k: made[k] for k in config} == config
    cleared = site.post("/refresh", {"config": {"temperature": None}}).data
    assert site.get("/details").data["temperature"] == 1.0
    assert site.get("/details").data["id"] == cleared["newAssistantId"]


def test_metadata_carries_time_tag_and_nonce(site):
    current(site)
    one = site.get("/details").data["metadata"]
    site.post("/refresh")
    two = site.get("/details").data["metadata"]
    assert one["created_by"] == "estrella-backend" and one["version"] == "1.0.0"
    assert one["oam_installation"] == two["oam_installation"]
    assert one["oam_nonce"] != two["oam_nonce"]
    assert one["created_at"] < two["created_at"]
    tag = site.sql("SELECT tag FROM installation")[0][0]
    assert one["oam_installation"] == tag


def test_update_of_the_current_one_lasts(site):
    id = current(site)
    site.put(f"/update/{id}", {"updates": {"instructions": "New instructions"}})
    assert current(site) == id
    site.post("/refresh")
    assert site.get("/details").data["instructions"] == "New instructions"


def test_update_of_an_older_one_does_not_last(site):
    id = current(site)
    site.post("/refresh")
    site.put(f"/update/{id}", {"updates": {"name": "Only this one"}})
    assert site.get(f"/details/{id}").data["name"] == "Only this one"
    site.post("/refresh")
    assert site.get("/details").data["name"] == "Invoice Translation Assistant"


def test_update_may_send_back_the_metadata_it_was_shown(site):
    id = current(site)
    shown = site.get("/details").data["metadata"]
    reply = site.put(f"/update/{id}", {"updates": {"metadata": {**shown, "team": "a"}}})
    assert reply.data["metadata"] == {**shown, "team": "a"}
    changed = {**shown, "oam_nonce": "forged"}
    reply = site.put(f"/update/{id}", {"updates": {"metadata": changed}})
    assert reply.status == 400
    assert reply.error["param"] == "updates.metadata.oam_nonce"


# ---- initialize ----


def test_initialize_is_idempotent(site):
    ids = {site.post("/initialize", {}).data["assistantId"] for _ in range(3)}
    assert len(ids) == 1 and ids == {current(site)}


def test_initialize_adopts_the_id_of_the_env_file(site):
    add_hosted(site, "asst_byHand", name="Mine")
    with open(site.env_file, "a") as f:
        f.write("OPENAI_ASSISTANT_ID='asst_byHand'\n")
    assert site.post("/initialize").data["assistantId"] == "asst_byHand"
    assert labels(site) == [("current", "asst_byHand")]
    # A profile without a past takes its configuration over.
    new = site.post("/refresh").data["newAssistantId"]
    made = site.get(f"/details/{new}").data
    assert (made["name"], made["instructions"]) == ("Mine", "Be brief.")
    # The copy in the file is stale now: the store knows that it was replaced.
    assert site.post("/initialize").data["assistantId"] == new


def test_current_adopts_too(site):
    add_hosted(site, "asst_byHand")
    site.set_env({"OPENAI_ASSISTANT_ID": "asst_byHand"})
    assert current(site) == "asst_byHand"
    assert site.sql("SELECT count(*) FROM assistant") == [(1,)]


def test_initialize_adopts_the_id_of_the_json_file(site):
    add_hosted(site, "asst_inFile")
    (site.folder / "config").mkdir()
    file = site.folder / "config" / "openai-assistant.json"
    file.write_text(json.dumps({"assistantId": "asst_inFile", "name": "x"}))
    assert site.post("/initialize").data["assistantId"] == "asst_inFile"


@pytest.mark.parametrize("text", ["{", "[]", '{"assistantId": 5}', "", '{"assistantId":"x"}'])
def test_a_broken_json_file_names_no_id(site, text):
    (site.folder / "config").mkdir()
    (site.folder / "config" / "openai-assistant.json").write_text(text)
    assert site.post("/initialize").data["assistantId"].startswith("asst_")


@pytest.mark.parametrize("id", ["asst_unknownHere", "your_openai_assistant_id_here", "''"])
def test_an_unusable_id_in_the_env_file_is_replaced(site, id):
    site.set_env({"OPENAI_ASSISTANT_ID": id})
    made = site.post("/initialize").data["assistantId"]
    assert made.startswith("asst_") and made != id
    assert site.post("/initialize").data["assistantId"] == made


def test_initialize_replaces_what_the_upstream_denies(site):
    id = current(site)
    site.sql("UPDATE assistant SET label = 'deleted', deleted_at = 1 WHERE id = ?", id)
    made = site.post("/initialize").data["assistantId"]
    assert made != id and current(site) == made


# ---- delete and cleanup ----


def test_after_deleting_the_current_one_the_next_call_makes_another(site):
    id = current(site)
    site.delete(f"/delete/{id}")
    status = site.get("/status").data
    assert status["assistantId"] is None and status["needsRefresh"] is True
    assert site.get("/details").error["code"] == "no_current_assistant"
    new = current(site)
    assert new != id
    assert site.delete(f"/delete/{id}").status == 404


def test_deleted_rows_stay_as_history(site):
    id = current(site)
    site.delete(f"/delete/{id}")
    assert site.sql("SELECT label FROM assistant WHERE id = ?", id) == [("deleted",)]
    assert site.get("/list").data == {"assistants": [], "count": 0}


def test_cleanup_keeps_the_newest_and_the_current_one(site):
    site.put("/refresh-interval", {"intervalMs": 0})
    ids = [site.post("/refresh").data["newAssistantId"] for _ in range(5)]
    dry = site.post("/cleanup", {"keepCount": 3, "dryRun": True}).data
    assert dry["deletedAssistants"] == [ids[1], ids[0]] and dry["dryRun"] is True
    assert site.get("/list").data["count"] == 5
    done = site.post("/cleanup", {"keepCount": 3}).data
    assert done["deletedAssistants"] == [ids[1], ids[0]]
    assert (done["deletedCount"], done["keepCount"], done["failed"]) == (2, 3, [])
    left = [a["id"] for a in site.get("/list").data["assistants"]]
    assert left == ids[:1:-1]


def test_cleanup_never_deletes_a_current_one_however_old(site):
    old = current(site)
    for n in range(3):
        add_hosted(site, f"asst_n{n}", created_at=int(time.time() * 1000) + n + 1)
    done = site.post("/cleanup", {"keepCount": 1, "all": True}).data
    assert done["deletedAssistants"] == ["asst_n1", "asst_n0"]
    assert current(site) == old


def test_cleanup_leaves_what_the_manager_does_not_own(site):
    add_hosted(site, "asst_theirs", created_at=1000)
    for _ in range(3):
        site.post("/refresh")
    done = site.post("/cleanup", {"keepCount": 1}).data
    assert "asst_theirs" not in done["deletedAssistants"] and done["deletedCount"] == 2
    assert site.get("/details/asst_theirs").status == 200
    assert site.post("/cleanup", {"keepCount": 1, "all": True}).data["deletedAssistants"] == [
        "asst_theirs"
    ]


def test_automatic_cleanup_keeps_the_keep_count_and_spares_previous(make_site):
    site = make_site({"OAM_KEEP_COUNT": "1"})
    ids = [site.post("/refresh").data["newAssistantId"] for _ in range(4)]
    assert [i for label, i in labels(site) if label != "deleted"] == ids[2:]
    assert [label for label, _ in labels(site)][2:] == ["previous", "current"]


def test_automatic_cleanup_can_be_off(make_site):
    site = make_site({"OAM_KEEP_COUNT": "0"})
    for _ in range(8):
        site.post("/refresh")
    assert site.get("/list").data["count"] == 8


# ---- profiles ----


def test_profiles_rotate_apart(site):
    current(site)
    site.sql(
        "INSERT INTO profile (name, config, env_key, made_at) "
        "VALUES ('support', '{\"model\":\"gpt-4o\",\"name\":\"Help\"}', 'SUPPORT_ID', 0)"
    )
    help_id = site.get("/current?profile=support").data["assistantId"]
    assert help_id != current(site)
    assert site.get("/details?profile=support").data["name"] == "Help"
    site.put("/refresh-interval?profile=support", {"intervalMs": 0})
    assert site.get("/status").data["refreshInterval"] == DAY
    for _ in range(3):
        site.post("/refresh?profile=support")
    assert site.post("/cleanup", {"keepCount": 1}).data["deletedCount"] == 0
    assert site.post("/cleanup?profile=support", {"keepCount": 1}).data["deletedCount"] == 3
    everything = site.post("/cleanup", {"keepCount": 1, "all": True}).data
    assert everything["deletedCount"] == 0  # both that are left are current


# ---- what dies ----


def test_state_survives_a_restart(site):
    id = current(site)
    site.put("/refresh-interval", {"intervalMs": 7_200_000})
    before = site.get("/status").data
    site.restart()
    assert site.get("/status").data == before
    assert current(site) == id


@pytest.mark.parametrize("name", ["current", "refresh", "status"])
def test_a_killed_worker_is_replaced(site, name):
    id = current(site)
    victims = site.all_workers(name)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    # One that is killed just as a request reaches it takes that request along.
    eventually(lambda: not any(alive(pid) for pid in victims))
    replies = [site.get("/current"), site.get("/status"), site.get("/details")]
    assert [r.status for r in replies] == [200, 200, 200]
    assert current(site) == id
    fresh = site.all_workers(name)
    assert not set(fresh) & set(victims)


def supervisor(site, name):
    return parent(site.all_workers(name)[0])


def test_a_killed_supervisor_has_an_heir(site):
    """Also twice in a row; and the heir, whom lighttpd does not know, ends with it."""
    id = current(site)
    for _ in range(2):
        old = supervisor(site, "current")
        os.kill(old, signal.SIGKILL)
        eventually(lambda: not alive(old))
        assert current(site) == id
        eventually(lambda: len(site.processes("current")) == 3)
        assert supervisor(site, "current") != old
    victims = site.all_workers("current")
    os.kill(victims[0], signal.SIGKILL)
    eventually(lambda: len(set(site.workers("current")) - {victims[0]}) == 2)
    site.make_due()
    eventually(lambda: current(site) != id)
    site.restart()


def test_killing_workers_under_load_loses_nothing(site):
    """Refreshes while workers die: each acknowledged one is in the store, one is current."""
    current(site)
    deadline = time.monotonic() + 4
    acknowledged = []

    def refresh():
        while time.monotonic() < deadline:
            try:
                reply = site.post("/refresh")
            except OSError:
                continue
            if reply.status == 200:
                acknowledged.append(reply.data["newAssistantId"])

    def kill():
        while time.monotonic() < deadline:
            for pid in site.workers("refresh"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.15)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(refresh) for _ in range(3)] + [pool.submit(kill)]
        for task in tasks:
            task.result()
    eventually(lambda: site.post("/refresh").status == 200)  # finishes what was left
    known = {id for (id,) in site.sql("SELECT id FROM assistant")}
    assert set(acknowledged) <= known and acknowledged
    assert site.sql("SELECT count(*) FROM rotation WHERE ended_at IS NULL") == [(0,)]
    assert site.sql("SELECT count(*) FROM assistant WHERE label IN ('pending', 'unmanaged')") == [(0,)]
    assert site.sql("SELECT count(*) FROM assistant WHERE label = 'current'") == [(1,)]
    assert site.sql("PRAGMA integrity_check") == [("ok",)]


def interrupted(site, created):
    """The state that a refresh leaves that dies right after its create, or before it."""
    config = json.dumps({"model": "gpt-4o", "name": "Interrupted"})
    site.sql(
        "INSERT INTO rotation (profile_id, reason, nonce, overrides, started_at) "
        "VALUES (1, 'api', 'nonceOfTheDead', ?, 1)",
        config,
    )
    if created:
        stamped = {"model": "gpt-4o", "metadata": {"oam_nonce": "nonceOfTheDead"}}
        site.sql(
            "INSERT INTO assistant (id, upstream, label, config, created_at, updated_at) "
            "VALUES ('asst_orphan', 'embedded', 'unmanaged', ?, 1, 1)",
            json.dumps(stamped),
        )


def test_an_interrupted_creation_is_adopted_by_its_nonce(site):
    old = current(site)
    interrupted(site, created=True)
    site.get("/current")
    eventually(lambda: current(site) == "asst_orphan")
    assert labels(site) == [("previous", old), ("current", "asst_orphan")]
    assert site.sql("SELECT outcome, new_id FROM rotation WHERE nonce = 'nonceOfTheDead'") == [
        ("recovered", "asst_orphan")
    ]
    site.post("/refresh")
    assert site.get("/details").data["name"] == "Interrupted"


def test_an_interruption_before_creation_is_abandoned(site):
    old = current(site)
    interrupted(site, created=False)
    new = site.post("/refresh").data
    assert new["previousAssistantId"] == old
    assert site.sql("SELECT outcome FROM rotation WHERE nonce = 'nonceOfTheDead'") == [
        ("abandoned",)
    ]
    assert site.sql("SELECT count(*) FROM assistant") == [(2,)]


def test_the_lease_of_a_dead_holder_stops_nobody(site):
    current(site)
    later = int(time.time() * 1000) + 55_000
    site.sql("INSERT INTO lease VALUES (1, 'a ghost', 0, ?)", later)
    assert site.get("/status").data["refreshing"] is True
    assert site.post("/refresh").status == 200
    assert site.get("/status").data["refreshing"] is False


def test_a_store_that_stays_locked_is_503(site):
    import sqlite3

    current(site)
    blocker = sqlite3.connect(site.db, isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    try:
        reply = site.get("/current", timeout=30)
        assert reply.status == 503 and reply.error["code"] == "store_busy"
        assert int(reply.headers["retry-after"]) > 0
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    assert site.get("/current").status == 200


def test_a_database_put_in_its_place_is_used(make_site):
    site, other = make_site(), make_site(start=False)
    id, theirs = current(site), other.oam("current").stdout.strip()
    site.db.rename(site.folder / "old.db")
    assert site.get("/current").error["code"] == "store_not_migrated"
    other.db.rename(site.db)
    assert current(site) == theirs
    (site.folder / "old.db").replace(site.db)
    assert current(site) == id


# ---- people look in ----


def test_views_read_without_knowing_the_code(site):
    id = current(site)
    new = site.post("/refresh").data["newAssistantId"]
    (row,) = site.sql(
        "SELECT profile, assistant, state, interval, assistants, failures FROM status"
    )
    assert row == ("default", new, "fresh", "24 h", 2, 0)
    history = site.sql("SELECT reason, outcome, old_id, new_id FROM history")
    assert history == [("api", "done", id, new), ("expiry", "done", None, id)]
    inventory = site.sql("SELECT id, label, profile, model FROM inventory")
    assert inventory == [
        (new, "current", "default", "gpt-4o-mini"),
        (id, "previous", "default", "gpt-4o-mini"),
    ]


def test_files_are_for_the_owner_alone(site):
    current(site)
    for name in ("oam.db", "oam.db.lock"):
        assert (site.folder / name).stat().st_mode & 0o777 == 0o600

"""What is kept of the past: failures that people must see, and a history that ends."""

import concurrent.futures
import json
import sqlite3
import subprocess
import time

import pytest
from conftest import BUILD, DAY, ROOT, eventually

# ---- history ----


def big_config(size):
    """Nearly `size` bytes that every check lets pass."""
    tools = [
        {
            "type": "function",
            "function": {"name": f"f{n}", "description": "x" * 900, "parameters": {}},
        }
        for n in range(min(size // 1000, 128))
    ]
    return {"model": "m", "tools": tools, "instructions": "y" * min(size, 250_000)}


def test_a_refresh_leaves_no_configurations_behind(make_site):
    """The store has one copy for the profile and one for each assistant that there is."""
    site = make_site({"OAM_KEEP_COUNT": "1"})
    config = big_config(400_000)
    weight = len(json.dumps(config, separators=(",", ":")))
    site.post("/refresh", {"config": config})
    for _ in range(3):  # no favour for the previous one, so that they are deleted
        site.post("/refresh", {"config": {"temperature": 0.5}})
        site.sql("UPDATE assistant SET updated_at = 1")
        site.post("/cleanup", {"keepCount": 1})
    assert site.sql("SELECT count(*) FROM assistant WHERE label = 'deleted'") == [(3,)]
    assert site.sql("SELECT count(*) FROM rotation") == [(4,)]
    (whole,) = site.sql("SELECT sum(length(config)) FROM assistant")[0]
    assert weight < whole < 1.2 * weight
    columns = [row[1] for row in site.sql("PRAGMA table_info(rotation)")]
    assert "config" not in columns
    assert site.sql("SELECT count(overrides) FROM rotation") == [(0,)]
    pages = site.sql("PRAGMA page_count")
    for _ in range(3):  # and what was freed is used again
        site.post("/refresh", {"config": {"temperature": 0.5}})
        site.sql("UPDATE assistant SET updated_at = 1")
        site.post("/cleanup", {"keepCount": 1})
    assert site.sql("PRAGMA page_count")[0][0] <= pages[0][0] + 10


def age(site, days):
    site.sql("UPDATE rotation SET ended_at = ended_at - ?", days * DAY)
    site.sql("UPDATE assistant SET deleted_at = deleted_at - ?", days * DAY)


@pytest.mark.parametrize(
    "setting, days, goes",
    [(None, 364, False), (None, 366, True), ("30", 31, True), ("0", 10_000, False)],
)
def test_old_rows_go_with_the_next_refresh(make_site, setting, days, goes):
    site = make_site({"OAM_HISTORY_DAYS": setting}, start=False)
    for _ in range(5):
        site.oam("refresh")
    site.oam("cleanup", "1", "--yes")
    gone = site.sql("SELECT count(*) FROM assistant WHERE label = 'deleted'")[0][0]
    assert gone == 4
    age(site, days)
    site.oam("refresh")
    # Its own, and those that made the current and the previous assistant.
    assert site.sql("SELECT count(*) FROM rotation") == [(2 if goes else 6,)]
    deleted = site.sql("SELECT count(*) FROM assistant WHERE label = 'deleted'")
    assert deleted == [(0 if goes else 4,)]
    assert "done" in site.oam("history").stdout


def test_cron_prunes_a_failing_profile(make_site):
    site = make_site({"OAM_HISTORY_DAYS": "1", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, start=False)
    site.oam("refresh", check=False)
    site.oam("refresh", check=False)
    age(site, 2)
    site.oam("refresh", check=False)
    assert site.sql("SELECT outcome FROM rotation") == [("failed",)]


def test_the_migration_forgets_old_configurations(make_site):
    site = make_site(start=False, migrate=False)
    config = json.dumps({"model": "m", "name": "N", "instructions": "x" * 100_000})
    site.db.touch(0o600)
    with sqlite3.connect(site.db) as store:
        for file in ("0001-initial.sql", "0002-publish.sql"):
            store.executescript((ROOT / "sql" / file).read_text())
        store.executescript(
            f"""
            PRAGMA user_version = 2; PRAGMA application_id = {0x6F616D31};
            INSERT INTO installation VALUES (1, 'tag', 1);
            INSERT INTO profile (name, config, env_key, refreshed_at, made_at, published_id)
              VALUES ('default', '{config}', 'OPENAI_ASSISTANT_ID', 5, 1, 'asst_b');
            INSERT INTO assistant (id, upstream, profile_id, label, config, created_at,
                                   updated_at, deleted_at)
              VALUES ('asst_a', 'embedded', 1, 'deleted', '{config}', 1, 1, 1),
                     ('asst_b', 'embedded', 1, 'current', '{config}', 1, 1, NULL);
            INSERT INTO rotation (profile_id, reason, nonce, config, overrides, started_at,
                                  ended_at, outcome, new_id)
              VALUES (1, 'api', 'n1', '{config}', '{config}', 1, 2, 'done', 'asst_a'),
                     (1, 'api', 'n2', '{config}', '{config}', 1, NULL, NULL, NULL);
            """
        )
    store.close()
    site.oam("migrate")
    assert site.sql("SELECT nonce, overrides IS NULL FROM rotation ORDER BY nonce") == [
        ("n1", 1),
        ("n2", 0),
    ]
    rows = dict(site.sql("SELECT id, config FROM assistant"))
    assert json.loads(rows["asst_a"]) == {"name": "N", "model": "m", "metadata": None}
    assert json.loads(rows["asst_b"]) == json.loads(config)
    assert site.sql("PRAGMA foreign_key_check") == []
    # The pages are free, but the file keeps them until somebody says VACUUM.
    assert site.sql("PRAGMA freelist_count")[0][0] > 50
    assert site.oam("current").stdout == "asst_b\n"
    site.oam("doctor", check=False)
    assert site.sql("SELECT hooked_id FROM profile") == [("asst_b",)]


def test_every_column_is_explained(make_site):
    site = make_site(start=False)
    for (text,) in site.sql("SELECT sql FROM sqlite_schema WHERE name = 'hook'"):
        lines = [x for x in text.splitlines()[1:-1] if not x.strip().startswith("CHECK")]
        assert all("--" in line for line in lines), text


# ---- a refresh that cannot start ----


def break_config(site):
    site.sql("UPDATE profile SET config = '{\"model\":5}'")


def test_a_refresh_that_cannot_start_is_seen(site):
    id = site.get("/current").data["assistantId"]
    break_config(site)
    site.make_due()
    assert site.get("/current").data["assistantId"] == id
    status = eventually(lambda: (s := site.get("/status").data)["lastError"] and s)
    assert status["stale"] is True and status["assistantId"] == id
    assert status["consecutiveFailures"] == 1 and status["lastFailure"]
    assert "'config.model'" in status["lastError"]
    assert site.sql("SELECT state, failures FROM status") == [("stale", 1)]
    history = json.loads(site.oam("history", "--json").stdout)
    assert history[0]["outcome"] == "failed" and "'config.model'" in history[0]["error"]
    metrics = site.get("/metrics").raw.decode()
    assert 'oam_refresh_failures{profile="default"} 1' in metrics
    assert 'oam_refreshes{profile="default",outcome="failed"} 1' in metrics
    doctor = site.oam("doctor", check=False)
    assert doctor.returncode == 1 and "'config.model'" in doctor.stdout
    assert "event=rotation" in site.log.read_text()


def test_requests_do_not_start_it_again_and_again(site):
    site.get("/current")
    break_config(site)
    site.make_due()
    site.get("/current")
    eventually(lambda: site.get("/status").data["lastError"])
    deadline = time.monotonic() + 6  # longer than the pause between two askings
    while time.monotonic() < deadline:
        site.get("/current")
    assert site.get("/status").data["consecutiveFailures"] == 1
    assert site.sql("SELECT count(*) FROM rotation WHERE outcome = 'failed'") == [(1,)]
    assert site.log.read_text().count("outcome=failed") == 1


# ---- one id, two profiles ----


def add_hosted(site, id):
    site.sql(
        "INSERT INTO assistant (id, upstream, label, config, created_at, updated_at) "
        "VALUES (?, 'embedded', 'unmanaged', '{\"model\":\"m\"}', 1, 1)",
        id,
    )


def profiles_that_name(site, names, id):
    for name in names:
        site.oam("profile", "set", name)
    keys = {f"OPENAI_ASSISTANT_ID_{name.upper()}": id for name in names}
    site.set_env(keys)


@pytest.mark.parametrize("at_once", [False, True])
def test_two_profiles_that_adopt_one_id(make_site, at_once):
    """The first one gets it, the second one another: at once as one after the other."""
    site = make_site(start=False)
    for round in range(12 if at_once else 1):
        names = [f"{side}{round}" for side in "abcd"]
        add_hosted(site, f"asst_both{round}")
        profiles_that_name(site, names, f"asst_both{round}")
        calls = [
            [BUILD / "cli" / "oam", "initialize", "--profile", name, "--quiet"] for name in names
        ]
        options = dict(
            env=site.environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        with concurrent.futures.ThreadPoolExecutor(len(calls) if at_once else 1) as pool:
            done = list(pool.map(lambda call: subprocess.run(call, **options), calls))
        assert [d.returncode for d in done] == [0] * 4, [d.stderr for d in done]
        ids = [d.stdout.strip() for d in done]
        assert len(set(ids)) == 4 and f"asst_both{round}" in ids
        assert site.sql("SELECT count(*) FROM assistant WHERE label = 'pending'") == [(0,)]


# ---- an update and its profile ----


def test_an_update_that_the_profile_cannot_take_changes_nothing(site):
    id = site.get("/current").data["assistantId"]
    site.sql(
        "CREATE TRIGGER no BEFORE UPDATE OF config ON profile "
        "BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    assert site.put(f"/update/{id}", {"updates": {"name": "New"}}).status == 409
    site.sql("DROP TRIGGER no")
    assert site.get(f"/details/{id}").data["name"] == "Invoice Translation Assistant"
    assert site.put(f"/update/{id}", {"updates": {"name": "New"}}).data["name"] == "New"
    new = site.post("/refresh").data["newAssistantId"]
    assert site.get(f"/details/{new}").data["name"] == "New"


# ---- the default profile's name ----


def test_the_default_key_is_kept_for_it(make_site):
    site = make_site(start=False)
    for key in ("OPENAI_ASSISTANT_ID", "openai_assistant_id"):
        done = site.oam("profile", "set", "x", "--env-key", key, check=False)
        assert done.returncode == 1 and "default profile" in done.stderr
    assert site.oam("current").stdout.startswith("asst_")

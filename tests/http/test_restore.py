"""oam restore: a store that is gone comes back, and a backup need not be trusted. What is
read from the store is checked like input."""

import os
import random
import re
import shutil
import sqlite3
import threading
import time

import pytest
from conftest import ROOT, Site

APPLICATION = 0x6F616D31
TABLES = "FROM {}sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"


@pytest.fixture
def quiet_site(make_site):
    return make_site(start=False)


def published(site, key="OPENAI_ASSISTANT_ID"):
    found = re.search(rf"^{key}=(.*)$", site.env_file.read_text(), re.M)
    return found and found[1]


def connect(path):
    return sqlite3.connect(path, isolation_level=None)


def craft(source, path, *changes):
    """A copy of the store `source` whose tables have no types and no constraints, with
    the SQL `changes` made: what somebody with a file and time can make of a backup."""
    path.unlink(missing_ok=True)
    db = connect(path)
    db.execute("ATTACH ? AS old", (str(source),))
    for (table,) in db.execute("SELECT name " + TABLES.format("old.")).fetchall():
        columns = [row[1] for row in db.execute(f"PRAGMA old.table_info({table})")]
        db.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        db.execute(f"INSERT INTO {table} SELECT * FROM old.{table}")
    (version,) = db.execute("PRAGMA old.user_version").fetchone()
    db.execute("DETACH old")
    db.execute(f"PRAGMA user_version = {version}")
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    for change in changes:
        db.executescript(change)
    db.close()
    return path


def leave_no_trace(site):
    """No file of a restore that did not come about, and no backup of nothing."""
    return not [p for p in site.folder.iterdir() if ".restore-" in p.name or ".bak" in p.name]


def rows(site):
    tables = [name for (name,) in site.sql("SELECT name " + TABLES.format(""))]
    return {t: site.sql(f"SELECT * FROM {t}") for t in tables if t != "lease"}


# ---- a store that is gone ----


@pytest.mark.parametrize("left", ["folder", "nothing", "journal", "garbage", "empty"])
def test_a_store_that_is_gone_comes_back(make_site, left):
    site = make_site(env={"OAM_DB": "state/oam.db"}, start=False)
    site.db = site.folder / "state" / "oam.db"
    id = site.oam("initialize").stdout.strip()
    site.oam("backup", "copy.db")
    before = rows(site)
    site.db.unlink()
    journal = site.db.with_name("oam.db-journal")
    if left == "nothing":
        shutil.rmtree(site.folder / "state")
    elif left == "journal":
        journal.write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7" + bytes(8000))
    elif left == "garbage":
        site.db.write_bytes(os.urandom(5000))
    elif left == "empty":
        site.db.write_bytes(b"")
    done = site.oam("restore", "copy.db", "--yes")
    assert site.oam("current").stdout.strip() == id and rows(site) == before
    assert site.sql("PRAGMA integrity_check") == [("ok",)]
    assert site.db.stat().st_mode & 0o777 == 0o600 or left in ("garbage", "empty")
    assert (site.folder / "state").stat().st_mode & 0o777 == 0o700
    kept = list((site.folder / "state").glob("oam.db.*.bak*"))
    sizes = {"journal": [8008], "garbage": [5000], "empty": [4096]}
    assert [p.stat().st_size for p in kept] == sizes.get(left, [])
    assert ("What was there before" in done.stderr) == bool(kept)
    assert not journal.exists() and not list((site.folder / "state").glob("*.restore-*"))


@pytest.mark.parametrize("how", ["unlink", "garbage"])
def test_programs_that_run_see_the_store_that_came_back(make_site, how):
    site = make_site()
    first = site.post("/initialize").data["assistantId"]
    site.oam("backup", "copy.db")
    site.post("/refresh")
    if how == "unlink":
        site.db.unlink()
    else:
        site.db.write_bytes(os.urandom(5000))
    site.oam("restore", "copy.db", "--yes")
    assert site.get("/current").data["assistantId"] == first == published(site)
    assert site.post("/refresh").status == 200
    assert site.sql("PRAGMA integrity_check") == [("ok",)]


def test_what_a_killed_restore_left_goes(quiet_site):
    site = quiet_site
    site.oam("initialize")
    site.oam("backup", "copy.db")
    left = [site.folder / f"oam.db.restore-Aa0{end}" for end in ("", "-journal", "x")]
    for path in left:
        path.write_bytes(b"rows")
    for path in left[:2]:
        os.utime(path, (time.time() - 7200,) * 2)
    site.oam("restore", "copy.db", "--yes")
    assert [path.exists() for path in left] == [False, False, True]  # one still runs


def test_a_link_to_the_store_stays_one(make_site):
    site = make_site(env={"OAM_DB": "link.db"}, start=False)
    site.db.unlink(missing_ok=True)
    (site.folder / "link.db").unlink()
    (site.folder / "far").mkdir()
    (site.folder / "link.db").symlink_to("far/oam.db")
    site.db = site.folder / "far" / "oam.db"
    site.migrate()
    id = site.oam("initialize").stdout.strip()
    site.oam("backup", "copy.db")
    site.oam("restore", "copy.db", "--yes")
    assert (site.folder / "link.db").is_symlink()
    assert len(list((site.folder / "far").glob("*.bak"))) == 1
    site.db.write_bytes(b"not a store at all" * 100)
    site.oam("restore", "copy.db", "--yes")
    assert (site.folder / "link.db").is_symlink() and site.oam("current").stdout.strip() == id
    site.db.unlink()
    done = site.oam("restore", "copy.db", check=False)
    assert done.returncode == 1 and "link.db" in done.stderr


@pytest.mark.parametrize("version", [1, 2])
def test_a_backup_of_an_older_schema(quiet_site, version):
    site = quiet_site
    db = connect(site.folder / "old.db")
    for script in sorted((ROOT / "sql").glob("*.sql"))[:version]:
        db.executescript(script.read_text())
    db.executescript(
        f"""
        PRAGMA user_version = {version}; PRAGMA application_id = {APPLICATION};
        INSERT INTO installation VALUES (1, 'tag', 1);
        INSERT INTO profile (name, config, env_key, refreshed_at, made_at) VALUES
          ('default', '{{"model":"m"}}', 'OPENAI_ASSISTANT_ID', unixepoch() * 1000, 1);
        INSERT INTO assistant (seq, id, upstream, profile_id, label, config, created_at,
                               updated_at, deleted_at) VALUES
          (3, 'asst_old', 'embedded', 1, 'deleted', '{{"model":"m"}}', 1, 2,
           unixepoch() * 1000),
          (7, 'asst_now', 'embedded', 1, 'current', '{{"model":"m"}}', 4, 5, NULL);
        INSERT INTO rotation (profile_id, reason, nonce, config, started_at, ended_at,
                              outcome, new_id) VALUES
          (1, 'cron', 'n1', '{{"model":"m"}}', 1, 2, 'done', 'asst_now');
        """
    )
    db.close()
    site.oam("restore", "old.db", "--yes")
    assert site.sql("SELECT seq, id, label FROM assistant ORDER BY seq") == [
        (3, "asst_old", "deleted"),
        (7, "asst_now", "current"),
    ]
    assert site.sql("SELECT name, assistants FROM profile") == [("default", 1)]
    assert site.sql("PRAGMA user_version") == [(len(list((ROOT / "sql").glob("*.sql"))),)]
    assert published(site) == "asst_now"
    assert site.oam("doctor", check=False).stdout.count("every page and row is sound") == 1
    made = site.oam("create", "--set", "name=next").stdout.strip()
    assert site.sql("SELECT seq FROM assistant WHERE id = ?", made) == [(8,)]


# ---- a backup that nobody should trust ----

BAD = [
    ("profile", "env_key", "'JWT_SECRET'"),
    ("profile", "env_key", "'OAM_DB'"),
    ("profile", "env_key", "'A=1' || char(10) || 'JWT_SECRET'"),
    ("profile", "env_key", "''"),
    ("profile", "env_key", "NULL"),
    ("profile", "env_key", "printf('%.*c', 200, 'A')"),
    ("profile", "env_key", "x'4141'"),
    ("profile", "env_key", "'A' || char(0) || 'B'"),
    ("profile", "name", "'../../etc/x'"),
    ("profile", "name", "'a' || char(0) || 'b'"),
    ("profile", "name", "NULL"),
    ("profile", "name", "7"),
    ("profile", "profile_id", "0"),
    ("profile", "profile_id", "-1"),
    ("profile", "profile_id", "9223372036854775807"),
    ("profile", "profile_id", "'x'"),
    ("profile", "profile_id", "NULL"),
    ("profile", "config", "'[]'"),
    ("profile", "config", "'null'"),
    ("profile", "config", "'{\"a\":1,\"a\":2}'"),
    ("profile", "config", "'{'"),
    ("profile", "config", "x'7b7d'"),
    ("profile", "config", "5"),
    ("profile", "config", "NULL"),
    ("profile", "config", "cast(x'7b22ff223a317d' AS TEXT)"),
    ("profile", "interval_ms", "1"),
    ("profile", "interval_ms", "-86400000"),
    ("profile", "interval_ms", "9223372036854775807"),
    ("profile", "interval_ms", "'86400000'"),
    ("profile", "interval_ms", "86400000.0"),
    ("profile", "keep_count", "-1"),
    ("profile", "refreshed_at", "-1"),
    ("profile", "refreshed_at", "253402300800000"),
    ("profile", "failures", "9223372036854775807"),
    ("profile", "publish_at", "x'00'"),
    ("profile", "published_id", "'x' || char(10) || 'JWT_SECRET=1'"),
    ("profile", "publish_error", "printf('%.*c', 700, 'A')"),
    ("profile", "last_error", "cast(x'ff' AS TEXT)"),
    ("assistant", "id", "'asst_x' || char(10) || 'JWT_SECRET=1'"),
    ("assistant", "id", "'gpt_x'"),
    ("assistant", "id", "NULL"),
    ("assistant", "seq", "9223372036854775807"),
    ("assistant", "seq", "NULL"),
    ("assistant", "upstream", "'http://a b'"),
    ("assistant", "upstream", "NULL"),
    ("assistant", "label", "'best'"),
    ("assistant", "label", "NULL"),
    ("assistant", "config", "'\"text\"'"),
    ("assistant", "created_at", "9223372036854775807"),
    ("assistant", "created_at", "-9223372036854775808"),
    ("assistant", "created_at", "NULL"),
    ("assistant", "profile_id", "99"),
    ("assistant", "deleted_at", "5"),
    ("rotation", "nonce", "'a b'"),
    ("rotation", "nonce", "NULL"),
    ("rotation", "reason", "'because'"),
    ("rotation", "outcome", "'maybe'"),
    ("rotation", "overrides", "'[1]'"),
    ("rotation", "started_at", "'now'"),
    ("rotation", "new_id", "'../x'"),
    ("rotation", "error", "x'00'"),
    ("installation", "tag", "NULL"),
    ("installation", "tag", "printf('%.*c', 30, 'A')"),
    ("installation", "only", "2"),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A site with a row in each table, and a backup of it."""
    site = Site(tmp_path_factory.mktemp("filled"))
    site.migrate()
    site.oam("initialize")
    site.oam("backup", "copy.db")
    return site


@pytest.mark.parametrize("table, column, value", BAD)
def test_a_value_that_we_would_not_write_is_refused(filled, table, column, value):
    site = filled
    before, env = rows(site), site.env_file.read_bytes()
    craft(
        site.folder / "copy.db",
        site.folder / "crafted.db",
        f"UPDATE {table} SET {column} = {value}",
    )
    done = site.oam("restore", "crafted.db", "--yes", check=False)
    assert done.returncode == 1
    assert f"{table}, row " in done.stderr
    # The schema knows of two columns that they do not go together, not which one is wrong.
    assert f", {column}: " in done.stderr or "at odds" in done.stderr
    assert rows(site) == before and site.env_file.read_bytes() == env
    assert leave_no_trace(site)


@pytest.mark.parametrize(
    "change, complaint",
    [
        ("DELETE FROM installation", "installation, row 1: it is missing"),
        ("INSERT INTO installation SELECT * FROM installation", "installation, row 1: "),
        ("INSERT INTO profile SELECT * FROM profile", "profile, row 1: "),
        (
            "CREATE TEMP TABLE t AS SELECT * FROM profile; UPDATE t SET profile_id = 2, "
            "name = 'two'; INSERT INTO profile SELECT * FROM t",
            "profile, row 2: ",
        ),
        ("DELETE FROM profile", "profile_id: there is no such profile"),
        ("ALTER TABLE profile DROP COLUMN env_key", "profile, row 0: "),
        ("DROP TABLE rotation", "rotation, row 0: "),
        (
            "ALTER TABLE profile RENAME TO p; CREATE VIEW profile AS WITH RECURSIVE r(n) AS "
            "(SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT p.* FROM p, r",
            "profile, row 0: ",
        ),
        (
            "ALTER TABLE rotation RENAME TO r; CREATE VIRTUAL TABLE rotation USING fts5("
            "rotation_id, profile_id, reason, nonce, config, started_at, ended_at, outcome, "
            "old_id, new_id, error, overrides, error_name)",
            "rotation, row 0: ",
        ),
        (
            "ALTER TABLE profile RENAME COLUMN last_error TO e; ALTER TABLE profile ADD COLUMN "
            "last_error AS (substr(hex(zeroblob(30000000)), 1, 9))",
            "profile, row 0, last_error: it is not a stored column",
        ),
        ("PRAGMA user_version = 0", "not a backup"),
        ("PRAGMA application_id = 5", "not a backup"),
        ("PRAGMA user_version = 99", "version 99"),
        ("PRAGMA user_version = -1", "not a backup"),
    ],
)
def test_a_schema_that_is_not_ours_is_refused_at_once(filled, change, complaint):
    site = filled
    before, started = rows(site), time.monotonic()
    craft(site.folder / "copy.db", site.folder / "crafted.db", change)
    done = site.oam("restore", "crafted.db", "--yes", check=False)
    assert done.returncode == 1 and complaint in done.stderr
    assert rows(site) == before and leave_no_trace(site)
    assert time.monotonic() - started < 20


def test_only_rows_of_our_tables_come_back(quiet_site):
    """Triggers that act later, views, indexes, other tables, leases, counts."""
    site = quiet_site
    site.oam("initialize")
    site.oam("create", "--set", "name=Second")
    clean = site.sql("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
    site.oam("backup", "copy.db")
    db = connect(site.folder / "copy.db")
    db.executescript(
        """
        CREATE TABLE extra (x);
        CREATE INDEX slow ON profile (failures);
        CREATE VIEW list AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)
          SELECT * FROM r;
        CREATE TRIGGER later AFTER UPDATE ON profile BEGIN
          UPDATE profile SET env_key = 'JWT_SECRET'; END;
        UPDATE profile SET assistants = 500;
        DROP TRIGGER assistant_added;
        INSERT INTO lease VALUES (1, 'nobody', 1, 253402300799999);
        UPDATE sqlite_sequence SET seq = 9223372036854775807;
        ALTER TABLE profile ADD COLUMN more TEXT DEFAULT 'x';
        """
    )
    db.execute("UPDATE profile SET env_key = 'OPENAI_ASSISTANT_ID'")
    db.execute("DROP TRIGGER later")
    db.execute("UPDATE profile SET env_key = 'OPENAI_ASSISTANT_ID'")
    db.execute(
        "CREATE TRIGGER later AFTER UPDATE ON profile BEGIN "
        "UPDATE profile SET env_key = 'JWT_SECRET'; END"
    )
    db.close()
    site.oam("restore", "copy.db", "--yes")
    assert (
        site.sql("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
        == clean
    )
    assert site.sql("SELECT assistants FROM profile") == [(2,)]
    assert site.sql("SELECT * FROM lease") == []
    site.oam("create", "--set", "name=Third")  # the sequence has not come to its end
    assert site.sql("SELECT env_key FROM profile") == [("OPENAI_ASSISTANT_ID",)]


def test_restore_of_the_store_itself_cleans_it(quiet_site):
    site = quiet_site
    id = site.oam("initialize").stdout.strip()
    site.sql("CREATE TRIGGER later AFTER UPDATE ON profile BEGIN DELETE FROM lease; END")
    assert "later" in site.oam("doctor", check=False).stdout
    site.oam("restore", "oam.db", "--yes")
    assert site.sql("SELECT 1 FROM sqlite_schema WHERE name = 'later'") == []
    assert site.oam("current").stdout.strip() == id


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_backup_is_refused_or_whole(filled, seed):
    """Whatever bytes are lost: the store is as it was, or as the whole backup is."""
    site, chance = filled, random.Random(seed)
    before = rows(site)
    data = bytearray((site.folder / "copy.db").read_bytes())
    for _ in range(chance.choice((1, 10, 200))):
        at = chance.randrange(len(data))
        data[at : at + 8] = chance.randbytes(8)
    if seed % 3 == 0:
        data = data[: chance.randrange(len(data))]
    (site.folder / "torn.db").write_bytes(data)
    done = site.oam("restore", "torn.db", "--yes", check=False)
    assert done.returncode in (0, 1, 2)
    if done.returncode:
        assert rows(site) == before and leave_no_trace(site)
    for file in site.folder.glob("*.bak"):
        file.unlink()
    site.oam("restore", "copy.db", "--yes")
    assert [len(v) for v in rows(site).values()] == [len(v) for v in before.values()]
    for file in site.folder.glob("*.bak"):
        file.unlink()


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_what_is_written_meanwhile_is_in_the_copy_or_in_the_store(quiet_site, mode):
    site = quiet_site
    site.oam("initialize")
    site.oam("backup", "copy.db")
    insert = (
        "INSERT INTO assistant (id, upstream, label, config, created_at, updated_at) "
        "VALUES (?, 'embedded', 'unmanaged', json_object('name', printf('%.*c', ?, 'x')), 1, 1)"
    )
    db = connect(site.db)
    db.execute("BEGIN")
    db.executemany(insert, [(f"asst_big{n}", 50_000) for n in range(600)])
    db.execute("COMMIT")
    assert db.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode.lower(),)
    written, stop = [], threading.Event()

    def write():
        db = sqlite3.connect(site.db, isolation_level=None, timeout=30)
        while not stop.is_set():
            db.execute(insert, (f"asst_small{len(written)}", 1))
            written.append(f"asst_small{len(written)}")
            time.sleep(0.002)  # or nobody else ever gets a lock
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        site.oam("restore", "copy.db", "--yes")
    finally:
        stop.set()
        writer.join()
    db.close()
    (copy,) = site.folder.glob("oam.db.*.bak")
    there = set(site.sql("SELECT id FROM assistant"))
    db = connect(copy)
    there |= set(db.execute("SELECT id FROM assistant"))
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    assert len(written) > 1 and not {(id,) for id in written} - there
    assert site.sql("PRAGMA integrity_check") == [("ok",)]
    assert not site.db.with_name("oam.db-journal").exists()


def test_a_backup_ends_though_others_write(quiet_site):
    """SQLite begins a copy again when it sees a change."""
    site = quiet_site
    site.oam("initialize")
    db = connect(site.db)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("CREATE TABLE filling (bytes)")
    for _ in range(10):
        db.execute("INSERT INTO filling VALUES (zeroblob(20000000))")
    stop = threading.Event()

    def write():
        db = sqlite3.connect(site.db, isolation_level=None, timeout=60)
        db.execute("PRAGMA synchronous = OFF")
        while not stop.is_set():
            db.execute("UPDATE profile SET failures = failures + 1")
            time.sleep(0.02)
        db.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        site.oam("backup", "copy.db")
    finally:
        stop.set()
        writer.join()
    db.close()
    db = connect(site.folder / "copy.db")
    assert db.execute("SELECT count(*) FROM filling").fetchone() == (10,)
    db.close()


# ---- WAL ----


def test_a_backup_in_wal_mode_changes_no_mode(quiet_site):
    site = quiet_site
    id = site.oam("initialize").stdout.strip()
    site.oam("backup", "copy.db")
    db = connect(site.folder / "copy.db")
    assert db.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    db.close()
    assert not (site.folder / "copy.db-wal").exists()
    site.oam("restore", "copy.db", "--yes")
    expected = "wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "delete"
    assert site.sql("PRAGMA journal_mode") == [(expected,)]
    assert site.oam("current").stdout.strip() == id
    assert not list(site.folder.glob("copy.db-*"))


def test_a_log_beside_the_backup_counts(quiet_site):
    """As after cp of a store whose programs were killed."""
    site = quiet_site
    site.oam("initialize")
    site.oam("backup", "live.db")
    db = connect(site.folder / "live.db")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("UPDATE profile SET failures = 41")
    shutil.copy(site.folder / "live.db", site.folder / "copy.db")
    shutil.copy(site.folder / "live.db-wal", site.folder / "copy.db-wal")
    db.close()
    site.oam("restore", "copy.db", "--yes")
    assert site.sql("SELECT failures FROM profile") == [(41,)]


def test_doctor_tells_of_wal_and_migrate_ends_it(quiet_site):
    if sqlite3.sqlite_version_info >= (3, 51, 3):
        pytest.skip("WAL is safe with this SQLite")
    site = quiet_site
    site.oam("initialize")
    assert "store journal" not in site.oam("doctor", check=False).stdout
    site.sql("PRAGMA journal_mode = WAL")
    done = site.oam("doctor", check=False)
    assert done.returncode == 1
    (line,) = [x for x in done.stdout.splitlines() if "store journal" in x]
    assert "WAL" in line and "oam migrate" in line and sqlite3.sqlite_version in line
    site.oam("migrate")
    assert site.sql("PRAGMA journal_mode") == [("delete",)]
    assert "store journal" not in site.oam("doctor", check=False).stdout


# ---- what is read from the store ----


def tamper(site, *changes):
    """Puts a store without types and constraints in the place of the store."""
    crafted = craft(site.db, site.folder / "crafted.db", *changes)
    os.replace(crafted, site.db)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE profile SET env_key = 'JWT_SECRET', publish_at = 1",
        "UPDATE profile SET env_key = 'A=1' || char(10) || 'JWT_SECRET', publish_at = 1",
        "UPDATE profile SET env_key = NULL, publish_at = 1",
        "UPDATE profile SET name = '../x', publish_at = 1",
        "UPDATE profile SET interval_ms = 9223372036854775807",
        "UPDATE profile SET refreshed_at = -9223372036854775808",
        "UPDATE profile SET last_error = x'ff00ff', failures = 1",
        "UPDATE profile SET config = '[]', refreshed_at = 1",
        "UPDATE profile SET config = 'null', refreshed_at = 1",
        "UPDATE profile SET config = 7, refreshed_at = 1",
        "UPDATE assistant SET config = '[1]'",
        "UPDATE assistant SET config = NULL",
        "UPDATE assistant SET label = NULL WHERE label <> 'current'",
        "UPDATE assistant SET created_at = 'soon'",
        "UPDATE assistant SET created_at = 9223372036854775807",
        "UPDATE assistant SET id = 'asst_a' || char(0) || 'b'",
        "UPDATE assistant SET upstream = x'00'",
        "DELETE FROM installation",
        "UPDATE installation SET tag = NULL",
        "UPDATE installation SET tag = 'x' || char(10)",
        "UPDATE rotation SET reason = 5, error = x'00', old_id = '../x'",
        "UPDATE rotation SET ended_at = NULL, outcome = NULL, nonce = NULL",
        "UPDATE rotation SET ended_at = NULL, outcome = NULL, overrides = '[]'",
        "ALTER TABLE profile RENAME TO p; CREATE VIEW profile AS SELECT * FROM p",
    ],
)
def test_a_damaged_row_is_an_error_and_no_crash(quiet_site, change):
    site = quiet_site
    site.oam("initialize")
    site.oam("create", "--set", "name=Second")
    site.oam("profile", "show")
    before = site.env_file.read_bytes()
    tamper(site, change)
    said = ""
    for command in (
        ["status"],
        ["current"],
        ["list"],
        ["export"],
        ["history"],
        ["history", "--json"],
        ["profile", "list"],
        ["profile", "show"],
        ["refresh"],
        ["cleanup", "--keep", "1", "--yes"],
        ["cleanup", "--all", "--yes"],
        ["import", ".env"],
        ["doctor"],
    ):
        done = site.oam(*command, check=False)
        assert done.returncode in (0, 1, 2, 75), (command, done.stderr)
        said += done.stdout + done.stderr
    done = site.oam_refresh()
    assert done.returncode in (0, 1, 10, 75), done.stderr
    assert "The store is damaged: " in said or "store cannot be used" in said
    assert "FAIL store" in said
    if "env_key" in change or "name" in change:
        assert site.env_file.read_bytes() == before


def test_the_http_api_says_that_the_store_is_damaged(make_site):
    site = make_site()
    id = site.post("/initialize").data["assistantId"]
    before = site.env_file.read_bytes()
    tamper(site, "UPDATE profile SET env_key = 'JWT_SECRET', publish_at = 1")
    for reply in (site.get("/status"), site.get("/current"), site.post("/refresh")):
        assert (reply.status, reply.error["code"]) == (503, "store_damaged")
        assert "env_key where profile_id is 1" in reply.json["message"]
    assert site.env_file.read_bytes() == before
    tamper(
        site,
        "UPDATE profile SET env_key = 'OPENAI_ASSISTANT_ID'",
        "UPDATE assistant SET config = '7'",
    )
    reply = site.get(f"//v1/assistants/{id}")
    assert (reply.status, reply.json["error"]["code"]) == (503, "store_damaged")
    assert f"config where id is '{id}'" in reply.json["error"]["message"]


def test_doctor_names_table_row_and_column(quiet_site):
    site = quiet_site
    site.oam("initialize")
    assert "every page and row is sound" in site.oam("doctor", check=False).stdout
    tamper(site, "UPDATE rotation SET error = x'00'")
    done = site.oam("doctor", check=False)
    assert done.returncode == 1
    assert "rotation, row 1, error: it is a blob" in done.stdout
    assert "oam restore FILE" in done.stdout
    site.db.write_bytes(os.urandom(5000))
    done = site.oam("doctor", check=False)
    assert done.returncode == 1 and "oam restore FILE" in done.stdout


def test_what_is_no_file_does_not_hang(quiet_site):
    site = quiet_site
    os.mkfifo(site.folder / "pipe")
    for name in ("pipe", "config", "/dev/null", "/dev/zero"):
        assert site.oam("restore", name, "--yes", check=False).returncode in (1, 2)


@pytest.mark.parametrize("name", [b"caf\xe9.sh", b"caf\xe9", b"two\nlines", b"caf\xc3\xa9"])
def test_a_failed_hook_of_any_name_harms_no_store(make_site, name):
    """A file's name may have any bytes, a text in the store may not."""
    site = make_site(env={"OAM_HOOKS_DIR": "hooks"}, start=False)
    folder = site.folder / "hooks" / "deploy.d"
    folder.mkdir(parents=True)
    hook = os.path.join(bytes(folder), name)
    with open(hook, "w") as file:
        file.write("#!/bin/sh\nexit 3\n")
    os.chmod(hook, 0o755)
    site.oam("initialize")
    assert len(site.sql("SELECT name FROM hook")) == 1
    assert "every page and row is sound" in site.oam("doctor", check=False).stdout
    site.oam("backup", "copy.db")
    assert "is restored" in site.oam("restore", "copy.db", "--yes", check=False).stderr
    with open(hook, "w") as file:
        file.write("#!/bin/sh\nexit 0\n")
    site.sql("UPDATE profile SET hook_at = 1")
    done = site.oam_refresh()
    assert done.stdout == "default: the deploy hooks ran\n", done
    assert site.sql("SELECT name FROM hook") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="changes owners: needs root")
@pytest.mark.parametrize("is_whole", [True, False])
def test_what_root_restores_stays_the_services(make_site, is_whole):
    """Also in a folder of root's that the service's group may write."""
    site = make_site(env={"OAM_DB": "state/oam.db"}, start=False)
    site.db = site.folder / "state" / "oam.db"
    site.oam("initialize")
    site.oam("backup", "copy.db")
    os.chown(site.db.parent, 0, 65534)
    site.db.parent.chmod(0o770)
    os.chown(site.db, 65534, 65534)
    if not is_whole:
        site.db.write_bytes(bytes(5000))
    site.oam("restore", "copy.db", "--yes")
    kept = list(site.db.parent.glob("oam.db.*.bak"))
    for path in [site.db, *kept]:
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (65534, 0o600), path
    assert len(kept) == 1

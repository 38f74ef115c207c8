"""What stops a program at its start, and what it says then; the command line's basics."""

import base64
import json
import os
import re
import socket
import sqlite3
import subprocess

import pytest
from conftest import BUILD, ROOT, SECRET, eventually, make_token


def start_as_cgi(site, **variables):
    """Runs one program as plain CGI; its answer and what it said on standard error."""
    done = subprocess.run(
        [BUILD / "cgi" / "current"],
        env=site.environment(
            **{
                "REQUEST_METHOD": "GET",
                "SCRIPT_NAME": "/api/openai-assistant/current",
                "HTTP_AUTHORIZATION": f"Bearer {make_token()}",
                **variables,
            }
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done


@pytest.fixture
def idle(make_site):
    return make_site(start=False)


@pytest.mark.parametrize(
    "secret, complaint",
    [
        (None, "JWT_SECRET is not set"),
        ("", "JWT_SECRET is not set"),
        ("tooFew", "JWT_SECRET is too short"),
        ("x" * 31, "JWT_SECRET is too short"),
        ("ab" * 40, "JWT_SECRET is too weak"),
        ("your-super-secret-jwt-key-change-this-in-production", "JWT_SECRET can be guessed"),
        ("a-string-secret-at-least-256-bits-long", "JWT_SECRET can be guessed"),
        ("CHANGEME-changeme-changeme-changeme-xx", "JWT_SECRET can be guessed"),
        ("0123456789abcdef0123456789abcdef", "JWT_SECRET can be guessed"),
        ("gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr9C", "JWT_SECRET is known"),
    ],
)
def test_a_weak_secret_stops_the_program(idle, secret, complaint):
    idle.set_env({"JWT_SECRET": secret})
    done = start_as_cgi(idle)
    assert done.returncode == 1 and complaint in done.stderr
    assert done.stdout.startswith("Status: 500 ")
    if secret:
        assert secret not in done.stderr + done.stdout
    refused = idle.oam("token", check=False)
    assert refused.returncode == 1 and complaint in refused.stderr and not refused.stdout


@pytest.mark.parametrize(
    "secret, complaint",
    [("tooFew", "is too short"), ("gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr9C", "is known")],
)
def test_a_weak_previous_secret_stops_the_program(idle, secret, complaint):
    idle.set_env({"JWT_SECRET_PREVIOUS": secret})
    done = start_as_cgi(idle)
    assert done.returncode == 1 and secret not in done.stderr
    assert f"{idle.env_file} line 2: JWT_SECRET_PREVIOUS {complaint}" in done.stderr


def test_values_of_the_environment_are_checked_and_named(idle):
    """Nothing of it gets into a header, a log line or a file."""
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "JWT_SECRET",
                 "JWT_SECRET_PREVIOUS", "OPENAI_API_VERSION", "OAM_HTTP_PROXY", "OAM_DB"):  # fmt: skip
        done = start_as_cgi(idle, **{name: "planted\nX-Evil: 1"})
        assert done.returncode == 1 and f"environment: {name} " in done.stderr
        assert "planted" not in done.stderr + done.stdout and "Evil" not in done.stdout
    done = start_as_cgi(idle, JWT_SECRET="tooFew")
    assert "environment: JWT_SECRET is too short" in done.stderr


@pytest.mark.parametrize("alg, size", [("HS384", 48), ("HS512", 64)])
def test_longer_hashes_need_longer_secrets(idle, alg, size):
    long = (SECRET * 2)[:size]
    idle.set_env({"OAM_JWT_ALG": alg, "JWT_SECRET": long[:-1]})
    assert f"{alg} needs {size} bytes" in start_as_cgi(idle).stderr
    idle.set_env({"OAM_JWT_ALG": alg, "JWT_SECRET": long})
    token = idle.oam("token").stdout.strip()
    done = start_as_cgi(idle, HTTP_AUTHORIZATION=f"Bearer {token}")
    assert done.returncode == 0 and done.stdout.startswith("Status: 200 ")


@pytest.mark.parametrize(
    "line, complaint",
    [
        ("OAM_WORKERS=0", "line 2: OAM_WORKERS must be a whole number from 1 to 64"),
        ("OAM_WORKERS=two", "line 2: OAM_WORKERS must be a whole number"),
        ("OAM_WORKERS=1e1", "line 2: OAM_WORKERS must be a whole number"),
        ("OAM_KEEP_COUNT=-1", "line 2: OAM_KEEP_COUNT must be a whole number"),
        ("OAM_LOG_LEVEL=loud", "line 2: OAM_LOG_LEVEL must be one of"),
        ("OAM_JWT_LEEWAY=1000", "line 2: OAM_JWT_LEEWAY must be a whole number"),
        ("OAM_JWT_MANAGE=admin", "line 2: OAM_JWT_MANAGE must be claim=value"),
        ("OAM_JWT_ALG=none", "OAM_JWT_ALG must be"),
        ("OAM_JWT_ALG=hs256", "OAM_JWT_ALG must be"),
        ("OAM_JWT_ALG=RS256", "OAM_JWT_PUBLIC_KEY is not set"),
        ("OAM_WORKRES=2", "line 2: unknown name OAM_WORKRES"),
        ("\n\nexport OAM_X = 1", "line 4: unknown name OAM_X"),
    ],
)
def test_a_bad_setting_is_named_with_its_place(idle, line, complaint):
    with open(idle.env_file, "a") as f:
        f.write(line + "\n")
    done = start_as_cgi(idle)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_the_environment_wins_over_the_file_and_is_named(idle):
    idle.set_env({"OAM_LOG_LEVEL": "loud"})
    assert start_as_cgi(idle, OAM_LOG_LEVEL="error").returncode == 0
    idle.set_env()
    done = start_as_cgi(idle, OAM_LOG_LEVEL="loud")
    assert "environment: OAM_LOG_LEVEL must be one of" in done.stderr
    done = start_as_cgi(idle, OAM_BOGUS="1")
    assert "environment: unknown name OAM_BOGUS" in done.stderr


def test_a_missing_env_file_that_was_asked_for_is_named(idle):
    done = start_as_cgi(idle, OAM_ENV_FILE="/nonexistent/.env")
    assert done.returncode == 1 and "does not exist" in done.stderr


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_bad_public_key_stops_the_program(idle, content):
    idle.set_env({"OAM_JWT_ALG": "ES256", "OAM_JWT_PUBLIC_KEY": "key.pem"})
    if content:
        (idle.folder / "key.pem").write_text(content)
    assert "OAM_JWT_PUBLIC_KEY" in start_as_cgi(idle).stderr


def test_the_supervisor_stops_too(idle):
    """As FastCGI: a bad setting is an exit with status 1, not a loop of workers."""
    idle.set_env({"JWT_SECRET": "short"})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(idle.run / "s"))
        listener.listen()
        done = subprocess.run(
            [BUILD / "cgi" / "status"],
            env=idle.environment(),
            stdin=listener,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 1 and "too short" in done.stderr


def test_closed_descriptors_are_not_taken_by_others(idle):
    """FastCGI 1.0, 2.2: none but 0 need be open. Log lines must not reach what takes 2."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(idle.run / "s"))
        listener.listen()
        process = subprocess.Popen(
            [BUILD / "cgi" / "status"],
            env=idle.environment(),
            stdin=listener,
            preexec_fn=lambda: (os.close(1), os.close(2)),
        )
    try:
        for pid in eventually(lambda: idle.workers("status")):
            for fd in (1, 2):
                assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
    finally:
        process.terminate()
        assert process.wait(30) == 0


# ---- migration ----


def test_an_unmigrated_store_is_503_until_it_is_migrated(make_site):
    site = make_site(migrate=False)
    reply = site.get("/current")
    assert reply.status == 503
    assert reply.error["code"] == "store_not_migrated"
    assert "retry-after" in reply.headers
    assert str(site.folder) not in reply.raw.decode()
    assert not site.db.exists()
    site.migrate()
    assert site.get("/current").status == 200


def test_a_newer_schema_is_refused_and_kept(make_site):
    site = make_site()
    site.sql("PRAGMA user_version = 99")
    site.restart()
    assert site.get("/current").error["code"] == "store_not_migrated"
    refused = site.oam("migrate", check=False)
    assert refused.returncode == 1 and "99" in refused.stderr
    assert site.sql("PRAGMA user_version") == [(99,)]


def test_migrating_twice_changes_nothing(make_site):
    site = make_site(start=False)
    tag = site.sql("SELECT tag FROM installation")
    assert "up to date" in site.oam("migrate").stderr
    assert site.sql("SELECT tag FROM installation") == tag


def test_many_migrate_at_once(make_site):
    site = make_site(migrate=False, start=False)
    running = [
        subprocess.Popen([BUILD / "cli" / "oam", "migrate"], env=site.environment())
        for _ in range(8)
    ]
    assert [p.wait(60) for p in running] == [0] * 8
    assert site.sql("SELECT count(*) FROM installation") == [(1,)]


def test_another_programs_database_is_left_alone(make_site):
    site = make_site(migrate=False, start=False)
    site.sql("CREATE TABLE customers (name)")
    refused = site.oam("migrate", check=False)
    assert refused.returncode == 1 and "another program's database" in refused.stderr
    assert site.sql("SELECT name FROM sqlite_schema") == [("customers",)]


def test_every_column_is_explained(make_site):
    """Each column in the stored schema has a comment."""
    site = make_site(start=False)
    for name, sql in site.sql("SELECT name, sql FROM sqlite_schema WHERE type = 'table'"):
        if name.startswith("sqlite_"):
            continue
        columns = [c[1] for c in site.sql(f"PRAGMA table_info({name})")]
        for column in columns:
            # What a later migration adds stands in the line of the last column.
            if added := re.search(rf", {column} ([^,]*)", sql):
                assert "/*" in added[1], f"{name}.{column}"
                continue
            at = re.search(rf"\n  {column} ", sql).start()
            following = [re.search(rf"\n  {c} ", sql[at + 1 :]) for c in columns]
            end = min([at + 1 + f.start() for f in following if f], default=len(sql))
            assert "--" in sql[at:end], f"{name}.{column}"


# ---- the command line ----


def test_tokens_of_the_command_line_work(make_site):
    site = make_site({"OAM_JWT_MANAGE": "role=admin"})
    plain = site.oam("token").stdout.strip()
    admin = site.oam("token", "--sub", "ops", "--ttl", "15m", "--claim", "role=admin")
    assert site.get("/current", token=plain).status == 200
    assert site.post("/refresh", token=plain).status == 403
    assert site.post("/refresh", token=admin.stdout.strip()).status == 200
    payload = admin.stdout.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["sub"] == "ops" and claims["exp"] - claims["iat"] == 900


@pytest.mark.parametrize("ttl", ["0", "-1h", "1y", "h", "", "400d", "9999999999999999999s"])
def test_a_bad_ttl_is_refused(make_site, ttl):
    done = make_site(start=False).oam("token", f"--ttl={ttl}", check=False)
    assert done.returncode == 2 and "--ttl" in done.stderr and not done.stdout


def test_status_and_current_agree_with_http(make_site):
    site = make_site()
    id = site.oam("current").stdout.strip()
    assert site.get("/current").data["assistantId"] == id
    assert json.loads(site.oam("current", "--json").stdout) == {"assistantId": id}
    assert json.loads(site.oam("status", "--json").stdout) == site.get("/status").data
    assert id in site.oam("status").stdout


def test_current_refreshes_in_the_background_when_due(make_site):
    site = make_site(start=False)
    old = site.oam("current").stdout.strip()
    site.make_due()
    assert site.oam("current").stdout.strip() == old
    eventually(lambda: site.oam("current").stdout.strip() != old)
    assert site.sql("SELECT count(*) FROM assistant") == [(2,)]


@pytest.mark.parametrize(
    "arguments, status",
    [([], 2), (["--help"], 0), (["frobnicate"], 2), (["status", "extra"], 2), (["status", "--ttl=1h"], 2), (["current", "--bogus"], 2)],
)
def test_usage(make_site, arguments, status):
    done = make_site(start=False).oam(*arguments, check=False)
    assert done.returncode == status
    assert (done.stdout if status == 0 else done.stderr) != ""


def test_an_unknown_profile_is_named(make_site):
    done = make_site(start=False).oam("status", "--profile", "nobody", check=False)
    assert done.returncode == 1 and "'nobody'" in done.stderr


def test_no_secret_in_the_process_list_or_the_log(make_site):
    site = make_site({"OAM_LOG_LEVEL": "debug"})
    token = make_token()
    site.get("/current", token=token)
    site.get("/current", token=token[:-2] + "xx")
    for pid in site.processes():
        for file in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{file}", "rb") as f:
                assert SECRET.encode() not in f.read()
    log = site.log.read_text()
    assert "event=request" in log
    assert SECRET not in log and token.split(".")[1] not in log


def test_an_older_schema_is_brought_up_to_date(make_site):
    """Everything stays; an interrupted refresh of before is finished as it was meant."""
    site = make_site(start=False, migrate=False)
    config = json.dumps({"model": "m", "name": "Kept"})
    wish = json.dumps({"model": "m", "name": "Wished"})
    made = json.dumps({"model": "m", "name": "Wished", "metadata": {"oam_nonce": "n"}})
    site.db.touch(0o600)
    with sqlite3.connect(site.db) as store:
        store.executescript((ROOT / "sql/0001-initial.sql").read_text())
        store.executescript(
            f"""
            PRAGMA user_version = 1; PRAGMA application_id = {0x6F616D31};
            INSERT INTO installation VALUES (1, 'tag', 1);
            INSERT INTO profile (name, config, env_key, refreshed_at, made_at)
              VALUES ('default', '{config}', 'OPENAI_ASSISTANT_ID', 5, 1);
            INSERT INTO assistant (id, upstream, profile_id, label, config, created_at, updated_at)
              VALUES ('asst_old', 'embedded', 1, 'current', '{config}', 1, 1),
                     ('asst_made', 'embedded', NULL, 'unmanaged', '{made}', 2, 2);
            INSERT INTO rotation (profile_id, reason, nonce, config, started_at)
              VALUES (1, 'api', 'n', '{wish}', 1);
            """
        )
    store.close()
    assert site.oam("current", check=False).returncode == 1
    assert "schema 1 -> 3" in site.oam("migrate").stderr
    assert site.sql("SELECT assistants FROM profile") == [(1,)]
    assert site.oam("current").stdout == "asst_old\n"
    site.sql("UPDATE profile SET interval_ms = 0")
    site.oam_refresh()
    assert site.oam("current").stdout == "asst_made\n"
    assert json.loads(site.oam("profile", "show", "--json").stdout)["config"]["name"] == "Wished"
    assert site.sql("SELECT outcome FROM rotation") == [("recovered",)]
    assert site.sql("PRAGMA foreign_key_check") == []


def test_what_is_no_id_is_passed_over_and_said(make_site):
    """The .env may still have a placeholder; the environment may have a blank too many."""
    site = make_site({"OPENAI_ASSISTANT_ID": "your-assistant-id"})
    made = site.post("/initialize").data["assistantId"]
    assert f"OPENAI_ASSISTANT_ID={made}" in site.env_file.read_text()

    def said():
        return [x for x in site.log.read_text().splitlines() if "event=not-an-id" in x]

    lines = said()
    assert lines and all("setting=OPENAI_ASSISTANT_ID" in line for line in lines)
    assert "your-assistant-id" not in "".join(lines)
    assert site.post("/initialize").data["assistantId"] == made
    assert said() == lines

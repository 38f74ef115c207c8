"""The command line: each command, for people and for programs."""

import json
import os
import pty
import re
import select
import subprocess

import pytest
from conftest import BUILD, eventually, make_token
from fake_upstream import FakeUpstream, Fault, envelope

ID = re.compile(r"asst_[A-Za-z0-9]{24}\n")


@pytest.fixture
def quiet_site(make_site):
    """Migrated, without a web server."""
    return make_site(start=False)


def published(site, key="OPENAI_ASSISTANT_ID"):
    found = re.search(rf"^{key}=(.*)$", site.env_file.read_text(), re.M)
    return found and found[1]


def config_file(site, name="openai-assistant.json"):
    return json.loads((site.folder / "config" / name).read_text())


# ---- the commands of the old system ----


def test_create_refresh_and_get_or_create(quiet_site):
    site = quiet_site
    first = site.oam("create")
    assert ID.fullmatch(first.stdout) and "OPENAI_ASSISTANT_ID" in first.stderr
    assert published(site) == first.stdout.strip()
    assert site.oam("get-or-create").stdout == first.stdout
    second = site.oam("refresh", "--set", "name=Second")
    assert ID.fullmatch(second.stdout) and second.stdout != first.stdout
    assert first.stdout.strip() in second.stderr  # what it replaces
    assert published(site) == second.stdout.strip()
    assert config_file(site)["name"] == "Second"
    third = site.oam("get-or-create", "--force").stdout
    assert third not in (first.stdout, second.stdout)
    assert site.oam("current").stdout == third
    assert json.loads(site.oam("get", "--json").stdout)["name"] == "Second"


def test_create_keeps_all_old_ones(make_site):
    site = make_site({"OAM_KEEP_COUNT": "1"}, start=False)
    for _ in range(3):
        site.oam("create")
    site.sql("UPDATE assistant SET updated_at = 1")  # no grace for the previous one
    site.oam("create")
    assert len(json.loads(site.oam("list", "--json").stdout)) == 4
    site.sql("UPDATE assistant SET updated_at = 1")
    site.oam("refresh")
    assert len(json.loads(site.oam("list", "--json").stdout)) == 2


def test_list_and_get(quiet_site):
    site = quiet_site
    old = site.oam("create", "--set", "name=" + "long " * 30).stdout.strip()
    new = site.oam("create").stdout.strip()
    lines = site.oam("list").stdout.splitlines()
    assert lines[0].split() == ["ID", "LABEL", "NAME", "MODEL", "CREATED"]
    assert lines[1].startswith(new) and " current " in lines[1]
    assert lines[2].startswith(old) and " previous " in lines[2] and "…" in lines[2]
    assert len({line.index("gpt-4o-mini") for line in lines[1:]}) == 1  # aligned
    assert "\033" not in "".join(lines)
    assert [a["id"] for a in json.loads(site.oam("list", "--json").stdout)] == [new, old]
    assert len(json.loads(site.oam("list", "--json", "--limit", 1).stdout)) == 1
    assert json.loads(site.oam("get", old, "--json").stdout)["id"] == old
    assert f"id                   {old}\n" in site.oam("get", old).stdout
    missing = site.oam("get", "asst_missing", check=False)
    assert missing.returncode == 1 and not missing.stdout
    assert "No assistant found with id 'asst_missing'." in missing.stderr


def test_cleanup(quiet_site):
    site = quiet_site
    ids = [site.oam("create").stdout.strip() for _ in range(5)]
    would = site.oam("cleanup", "2", "--dry-run")
    assert would.stdout.split() == ids[2::-1] and "Would delete 3" in would.stderr
    done = site.oam("cleanup", "2")
    assert done.stdout.split() == ids[2::-1] and "Deleted 3" in done.stderr
    assert json.loads(site.oam("cleanup", "1", "--json").stdout) == {
        "deletedAssistants": [ids[3]],
        "failed": [],
        "keepCount": 1,
        "dryRun": False,
    }
    assert site.oam("cleanup", "1").stdout == ""
    for bad in ("0", "-1", "x", "1.5", "99999999"):
        assert site.oam("cleanup", "--", bad, check=False).returncode == 2


# ---- the others ----


def test_status_interval_and_history(quiet_site):
    site = quiet_site
    assert json.loads(site.oam("status", "--json").stdout)["assistantId"] is None
    id = site.oam("initialize").stdout.strip()
    status = json.loads(site.oam("status", "--json").stdout)
    assert status["assistantId"] == id and status["published"] is True
    assert re.search(r"lastRefresh +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(.*\)", site.oam("status").stdout)
    assert site.oam("interval").stdout == "86400000 ms (24 h)\n"
    for text, ms in (("12h", 43200000), ("90m", 5400000), ("7d", 604800000), ("60000", 60000)):
        site.oam("interval", text)
        assert json.loads(site.oam("interval", "--json").stdout)["refreshInterval"] == ms
    assert site.oam("interval", "off").stdout == "off\n"
    for bad in ("1m30", "59999", "1s", "-5", "forever", "1e9", "99999999d"):
        done = site.oam("interval", "--", bad, check=False)
        assert done.returncode in (1, 2) and "interval" in done.stderr
    assert site.oam("interval").stdout == "off\n"
    rows = json.loads(site.oam("history", "--json").stdout)
    assert [(r["reason"], r["outcome"], r["newAssistantId"]) for r in rows] == [
        ("initialize", "done", id)
    ]
    assert id in site.oam("history").stdout


def test_update_and_delete(quiet_site):
    site = quiet_site
    id = site.oam("initialize").stdout.strip()
    changed = site.oam("update", id, "--set", "temperature=0.5", "--set", "name=5x", "--json")
    assert json.loads(changed.stdout)["temperature"] == 0.5
    assert config_file(site)["name"] == "5x"  # published at once
    (site.folder / "c.json").write_text('{"description":null}')
    assert json.loads(site.oam("update", id, "--config", "c.json", "--json").stdout)["description"] is None
    piped = site.command("oam", "update", id, "--config", "-", "--json", input='{"name":"P"}')
    assert json.loads(piped.stdout)["name"] == "P"
    assert site.oam("update", id, check=False).returncode == 2
    wrong = site.oam("update", id, "--set", "tools=5", check=False)
    assert wrong.returncode == 1 and "updates.tools" in wrong.stderr
    assert site.oam("delete", id).stdout == id + "\n"
    assert json.loads(site.oam("status", "--json").stdout)["assistantId"] is None
    assert site.oam("delete", id, check=False).returncode == 1


def test_profiles(quiet_site):
    site = quiet_site
    (site.folder / "c.json").write_text('{"model":"gpt-4o","name":"Support"}')
    site.oam("profile", "set", "support-de", "--config", "c.json", "--interval", "12h", "--keep", 2)
    shown = json.loads(site.oam("profile", "show", "support-de", "--json").stdout)
    assert shown["config"] == {"model": "gpt-4o", "name": "Support"}
    assert shown["refreshInterval"] == 43200000 and shown["keepCount"] == 2
    assert shown["environmentKey"] == "OPENAI_ASSISTANT_ID_SUPPORT_DE"
    site.oam("profile", "set", "support-de", "--set", "temperature=0", "--env-key", "SUPPORT_ID")
    shown = json.loads(site.oam("profile", "show", "support-de", "--json").stdout)
    assert shown["config"] == {"model": "gpt-4o", "name": "Support", "temperature": 0}
    id = site.oam("refresh", "--profile", "support-de").stdout.strip()
    assert published(site, "SUPPORT_ID") == id and published(site) is None
    assert config_file(site, "openai-assistant.support-de.json")["assistantId"] == id
    assert {p["profile"] for p in json.loads(site.oam("profile", "list", "--json").stdout)} == {
        "default",
        "support-de",
    }
    assert "SUPPORT_ID" in site.oam("profile", "list").stdout
    site.oam("profile", "remove", "support-de", "--yes")
    assert site.oam("current", "--profile", "support-de", check=False).returncode == 1
    assert site.oam("get", id).returncode == 0  # still hosted
    assert site.sql("PRAGMA foreign_key_check") == []


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["set", "Big"], "profile"),
        (["set", "x", "--env-key", "JWT_SECRET"], "taken"),
        (["set", "x", "--env-key", "OAM_X"], "taken"),
        (["set", "x", "--env-key", "1A"], "env_key"),
        (["set", "x", "--env-key", "OPENAI_ASSISTANT_ID"], "key"),
        (["set", "x", "--interval", "5s"], "interval"),
        (["set", "x", "--set", "model=5"], "config.model"),
        (["set", "x", "--set", "nonsense=5"], "config.nonsense"),
        (["remove", "default"], "default"),
        (["remove", "nobody"], "nobody"),
        (["rename", "x"], "rename"),
    ],
)
def test_bad_profiles_change_nothing(quiet_site, arguments, complaint):
    quiet_site.oam("status")
    before = quiet_site.sql("SELECT * FROM profile")
    done = quiet_site.oam("profile", *arguments, check=False)
    assert done.returncode in (1, 2) and complaint in done.stderr
    assert quiet_site.sql("SELECT * FROM profile") == before


def test_backup_and_restore_of_the_store(site):
    """While the web server runs and refreshes go on."""
    first = site.post("/initialize").data["assistantId"]
    site.oam("backup", "copy.db")
    assert (site.folder / "copy.db").stat().st_mode & 0o777 == 0o600
    again = site.oam("backup", "copy.db", check=False)
    assert again.returncode == 1 and "already" in again.stderr
    second = site.post("/refresh").data["newAssistantId"]
    assert published(site) == second
    site.oam("restore", "copy.db", "--yes")
    assert site.get("/current").data["assistantId"] == first
    assert published(site) == first
    saved = [p for p in site.folder.glob("oam.db.*.bak")]
    assert len(saved) == 1
    site.oam("restore", saved[0])
    assert site.get("/current").data["assistantId"] == second
    assert site.sql("PRAGMA integrity_check") == [("ok",)]


def test_what_is_no_backup_is_refused(quiet_site):
    site = quiet_site
    id = site.oam("initialize").stdout.strip()
    site.oam("backup", "copy.db")
    whole = (site.folder / "copy.db").read_bytes()
    (site.folder / "torn.db").write_bytes(whole[: len(whole) // 2])
    subprocess.run(["sqlite3", site.folder / "other.db", "create table t(x)"], check=True)
    subprocess.run(["cp", site.folder / "copy.db", site.folder / "newer.db"], check=True)
    subprocess.run(["sqlite3", site.folder / "newer.db", "pragma user_version = 99"], check=True)
    (site.folder / "text").write_text("hello")
    for name in ("torn.db", "other.db", "newer.db", "text", "missing"):
        done = site.oam("restore", name, check=False)
        assert done.returncode != 0 and name in done.stderr or "99" in done.stderr
    assert site.oam("current").stdout.strip() == id


def test_restore_of_an_earlier_json_file(quiet_site):
    site = quiet_site
    old = site.oam("create", "--set", "name=Old", "--set", "instructions=I").stdout.strip()
    new = site.oam("create", "--set", "name=New").stdout.strip()
    backups = json.loads(site.oam("restore", "--json").stdout)
    assert [b["assistantId"] for b in backups] == [old]
    assert backups[0]["file"] in site.oam("restore").stdout
    assert site.oam("restore", backups[0]["file"]).stdout.strip() == old
    assert site.oam("current").stdout.strip() == old and published(site) == old
    assert config_file(site)["name"] == "Old"
    site.oam("create", "--set", "name=Newer")
    site.oam("delete", old)
    made = site.oam("restore", backups[0]["file"]).stdout.strip()
    assert made not in (old, new) and config_file(site)["name"] == "Old"


def test_export_and_import(quiet_site, make_site):
    site = quiet_site
    for n in range(3):
        site.oam("create", "--set", f"name=é {n}")
    dump = site.oam("export").stdout
    assert len(dump.splitlines()) == 3
    array = site.oam("export", "--json").stdout
    assert json.loads(array) == [json.loads(line) for line in dump.splitlines()]
    for text in (dump, array, json.dumps({"object": "list", "data": json.loads(array)})):
        other = make_site(start=False)
        (other.folder / "dump").write_text(text)
        done = other.oam("import", "dump")
        assert "Imported 3" in done.stderr and len(done.stdout.split()) == 3
        assert other.oam("export").stdout == dump
        assert "Imported 0, 3 were here already" in other.oam("import", "dump").stderr
        deleted = done.stdout.split()[0]
        other.oam("delete", deleted)
        assert other.oam("import", "dump").stdout.split() == [deleted]
        assert other.command("oam", "import", "-", input=text).returncode == 0


@pytest.mark.parametrize(
    "dump, complaint",
    [
        ('{"id":"asst_a","model":"m"}\n{"id":"asst_b","model":5}\n', "[1].model"),
        ('[{"id":"asst_a","model":"m"},{"model":"m"}]', "[1].id"),
        ('[{"id":"asst_a","model":"m","created_at":"x"}]', "[0].created_at"),
        ('{"id":"asst_a","model":"m"}\n{"id":\n', "line 2"),
        ('[{"id":"asst_a\\u0000b","model":"m"}]', "[0].id"),
        ('[{"id":"asst_a","model":"m\\u0000"}]', "[0].model"),
        ('{"assistantId":"asst_a\\u0000b","model":"m"}', "assistantId"),
        ('{"assistantId":"asst_a","model":"m\\u0000b"}', "[0].model"),
        ('{"assistantId":"asst_a","model":5}', "[0].model"),
        ('{"id":"asst_a","model":"m"}\nnull\n', "line 2"),
        ('{"id":"asst_a","model":"m"}\n[]\n', "[1]"),
        ('{"assistantId":"../x","model":"m"}', "asst_"),
        (f'{{"assistantId":"asst_{"a" * 130}","model":"m"}}', "asst_"),
        ('OPENAI_ASSISTANT_ID="asst_a\nJWT_SECRET=x"', "neither JSON nor a .env"),
        ("[5]", "[0]"),
        ("[", "JSON"),
        ('{\n"id":"asst_a",\n"model":"m","model":"n"\n}\n', "'model' occurs twice"),
        ('{\n"id":"asst_a",\n"model":}\n', "at byte 25"),
        ("\ufeff{", "JSON"),
        ("nothing", "neither JSON nor a .env"),
        ("", "neither JSON nor a .env"),
    ],
)
def test_a_bad_dump_imports_nothing(quiet_site, dump, complaint):
    (quiet_site.folder / "dump").write_text(dump)
    done = quiet_site.oam("import", "dump", check=False)
    assert done.returncode != 0 and complaint in done.stderr
    assert quiet_site.sql("SELECT count(*) FROM assistant") == [(0,)]


OLD = {
    "assistantId": "asst_abcdefghijklmnopqrstuvwx",
    "name": "Old one",
    "model": "gpt-4",
    "instructions": "I",
    "tools": [{"type": "code_interpreter"}],
    "metadata": {"a": "b"},
    "createdAt": "2025-01-01T00:00:00.000Z",
    "updatedAt": "2025-01-01T00:00:00.000Z",
}


def test_what_is_exported_can_be_imported(quiet_site, make_site):
    deep = 1
    for _ in range(60):  # and four around it
        deep = {"a": deep}
    many = []
    for number, value in enumerate([deep, {"x": [1] * 12000}, {"x": [1] * 12000}]):
        function = {"name": "f", "parameters": value}
        tools = [{"type": "function", "function": function}]
        many.append({"id": f"asst_{number}", "model": "m", "tools": tools})
    (quiet_site.folder / "dump").write_text("".join(json.dumps(one) + "\n" for one in many))
    quiet_site.oam("import", "dump")
    for arguments in ([], ["--json"]):
        other = make_site(start=False)
        (other.folder / "dump").write_text(quiet_site.oam("export", *arguments).stdout)
        assert len(other.oam("import", "dump").stdout.splitlines()) == len(many)


def test_files_of_other_editors(quiet_site):
    site = quiet_site
    assistant = {"id": "asst_abc", "model": "m", "name": "Bär"}
    dump, config = site.folder / "dump", site.folder / "config.json"
    dump.write_text("\ufeff" + json.dumps(assistant))
    assert site.oam("import", "dump").stdout.strip() == "asst_abc"
    config.write_text("\ufeff" + json.dumps({"name": "Bär"}))
    site.oam("refresh", "--config", "config.json")
    assert json.loads(site.oam("get", "--json").stdout)["name"] == "Bär"
    for text in (json.dumps(assistant), "OPENAI_ASSISTANT_ID=asst_abc\n"):
        for encoding in ("utf-16", "utf-16-le"):
            dump.write_bytes(text.encode(encoding))
            done = site.oam("import", "dump", check=False)
            assert done.returncode != 0 and "save it as UTF-8" in done.stderr


def test_import_of_the_old_systems_files(quiet_site):
    """The id that applications have goes on working."""
    site = quiet_site
    (site.folder / "old.json").write_text(json.dumps(OLD))
    done = site.oam("import", "old.json")
    assert done.stdout.strip() == OLD["assistantId"]
    assert site.oam("current").stdout.strip() == OLD["assistantId"]
    assert json.loads(site.oam("get", "--json").stdout)["name"] == "Old one"
    assert published(site) == OLD["assistantId"]
    # A second one does not push the first one out unless it is told to.
    (site.folder / "other.env").write_text("OPENAI_ASSISTANT_ID='asst_fromenv'\n")
    assert "--replace" in site.oam("import", "other.env").stderr
    assert site.oam("current").stdout.strip() == OLD["assistantId"]
    site.oam("import", "other.env", "--replace")
    assert site.oam("current").stdout.strip() == "asst_fromenv"


def test_import_from_and_into_a_server(make_site):
    server = FakeUpstream()
    for n in range(150):
        server.create({"model": "m", "name": str(n)})
    here = make_site(start=False)
    done = here.oam("import", "--from", server.url)
    assert "Imported 150" in done.stderr
    assert set(done.stdout.split()) == set(server.assistants)
    refused = here.oam("import", "--from", "http://example.com/v1", check=False)
    assert refused.returncode == 1 and "https" in refused.stderr
    (here.folder / "dump").write_text(here.oam("export").stdout)
    there = make_site({"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"}, start=False)
    made = there.oam("import", here.folder / "dump").stdout.split()
    assert len(made) == 150 and len(server.assistants) == 300
    server.close()


def test_doctor(quiet_site):
    site = quiet_site
    site.env_file.chmod(0o600)
    site.oam("initialize")
    done = site.oam("doctor")
    assert "FAIL" not in done.stdout
    assert "JWT_SECRET" in done.stdout and "********" in done.stdout
    secret = re.search("JWT_SECRET=(.*)", site.env_file.read_text())[1]
    assert secret not in done.stdout
    assert f"({site.env_file} line 1)" in done.stdout
    site.env_file.chmod(0o644)
    sick = site.oam("doctor", check=False)
    assert sick.returncode == 1 and "chmod 600" in sick.stdout
    findings = json.loads(site.oam("doctor", "--json", check=False).stdout)
    assert [f["check"] for f in findings if not f["ok"]] == [".env"]


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"JWT_SECRET": "correct-horse-battery-staple-correct"}, "can be guessed"),
        ({"OAM_JWT_ALG": "RS256", "OAM_JWT_PUBLIC_KEY": "missing.pem"}, "the file cannot be read"),
        ({"JWT_SECRET_PREVIOUS": "short"}, "JWT_SECRET_PREVIOUS is too short"),
    ],
)
def test_doctor_says_what_is_wrong_with_the_keys(make_site, settings, says):
    """And nothing of JWT_SECRET where that is not at fault."""
    site = make_site(settings, start=False)
    findings = json.loads(site.oam("doctor", "--json", check=False).stdout)
    (key,) = [f for f in findings if f["check"] == "token key"]
    assert not key["ok"] and says in key["advice"]
    words = key["finding"] + key["advice"]
    assert words.count("openssl rand") == (0 if "OAM_JWT_ALG" in settings else 1)


def test_doctor_on_a_dead_server(make_site):
    site = make_site({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, start=False)
    site.env_file.chmod(0o600)
    done = site.oam("doctor", check=False)
    assert done.returncode == 1 and re.search("FAIL upstream", done.stdout)


def test_doctor_without_a_store(make_site):
    site = make_site(start=False, migrate=False)
    assert "oam migrate" in site.oam("doctor", check=False).stdout


def test_a_store_in_which_another_profile_has_the_default_key(quiet_site):
    """As 0.1.0 allowed it: what shows and mends it works."""
    site = quiet_site
    site.oam("profile", "set", "support")
    id = site.oam("refresh", "--profile", "support").stdout.strip()
    site.sql("DELETE FROM profile WHERE name = 'default'")
    site.sql("UPDATE profile SET env_key = 'OPENAI_ASSISTANT_ID'")
    taken = site.oam("current", check=False)
    assert taken.returncode == 1 and "oam profile set support --env-key NAME" in taken.stderr
    assert "oam profile list" in site.oam("doctor", check=False).stdout
    (profile,) = json.loads(site.oam("profile", "list", "--json").stdout)
    assert (profile["profile"], profile["assistantId"]) == ("support", id)
    assert id in site.oam("list").stdout
    site.oam("profile", "set", "support", "--env-key", "SUPPORT")
    assert site.oam("current").stdout.strip() != id


# ---- misuse ----


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ([], "usage"),
        (["refersh"], "Did you mean 'refresh'?"),
        (["xyzzy"], "no command 'xyzzy'"),
        (["current", "extra"], "usage: oam current"),
        (["current", "--all"], "does not take --all"),
        (["current", "--limit", "5"], "does not take --limit"),
        (["current", "-y"], "does not take --yes"),
        (["current", "--nonsense"], "--help"),
        (["delete"], "usage: oam delete ID"),
        (["refresh", "--set", "name"], "--set must be FIELD=VALUE"),
        (["refresh", "--config", "missing.json"], "missing.json"),
        (["import"], "name a file"),
        (["import", "x", "--from", "y"], "name a file"),
        (["history", "--limit", "0"], "--limit"),
    ],
)
def test_misuse(quiet_site, arguments, complaint):
    done = quiet_site.oam(*arguments, check=False)
    assert done.returncode == 2 and complaint in done.stderr and not done.stdout


def test_what_set_takes_for_text(quiet_site):
    """What is not JSON; not JSON that we cannot use."""
    for text in ("Helper", "1e999", "{x", ""):
        made = quiet_site.oam("create", "--set", f"name={text}").stdout.strip()
        assert json.loads(quiet_site.oam("get", made, "--json").stdout)["name"] == text
    for text in ('[{"type":"file_search","type":"x"}]', '{"a":1e999}', '"\\ud800"'):
        done = quiet_site.oam("create", "--set", f"tools={text}", check=False)
        assert done.returncode == 1 and "This JSON cannot be used: " in done.stderr


def test_help(quiet_site):
    everything = quiet_site.oam("help").stdout
    for command in re.findall(r"^  oam ([a-z-]+)", everything, re.M):
        assert quiet_site.oam(command, "--help").stdout.startswith(f"  oam {command}")
    assert len(re.findall(r"^  oam ", everything, re.M)) == 21
    assert quiet_site.oam("--version").stdout.startswith("oam ")


def test_a_failure_that_may_pass_has_its_own_status(make_site):
    site = make_site({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": "k"}, start=False)
    assert site.oam("get", "asst_x", check=False).returncode == 75


def test_a_bad_configuration_changes_nothing(quiet_site):
    site = quiet_site
    id = site.oam("initialize").stdout
    (site.folder / "c.json").write_text('{"model": 5}')
    done = site.oam("refresh", "--config", "c.json", check=False)
    assert done.returncode == 1 and "config.model" in done.stderr
    (site.folder / "c.json").write_text("{")
    assert "c.json" in site.oam("refresh", "--config", "c.json", check=False).stderr
    assert site.oam("current").stdout == id


# ---- on a terminal ----


def on_terminal(site, *arguments, answer=None, **extra):
    """Runs oam on a pseudo terminal: what it wrote, and its exit status."""
    main, sub = pty.openpty()
    process = subprocess.Popen(
        [BUILD / "cli" / "oam", *arguments],
        env=site.environment(TERM="xterm", **extra),
        cwd=site.folder,
        stdin=sub,
        stdout=sub,
        stderr=sub,
    )
    os.close(sub)
    if answer is not None:
        os.write(main, answer.encode())
    text = b""
    while select.select([main], [], [], 30)[0]:
        try:
            chunk = os.read(main, 65536)
        except OSError:
            break
        if not chunk:
            break
        text += chunk
    os.close(main)
    return text.decode(), process.wait(30)


def test_questions_and_colours_on_a_terminal(quiet_site):
    site = quiet_site
    ids = [site.oam("create").stdout.strip() for _ in range(3)]
    text, status = on_terminal(site, "cleanup", "1", answer="n\n")
    assert "Delete 2 assistants for good? [y/N]" in text and "Nothing was deleted" in text
    assert len(json.loads(site.oam("list", "--json").stdout)) == 3
    text, status = on_terminal(site, "delete", ids[0], answer="y\n")
    assert status == 0 and len(json.loads(site.oam("list", "--json").stdout)) == 2
    text, status = on_terminal(site, "cleanup", "1", "--yes")
    assert "?" not in text and "1/1" in text and status == 0  # the progress bar
    assert "\033[" in on_terminal(site, "list")[0]
    assert "\033[" not in on_terminal(site, "list", NO_COLOR="1")[0]


# A window title, C1's CSI, DEL, an override of direction, and lines that look like ours.
NASTY = "\033]0;x\007\u009b2J\u0085\x7f\u202egnp\u2066\nid  asst_evil\rmodel"
STEERING = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_colours(text):
    return re.sub("\033\\[[0-9]*m", "", text).replace("\r\n", "\n")


def test_nothing_from_outside_steers_the_terminal(quiet_site):
    site = quiet_site
    config = {f: NASTY for f in ("name", "description", "instructions", "model")}
    config["metadata"] = {"a": NASTY}
    config["tools"] = [{"type": "function", "function": {"name": "f", "description": NASTY}}]
    (site.folder / "c.json").write_text(json.dumps(config))
    id = site.oam("create", "--config", "c.json").stdout.strip()
    for command in [
        ["list"],
        ["get"],
        ["update", id, "--config", "c.json"],
        ["profile", "show"],
        ["profile", "list"],
        ["history"],
        ["status"],
        ["export"],
        ["doctor"],
        ["get", "asst_" + NASTY],
        ["get", NASTY],
        [NASTY],
        ["refresh", "--set", f"{NASTY}=1"],
        ["refresh", "--config", NASTY],
        ["refresh", "--set", f"reasoning_effort={NASTY}"],
        ["restore", NASTY, "--yes"],
        ["current", "--profile", NASTY],
    ]:
        for more in ([], ["--json"]):
            text = without_colours(on_terminal(site, *command, *more)[0])
            assert text and not STEERING.search(text), (command, more, text)
            assert "\r" not in text
            assert not re.search("^id  asst_evil", text, re.M), (command, text)


def test_json_on_a_terminal_is_the_same_json(quiet_site):
    site = quiet_site
    site.oam("create", "--set", f"name={json.dumps(NASTY)}")
    piped = site.oam("get", "--json").stdout
    assert "\u009b" in piped and "\u202e" in piped  # as it is
    shown, status = on_terminal(site, "get", "--json")
    assert status == 0 and "\\u009b" in shown and "\\u202e" in shown and "\\u007f" in shown
    assert json.loads(shown) == json.loads(piped)
    assert json.loads(shown)["name"] == NASTY


def test_what_a_server_says_does_not_steer_the_terminal(make_site):
    upstream = FakeUpstream()
    env = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "k", "OAM_LOG_LEVEL": "debug"}
    site = make_site(env, start=False)
    upstream.faults.append(Fault("status", "", "", 9, status=400, body=envelope(NASTY)))
    for command in ("refresh", "list"):
        text, status = on_terminal(site, command)
        assert status == 1 and "The server said: \\x1b]0;x" in text
        assert not STEERING.search(without_colours(text)), text
    text = without_colours(on_terminal(site, "status")[0])
    assert "The assistants server refuses" in text and not STEERING.search(text)
    upstream.close()


def test_lines_of_a_value_stay_apart_from_ours(quiet_site):
    site = quiet_site
    site.oam("create", "--set", 'instructions="one\\ntwo"')
    shown = site.oam("get").stdout
    assert "instructions         one\n                     two\n" in shown


# ---- both ways are one ----


def test_http_and_command_line_share_the_rules(site):
    id = site.post("/initialize").data["assistantId"]
    assert site.oam("current").stdout.strip() == id
    new = site.oam("refresh").stdout.strip()
    assert site.get("/current").data["assistantId"] == new
    assert site.put(f"/update/{new}", {"updates": {"name": "By HTTP"}}).status == 200
    assert config_file(site)["name"] == "By HTTP"
    site.make_due()
    site.oam("current")
    eventually(lambda: site.oam("current").stdout.strip() != new)
    eventually(lambda: published(site) == site.oam("current").stdout.strip())

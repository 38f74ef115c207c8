"""The cron job: what it does when, what it says, and what happens when files fail it."""

import json
import os
import pathlib
import re
import subprocess
import time

import pytest
from conftest import BUILD, DAY, eventually
from fake_upstream import Fault, FakeUpstream

NOTHING, DONE, TEMPORARY, FAILED, USAGE = 0, 10, 75, 1, 2
FAKETIME = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.fixture
def site(make_site):
    return make_site(start=False)


def published(site):
    found = re.search(r"^OPENAI_ASSISTANT_ID=(.*)$", site.env_file.read_text(), re.M)
    return found and found[1]


def count(site, table="rotation"):
    return site.sql(f"SELECT count(*) FROM {table}")[0][0]


# ---- what it does ----


def test_nothing_due_says_nothing(site):
    site.oam("initialize")
    before = site.db.read_bytes()
    for arguments in ([], ["--quiet"], ["--jitter", "3600"], ["--profile", "default"]):
        done = site.oam_refresh(*arguments)
        assert (done.returncode, done.stdout, done.stderr) == (NOTHING, "", "")
    assert site.oam_refresh("--verbose").stdout == "Nothing is due.\n"
    assert site.db.read_bytes() == before


def test_a_store_without_profiles_has_nothing_due(site):
    assert site.oam_refresh().returncode == NOTHING
    assert count(site, "assistant") == 0


def test_what_is_due_is_replaced_and_published(site):
    old = site.oam("initialize").stdout.strip()
    site.make_due()
    plan = site.oam_refresh("--dry-run")
    assert plan.returncode == NOTHING and plan.stdout == "default: would replace the assistant\n"
    done = site.oam_refresh()
    new = site.oam("current").stdout.strip()
    assert done.stdout.startswith(f"default: {new} replaces {old}\n")
    assert done.returncode == DONE and published(site) == new
    assert site.sql("SELECT outcome FROM rotation ORDER BY rotation_id") == [("done",)] * 2


def test_dry_run_changes_nothing(site):
    site.oam("initialize")
    site.make_due()
    before = site.db.read_bytes()
    for arguments in (["--dry-run"], ["--dry-run", "--force"]):
        assert "would replace" in site.oam_refresh(*arguments).stdout
    assert site.db.read_bytes() == before


def test_force_quiet_and_one_profile(site):
    site.oam("initialize")
    site.oam("profile", "set", "extra")
    site.oam("refresh", "--profile", "extra")
    done = site.oam_refresh("--force", "--profile", "extra")
    assert done.returncode == DONE and done.stdout.startswith("extra: asst_")
    assert site.oam_refresh("--force", "--quiet").stdout == ""
    assert count(site) == 5
    unknown = site.oam_refresh("--profile", "nobody")
    assert unknown.returncode == FAILED and "nobody" in unknown.stderr


def test_an_interval_that_is_off_is_never_due(site):
    site.oam("initialize")
    site.oam("interval", "off")
    site.sql("UPDATE profile SET refreshed_at = 1")
    assert site.oam_refresh().returncode == NOTHING


def test_a_deleted_assistant_is_replaced(site):
    site.oam("delete", site.oam("initialize").stdout.strip())
    assert site.oam_refresh().returncode == DONE
    assert published(site) == site.oam("current").stdout.strip()


def test_many_at_once_replace_it_once(site):
    site.oam("initialize")
    site.make_due()
    runs = [
        subprocess.Popen(
            [BUILD / "cli" / "oam-refresh"],
            env=site.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(10)
    ]
    results = [(p.communicate(timeout=60), p.returncode) for p in runs]
    assert sorted({code for _, code in results}) == [NOTHING, DONE]
    assert [err for (_, err), _ in results if err] == []
    assert [code for _, code in results].count(DONE) == 1
    assert count(site) == 2


def test_old_assistants_go(make_site):
    site = make_site({"OAM_KEEP_COUNT": "2"}, start=False)
    for _ in range(5):
        site.oam("create")
    assert site.oam_refresh("--dry-run").stdout == "default: would delete old assistants\n"
    done = site.oam_refresh()
    assert (done.returncode, done.stdout) == (DONE, "default: old assistants deleted\n")
    assert count(site, "assistant WHERE label <> 'deleted'") == 2
    assert site.oam_refresh().returncode == NOTHING


def test_misuse(site):
    for arguments in (["--nonsense"], ["extra"], ["--jitter", "x"], ["--jitter", "-1"]):
        done = site.oam_refresh(*arguments)
        assert done.returncode == USAGE and done.stderr and not done.stdout


def test_jitter_waits_only_when_something_is_due(site):
    site.oam("initialize")
    start = time.monotonic()
    assert site.oam_refresh("--jitter", 86400).returncode == NOTHING
    assert time.monotonic() - start < 10
    site.make_due()
    process = subprocess.Popen(
        [BUILD / "cli" / "oam-refresh", "--jitter", "86400"],
        env=site.environment(),
        stdin=subprocess.DEVNULL,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)  # it would be bad luck of 1 in 40,000
    process.kill()
    process.wait()
    assert count(site) == 1


# ---- failures ----


def test_failures_are_told_apart(make_site):
    server = FakeUpstream()
    site = make_site({"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"}, start=False)
    site.oam("initialize")
    for status, code in ((503, TEMPORARY), (401, FAILED)):
        site.sql("UPDATE profile SET retry_at = 0")
        site.make_due()
        server.faults[:] = [Fault("status", "POST", status=status, times=99)]
        done = site.oam_refresh()
        assert done.returncode == code and done.stderr.startswith("oam-refresh: default: ")
        # Backed off: the next minute does not ask again.
        asked = len(server.requests)
        assert site.oam_refresh().returncode == NOTHING
        assert len(server.requests) == asked
    server.faults.clear()
    site.sql("UPDATE profile SET retry_at = 0")
    assert site.oam_refresh().returncode == DONE
    server.close()


def test_no_store(make_site):
    site = make_site(start=False, migrate=False)
    done = site.oam_refresh()
    assert done.returncode == FAILED and "oam migrate" in done.stderr


@pytest.fixture
def blocked(make_site):
    """A site whose JSON file cannot be written: a file stands where its folder should."""
    site = make_site({"OAM_CONFIG_FILE": "blocked/assistant.json"}, start=False)
    (site.folder / "blocked").write_text("in the way")
    return site


def test_publishing_that_fails_is_retried_without_another_assistant(blocked):
    site = blocked
    made = site.oam("initialize")
    id = made.stdout.strip()
    assert "could not be published yet" in made.stderr
    assert published(site) == id  # the one file that could be written
    status = json.loads(site.oam("status", "--json").stdout)
    assert status["published"] is False and status["publishError"]
    assert str(site.folder) in status["publishError"]  # the file, the step, why, what helps
    assert site.sql("SELECT published FROM status") == [("failed",)]
    assert site.oam_refresh().returncode == NOTHING  # not each minute
    site.sql("UPDATE profile SET publish_at = 1")
    again = site.oam_refresh()
    assert again.returncode == TEMPORARY and "not in the application's files" in again.stderr
    (site.folder / "blocked").unlink()
    site.sql("UPDATE profile SET publish_at = 1")
    done = site.oam_refresh()
    assert (done.returncode, done.stdout) == (DONE, f"default: {id} is published\n")
    assert json.loads((site.folder / "blocked/assistant.json").read_text())["assistantId"] == id
    assert site.oam_refresh().returncode == NOTHING
    assert count(site) == 1 and count(site, "assistant") == 1


def test_what_the_files_name_is_not_cleaned_up(make_site):
    """Applications go on with the old id as long as they cannot read the new one."""
    site = make_site({"OAM_CONFIG_FILE": "blocked/a.json", "OAM_KEEP_COUNT": "1"}, start=False)
    first = site.oam("initialize").stdout.strip()
    (site.folder / "blocked" / "a.json").unlink()
    (site.folder / "blocked").rmdir()
    (site.folder / "blocked").write_text("in the way")
    site.oam("refresh")
    site.oam("refresh")
    site.sql("UPDATE assistant SET updated_at = 1")
    site.oam("cleanup", "1", "--yes")
    assert site.sql("SELECT label FROM assistant WHERE id = ?", first) != [("deleted",)]


def test_a_published_answer_over_http(make_site):
    site = make_site()
    id = site.post("/refresh").data["newAssistantId"]
    assert published(site) == id
    assert site.get("/status").data["published"] is True


# ---- hooks ----


def add_hook(site, stage, name, script):
    folder = site.folder / "hooks" / stage
    folder.mkdir(parents=True, exist_ok=True)
    hook = folder / name
    hook.write_text(f"#!/bin/sh\n{script}\n")
    hook.chmod(0o755)


def trace(site):
    path = site.folder / "trace"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def hooked(make_site):
    site = make_site({"OAM_HOOKS_DIR": "hooks"}, start=False)
    for stage in ("pre", "deploy", "post"):
        add_hook(
            site,
            f"{stage}.d",
            "10-trace",
            f"echo {stage} $OAM_PROFILE $OAM_REASON ${{OAM_PREVIOUS_ASSISTANT_ID:--}} "
            f"${{OAM_ASSISTANT_ID:--}} $(grep -o 'asst_.*' {site.env_file}) "
            f">> {site.folder}/trace",
        )
    return site


def test_hooks_around_a_rotation(hooked):
    site = hooked
    first = site.oam("initialize").stdout.strip()
    site.make_due()
    site.oam_refresh()
    second = site.oam("current").stdout.strip()
    assert trace(site) == [
        "pre default initialize - -",
        f"deploy default initialize - {first} {first}",
        f"post default initialize - {first} {first}",
        f"pre default cron {first} - {first}",
        f"deploy default cron {first} {second} {second}",
        f"post default cron {first} {second} {second}",
    ]


def test_hooks_after_a_request_run_beside_it(hooked):
    site = hooked
    add_hook(site, "deploy.d", "00-slow", "sleep 3")
    site.start()
    start = time.monotonic()
    id = site.post("/refresh").data["newAssistantId"]
    assert time.monotonic() - start < 2.5
    eventually(lambda: f"deploy default api - {id} {id}" in trace(site))
    eventually(lambda: site.get("/status").data["published"])
    assert len([line for line in trace(site) if line.startswith("deploy")]) == 1


def test_hooks_that_fail_fail_nothing(hooked):
    site = hooked
    for stage in ("pre.d", "deploy.d", "post.d"):
        add_hook(site, stage, "00-bad", "echo secret-ish >&2; exit 3")
    done = site.oam("initialize")
    assert "exit status 3" in done.stderr and len(trace(site)) == 3
    status = json.loads(site.oam("status", "--json").stdout)
    assert status["published"] is True and status["lastHookFailure"]
    for stage in ("pre.d", "deploy.d", "post.d"):
        assert f"Hook {stage}/00-bad ended with exit status 3" in status["hookError"]
    assert "secret-ish" not in status["hookError"]


def retry_is_due(site):
    """As if the pause after the last failure were over."""
    assert site.sql("SELECT hook_at > 1 FROM profile") == [(1,)]
    site.sql("UPDATE profile SET hook_at = 1")


def test_a_deploy_hook_that_fails_is_seen_and_runs_again(hooked):
    site = hooked
    site.oam("initialize")
    says = f"$OAM_ASSISTANT_ID >> {site.folder}/trace"
    add_hook(site, "deploy.d", "20-bad", f"echo bad $OAM_REASON {says}; exit 3")
    id = site.oam("refresh").stdout.strip()
    ran = len(trace(site))
    assert trace(site)[-2] == f"bad cli {id}" and trace(site)[-1].startswith("post ")
    error = "Hook deploy.d/20-bad ended with exit status 3"
    site.start()
    status = site.get("/status").data
    assert error in status["hookError"] and status["lastHookFailure"] and status["published"]
    assert 'oam_hooks_failed{profile="default"} 1' in site.get("/metrics").raw.decode()
    row = site.sql("SELECT hook_error, hook_failed_utc FROM status")[0]
    assert error in row[0] and row[1]
    doctor = site.oam("doctor", check=False)
    assert doctor.returncode == 1 and error in doctor.stdout
    assert error in site.oam("status").stdout

    assert site.oam_refresh().returncode == NOTHING  # not each minute
    pauses = []
    for _ in range(8):
        retry_is_due(site)
        again = site.oam_refresh()
        assert again.returncode == TEMPORARY and error in again.stderr
        now = int(time.time() * 1000)
        pauses.append(round((site.sql("SELECT hook_at FROM profile")[0][0] - now) / 60_000))
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    # Only what failed runs again, and post.d does not.
    assert trace(site)[ran:] == [f"bad cli {id}"] * 8

    add_hook(site, "deploy.d", "20-bad", f"echo good {says}")
    retry_is_due(site)
    done = site.oam_refresh()
    assert (done.returncode, done.stdout) == (DONE, "default: the deploy hooks ran\n")
    assert trace(site)[-1] == f"good {id}"
    status = site.get("/status").data
    assert status["hookError"] is None and status["lastHookFailure"] is None
    assert 'oam_hooks_failed{profile="default"} 0' in site.get("/metrics").raw.decode()
    assert site.oam_refresh().returncode == NOTHING
    assert site.sql("SELECT count(*) FROM rotation") == [(2,)]  # no other assistant


def test_a_request_retries_deploy_hooks_beside_it(hooked):
    site = hooked
    add_hook(site, "deploy.d", "20-bad", "exit 3")
    site.oam("initialize")
    add_hook(site, "deploy.d", "20-bad", f"echo good >> {site.folder}/trace")
    site.start()
    site.get("/current")
    retry_is_due(site)
    site.get("/current")
    eventually(lambda: site.get("/status").data["hookError"] is None)
    assert trace(site)[-1] == "good" and len(trace(site)) == 4


@pytest.mark.parametrize("mode, remedy", [(0o644, "chmod +x"), (0o757, "chmod o-w")])
def test_a_hook_that_cannot_run_is_seen_until_it_can(hooked, mode, remedy):
    site = hooked
    add_hook(site, "deploy.d", "20-late", f"echo late >> {site.folder}/trace")
    hook = site.folder / "hooks/deploy.d/20-late"
    hook.chmod(mode)
    (site.folder / "hooks/deploy.d/20-late~").write_text("of an editor")
    doctor = site.oam("doctor", check=False).stdout
    assert "deploy.d/20-late" in doctor and remedy in doctor
    assert "ignored: deploy.d/20-late~" in doctor
    site.oam("initialize")
    status = json.loads(site.oam("status", "--json").stdout)
    assert status["hookError"].startswith("Hook deploy.d/20-late ")
    assert remedy in status["hookError"]
    hook.chmod(0o755)
    retry_is_due(site)
    assert site.oam_refresh().returncode == DONE
    assert trace(site)[-1] == "late" and len(trace(site)) == 4
    assert json.loads(site.oam("status", "--json").stdout)["hookError"] is None


def test_a_hooks_folder_that_is_not_there(make_site):
    """Nothing is lost: the hooks run when it appears."""
    site = make_site({"OAM_HOOKS_DIR": "hooks"}, start=False)
    site.oam("initialize")
    assert "OAM_HOOKS_DIR" in json.loads(site.oam("status", "--json").stdout)["hookError"]
    assert site.oam_refresh().returncode == NOTHING
    add_hook(site, "deploy.d", "x", f"echo x >> {site.folder}/trace")
    retry_is_due(site)
    assert site.oam_refresh().returncode == DONE
    assert trace(site) == ["x"]
    # A failure of pre.d is over with the next attempt.
    assert "pre.d" in json.loads(site.oam("status", "--json").stdout)["hookError"]
    site.oam("refresh")
    assert json.loads(site.oam("status", "--json").stdout)["hookError"] is None


def test_hooks_that_are_not_wanted_any_more(hooked):
    site = hooked
    add_hook(site, "deploy.d", "20-bad", "exit 3")
    site.oam("initialize")
    site.set_env({})
    retry_is_due(site)
    assert site.oam_refresh().returncode == DONE
    assert json.loads(site.oam("status", "--json").stdout)["hookError"] is None


def test_post_hooks_also_after_a_failure(make_site):
    site = make_site(
        {"OAM_HOOKS_DIR": "hooks", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, start=False
    )
    for stage in ("pre", "deploy", "post"):
        add_hook(site, f"{stage}.d", "x", f"echo {stage} >> {site.folder}/trace")
    assert site.oam("refresh", check=False).returncode == 75
    assert trace(site) == ["pre", "post"]


def test_a_hook_whose_name_is_not_utf_8_spoils_no_backup(hooked):
    site = hooked
    site.oam("initialize")
    add_hook(site, "deploy.d", os.fsdecode(b"20-b\xff"), f"echo bad >> {site.folder}/trace; exit 3")
    site.oam("refresh")
    ran = len(trace(site))
    retry_is_due(site)
    site.oam_refresh()
    assert trace(site)[ran:] == ["bad"]  # the good ones do not run again
    site.oam("backup", "backup.db")
    done = site.oam("restore", "--yes", "backup.db", check=False)
    assert "is restored" in done.stderr


def test_a_hook_that_failed_when_that_could_not_be_kept(hooked):
    """As on a full disk: then all of them run again, not none."""
    site = hooked
    site.oam("initialize")
    add_hook(site, "deploy.d", "20-bad", f"echo bad >> {site.folder}/trace; exit 3")
    site.oam("refresh")
    site.sql("DELETE FROM hook")
    retry_is_due(site)
    ran = len(trace(site))
    assert site.oam_refresh().returncode == 75
    assert [line.split()[0] for line in trace(site)[ran:]] == ["deploy", "bad"]
    assert site.sql("SELECT hook_at > 1 FROM profile") == [(1,)]


def test_post_hooks_hear_what_failed(make_site):
    site = make_site({"OAM_HOOKS_DIR": "hooks"}, start=False)
    says = f"$OAM_REASON ${{OAM_ASSISTANT_ID:--}} ${{OAM_ERROR:--}} >> {site.folder}/trace"
    add_hook(site, "post.d", "x", f"echo {says}")
    first = site.oam("initialize").stdout.strip()
    (site.folder / "config" / "openai-assistant.json").unlink()
    (site.folder / "config" / "openai-assistant.json").mkdir()
    second = site.oam("refresh").stdout.strip()
    site.sql("UPDATE profile SET publish_at = 1")
    assert site.oam_refresh().returncode != 0
    (site.folder / "config" / "openai-assistant.json").rmdir()
    site.sql("UPDATE profile SET publish_at = 1")
    assert site.oam_refresh().returncode == 10
    told = trace(site)
    assert told[0] == f"initialize {first} -" and told[-1] == f"cli {second} -"
    assert len(told) == 4
    error = json.loads(site.oam("status", "--json").stdout)["publishError"]
    assert error is None
    for line in told[1:3]:
        assert line.startswith(f"cli {second} ") and "openai-assistant.json" in line


def test_deploy_hook_of_the_command_line(site):
    hook = f'echo "$OAM_REASON $OAM_ASSISTANT_ID ${{JWT_SECRET:-clean}}" >> {site.folder}/trace'
    id = site.oam("refresh", "--deploy-hook", hook, JWT_SECRET="x" * 40).stdout.strip()
    assert trace(site) == [f"cli {id} clean"]
    # One that fails is seen until the next refresh; nobody keeps the command.
    done = site.oam("refresh", "--deploy-hook", "exit 4")
    assert "Hook --deploy-hook ended with exit status 4" in done.stderr
    assert "--deploy-hook" in json.loads(site.oam("status", "--json").stdout)["hookError"]
    assert site.sql("SELECT hook_at FROM profile") == [(0,)]
    site.oam("refresh")
    assert json.loads(site.oam("status", "--json").stdout)["hookError"] is None


def test_a_hook_may_run_oam(hooked):
    command = f"OAM_ENV_FILE={hooked.env_file} {BUILD}/cli/oam current"
    add_hook(hooked, "deploy.d", "x", f"{command} >> {hooked.folder}/trace 2>&1")
    id = hooked.oam("refresh").stdout.strip()
    assert id in trace(hooked)


def test_a_hook_whose_name_is_no_text_does_not_damage_the_store(make_site):
    site = make_site({"OAM_HOOKS_DIR": "hooks"}, start=False)
    add_hook(site, "deploy.d", "good", f"echo good >> {site.folder}/trace")
    path = os.fsencode(site.folder) + b"/hooks/deploy.d/b\xff\xe9d"
    pathlib.Path(os.fsdecode(path)).write_text(
        f"#!/bin/sh\necho bad >> {site.folder}/trace\nexit 3\n"
    )
    os.chmod(path, 0o755)
    site.oam("refresh")
    assert trace(site) == ["bad", "good"]
    assert "b??d" in json.loads(site.oam("status", "--json").stdout)["hookError"]
    retry_is_due(site)
    site.oam_refresh()
    assert trace(site) == ["bad", "good", "bad"]  # only what failed runs again
    site.oam("backup", "copy.db")
    assert "is restored" in site.oam("restore", "copy.db", "--yes", check=False).stderr


# ---- a week ----


def test_a_week_of_cron(site, record_property):
    """WEEK_STEP: minutes between two runs; 1 is what a crontab would do."""
    if not FAKETIME.exists():
        pytest.skip("libfaketime is not there")
    step = int(os.environ.get("WEEK_STEP", "1"))
    site.oam("initialize")
    site.make_due()  # the week begins with a refresh; the next are a day and a minute apart
    start = int(time.time()) + 1
    runs, statuses, outputs = 0, {}, []
    environment = site.environment(
        LD_PRELOAD=str(FAKETIME),
        ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        NO_FAKE_STAT="1",  # it changes the times of files for stat(2), but not for fstatat(2)
    )
    for minute in range(step, 7 * 24 * 60 + 1, step):
        environment["FAKETIME"] = time.strftime(
            "@%Y-%m-%d %H:%M:%S", time.localtime(start + 60 * minute)
        )
        done = subprocess.run(
            [BUILD / "cli" / "oam-refresh"],
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        runs += 1
        statuses[done.returncode] = statuses.get(done.returncode, 0) + 1
        outputs += done.stdout.splitlines() + done.stderr.splitlines()
    assert statuses == {NOTHING: runs - 7, DONE: 7}
    replaced = [line for line in outputs if "replaces" in line]
    assert len(replaced) == 7 and count(site) == 8
    backups = list((site.folder / "config").glob("*.bak"))
    assert len(backups) == 7  # published once a rotation
    assert published(site) == re.match(r"default: (\S+)", replaced[-1])[1]
    assert count(site, "assistant WHERE label <> 'deleted'") <= 6
    record_property("note", f"a week of cron: {runs} runs, {statuses}, 7 rotations")

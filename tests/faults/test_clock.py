"""The system's clock is set a year back or forward. Ids stay, a refresh comes once at most,
nothing waits for a year, and tokens are judged by the clock that there is."""

import json
import pathlib
import subprocess

import pytest
from conftest import BASE, BUILD, DAY, SANITIZER_FAULT, eventually, make_token
from fake_upstream import FakeUpstream
from fastcgi import Program

FAKETIME = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
YEAR = "365d"
NOTHING, DONE = 0, 10

pytestmark = pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not there")


def at(offset):
    """The environment of a program that sees another time."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",  # it changes the times of files for stat(2), but not for fstatat(2)
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
    }


NOW = {}
AHEAD, BACK = at(f"+{YEAR}"), at(f"-{YEAR}")


@pytest.fixture
def site(make_site):
    return make_site(start=False)


def ask(site, endpoint, clock, token=None, method="GET"):
    """The answer of a plain CGI program, its background work done too."""
    done = subprocess.run(
        [BUILD / "cgi" / endpoint],
        env=site.environment(
            REQUEST_METHOD=method,
            SCRIPT_NAME=f"{BASE}/{endpoint}",
            HTTP_AUTHORIZATION=f"Bearer {token or make_token({'exp': 4_000_000_000})}",
            **clock,
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    return json.loads(done.stdout.split(b"\r\n\r\n", 1)[1])


def rotations(site):
    return site.sql("SELECT count(*) FROM rotation")[0][0]


@pytest.mark.parametrize("clocks", [(AHEAD, NOW), (NOW, BACK), (NOW, AHEAD), (BACK, AHEAD)])
def test_one_refresh_for_a_step(site, clocks):
    before, after = clocks
    old = site.oam("initialize", **before).stdout.strip()
    assert site.oam_refresh(**before).returncode == NOTHING
    assert ask(site, "current", after)["data"]["assistantId"] == old
    eventually(lambda: rotations(site) == 2)
    # That was by the endpoint; its process may still publish.
    eventually(lambda: site.oam_refresh(**after).returncode == NOTHING)
    new = ask(site, "current", after)["data"]["assistantId"]
    status = ask(site, "status", after)["data"]
    assert new != old and status["previousAssistantId"] == old
    assert not status["needsRefresh"] and not status["refreshing"]
    assert status["published"] and f"OPENAI_ASSISTANT_ID={new}\n" in site.env_file.read_text()
    for _ in range(5):
        assert ask(site, "current", after)["data"]["assistantId"] == new
        assert site.oam_refresh(**after).returncode == NOTHING
    assert rotations(site) == 2


def test_small_corrections_refresh_nothing(site):
    site.oam("initialize")
    for offset in ("-5s", "-10m", "-23h", "+10m", "+23h"):
        assert site.oam_refresh(**at(offset)).returncode == NOTHING
    assert rotations(site) == 1


def test_a_lease_of_the_future_is_over(site):
    """A process wrote it and was killed, before the clock was set back."""
    old = site.oam("initialize").stdout.strip()
    site.make_due()
    site.sql(
        "INSERT INTO lease SELECT 1, 'refresh pid 1', made_at + ?, made_at + ? FROM profile",
        365 * DAY,
        365 * DAY + 60_000,
    )
    assert ask(site, "status", NOW)["data"]["refreshing"] is False
    ask(site, "current", NOW)
    eventually(lambda: ask(site, "current", NOW)["data"]["assistantId"] != old)
    assert rotations(site) == 2
    eventually(lambda: site.sql("SELECT count(*) FROM lease") == [(0,)])
    # One of now is believed.
    site.sql(
        "INSERT OR REPLACE INTO lease SELECT 1, 'refresh pid 1', 0, refreshed_at + 60000 "
        "FROM profile"
    )
    assert ask(site, "status", NOW)["data"]["refreshing"] is True


def test_a_failure_of_the_future_is_tried_again(site):
    old = site.oam("initialize").stdout.strip()
    site.make_due()
    site.sql("UPDATE profile SET retry_at = made_at + ?, failures = 3", 365 * DAY)
    site.sql("UPDATE profile SET publish_at = retry_at, publish_failures = 3")
    assert site.oam_refresh().returncode == DONE
    new = site.oam("current").stdout.strip()
    assert new != old and f"OPENAI_ASSISTANT_ID={new}\n" in site.env_file.read_text()
    # But a pause that was begun now is kept.
    site.make_due()
    site.sql("UPDATE profile SET retry_at = made_at + 1800000")
    assert site.oam_refresh().returncode == NOTHING


def test_files_of_the_future_are_written(site):
    id = site.oam("initialize").stdout.strip()
    site.env_file.write_text(site.env_file.read_text().replace(id, ""))
    site.sql("UPDATE profile SET publish_at = made_at + ?, publish_failures = 1", 365 * DAY)
    assert site.oam_refresh().returncode == DONE
    assert f"OPENAI_ASSISTANT_ID={id}\n" in site.env_file.read_text()
    assert rotations(site) == 1


def test_a_server_is_asked_again(make_site):
    """Also when it was asked in the future the last time."""
    server = FakeUpstream()
    site = make_site({"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"}, start=False)
    old = site.oam("initialize").stdout.strip()
    del server.assistants[old]
    site.sql("UPDATE profile SET verified_at = made_at + ?", 365 * DAY)
    assert site.oam_refresh().returncode == DONE
    assert list(server.assistants) == [site.oam("current").stdout.strip()]
    server.close()


def test_what_was_made_in_the_future_is_found(make_site):
    """A refresh is killed when its assistant was made, and the clock is set back."""
    server = FakeUpstream()
    site = make_site({"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "k"}, start=False)
    site.oam("initialize")
    new = site.oam("refresh").stdout.strip()
    server.assistants["asst_newer"] = {
        **server.assistants[new],
        "id": "asst_newer",
        "metadata": {},
    }
    site.sql("UPDATE assistant SET label = 'retired' WHERE label = 'current'")
    site.sql("UPDATE assistant SET label = 'current' WHERE label = 'previous'")
    site.sql("DELETE FROM assistant WHERE id = ?", new)
    site.sql(
        "UPDATE rotation SET ended_at = NULL, outcome = NULL, new_id = NULL, "
        "started_at = started_at + ? WHERE rotation_id = 2",
        365 * DAY,
    )
    assert site.oam_refresh().returncode == DONE
    assert site.oam("current").stdout.strip() == new
    assert site.sql("SELECT outcome FROM rotation WHERE rotation_id = 2") == [("recovered",)]
    assert len(server.assistants) == 3
    server.close()


def test_tokens_go_by_the_clock(site):
    site.oam("initialize")
    fresh = make_token()  # an hour from now
    assert ask(site, "current", NOW, fresh)["success"] is True
    assert ask(site, "current", AHEAD, fresh)["error"]["code"] == "invalid_token"
    later = make_token({"nbf": 3_000_000_000, "exp": 4_000_000_000})
    for clock in (NOW, BACK, AHEAD):
        assert ask(site, "current", clock, later)["error"]["code"] == "invalid_token"
    old = make_token({"exp": 1_700_000_000})
    assert ask(site, "current", NOW, old)["error"]["code"] == "invalid_token"


def test_a_running_program(site):
    site.set_env({"OAM_HISTORY_DAYS": "0"})  # else a year ahead the history would be old
    clock = site.folder / "clock"
    clock.write_text("+0s\n")
    environment = {k: v for k, v in at("").items() if k != "FAKETIME"} | {
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
    }
    token = make_token({"exp": 4_000_000_000})
    program = Program(
        "current", site.environment(**environment), site.folder / "socket", site.log
    )

    def current():
        answer = program.ask("GET", "/current", token)
        return json.loads(answer.split(b"\r\n\r\n", 1)[1])["data"]["assistantId"]

    try:
        ids = [current()]
        for offset in (f"-{YEAR}", "+0s", f"+{YEAR}", "+0s"):
            clock.write_text(f"{offset}\n")
            assert current() == ids[-1]
            ids.append(eventually(lambda: (id := current()) != ids[-1] and id))
            eventually(lambda: site.sql("SELECT publish_at FROM profile") == [(0,)])
            assert {current() for _ in range(20)} == {ids[-1]}
        assert rotations(site) == len(ids) == len(set(ids)) == 5
    finally:
        status = program.stop()
    assert status == 0
    assert not SANITIZER_FAULT.search(site.log.read_text())

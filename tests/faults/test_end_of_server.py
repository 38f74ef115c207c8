"""However a web server ends, the programs that it started end too; those of a spawner stay."""

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

import fastcgi
import pytest
from conftest import BUILD, ROOT, Site, alive, eventually, free_port, parent


FAMILY = 2 * len(list((ROOT / "cgi").glob("*.c")))  # a supervisor and a worker each


class SessionSite(Site):
    """lighttpd in a session of its own, as on a terminal, or as a daemon of its own."""

    options = ["-D"]

    def launch(self):
        environment = self.environment(
            PORT=str(self.port), OAM_RUN=str(self.run), OAM_PROGRAMS=str(self.programs)
        )
        return subprocess.Popen(
            ["lighttpd", *self.options, "-f", self.configuration],
            env=environment,
            stdout=self.log_file,
            stderr=self.log_file,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def servers(site):
    """The lighttpd processes of the site."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            of_site = f"OAM_ENV_FILE={site.env_file}".encode() in path.read_bytes()
            if of_site and os.readlink(path.parent / "exe").endswith("/lighttpd"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture
def site():
    with tempfile.TemporaryDirectory(prefix="oam-test-") as folder:
        site = SessionSite(folder, {"OAM_WORKERS": "1"}).migrate()
        try:
            yield site
        finally:
            site.stop()
            for pid in servers(site) + site.processes():
                with contextlib.suppress(ProcessLookupError):  # it may end by itself
                    os.kill(pid, signal.SIGKILL)


def kill_server(site, how=signal.SIGKILL):
    os.kill(site.process.pid, how)
    site.process.wait(30)


def replace_supervisor(site, name):
    """Kills it; its heir is no child of the web server."""
    old = parent(site.all_workers(name)[0])
    os.kill(old, signal.SIGKILL)
    eventually(lambda: not alive(old) and parent(site.all_workers(name)[0]) != old)


def test_a_killed_web_server_leaves_nobody(site):
    site.start()
    eventually(lambda: len(site.processes()) == FAMILY)
    replace_supervisor(site, "status")
    kill_server(site)
    eventually(lambda: not site.processes())


def test_killed_together_with_its_supervisors(site):
    """Then the workers would make heirs of a server that is gone."""
    site.start()
    above = parent(site.all_workers("status")[0])
    os.kill(site.process.pid, signal.SIGSTOP)
    os.kill(above, signal.SIGKILL)
    kill_server(site)
    eventually(lambda: not site.processes())


def test_a_refresh_in_hand_is_finished(site):
    site.start()
    id = site.post("/initialize").data["assistantId"]
    kill_server(site)
    eventually(lambda: not site.processes())
    assert site.oam("current").stdout.strip() == id
    assert site.sql("SELECT count(*) FROM rotation WHERE ended_at IS NULL") == [(0,)]


def test_an_interrupted_group_leaves_nobody(site):
    """SIGINT reaches the web server and the programs at once, also while they start."""
    chance = random.Random(7)
    for _ in range(10):
        site.port = free_port()
        site.log_file = open(site.log, "ab")
        site.process = site.launch()
        time.sleep(chance.uniform(0, 0.3))  # anywhere between its start and all running
        os.killpg(site.process.pid, signal.SIGINT)
        site.process.wait(30)
        eventually(lambda: not site.processes())
        site.stop()


def test_a_graceful_restart_goes_on(site):
    site.start()
    before = site.processes("status")
    site.process.send_signal(signal.SIGUSR1)
    eventually(lambda: site.processes("status") and not set(before) & set(site.processes("status")))
    eventually(lambda: site.get("/status", token=None).status == 401)
    kill_server(site)
    eventually(lambda: not site.processes())


def test_a_daemon_keeps_its_programs(site):
    """Who started it, and what it was before its forks, may end."""
    site.options = []
    site.port = free_port()
    site.log_file = open(site.log, "ab")
    site.process = site.launch()
    assert site.process.wait(30) == 0
    (daemon,) = eventually(lambda: len(found := servers(site)) == 1 and found)
    try:
        eventually(lambda: answers(site) and len(site.processes()) == FAMILY)
        family = site.processes()
        time.sleep(1.5)  # an end would come within a second
        assert site.processes() == family and answers(site)
    finally:
        os.kill(daemon, signal.SIGKILL)
    eventually(lambda: not site.processes())


def answers(site):
    try:
        return site.get("/status", token=None).status == 401
    except OSError:
        return False


def test_a_spawner_may_end(site):
    """spawn-fcgi starts the program and is gone; a killed supervisor has its heir there."""
    socket = site.run / "status"
    subprocess.run(
        ["spawn-fcgi", "-s", socket, "--", BUILD / "cgi" / "status"],
        env=site.environment(),
        check=True,
        capture_output=True,
        timeout=30,
    )
    replace_supervisor(site, "status")
    family = site.processes("status")
    time.sleep(2.5)  # an heir looks for its web server each second
    assert site.processes("status") == family
    answer = fastcgi.Connection(socket, fastcgi.request(HTTP_AUTHORIZATION=None)).answer()
    assert answer[0] == 401
    os.kill(parent(site.all_workers("status")[0]), signal.SIGTERM)
    eventually(lambda: not site.processes())

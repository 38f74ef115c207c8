"""A long load while cron refreshes: `make soak`. SOAK_REQUESTS (1,000,000) authenticated
requests from SOAK_CLIENTS (200) connections, mostly `current` and `status`, once with an
upstream over HTTP and once with the embedded one; a refresh is due each second. It fails
unless every answer is right, no process dies, and memory and descriptors stay flat.

tests/bench/soak.py BUILD: programs without sanitizers."""

import http.client
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
if __name__ == "__main__":
    os.environ["OAM_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve())
sys.path.insert(0, str(HERE.parent))

from conftest import BASE, Site, eventually, make_token  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402

REQUESTS = int(os.environ.get("SOAK_REQUESTS", 1_000_000))
CLIENTS = int(os.environ.get("SOAK_CLIENTS", 200))
SECONDS_MAX = 3600  # of the load of one upstream
MARKS = (0.1, 0.5, 1)  # of the load: here the processes are measured, at rest
PAUSE = 1  # seconds between two refreshes
PATHS = {
    f"{BASE}/current": 60,
    f"{BASE}/status": 34,
    f"{BASE}/details": 2,
    f"{BASE}/list?limit=1": 2,
    f"{BASE}/metrics": 1,
}
EMBEDDED_PATHS = {**PATHS, "/v1/assistants?limit=1": 1}


class Beside(threading.Thread):
    """Something that goes on beside the load."""

    def __init__(self, site):
        super().__init__()
        self.site, self.over = site, threading.Event()
        self.faults, self.samples = [], []

    def stop(self):
        self.over.set()
        self.join()


class Cron(Beside):
    """oam-refresh again and again: in turn something is due (the workers, who see it, too,
    may be faster), and --force."""

    def run(self):
        force = []
        while not self.over.wait(PAUSE):
            try:
                if not force:
                    self.site.make_due()
                done = self.site.oam_refresh(*force)
                force = [] if force else ["--force"]
                if done.returncode not in (0, 10):
                    self.faults.append(done.stderr)
            except Exception as fault:
                self.faults.append(repr(fault))


class Sampler(Beside):
    """One more client, which looks at what it gets: (asked, answered, id)."""

    def run(self):
        fields = {"Authorization": f"Bearer {make_token()}"}
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        while not self.over.wait(0.01):
            asked = time.time_ns() // 1_000_000
            try:
                connection.request("GET", f"{BASE}/current", headers=fields)
                response = connection.getresponse()
                raw = response.read()
                assert response.status == 200, raw
                id = json.loads(raw)["data"]["assistantId"]
                self.samples.append((asked, time.time_ns() // 1_000_000, id))
            except (AssertionError, OSError, http.client.HTTPException) as fault:
                self.faults.append(repr(fault))
                connection.close()
        connection.close()


# ms: what replaces an id takes its time, `ended_at`, before it commits; SQLite may wait.
COMMIT_MAX = 5000


def check_samples(site, samples):
    """Each id was the current one at a moment between question and answer."""
    rows = site.sql(
        "SELECT new_id, started_at, ended_at FROM rotation WHERE outcome = 'done' "
        "ORDER BY rotation_id"
    )
    ends = [ended for _, _, ended in rows[1:]] + [math.inf]
    times = {id: (start, end) for (id, start, _), end in zip(rows, ends)}
    for asked, answered, id in samples:
        begin, end = times[id]
        assert begin <= answered and asked <= end + COMMIT_MAX, (asked, answered, id, begin, end)


def measure(site, pids):
    """{pid: (PSS, RSS, descriptors)}, in KiB, when nobody else runs and all connections
    are closed."""
    time.sleep(3)
    eventually(lambda: site.processes() == pids, 60)
    found = {}
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        pss, rss = (int(re.search(rf"^{n}:\s+(\d+)", text, re.M)[1]) for n in ("Pss", "Rss"))
        found[pid] = (pss, rss, len(os.listdir(f"/proc/{pid}/fd")))
    return found


def wrk(site, clients, paths, seconds):
    """{requests, connect, read, write, timeout, status, p50, p99} of a while of load."""
    done = subprocess.run(
        ["wrk", "-t2", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s"]
        + ["-s", HERE / "load.lua", "-H", f"Authorization: Bearer {make_token()}"]
        + [f"http://127.0.0.1:{site.port}"],
        env={**os.environ, "LOAD_PATHS": " ".join(f"{p}*{n}" for p, n in paths.items())},
        capture_output=True,
        text=True,
        timeout=seconds + 90,
    )
    values = re.search(r"RESULT (.*)", done.stdout)
    assert values, done.stdout + done.stderr
    names = ("requests", "connect", "read", "write", "timeout", "status", "p50", "p99")
    return dict(zip(names, map(float, values[1].split())))


class Soak:
    """What is loaded, and what came of it. `measures` has one entry for each mark."""

    def __init__(self, site, requests, clients, paths, seconds=10, report=None):
        self.site, self.requests, self.clients = site, requests, clients
        self.paths, self.seconds, self.report = paths, seconds, report
        self.sent, self.errors, self.worst, self.took = 0, 0, 0, 0
        self.measures, self.samples = [], []

    def load(self, seconds):
        """Between two rounds nobody is connected; cron goes on."""
        start = time.monotonic()
        got = wrk(self.site, self.clients, self.paths, seconds)
        self.took += time.monotonic() - start
        self.sent += int(got["requests"])
        self.errors += int(sum(got[n] for n in ("connect", "read", "write", "timeout", "status")))
        self.worst = max(self.worst, got["p99"])
        assert self.took < SECONDS_MAX, f"only {self.sent} requests in an hour"

    def seconds_to(self, goal):
        """Not much longer than it takes to come there."""
        rate = self.sent / self.took if self.took else 0
        return max(1, min(self.seconds, math.ceil((goal - self.sent) / rate))) if rate else 1

    def run(self):
        site = self.site
        site.post("/initialize")
        family = site.processes()
        for mark in MARKS:
            beside = [Cron(site), Sampler(site)]
            for thread in beside:
                thread.start()
            try:
                while self.sent < mark * self.requests:
                    self.load(self.seconds_to(mark * self.requests))
            finally:
                for thread in beside:
                    thread.stop()
            for thread in beside:
                assert not thread.faults, thread.faults
            self.samples += beside[1].samples
            self.measures.append(measure(site, family))
            if self.report:
                self.report(self)
        return self

    def rotations(self):
        return dict(self.site.sql("SELECT reason, count(*) FROM rotation WHERE outcome = 'done' "
                                  "GROUP BY reason"))  # fmt: skip

    def check(self):
        """All but the memory."""
        assert self.errors == 0, self.errors
        assert self.samples
        check_samples(self.site, self.samples)
        done = self.rotations()
        assert done.get("cron", 0) + done.get("expiry", 0) > 0
        unfinished = "SELECT count(*) FROM rotation WHERE outcome IS NOT 'done'"
        assert self.site.sql(unfinished) == [(0,)]
        for line in self.site.log.read_text().splitlines():
            assert "worker-died" not in line and "level=error" not in line, line
        first, *others = [{p: m[2] for p, m in found.items()} for found in self.measures]
        assert all(found == first for found in others), (first, others)

    def check_memory(self):
        """PSS and RSS of each process. (PSS depends on who else on the machine shares the
        libraries.)"""
        for pid, before in self.measures[0].items():
            for old, new in zip(before[:2], self.measures[-1][pid]):
                exe = os.readlink(f"/proc/{pid}/exe")
                assert new - old <= max(0.05 * old, 1024), (exe, before, self.measures[-1][pid])


ROW = "  {:<10}{:>11}{:>8}{:>11}{:>11}{:>10}{:>10}{:>13}"


def print_row(name, load):
    pss, rss, descriptors = map(sum, zip(*load.measures[-1].values()))
    refreshes = load.rotations()
    refreshes = refreshes.get("cron", 0) + refreshes.get("expiry", 0)
    print(ROW.format(name, f"{load.sent:,}", load.errors, refreshes, len(load.measures[-1]),
                     f"{pss / 1024:.1f}", f"{rss / 1024:.1f}", descriptors), flush=True)  # fmt: skip


def soak(name, env, paths):
    with tempfile.TemporaryDirectory(prefix="oam-soak-") as folder:
        site = Site(folder, env).migrate().start()
        try:
            load = Soak(site, REQUESTS, CLIENTS, paths, report=lambda l: print_row(name, l)).run()
            load.check()
            load.check_memory()
            print(f"  {name}: {load.took:.0f} s under load, the worst p99 of 10 s {load.worst:.0f} "
                  f"ms; {len(load.samples):,} ids compared with the store", flush=True)  # fmt: skip
        finally:
            site.stop()


def main():
    print(f"{CLIENTS} clients; memory (MiB) and descriptors of all processes, at rest")
    print(ROW.format("upstream", "requests", "errors", "refreshes", "processes", "PSS", "RSS",
                     "descriptors"))  # fmt: skip
    upstream = FakeUpstream()
    try:
        soak("http", {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "k"}, PATHS)
    finally:
        upstream.close()
    soak("embedded", {}, EMBEDDED_PATHS)


if __name__ == "__main__":
    main()

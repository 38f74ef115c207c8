"""Measures the programs beside others doing the same on the same machine, in one run:
`make bench`. It prints tables and ratios and judges nothing: times depend on the machine.

tests/bench/run.py BUILD HELPERS: programs without sanitizers, and noop, measure and rivals/.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD, HELPERS = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
os.environ["OAM_BUILD"] = str(BUILD)
sys.path.insert(0, str(HERE.parent))

from conftest import BASE, ROOT, SECRET, Site, free_port, make_token  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402

CORES = os.cpu_count()
SECONDS = int(os.environ.get("BENCH_SECONDS", 5))
MANY = int(os.environ.get("BENCH_MANY", 1_000_000))
ROUNDS = 2
CONNECTIONS = 16


# ---- measuring ----


def load(url):
    """wrk's requests a second, p50 and p99 in ms; the answers must all be 200."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", HERE / "latency.lua"]
        + ["-H", f"Authorization: Bearer {make_token()}", url],
        capture_output=True,
        text=True,
    )
    rate, p50, p99, failed = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", done.stdout).groups()
    if failed != "0":
        print(f"  {failed} requests failed: {url}", file=sys.stderr)
    return float(rate), float(p50), float(p99)


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return (ordered[middle] + ordered[-middle - 1]) / 2


def load_side_by_side(urls):
    """Round after round over all of them, so that a busy moment hits each alike."""
    for url in urls.values():  # the first requests fill caches
        subprocess.run(["wrk", "-t1", "-c4", "-d1s"]
                       + ["-H", f"Authorization: Bearer {make_token()}", url],
                       capture_output=True)
    taken = {name: [] for name in urls}
    for _ in range(ROUNDS):
        for name, url in urls.items():
            taken[name].append(load(url))
    return {name: [median(v) for v in zip(*rows)] for name, rows in taken.items()}


def pss(pids):
    """The proportional share of memory of processes together, in MiB."""
    total = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return total / 1024


def family(root):
    """The ids of a process and of all below it."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def runs(times, site, *command):
    """Median and p99 in ms and peak memory in MiB of a command run so many times."""
    done = subprocess.run(
        [HELPERS / "measure", str(times), *map(str, command)],
        env=site.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    p50, p99, peak = map(float, done.stdout.split())
    return p50, p99, peak / 1024


# ---- what is measured ----


class BenchSite(Site):
    """With the program that does nothing beside ours, as many workers as cores, and the
    rivals behind the same web server."""

    def __init__(self, folder, env=None):
        super().__init__(folder, {"OAM_WORKERS": CORES, **(env or {})})
        self.ports = {"express": free_port(), "fastify": free_port()}
        noop = 'server.modules += ( "mod_proxy" )\nproxy.server = ( '
        noop += ", ".join(
            f'"/{name}" => (( "host" => "127.0.0.1", "port" => {port} ))'
            for name, port in self.ports.items()
        )
        noop += (
            " )\n"
            'fastcgi.server = ( "/noop" => ((\n'
            f'  "bin-path" => "{HELPERS}/noop", "socket" => "{self.run}/noop",\n'
            f'  "bin-environment" => ( "OAM_WORKERS" => "{CORES}" ),\n'
            '  "check-local" => "disable", "max-procs" => 1 )) )\n'
        )
        shipped = ROOT / "deploy" / "lighttpd"
        text = (shipped / "quickstart.conf").read_text()
        self.configuration = self.folder / "lighttpd.conf"
        self.configuration.write_text(
            noop + text.replace('"oam.conf"', f'"{shipped}/oam.conf"')
        )

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def fill(self, count, upstream="embedded"):
        """Old assistants of the default profile, beside its current one."""
        self.sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            "INSERT INTO assistant (id, upstream, profile_id, label, config, created_at, "
            "updated_at) SELECT printf('asst_%024d', i), ?, p.profile_id, 'retired', "
            "p.config, i, i FROM n, profile p WHERE p.name = 'default'",
            count,
            upstream,
        )


class Rival:
    def __init__(self, framework, processes, site, id):
        self.port = site.ports[framework] if processes == CORES else free_port()
        self.process = subprocess.Popen(
            ["node", HELPERS / "rivals" / "serve.js", framework, str(self.port)]
            + [str(processes)],
            env={**os.environ, "JWT_SECRET": SECRET, "BENCH_DB": str(site.db), "BENCH_ID": id},
            cwd=HELPERS / "rivals",
        )
        self.url = f"http://127.0.0.1:{self.port}{BASE}/current"
        while subprocess.run(["curl", "-s", "-o", "/dev/null", self.url]).returncode:
            if self.process.poll() is not None:
                raise SystemExit(f"{framework} does not start")
            time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def rivals_store():
    """How the rivals read the id here."""
    script = "console.log(require('./store.js').open(process.argv[1]).kind)"
    with tempfile.TemporaryDirectory() as folder:
        site = BenchSite(folder).migrate()
        site.oam("get-or-create")
        done = subprocess.run(["node", "-e", script, site.db], cwd=HELPERS / "rivals",
                              capture_output=True, text=True)
    return done.stdout.strip()


# ---- the tables ----


def table(title, heads, rows):
    print(f"\n{title}")
    widths = [max(len(str(row[i])) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        cells = [str(c).ljust(w) if i == 0 else str(c).rjust(w)
                 for i, (c, w) in enumerate(zip(row, widths))]
        print("  " + "   ".join(cells).rstrip(), flush=True)


def rows_of(taken, base):
    return [
        (name, f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{rate / taken[base][0]:.3f}")
        for name, (rate, p50, p99) in taken.items()
    ]


HEADS = ("", "requests/s", "p50 ms", "p99 ms", "ratio")


def measure_requests(site):
    idle = pss(site.processes())
    urls = {"no-op FastCGI": site.url("/noop"), "current": site.url(f"{BASE}/current"),
            "status": site.url(f"{BASE}/status")}
    taken = load_side_by_side(urls)
    table(f"Behind lighttpd, {CORES} workers, store of 1,000 (ratio to the no-op)", HEADS,
          rows_of(taken, "no-op FastCGI"))
    family_of_ours = site.processes()
    names = len(family_of_ours)
    table("Memory of the whole family (PSS, MiB)", ("", "idle", "after load"),
          [(f"ten programs, {names} processes", f"{idle:.1f}", f"{pss(family_of_ours):.1f}")])


def measure_rivals(site, id):
    kinds = [(f, n) for f in ("express", "fastify") for n in sorted({1, CORES})]
    started = {f"{f}, {n} process{'es' * (n > 1)}": Rival(f, n, site, id) for f, n in kinds}
    try:
        urls = {"oam behind lighttpd": site.url(f"{BASE}/current")}
        clusters = []
        for name, rival in started.items():
            urls[name] = rival.url
            if rival.port in site.ports.values():
                framework = name.split(",")[0]
                clusters.append(f"{name}, behind lighttpd")
                urls[f"{name}, behind lighttpd"] = site.url(f"/{framework}")
        taken = load_side_by_side(urls)
        rows = rows_of(taken, "oam behind lighttpd")
        web = pss([site.process.pid])
        shares = {"oam behind lighttpd": web + pss(site.processes("current"))}
        shares |= {n: pss(family(r.process.pid)) for n, r in started.items()}
        shares |= {n: web + shares[n.removesuffix(", behind lighttpd")] for n in clusters}
        memory = [shares[name] for name in urls]
        heads = (*HEADS, "PSS MiB")
        table(f"GET current: token, id from the store, JSON (they: {rivals_store()}; "
              "PSS with lighttpd where it is in front)", heads,
              [(*row, f"{m:.1f}") for row, m in zip(rows, memory)])
    finally:
        for rival in started.values():
            rival.stop()


def measure_refresh():
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = BenchSite(folder).migrate()
        site.oam("get-or-create")
        site.oam_refresh()  # what there is to do once
        commands = {
            "oam-refresh, nothing due": [BUILD / "cli" / "oam-refresh"],
            "sqlite3 FILE 'select 1'": ["sqlite3", site.db, "select 1"],
        }
        parts = {name: [] for name in commands}
        for _ in range(10):  # in turn, so that a busy moment hits both
            for name, command in commands.items():
                parts[name].append(runs(20, site, *command))
    taken = {name: [median(v) for v in zip(*rows)] for name, rows in parts.items()}
    least = taken["sqlite3 FILE 'select 1'"][0]
    table("200 runs, medians of ten times 20 (ratio to sqlite3)",
          ("", "median ms", "slowest ms", "peak MiB", "ratio"),
          [(name, f"{p50:.2f}", f"{p99:.2f}", f"{peak:.1f}", f"{p50 / least:.2f}")
           for name, (p50, p99, peak) in taken.items()])


def measure_cleanup():
    upstream = FakeUpstream()
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = BenchSite(folder, {"OPENAI_BASE_URL": upstream.url}).migrate().start()
        site.post("/initialize")
        site.fill(1000, upstream.url)
        for (id,) in site.sql("SELECT id FROM assistant WHERE label = 'retired'"):
            upstream.assistants[id] = {"id": id, "object": "assistant", "created_at": 1,
                                       "model": "m", "metadata": {}}
        upstream.delay = 0.05
        start = time.monotonic()
        deleted = site.post("/cleanup", {"keepCount": 1}, timeout=600).data["deletedCount"]
        took = time.monotonic() - start
        site.stop()
    upstream.close()
    least = 1000 * 0.05 / 8
    table("Cleanup of 1,000 at 50 ms, 8 at once", ("", "seconds", "ratio"),
          [("minimum", f"{least:.2f}", "1.00"),
           (f"cleanup ({deleted} deleted)", f"{took:.2f}", f"{took / least:.2f}")])


def measure_many(few):
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        many = BenchSite(folder).migrate().start()
        many.post("/initialize")
        many.fill(MANY)
        size = many.db.stat().st_size / 2**20
        urls = {}
        for name in ("current", "status"):
            urls[f"{name} of 1,000"] = few.url(f"{BASE}/{name}")
            urls[f"{name} of {MANY:,}"] = many.url(f"{BASE}/{name}")
        taken = load_side_by_side(urls)
        many.stop()
    for name in ("current", "status"):
        part = {k: v for k, v in taken.items() if k.startswith(name)}
        table(f"A store of {MANY:,} assistants ({size:,.0f} MiB): {name}", HEADS,
              rows_of(part, f"{name} of 1,000"))


def main():
    print(f"{CORES} cores, {CONNECTIONS} connections, medians of {ROUNDS} rounds of "
          f"{SECONDS} s; wrk runs on the same machine")
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = BenchSite(folder).migrate().start()
        id = site.post("/initialize").data["assistantId"]
        site.fill(1000)
        measure_requests(site)
        measure_rivals(site, id)
        measure_many(site)
        site.stop()
    measure_refresh()
    measure_cleanup()


main()

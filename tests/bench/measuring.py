"""What the benchmarks measure with, and what they measure beside ours."""

import os
import pathlib
import re
import subprocess
import time

from conftest import BASE, BUILD, ROOT, SECRET, Site, free_port, make_token

HERE = pathlib.Path(__file__).resolve().parent
HELPERS = BUILD / "bench"
CORES = os.cpu_count()
SECONDS = int(os.environ.get("BENCH_SECONDS", 5))
MANY = int(os.environ.get("BENCH_MANY", 1_000_000))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
CONNECTIONS = 16


# ---- measuring ----


def load(url, seconds=SECONDS):
    """wrk's requests a second, p50 and p99 in ms; the answers must all be 200."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", HERE / "latency.lua"]
        + ["-H", f"Authorization: Bearer {make_token()}", url],
        capture_output=True,
        text=True,
    )
    rate, p50, p99, failed = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", done.stdout).groups()
    if failed != "0":
        raise SystemExit(f"bench: {failed} requests failed: {url}")
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


def rivals_store(site):
    """How the rivals read the id here."""
    script = "console.log(require('./store.js').open(process.argv[1]).kind)"
    done = subprocess.run(["node", "-e", script, site.db], cwd=HELPERS / "rivals",
                          capture_output=True, text=True)
    return done.stdout.strip()


def table(title, heads, rows):
    print(f"\n{title}")
    widths = [max(len(str(row[i])) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        cells = [str(c).ljust(w) if i == 0 else str(c).rjust(w)
                 for i, (c, w) in enumerate(zip(row, widths))]
        print("  " + "   ".join(cells).rstrip(), flush=True)

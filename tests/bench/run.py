"""Measures the programs beside others doing the same on the same machine, in one run:
`make bench`. It prints tables and ratios and judges nothing: times depend on the machine.

tests/bench/run.py BUILD: programs without sanitizers; BUILD/bench has noop, measure, rivals/.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
os.environ["OAM_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve())
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "http")]

import instructions  # noqa: E402
from conftest import BASE, BUILD  # noqa: E402
from fake_upstream import FakeUpstream  # noqa: E402
from measuring import (  # noqa: E402
    CONNECTIONS, CORES, HELPERS, MANY, ROUNDS, SECONDS, BenchSite, Rival, family, load,
    load_side_by_side, median, pss, rivals_store, runs, table,
)  # fmt: skip
from test_front_ends import Apache, Nginx  # noqa: E402

LOADED = 100_000  # requests, after which memory is measured
SLOW = 10  # seconds that the slow upstream takes for an answer


def rows_of(taken, base):
    return [
        (name, f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{rate / taken[base][0]:.2f}",
         f"{p99 / taken[base][2]:.2f}")
        for name, (rate, p50, p99) in taken.items()
    ]  # fmt: skip


HEADS = ("", "requests/s", "p50 ms", "p99 ms", "ratio", "p99 ratio")


def versions():
    def first_line(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout + done.stderr).splitlines()[0].strip()

    model = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
             if line.startswith("model name")]  # fmt: skip
    print(f"{CORES} cores, {model[0] if model else 'unknown'}; Linux {os.uname().release}")
    for command in (["lighttpd", "-v"], ["nginx", "-v"], ["apache2", "-v"], ["node", "-v"]):
        print(f"  {command[0]}: {first_line(*command)}")
    print(f"{CONNECTIONS} connections of wrk on the same machine, medians of {ROUNDS} rounds of "
          f"{SECONDS} s", flush=True)  # fmt: skip


def measure_requests(site):
    urls = {"no-op FastCGI": site.url("/noop"), "current": site.url(f"{BASE}/current"),
            "status": site.url(f"{BASE}/status")}  # fmt: skip
    taken = load_side_by_side(urls)
    table(f"1. Behind lighttpd, {CORES} workers (ratios to a program that does nothing)", HEADS,
          rows_of(taken, "no-op FastCGI"))  # fmt: skip
    counted = instructions.measure(BUILD, HELPERS)
    table("   Instructions a request, libfcgi's included", ("", "instructions"),
          [(name, f"{count:,.0f}") for name, count in counted.items()])  # fmt: skip


def web_server(site):
    """Its processes, without the programs that it started."""

    def program(pid):
        return os.readlink(f"/proc/{pid}/exe")

    pids = family(site.process.pid)
    return [pid for pid in pids if program(pid) == program(site.process.pid)]


def measure_rivals(site, id, folder):
    """Each framework with one process and with one on each core; ours behind each server."""
    ours = {"lighttpd": site}
    folder.chmod(0o755)  # these run as www-data
    for kind in (Nginx, Apache):
        name = kind.__name__.lower()
        (folder / name).mkdir()
        (folder / name).chmod(0o755)
        ours[name] = kind(folder / name, {"OAM_WORKERS": CORES}).migrate().start()
        ours[name].post("/initialize")
    kinds = [(f, n) for f in ("express", "fastify") for n in sorted({1, CORES})]
    rivals = {f"{f}, {n} process{'es' * (n > 1)}": Rival(f, n, site, id) for f, n in kinds}
    try:
        urls, memory = {}, {}
        for name, each in ours.items():
            urls[f"oam behind {name}"] = f"http://127.0.0.1:{each.port}{BASE}/current"
            memory[f"oam behind {name}"] = lambda each=each: pss(
                [*web_server(each), *each.processes("current")]
            )
        for name, rival in rivals.items():
            urls[name] = rival.url
            memory[name] = lambda rival=rival: pss(family(rival.process.pid))
        for framework, port in site.ports.items():
            name = f"{framework}, {CORES} processes, behind lighttpd"
            urls[name] = site.url(f"/{framework}")
            memory[name] = lambda rival=rivals[f"{framework}, {CORES} processes"]: pss(
                [*web_server(site), *family(rival.process.pid)]
            )
        taken = load_side_by_side(urls)
        rows = [(*row[:5], f"{memory[row[0]]():.1f}") for row in
                rows_of(taken, "express, 1 process")]  # fmt: skip
        table("2. GET current: token, id from the store, JSON (ratio to Express; they read with "
              f"{rivals_store(site)}; memory with the web server in front)",
              (*HEADS[:5], "PSS MiB"), rows)  # fmt: skip
    finally:
        for rival in rivals.values():
            rival.stop()
        for each in (ours["nginx"], ours["apache"]):
            each.stop()


def measure_while_refreshing():
    upstream = FakeUpstream()
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = BenchSite(folder, {"OPENAI_BASE_URL": upstream.url}).migrate().start()
        before = site.post("/initialize").data["assistantId"]
        url = site.url(f"{BASE}/current")
        load(url, 2)
        rounds = {"nothing else going on": [], "a refresh going on": []}
        for _ in range(ROUNDS):
            rounds["nothing else going on"].append(load(url, SLOW - 1))
            upstream.delay = SLOW
            cron = threading.Thread(target=site.oam_refresh, args=("--force",))
            cron.start()
            time.sleep(0.5)
            rounds["a refresh going on"].append(load(url, SLOW - 1))
            cron.join()
            upstream.delay = 0
        after = site.get("/current").data["assistantId"]
        site.stop()
    upstream.close()
    assert after != before
    taken = {name: [median(v) for v in zip(*rows)] for name, rows in rounds.items()}
    table(f"3. GET current while an upstream takes {SLOW} s for each answer", HEADS,
          rows_of(taken, "nothing else going on"))  # fmt: skip


def measure_memory():
    """Of a family that is new, so that nothing was asked of it before."""
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = BenchSite(folder).migrate().start()
        site.post("/initialize")
        rows, asked = [], 0
        for wanted in (0, LOADED, 2 * LOADED):
            while asked < wanted:
                for path in ("current", "status"):
                    asked += round(load(site.url(f"{BASE}/{path}"))[0] * SECONDS)
            everything = [*web_server(site), *site.processes()]
            rows.append((f"after {asked:,} requests", f"{pss(everything):.1f}"))
        site.stop()
    table(f"4. Memory of lighttpd and all programs, {len(everything)} processes",
          ("", "PSS MiB"), rows)  # fmt: skip


def in_turn(times, commands):
    """name -> median and p99 in ms and peak MiB; in turn, so that a busy moment hits all."""
    parts = {name: [] for name in commands}
    for _ in range(10):
        for name, (site, *command) in commands.items():
            parts[name].append(runs(times // 10, site, *command))
    return {name: [median(v) for v in zip(*rows)] for name, rows in parts.items()}


def measure_refresh():
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = BenchSite(folder).migrate()
        site.oam("get-or-create")
        site.oam_refresh()  # what there is to do once
        least = "sqlite3 FILE 'select 1'"
        taken = in_turn(300, {
            "oam-refresh, nothing due": (site, BUILD / "cli" / "oam-refresh"),
            least: (site, "sqlite3", site.db, "select 1"),
        })  # fmt: skip
    table("5. A run with nothing to do (ratios to sqlite3)",
          ("", "median ms", "p99 ms", "peak MiB", "ratio", "peak ratio"),
          [(name, f"{p50:.2f}", f"{p99:.2f}", f"{peak:.1f}", f"{p50 / taken[least][0]:.2f}",
            f"{peak / taken[least][2]:.2f}")
           for name, (p50, p99, peak) in taken.items()])  # fmt: skip


def measure_growth(few):
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        many = BenchSite(folder).migrate().start()
        many.post("/initialize")
        many.fill(MANY)
        size = many.db.stat().st_size / 2**20
        counts = {"1,000": few, f"{MANY:,}": many}
        for path in ("current", "status"):
            urls = {f"{path} of {name}": site.url(f"{BASE}/{path}")
                    for name, site in counts.items()}  # fmt: skip
            table(f"6. A store of {MANY:,} assistants ({size:,.0f} MiB): {path}", HEADS,
                  rows_of(load_side_by_side(urls), f"{path} of 1,000"))  # fmt: skip
        for site in counts.values():
            site.set_env({"OAM_KEEP_COUNT": "0"})  # else there is something to do
            site.oam_refresh()
        taken = in_turn(100, {
            f"oam-refresh of {name}": (site, BUILD / "cli" / "oam-refresh")
            for name, site in counts.items()
        })  # fmt: skip
        least = taken["oam-refresh of 1,000"][0]
        table("   oam-refresh, nothing due", ("", "median ms", "peak MiB", "ratio"),
              [(name, f"{p50:.2f}", f"{peak:.1f}", f"{p50 / least:.2f}")
               for name, (p50, _, peak) in taken.items()])  # fmt: skip
        table("   Memory of the programs after that", ("", "PSS MiB"),
              [(name, f"{pss(site.processes()):.1f}") for name, site in counts.items()])
        many.stop()


def measure_cleanup():
    upstream = FakeUpstream()
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = BenchSite(folder, {"OPENAI_BASE_URL": upstream.url}).migrate().start()
        site.post("/initialize")
        site.fill(1000, upstream.url)
        for (id,) in site.sql("SELECT id FROM assistant WHERE label = 'retired'"):
            upstream.assistants[id] = {"id": id, "object": "assistant", "created_at": 1,
                                       "model": "m", "metadata": {}}  # fmt: skip
        upstream.delay = 0.05
        start = time.monotonic()
        deleted = site.post("/cleanup", {"keepCount": 1}, timeout=600).data["deletedCount"]
        took = time.monotonic() - start
        site.stop()
    upstream.close()
    least = 1000 * 0.05 / 8
    table("7. Cleanup of 1,000 at 50 ms, 8 at once", ("", "seconds", "ratio"),
          [("minimum", f"{least:.2f}", "1.00"),
           (f"cleanup ({deleted} deleted)", f"{took:.2f}", f"{took / least:.2f}")])  # fmt: skip


def main():
    versions()
    with tempfile.TemporaryDirectory(prefix="oam-bench-") as folder:
        site = BenchSite(folder).migrate().start()
        id = site.post("/initialize").data["assistantId"]
        site.fill(1000)
        measure_requests(site)
        with tempfile.TemporaryDirectory(prefix="oam-bench-") as others:
            measure_rivals(site, id, pathlib.Path(others))
        measure_growth(site)
        site.stop()
    measure_while_refreshing()
    measure_memory()
    measure_refresh()
    measure_cleanup()


main()

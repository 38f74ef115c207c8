"""Does the number of assistants matter? The same requests against a store with 1,000 and one
with 1,000,000 of them, side by side, in turns."""

import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
os.environ.setdefault("OAM_BUILD", str(pathlib.Path(__file__).resolve().parents[2] / "build"))

from conftest import Site, make_token  # noqa: E402

SIZES = (1_000, int(os.environ.get("GROWTH", "1000000")))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = os.environ.get("SECONDS_EACH", "2")

FILL = """
INSERT INTO assistant (id, upstream, label, config, created_at, updated_at)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
SELECT printf('asst_%024d', i), 'embedded', 'unmanaged',
       json_object('name', 'Assistant ' || i, 'model', 'gpt-4o-mini',
                   'instructions', printf('%.400c', 'x'), 'metadata', json_object('n', '' || i)),
       1700000000000 + i * 37, 1700000000000 + i * 37
  FROM n
"""

SCRIPT = """
wrk.headers["Authorization"] = "Bearer {token}"
wrk.headers["Content-Type"] = "application/json"
local paths = {{ {paths} }}
local at = 0
request = function()
  at = at % #paths + 1
  return wrk.format("{method}", paths[at], nil, {body})
end
"""


def ids(size):
    return [f"asst_{random.randrange(size):024}" for _ in range(2000)]


def requests(size):
    """name -> (method, paths, body)"""
    page = "/v1/assistants?limit=100"
    return {
        "first page of 100": ("GET", [page], None),
        "any page of 100": ("GET", [f"{page}&after={i}" for i in ids(size)], None),
        "any page, ascending": ("GET", [f"{page}&order=asc&after={i}" for i in ids(size)], None),
        "retrieve": ("GET", [f"/v1/assistants/{i}" for i in ids(size)], None),
        "create": ("POST", ["/v1/assistants"], '{"model":"gpt-4o-mini","name":"New"}'),
        "GET current": ("GET", ["/api/openai-assistant/current"], None),
        "GET status": ("GET", ["/api/openai-assistant/status"], None),
    }


def load(site, method, paths, body):
    """Requests per second of 8 connections."""
    text = SCRIPT.format(
        token=make_token(),
        method=method,
        paths=",".join(f'"{p}"' for p in paths),
        body=f"'{body}'" if body else "nil",
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(text)
        script.flush()
        out = subprocess.run(
            ["wrk", "-t1", "-c8", f"-d{SECONDS}s", "-s", script.name, f"http://127.0.0.1:{site.port}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert "Non-2xx" not in out and "Socket errors" not in out, out
    return float(re.search(r"Requests/sec: +([\d.]+)", out)[1])


def make(folder, size):
    site = Site(folder).migrate()
    site.sql(FILL, size)
    site.sql("ANALYZE")
    site.start()
    assert site.post("/initialize").status == 200
    return site


def main():
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        sites = [make(folder, size) for folder, size in zip((a, b), SIZES)]
        try:
            print(f"requests a second; {ROUNDS} turns of {SECONDS} s each, 8 connections; median")
            print(f"{'':22}{SIZES[0]:>12,}{SIZES[1]:>12,}   ratio")
            for name in requests(1):
                rates = ([], [])
                for turn in range(ROUNDS):
                    for n in (0, 1) if turn % 2 else (1, 0):
                        rates[n].append(load(sites[n], *requests(SIZES[n])[name]))
                small, large = map(statistics.median, rates)
                print(f"{name:22}{small:12,.0f}{large:12,.0f}   {large / small:.2f}", flush=True)
        finally:
            for site in sites:
                site.stop()


main()

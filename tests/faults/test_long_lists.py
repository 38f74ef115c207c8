"""Long lists take little memory: what is shown at once, not what there is."""

import subprocess
import sys

import pytest
from conftest import BUILD
from fake_upstream import FakeUpstream

SHORT, LONG = 100, 10_000
MIB = 1 << 20
CONFIG = (
    '{"model":"gpt-4o-mini","name":"Custom Assistant Name","description":"Translates '
    'invoices and finds mismatches.","instructions":"You are an expert in invoices.",'
    '"tools":[{"type":"code_interpreter"},{"type":"file_search"}],'
    '"metadata":{"created_by":"estrella-backend","version":"1.0.0"}}'
)

# Else AddressSanitizer keeps what was freed, and counts as memory in use.
ASAN = "detect_leaks=0:quarantine_size_mb=1:thread_local_quarantine_size_kb=64"


@pytest.fixture
def upstream():
    server = FakeUpstream()
    yield server
    server.close()


def fill(site, count):
    site.sql(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) "
        "INSERT INTO assistant (id, upstream, label, config, created_at, updated_at) "
        "SELECT printf('asst_%024d', n), 'embedded', 'unmanaged', ?2, n, n FROM n",
        count,
        CONFIG,
    )


# A process counts the memory of the one that it was before exec(3): so a small one is
# between us and oam.
RUN = """
import os, sys
pid = os.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, os.waitstatus_to_exitcode(status), file=sys.stderr)
"""


def peak(site, *arguments):
    """The most memory that oam has while it runs, in bytes; how much it printed; status."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", RUN, BUILD / "cli" / "oam", *arguments],
        env=site.environment(ASAN_OPTIONS=ASAN),
        cwd=site.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        size = 0
        while chunk := process.stdout.read(MIB):
            size += len(chunk)
        memory, status = process.stderr.read().split()[-2:]
    return int(memory) * 1024, size, int(status)


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "--json"),
        ("export",),
        ("export", "--json"),
        ("cleanup", "5", "--all", "--yes"),
    ],
    ids=" ".join,
)
def test_commands(make_site, arguments, record_property):
    peaks = []
    for count in SHORT, LONG:
        site = make_site(start=False)
        fill(site, count)
        memory, size, status = peak(site, *arguments)
        assert status == 0 and size > 5 * count
        peaks.append(memory)
    grown = (peaks[1] - peaks[0]) / MIB
    record_property("note", f"oam {' '.join(arguments)} of {LONG}: {grown:.1f} MiB")
    assert grown < 12  # as trees they are 80


def high_water(pid):
    with open(f"/proc/{pid}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024, int(fields["VmRSS"].split()[0]) * 1024


def test_a_worker_needs_the_text_of_its_answer(make_site, monkeypatch, record_property):
    """Twice of it: AddressSanitizer copies a text that grows."""
    monkeypatch.setattr("conftest.SANITIZER_ENV", {"ASAN_OPTIONS": ASAN})
    site = make_site({"OAM_WORKERS": "1"})
    site.get("/list?limit=1")
    (worker,) = site.workers("list")
    before, _ = high_water(worker)
    fill(site, LONG)
    reply = site.get("/list", timeout=90)
    assert reply.data["count"] == len(reply.data["assistants"]) == LONG
    after, _ = high_water(worker)
    record_property("note", f"GET list: {(after - before) / len(reply.raw):.1f} of its answer")
    assert after - before < 3 * len(reply.raw) + 4 * MIB
    page = site.get("//v1/assistants?limit=100")
    assert len(page.json["data"]) == 100 and page.json["has_more"] is True


def endless(pages):
    """Fresh ids for ever. It keeps count of the pages in `pages`."""

    def page(query):
        pages.append(query)
        data = [
            {"id": f"asst_p{len(pages)}n{n}", "created_at": 1, "model": "m",
             "instructions": "x" * 50_000}
            for n in range(100)
        ]
        return 200, {"object": "list", "data": data, "has_more": True}

    return page


def test_a_server_whose_list_never_ends(make_site, upstream, record_property):
    site = make_site({"OPENAI_BASE_URL": upstream.url}, start=False)
    upstream.create({"model": "m"})
    short, _, status = peak(site, "cleanup", "1", "--all", "--yes")
    assert status == 0
    pages = []
    upstream.list = endless(pages)
    memory, _, status = peak(site, "cleanup", "1", "--all", "--yes")
    assert status != 0 and 10 < len(pages) < 100  # of 5 MB
    grown = (memory - short) / MIB
    record_property("note", f"cleanup of a list without end: {grown:.0f} MiB")
    assert grown < 48  # some copies of one page


def test_pages_that_are_too_large_are_asked_for_in_parts(make_site, upstream):
    """One assistant may have a megabyte, and a page has a hundred of them."""
    text = "é" * (MIB // 6)  # six bytes each in JSON
    site = make_site({"OPENAI_BASE_URL": upstream.url}, start=False)
    ids = [upstream.create({"model": "m", "instructions": text})[1]["id"] for _ in range(40)]
    done = site.oam("export", ASAN_OPTIONS=ASAN)
    assert len(done.stdout.splitlines()) == 40
    assert all(id in done.stdout for id in ids)
    limits = [path.split("limit=")[1].split("&")[0] for _, path, _, _ in upstream.requests]
    assert limits[:3] == ["100", "25", "6"] and set(limits[3:]) == {"6"}


def test_one_page_that_is_too_large(make_site, upstream):
    site = make_site({"OPENAI_BASE_URL": upstream.url})
    for _ in range(80):
        upstream.create({"model": "m", "instructions": "x" * 250_000})
    reply = site.get("/list?limit=80", timeout=90)
    assert reply.error["code"] == "list_too_long" and reply.error["param"] == "limit"
    assert len(upstream.requests) == 1
    assert site.get("/list?limit=5", timeout=90).data["count"] == 5

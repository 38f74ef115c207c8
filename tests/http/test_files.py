"""The application's files where they are hard to write, and who owns what: real programs, real
mounts and other users."""

import fcntl
import json
import os
import subprocess

import pytest
from conftest import BUILD, SECRET

NOBODY = 65534  # a user without rights, and a group

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners, or mounts: needs root")


def can_mount():
    command = ["unshare", "-m", "mount", "--bind", "/etc", "/etc"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


needs_mounts = pytest.mark.skipif(not can_mount(), reason="mounts are not allowed here")


@pytest.fixture
def quiet(make_site):
    site = make_site(start=False)
    site.env_file.chmod(0o600)
    site.oam("initialize")
    return site


def as_nobody(site, *arguments, groups=()):
    return subprocess.run(
        [BUILD / "cli" / "oam", *map(str, arguments)],
        env=site.environment(),
        cwd=site.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        user=NOBODY,
        group=NOBODY,
        extra_groups=groups,
    )


def give_to_nobody(site):
    for path in [site.folder, *site.folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)


def mounted(site, mounts, command, **extra):
    """Runs oam where `mounts`, lines of sh, were done, and nowhere else."""
    return subprocess.run(
        ["unshare", "-m", "sh", "-ec", f'{mounts}\nexec "$@"', "sh", BUILD / "cli/oam", *command],
        env=site.environment(**extra),
        cwd=site.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_said_everywhere(site, done, *words, run=None):
    """The log of the refresh, `status` and `doctor` all have the words."""
    status = json.loads(site.oam("status", "--json").stdout)
    assert status["published"] is False
    doctor = run(site, "doctor", "--json")
    findings = json.dumps(json.loads(doctor.stdout), ensure_ascii=False)
    for word in words:
        assert word in status["publishError"], status["publishError"]
        assert word in done.stderr, done.stderr
        assert word in findings, findings


@needs_mounts
def test_a_file_that_is_mounted(quiet):
    """As docker mounts a single file."""
    mount = f"mount --bind {quiet.env_file} {quiet.env_file}"
    before = quiet.env_file.read_text()
    done = mounted(quiet, mount, ["refresh"])
    assert_said_everywhere(
        quiet,
        done,
        str(quiet.env_file),
        "replace it",
        "it is a mount point",
        "OAM_WRITE_IN_PLACE=1",
        run=lambda site, *command: mounted(site, mount, command),
    )
    assert quiet.env_file.read_text() == before

    inode = quiet.env_file.stat().st_ino
    done = mounted(quiet, mount, ["refresh"], OAM_WRITE_IN_PLACE="1")
    id = done.stdout.strip()
    assert f"OPENAI_ASSISTANT_ID={id}\n" in quiet.env_file.read_text()
    assert quiet.env_file.stat().st_ino == inode
    assert json.loads(quiet.oam("status", "--json").stdout)["published"] is True
    copy = quiet.folder / ".env.oam-before"
    assert copy.read_text() == before and copy.stat().st_mode & 0o777 == 0o600
    doctor = mounted(quiet, mount, ["doctor"], OAM_WRITE_IN_PLACE="1")
    assert "FAIL" not in doctor.stdout, doctor.stdout


@needs_mounts
def test_a_read_only_mount(make_site):
    site = make_site(start=False)
    other = site.folder / "application"
    other.mkdir()
    site.env_file = site.env_file.rename(other / ".env")
    site.env_file.chmod(0o600)
    site.env_file.write_text(f"JWT_SECRET={SECRET}\nOAM_DB={site.db}\n")
    site.oam("initialize")
    mount = f"mount --bind {other} {other}; mount -o remount,bind,ro {other}"
    done = mounted(site, mount, ["refresh"])
    assert_said_everywhere(
        site,
        done,
        str(site.env_file),
        "write the new file beside it",
        "mounted read-only",
        "mount it for writing",
        run=lambda site, *command: mounted(site, mount, command),
    )


@needs_root
def test_a_foreign_group(quiet):
    give_to_nobody(quiet)
    quiet.folder.parent.chmod(0o755)
    os.chown(quiet.env_file, NOBODY, 12345)
    done = as_nobody(quiet, "refresh")
    assert_said_everywhere(
        quiet,
        done,
        str(quiet.env_file),
        "keep its owner and group",
        "group 12345",
        "one of its groups",
        run=as_nobody,
    )
    assert quiet.env_file.stat().st_gid == 12345
    as_nobody(quiet, "refresh", groups=[12345])
    assert quiet.env_file.stat().st_gid == 12345
    assert json.loads(quiet.oam("status", "--json").stdout)["published"] is True


@needs_root
@pytest.mark.parametrize("first", ["migrate", "initialize"])
def test_what_root_made_is_the_services_the_next_day(make_site, first):
    """The first run as root, in the folder of another user; then all as that user."""
    site = make_site(start=False, migrate=False)
    site.env_file.chmod(0o600)
    give_to_nobody(site)
    with open(site.env_file, "a") as f:
        f.write("OAM_DB=data/oam.db\n")  # a folder that is not there yet
    site.db = site.folder / "data/oam.db"
    site.oam("migrate")
    if first == "initialize":
        site.oam("initialize")
        site.oam("refresh")
        site.oam("backup", "copy.db")
    strangers = [p for p in site.folder.rglob("*") if p.stat().st_uid != NOBODY]
    assert not strangers
    for command in (["initialize"], ["refresh"], ["backup", "data/another.db"]):
        done = as_nobody(site, *command)
        assert done.returncode == 0, done.stderr
    status = json.loads(as_nobody(site, "status", "--json").stdout)
    assert status["published"] is True, status
    site.oam("refresh")  # root again, for the journal and the kept versions
    assert as_nobody(site, "refresh").returncode == 0
    names = {p.name for p in site.folder.rglob("*")}
    assert {"oam.db", "oam.db.lock", "openai-assistant.json"} <= names
    assert not [p for p in site.folder.rglob("*") if p.stat().st_uid != NOBODY]


def test_a_locked_folder_holds_nobody_up(quiet):
    for path in (quiet.folder, quiet.folder / "config"):
        fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX)
    id = quiet.oam("refresh").stdout.strip()
    assert id in quiet.env_file.read_text()
    assert id in (quiet.folder / "config/openai-assistant.json").read_text()
    # And nothing of ours is left in the folders.
    assert not [p for p in quiet.folder.rglob(".*oam*")]


def test_utf16_is_named(quiet):
    text = quiet.env_file.read_text()
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        quiet.env_file.write_bytes(text.encode(encoding))
        done = quiet.oam("status", check=False)
        assert done.returncode == 1 and "UTF-16" in done.stderr and ".env" in done.stderr
        assert quiet.env_file.read_bytes() == text.encode(encoding)


def test_a_json_file_with_a_byte_order_mark_is_adopted(make_site):
    old = make_site(start=False)
    id = old.oam("initialize").stdout.strip()
    config = old.folder / "config/openai-assistant.json"
    config.write_bytes(b"\xef\xbb\xbf" + json.dumps({"assistantId": id, "mine": [1]}).encode())
    lines = old.env_file.read_text().replace(f"OPENAI_ASSISTANT_ID={id}\n", "")
    old.env_file.write_text(lines)
    old.sql("UPDATE assistant SET label = 'unmanaged', profile_id = NULL")
    assert old.oam("initialize").stdout.strip() == id
    assert json.loads(config.read_text())["mine"] == [1]


def test_a_broken_json_file_is_kept_and_said(quiet):
    config = quiet.folder / "config/openai-assistant.json"
    for _ in range(2):
        config.write_text('{"assistantId": "asst_x", "mine": ')
        done = quiet.oam("refresh")
        assert "broken-file" in done.stderr and str(config) in done.stderr
    assert json.loads(config.read_text())["assistantId"] == done.stdout.strip()
    kept = list(config.parent.glob("openai-assistant.json.*.broken"))
    assert len(kept) == 2
    findings = json.loads(quiet.oam("doctor", "--json", check=False).stdout)
    assert [f["check"] for f in findings if not f["ok"]] == ["JSON file"] * 2
    assert {p.read_text() for p in kept} == {'{"assistantId": "asst_x", "mine": '}


@needs_mounts
def test_a_broken_json_file_that_is_written_in_place_is_kept(quiet):
    """Also by the writes that follow."""
    config = quiet.folder / "config/openai-assistant.json"
    broken = '{"assistantId": "asst_x", "mine": '
    config.write_text(broken)
    mount = f"mount --bind {config} {config}"
    done = mounted(quiet, mount, ["refresh"], OAM_WRITE_IN_PLACE="1")
    assert "broken-file" in done.stderr
    for _ in range(22):
        mounted(quiet, mount, ["refresh"], OAM_WRITE_IN_PLACE="1")
    kept = list(quiet.db.parent.glob("openai-assistant.json.*.broken"))
    assert [p.read_text() for p in kept] == [broken] and kept[0].name in done.stderr
    assert len(list(quiet.db.parent.glob("openai-assistant.json.*.bak"))) == 20
    findings = json.loads(quiet.oam("doctor", "--json", check=False).stdout)
    assert [f["finding"] for f in findings if not f["ok"]] == [str(kept[0])]


@needs_root
@pytest.mark.parametrize("which", ["env", "json", "chain"])
def test_a_link_that_another_user_could_have_put_there(make_site, which):
    """As in /tmp: it could lead to any file of ours."""
    site = make_site(start=False)
    mine = site.folder / "mine.txt"
    mine.write_text("precious")
    shared = site.folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link.json").symlink_to(mine)
    os.lchown(shared / "link.json", NOBODY, NOBODY)
    path = shared / "link.json"
    if which == "chain":
        path = site.folder / "own.json"
        path.symlink_to("shared/link.json")
    if which == "env":
        mine.write_text(f"JWT_SECRET={SECRET}\nOAM_DB={site.db}\n")
        site.env_file = path
    else:
        site.set_env({"OAM_CONFIG_FILE": str(path)})
    before = mine.read_text()
    done = site.oam("initialize", check=False)
    status = json.loads(site.oam("status", "--json").stdout)
    assert status["published"] is False and mine.read_text() == before
    assert "another user made the link" in status["publishError"], done.stderr
    os.lchown(shared / "link.json", os.geteuid(), NOBODY)
    site.oam("refresh")
    assert json.loads(site.oam("status", "--json").stdout)["published"] is True
    assert mine.read_text() != before and path.is_symlink()


def test_the_doctor_finds_every_broken_json_file(quiet):
    """Of other profiles, and behind a link."""
    config = quiet.folder / "config/openai-assistant.json"
    config.rename(quiet.folder / "real.json")
    config.symlink_to("../real.json")
    quiet.oam("profile", "set", "two")
    quiet.oam("initialize", "--profile", "two")
    (quiet.folder / "real.json").write_text("[1")
    config.with_name("openai-assistant.two.json").write_text("[2")
    quiet.oam("refresh")
    quiet.oam("refresh", "--profile", "two")
    findings = json.loads(quiet.oam("doctor", "--json", check=False).stdout)
    names = [f["finding"].rpartition("/")[2] for f in findings if f["check"] == "JSON file"]
    names = sorted(n.rpartition(".20")[0] for n in names if n.endswith(".broken"))
    assert names == ["openai-assistant.two.json", "real.json"]


def test_what_is_written_can_be_read_again(quiet):
    """Deep: on lines of their own, indented, the numbers would take more than can be read."""
    deep = {"type": "object", "x": 0}
    for _ in range(45):
        deep = {"properties": deep}
    deep["enum"] = [123_456_789] * 40_000
    for _ in range(10):
        deep = {"properties": deep}
    tools = [{"type": "function", "function": {"name": "f", "parameters": deep}}]
    (quiet.folder / "new.json").write_text(json.dumps({"model": "m", "tools": tools}))
    id = quiet.oam("refresh", "--config", "new.json").stdout.strip()
    config = quiet.folder / "config/openai-assistant.json"
    assert config.stat().st_size < 4 << 20
    assert json.loads(config.read_text())["assistantId"] == id
    assert quiet.oam("restore", config).stdout.strip() == id

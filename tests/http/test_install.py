"""What `make install` puts where, and liboam as another program uses it."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import BUILD

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    make(f"PREFIX={folder}", f"SYSTEMDDIR={folder}/units", "install")
    return folder


def make(*arguments):
    arguments = ["make", "-s", f"B={BUILD}", "SANITIZE=1", "MAKEFLAGS=", *arguments]
    subprocess.run(arguments, cwd=ROOT, check=True, capture_output=True)


def test_everything_is_there(installed):
    names = {str(p.relative_to(installed)) for p in installed.rglob("*") if not p.is_dir()}
    assert {f"libexec/oam/{p.stem}" for p in (ROOT / "cgi").glob("*.c")} <= names
    assert {
        "bin/oam",
        "bin/oam-refresh",
        "include/oam.h",
        "lib/liboam.a",
        "lib/liboam.so",
        "lib/pkgconfig/oam.pc",
        "share/man/man1/oam.1",
        "share/man/man5/oam.env.5",
        "share/man/man8/oam-refresh.8",
        "share/bash-completion/completions/oam",
        "share/oam/deploy/oam-fcgi",
        "lib/sysusers.d/oam.conf",
        "lib/tmpfiles.d/oam.conf",
        *(f"units/{p.name}" for p in (ROOT / "deploy/systemd").iterdir()),
    } <= names
    assert "share/oam/deploy/quickstart" not in names


def test_the_files_for_servers_name_the_installed_places(installed):
    folders = [installed / "share/oam/deploy", installed / "units"]
    files = [p for folder in folders for p in folder.rglob("*") if p.is_file()]
    assert len(files) > 20
    for path in files:
        text = path.read_text()
        assert not re.search(r"/usr/local/(bin|libexec|share)", text), path
        for place in re.findall(rf"{installed}[\w./-]*\w", text):
            assert pathlib.Path(place).exists(), (path, place)


def test_the_crontab(installed, make_site):
    site = make_site(start=False)
    lines = (installed / "share/oam/deploy/cron/oam").read_text().splitlines()
    setting, job = [line for line in lines if not line.startswith("#")]
    assert setting == "OAM_ENV_FILE=/var/lib/oam/.env"
    when, user, command = re.fullmatch(r"((?:\* ){5})(\w+) (.*)", job).groups()
    command = command.replace("--jitter 20", "--jitter 0")
    done = subprocess.run(["sh", "-c", command], env=site.environment(), capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_crontabs_of_the_readme(installed, make_site):
    """As cron runs them: in sh, with little in PATH, and a % that has no backslash."""
    site = make_site(start=False)
    id = site.oam("initialize", "--quiet").stdout.strip()
    text = (ROOT / "README.md").read_text()
    jobs = re.findall(r"^    (?:[\d*]+ +){5} oam  (OAM_ENV_FILE=.*)$", text, re.M)
    assert len(jobs) == 2
    for job in jobs:
        assert not re.search(r"(?<!\\)%", job)
        command = job.replace("\\%", "%").replace("--jitter 20", "--jitter 0")
        command = command.replace("/usr/local/bin", f"{installed}/bin")
        command = command.replace("/var/lib/oam", str(site.folder))
        environment = {**site.environment(), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (backup,) = site.folder.glob("backup-*.db")
    site.oam("refresh")
    site.oam("restore", str(backup), "--yes")
    assert site.oam("current").stdout.strip() == id


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_systemd_understands_the_units(installed):
    units = installed / "units"
    names = ["oam.target", "oam@status.socket", "oam@status.service"]
    names += ["oam-refresh.service", "oam-refresh.timer"]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(units / n for n in names)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # All programs have their socket.
    wanted = set(re.findall(r"oam@([a-z0-9-]+)\.socket", (units / "oam.target").read_text()))
    assert wanted >= {p.stem for p in (ROOT / "cgi").glob("*.c")}


def test_uninstall_takes_everything_away(tmp_path):
    where = [f"DESTDIR={tmp_path}", "PREFIX=/usr", "SYSTEMDDIR=/usr/lib/systemd/system"]
    make(*where, "install")
    make(*where, "uninstall")
    assert [p for p in tmp_path.rglob("*") if not p.is_dir()] == []


def public_names():
    header = (ROOT / "common/oam.h").read_text()
    return set(re.findall(r"^OAM_PUBLIC [^(]*?\*?(oam_\w+)\(", header, re.M))


def test_only_public_names_are_exported(installed):
    assert len(public_names()) == 13
    for options, library in (["-D"], "liboam.so"), (["-g"], "liboam.a"):
        listed = subprocess.run(
            ["nm", *options, "--defined-only", installed / "lib" / library],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        names = set(re.findall(r"^[0-9a-f]+ [A-Z] (\w+)$", listed, re.M))
        assert {n for n in names if not n.startswith(("_", "__"))} == public_names()


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_the_example_program(installed, make_site, tmp_path, kind):
    site = make_site(start=False)
    environment = site.environment(
        PKG_CONFIG_PATH=str(installed / "lib/pkgconfig"), LD_LIBRARY_PATH=str(installed / "lib")
    )
    # With --static, pkg-config would ask for the development files of all that curl uses.
    others = ["json-c", "libcurl", "sqlite3"] if kind == "static" else []
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "oam", *others],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if kind == "static":
        flags = [str(installed / "lib/liboam.a") if f == "-loam" else f for f in flags] + ["-lm"]
    subprocess.run(
        ["cc", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-o"]
        + [tmp_path / "current", ROOT / "deploy/examples/current.c", *flags],
        check=True,
    )
    for program in ([tmp_path / "current", site.env_file], [tmp_path / "current", "/nowhere"]):
        done = subprocess.run(program, env=environment, capture_output=True, text=True)
        if program[1] == "/nowhere":
            assert done.returncode == 1 and "does not exist" in done.stderr
            continue
        assert done.returncode == 0, done.stderr
        id, status = done.stdout.splitlines()
        assert id == site.oam("current").stdout.strip()
        assert json.loads(status)["assistantId"] == id


def test_the_header_compiles_as_cpp(tmp_path):
    source = tmp_path / "a.cc"
    source.write_text('#include "oam.h"\nint main() { return oam_error_is_transient(0); }\n')
    command = ["g++", "-Wall", "-Werror", "-I", ROOT / "common", "-c", source, "-o", "/dev/null"]
    if subprocess.run(["which", "g++"], capture_output=True).returncode:
        pytest.skip("no C++ compiler")
    subprocess.run(command, check=True)


def complete(installed, site, *words):
    """What bash offers for the last word."""
    script = (
        f". {installed}/share/bash-completion/completions/oam; "
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _oam; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return subprocess.run(
        ["bash", "-c", script, "bash", installed / "bin/oam", *words],
        env=site.environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


def test_completion(installed, make_site):
    site = make_site(start=False)
    site.oam("profile", "set", "support")
    assert complete(installed, site, "re") == ["refresh", "restore"]
    assert "--deploy-hook" in complete(installed, site, "refresh", "--d")
    assert complete(installed, site, "profile", "s") == ["show", "set"]
    assert complete(installed, site, "current", "--profile", "s") == ["support"]
    everything = complete(installed, site, "")
    assert len(everything) == 22  # help and all commands


def test_the_manual_tells_of_every_command_option_and_setting(make_site):
    site = make_site(start=False, migrate=False)
    manual = (ROOT / "cli/oam.1").read_text()
    text = manual.replace("Fl -", "--").replace(" Ns = Ns Ar value", "")
    help = site.oam("help").stdout
    for command in re.findall(r"^  oam ([a-z-]+)", help, re.M):
        assert re.search(rf"^\.It Cm {command}\b", manual, re.M), command
    for option in set(re.findall(r"--[a-z-]+", help)):
        assert option in text, option
    refresh = (ROOT / "cli/oam-refresh.8").read_text().replace("Fl -", "--")
    for option in set(re.findall(r"--[a-z-]+", site.oam_refresh("--help").stdout)):
        assert option in refresh, option
    settings = (ROOT / "common/settings.c").read_text()
    page = (ROOT / "cli/oam.env.5").read_text()
    readme = (ROOT / "README.md").read_text()
    for name in re.findall(r'^\t\{ "([A-Z_]+)", FIELD', settings, re.M):
        assert name in page and f"`{name}`" in readme, name


# ---- what must be there to build ----


def packages_for(purpose):
    script = (ROOT / "deploy/install-packages").read_text()
    return set(re.search(rf'^\t{purpose}\) packages="\$packages ([^"]*)"', script, re.M)[1].split())


def test_the_package_is_built_with_what_it_names_and_nothing_for_its_tests():
    control = (ROOT / "deploy/debian/control").read_text()
    field = re.search(r"^Build-Depends: ((?:.*\n)(?: .*\n)*)", control, re.M)[1]
    named = {part.split()[0] for part in field.split(",")}
    # debhelper provides debhelper-compat; a build takes build-essential as given.
    named = named - {"debhelper-compat"} | {"debhelper", "build-essential"}
    assert packages_for("deb") == named | {"git"}
    assert not packages_for("deb") & packages_for("check-deb")
    makefile = (ROOT / "Makefile").read_text()
    assert "\ndeb:\n\tdeploy/install-packages deb\n" in makefile

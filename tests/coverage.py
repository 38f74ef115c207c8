"""What the tests reached of common/, cgi/ and cli/, from gcov's counts in a build folder:
tests/coverage.py BUILD. Fails when a branch of token, publish or service is untested and
tests/untested-branches does not say why, or says it of what is tested or gone."""

import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
REASONS = ROOT / "tests" / "untested-branches"
STRICT = re.compile(r"common/(token|publish|service)[a-z_]*\.c")


class Tally:
    """How many of how many lines and branches were taken."""

    def __init__(self):
        self.lines = [0, 0]
        self.branches = [0, 0]

    def add(self, line):
        self.lines[0] += line["count"] > 0
        self.lines[1] += 1
        self.branches[0] += sum(b["count"] > 0 for b in line["branches"])
        self.branches[1] += len(line["branches"])

    def text(self):
        def share(part):
            return f"{100 * part[0] / part[1] if part[1] else 100:6.1f} %" + (
                f"{part[0]:6}/{part[1]:<5}"
            )

        return share(self.lines) + share(self.branches)


def read_counts(build):
    """(file, lines) of each source that was compiled there."""
    for notes in sorted(build.glob("c*/*.gcno")):
        source = f"{notes.parent.name}/{notes.stem}.c"
        done = subprocess.run(
            ["gcov", "--json-format", "--branch-probabilities", "--stdout", notes],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        for file in json.loads(done.stdout)["files"]:
            if file["file"] == source:
                yield source, file["lines"]


def untested(source, lines):
    """How many outcomes of the branches on each line were never seen. A line goes by its
    file, function and text, which outlive its number."""
    texts = (ROOT / source).read_text().splitlines()
    found = collections.Counter()
    for line in lines:
        if line["branches"]:
            text = " ".join(texts[line["line_number"] - 1].split())
            key = f"{source.removeprefix('common/')} {line['function_name']}: {text}"
            found[key] += sum(b["count"] == 0 for b in line["branches"])
    return found


def read_reasons():
    """Each line that is listed: (how many outcomes, whether they may be tested as well)."""
    listed, reason = {}, None
    for line in REASONS.read_text().splitlines():
        if entry := re.fullmatch(r"\t(\d+)(\??) (.+)", line):
            assert reason, f"{REASONS.name}: no reason above: {line}"
            assert entry[3] not in listed, f"{REASONS.name}: twice: {line}"
            listed[entry[3]] = int(entry[1]), entry[2] == "?"
        elif not line.startswith("#"):
            reason = line
    return listed


def check(found):
    listed = read_reasons()
    faults = []
    for key, missing in found.items():
        allowed, may_be_tested = listed.pop(key, (0, False))
        if missing > allowed or (missing < allowed and not may_be_tested):
            faults.append(f"{missing} {key}   [listed: {allowed}]")
    faults += [f"{key}   [listed, and not there]" for key in listed]
    if faults:
        print(f"\nUntested branches that are not as {REASONS.name} says:", *faults, sep="\n")
    return not faults


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    modules = collections.defaultdict(Tally)
    found = collections.Counter()
    for source, lines in read_counts(build):
        folder, name = source.split("/")
        module = name[:-2].split("_")[0] if folder == "common" else "*"
        for line in lines:
            for key in (f"{folder}/{module}", f"{folder}/", "all"):
                modules[key].add(line)
        if STRICT.fullmatch(source):
            found.update(untested(source, lines))
    print(f"{'':20}   lines               branches")
    for name in sorted(modules):
        if not name.endswith("*"):
            print(f"{name:20}{modules[name].text()}")
    return 0 if check(found) else 1


if __name__ == "__main__":
    sys.exit(main())

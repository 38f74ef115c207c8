"""How the dotenv of each language, and sh, read a `.env`: each a program that takes the names
of files and prints one JSON object of all values a line, or null when it refuses the text.
sh, which cannot escape, prints KEY=value with a control character behind each."""

import json
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
KEYS = ("OPENAI_ASSISTANT_ID", "A", "B")

PYTHON = """
import io, json, logging, sys, dotenv
logging.disable()
for name in sys.argv[1:]:
    print(json.dumps(dotenv.dotenv_values(name, interpolate=True)))
"""

RUBY = """
require 'dotenv'; require 'json'
ARGV.each do |name|
  begin
    # What a parser of an empty environment makes of it.
    puts JSON.generate(Dotenv::Parser.call(File.read(name, encoding: 'bom|utf-8'), true))
  rescue StandardError
    puts 'null'
  end
end
"""

SYMFONY = """
require '/usr/share/php/Symfony/Component/Dotenv/autoload.php';
foreach (array_slice($argv, 1) as $name) {
    try {
        $values = (new Symfony\\Component\\Dotenv\\Dotenv())->parse(file_get_contents($name));
        echo json_encode((object)$values), "\\n";
    } catch (Throwable $e) {
        echo "null\\n";
    }
}
"""

VLUCAS = """
require '/usr/share/php/Dotenv/autoload.php';
foreach (array_slice($argv, 1) as $name) {
    try {
        echo json_encode((object)Dotenv\\Dotenv::parse(file_get_contents($name))), "\\n";
    } catch (Throwable $e) {
        echo "null\\n";
    }
}
"""

NPM = """
import dotenv from 'dotenv';
import { readFileSync } from 'node:fs';
for (const name of process.argv.slice(1)) {
  console.log(JSON.stringify(dotenv.parse(readFileSync(name))));
}
"""

# Without a PATH, nothing that a text names is run. A text that is no shell ends its subshell.
SHELL = """
PATH=
for name; do
    (
        . "$name" >/dev/null 2>&1 || :
        for key in %s; do
            eval "value=\\${$key-} there=\\${$key+yes}"
            [ -z "$there" ] || printf '%%s=%%s\\037' "$key" "$value"
        done
        printf '\\036'
    ) || printf 'null\\036'
done
""" % " ".join(KEYS)

READERS = {
    "npm": (["node", "--input-type=module", "-e", NPM], "node", None),
    "python": (["/usr/bin/python3", "-c", PYTHON], "python3", "python3-dotenv"),
    "ruby": (["ruby", "-e", RUBY], "ruby", "ruby-dotenv"),
    "symfony": (["php", "-r", SYMFONY, "--"], "php", "php-symfony-dotenv"),
    "vlucas": (["php", "-r", VLUCAS, "--"], "php", "php-vlucas-phpdotenv"),
    "sh": (["sh", "-c", SHELL, "sh"], "sh", None),
}


def missing(reader):
    """Why a reader cannot be asked, or None."""
    _, program, package = READERS[reader]
    if not shutil.which(program):
        return f"{program} is not installed"
    if package and subprocess.run(["dpkg-query", "-W", package], capture_output=True).returncode:
        return f"{package} is not installed"
    return None


def read(reader, paths):
    """What it reads out of each file: a dict, or None."""
    done = subprocess.run(
        [*READERS[reader][0], *map(str, paths)],
        cwd=HERE,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
    )
    lines = done.stdout.split("\036" if reader == "sh" else "\n")[:-1]
    assert len(lines) == len(paths), (reader, len(lines), len(paths), done.stderr[-2000:])
    return [keep_known(from_shell(line) if reader == "sh" else json.loads(line)) for line in lines]


def from_shell(record):
    if record.endswith("null"):
        return None
    return dict(pair.split("=", 1) for pair in record.split("\037")[:-1])


def keep_known(values):
    return values and {key: values[key] for key in KEYS if key in values}

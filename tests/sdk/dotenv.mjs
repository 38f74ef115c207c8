// Compares common/dotenv.c with npm's dotenv on random, adversarial texts.
//
//   node dotenv.mjs PATH/TO/test_dotenv [count = 10000] [seed = now]
//
// Each text goes through both parsers. Besides, the value of one random assignment is
// replaced where the C side says it stands; dotenv must then see that change and no other,
// unless an earlier quote is open. The first difference is printed in full, with status 1.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dotenv from 'dotenv';

const BATCH = 500;
const [program, countText = '10000', seedText = String(Date.now() % 2 ** 32)] =
  process.argv.slice(2);
const count = Number(countText);
const seed = Number(seedText);

if (!program || !Number.isInteger(count) || count < 1 || !Number.isInteger(seed)) {
  console.error('usage: node dotenv.mjs PATH/TO/test_dotenv [count] [seed]');
  process.exit(2);
}

// mulberry32: the same texts for the same seed on every machine.
let state = seed >>> 0;
function random(below) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
}
const pick = (list) => list[random(list.length)];
const repeat = (most, make) => Array.from({ length: random(most + 1) }, make).join('');

// Texts are built as latin1 strings, one character a byte, so that they can be broken.
const utf8 = (text) => Buffer.from(text, 'utf8').toString('latin1');
const quotes = ["'", '"', '`'];
const lineEnds = ['\n', '\n', '\n', '\r\n', '\r', '\n\n', '\n\r', utf8('\u2028'), utf8('\u2029')];
const blanks = [' ', ' ', ' ', '\t', '\v', '\f', ...'\u00a0\ufeff\u1680\u2000\u200a\u202f\u205f\u3000'].map(utf8);
// Not white space, though near to it; and bytes that are not UTF-8.
const others = [
  ...['\u0085', '\u180e', '\u200b', '\u2027', '\u202a', '\u2060', 'é', '語', '😀', '\u00e0'].map(utf8),
  '\xe2', '\xe2\x80', '\xc2', '\xa0', '\xff', '\xef\xbb', '\xe0\x82\xa0', '\xc0\x8a', '\xf0\x9f', '\0',
];
const words = ['A', 'B', 'key', 'a.b', 'x-y', '_', '9', 'export', 'exportA', 'n', 'r'];
const signs = ['=', '=', ':', ': ', '#', '\\', "\\'", '\\"', '\\`', '\\n', '\\r', '\\\\', '$', '{'];

const blank = () => repeat(2, () => pick(blanks));
const space = () => repeat(3, () => (random(3) ? pick(blanks) : pick(lineEnds)));
const token = () => pick(pick([words, signs, quotes, blanks, lineEnds, others]));
const noise = () => repeat(6, token);

function quoted() {
  const quote = pick(quotes);
  const inside = repeat(6, () => {
    switch (random(8)) {
      case 0: return '\\' + quote;
      case 1: return pick(lineEnds);
      case 2: return random(4) ? '' : quote;
      case 3: return '\\' + quote + blank() + pick(['#', '\n', '\r', '']);
      default: return token();
    }
  });
  return quote + inside + (random(8) ? quote : '');
}

const value = () => pick([quoted, quoted, noise, () => pick(words), () => ''])();
const separator = () => pick(['=', '=', '=', ': ', ':', ' = ', () => space() + '=', () => ':' + space()]);
const make = (part) => (typeof part === 'function' ? part() : part);

function assignment() {
  const start = random(4) ? '' : space();
  const prefix = random(5) ? '' : 'export' + (random(6) ? ' ' : space());
  const key = random(8) ? pick(words) : noise();
  const comment = random(4) ? '' : '#' + noise();
  return start + prefix + key + make(separator()) + (random(3) ? '' : space()) + value() + blank() + comment;
}

const line = () => pick([assignment, assignment, assignment, assignment, noise, space, () => '#' + assignment()])();
const source = () =>
  Buffer.from(repeat(5, () => line() + (random(10) ? pick(lineEnds) : '')), 'latin1');

// dotenv.parse() takes a Buffer as it is; only its own toString() decodes it.
const reference = (bytes) => new Map(Object.entries(dotenv.parse(bytes)));
const show = (map) => JSON.stringify([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
const lastWins = (entries) => new Map(entries.map(({ key, value }) => [key, value]));

function dump(files) {
  const done = spawnSync(program, ['--dump', ...files], { encoding: 'latin1', maxBuffer: 2 ** 30 });
  if (done.status !== 0) {
    throw new Error(`${program}: status ${done.status}\n${done.error ?? ''}${done.stderr}`);
  }
  const texts = done.stdout.split(/^\n/m);
  if (texts.pop() !== '' || texts.length !== files.length) {
    throw new Error(`${texts.length} results for ${files.length} files`);
  }
  return texts.map((text) => text.split('\n').slice(0, -1).map(readEntry));
}

function readEntry(text) {
  const [, key, value, ...numbers] = /^([0-9a-f]+)=([0-9a-f]*) (\d+) (\d+) (\d+) (\d+)$/.exec(text);
  const [keyOffset, offset, length, lineNumber] = numbers.map(Number);
  const decode = (hex) => Buffer.from(hex, 'hex').toString();
  return { key: decode(key), value: decode(value), keyOffset, offset, length, lineNumber };
}

function fail(what, bytes, expected, got) {
  console.error(`${what}, seed ${seed}\ntext:     ${JSON.stringify(bytes.toString())}`);
  console.error(`bytes:    ${bytes.toString('hex')}`);
  console.error(`dotenv:   ${show(expected)}\ndotenv.c: ${show(got)}`);
  process.exitCode = 1;
  return false;
}

// False when the value starts with a quote that is still looked for behind the value: a
// change further down can then close it.
function isSettled(bytes, { offset, length }) {
  const [quote] = bytes.subarray(offset).toString().trimStart();
  const written = bytes.subarray(offset, offset + length).toString().trim();
  const closes = (c, i) => i > 0 && c === quote && written[i - 1] !== '\\';
  return !quotes.includes(quote) || written.split('').some(closes);
}

function checkReplacement(bytes, entries) {
  const at = random(entries.length);
  const { offset, length } = entries[at];
  if (!entries.slice(0, at).every((entry) => isSettled(bytes, entry))) {
    return true;
  }
  replaced++;
  const changed = entries.map((entry, i) => (i === at ? { ...entry, value: 'new' } : entry));
  const edited = Buffer.concat([
    bytes.subarray(0, offset), Buffer.from('"new"'), bytes.subarray(offset + length),
  ]);
  const expected = reference(edited);
  return show(expected) === show(lastWins(changed)) ||
    fail(`after replacing value ${at} of ${bytes.toString('hex')}`, edited, expected, lastWins(changed));
}

function isPlaced(bytes, { key, keyOffset, lineNumber }) {
  const before = bytes.subarray(0, keyOffset).toString('latin1');
  return before.split(/\r\n?|\n/).length === lineNumber &&
    bytes.subarray(keyOffset).toString('latin1').startsWith(key);
}

function check(bytes, entries) {
  const expected = reference(bytes);
  const got = lastWins(entries);
  if (show(expected) !== show(got)) {
    return fail('different', bytes, expected, got);
  }
  if (!entries.every((entry) => isPlaced(bytes, entry))) {
    return fail(`wrong place ${JSON.stringify(entries)}`, bytes, expected, got);
  }
  return entries.length === 0 || checkReplacement(bytes, entries);
}

const folder = mkdtempSync(join(tmpdir(), 'oam-dotenv-'));
let compared = 0;
let assignments = 0;
let replaced = 0;

function run() {
  while (compared < count) {
    const texts = Array.from({ length: Math.min(BATCH, count - compared) }, source);
    const files = texts.map((_, i) => join(folder, String(i)));
    texts.forEach((bytes, i) => writeFileSync(files[i], bytes));
    const results = dump(files);
    for (const [i, entries] of results.entries()) {
      if (!check(texts[i], entries)) {
        return;
      }
      compared++;
      assignments += entries.length;
    }
  }
  console.log(
    `${compared} texts with ${assignments} assignments are the same, ` +
    `${replaced} replacements are right, seed ${seed}`,
  );
}

try {
  run();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

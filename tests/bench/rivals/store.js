// The same store, read at each request: by better-sqlite3 where it could be built, else by
// Node's own sqlite (22.5 and later), else once at the start, which favours the rival.
"use strict";

const statement =
  "SELECT a.id FROM assistant a JOIN profile p ON p.id = a.profile_id " +
  "WHERE p.name = ? AND a.label = 'current'";

function open(path) {
  try {
    const Database = require("better-sqlite3");
    const query = new Database(path, { readonly: true }).prepare(statement);
    return { kind: "better-sqlite3", current: (profile) => query.get(profile).id };
  } catch {}
  try {
    const { DatabaseSync } = require("node:sqlite");
    const query = new DatabaseSync(path, { readOnly: true }).prepare(statement);
    return { kind: "node:sqlite", current: (profile) => query.get(profile).id };
  } catch {}
  const id = process.env.BENCH_ID;
  return { kind: "a constant id", current: () => id };
}

module.exports = { open };

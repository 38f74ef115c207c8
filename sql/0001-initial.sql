-- Schema 1. SQLite is the record of truth; .env and the JSON file are copies of it.
-- Times are integer milliseconds since 1970-01-01 00:00 UTC; the views show them as text.

CREATE TABLE installation (
  only   INTEGER PRIMARY KEY CHECK (only = 1),  -- keeps it to one row
  tag    TEXT NOT NULL,       -- marks the assistants that this store owns (metadata oam_installation)
  made_at INTEGER NOT NULL    -- when the store was made
) STRICT;

CREATE TABLE profile (
  profile_id    INTEGER PRIMARY KEY,        -- what the other tables point to
  name          TEXT NOT NULL UNIQUE        -- how callers name it; 'default' when they do not
                CHECK (length(name) BETWEEN 1 AND 64 AND name NOT GLOB '*[^a-z0-9_-]*'),
  config        TEXT NOT NULL CHECK (json_valid(config)),  -- what the next assistant is made from
  interval_ms   INTEGER NOT NULL DEFAULT 86400000  -- refresh after this long; 0: never by itself
                CHECK (interval_ms = 0 OR interval_ms >= 60000),
  keep_count    INTEGER CHECK (keep_count >= 0),   -- automatic cleanup keeps this many; NULL: OAM_KEEP_COUNT
  env_key       TEXT NOT NULL UNIQUE,       -- the name in .env that holds the id
  refreshed_at  INTEGER,                    -- when the current assistant became current; NULL: never
  verified_at   INTEGER NOT NULL DEFAULT 0, -- when a server over HTTP was last asked about the current one
  failures      INTEGER NOT NULL DEFAULT 0, -- failed refreshes since the last good one
  last_error    TEXT,                       -- message of the last failed refresh; NULL after a good one
  failed_at     INTEGER,                    -- when that was
  retry_at      INTEGER NOT NULL DEFAULT 0, -- no automatic refresh before this
  made_at       INTEGER NOT NULL            -- when the profile was made
) STRICT;

CREATE TABLE assistant (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival; decides between equal times
  id          TEXT NOT NULL UNIQUE,       -- asst_…
  upstream    TEXT NOT NULL,              -- where it lives: 'embedded' (here) or the base URL
  profile_id  INTEGER REFERENCES profile, -- the profile that owns it; NULL: not ours, only hosted
  label       TEXT NOT NULL               -- its part in the rotation
              CHECK (label IN ('unmanaged', 'pending', 'current', 'previous', 'retired', 'deleted')),
  config      TEXT NOT NULL CHECK (json_valid(config)),  -- the assistant's fields, metadata included
  created_at  INTEGER NOT NULL,           -- when it was created upstream
  updated_at  INTEGER NOT NULL,           -- when this row changed last
  deleted_at  INTEGER,                    -- when it was deleted; such rows stay as history
  CHECK ((label = 'deleted') = (deleted_at IS NOT NULL)),
  CHECK (profile_id IS NOT NULL OR label IN ('unmanaged', 'deleted'))
) STRICT;

-- The two promises of a rotation, kept by the store itself.
CREATE UNIQUE INDEX assistant_one_current  ON assistant (profile_id) WHERE label = 'current';
CREATE UNIQUE INDEX assistant_one_previous ON assistant (profile_id) WHERE label = 'previous';
-- Pages of a list, whatever their depth.
CREATE INDEX assistant_page  ON assistant (upstream, created_at, seq) WHERE label <> 'deleted';
-- Cleanup of one profile.
CREATE INDEX assistant_owned ON assistant (profile_id, created_at, seq)
  WHERE label <> 'deleted' AND profile_id IS NOT NULL;
-- Recovery: the assistant that an interrupted rotation made.
CREATE INDEX assistant_nonce ON assistant (json_extract(config, '$.metadata.oam_nonce'))
  WHERE json_extract(config, '$.metadata.oam_nonce') IS NOT NULL;

CREATE TABLE rotation (
  rotation_id INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of their start
  profile_id  INTEGER NOT NULL REFERENCES profile,  -- whose assistant is replaced
  reason      TEXT NOT NULL CHECK (reason IN ('initialize', 'api', 'cli', 'cron', 'expiry')),  -- what asked for it
  nonce       TEXT NOT NULL UNIQUE,       -- written into the new assistant's metadata (oam_nonce)
  config      TEXT NOT NULL CHECK (json_valid(config)),  -- what the new assistant is made from
  started_at  INTEGER NOT NULL,           -- the intent: written before anything is created
  ended_at    INTEGER,                    -- NULL: running, or its process died and recovery is due
  outcome     TEXT                        -- how it ended; recovered: by the next holder of the lease
              CHECK (outcome IN ('done', 'recovered', 'failed', 'abandoned')),
  old_id      TEXT,                       -- current before
  new_id      TEXT,                       -- created by this rotation
  error       TEXT,                       -- why it failed
  CHECK ((ended_at IS NULL) = (outcome IS NULL))
) STRICT;

CREATE INDEX rotation_open    ON rotation (profile_id) WHERE ended_at IS NULL;
CREATE INDEX rotation_history ON rotation (profile_id, rotation_id);

CREATE TABLE lease (
  profile_id  INTEGER PRIMARY KEY REFERENCES profile,  -- what is being refreshed
  holder      TEXT NOT NULL,              -- by whom: program and process id, for people
  acquired_at INTEGER NOT NULL,           -- since when
  expires_at  INTEGER NOT NULL            -- the holder gives up by then; the lock on the .lock file is what excludes
) STRICT;

-- For people: sqlite3 -box oam.db 'select * from status'

CREATE VIEW status AS
SELECT p.name AS profile,
       coalesce(c.id, '(none)') AS assistant,
       json_extract(c.config, '$.model') AS model,
       CASE WHEN c.id IS NULL THEN 'no assistant'
            WHEN l.profile_id IS NOT NULL AND l.expires_at > unixepoch('now') * 1000 THEN 'refreshing'
            WHEN p.failures > 0 THEN 'stale'
            WHEN p.interval_ms = 0 THEN 'fixed'
            WHEN unixepoch('now') * 1000 - p.refreshed_at >= p.interval_ms THEN 'due'
            ELSE 'fresh' END AS state,
       datetime(p.refreshed_at / 1000, 'unixepoch') AS last_refresh_utc,
       CASE p.interval_ms WHEN 0 THEN 'off' ELSE printf('%g h', p.interval_ms / 3600000.0) END AS interval,
       CASE WHEN p.interval_ms > 0
            THEN datetime((p.refreshed_at + p.interval_ms) / 1000, 'unixepoch') END AS next_refresh_utc,
       (SELECT count(*) FROM assistant a
         WHERE a.profile_id = p.profile_id AND a.label <> 'deleted') AS assistants,
       p.failures,
       p.last_error
  FROM profile p
  LEFT JOIN assistant c ON c.profile_id = p.profile_id AND c.label = 'current'
  LEFT JOIN lease l ON l.profile_id = p.profile_id
 ORDER BY p.name;

CREATE VIEW history AS
SELECT datetime(r.started_at / 1000, 'unixepoch') AS started_utc,
       p.name AS profile,
       r.reason,
       coalesce(r.outcome, 'running') AS outcome,
       CASE WHEN r.ended_at IS NOT NULL
            THEN printf('%.3f s', (r.ended_at - r.started_at) / 1000.0) END AS took,
       r.old_id,
       r.new_id,
       r.error
  FROM rotation r JOIN profile p USING (profile_id)
 ORDER BY r.rotation_id DESC;

CREATE VIEW inventory AS
SELECT a.id,
       a.label,
       coalesce(p.name, '(hosted only)') AS profile,
       json_extract(a.config, '$.name') AS name,
       json_extract(a.config, '$.model') AS model,
       datetime(a.created_at / 1000, 'unixepoch') AS created_utc,
       datetime(a.deleted_at / 1000, 'unixepoch') AS deleted_utc,
       a.upstream
  FROM assistant a LEFT JOIN profile p USING (profile_id)
 ORDER BY a.created_at DESC, a.seq DESC;

-- Schema 3. History is for people: it keeps no configurations, and OAM_HISTORY_DAYS ends it.
-- Hooks that failed are remembered. SQLite uses the pages that this frees again for later
-- rows; only VACUUM makes the file smaller.

-- Recovery finds what was made by its nonce or id, and needs the overrides until the end.
ALTER TABLE rotation DROP COLUMN config;
UPDATE rotation SET overrides = NULL WHERE ended_at IS NOT NULL;

-- A deleted assistant is a cursor of lists, and a line of the inventory.
CREATE TRIGGER assistant_forgotten AFTER UPDATE OF label ON assistant
  WHEN NEW.label = 'deleted' AND OLD.label <> 'deleted' BEGIN
    UPDATE assistant SET config = json_object(
        'name', json_extract(NEW.config, '$.name'),
        'model', json_extract(NEW.config, '$.model'),
        'metadata', json_extract(NEW.config, '$.metadata'))
     WHERE seq = NEW.seq;
  END;
UPDATE assistant SET config = json_object(
    'name', json_extract(config, '$.name'),
    'model', json_extract(config, '$.model'),
    'metadata', json_extract(config, '$.metadata'))
 WHERE label = 'deleted';

-- What is old, without a look at the rest.
CREATE INDEX rotation_ended    ON rotation (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX assistant_deleted ON assistant (deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE profile ADD COLUMN hook_at INTEGER NOT NULL DEFAULT 0  /* the deploy hooks have to run at this time or later; 0: they did */;
ALTER TABLE profile ADD COLUMN hooked_id TEXT  /* the id that all deploy hooks were run for last */;
ALTER TABLE profile ADD COLUMN hook_failures INTEGER NOT NULL DEFAULT 0  /* runs in a row after which a deploy hook had failed */;
UPDATE profile SET hooked_id = published_id;

CREATE TABLE hook (
  profile_id INTEGER NOT NULL REFERENCES profile,  -- for which it ran
  stage      TEXT NOT NULL               -- when; command: oam refresh --deploy-hook
             CHECK (stage IN ('command', 'deploy.d', 'post.d', 'pre.d')),
  name       TEXT NOT NULL,              -- the file; '': the folder could not be used
  error      TEXT NOT NULL,              -- how it failed, and what helps
  failed_at  INTEGER NOT NULL,           -- when
  PRIMARY KEY (profile_id, stage, name)  -- only hooks whose last run failed have a row
) STRICT, WITHOUT ROWID;

DROP VIEW status;
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
       p.assistants,
       p.failures,
       p.last_error,
       CASE WHEN p.publish_failures > 0 THEN 'failed'
            WHEN p.publish_at > 0 THEN 'pending'
            WHEN p.published_id IS NULL THEN 'never'
            ELSE 'done' END AS published,
       p.publish_error,
       (SELECT group_concat(h.error, ' ') FROM hook h
         WHERE h.profile_id = p.profile_id) AS hook_error,
       (SELECT datetime(max(h.failed_at) / 1000, 'unixepoch') FROM hook h
         WHERE h.profile_id = p.profile_id) AS hook_failed_utc
  FROM profile p
  LEFT JOIN assistant c ON c.profile_id = p.profile_id AND c.label = 'current'
  LEFT JOIN lease l ON l.profile_id = p.profile_id
 ORDER BY p.name;

-- Schema 2. Publishing to .env and the JSON file: what is due, what is out, what failed.
-- Refreshes remember what they were asked to change.

ALTER TABLE profile ADD COLUMN publish_at INTEGER NOT NULL DEFAULT 0  /* the files have to be written at this time or later; 0: they are up to date */;
ALTER TABLE profile ADD COLUMN published_id TEXT  /* the id that the files and hooks got last */;
ALTER TABLE profile ADD COLUMN publish_failures INTEGER NOT NULL DEFAULT 0  /* failed attempts since the last good one */;
ALTER TABLE profile ADD COLUMN publish_error TEXT  /* message of the last failed one; NULL after a good one */;
ALTER TABLE profile ADD COLUMN assistants INTEGER NOT NULL DEFAULT 0  /* how many it owns that are not deleted; kept by the triggers below */;

-- To count them for each status would take longer the more there are.
UPDATE profile SET assistants = (SELECT count(*) FROM assistant a
  WHERE a.profile_id = profile.profile_id AND a.label <> 'deleted');
CREATE TRIGGER assistant_added AFTER INSERT ON assistant
  WHEN NEW.profile_id IS NOT NULL AND NEW.label <> 'deleted' BEGIN
    UPDATE profile SET assistants = assistants + 1 WHERE profile_id = NEW.profile_id;
  END;
CREATE TRIGGER assistant_changed AFTER UPDATE OF profile_id, label ON assistant BEGIN
    UPDATE profile SET assistants = assistants - 1
     WHERE profile_id = OLD.profile_id AND OLD.label <> 'deleted';
    UPDATE profile SET assistants = assistants + 1
     WHERE profile_id = NEW.profile_id AND NEW.label <> 'deleted';
  END;
CREATE TRIGGER assistant_removed AFTER DELETE ON assistant
  WHEN OLD.profile_id IS NOT NULL AND OLD.label <> 'deleted' BEGIN
    UPDATE profile SET assistants = assistants - 1 WHERE profile_id = OLD.profile_id;
  END;

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
       p.publish_error
  FROM profile p
  LEFT JOIN assistant c ON c.profile_id = p.profile_id AND c.label = 'current'
  LEFT JOIN lease l ON l.profile_id = p.profile_id
 ORDER BY p.name;

-- What a refresh was asked to change, so that a change of the profile meanwhile is not lost,
-- and which error it ended with, so that those who waited for it get the same one.
ALTER TABLE rotation ADD COLUMN overrides TEXT  /* JSON: what the profile takes over when it succeeds; NULL: nothing */;
ALTER TABLE rotation ADD COLUMN error_name TEXT  /* which error of common/error.h `error` is */;
UPDATE rotation SET overrides = config WHERE ended_at IS NULL;

export const start = `
CREATE TABLE model_revision (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  revision INTEGER NOT NULL
) STRICT;
INSERT INTO model_revision (one, revision) VALUES (1, 0);

CREATE TABLE model_object (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  revision INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT;

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  who TEXT NOT NULL,
  verb TEXT NOT NULL,
  object TEXT NOT NULL,
  before_json TEXT,
  after_json TEXT
) STRICT;
CREATE INDEX audit_object ON audit (object, id);
CREATE INDEX audit_who ON audit (who, id);

CREATE TABLE token (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE subscription (
  id TEXT PRIMARY KEY,
  direction TEXT NOT NULL,
  watcher TEXT NOT NULL,
  contact TEXT NOT NULL,
  authorization TEXT NOT NULL,
  state TEXT NOT NULL,
  data TEXT NOT NULL,
  due_at_ms INTEGER,
  updated_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX subscription_watcher ON subscription (watcher);
CREATE INDEX subscription_contact ON subscription (contact);
CREATE INDEX subscription_due ON subscription (due_at_ms) WHERE due_at_ms IS NOT NULL;

CREATE TABLE journal (
  seq INTEGER PRIMARY KEY,
  correlation_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  direction TEXT NOT NULL,
  kind TEXT NOT NULL,
  from_address TEXT NOT NULL,
  to_address TEXT NOT NULL,
  partner TEXT NOT NULL,
  stanza_id TEXT,
  call_id TEXT,
  outcome TEXT NOT NULL,
  status INTEGER,
  condition TEXT,
  detail TEXT NOT NULL,
  duration_ms REAL NOT NULL,
  edge TEXT NOT NULL
) STRICT;

CREATE TABLE journal_chunk (
  first_seq INTEGER PRIMARY KEY,
  last_seq INTEGER NOT NULL,
  oldest_ms INTEGER NOT NULL,
  newest_ms INTEGER NOT NULL,
  keys BLOB NOT NULL
) STRICT;
`

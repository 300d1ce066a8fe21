export const publications = `
CREATE TABLE publication (
  id TEXT PRIMARY KEY,
  data TEXT NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT;
`

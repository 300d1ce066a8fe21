#!/bin/sh
# The presence tables, then the server in the foreground.
set -e
db=/var/lib/kamailio/presence.db
if [ ! -f "$db" ]; then
  for part in standard presence; do sqlite3 "$db" < "/usr/share/kamailio/db_sqlite/$part-create.sql"; done
fi
exec kamailio -DD -E -f /etc/kamailio/kamailio.cfg -Y /tmp

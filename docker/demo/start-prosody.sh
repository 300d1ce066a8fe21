#!/bin/sh
# A self-signed certificate (dialback proves the domain), two users, then the server.
set -e
cd /var/lib/prosody
[ -f xmpp.example.crt ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=xmpp.example \
  -addext subjectAltName=DNS:xmpp.example -keyout xmpp.example.key -out xmpp.example.crt
for user in juliet nurse; do prosodyctl --config /etc/prosody/prosody.cfg.lua register "$user" xmpp.example secret; done
exec prosody --config /etc/prosody/prosody.cfg.lua -F

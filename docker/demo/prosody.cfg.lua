-- A small XMPP server for the demo profile: xmpp.example, users juliet and nurse, password "secret".
pidfile = "/run/prosody/prosody.pid"
data_path = "/var/lib/prosody"
interfaces = { "*" }
modules_enabled = { "roster", "saslauth", "tls", "dialback", "disco", "presence", "message", "iq", "offline", "ping", "posix" }
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = true
s2s_secure_auth = false
ssl = { key = "/var/lib/prosody/xmpp.example.key", certificate = "/var/lib/prosody/xmpp.example.crt" }
log = { { levels = { min = "info" }, to = "console" } }

VirtualHost "xmpp.example"

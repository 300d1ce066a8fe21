-- Prosody of the end-to-end tests for @DOMAIN@: loopback only, throw-away accounts.
pidfile = "@DIR@/prosody.pid"
daemonize = false
run_as_root = true
data_path = "@DIR@/data"
interfaces = { "@ADDRESS@" }
c2s_ports = { @C2S_PORT@ }
s2s_ports = { @S2S_PORTS@ }
s2s_interfaces = { @S2S_ADDRESSES@ }
c2s_direct_tls_ports = {}
s2s_direct_tls_ports = { @S2S_DIRECT_PORT@ }
http_ports = {}
https_ports = {}
admin_socket = "@DIR@/prosody.sock"

modules_enabled = {
  "roster", "saslauth", "tls", "dialback", "disco", "presence", "message", "iq", "offline", "ping", "posix",
}
modules_disabled = { @MODULES_DISABLED@ }
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = @S2S_ENCRYPTION@
s2s_secure_auth = @S2S_SECURE_AUTH@
dialback_secret = "only for tests: @DOMAIN@"
c2s_stanza_size_limit = 262144
s2s_stanza_size_limit = 524288
limits = {}
ssl = { key = "@KEY@"; certificate = "@CERT@"; cafile = "@CA@"; capath = "/nonexistent" }
-- Names come from the tests' own name server.
unbound = {
  resolvconf = "@DIR@/resolv.conf";
  hoststxt = false;
  options = { ["do-not-query-localhost:"] = "no"; ["cache-max-ttl:"] = "5"; ["cache-max-negative-ttl:"] = "1" };
}
log = { { levels = { min = "@LOG@" }, to = "console" } }
statistics_interval = "manual"
@GLOBAL_MORE@

VirtualHost "@DOMAIN@"

@HOSTS_MORE@

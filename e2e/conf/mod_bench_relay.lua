-- For the benchmark: every message for this host goes on to another server, user by user. The least that a server can do
-- with a stanza between two streams.
local target = module:get_option_string("relay_to");

local function relay(event)
	local attr = event.stanza.attr;
	local user = attr.to:match("^[^@/]+");
	attr.from, attr.to = user .. "@" .. module.host, user .. "@" .. target;
	module:send(event.stanza);
	return true;
end

module:hook("message/bare", relay, 1000);
module:hook("message/full", relay, 1000);

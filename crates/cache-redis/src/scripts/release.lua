local base, name, token, ms = unpack(ARGV)
local lease = base .. 'l' .. name
if redis.call('GET', lease) ~= token then return 0 end
if ms == '' then return redis.call('DEL', lease) end
redis.call('SET', lease, '-', 'PX', ms)
return 1

local base, name, token, ms = unpack(ARGV)
local lease, state = base .. 'l' .. name, 0
local holder = redis.call('GET', lease)
-- One that does not end, or is no token, is somebody else's. Our own is there if we are asked for the second time.
if holder and (redis.call('PTTL', lease) < 0 or holder ~= '-' and #holder ~= 32) then holder = false end
if not holder or holder == token then
  redis.call('SET', lease, token, 'PX', ms)
  state = 1
elseif holder == '-' then
  state = 2
end
local data = redis.pcall('HGET', base .. 'e' .. name, 'd')
return { state, type(data) == 'string' and data }

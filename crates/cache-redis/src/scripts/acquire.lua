local base, name, token, ms = unpack(ARGV)
local lease, state = base .. 'l' .. name, 0
local holder = redis.call('GET', lease)
if not holder then
  redis.call('SET', lease, token, 'PX', ms)
  state = 1
elseif holder == '-' then
  state = 2
end
local data = redis.pcall('HGET', base .. 'e' .. name, 'd')
return { state, type(data) == 'string' and data }

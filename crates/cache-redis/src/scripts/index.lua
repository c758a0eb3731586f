local base, name, how, vector, partition = unpack(ARGV)
local ms = redis.call('PTTL', base .. 'e' .. name)
if ms <= 0 or redis.call('HGET', base .. 'e' .. name, 'h') == how then return 0 end
forget(base, name)
return index(base, name, ms, how, vector, partition)

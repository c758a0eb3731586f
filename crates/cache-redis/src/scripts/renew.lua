local base, name, token, ms = unpack(ARGV)
if redis.call('GET', base .. 'l' .. name) ~= token then return 0 end
return redis.call('PEXPIRE', base .. 'l' .. name, ms)

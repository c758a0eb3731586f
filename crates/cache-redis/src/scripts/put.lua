local base, name, token, ms, data, owners, how, vector, partition = unpack(ARGV)
ms = tonumber(ms)
local entry = base .. 'e' .. name
if token ~= '' and redis.call('GET', base .. 'l' .. name) ~= token then return 0 end
forget(base, name)
redis.call('DEL', entry)
clear(base, name)
if ms <= 0 then return 1 end
-- An entry that ended by itself is still in its vector set.
local function cleared(past) clear(base, past) end
for i = 1, #owners, 16 do
  enlist(base .. 's' .. string.sub(owners, i, i + 15), name, ms, i == 1 and cleared)
end
redis.call('HSET', entry, 'd', data, 't', owners)
redis.call('PEXPIRE', entry, ms)
-- What goes wrong here is said when it is asked to index it.
if how ~= '' then index(base, name, ms, how, vector, partition) end
return 1

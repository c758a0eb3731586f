-- Removes one entry, or up to 500 of a list, if they are whose they are said to be; how many of the list there were.
local base, owner, name = unpack(ARGV)
local list = base .. 's' .. owner
local names = name ~= '' and { name } or redis.call('ZRANGE', list, 0, 499)
for _, name in ipairs(names) do
  clear(base, name)
  local owners = redis.pcall('HGET', base .. 'e' .. name, 't')
  for i = 1, type(owners) == 'string' and #owners or 0, 16 do
    if string.sub(owners, i, i + 15) == owner then
      forget(base, name)
      redis.call('DEL', base .. 'e' .. name)
      break
    end
  end
end
if name ~= '' then return 0 end
if #names > 0 then redis.call('ZREM', list, unpack(names)) end
return #names

-- Entries that vanished are taken out, and others found in their stead. On a replica, nothing is taken out.
local base, dimensions, vector, most, effort = unpack(ARGV)
local set = base .. 'v' .. dimensions
for round = 1, 4 do
  local found, is_whole = {}, true
  for _, name in ipairs(redis.call('VSIM', set, 'FP32', vector, 'COUNT', most, 'EF', effort)) do
    local data = redis.pcall('HGET', base .. 'e' .. name, 'd')
    if type(data) == 'string' then
      found[#found + 1] = name
      found[#found + 1] = data
    else
      is_whole = false
      redis.pcall('VREM', set, name)
    end
  end
  if is_whole or round == 4 then return found end
end

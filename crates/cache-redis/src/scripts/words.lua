-- What the others are made of. A partition's keys begin with `base`, and so are all on one node:
--   e<key>    an entry: a hash of d, its bytes; t, whose it is, 16 bytes for the tenant and each tag; h, how it is indexed;
--             and p and v<dimensions> for an engine that indexes hashes
--   l<key>    a lease: the token of who has it, or "-" for an answer that was not kept
--   s<owner>  the keys of a tenant's entries, or of those with one of its tags, by the time of their end
--   v<dimensions>  a vector set of keys
--   d         the dimensions of which there are, or were, vector sets
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Puts it on a list that lives as long as anything on it. Each that comes clears away up to four that are past their time.
local function enlist(list, member, ms, cleared)
  local now = now()
  for _, past in ipairs(redis.call('ZRANGEBYSCORE', list, '-inf', now, 'LIMIT', 0, 4)) do
    redis.call('ZREM', list, past)
    if cleared then cleared(past) end
  end
  redis.call('ZADD', list, 'GT', now + ms, member)
  if redis.call('PTTL', list) < ms then redis.call('PEXPIRE', list, ms) end
end

-- Takes an entry out of the vector set that it is in.
local function forget(base, name)
  local how = redis.pcall('HGET', base .. 'e' .. name, 'h')
  local dimensions = type(how) == 'string' and string.match(how, '^%d+')
  if not dimensions then return end
  redis.pcall('VREM', base .. 'v' .. dimensions, name)
  redis.call('HDEL', base .. 'e' .. name, 'h', 'p', 'v' .. dimensions)
end

-- Takes the key of an entry that is not there any more out of whatever vector set it may still be in.
local function clear(base, name)
  if redis.call('EXISTS', base .. 'e' .. name) == 1 then return end
  for _, dimensions in ipairs(redis.pcall('SMEMBERS', base .. 'd')) do
    redis.pcall('VREM', base .. 'v' .. dimensions, name)
  end
end

-- Puts an entry into what is searched, for as long as it is there; what went wrong.
local function index(base, name, ms, how, vector, partition)
  local dimensions = string.match(how, '^%d+')
  if partition ~= '' then
    redis.call('HSET', base .. 'e' .. name, 'h', how, 'p', partition, 'v' .. dimensions, vector)
    return
  end
  local set = base .. 'v' .. dimensions
  local done = redis.pcall('VADD', set, 'FP32', vector, name)
  if type(done) == 'table' and done.err then return done end
  if redis.call('PTTL', set) < ms then redis.call('PEXPIRE', set, ms) end
  local known = base .. 'd'
  if type(redis.pcall('SADD', known, dimensions)) == 'number' and redis.call('PTTL', known) < ms then
    redis.call('PEXPIRE', known, ms)
  end
  redis.call('HSET', base .. 'e' .. name, 'h', how)
end

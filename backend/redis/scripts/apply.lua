-- Carries out a batch of independent compare-and-set operations.
--
-- Nothing is written before everything has been read, so an error raised up to the first write leaves all as it
-- was. After it errors are caught: a write that is refused (a key of another type, a command that an ACL denies)
-- comes before the one that makes its operations valid, so they count as not carried out.
--
-- KEYS  1 epoch, 2 incidents, 3.. the state hash of each shard, then due indexes
-- ARGV  1 epoch the client knows or '', 2 highest commit number it saw, 3 id for a first epoch, 4 feed channel,
--       5 number of shards, 6 greatest version expected, 7 position of the extras,
--       for each shard: number of operations, number of their due index, for each: key, expected header or '',
--       new value without its version or '' to delete, score or '' to leave the index alone;
--       extras: number of the operation, kind, length, values; and a closing argument that says nothing.
-- Reply {status, time, epoch, commit number, {operation, code, value, spec, ...}}; operations that are not named
--       were carried out and have the time as their version.

local sub, format, match = string.sub, string.format, string.match
local call = redis.call
local A = ARGV

local function try(...)
  local r = redis.pcall(...)
  if type(r) == 'table' and r.err then return r.err end
end

local t = call('TIME')
local now = t[1] * 1000000 + t[2] -- below 2^53 until the year 2255, so exact
local nows = format('%.0f', now)

local e = call('HMGET', KEYS[1], 'epoch', 'n')
local epoch, n = e[1], tonumber(e[2] or '0')
if A[1] ~= '' then
  if not epoch then return {'EPOCH', nows, '', '0', 0} end
  if epoch ~= A[1] then
    return {'EPOCH', nows, epoch, format('%.0f', n), call('HEXISTS', KEYS[1], 'adopted:' .. A[1])}
  end
  if n < tonumber(A[2]) then return {'EPOCH', nows, epoch, format('%.0f', n), 0} end
end

-- Extras: what only few operations carry.
local ex = {}
do
  local p = tonumber(A[7])
  while p < #A do
    local op, kind, len = tonumber(A[p]), A[p + 1], tonumber(A[p + 2])
    local x = ex[op]
    if not x then x = {}; ex[op] = x end
    x[kind] = {unpack(A, p + 3, p + 2 + len)}
    p = p + 3 + len
  end
end

-- head reads due, stripe and queue from a position on.
local function head(v, from)
  local due, stripe, len, at = match(v, '^(%S+) (%d+) (%d+):()', from)
  return due, stripe, sub(v, at, at + len - 1)
end

-- entry names the due index of a value and its score there; nothing if it is not due.
local prefix = sub(KEYS[1], 1, -#':{meta}:epoch' - 1)
local function entry(v, from)
  local due, stripe, queue = head(v, from)
  if due == '-' then return nil, nil end
  return prefix .. ':{' .. stripe .. '}:due:' .. queue, due
end

-- Compare. The expected header tells version, due time and queue; where only the version is right the index entry
-- to replace is the stored value's.
local shards, greatest = tonumber(A[5]), tonumber(A[6])
local out, works, odd, any = {}, {}, {}, false
local function say(...)
  for i = 1, 4 do out[#out + 1] = select(i, ...) or '' end
end
local stamp, behind = nows .. ' ', now <= greatest
local p, op = 8, 0
for s = 1, shards do
  local m = tonumber(A[p])
  local main = A[p + 1]
  p = p + 2
  local names = {}
  for i = 1, m do names[i] = A[p + (i - 1) * 4] end
  local state = KEYS[2 + s]
  local cur = call('HMGET', state, unpack(names))
  local base, seen, floor = sub(state, 1, -6), {}, false
  local sets, z, done, rest = {}, {}, {}, {}
  local k, nz, nd = 0, 0, 0
  for i = 1, m do
    op = op + 1
    local key, expect, body, c, x = names[i], A[p + 1], A[p + 2], cur[i], ex[op]
    local fits
    if c then fits = expect ~= '' and sub(c, 1, #expect) == expect else fits = expect == '' end
    if seen[key] then
      say(op, 'twice')
    elseif fits and c and not x and not behind and body ~= '' then
      -- The plain move, of which nearly all batches are made, is laid out here; the rest waits for commit.
      sets[k + 1], sets[k + 2] = key, stamp .. body
      k = k + 2
      local score = A[p + 3]
      if score ~= '' then
        z[nz + 1], z[nz + 2] = score, key
        nz = nz + 2
      end
      nd = nd + 1
      done[nd] = op
    else
      if c and not fits and expect ~= '' and match(c, '^%d+ ') == match(expect, '^%d+ ') then
        fits, odd[op] = true, c
      end
      if fits then
        rest[#rest + 1] = op
        rest[#rest + 1] = p
        if expect == '' or body == '' then floor = true end
      else
        say(op, 'conflict', c, c and x and x.spec and call('HGET', base .. 'spec', key))
      end
    end
    seen[key] = true
    p = p + 4
  end
  if nd > 0 or #rest > 0 then
    any = true
    local index = {}
    if nz > 0 then index[main] = z end
    works[s] = {
      sets = sets, index = index, done = done, rest = rest, main = main,
      floor = floor and tonumber(call('GET', base .. 'floor') or '0'),
    }
  end
end

if any then n = n + 1 end
if any or not epoch then
  epoch = epoch or A[3]
  call('HSET', KEYS[1], 'epoch', epoch, 'n', format('%.0f', n))
end

-- The version of an operation: later than all the key ever had, even if the clock was set back.
local function version(expect, floor)
  if expect == '' then
    if now > floor then return nows end
    return format('%.0f', floor + 1)
  end
  if not behind then return nows end
  local old = tonumber(match(expect, '^%d+'))
  if now > old then return nows end
  return format('%.0f', old + 1)
end

local note = 'one record a field: version, due in microseconds or -, stripe, length:queue, state; this field keeps the hash fast'
local trim = false

local function commit(s)
  local w, state = works[s], KEYS[2 + s]
  local base, floor, rest = sub(state, 1, -6), w.floor, w.rest
  local sets, index, done = w.sets, w.index, w.done
  local dels, adds, specs, stale, logs, news = {}, {}, {}, {}, {}, {}
  local floorNow = floor
  for i = 1, #rest, 2 do
    local o, q = rest[i], rest[i + 1]
    local key, expect, body = A[q], A[q + 1], A[q + 2]
    local x, was = ex[o], odd[o]
    local err
    if x then
      if x.log and body ~= '' then err = try('HSET', base .. 'log:' .. key, unpack(x.log)) end
      if not err and x.incidents then
        err = try('ZADD', KEYS[2], unpack(x.incidents))
        trim = true
      end
    end
    if err then
      say(o, 'error', err)
    else
      done[#done + 1] = o
      local v = '0'
      if body == '' then
        dels[#dels + 1] = key
        logs[#logs + 1] = base .. 'log:' .. key
        if expect ~= '' then
          local old = tonumber(match(expect, '^%d+'))
          if old > floorNow then floorNow = old end
        end
      else
        v = version(expect, floor)
        sets[#sets + 1] = key
        sets[#sets + 1] = v .. ' ' .. body
        if v ~= nows then say(o, 'version', v) end
        if expect == '' then
          adds[#adds + 1] = 0
          adds[#adds + 1] = key
        end
        local zi, score = x and x.index and x.index[1] or w.main, A[q + 3]
        if was then zi, score = entry(body, 1) end
        if score and score ~= '' then
          local z = index[zi]
          if not z then z = {}; index[zi] = z end
          z[#z + 1] = score
          z[#z + 1] = key
        end
      end
      if x then
        if x.spec and body ~= '' then
          specs[#specs + 1] = key
          specs[#specs + 1] = x.spec[1]
        end
        if x.announce then
          news[#news + 1] = key .. '\0' .. v .. '\0' .. x.announce[1]
        end
      end
      local gone = x and x.stale and x.stale[1]
      if was then
        gone = entry(was, #match(was, '^%d+ ') + 1)
        if body ~= '' and gone == entry(body, 1) then gone = nil end
      end
      if gone then
        local z = stale[gone]
        if not z then z = {}; stale[gone] = z end
        z[#z + 1] = key
      end
    end
  end

  local err
  for zi, z in pairs(index) do err = err or try('ZADD', KEYS[tonumber(zi)] or zi, unpack(z)) end
  if #adds > 0 then
    err = err or try('ZADD', base .. 'keys', unpack(adds))
    sets[#sets + 1] = ''
    sets[#sets + 1] = note
  end
  if #specs > 0 then err = err or try('HSET', base .. 'spec', unpack(specs)) end
  if floorNow ~= floor then err = err or try('SET', base .. 'floor', format('%.0f', floorNow)) end
  if #dels > 0 then err = err or try('HDEL', state, unpack(dels)) end
  if #sets > 0 then err = err or try('HSET', state, unpack(sets)) end
  if err then
    for i = 1, #done do say(done[i], 'error', err) end
    return
  end

  if #dels > 0 then
    try('HDEL', base .. 'spec', unpack(dels))
    try('ZREM', base .. 'keys', unpack(dels))
    try('DEL', unpack(logs))
  end
  for zi, z in pairs(stale) do try('ZREM', KEYS[tonumber(zi)] or zi, unpack(z)) end
  for i = 1, #news do try('PUBLISH', A[4], news[i]) end
end

if any then
  for s = 1, shards do
    if works[s] then commit(s) end
  end
  if trim then try('ZREMRANGEBYRANK', KEYS[2], 0, -10001) end
end
return {'OK', nows, epoch, format('%.0f', n), out}

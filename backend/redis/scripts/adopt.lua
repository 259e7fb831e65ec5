-- Begins a new epoch and remembers the ones it takes the place of, so that clients which knew those can follow.
--
-- KEYS  1 epoch
-- ARGV  1 the new epoch, 2 the epoch the client knows or ''
-- Reply {epoch, commit number}

local e = redis.call('HMGET', KEYS[1], 'epoch', 'n')
local n = string.format('%.0f', tonumber(e[2] or '0') + 1)
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'n', n)
if e[1] then redis.call('HSET', KEYS[1], 'adopted:' .. e[1], ARGV[1]) end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'adopted:' .. ARGV[2], ARGV[1]) end
return {ARGV[1], n}

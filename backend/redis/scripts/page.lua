-- Reads a due index from (score, key) on, key excluded. Members of one score stand in bytewise order, so the
-- place is found by bisection.
--
-- KEYS  1 due index
-- ARGV  1 score, 2 key, 3 upper bound, as ZCOUNT takes it, 4 limit
-- Reply {key, score, ...}

-- less compares bytes: the operator < would follow the server's locale.
local function less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local z, score, key = KEYS[1], ARGV[1], ARGV[2]
local lo = redis.call('ZCOUNT', z, '-inf', '(' .. score)
local hi = lo + redis.call('ZCOUNT', z, score, score)
while lo < hi do
  local mid = math.floor((lo + hi) / 2)
  local m = redis.call('ZRANGE', z, mid, mid)[1]
  if less(key, m) then hi = mid else lo = mid + 1 end
end
local last = math.min(lo + tonumber(ARGV[4]), redis.call('ZCOUNT', z, '-inf', ARGV[3])) - 1
if last < lo then return {} end
return redis.call('ZRANGE', z, lo, last, 'WITHSCORES')

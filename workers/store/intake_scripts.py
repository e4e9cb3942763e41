"""What takes recordings in, as Lua; each says what it answers."""

# Slots are counted by Redis's own clock.  Of a hash that has sids in its fields (at 0) or values
# (at 1) only those on the air count: `tidy` forgets what a recording could not give back any more.
_COUNTING = """
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function slots(recorders)
  local now, sum = now_ms(), 0
  for _, beat in ipairs(redis.call('HVALS', recorders)) do
    local count, until_ms = string.match(beat, '^(%d+) (%d+)$')
    if tonumber(until_ms) > now then sum = sum + count end
  end
  return sum
end
local function tidy(hash, on_air, at)
  local all = redis.call('HGETALL', hash)
  for i = 1, #all, 2 do
    if redis.call('SISMEMBER', on_air, all[i + at]) == 0 then redis.call('HDEL', hash, all[i]) end
  end
end
local function exceeds(app, recordings, streams, more)
  if recordings ~= '' and redis.call('HLEN', app) >= tonumber(recordings) then return true end
  if streams == '' then return false end
  local sum = tonumber(more)
  for _, count in ipairs(redis.call('HVALS', app)) do sum = sum + count end
  return sum > tonumber(streams)
end
local function over_quota(app, on_air, recordings, streams, more)
  if not exceeds(app, recordings, streams, more) then return false end
  tidy(app, on_air, 0)
  return exceeds(app, recordings, streams, more)
end
"""

# KEYS rec, active, on_air, claims, app, resource, recorders, queue   ARGV sid, spec, now_ns, state,
#   claim, recordings and streams that the app may have ('' for no limit), streams of this one,
#   resource_ttl, message for the queue ('' for none)
# 'ok', also to a call that was sent twice because its answer was lost; 'spent:<sid>' the resource
# ID started that one; 'conflict' this UID records here already; 'quota' the app has as much as it
# may; 'full' no slot is free
START = (
    _COUNTING
    + """
local sid, on_air, claims, app = ARGV[1], KEYS[3], KEYS[4], KEYS[5]
local spent = redis.call('GET', KEYS[6])
local accepted_ns = redis.call('HGET', KEYS[1], 'accepted_ns')
if accepted_ns == ARGV[3] then return 'ok' end
if spent or accepted_ns then return 'spent:' .. (spent or sid) end
local busy = redis.call('HGET', claims, ARGV[5])
if busy and redis.call('SISMEMBER', on_air, busy) == 1 then return 'conflict' end
if over_quota(app, on_air, ARGV[6], ARGV[7], ARGV[8]) then return 'quota' end
local taken = redis.call('SCARD', on_air)
if taken >= slots(KEYS[7]) then return 'full' end
if redis.call('HLEN', claims) > taken then tidy(claims, on_air, 1) end
if redis.call('HLEN', app) > taken then tidy(app, on_air, 0) end
redis.call('HSET', KEYS[1], 'spec', ARGV[2], 'state', ARGV[4], 'fence', 0, 'accepted_ns', ARGV[3])
redis.call('SADD', KEYS[2], sid)
redis.call('SADD', on_air, sid)
redis.call('HSET', claims, ARGV[5], sid)
redis.call('HSET', app, sid, ARGV[8])
redis.call('SET', KEYS[6], sid, 'EX', ARGV[9])
if ARGV[10] ~= '' then redis.call('LPUSH', KEYS[8], ARGV[10]) end
return 'ok'
"""
)

# KEYS on_air, recorders, app   ARGV recordings and streams that the app may have ('' for no limit)
# {slots taken, slots of living recorders, 1 if the app could not have one more recording}
ROOM = (
    _COUNTING
    + """
local over = over_quota(KEYS[3], KEYS[1], ARGV[1], ARGV[2], 1) and 1 or 0
return {redis.call('SCARD', KEYS[1]), slots(KEYS[2]), over}
"""
)

# KEYS recorders   ARGV name, slots, ttl_ms
# 1; recorders that fell silent are forgotten
HEARTBEAT = (
    _COUNTING
    + """
local now, all = now_ms(), redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if tonumber(string.match(all[i + 1], '%d+$')) <= now then redis.call('HDEL', KEYS[1], all[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %.0f', ARGV[2], now + ARGV[3]))
return 1
"""
)

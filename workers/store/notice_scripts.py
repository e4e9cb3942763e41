"""Notices in Redis, as Lua: how they are put in with a change of state, and how they get out.

Keys that depend on whom a notice goes to are put together in here: the farm's state lies in one
Redis.  An *entry* is a notice's number, and behind a colon the name of the replay that it belongs
to; ``backlog`` names it with its recording in front of it.
"""

_DROP = """
local function dropped(p, app, member)
  local sid, entry = string.match(member, '^(%x+):(.*)$')
  redis.call('ZREM', p .. 'backlog:' .. app, member)
  local first = redis.call('LINDEX', p .. 'unsent:' .. sid, 0)
  redis.call('LREM', p .. 'unsent:' .. sid, 1, entry)
  if first == entry then redis.call('DEL', p .. 'attempts:' .. sid) end
  if redis.call('EXISTS', p .. 'unsent:' .. sid) == 0 then
    redis.call('ZREM', p .. 'due:' .. app, sid)
  end
end
local function now_ms()
  local time = redis.call('TIME')
  return string.format('%.3f', time[1] * 1000 + time[2] / 1000)
end
-- Of one moment each has its own time: the oldest is dropped at the head of a list, which is cheap.
local function wait(p, app, sid, entry, now, most)
  local waiting = p .. 'backlog:' .. app
  redis.call('RPUSH', p .. 'unsent:' .. sid, entry)
  redis.call('ZADD', p .. 'due:' .. app, 'NX', now, sid)
  redis.call('ZADD', waiting, now, sid .. ':' .. entry)
  redis.call('SADD', p .. 'receivers', app)
  while redis.call('ZCARD', waiting) > most do
    dropped(p, app, redis.call('ZRANGE', waiting, 0, 0)[1])
    redis.call('INCR', p .. 'dropped')
  end
end
"""

# The last of ARGV is a letter (see store/letter.py), which `tell` puts into the outbox.  A script
# calls it where its change is made; `unknown` says that Redis has forgotten the recording, whose
# numbers would begin anew.  A letter that comes once more, because its answer was lost, may hold
# more than before: what stands in it up to the newest notice that is in Redis was told.
TELL = (
    _DROP
    + """
local letter = cjson.decode(table.remove(ARGV))
local function unknown()
  return #letter.notices > 0
    and redis.call('EXISTS', letter.prefix .. 'rec:' .. letter.sid) == 0
end
local function is_news(one)
  if one.once == '' then return true end
  if one.once_s == 0 then
    return redis.call('SADD', letter.prefix .. 'said:' .. letter.sid, one.once) == 1
  end
  local key = letter.prefix .. 'asked:' .. letter.sid .. ':notice:' .. one.once
  local first = redis.call('SET', key, '1', 'NX', 'EX', one.once_s)
  redis.call('EXPIRE', key, one.once_s)
  return first
end
local function tell()
  local p, sid, app = letter.prefix, letter.sid, letter.app
  if #letter.notices == 0 then return 0 end
  local numbers, texts, told = p .. 'sequence:' .. sid, p .. 'notices:' .. sid, 0
  local before, known = redis.call('GET', numbers), 0
  local last = before and redis.call('HGET', texts, string.format('%.0f', before - 1))
  for place, one in ipairs(letter.notices) do
    if last and string.find(last, one.id, 1, true) then known = place end
  end
  for place, one in ipairs(letter.notices) do
    if place > known and is_news(one) then
      local number = string.format('%.0f', redis.call('INCR', numbers) - 1)
      redis.call('HSET', texts, number, one.text)
      redis.call('HDEL', texts, string.format('%.0f', number - letter.kept))
      wait(p, app, sid, number, now_ms() + told / 1000, letter.most)
      told = told + 1
    end
  end
  local ttl = redis.call('TTL', p .. 'rec:' .. sid)
  if ttl < 0 then ttl = letter.ttl end
  redis.call('HSET', p .. 'rec:' .. sid, 'told_to', app)
  for _, name in ipairs({'sequence:', 'notices:', 'unsent:', 'said:'}) do
    redis.call('EXPIRE', p .. name .. sid, ttl)
  end
  return told
end
"""
)

# KEYS rec   ARGV fence ('' for whoever owns it), letter
# 'ok'; 'gone' Redis has forgotten the recording; 'fence' we no longer own it
ADD = (
    TELL
    + """
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return 'gone' end
if ARGV[1] ~= '' and ARGV[1] ~= fence then return 'fence' end
tell()
return 'ok'
"""
)

# KEYS files, rec   ARGV name, file, letter
# 'ok' the file is listed; 'gone' Redis has forgotten the recording
SAVE_FILE = (
    TELL
    + """
if unknown() then return 'gone' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
tell()
return 'ok'
"""
)

# KEYS rec   ARGV field, value, letter
# 'ok' the field has this value now; 'gone' Redis has forgotten the recording
NOTE = (
    TELL
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
tell()
return 'ok'
"""
)

# KEYS receivers   ARGV prefix, hidden_ms, oldest_ms, places, places of others, then pairs app,
#   places
# {dropped since the last time, waiting, rows}: of recordings whose next notice is due, as {app,
# sid, entry, attempts, notice}, at most so many in all and for each app.  They are hidden for a
# while, so that a deliverer that dies with one does not lose it.
DUE = (
    _DROP
    + """
local p, now = ARGV[1], now_ms()
local rows, places, places_of = {}, tonumber(ARGV[4]), {}
for i = 6, #ARGV, 2 do places_of[ARGV[i]] = tonumber(ARGV[i + 1]) end
local function first_of(app, sid)
  while true do
    local entry = redis.call('LINDEX', p .. 'unsent:' .. sid, 0)
    if not entry then
      redis.call('ZREM', p .. 'due:' .. app, sid)
      return nil
    end
    local text = redis.call('HGET', p .. 'notices:' .. sid, string.match(entry, '^%d+'))
    if text then return entry, text end
    dropped(p, app, sid .. ':' .. entry)
    redis.call('INCR', p .. 'dropped')
  end
end
local waiting = 0
for _, app in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local backlog, due = p .. 'backlog:' .. app, p .. 'due:' .. app
  local old = redis.call('ZRANGEBYSCORE', backlog, '-inf', now - ARGV[3], 'LIMIT', 0, 100)
  for _, member in ipairs(old) do
    dropped(p, app, member)
    redis.call('INCR', p .. 'dropped')
  end
  local left = math.min(places_of[app] or tonumber(ARGV[5]), places)
  if left > 0 then
    for _, sid in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, left)) do
      local entry, text = first_of(app, sid)
      if entry then
        redis.call('ZADD', due, now + ARGV[2], sid)
        local attempts = redis.call('GET', p .. 'attempts:' .. sid) or '0'
        rows[#rows + 1] = {app, sid, entry, attempts, text}
        places = places - 1
      end
    end
  end
  if redis.call('EXISTS', due) == 0 then
    redis.call('DEL', backlog)
    redis.call('SREM', KEYS[1], app)
  end
  waiting = waiting + redis.call('ZCARD', backlog)
end
local lost = redis.call('GET', p .. 'dropped') or '0'
redis.call('DEL', p .. 'dropped')
return {lost, waiting, rows}
"""
)

# KEYS unsent, due, backlog, attempts, notices   ARGV sid, entry, hidden_ms
# The entry needs no more attempts.  {entry, notice} of the next one of the recording, hidden for a
# while; {} there is none, or another deliverer had this one
DONE = (
    _DROP
    + """
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[2] then return {} end
redis.call('LPOP', KEYS[1])
redis.call('DEL', KEYS[4])
redis.call('ZREM', KEYS[3], ARGV[1] .. ':' .. ARGV[2])
local entry = redis.call('LINDEX', KEYS[1], 0)
if not entry then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return {}
end
local text = redis.call('HGET', KEYS[5], string.match(entry, '^%d+'))
redis.call('ZADD', KEYS[2], now_ms() + (text and ARGV[3] or 0), ARGV[1])
return text and {entry, text} or {}
"""
)

# KEYS unsent, due, attempts   ARGV sid, entry, pause_ms, failed ('1' or '0'), ttl
# 1 it is due again after the pause; 0 it is not the next one of the recording any more
AGAIN = (
    _DROP
    + """
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[2] then return 0 end
if ARGV[4] == '1' then
  redis.call('INCR', KEYS[3])
  redis.call('EXPIRE', KEYS[3], ARGV[5])
end
redis.call('ZADD', KEYS[2], now_ms() + ARGV[3], ARGV[1])
return 1
"""
)

# KEYS due, backlog, receivers   ARGV prefix, app
# how many waited for a receiver that is no more
DISCARD = """
local count = redis.call('ZCARD', KEYS[2])
for _, sid in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  redis.call('DEL', ARGV[1] .. 'unsent:' .. sid, ARGV[1] .. 'attempts:' .. sid)
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SREM', KEYS[3], ARGV[2])
return count
"""

# KEYS rec, sequence, notices, unsent   ARGV prefix, sid, name, most, event ('' for all), ttl, kept
# how many notices of the recording are sent once more, in order; -1 it is not known
REPLAY = (
    _DROP
    + """
local row = redis.call('HMGET', KEYS[1], 'state', 'told_to')
if not row[1] then return -1 end
if not row[2] then return 0 end
local count, now = 0, now_ms()
local last = tonumber(redis.call('GET', KEYS[2]) or '0') - 1
for number = math.max(0, last + 1 - ARGV[7]), last do
  local entry = string.format('%.0f', number)
  local text = redis.call('HGET', KEYS[3], entry)
  if text and (ARGV[5] == '' or string.find(text, '"eventType":' .. ARGV[5] .. ',', 1, true)) then
    local at = now + count / 1000
    wait(ARGV[1], row[2], ARGV[2], entry .. ':' .. ARGV[3], at, tonumber(ARGV[4]))
    count = count + 1
  end
end
local ttl = redis.call('TTL', KEYS[3])
redis.call('EXPIRE', KEYS[4], ttl > 0 and ttl or ARGV[6])
return count
"""
)

# KEYS rec   ARGV field, now_ms, another field
# since when its files do not arrive; 0 Redis has forgotten the recording, or the other field says
# already that there is trouble
TROUBLE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[3] ~= ARGV[1] and redis.call('HEXISTS', KEYS[1], ARGV[3]) == 1 then return 0 end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])
"""

# KEYS rec, said   ARGV field, what may be said again…, letter
# 1 a spell of trouble is over; 0 there was none
RECOVERED = (
    TELL
    + """
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('SREM', KEYS[2], unpack(ARGV, 2))
tell()
return 1
"""
)

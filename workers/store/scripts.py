"""Every compare-and-set of the store, as Lua; each says what it answers.

What takes recordings in is in intake_scripts.py.
"""

from workers.store.notice_scripts import TELL

# KEYS rec, lease   ARGV owner, ttl_ms, then pairs from-state, to-state
# {fence, state} the caller owns the recording now; 'taken' somebody else does; 'state' it needs
# no recorder
CLAIM = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 'taken' end
local state = redis.call('HGET', KEYS[1], 'state')
for i = 3, #ARGV, 2 do
  if ARGV[i] == state then
    local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
    redis.call('HSET', KEYS[1], 'state', ARGV[i + 1], 'owner', ARGV[1])
    redis.call('SET', KEYS[2], fence .. ':' .. ARGV[1], 'PX', ARGV[2])
    return {fence, ARGV[i + 1]}
  end
end
return 'state'
"""

# KEYS rec, lease, sequence   ARGV fence, owner, ttl_ms
# {state, stop_ns or '', number of the last order or '', number of the next notice or ''} the lease
# is ours for another ttl (also when it had lapsed and nobody took it); 'fence' somebody else owns
# the recording; 'gone' Redis has forgotten it
RENEW = """
local row = redis.call('HMGET', KEYS[1], 'fence', 'state', 'stop_ns', 'order')
if not row[2] then return 'gone' end
if row[1] ~= ARGV[1] then return 'fence' end
redis.call('SET', KEYS[2], ARGV[1] .. ':' .. ARGV[2], 'PX', ARGV[3])
return {row[2], row[3] or '', row[4] or '', redis.call('GET', KEYS[3]) or ''}
"""

# KEYS rec, list   ARGV order, microseconds, kept, ttl, then states in which it is taken
# 'ok' the order has a number and stands in the list; 'state' the recording does not run.
# Numbers are times, so that those of a Redis that lost its data go on growing.
ORDER = """
local row = redis.call('HMGET', KEYS[1], 'state', 'order')
for i = 5, #ARGV do
  if ARGV[i] == row[1] then
    local number = math.max(tonumber(ARGV[2]), tonumber(row[2] or 0) + 1)
    local text = string.format('%.0f', number)
    redis.call('HSET', KEYS[1], 'order', text)
    redis.call('RPUSH', KEYS[2], text .. ' ' .. ARGV[1])
    redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
    redis.call('EXPIRE', KEYS[2], ARGV[4])
    return 'ok'
  end
end
return 'state'
"""

# KEYS rec, lease   ARGV fence, owner
# 1 released; 0 it was not ours
RELEASE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] .. ':' .. ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
return 1
"""

# KEYS rec   ARGV fence ('' for whoever owns it), field, value, …, '--', then from-state, to-state
#   …, letter
# the new state; 'fence' we no longer own it; 'state:<s>' the event does not fit that state
MOVE = (
    TELL
    + """
local row = redis.call('HMGET', KEYS[1], 'fence', 'state')
if not row[2] then return 'state:' end
if ARGV[1] ~= '' and row[1] ~= ARGV[1] then return 'fence' end
local fields, i = {}, 2
while ARGV[i] ~= '--' do
  fields[#fields + 1] = ARGV[i]
  i = i + 1
end
for j = i + 1, #ARGV, 2 do
  if ARGV[j] == row[2] then
    fields[#fields + 1] = 'state'
    fields[#fields + 1] = ARGV[j + 1]
    redis.call('HSET', KEYS[1], unpack(fields))
    tell()
    return ARGV[j + 1]
  end
end
return 'state:' .. row[2]
"""
)

# KEYS on_air, claims, app, lease, orders…   ARGV sid, claim
# 1; the slot, the UID and the lease are free again, unless another recording has the UID by now
FREE = """
redis.call('SREM', KEYS[1], ARGV[1])
if redis.call('HGET', KEYS[2], ARGV[2]) == ARGV[1] then redis.call('HDEL', KEYS[2], ARGV[2]) end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('DEL', unpack(KEYS, 4))
return 1
"""

# KEYS rec, active, on_air, finished, files, recuts   ARGV sid, now_ns, rec_ttl, finished_ttl, then
#   pairs from-state, to-state, letter
# 1 ended, and who waits for it is told; 0 the event does not fit the state
FINISH = (
    TELL
    + """
local state = redis.call('HGET', KEYS[1], 'state')
for i = 5, #ARGV, 2 do
  if ARGV[i] == state then
    redis.call('HSET', KEYS[1], 'state', ARGV[i + 1], 'delivered_ns', ARGV[2])
    for _, key in ipairs({KEYS[1], KEYS[5], KEYS[6]}) do redis.call('EXPIRE', key, ARGV[3]) end
    redis.call('SREM', KEYS[2], ARGV[1])
    redis.call('SREM', KEYS[3], ARGV[1])
    redis.call('DEL', KEYS[4])
    redis.call('RPUSH', KEYS[4], '1')
    redis.call('EXPIRE', KEYS[4], ARGV[4])
    tell()
    return 1
  end
end
return 0
"""
)

# KEYS rec   ARGV fence, field, value, …
# 'ok'; 'fence' we no longer own it; 'gone' Redis has forgotten it
WRITE = """
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return 'gone' end
if fence ~= ARGV[1] then return 'fence' end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 'ok'
"""

# KEYS rec, active, on_air, claims, app, recuts, sequence, said   ARGV sid, '1' if it needs a
#   recorder, claim, its streams, number of the next notice, ttl, two names, then field, value, …
# 1 Redis knows the recording again, and that it told what is said once at its beginning; 0 it had
# not forgotten it
RESTORE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 9))
if ARGV[5] ~= '0' then
  redis.call('SET', KEYS[7], ARGV[5], 'EX', ARGV[6])
  redis.call('SADD', KEYS[8], ARGV[7], ARGV[8])
  redis.call('EXPIRE', KEYS[8], ARGV[6])
end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PERSIST', KEYS[6])
if ARGV[2] == '1' then
  redis.call('SADD', KEYS[3], ARGV[1])
  redis.call('HSET', KEYS[4], ARGV[3], ARGV[1])
  redis.call('HSET', KEYS[5], ARGV[1], ARGV[4])
end
return 1
"""

# KEYS rec, active, recuts, rec of the tape   ARGV sid, recuts_ttl, then field, value, …
# 1 a recut is taken in; 0 it was already.  The set lives as long as the recording that has the tape
# is remembered; recuts_ttl is for one that is not known (any more, or yet).
BEGIN_RECUT = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
local ttl = redis.call('TTL', KEYS[4])
if ttl == -2 then ttl = ARGV[2] end
if ttl ~= -1 then redis.call('EXPIRE', KEYS[3], ttl) end
return 1
"""

# KEYS rec, files, recuts   ARGV ttl, then field, value, …
# 1 Redis knows a recording again that has ended; 0 it had not forgotten it
REMEMBER = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[1]) end
return 1
"""

# KEYS rec   ARGV spec as it was read, spec, then terminal states
# 'ok' the spec is replaced; 'changed' by another one meanwhile; 'gone' the recording has ended
REKEY = """
local row = redis.call('HMGET', KEYS[1], 'spec', 'state')
if not row[1] then return 'gone' end
for i = 3, #ARGV do
  if ARGV[i] == row[2] then return 'gone' end
end
if row[1] ~= ARGV[1] then return 'changed' end
redis.call('HSET', KEYS[1], 'spec', ARGV[2])
return 'ok'
"""

"""What Redis does in one step: the layout, and the Lua that keeps it whole.

Each call of the store is one script, so it is one round trip and nothing half done is ever seen, whoever is killed. All
names begin with the root in `KEYS[1]`, `{NAMESPACE}:1:`; the number is the version of this layout, and a later layout
takes the next one and leaves the old one to expire.

    chat:CHAT_ID   hash    place → what is known there: here and nowhere else an anchor exists or does not
    key:KEY        list    the places of one history, the oldest first (with zsets the whole would take twice the room)
    chats          zset    chat_id → when it was last used, in seconds since 1970
    puts           string  puts since the anchors were last counted
    lease:CHAT_ID  string  the bridge that is answering in the chat; lives for seconds

A place is `[key, chat_id, parent_id]` in JSON, made by Python once and then handled whole; what is known there is
`[model, account, instructions, depth, previous]`. Answers of many parts are one JSON text, joined from those texts:
reading two hundred anchors takes a quarter of the time of reading as many single values. Everything expires. A chat
and the keys that lead into it live equally long after its last use; an entry of `key:` or `chats` whose chat is gone
leads nowhere and is passed over, so it does not matter in which order Redis lets things go, even when it evicts.
"""

from __future__ import annotations

from typing import Final

# What a use writes is only a hint for forgetting: a Redis that takes no writes just now can still be read. Hence pcall.
_COMMON: Final = """
local root, chats = KEYS[1], KEYS[1] .. 'chats'
local function chat_name(chat) return root .. 'chat:' .. chat end
local function key_name(key) return root .. 'key:' .. key end

local function use(chat, now, ttl, patience)
  local used = tonumber(redis.call('ZSCORE', chats, chat) or 0)
  if now - used > patience or used == 0 then
    redis.pcall('ZADD', chats, math.max(now, used), chat)
    redis.pcall('PEXPIRE', chats, ttl)
  end
  if redis.call('PTTL', chat_name(chat)) < ttl - patience * 1000 then
    redis.pcall('PEXPIRE', chat_name(chat), ttl)
    for _, place in ipairs(redis.call('HKEYS', chat_name(chat))) do
      redis.pcall('PEXPIRE', key_name(cjson.decode(place)[1]), ttl)
    end
  end
end

local function remove(place)
  local key, chat = unpack(cjson.decode(place))
  redis.call('LREM', key_name(key), 0, place)
  local gone = redis.call('HDEL', chat_name(chat), place)
  if redis.call('EXISTS', chat_name(chat)) == 0 then redis.call('ZREM', chats, chat) end
  return gone
end
"""

FIND: Final = (
    _COMMON
    + """
-- now, ttl (ms), patience (s), keys… → [[place, anchor], …]
local now, ttl, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local found, seen = {}, {}
for i = 4, #ARGV do
  for _, place in ipairs(redis.call('LRANGE', key_name(ARGV[i]), 0, -1)) do
    local chat = cjson.decode(place)[2]
    local anchor = redis.call('HGET', chat_name(chat), place)
    if anchor then
      found[#found + 1] = '[' .. place .. ',' .. anchor .. ']'
      seen[chat] = true
    end
  end
end
for chat in pairs(seen) do use(chat, now, ttl, patience) end
return '[' .. table.concat(found, ',') .. ']'
"""
)

PUT: Final = (
    _COMMON
    + """
-- now, ttl (ms), patience (s), place, anchor, places per key, puts between two counts → 1 when it is time to count
local now, ttl, patience, place = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local key, chat = unpack(cjson.decode(place))
redis.call('HSET', chat_name(chat), place, ARGV[5])
local places, known = redis.call('LRANGE', key_name(key), 0, -1), false
for _, old in ipairs(places) do known = known or old == place end
if not known then redis.call('RPUSH', key_name(key), place) end
redis.call('PEXPIRE', key_name(key), ttl)
for i = 1, #places + (known and 0 or 1) - tonumber(ARGV[6]) do remove(places[i]) end
use(chat, now, ttl, 0)
local puts = redis.call('INCR', root .. 'puts')
redis.call('PEXPIRE', root .. 'puts', ttl)
if puts < tonumber(ARGV[7]) then return 0 end
redis.call('SET', root .. 'puts', 0, 'PX', ttl)
return 1
"""
)

EVICT: Final = (
    _COMMON
    + """
-- anchors that may stay, the place that must, how many may go at once → how many are still too many
local spared, most = ARGV[2], tonumber(ARGV[3])
local order, total = redis.call('ZRANGE', chats, 0, -1), 0
for _, chat in ipairs(order) do
  local held = redis.call('HLEN', chat_name(chat))
  if held == 0 then redis.call('ZREM', chats, chat) end
  total = total + held
end
local over = total - tonumber(ARGV[1])
local wanted = math.min(over, most)
for _, chat in ipairs(order) do
  if wanted <= 0 then break end
  local flat, leaves = redis.call('HGETALL', chat_name(chat)), {}
  for i = 1, #flat, 2 do
    if flat[i] ~= spared then leaves[#leaves + 1] = {cjson.decode(flat[i + 1])[4], flat[i]} end
  end
  table.sort(leaves, function(a, b) return a[1] > b[1] end)
  for i = 1, math.min(wanted, #leaves) do remove(leaves[i][2]) end
  over, wanted = over - math.min(wanted, #leaves), wanted - #leaves
end
return over
"""
)

DROP: Final = (
    _COMMON
    + """
-- chat_id, and parent_id when only one node of it is meant → how many anchors went
local count = 0
for _, place in ipairs(redis.call('HKEYS', chat_name(ARGV[1]))) do
  if not ARGV[2] or cjson.decode(place)[3] == ARGV[2] then count = count + remove(place) end
end
return count
"""
)

LEASE: Final = (
    _COMMON
    + """
-- chat_id, holder, ms → 1 when the holder has it now
local name = root .. 'lease:' .. ARGV[1]
local holder = redis.call('GET', name)
if holder and holder ~= ARGV[2] then return 0 end
redis.call('SET', name, ARGV[2], 'PX', ARGV[3])
return 1
"""
)

GIVE_BACK: Final = (
    _COMMON
    + """
-- chat_id, holder
local name = root .. 'lease:' .. ARGV[1]
if redis.call('GET', name) == ARGV[2] then redis.call('DEL', name) end
return 0
"""
)

PURGE: Final = (
    _COMMON
    + """
-- the time before which a chat is idle, how many chats may go at once → chats looked at, anchors that went
local count = 0
local idle = redis.call('ZRANGEBYSCORE', chats, '-inf', '(' .. ARGV[1], 'LIMIT', 0, tonumber(ARGV[2]))
for _, chat in ipairs(idle) do
  for _, place in ipairs(redis.call('HKEYS', chat_name(chat))) do count = count + remove(place) end
  redis.call('ZREM', chats, chat)
end
return {#idle, count}
"""
)

COUNT: Final = (
    _COMMON
    + """
-- → anchors, chats, when the one idle for longest was last used (as text: Lua's numbers reach Redis as integers)
local anchors, known, oldest = 0, 0, false
local flat = redis.call('ZRANGE', chats, 0, -1, 'WITHSCORES')
for i = 1, #flat, 2 do
  local held = redis.call('HLEN', chat_name(flat[i]))
  if held > 0 then
    anchors, known, oldest = anchors + held, known + 1, oldest or flat[i + 1]
  end
end
return {anchors, known, oldest}
"""
)

CHATS: Final = (
    _COMMON
    + """
-- how many to skip, how many to look at → [chats looked at, [place, anchor, anchors, used], …], each with its deepest
local flat = redis.call('ZREVRANGE', chats, ARGV[1], ARGV[1] + ARGV[2] - 1, 'WITHSCORES')
local rows = {#flat / 2}
for i = 1, #flat, 2 do
  local held, depth, deepest = redis.call('HGETALL', chat_name(flat[i])), -1, false
  for j = 1, #held, 2 do
    local own = cjson.decode(held[j + 1])[4]
    if own > depth then depth, deepest = own, held[j] .. ',' .. held[j + 1] end
  end
  if deepest then rows[#rows + 1] = '[' .. deepest .. ',' .. #held / 2 .. ',' .. flat[i + 1] .. ']' end
end
return '[' .. table.concat(rows, ',') .. ']'
"""
)

ANCHORS_OF: Final = (
    _COMMON
    + """
-- chat_id → [[place, anchor], …]
local held, rows = redis.call('HGETALL', chat_name(ARGV[1])), {}
for i = 1, #held, 2 do rows[#rows + 1] = '[' .. held[i] .. ',' .. held[i + 1] .. ']' end
return '[' .. table.concat(rows, ',') .. ']'
"""
)

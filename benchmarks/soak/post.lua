-- Posts bodies to a model at a steady rate, and stops asking before wrk stops listening: what is under way is
-- answered and counted, so that wrk's count is the number of requests that were served.
--
-- Arguments: file of bodies, file of bad bodies (a body a line), send a bad one once in so many requests,
-- requests a second (0: as fast as they are answered), seconds of sending. One thread only (wrk -t1).

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int clock, moment *now);")

local MONOTONIC, NEVER_MS = 1, 1e9
local moment = ffi.new("moment")
local good, malformed = {}, {}
local every, rate, seconds, began
local asked = 0
sent, bad = 0, 0 -- global: done() reads them

local function now()
   ffi.C.clock_gettime(MONOTONIC, moment)
   return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local function requests(file)
   local headers, made = { ["Content-Type"] = "application/json" }, {}
   for body in io.lines(file) do
      made[#made + 1] = wrk.format("POST", nil, headers, body)
   end
   return made
end

function setup(thread)
   sender = thread
end

function init(args)
   good, malformed = requests(args[1]), requests(args[2])
   every, rate, seconds = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
end

-- wrk asks before each request how many milliseconds to wait.
function delay()
   local time = now()
   began = began or time
   local due = rate > 0 and math.max(time, began + asked / rate) or time
   if due - began >= seconds then
      return NEVER_MS
   end
   asked = asked + 1
   return (due - time) * 1000
end

function request()
   -- Once before it begins wrk asks for a request that it does not send.
   if not began then
      return good[1]
   end
   sent = sent + 1
   if sent % every == 0 then
      bad = bad + 1
      return malformed[bad % #malformed + 1]
   end
   return good[sent % #good + 1]
end

function done(summary)
   local errors = summary.errors
   io.write(string.format(
      '{"sent": %d, "bad": %d, "answered": %d, "refused": %d, "socket_errors": %d}\n',
      sender:get("sent"), sender:get("bad"), summary.requests, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout
   ))
end

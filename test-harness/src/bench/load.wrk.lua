-- Arguments: a file with one token a line, the host, a file with the body. Prints one line `RESULT {...}`.
local requests, at = {}, 0

function init(args)
  local headers = {
    ["Host"] = args[2],
    ["content-type"] = "application/json",
    ["accept"] = "application/json, text/event-stream",
    ["mcp-protocol-version"] = "2025-11-25",
  }
  local file = assert(io.open(args[3], "rb"))
  local body = file:read("*a")
  file:close()
  for token in io.lines(args[1]) do
    headers["authorization"] = "Bearer " .. token
    requests[#requests + 1] = wrk.format("POST", "/mcp", headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

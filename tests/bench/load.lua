-- Paths and their weights from LOAD_PATHS ("path*weight path*weight …"), in turn; then one
-- line for tests/bench/soak.py: requests, failures to connect, read, write, in time, and
-- answers that are not 2xx or 3xx.
local paths, at = {}, 0
for path, weight in os.getenv("LOAD_PATHS"):gmatch("(%S+)%*(%d+)") do
	for _ = 1, tonumber(weight) do paths[#paths + 1] = path end
end
math.randomseed(1)
for i = #paths, 2, -1 do
	local j = math.random(i)
	paths[i], paths[j] = paths[j], paths[i]
end
request = function()
	at = at % #paths + 1
	return wrk.format("GET", paths[at])
end
done = function(summary, latency)
	local e = summary.errors
	io.write(string.format("RESULT %d %d %d %d %d %d %.3f %.3f\n", summary.requests, e.connect,
		e.read, e.write, e.timeout, e.status, latency:percentile(50) / 1000,
		latency:percentile(99) / 1000))
end

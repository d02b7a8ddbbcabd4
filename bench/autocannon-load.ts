/**
 * `node bench/autocannon-load.ts JOB`: orders by autocannon, for machines without wrk. JOB is JSON:
 * {url, users: {first, last}, connections, seconds, price, timeout_s}. Prints one line of JSON like wrk's script.
 */
import autocannon from 'autocannon';

const { url, users, connections, seconds, price, timeout_s } = JSON.parse(process.argv[2]!);

const result = await autocannon({
  url,
  connections,
  duration: seconds,
  timeout: timeout_s,
  requests: [
    {
      method: 'POST',
      path: '/orders',
      headers: { 'content-type': 'application/json' },
      setupRequest(request) {
        const user_id = users.first + Math.floor(Math.random() * (users.last - users.first + 1));
        return { ...request, body: JSON.stringify({ user_id, price }) };
      },
    },
  ],
});
console.log(
  JSON.stringify({
    accepted: result['2xx'],
    // autocannon counts a time-out as an error too.
    errors: result.non2xx + result.errors,
    seconds: result.duration,
    mean_ms: result.latency.mean,
    p50_ms: result.latency.p50,
    p99_ms: result.latency.p99,
    p999_ms: result.latency.p99_9,
  }),
);

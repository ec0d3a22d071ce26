// SPDX-License-Identifier: Apache-2.0
// Counts what the filter asks of its host for a warm request, and fails where that differs from the table below.
//
// usage: node hostcalls.mjs FILTER.wasm
//
// The host is the one of host.mjs.

import { createSign, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Host, ISSUER, RESOURCE, configuration, unsigned, withKey } from './host.mjs';

// What a warm `tools/call` takes whose verdict is not timed, by configuration. Whoever changes a line makes every request
// dearer or cheaper: say so in docs/performance.md. `shared data` stays 0 on the warm path.
const LEAN = { clock: 3, 'header map': 2, body: 1, 'header edit': 1, metric: 0, 'filter state': 0, 'shared data': 0, other: 0 };
const EXPECTED = {
  lean: LEAN,
  shared: LEAN,
  presence: { ...LEAN, 'filter state': 1 },
  'identity headers': { ...LEAN, 'header edit': 5 },
  'filter state': { ...LEAN, 'filter state': 10 },
  'two names of it': { ...LEAN, 'filter state': 2 },
  // Three clocks more: each is timed, and when the stream was over.
  'access log': { ...LEAN, clock: 6, 'filter state': 1 },
};
// The first request of so many is timed (`Timing::ONE_OF`): a clock at the end of its head and of its body. With records, each is.
const ONE_OF = 8;
const timed = (name, expected) => (name === 'access log' ? expected : { ...expected, clock: expected.clock + 2 });

// Shared data per request, on the average of so many by callers in turn who come often, under a limit per caller and one per
// tool.
const [OFTEN, CALLERS, MOST_SHARED] = [4_000, 4, 1];

// Values of histograms that a VM keeps until the tick, at most (`Kept::MOST`); what a warm request leaves of them, by metric.
const KEPT = 1_024;
const DURATIONS = ['toolgate_decision_duration_microseconds', 'toolgate_upstream_duration_milliseconds'];

const KINDS = {
  proxy_get_current_time_nanoseconds: 'clock',
  proxy_get_header_map_pairs: 'header map',
  proxy_get_buffer_bytes: 'body',
  proxy_remove_header_map_value: 'header edit',
  proxy_replace_header_map_value: 'header edit',
  proxy_increment_metric: 'metric',
  proxy_record_metric: 'metric',
  proxy_set_property: 'filter state',
  proxy_get_shared_data: 'shared data',
  proxy_set_shared_data: 'shared data',
};

const LIMITS = [
  { id: 'caller', by: ['principal'], requests: 100_000, seconds: 1 },
  { id: 'tool', by: ['tool'], requests: 400_000, seconds: 1 },
];

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

function token(sub = 'alice') {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, aud: RESOURCE, sub, exp: now + 3600, iat: now, roles: ['developer'] };
  const input = unsigned('RS256', claims);
  return `${input}.${createSign('RSA-SHA256').update(input).sign(privateKey, 'base64url')}`;
}

function document(name) {
  return configuration(withKey(publicKey), { identity_headers: name === 'identity headers' }, {
    audit: audit(name),
    // Marks are on unless they are said to be off.
    ...(name === 'presence' ? { host: { headers_stop_iteration: true } } : {}),
    ...(name === 'shared' ? { secrets: { shared_state: { env: 'SHARED_KEY' } } } : {}),
    ...(name === 'limits' ? { secrets: { shared_state: { env: 'SHARED_KEY' } }, limits: { rates: LIMITS } } : {}),
    ...(name === 'access log' ? { secrets: { audit: { env: 'SHARED_KEY' } } } : {}),
  });
}

function audit(name) {
  switch (name) {
    case 'filter state': return { filter_state: true };
    case 'two names of it': return { filter_state: true, filter_state_names: ['subject', 'tool'] };
    case 'access log': return { outlets: ['access_log'] };
    default: return {};
  }
}

const bytes = new WebAssembly.Module(readFileSync(process.argv[2]));
let wrong = 0;

function check(holds, what) {
  if (holds) return;
  console.error(`hostcalls: ${what}`);
  wrong = 1;
}

// Where they are missing every test passes, and a request costs a tenth more.
const hints = WebAssembly.Module.customSections(bytes, 'metadata.code.branch_hint');
check(hints.length === 1 && hints[0].byteLength >= 1_000, 'the filter has no branch hints: build it with `make wasm`, without `HINTS=off`');

const sum = (values) => values.reduce((one, other) => one + other, 0);

// What one request asks of its host, by kind.
function kinds(asked) {
  const calls = {};
  for (const [call, count] of Object.entries(asked)) {
    const kind = KINDS[call] ?? 'other';
    calls[kind] = (calls[kind] ?? 0) + count;
  }
  return calls;
}

for (const [name, untimed] of Object.entries(EXPECTED)) {
  const host = new Host(bytes, document(name));
  host.configure();
  const bearer = token();
  for (let at = 0; at <= 2 * ONE_OF; at += 1) {
    const calls = kinds(host.request(2 + at, bearer));
    // New, then warm: the token is remembered, and every series defined.
    if (at < 2) continue;
    const [what, expected] = at % ONE_OF ? [name, untimed] : [`${name}, timed`, timed(name, untimed)];
    const all = Object.keys(expected).map((kind) => [kind, calls[kind] ?? 0]);
    if (at === ONE_OF - 1 || at === ONE_OF) {
      console.log(`${what.padEnd(23)} ${String(sum(Object.values(calls))).padStart(2)} host calls: ${all.filter(([, count]) => count).map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
    }
    for (const [kind, count] of all) check(count === expected[kind], `${what}: ${count} of \`${kind}\` in place of ${expected[kind]}`);
  }
}
const host = new Host(bytes, document('limits'));
host.configure();
const bearers = Array.from({ length: CALLERS }, (_, at) => token(`caller-${at}`));
bearers.forEach((bearer, at) => host.request(2 + at, bearer));
let shared = 0;
for (let at = 0; at < OFTEN; at += 1) {
  const calls = host.request(100 + at, bearers[at % CALLERS]);
  shared += (calls.proxy_get_shared_data ?? 0) + (calls.proxy_set_shared_data ?? 0);
}
console.log(`two limits              ${(shared / OFTEN).toFixed(3)} operations on shared data a request, of ${OFTEN} by ${CALLERS} callers in turn`);
check(shared > 0 && shared / OFTEN < MOST_SHARED, `limits: ${shared} operations on shared data for ${OFTEN} requests, in place of fewer than ${MOST_SHARED} each, and some`);

// How many values of each duration the host was told.
const told = (host) => DURATIONS.map((start) => host.metrics.filter(({ name }) => name.startsWith(start)).reduce((all, { recorded }) => all + recorded, 0));
// As many as so many requests have left: of the verdict's duration one of eight, the first among them.
const left = (requests) => [Math.ceil(requests / ONE_OF), requests];

// Values of histograms: none within a request, all of them on the tick, or when the list is full, or when the configuration goes.
const keeper = new Host(bytes, document('lean'));
keeper.configure();
const bearer = token();
let requests = 0;
const request = () => keeper.request(2 + requests++, bearer).proxy_record_metric ?? 0;
const whole = (when) => check(String(told(keeper)) === String(left(requests)), `${when} the host knows ${told(keeper)} durations of ${requests} requests, in place of ${left(requests)}`);
for (let at = 0; at < 20; at += 1) check(request() === 0, 'a warm request hands over values of histograms');
check(sum(told(keeper)) === 0, `${told(keeper)} durations were told before the tick`);
keeper.wasm.proxy_on_tick(1);
whole('after the tick');
const before = sum(told(keeper));
while (sum(told(keeper)) === before && requests <= 2 * KEPT) request();
check(sum(told(keeper)) - before === KEPT, `a full list hands over ${sum(told(keeper)) - before} values in place of ${KEPT}`);
keeper.wasm.proxy_on_tick(1);
whole('after the list was full');
for (let at = 0; at < 20; at += 1) request();
keeper.wasm.proxy_on_delete(1);
whole('after the end');
console.log(`histograms              ${told(keeper).join(' and ')} values of ${requests} requests, on ticks, from a full list, and at the end`);
process.exit(wrong);

// SPDX-License-Identifier: Apache-2.0
// Times the filter alone, in the V8 of Node: in a loop, and with what a proxy does between two requests, which pushes its code
// and data out of the processor's caches. Load of the machine moves these figures far less than those of a proxy, so this is
// for comparing two builds: give both.
//
// usage: node --no-liftoff --experimental-wasm-branch-hinting module.mjs FILTER.wasm [OTHER.wasm …]
//
// The host is the one of host.mjs; its own work is in every figure. It says that every signature is right: what verification costs is measured elsewhere.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Host, ISSUER, OK, PAUSE, RESOURCE, configuration, unsigned, withKey } from './host.mjs';

const [ROUNDS, COLD, HOT] = [20, 100, 400];
const NOW = 1_800_000_000;
const WARM_TOKENS = 100;
// Chains of `make bench`, by what differs: options, and how many tokens come in turn.
const CHAINS = {
  toolgate: { tokens: WARM_TOKENS },
  toolgate_cold: { tokens: 200, limits: { token_cache_entries: 64 } },
  toolgate_defaults: { tokens: WARM_TOKENS, whole: true },
  toolgate_full: { tokens: WARM_TOKENS, whole: true, audit: { outlets: ['access_log'], filter_state: true, filter_state_names: ['subject', 'tool'] } },
};
const RESULT = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 123, result: { content: [{ type: 'text', text: 'sunny, 21 degrees' }] } }));
const ANSWERED = { ':status': '200', 'content-type': 'application/json', 'content-length': String(RESULT.length) };
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

function token(at) {
  const claims = {
    iss: ISSUER, aud: RESOURCE, sub: `user-${at}`, iat: NOW, exp: NOW + 36_000, jti: `bench-${at}`, client_id: 'bench',
    scope: 'mcp:tools mcp:resources', roles: ['developer'],
  };
  return `${unsigned('RS256', claims)}.${Buffer.alloc(256, at).toString('base64url')}`;
}

function document({ whole, limits, audit }) {
  const secrets = audit ? { secrets: { audit: { env: 'SHARED_KEY' } } } : {};
  const all = configuration(withKey(publicKey), { identity_headers: whole === true }, { ...secrets, limits: limits ?? {}, audit: audit ?? {} });
  if (whole) delete all.servers[0].answers;
  return all;
}

// What is constant is made before the clock runs.
class Timed extends Host {
  constructor(module, document) {
    super(module, document);
    this.result = RESULT;
    this.passed = 0n;
    this.next = 2;
  }

  view() {
    const { buffer } = this.wasm.memory;
    if (this.seen?.buffer !== buffer) this.seen = new DataView(buffer);
    return this.seen;
  }
  proxy_get_current_time_nanoseconds(at) {
    this.passed += 1_000n;
    this.view().setBigUint64(at, BigInt(NOW) * 1_000_000_000n + this.passed, true);
    return OK;
  }
  proxy_call_foreign_function(_name, _size, _at, _length, data, size) { return this.give(Buffer.from([8, 1]), data, size); }

  // The callbacks of one request, in nanoseconds.
  timed() {
    const context = this.next++;
    const began = process.hrtime.bigint();
    const [held, passed] = this.run(context, RESULT.length);
    const took = Number(process.hrtime.bigint() - began);
    assert.deepEqual([held, passed, this.log], [PAUSE, OK, []]);
    return took;
  }
}

// Functions of straight-line code, a few hundred KiB of it: they push others out of the instruction caches.
function code(functions, steps) {
  const number = (value) => { const out = []; do { out.push((value & 127) | (value > 127 ? 128 : 0)); value >>>= 7; } while (value); return out; };
  // Small and positive: four bytes with a top bit of 0.
  const constant = (value) => [(value & 127) | 128, ((value >> 7) & 127) | 128, ((value >> 14) & 127) | 128, (value >> 21) & 63];
  const section = (id, content) => [id, ...number(content.length), ...content];
  const names = Array.from({ length: functions }, (_, at) => [...Buffer.from(`f${at}`)]);
  const body = (at) => {
    const own = [0, 0x20, 0];
    for (let step = 0; step < steps; step += 1) own.push(0x41, ...constant(step * 7_919 + at * 31), step % 2 ? 0x6C : 0x73);
    own.push(0x0B);
    return [...number(own.length), ...own];
  };
  const bytes = [
    0, 0x61, 0x73, 0x6D, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, 0x7F, 1, 0x7F]),
    ...section(3, [...number(functions), ...names.map(() => 0)]),
    ...section(7, [...number(functions), ...names.flatMap((name, at) => [name.length, ...name, 0, ...number(at)])]),
    ...section(10, [...number(functions), ...names.flatMap((_, at) => body(at))]),
  ];
  return Object.values(new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports);
}

const trash = code(64, 1_500);
const bytes = new Uint8Array(1 << 20);
let seed = 1;
function sweep() {
  for (const run of trash) seed = run(seed | 1);
  for (let at = 0; at < bytes.length; at += 64) bytes[at] += seed;
}

const median = (values) => values.sort((one, other) => one - other)[values.length >> 1];
const micros = (values) => (median(values) / 1_000).toFixed(2).padStart(7);
const filters = process.argv.slice(2).map((path) => ({ name: basename(path, '.wasm'), module: new WebAssembly.Module(readFileSync(path)) }));
const all = Object.entries(CHAINS).flatMap(([chain, options]) => filters.map(({ name, module }) => {
  const host = new Timed(module, document(options));
  host.configure();
  const tokens = Array.from({ length: options.tokens }, (_, at) => token(at));
  let at = 0;
  const request = (before) => { host.prepare(tokens[at++ % tokens.length], ANSWERED); before(); return host.timed(); };
  for (let times = 0; times < 3_000; times += 1) request(() => {});
  return { name, chain, request, hot: [], cold: [] };
}));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const one of all) {
    one.cold.push(median(Array.from({ length: COLD }, () => one.request(sweep))));
    one.hot.push(median(Array.from({ length: HOT }, () => one.request(() => {}))));
  }
}
console.log(`${'filter'.padEnd(20)} ${'chain'.padEnd(18)} in a loop  caches cold (µs a request, median of ${ROUNDS} rounds)`);
for (const { name, chain, hot, cold } of all) console.log(`${name.padEnd(20)} ${chain.padEnd(18)}   ${micros(hot)}      ${micros(cold)}`);

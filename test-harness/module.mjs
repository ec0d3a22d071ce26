// SPDX-License-Identifier: Apache-2.0
// Times the filter alone, in the V8 of Node: in a loop, and with what a proxy does between two requests, which pushes its code
// and data out of the processor's caches. Load of the machine moves these figures far less than those of a proxy, so this is
// for comparing two builds: give both.
//
// usage: node --no-liftoff module.mjs FILTER.wasm [OTHER.wasm …]
//
// The host is the one of host.mjs; its own work is in every figure. It says that every signature is right: what verification costs is measured elsewhere.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { HOST, Host, ISSUER, RESOURCE, configuration } from './host.mjs';

const [OK, PAUSE] = [0, 1];
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
const CALL = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 123, method: 'tools/call', params: { name: 'get_weather', arguments: { city: 'Lisbon' } } }));
const RESULT = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 123, result: { content: [{ type: 'text', text: 'sunny, 21 degrees' }] } }));
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

function token(at) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: ISSUER, aud: RESOURCE, sub: `user-${at}`, iat: NOW, exp: NOW + 36_000, jti: `bench-${at}`, client_id: 'bench',
    scope: 'mcp:tools mcp:resources', roles: ['developer'],
  };
  return `${part({ alg: 'RS256', kid: 'k', typ: 'at+jwt' })}.${part(claims)}.${Buffer.alloc(256, at).toString('base64url')}`;
}

function document({ whole, limits, audit }) {
  const issuer = {
    algorithms: ['RS256'],
    jwks: { inline: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }] } },
  };
  const secrets = audit ? { secrets: { audit: { env: 'SHARED_KEY' } } } : {};
  const all = configuration(issuer, { identity_headers: whole === true }, { ...secrets, limits: limits ?? {}, audit: audit ?? {} });
  if (whole) delete all.servers[0].answers;
  return all;
}

// A header map as the host encodes it.
function encoded(fields) {
  const texts = Object.entries(fields).flat().map((text) => Buffer.from(text));
  const head = Buffer.alloc(4 + 4 * texts.length);
  head.writeUInt32LE(texts.length / 2);
  texts.forEach((text, at) => head.writeUInt32LE(text.length, 4 + 4 * at));
  return Buffer.concat([head, ...texts.flatMap((text) => [text, Buffer.alloc(1)])]);
}

// What is constant is made before the clock runs.
class Timed extends Host {
  constructor(module, document) {
    super(module, document);
    this.passed = 0n;
    this.next = 2;
    this.reply = encoded({ ':status': '200', 'content-type': 'application/json', 'content-length': String(RESULT.length), date: 'Fri, 15 Jan 2027 08:00:00 GMT', server: 'envoy' });
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
  proxy_get_header_map_pairs(kind, data, size) { return this.give(kind === 0 ? this.head : this.reply, data, size); }
  proxy_get_buffer_bytes(kind, _start, _max, data, size) { return this.give(kind === 7 ? this.text : kind === 1 ? RESULT : CALL, data, size); }

  prepare(bearer) {
    this.log = [];
    this.context = this.next++;
    this.head = encoded({
      ':method': 'POST', ':path': '/mcp', ':scheme': 'http', ':authority': HOST, 'content-type': 'application/json',
      accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25', authorization: `Bearer ${bearer}`,
      'content-length': String(CALL.length), 'x-request-id': '5e1f0000-0000-4000-8000-000000000000', 'x-forwarded-proto': 'http',
    });
  }

  // The callbacks of one request, in nanoseconds.
  run() {
    const { wasm, context } = this;
    const began = process.hrtime.bigint();
    wasm.proxy_on_context_create(context, 1);
    const held = wasm.proxy_on_request_headers(context, 11, 0);
    const passed = wasm.proxy_on_request_body(context, CALL.length, 1);
    wasm.proxy_on_response_headers(context, 5, 0);
    wasm.proxy_on_response_body(context, RESULT.length, 1);
    wasm.proxy_on_log(context);
    wasm.proxy_on_delete(context);
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
  const request = (before) => { host.prepare(tokens[at++ % tokens.length]); before(); return host.run(); };
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

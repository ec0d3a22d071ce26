// SPDX-License-Identifier: Apache-2.0
// Runs requests that get through by a marked copy of the filter and counts which way each of its branches goes.
//
// usage: node profile.mjs MARKED.wasm COUNTS
//
// The copy is made by `toolgate-hints mark`; COUNTS has a line for each branch, how often it was not taken and how often it
// was. The host is the one of host.mjs, with a clock and random bytes that are the same in every run, so that two builds
// of one source have the same hints. Requests differ in all that clients and operators choose: what only some of them have
// must not count as what every request has.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Host, ISSUER, OK, PAUSE, RESOURCE, configuration, unsigned } from './host.mjs';

const NOW = 1_800_000_000;
// How many callers come in turn, and how often each chain has all kinds of requests.
const [CALLERS, TURNS] = [20, 2];
const KEY = 'SHARED_KEY';

const noise = (seed, size) => Buffer.concat(Array.from({ length: Math.ceil(size / 32) }, (_, at) => createHash('sha256').update(`${seed} ${at}`).digest())).subarray(0, size);

// A number of the size of a modulus. Nothing is ever verified with it.
function modulus() {
  const bytes = Buffer.from(noise('modulus', 256));
  bytes[0] |= 0x80;
  bytes[255] |= 1;
  return bytes.toString('base64url');
}

const corp = { algorithms: ['RS256'], jwks: { inline: { keys: [{ kty: 'RSA', n: modulus(), e: 'AQAB', kid: 'k', alg: 'RS256', use: 'sig' }] } } };

function token(at) {
  const claims = {
    iss: ISSUER, aud: at % 3 ? RESOURCE : [RESOURCE, 'https://other.example'], sub: `user-${at}`, iat: NOW, exp: NOW + 36_000,
    ...(at % 2 ? { client_id: 'agent', scope: 'mcp:tools mcp:resources', jti: `id-${at}` } : { azp: 'desktop', name: 'Zoë "Z" Example', auth_time: NOW }),
    ...(at % 5 ? { roles: ['developer'] } : { roles: ['reader', 'developer'], groups: ['weather'] }),
  };
  return `${unsigned('RS256', claims)}.${noise(`signature ${at}`, 256).toString('base64url')}`;
}

const tool = (name) => ({ name, description: 'what it does', inputSchema: { type: 'object', properties: { city: { type: 'string' } } } });
const result = (value, id = 123) => Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result: value }));
const said = (type, bytes) => ({ answer: { ':status': '200', 'content-type': type, 'content-length': String(bytes.length) }, bytes });
const call = (given, id = 123, more = {}) => Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'get_weather', arguments: given, ...more } }));

const TEXT = result({ content: [{ type: 'text', text: 'sunny, 21 degrees' }] });
const LISTED = result({ tools: ['get_weather', 'delete_city', 'echo'].map(tool) });
const JSON_TYPE = 'application/json';

// What is asked and what is answered.
const ASKED = [
  { call: call({ city: 'Lisbon' }), ...said(JSON_TYPE, TEXT) },
  { call: call({ city: 'S\u00e3o Paulo\n"north"', days: [1, 2.5, -3e2], units: { metric: true, wind: null } }, 'a-1'), ...said(JSON_TYPE, TEXT) },
  { call: call({}, 7, { _meta: { progressToken: 'p-1' } }), ...said('text/event-stream', Buffer.concat([Buffer.from('data: '), TEXT, Buffer.from('\n\n')])) },
  { call: call({ city: 'x'.repeat(1_500) }), ...said('application/json; charset=utf-8', result({ content: [], isError: true })) },
  { call: Buffer.from('{"id":4,"params":{"arguments":{"city":"Rome"},"name":"get_weather"},"method":"tools/call","jsonrpc":"2.0"}'), ...said(JSON_TYPE, TEXT) },
  { call: Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/list"}'), ...said(JSON_TYPE, LISTED) },
  { call: Buffer.from('{"jsonrpc":"2.0","id":1,"method":"ping"}'), ...said(JSON_TYPE, result({})) },
];

// What clients and proxies send besides.
const HEADS = [
  {},
  { 'user-agent': 'agent/1.0', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'accept-encoding': 'gzip' },
  { 'mcp-protocol-version': '2025-06-18', 'content-type': 'application/json; charset=utf-8', accept: '*/*', 'x-forwarded-for': '203.0.113.7' },
];

const LIMITS = { rates: [
  { id: 'caller', by: ['principal'], requests: 1_000_000_000, seconds: 1 },
  { id: 'tool', by: ['tool'], requests: 1_000_000_000, seconds: 1 },
] };
const FILTER_STATE = { filter_state: true, filter_state_names: ['subject', 'tool'] };

// What operators choose.
const CHAINS = [
  { upstream: { identity_headers: false }, lists: true },
  { upstream: { identity_headers: false }, lists: true, limits: { token_cache_entries: 0 } },
  {},
  { limits: LIMITS, secrets: { shared_state: { env: KEY } } },
  { audit: { outlets: ['access_log'], ...FILTER_STATE }, limits: LIMITS, secrets: { audit: { env: KEY }, shared_state: { env: KEY } } },
  { audit: { outlets: ['log'] }, secrets: { audit: { env: KEY } } },
];

class Counting extends Host {
  constructor(module, document, ways) {
    super(module, document);
    this.ways = ways;
    this.counts = false;
    this.passed = 0n;
    this.drawn = 0;
    this.next = 2;
  }

  way(condition, branch) {
    if (this.counts) (this.ways[branch] ??= [0, 0])[condition ? 1 : 0] += 1;
    return condition;
  }
  random_get(at, size) {
    new Uint8Array(this.wasm.memory.buffer, at, size).set(noise(`drawn ${this.drawn++}`, size));
    return OK;
  }
  proxy_get_current_time_nanoseconds(at) {
    this.passed += 1_000n;
    this.view().setBigUint64(at, BigInt(NOW) * 1_000_000_000n + this.passed, true);
    return OK;
  }
  proxy_call_foreign_function(_name, _size, _at, _length, data, size) { return this.give(Buffer.from([8, 1]), data, size); }
  // Audit records go there, which is no trouble; whatever else is said is.
  proxy_log(level, at, size) {
    const text = this.textAt(at, size);
    if (!text.includes('"kind":"decision"') && !text.includes('"action":"allow"')) this.log.push(text);
    return OK;
  }

  ask(at) {
    const { call, bytes, answer } = ASKED[at % ASKED.length];
    [this.call, this.result] = [call, bytes];
    this.prepare(token(at % CALLERS), answer, HEADS[at % HEADS.length]);
    const [held, passed] = this.run(this.next++, bytes.length);
    if (held !== PAUSE || passed !== OK || this.log.length) throw new Error(`a request did not get through: ${held} ${passed} ${this.log.join('\n')}`);
  }
}

const document = ({ upstream = {}, lists = false, limits = {}, audit = {}, secrets = {} }) => {
  const all = configuration(corp, upstream, { limits, audit, secrets });
  if (!lists) delete all.servers[0].answers;
  all.policies.default.inline.roles.developer.allow.push({ methods: ['tools/list', 'ping'] });
  return all;
};

const [marked, counted] = process.argv.slice(2);
const module = new WebAssembly.Module(readFileSync(marked));
const ways = [];
for (const chain of CHAINS) {
  const host = new Counting(module, document(chain), ways);
  host.configure();
  const all = CALLERS * ASKED.length * HEADS.length;
  // Series are defined and callers become known first: what happens once in a VM is no request's way.
  for (let at = 0; at < all; at += 1) host.ask(at);
  host.counts = true;
  for (let at = 0; at < all * TURNS; at += 1) host.ask(at);
}
const [branches] = WebAssembly.Module.customSections(module, 'hints.branches').map((bytes) => Number(Buffer.from(bytes)));
writeFileSync(counted, Array.from({ length: branches }, (_, at) => `${(ways[at] ?? [0, 0]).join(' ')}\n`).join(''));

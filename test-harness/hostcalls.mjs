// SPDX-License-Identifier: Apache-2.0
// Counts what the filter asks of its host for one warm request, and fails where that differs from the table below.
//
// usage: node hostcalls.mjs FILTER.wasm
//
// This is a host of constants in V8: it has the calls that the filter imports, keeps nothing but counts, and cannot verify
// signatures, so that the module does. What a proxy makes of the same calls is measured by `make bench`.

import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync, getRandomValues } from 'node:crypto';
import { readFileSync } from 'node:fs';

// What a warm `tools/call` takes, by configuration. Whoever changes a line makes every request dearer or cheaper: say so in
// docs/performance.md. `shared data` stays 0 on the warm path.
const LEAN = { clock: 5, 'header map': 2, body: 1, 'header edit': 1, metric: 4, 'filter state': 0, 'shared data': 0, other: 0 };
const EXPECTED = {
  lean: LEAN,
  shared: LEAN,
  'identity headers': { ...LEAN, 'header edit': 5 },
  'filter state': { ...LEAN, 'filter state': 10 },
  'two names of it': { ...LEAN, 'filter state': 2 },
  // One clock more: when the stream was over.
  'access log': { ...LEAN, clock: 6, 'filter state': 1 },
};

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
const OK = 0;
const NOT_FOUND = 1;
const PAUSE = 1;
const REQUEST = 0;
const [ISSUER, RESOURCE, HOST] = ['https://issuer.example', 'https://mcp.example.com/mcp', 'mcp.example.com'];
const BODY = JSON.stringify({ jsonrpc: '2.0', id: 123, method: 'tools/call', params: { name: 'get_weather', arguments: { city: 'Lisbon' } } });

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

function token() {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: ISSUER, aud: RESOURCE, sub: 'alice', exp: now + 3600, iat: now, roles: ['developer'] };
  const input = `${part({ alg: 'RS256', kid: 'k', typ: 'at+jwt' })}.${part(claims)}`;
  return `${input}.${createSign('RSA-SHA256').update(input).sign(privateKey, 'base64url')}`;
}

function configuration(name) {
  const lean = name !== 'identity headers';
  return {
    host: { headers_stop_iteration: true },
    servers: [{
      name: 'bench', match: { hosts: [HOST], path: '/mcp' }, resource: RESOURCE, issuers: ['corp'], policy: 'default',
      tools: { catalogue: [{ name: 'get_weather' }] }, answers: 'lists', upstream: { identity_headers: !lean },
    }],
    issuers: { corp: {
      issuer: ISSUER, audiences: [RESOURCE], algorithms: ['RS256'],
      jwks: { inline: { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }] } },
    } },
    policies: { default: { inline: {
      version: 1,
      roles: { developer: { allow: [{ tools: ['get_weather'] }] } },
      bindings: [{ role: 'developer', when: { claims: { '/roles': { contains: 'developer' } } } }],
    } } },
    audit: audit(name),
    ...(name === 'shared' ? { secrets: { shared_state: { env: 'SHARED_KEY' } } } : {}),
    ...(name === 'access log' ? { secrets: { audit: { env: 'SHARED_KEY' } } } : {}),
  };
}

function audit(name) {
  switch (name) {
    case 'filter state': return { filter_state: true };
    case 'two names of it': return { filter_state: true, filter_state_names: ['subject', 'tool'] };
    case 'access log': return { outlets: ['access_log'] };
    default: return {};
  }
}

class Host {
  constructor(bytes, name) {
    this.text = Buffer.from(JSON.stringify(configuration(name)));
    this.environment = Buffer.from('SHARED_KEY=a key of thirty-two bytes or more\0');
    this.maps = {};
    this.calls = {};
    this.log = [];
    const imports = {};
    for (const { module, name: call } of WebAssembly.Module.imports(bytes)) {
      const own = this[call]?.bind(this) ?? (() => (module === 'env' ? NOT_FOUND : OK));
      (imports[module] ??= {})[call] = (...given) => {
        const kind = KINDS[call] ?? (module === 'env' ? 'other' : undefined);
        if (kind) this.calls[kind] = (this.calls[kind] ?? 0) + 1;
        return own(...given);
      };
    }
    this.wasm = new WebAssembly.Instance(bytes, imports).exports;
    this.wasm._initialize();
  }

  view() { return new DataView(this.wasm.memory.buffer); }
  word(at, value) { this.view().setUint32(at, value, true); }
  // Hands bytes over in memory that the filter allocates.
  give(bytes, data, size) {
    const at = this.wasm.proxy_on_memory_allocate(bytes.length);
    new Uint8Array(this.wasm.memory.buffer).set(bytes, at);
    this.word(data, at);
    this.word(size, bytes.length);
    return OK;
  }

  environ_sizes_get(count, size) { this.word(count, 1); this.word(size, this.environment.length); return OK; }
  environ_get(list, text) {
    this.word(list, text);
    new Uint8Array(this.wasm.memory.buffer).set(this.environment, text);
    return OK;
  }
  random_get(at, size) { getRandomValues(new Uint8Array(this.wasm.memory.buffer, at, size)); return OK; }
  proxy_log(_, at, size) { this.log.push(Buffer.from(this.wasm.memory.buffer, at, size).toString()); return OK; }
  proxy_get_log_level(at) { this.word(at, 5); return OK; }
  proxy_set_tick_period_milliseconds() { return OK; }
  proxy_get_current_time_nanoseconds(at) { this.view().setBigUint64(at, BigInt(Date.now()) * 1_000_000n, true); return OK; }
  proxy_define_metric(_kind, _name, _size, id) { this.word(id, 1); return OK; }
  proxy_increment_metric() { return OK; }
  proxy_record_metric() { return OK; }
  proxy_set_property() { return OK; }
  proxy_set_shared_data() { return OK; }
  proxy_remove_header_map_value() { return OK; }
  proxy_replace_header_map_value() { return OK; }
  proxy_send_local_response(status, at, size) {
    this.log.push(`${status} ${Buffer.from(this.wasm.memory.buffer, at, size)}`);
    return OK;
  }
  proxy_get_buffer_bytes(kind, _start, _max, data, size) { return this.give(kind === 7 ? this.text : Buffer.from(BODY), data, size); }
  proxy_get_header_map_pairs(kind, data, size) {
    const pairs = this.maps[kind].map((pair) => pair.map((text) => Buffer.from(text)));
    const head = Buffer.alloc(4 + 8 * pairs.length);
    head.writeUInt32LE(pairs.length);
    pairs.flat().forEach((text, at) => head.writeUInt32LE(text.length, 4 + 4 * at));
    return this.give(Buffer.concat([head, ...pairs.flat().flatMap((text) => [text, Buffer.alloc(1)])]), data, size);
  }

  configure() {
    this.wasm.proxy_on_context_create(1, 0);
    assert.equal(this.wasm.proxy_on_vm_start?.(1, 0) ?? 1, 1);
    assert.equal(this.wasm.proxy_on_configure(1, this.text.length), 1, this.log.join('\n'));
    this.wasm.proxy_on_tick(1);
  }

  // One request and its answer; gives what was asked of the host on the way.
  request(context, bearer) {
    this.calls = {};
    this.log = [];
    this.maps[REQUEST] = Object.entries({
      ':method': 'POST', ':path': '/mcp', ':scheme': 'http', ':authority': HOST, 'content-type': 'application/json',
      accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25', authorization: `Bearer ${bearer}`,
      'content-length': String(BODY.length), 'x-request-id': '5e1f', 'x-forwarded-proto': 'http',
    });
    this.maps[2] = Object.entries({ ':status': '200', 'content-type': 'application/json', 'content-length': '2' });
    this.wasm.proxy_on_context_create(context, 1);
    assert.equal(this.wasm.proxy_on_request_headers(context, this.maps[REQUEST].length, 0), PAUSE);
    assert.equal(this.wasm.proxy_on_request_body(context, BODY.length, 1), OK, this.log.join('\n'));
    assert.equal(this.wasm.proxy_on_response_headers(context, this.maps[2].length, 0), OK);
    assert.equal(this.wasm.proxy_on_response_body(context, 2, 1), OK);
    this.wasm.proxy_on_log(context);
    this.wasm.proxy_on_delete(context);
    assert.deepEqual(this.log, []);
    return this.calls;
  }
}

const bytes = new WebAssembly.Module(readFileSync(process.argv[2]));
let wrong = 0;
for (const [name, expected] of Object.entries(EXPECTED)) {
  const host = new Host(bytes, name);
  host.configure();
  const bearer = token();
  // New, then warm: the token is remembered, and every series defined.
  host.request(2, bearer);
  host.request(3, bearer);
  const calls = host.request(4, bearer);
  const all = Object.keys(expected).map((kind) => [kind, calls[kind] ?? 0]);
  const sum = all.reduce((total, [, count]) => total + count, 0);
  console.log(`${name.padEnd(17)} ${String(sum).padStart(2)} host calls: ${all.filter(([, count]) => count).map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
  for (const [kind, count] of all.filter(([kind, count]) => count !== expected[kind])) {
    console.error(`hostcalls: ${name}: ${count} of \`${kind}\` in place of ${expected[kind]}`);
    wrong = 1;
  }
}
process.exit(wrong);

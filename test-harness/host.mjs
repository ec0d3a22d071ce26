// SPDX-License-Identifier: Apache-2.0
// A host of constants in V8: it has the calls that the filter imports, keeps counts and shared data, and cannot verify signatures, so
// that the module does. What a proxy makes of the same calls is measured by `make bench`.

import assert from 'node:assert/strict';
import { getRandomValues } from 'node:crypto';

export const OK = 0;
export const PAUSE = 1;
const NOT_FOUND = 1;
const CAS_MISMATCH = 8;
const [REQUEST, ANSWER] = [0, 2];
export const [ISSUER, RESOURCE, HOST] = ['https://issuer.example', 'https://mcp.example.com/mcp', 'mcp.example.com'];
export const CALL = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 123, method: 'tools/call', params: { name: 'get_weather', arguments: { city: 'Lisbon' } } }));
const ANSWERED = { ':status': '200', 'content-type': 'application/json', 'content-length': '2' };

// A token without its signature.
export function unsigned(alg, claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg, kid: 'k', typ: 'at+jwt' })}.${part(claims)}`;
}

// An issuer with this RSA key.
export function withKey(publicKey) {
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' };
  return { algorithms: ['RS256'], jwks: { inline: { keys: [key] } } };
}

// A header map as the ABI writes it: count, sizes, texts with a zero byte each.
export function encoded(fields) {
  const texts = Object.entries(fields).flat().map((text) => Buffer.from(text));
  const head = Buffer.alloc(4 + 4 * texts.length);
  head.writeUInt32LE(texts.length / 2);
  texts.forEach((text, at) => head.writeUInt32LE(text.length, 4 + 4 * at));
  return Buffer.concat([head, ...texts.flatMap((text) => [text, Buffer.alloc(1)])]);
}

// One server, whose callers come from the issuer that is given; `more` stands beside it, `rule` in the one rule there is.
export function configuration(issuer, upstream, more, rule = {}) {
  return {
    host: { headers_stop_iteration: true, presence: false },
    servers: [{
      name: 'bench', match: { hosts: [HOST], path: '/mcp' }, resource: RESOURCE, issuers: ['corp'], policy: 'default',
      tools: { catalogue: [{ name: 'get_weather' }] }, answers: 'lists', upstream,
    }],
    issuers: { corp: { issuer: ISSUER, audiences: [RESOURCE], ...issuer } },
    policies: { default: { inline: {
      version: 1,
      roles: { developer: { allow: [{ tools: ['get_weather'], ...rule }] } },
      bindings: [{ role: 'developer', when: { claims: { '/roles': { contains: 'developer' } } } }],
    } } },
    ...more,
  };
}

export class Host {
  constructor(bytes, document) {
    this.text = Buffer.from(JSON.stringify(document));
    this.environment = Buffer.from('SHARED_KEY=a key of thirty-two bytes or more\0');
    this.maps = {};
    this.calls = {};
    this.log = [];
    this.metrics = [];
    this.shared = new Map();
    // What the next request and its answer hold.
    this.call = CALL;
    this.result = CALL;
    const imports = {};
    for (const { module, name: call } of WebAssembly.Module.imports(bytes)) {
      // A marked copy tells which way its branches go; nothing of that is a call of the host.
      if (module === 'hints') { (imports.hints ??= {}).way = (condition, branch) => this.way(condition, branch); continue; }
      const own = this[call]?.bind(this) ?? (() => (module === 'env' ? NOT_FOUND : OK));
      (imports[module] ??= {})[call] = (...given) => {
        if (module === 'env') this.calls[call] = (this.calls[call] ?? 0) + 1;
        return own(...given);
      };
    }
    this.wasm = new WebAssembly.Instance(bytes, imports).exports;
    this.wasm._initialize();
  }

  textAt(at, size) { return Buffer.from(this.wasm.memory.buffer, at, size).toString(); }
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
  proxy_define_metric(_kind, name, size, id) {
    this.metrics.push({ name: this.textAt(name, size), value: 0, recorded: 0 });
    this.word(id, this.metrics.length);
    return OK;
  }
  proxy_increment_metric(id, by) { this.metrics[id - 1].value += Number(by); return OK; }
  proxy_record_metric(id) { this.metrics[id - 1].recorded += 1; return OK; }
  proxy_set_property() { return OK; }
  proxy_get_shared_data(name, size, data, length, cas) {
    const found = this.shared.get(this.textAt(name, size));
    if (!found) return NOT_FOUND;
    this.word(cas, found.cas);
    return this.give(found.value, data, length);
  }
  // A `cas` of 0 replaces whatever is there.
  proxy_set_shared_data(name, size, data, length, cas) {
    const key = this.textAt(name, size);
    const found = this.shared.get(key);
    if (cas !== 0 && found && found.cas !== cas) return CAS_MISMATCH;
    this.shared.set(key, { value: Buffer.from(new Uint8Array(this.wasm.memory.buffer, data, length)), cas: this.shared.size + (found?.cas ?? 0) + 1 });
    return OK;
  }
  proxy_remove_header_map_value() { return OK; }
  proxy_replace_header_map_value() { return OK; }
  proxy_set_buffer_bytes() { return OK; }
  proxy_send_local_response(status, at, size) {
    this.log.push(`${status} ${Buffer.from(this.wasm.memory.buffer, at, size)}`);
    return OK;
  }
  proxy_get_buffer_bytes(kind, _start, _max, data, size) { return this.give(kind === 7 ? this.text : kind === 1 ? this.result : this.call, data, size); }
  proxy_get_header_map_pairs(kind, data, size) { return this.give(this.maps[kind], data, size); }

  configure() {
    this.wasm.proxy_on_context_create(1, 0);
    assert.equal(this.wasm.proxy_on_vm_start?.(1, 0) ?? 1, 1);
    assert.equal(this.wasm.proxy_on_configure(1, this.text.length), 1, this.log.join('\n'));
    this.wasm.proxy_on_tick(1);
  }

  // What the next request says, and what is answered, which is made before anything is counted or timed.
  prepare(bearer, answer = ANSWERED, more = {}) {
    this.maps[REQUEST] = encoded({
      ':method': 'POST', ':path': '/mcp', ':scheme': 'http', ':authority': HOST, 'content-type': 'application/json',
      accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25', authorization: `Bearer ${bearer}`,
      'content-length': String(this.call.length), 'x-request-id': '5e1f0000-0000-4000-8000-000000000000', 'x-forwarded-proto': 'http',
      ...more,
    });
    this.maps[ANSWER] = encoded(answer);
    this.calls = {};
    this.log = [];
  }

  // The callbacks of that request, and nothing else.
  run(context, size) {
    const { wasm } = this;
    wasm.proxy_on_context_create(context, 1);
    const held = wasm.proxy_on_request_headers(context, 11, 0);
    const passed = wasm.proxy_on_request_body(context, this.call.length, 1);
    const answered = wasm.proxy_on_response_headers(context, 3, 0);
    const whole = wasm.proxy_on_response_body(context, size, 1);
    wasm.proxy_on_log(context);
    wasm.proxy_on_delete(context);
    return [held, passed, answered, whole];
  }

  // One request and its answer; gives what was asked of the host on the way.
  request(context, bearer) {
    this.prepare(bearer);
    assert.deepEqual(this.run(context, 2), [PAUSE, OK, OK, OK], this.log.join('\n'));
    assert.deepEqual(this.log, []);
    return this.calls;
  }
}

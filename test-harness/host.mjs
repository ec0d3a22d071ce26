// SPDX-License-Identifier: Apache-2.0
// A host of constants in V8: it has the calls that the filter imports, keeps nothing but counts, and cannot verify signatures, so
// that the module does. What a proxy makes of the same calls is measured by `make bench`.

import assert from 'node:assert/strict';
import { getRandomValues } from 'node:crypto';

const OK = 0;
const NOT_FOUND = 1;
const PAUSE = 1;
const REQUEST = 0;
export const [ISSUER, RESOURCE, HOST] = ['https://issuer.example', 'https://mcp.example.com/mcp', 'mcp.example.com'];
const BODY = JSON.stringify({ jsonrpc: '2.0', id: 123, method: 'tools/call', params: { name: 'get_weather', arguments: { city: 'Lisbon' } } });

// One server, whose callers come from the issuer that is given; `more` stands beside it, `rule` in the one rule there is.
export function configuration(issuer, upstream, more, rule = {}) {
  return {
    host: { headers_stop_iteration: true },
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
    const imports = {};
    for (const { module, name: call } of WebAssembly.Module.imports(bytes)) {
      const own = this[call]?.bind(this) ?? (() => (module === 'env' ? NOT_FOUND : OK));
      (imports[module] ??= {})[call] = (...given) => {
        if (module === 'env') this.calls[call] = (this.calls[call] ?? 0) + 1;
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
  proxy_define_metric(_kind, name, size, id) {
    this.metrics.push({ name: Buffer.from(this.wasm.memory.buffer, name, size).toString(), value: 0 });
    this.word(id, this.metrics.length);
    return OK;
  }
  proxy_increment_metric(id, by) { this.metrics[id - 1].value += Number(by); return OK; }
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

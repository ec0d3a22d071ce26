// SPDX-License-Identifier: Apache-2.0
// Drives requests that wait for what an issuer says of their opaque tokens, and fails where one is looked at before its answer
// has come, where one is forgotten, or where a tick does more than it may.
//
// usage: node waiting.mjs FILTER.wasm
//
// The host is the one of host.mjs.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Host, ISSUER, OK, PAUSE, RESOURCE, configuration, encoded } from './host.mjs';

// Answers that a tick may look at (`AGAIN_PER_ROUND` in the engine), and questions that requests may have open.
const [PER_TICK, QUESTIONS] = [128, 192];
// Requests that show one token beside each other, more than a tick looks at.
const SAME = 200;
const [ROOT, REQUEST_BODY, CALL_BODY, CALL_RESPONSE] = [1, 0, 4, 6];
const FORBIDDEN = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'get_forecast' } }));
const NOT_WAITING = 'introspection_unavailable';

class Waiting extends Host {
  constructor(bytes) {
    super(bytes, configuration(
      { introspection: { uri: `${ISSUER}/introspect`, client_id: 'gate', client_secret: { env: 'SHARED_KEY' }, cache_seconds: 1 } },
      { identity_headers: false },
      { clusters: { 'issuer.example': 'issuer' } },
    ));
    this.now = 1_800_000_000_000;
    // Where calls of the filter belong, the calls that are open by token, heads and bodies by stream, and the streams that went on.
    Object.assign(this, { context: ROOT, open: new Map(), heads: new Map(), bodies: new Map(), resumed: [], numbers: 0, looks: 0 });
    this.configure();
  }

  proxy_get_current_time_nanoseconds(at) { this.view().setBigUint64(at, BigInt(this.now) * 1_000_000n, true); return OK; }
  proxy_set_effective_context(context) { this.context = context; return OK; }
  proxy_continue_stream() { this.resumed.push(this.context); return OK; }
  proxy_http_call(...given) {
    const [body, size, number] = [given[4], given[5], given[9]];
    this.numbers += 1;
    this.open.set(/token=([^&]*)/.exec(this.textAt(body, size))[1], this.numbers);
    this.word(number, this.numbers);
    return OK;
  }
  proxy_get_header_map_pairs(kind, data, size) {
    if (kind === CALL_RESPONSE) return this.give(encoded({ ':status': '200' }), data, size);
    this.looks += 1;
    return this.give(this.heads.get(this.context), data, size);
  }
  proxy_get_buffer_bytes(kind, start, max, data, size) {
    if (kind === REQUEST_BODY) return this.give(this.bodies.get(this.context) ?? this.call, data, size);
    return kind === CALL_BODY ? this.give(this.said, data, size) : super.proxy_get_buffer_bytes(kind, start, max, data, size);
  }

  // A request with this token comes; gives what the proxy is told to do.
  comes(stream, token) {
    this.prepare(token);
    this.heads.set(stream, this.maps[0]);
    this.wasm.proxy_on_context_create(stream, ROOT);
    this.context = stream;
    return this.wasm.proxy_on_request_headers(stream, 11, 0);
  }
  // The client of a request leaves.
  leaves(stream) {
    this.context = stream;
    this.wasm.proxy_on_log(stream);
    this.wasm.proxy_on_delete(stream);
    this.heads.delete(stream);
  }
  // The issuer answers the question about this token.
  answer(token, claims = { active: true, iss: ISSUER, sub: token, aud: RESOURCE, exp: this.now / 1000 + 3600, roles: ['developer'] }) {
    this.said = Buffer.from(JSON.stringify(claims));
    this.context = ROOT;
    this.wasm.proxy_on_http_call_response(ROOT, this.open.get(token), 1, this.said.length, 0);
    this.open.delete(token);
  }
  // Ticks, and gives how many heads were looked at for it.
  tick() {
    const before = this.looks;
    this.now += 10;
    this.context = ROOT;
    this.wasm.proxy_on_tick(ROOT);
    return this.looks - before;
  }
  // The body of a request whose head was looked at again is judged.
  passes(stream) {
    this.context = stream;
    return this.wasm.proxy_on_request_body(stream, this.call.length, 1) === OK;
  }
}

const bytes = new WebAssembly.Module(readFileSync(process.argv[2]));
const range = (from, count) => Array.from({ length: count }, (_, at) => from + at);

// Each waits for its own answer, and for no other.
function onlyWhoseAnswerCame() {
  const host = new Waiting(bytes);
  const streams = range(2, 40);
  for (const stream of streams) assert.equal(host.comes(stream, `token-${stream}`), PAUSE);
  assert.equal(host.tick(), 0, 'nothing has come');
  assert.equal(host.open.size, streams.length, 'one question for each token');
  host.answer('token-7');
  assert.equal(host.looks, streams.length, 'an answer alone makes nobody look');
  assert.equal(host.tick(), 1, 'one answer, one look');
  assert.ok(host.passes(7), host.log.join('\n'));
  assert.equal(host.tick(), 0, 'and never again');
  host.answer('token-9', { active: false });
  assert.equal(host.tick(), 1);
  assert.match(host.log.join('\n'), /^401 /, 'what is not active is refused');
  host.answer('token-11');
  host.leaves(11);
  assert.equal(host.tick(), 0, 'who has left is not looked at');
  host.now += 60_000;
  host.log = [];
  assert.equal(host.tick(), streams.length - 3, 'whose time is over has one look left');
  assert.equal(host.log.filter((line) => line.startsWith('503 ') && line.includes(NOT_WAITING)).length, streams.length - 3);
  assert.equal(host.tick(), 0);
}

// An answer that counts no more by the time of the look is asked for again, and the request still waits.
function askedAgain() {
  const host = new Waiting(bytes);
  assert.equal(host.comes(2, 'short'), PAUSE);
  host.tick();
  host.answer('short');
  host.now += 1_000;
  assert.equal(host.tick(), 1);
  assert.deepEqual([host.resumed, host.log], [[], []]);
  host.tick();
  host.answer('short');
  assert.equal(host.tick(), 1, 'it is still in the line');
  assert.ok(host.passes(2), host.log.join('\n'));
}

// A host may bring the body meanwhile: it is judged with the head, and both go on.
function theBodyHasCome() {
  const host = new Waiting(bytes);
  host.bodies.set(3, FORBIDDEN);
  for (const [stream, token] of [[2, 'good'], [3, 'good'], [4, 'bad']]) {
    assert.equal(host.comes(stream, token), PAUSE);
    assert.equal(host.wasm.proxy_on_request_body(stream, (host.bodies.get(stream) ?? host.call).length, 1), PAUSE);
  }
  host.tick();
  host.answer('good');
  host.answer('bad', { active: false });
  assert.equal(host.tick(), 3);
  assert.deepEqual(host.resumed, [2], host.log.join('\n'));
  assert.deepEqual(host.log.map((line) => line.slice(0, 4)), ['403 ', '401 '], 'the tool is not among those of the caller');
}

// One question serves all who show a token; a tick looks at so many of them, and the next one at the others.
function manyForOne() {
  const host = new Waiting(bytes);
  const streams = range(2, SAME);
  for (const stream of streams) assert.equal(host.comes(stream, 'shared'), PAUSE);
  host.tick();
  assert.equal(host.open.size, 1, 'one question for all');
  host.answer('shared');
  assert.deepEqual([host.tick(), host.tick(), host.tick()], [PER_TICK, SAME - PER_TICK, 0]);
  assert.ok(streams.every((stream) => host.passes(stream)), host.log.join('\n'));
  assert.equal(host.comes(2 + SAME, 'shared'), PAUSE);
  assert.ok(host.passes(2 + SAME), 'and it is remembered');
}

// Where all questions are taken, the next is refused at once, and what waits is not touched.
function noMoreQuestions() {
  const host = new Waiting(bytes);
  for (const stream of range(2, QUESTIONS)) assert.equal(host.comes(stream, `token-${stream}`), PAUSE);
  assert.deepEqual(host.log, []);
  host.comes(2 + QUESTIONS, 'one-more');
  assert.match(host.log.join('\n'), /^503 /, 'no question is left for it');
  host.tick();
  assert.equal(host.open.size, QUESTIONS);
}

for (const test of [onlyWhoseAnswerCame, askedAgain, theBodyHasCome, manyForOne, noMoreQuestions]) test();
console.log(`waiting                 looked at again when their answer has come, ${PER_TICK} at a tick`);

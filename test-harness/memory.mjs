// SPDX-License-Identifier: Apache-2.0
// Measures the memory of one VM of the filter, and fails where it is over the budget with 10,000 remembered tokens.
//
// usage: node memory.mjs FILTER.wasm
//
// The host is the one of host.mjs. Memory of a module only grows, so what is printed is the most that was taken.

import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Host, ISSUER, RESOURCE, configuration, unsigned } from './host.mjs';

const BUDGET = 16 << 20;
const TOKENS = 10_000;
const SECRET = 'a key of thirty-two bytes or more';
const now = Math.floor(Date.now() / 1000);

// A token with the claims of those of `make bench`, which are of 700 bytes with a signature by RSA.
function token(at, more = {}) {
  const subject = `user-${String(at).padStart(5, '0')}`;
  const claims = {
    iss: ISSUER, sub: subject, aud: RESOURCE, iat: now, exp: now + 36_000, jti: `bench-${subject}`, client_id: 'bench',
    scope: 'mcp:tools mcp:resources', roles: ['developer'], ...more,
  };
  const input = unsigned('HS256', claims);
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}

// A token with twice the claims, as identity providers make them for people.
function ample(at) {
  const id = String(at).padStart(12, '0');
  return token(at, {
    sub: `5e1f0c9a-77aa-4b1e-9c1d-${id}`, jti: `c0ffee00-1234-4abc-8def-${id}`, nbf: now, auth_time: now, acr: '1',
    scope: 'openid profile mcp:tools mcp:resources', groups: ['engineering', 'weather'],
    name: 'Alice Example', email: `alice.${id}@example.com`, sid: `0b5e55ed-0000-4000-8000-${id}`,
  });
}

// A token of nearly the largest size that is taken, with as many values in as little text as there can be.
const swollen = (at) => token(at, { x: new Array(2_400).fill(0) });

const MIB = (bytes) => `${(bytes / (1 << 20)).toFixed(2)} MiB`;
const bytes = new WebAssembly.Module(readFileSync(process.argv[2]));
const issuer = { algorithms: ['HS256'], secrets: [{ id: 'k', value: { env: 'SHARED_KEY' } }] };
let wrong = 0;

class Vm {
  constructor(limits, rule) {
    this.host = new Host(bytes, configuration(issuer, {}, { limits }, rule));
    this.host.configure();
    this.requests = 1;
  }

  show(bearer) { this.host.request(++this.requests, bearer); }
  get size() { return this.host.wasm.memory.buffer.byteLength; }
  // How many looks into the token cache have found what they looked for.
  get hits() {
    this.host.wasm.proxy_on_tick(1);
    return this.host.metrics.filter(({ name }) => /token_cache.*hit/.test(name)).reduce((sum, { value }) => sum + value, 0);
  }
}

function judge(what, size, more = '') {
  console.log(`${what.padEnd(52)} ${MIB(size)}${more}`);
  if (size > BUDGET) {
    console.error(`memory: ${what}: ${size} bytes are over the budget of ${BUDGET}`);
    wrong = 1;
  }
}

// Sets of eight places are filled unevenly, so a few more are shown than have to be remembered.
const SHOWN = TOKENS + 500;
for (const [what, make, wanted] of [['', token, TOKENS], [', twice the claims', ample, 0]]) {
  const vm = new Vm({ token_cache_entries: 16_384 });
  const empty = vm.size;
  judge('configured', empty);
  for (let at = 0; at < SHOWN; at += 1) vm.show(make(at));
  const filled = vm.size;
  // The newest first, so that what is remembered is found before others come again.
  for (let at = SHOWN - 1; at >= 0; at -= 1) vm.show(make(at));
  const remembered = vm.hits;
  judge(`${remembered} of ${SHOWN} tokens remembered${what}`, filled, `, ${Math.round((filled - empty) / remembered)} bytes each`);
  judge('each shown twice', vm.size);
  if (remembered < wanted) {
    console.error(`memory: only ${remembered} of ${SHOWN} tokens are remembered`);
    wrong = 1;
  }
}

// Whoever has good tokens of the largest size gets no more.
const READS = { when: { claims: { '/iss': { prefix: 'https' } } } };
for (const [what, rule] of [['', {}], [', read by rules', READS]]) {
  const other = new Vm({ token_cache_entries: 1 << 20 }, rule);
  for (let at = 0; at < 4_000; at += 1) other.show(at % 2 ? swollen(at) : ample(at));
  judge(`4000 tokens, half of them of ${swollen(0).length} bytes${what}`, other.size);
}
process.exit(wrong);

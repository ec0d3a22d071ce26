// SPDX-License-Identifier: Apache-2.0
// Bytes of each module, and nanoseconds of a verdict in V8: the best of nine rounds.
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

for (const file of process.argv.slice(2)) {
  const bytes = readFileSync(file);
  const wasi = new WASI({ version: "preview1" });
  const { instance } = await WebAssembly.instantiate(bytes, wasi.getImportObject());
  wasi.initialize(instance);
  const count = 20_000;
  let best = Infinity;
  for (let round = 0; round < 9; round += 1) {
    const before = process.hrtime.bigint();
    const allowed = instance.exports.judge(count);
    best = Math.min(best, Number(process.hrtime.bigint() - before) / count);
    if (allowed !== count / 2) throw new Error(`${file}: ${allowed} of ${count} are allowed`);
  }
  const name = file.replace(/.*\//, "").replace(".wasm", "");
  console.log(`${name.padEnd(6)} ${String(bytes.length).padStart(9)} bytes ${best.toFixed(0).padStart(7)} ns`);
}

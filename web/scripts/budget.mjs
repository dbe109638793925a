// Fails the build when the pages grow beyond what a reader on a slow line should wait for.
import { readdir, readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

/** Kilobytes after gzip, all files of a kind together. */
const BUDGET_KB = { '.js': 250, '.css': 15 };

const assets = new URL('../dist/assets/', import.meta.url);
const names = await readdir(assets);
for (const [kind, budget] of Object.entries(BUDGET_KB)) {
  const files = await Promise.all(names.filter((name) => name.endsWith(kind)).map((name) => readFile(new URL(name, assets))));
  const kilobytes = files.reduce((sum, file) => sum + gzipSync(file).length, 0) / 1000;
  process.stdout.write(`${kind} ${kilobytes.toFixed(1)} kB of ${budget} kB\n`);
  if (kilobytes > budget) process.exitCode = 1;
}

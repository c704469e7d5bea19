// cmake/dev/coverage.mjs: what is not taken and not listed fails, and so does a list that is not true any more.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../cmake/dev/coverage.mjs', import.meta.url));
const source = `#include "try.h"
static int go(int a, int b) {
    if (a > 1 &&
        b > 2) return 1;
    TRY(other(a, ")"), "text");
    if (exchange(&a, b)) return 2;
    return 0;
}
`;
const header = '#define TRY(e, t) do { if ((e) != 0) return t; } while (0)\n';

/** Runs it over one function of src/store whose conditions (a fourth one is told by its beginning alone) were true and false that often; `above` lines stand above it. decoder: the same of the one condition of what reads sections. */
function run(counts, list, above = 0, decoder = [5, 5]) {
  const dir = mkdtempSync(join(tmpdir(), 'omendb-coverage-'));
  try {
    mkdirSync(join(dir, 'src/store'), { recursive: true });
    mkdirSync(join(dir, 'src/base'));
    const c = join(dir, 'src/store/go.c');
    const h = join(dir, 'src/base/try.h');
    const parsers = join(dir, 'src/base/json.c');
    const decoders = join(dir, 'src/base/compress.c');
    writeFileSync(c, '\n'.repeat(above) + source);
    writeFileSync(h, header);
    writeFileSync(parsers, 'int x(int a) { return a ? 1 : 2; }\n');
    writeFileSync(decoders, 'int y(int a) { return a ? 1 : 2; }\n');
    const branches = [
      [3 + above, 9, 3 + above, 14, ...counts[0], 0, 0, 4],
      [4 + above, 9, 4 + above, 14, ...counts[1], 0, 0, 4],
      [1, 29, 1, 37, ...counts[2], 1, 0, 4],
      [6 + above, 9, 6 + above, 9, ...(counts[3] ?? [1, 1]), 0, 0, 4],
    ];
    const functions = [
      { name: 'go.c:go', filenames: [c, h], branches, regions: [[5 + above, 5, 5 + above, 8, 1, 0, 1, 1]] },
      { name: 'x', filenames: [parsers], branches: [[1, 23, 1, 24, 5, 5, 0, 0, 4]], regions: [] },
      { name: 'y', filenames: [decoders], branches: [[1, 23, 1, 24, ...decoder, 0, 0, 4]], regions: [] },
    ];
    writeFileSync(join(dir, 'branches.json'), JSON.stringify({ data: [{ functions }] }));
    writeFileSync(join(dir, 'list.txt'), list);
    return spawnSync(process.execPath, [script, join(dir, 'branches.json'), join(dir, 'list.txt')], { encoding: 'utf8' });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const all = [[1, 1], [1, 1], [1, 1]];
const but = [[1, 1], [1, 0], [0, 1]];
const listed = `# what cannot be reached
src/store/go.c  go  b > 2  false
src/store/go.c  go  TRY(other(a, ")"), "text")  true
    The reason of both.
`;

test('all branches taken', () => {
  const { status, stdout, stderr } = run(all, '');
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^src\/store: 100\.00 % of 8 branches$/m);
  assert.match(stdout, /^parsers: 100\.00 % of 2 branches$/m);
  assert.match(stdout, /^decoders: 100\.00 % of 2 branches$/m);
});

test('branches that are not taken are named, and fail', () => {
  const { status, stderr } = run(but, '');
  assert.equal(status, 1);
  assert.match(stderr, /^not taken: src\/store\/go\.c  go  b > 2  false    \(line 4\)$/m);
  assert.match(stderr, /^not taken: src\/store\/go\.c  go  TRY\(other\(a, "\)"\), "text"\)  true    \(line 5\)$/m);
  assert.match(stderr, /^2 errors/m);
});

test('those that are listed do not, wherever their lines have moved', () => {
  for (const above of [0, 7]) {
    const { status, stdout, stderr } = run(but, listed, above);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^src\/store: 75\.00 % of 8 branches$/m);
    assert.match(stdout, /^src\/store: 100\.00 % of the 6 that can be reached; 2 cannot/m);
  }
});

test('a listed branch that is taken, or is not there any more, fails', () => {
  assert.match(run(all, listed).stderr, /^listed as unreachable, but taken or not there: src\/store\/go\.c  go  b > 2  false$/m);
  const gone = run(all, 'src/store/go.c  go  c > 3  true\n  why\n');
  assert.equal(gone.status, 1);
  assert.match(gone.stderr, /taken or not there: src\/store\/go\.c  go  c > 3  true$/m);
  assert.equal(run(all, 'src/store/gone.c  go  c > 3  true\n  why\n').status, 1);
});

test('of what reads sections less than the share that was reached fails, unless the rest is listed', () => {
  const few = run(all, '', 0, [5, 0]);
  assert.equal(few.status, 1);
  assert.match(few.stdout, /^decoders: 50\.00 % of 2 branches$/m);
  assert.match(few.stderr, /^decoders: 50\.00 % of the branches that can be reached are taken, less than the 9\d(\.\d+)? % that were/m);
  assert.match(few.stderr, /src\/base\/compress\.c {2}y {2}a {2}false/);
  const rest = run(all, 'src/base/compress.c  y  a  false\n    The reason.\n', 0, [5, 0]);
  assert.equal(rest.status, 0, rest.stderr);
  assert.match(rest.stdout, /^decoders: 100\.00 % of the 1 that can be reached; 1 cannot/m);
  assert.match(run(all, 'src/base/compress.c  y  a  false\n    The reason.\n').stderr, /listed as unreachable, but taken or not there: src\/base\/compress\.c/);
});

test('a list without reasons, or that cannot be read, fails', () => {
  assert.equal(run(but, listed.replace(/ {4}The reason.*\n/, '')).status, 1);
  assert.equal(run(but, listed.replace('  false', ' false')).status, 1);
});

test('a macro that is told by its beginning alone is named by its call', () => {
  const { stdout, stderr } = run([...all, [1, 0]], '');
  assert.match(stderr, /^not taken: src\/store\/go\.c  go  exchange\(&a, b\)  false/m);
  assert.match(stdout, /^src\/store: 87\.50 % of 8/m);
});

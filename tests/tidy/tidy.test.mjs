// Runs the rules of rules.mjs over the repository; and, as negative controls, over trees that break them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import * as rules from './rules.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const archive = join(root, 'build', 'native-gcc', 'libomen_core_archive.a');
const haveArchive = existsSync(archive) ? false : 'build the native-gcc preset first';

/** A throw-away tree of files; use(path of the tree). */
function withTree(files, use) {
  const tree = mkdtempSync(join(tmpdir(), 'omen-tidy-'));
  try {
    mkdirSync(join(tree, 'src'));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), text);
    }
    return use(tree);
  } finally {
    rmSync(tree, { recursive: true });
  }
}

/** The rule is silent on good files, and complains exactly so on bad ones. */
function control(rule, good, bad, expected) {
  test(`control: ${rule.name}`, () => {
    assert.deepEqual(withTree(good, rule), [], 'good files');
    assert.deepEqual(withTree(bad, rule), expected);
  });
}

for (const rule of [
  rules.includesGoDown, rules.noHostHeaders, rules.noHostCalls, rules.shortFiles, rules.nothingLeftOver, rules.cleanLines,
]) {
  test(rule.name, () => assert.deepEqual(rule(root), []));
}

test('there are sources to look at', () => {
  const found = rules.sources(root);
  for (const room of ['base', 'kernel', 'store', 'db', 'api']) {
    assert.ok(found.some((path) => path.startsWith(`src/${room}/`)), `src/${room}`);
  }
});

control(
  rules.includesGoDown,
  {
    'include/omendb.h': '',
    'src/base/a.h': '#include "omendb.h"\n',
    'src/store/log.h': '#include <stdint.h>\n',
    'src/store/log.c': '#include "store/log.h"\n#include "base/a.h"\n/*\n#include "db/db.h"\n*/\n',
  },
  {
    'src/db/db.h': '',
    'src/base/a.c': '#include "db/db.h"\n',
    'src/store/b.c': '#include "../db/db.h"\n#  include "store/none.h"\n#include "native/host.h"\n#include NAME\n',
    'src/wild/c.c': '',
    'src/store/d.c': '#include "nowhere.h"\n#include "store/../db/db.h"\n',
  },
  [
    'src/base/a.c:1: "db/db.h" lies above base',
    'src/store/b.c:1: "../db/db.h" climbs out of its room',
    'src/store/b.c:2: there is no src/store/none.h',
    'src/store/b.c:3: "native/host.h" is outside of src/',
    "src/store/b.c:4: computed include 'NAME'",
    'src/store/d.c:1: "nowhere.h" is neither public nor beside the file',
    'src/store/d.c:2: "store/../db/db.h" climbs out of its room',
    "src/wild/c.c:1: 'wild' is not a room of src/",
  ],
);

control(
  rules.noHostHeaders,
  { 'src/base/json.c': '#include <yyjson.h>\n#include <stdint.h>\n#include <string.h>\n' },
  {
    'src/base/a.c': '#include <stdio.h>\n#include <math.h>\n#include <pthread.h>\n',
    'src/db/b.c': '#include <stdlib.h>\n#include <zstd.h>\n#include "xxhash.h"\n',
  },
  [
    'src/base/a.c:1: <stdio.h> belongs to the host',
    'src/base/a.c:2: <math.h> belongs to the host',
    'src/base/a.c:3: <pthread.h> belongs to the host',
    'src/db/b.c:1: <stdlib.h> belongs to the host',
    'src/db/b.c:2: zstd.h is wrapped by src/base; use that',
    'src/db/b.c:3: xxhash.h is wrapped by src/base; use that',
  ],
);

control(
  rules.noHostCalls,
  {
    'src/base/a.c':
      '/* malloc(1) */\nint x = mem->free(p) + t.open(q); // printf(1)\nvoid (*free)(void *p);\nmy_free(p);\n' +
      'const char *s = "free(x)";\n__attribute__((format(printf, 3, 4)))\n',
  },
  { 'src/base/a.c': 'void f(void) {\n  free(p);\n  x = malloc (3);\n  if (printf("a")) y = expf(1);\n}\n' },
  [
    'src/base/a.c:2: free() belongs to the host',
    'src/base/a.c:3: malloc() belongs to the host',
    'src/base/a.c:4: printf() belongs to the host',
    'src/base/a.c:4: expf() belongs to the host',
  ],
);

control(
  rules.shortFiles,
  { 'js/a.ts': 'x\n'.repeat(800), 'node_modules/b.js': 'x\n'.repeat(900) },
  { 'js/a.ts': 'x\n'.repeat(801) },
  ['js/a.ts:801: longer than 800 lines; look for the second noun'],
);

const later = ['TO' + 'DO', 'FIX' + 'ME'];
control(
  rules.nothingLeftOver,
  { 'js/a.ts': 'todos\n' },
  { 'js/a.ts': `// ${later[0]}: more\n`, 'src/base/a.c': `\n/* ${later[1]} */\n` },
  [`js/a.ts:1: ${later[0]}`, `src/base/a.c:2: ${later[1]}`],
);

control(
  rules.cleanLines,
  { 'js/a.ts': 'x\n' },
  { 'js/a.ts': 'x \n\ty', 'src/base/a.c': '' },
  ['js/a.ts:1: does not end in a newline', 'js/a.ts:1: trailing blank', 'js/a.ts:2: tab'],
);

test('noOutsideSymbols', { skip: haveArchive }, () => assert.deepEqual(rules.noOutsideSymbols(archive), []));
test('ownNames', { skip: haveArchive }, () => assert.deepEqual(rules.ownNames(archive), []));

/** Compiles the files into an archive; use(path of the archive). */
function withArchive(files, use) {
  return withTree(files, (tree) => {
    for (const name of Object.keys(files)) {
      execFileSync('gcc', ['-std=c11', '-O1', '-fno-builtin', '-c', name, '-o', `${name}.o`], { cwd: tree });
    }
    execFileSync('ar', ['rcs', 'lib.a', ...Object.keys(files).map((name) => `${name}.o`)], { cwd: tree });
    return use(join(tree, 'lib.a'));
  });
}

test('control: noOutsideSymbols', () => {
  const good = {
    'a.c': 'void *memcpy(void *, const void *, unsigned long); int omen_b(void);\n' +
      'int omen_a(void *p) { memcpy(p, "x", 1); return omen_b(); }\n',
    'b.c': 'int ZSTD_isError(unsigned long); int omen_b(void) { return ZSTD_isError(1); }\n',
  };
  const bad = {
    'a.c': 'void *malloc(unsigned long); void *omen_a(void) { return malloc(1); }\n',
    'b.c': 'int omen_posix_open(void); int omen_b(void) { return omen_posix_open(); }\n',
  };
  assert.deepEqual(withArchive(good, rules.noOutsideSymbols), []);
  assert.deepEqual(withArchive(bad, rules.noOutsideSymbols), [
    'a.c.o: malloc comes from outside of src/',
    'b.c.o: omen_posix_open comes from outside of src/',
  ]);
});

test('control: ownNames', () => {
  const files = { 'a.c': 'int omen_a(void) { return 1; }\nint helper(void) { return 2; }\nstatic int x;\nint *omen_x = &x;\n' };
  assert.deepEqual(withArchive(files, rules.ownNames), ['helper is global and does not begin with omen_']);
});

// ./dev adds up what the runners say. A sum that overlooks a failure would make every other test worthless, so the
// counting itself is tested: on logs of runs that failed in each way there is.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Runs a few lines of bash with ./dev's parts loaded, and results in a folder of their own. */
function bash(script, files = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'omen-dev-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const preamble = `set -euo pipefail
      . ${root}/cmake/dev/common.sh; BUILD=${folder}/build; . ${root}/cmake/dev/setup.sh; . ${root}/cmake/dev/report.sh; . ${root}/cmake/dev/results.sh
      cd ${folder}\n`;
    const run = spawnSync('bash', ['-c', preamble + script], { encoding: 'utf8' });
    return { out: run.stdout.trim(), status: run.status };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const program = (number, output, verdict) =>
  `${number}/9 Testing: unit.t${number}\n${number}/9 Test: unit.t${number}\nCommand: "t"\nOutput:\n----\n${output}` +
  `<end of output>\nTest time =   0.01 sec\n----\n${verdict === '' ? '' : `${verdict}\n`}"unit.t${number}" end time: x\n\n`;

const countCtest = (...programs) => bash('count_ctest log', { log: programs.join('') }).out;

test('C tests: closing lines add up', () => {
  assert.equal(
    countCtest(program(1, 'ok a\n3 passed, 0 failed\n', 'Test Passed.'), program(2, '4 passed, 0 failed\n', 'Test Passed.')),
    '7 0',
  );
});

test('C tests: a program without a closing line counts as one', () => {
  assert.equal(countCtest(program(1, 'fine\n', 'Test Passed.')), '1 0');
});

test('C tests: failed checks are counted once each', () => {
  assert.equal(countCtest(program(1, '3 passed, 2 failed\n', 'Test Failed.')), '3 2');
});

test('C tests: a crash, a time-out and a cut log are failures', () => {
  assert.equal(countCtest(program(1, 'ok a\n', 'Test Failed.')), '0 1');
  assert.equal(countCtest(program(1, 'ok a\n', '')), '0 1');
  assert.equal(countCtest('1/9 Testing: unit.t1\nOutput:\n'), '0 1');
});

test('C tests: a sanitizer complaint after a good closing line is a failure', () => {
  assert.equal(countCtest(program(1, '3 passed, 0 failed\nLeakSanitizer: leaks\n', 'Test Failed.')), '3 1');
});

test('C tests: a program that failed but answered success is a failure', () => {
  assert.equal(countCtest(program(1, '3 passed, 1 failed\n', 'Test Passed.')), '3 1');
});

const countTap = (log) => bash('count_tap log', { log }).out;

test('JavaScript tests: pass, fail and cancelled', () => {
  assert.equal(countTap('TAP version 13\n# tests 5\n# pass 3\n# fail 1\n# cancelled 1\n# skipped 0\n'), '3 2');
});

test('JavaScript tests: a log that was cut off is a failure', () => {
  assert.equal(countTap('TAP version 13\nok 1 - a\n'), '0 1');
});

test('the last line is the sum, and failures give a failing status', () => {
  const good = bash('results_begin; result a 3 0 2>/dev/null; result b 4 0 2>/dev/null; results_end 2>/dev/null');
  assert.deepEqual(good, { out: '7 passed, 0 failed', status: 0 });
  const bad = bash('results_begin; result a 3 0 2>/dev/null; result b 4 1 2>/dev/null; results_end 2>/dev/null');
  assert.deepEqual(bad, { out: '7 passed, 1 failed', status: 1 });
  const none = bash('results_begin; results_end 2>/dev/null');
  assert.deepEqual(none, { out: '0 passed, 0 failed', status: 1 });
});

test('every listed stage exists, and an unknown one is refused', () => {
  const stages = execFileSync(join(root, 'dev'), ['test', '--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const stage of stages) {
    const found = spawnSync('bash', ['-c', `. ${root}/cmake/dev/common.sh; . ${root}/cmake/dev/test.sh; declare -F stage_${stage}`]);
    assert.equal(found.status, 0, stage);
  }
  const unknown = spawnSync(join(root, 'dev'), ['test', '--bogus'], { encoding: 'utf8' });
  assert.notEqual(unknown.status, 0);
  assert.match(unknown.stderr, /unknown option --bogus/);
});

test('package groups are read from the list', () => {
  const { out } = bash('packages_of arm64 emscripten');
  assert.deepEqual(out.split('\n'), ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross', 'qemu-user', 'emscripten']);
});

test('reports are added up over stages, and what was not measured is null', () => {
  const { out, status } = bash(`results_begin
    report_stage one; printf 'kills 3\\ncrash_images 10\\n' >>"$OMEN_TEST_REPORT"
    report_stage two; printf 'x\\nREPORT kills 4\\n1: REPORT fuzz_execs 7\\nNO_REPORT kills 1\\n' >log; report_collect log
    printf 'store_branch_coverage 99.5\\n' >>"$OMEN_TEST_REPORT"; result two 1 0; results_end; report_json 12`);
  const [sum, json] = out.split('\n');
  assert.equal(sum, '1 passed, 0 failed');
  const { kills, crash_images, fuzz_execs, store_branch_coverage, seconds, terminates, ...others } = JSON.parse(json);
  assert.deepEqual([kills, crash_images, fuzz_execs, store_branch_coverage, seconds, terminates], [7, 10, 7, 99.5, 12, null]);
  assert.deepEqual(new Set(Object.values(others)), new Set([null]));
  assert.equal(status, 0);
});

test('a report under a name nobody knows fails the run', () => {
  const { out, status } = bash(`results_begin; report_stage one; echo 'kils 3' >>"$OMEN_TEST_REPORT"; result one 1 0; results_end`);
  assert.equal(out, '1 passed, 1 failed');
  assert.equal(status, 1);
});

test('presets are built beside the tests, waited for, and ended with the run', () => {
  const { out, status } = bash(`. ${root}/cmake/dev/build.sh
    need_tools() { :; }
    build_presets() { [ "$1" = endless ] && sleep 100; sleep 0.3; echo "built $1"; [ "$1" != bad ]; }
    builder_begin one bad endless
    built one && echo "one is there"
    built bad || echo "bad is not"
    built other && echo "other, not among them, is built at once"
    builder_end
    for _ in {1..600}; do kill -0 "$BUILDER" 2>/dev/null || { echo ended; break; }; sleep 0.1; done`);
  const lines = out.split('\n');
  for (const line of ['built one', 'one is there', 'bad is not', 'built other', 'other, not among them, is built at once', 'ended']) assert.ok(lines.includes(line), `${line}: ${out}`);
  assert.ok(lines.indexOf('built one') < lines.indexOf('one is there'));
  assert.equal(status, 0);
});

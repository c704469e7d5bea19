// What the analysis of text knows of Unicode, against what JavaScript's engine knows, on all code points; and against the tests of UAX #29. The C test
// program tells the terms. Where the engine's Unicode is newer than the tables', characters of later versions are let off.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = [process.env.OMEN_PRESET_DIR, 'build/native-gcc', 'build/native-clang', 'build/text']
  .filter(Boolean).map((folder) => join(ROOT, folder, 'tests/unit/unit.text.analyze')).find((path) => existsSync(path));
const DATABASE = join(ROOT, 'build/deps/unicode/UCD.zip');
const skip = PROGRAM === undefined ? 'the C tests are not built' : !existsSync(DATABASE) ? 'the Unicode database is not unpacked: run ./dev' : false;

const member = (name) => execFileSync('python3', ['-c', 'import sys,zipfile;sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))', DATABASE, name],
  { encoding: 'utf8', maxBuffer: 1 << 26 });

/** The tokens of each text: arrays of {start, end, term}. */
function analyze(texts, keepAccents = false) {
  const folder = mkdtempSync(join(tmpdir(), 'omen-text-'));
  try {
    const env = { ...process.env, OMEN_TEXTS: join(folder, 'in'), OMEN_TOKENS: join(folder, 'out') };
    if (keepAccents) env.OMEN_KEEP_ACCENTS = '1';
    writeFileSync(env.OMEN_TEXTS, texts.join('\n') + '\n');
    execFileSync(PROGRAM, ['texts_of_a_file'], { env });
    const lines = readFileSync(env.OMEN_TOKENS, 'utf8').split('\n').slice(0, -1);
    assert.equal(lines.length, texts.length);
    return lines.map((line) => line.split(' ').slice(0, -1).map((token) => {
      const [, start, end, term] = /^(\d+),(\d+),([\s\S]*)$/.exec(token);
      return { start: Number(start), end: Number(end), term };
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const terms = (texts, keepAccents) => analyze(texts, keepAccents).map((tokens) => tokens.map((t) => t.term).join(' '));

/** The characters of the tables' version, as strings; NUL, which ends C's lines, and line feeds aside. */
function assigned() {
  const all = [];
  for (const [, first, last] of member('DerivedAge.txt').matchAll(/^([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;/gm)) {
    for (let c = parseInt(first, 16); c <= parseInt(last ?? first, 16); c++) {
      if (c !== 0 && c !== 10 && (c < 0xd800 || c > 0xdfff)) all.push(String.fromCodePoint(c));
    }
  }
  return all.filter((c) => !/\p{Cn}/u.test(c));
}
const name = (text) => [...text].map((c) => `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`).join(' ');

test('letters and digits of every script make terms, and nothing else does', { skip }, () => {
  const all = assigned();
  assert.ok(all.length > 280_000);
  const wrong = [];
  for (const [i, term] of terms(all, true).entries()) {
    const c = all[i];
    const must = /[\p{L}\p{Nl}\p{Nd}]/u.test(c) && !/[\uFF9E\uFF9F]/.test(c); // half-width voiced marks
    // Letter-like symbols (modifiers and circled letters are words by UAX #29), marks of scripts that are written in words, signs that UAX #29
    // takes for Armenian, Hebrew and Syriac letters, and those that stand before numbers.
    const may = /[\p{Sk}\p{So}\p{Mn}\p{Mc}\p{Me}\u055A-\u055E\u058A\u05F3\u066B\u0600-\u0605\u06DD\u070F\u0890\u0891\u08E2\u{110BD}\u{110CD}]/u.test(c);
    if (c === '\u0640' ? term !== '' : must ? term === '' : !may && term !== '') wrong.push(`${name(c)} gives '${term}'`);
  }
  assert.deepEqual(wrong, []);
});

test('case folds as in a regular expression that ignores case', { skip }, () => {
  const letters = assigned().filter((c) => /[\p{L}\p{Nl}]/u.test(c) && !/[\u0640\uFF9E\uFF9F]/.test(c));
  const folded = terms(letters, true);
  const of = new Map(letters.map((c, i) => [c, folded[i]]));
  const wrong = [];
  for (const c of letters) {
    const others = [c.toLowerCase(), c.toUpperCase()].filter((o) => of.has(o) && new RegExp(`^${o}$`, 'iu').test(c));
    for (const o of others) if (of.get(o) !== of.get(c)) wrong.push(`${name(c)} gives '${of.get(c)}', ${name(o)} '${of.get(o)}'`);
    // What comes out is the letter itself, by another case or by a compatible form.
    const out = of.get(c);
    if (c !== 'İ' && !new RegExp(`^(?:${out})$`, 'iu').test(c) && !new RegExp(`^(?:${out})$`, 'iu').test(c.normalize('NFKC'))) wrong.push(`${name(c)} gives ${name(out)}`);
  }
  assert.deepEqual(wrong, []);
});

test('composed and decomposed letters are the same terms', { skip }, () => {
  // The ideographs that stand for another one stay as they are.
  const letters = assigned().filter((c) => /[\p{L}]/u.test(c) && !/\p{Script=Han}/u.test(c) && c.normalize('NFD') !== c);
  assert.ok(letters.length > 11_000);
  for (const keep of [true, false]) {
    const [composed, decomposed] = [terms(letters, keep), terms(letters.map((c) => c.normalize('NFD')), keep)];
    const wrong = letters.flatMap((c, i) => composed[i] === decomposed[i] || c === 'İ' ? [] : [`${name(c)} '${composed[i]}', apart '${decomposed[i]}'`]);
    assert.deepEqual(wrong, []);
  }
  const same = terms(letters, true);
  assert.deepEqual(letters.flatMap((c, i) => same[i].normalize('NFC') === same[i] ? [] : [`${name(c)} ${name(same[i])}`]), []);
});

test('Latin, Greek and Cyrillic letters lose their marks', { skip }, () => {
  const letters = assigned().filter((c) => /\p{L}/u.test(c) && /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}]/u.test(c) && c.normalize('NFD') !== c);
  const bare = letters.map((c) => c.normalize('NFD').replace(/\p{M}/gu, ''));
  const [got, want] = [terms(letters), terms(bare)];
  assert.deepEqual(letters.flatMap((c, i) => got[i] === want[i] ? [] : [`${name(c)} '${got[i]}', not '${want[i]}'`]), []);
  assert.ok(got.every((term) => !/\p{M}/u.test(term)));
});

test('words break where UAX #29 breaks them', { skip }, () => {
  let compared = 0;
  const texts = [], wanted = [];
  for (const line of member('auxiliary/WordBreakTest.txt').split('\n')) {
    const parts = line.split('#')[0].trim().split(/\s+/);
    if (parts.length < 3) continue;
    const words = parts.join(' ').split('÷').map((word) => word.trim().split(' ').filter((x) => x !== '×' && x !== '').map((x) => String.fromCodePoint(parseInt(x, 16))).join(''));
    const text = words.join('');
    // Our own ways: full stops and colons part letters, scripts without spaces give pairs, symbols are no part of words.
    if (/[\n\r.:]|[\p{Script=Katakana}\p{Script=Hiragana}\p{Script=Han}\p{Script=Hangul}\p{So}\u3031]/u.test(text)) continue;
    texts.push(text);
    let at = 0;
    wanted.push(words.filter((word) => word !== '').map((word) => {
      const start = at;
      at += Buffer.byteLength(word);
      return /[\p{L}\p{Nd}]/u.test(word) ? `${start}-${at}` : '';
    }).filter(Boolean).join(' '));
  }
  for (const [i, tokens] of analyze(texts).entries()) {
    assert.equal(tokens.map((t) => `${t.start}-${t.end}`).join(' '), wanted[i], name(texts[i]));
    compared++;
  }
  assert.ok(compared > 700, `${compared} compared`);
});

test('the tables are those that the generator makes', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'omen-text-'));
  try {
    execFileSync('python3', [join(ROOT, 'cmake/tools/unicode_tables.py'), DATABASE, join(folder, 'unicode_tables.c')]);
    for (const file of ['unicode_tables.c', 'unicode_tables.h']) {
      assert.equal(readFileSync(join(folder, file), 'utf8'), readFileSync(join(ROOT, 'src/text', file), 'utf8'), file);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

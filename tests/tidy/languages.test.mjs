// The languages' WebAssembly modules: no imports, and the stems of the native library, byte for byte.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = ['build/native-gcc', 'build/native-clang'].map((folder) => join(ROOT, folder, 'tests/unit/unit.text.analyze'))
  .concat(process.env.OMEN_TEXT_PROGRAM ?? []).findLast((path) => existsSync(path));
const FOLDER = join(ROOT, process.env.OMEN_LANGUAGES ?? 'build/wasm/lang');
const skip = PROGRAM === undefined ? 'the C tests are not built' : !existsSync(FOLDER) ? 'the WebAssembly modules are not built' : false;

function load(code) {
  const module = new WebAssembly.Module(readFileSync(join(FOLDER, `omendb-lang-${code}.wasm`)));
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const { exports } = new WebAssembly.Instance(module);
  exports._initialize?.();
  const bytes = () => Buffer.from(exports.memory.buffer);
  return {
    stops: bytes().toString('utf8', exports.stops(), exports.stops() + exports.stops_len()).split('\0').slice(0, -1),
    stem(word) {
      const length = bytes().write(word, exports.word());
      const end = exports.word() + exports.stem(length);
      return bytes().toString('utf8', exports.word(), end);
    },
  };
}

const nativeStems = (code, words) => {
  const folder = mkdtempSync(join(tmpdir(), 'omen-lang-'));
  try {
    const env = { ...process.env, OMEN_TEXTS: join(folder, 'in'), OMEN_TOKENS: join(folder, 'out'), OMEN_KEEP_ACCENTS: '1', OMEN_LANGUAGE: code };
    writeFileSync(env.OMEN_TEXTS, words.join('\n') + '\n');
    execFileSync(PROGRAM, ['texts_of_a_file'], { env });
    return readFileSync(env.OMEN_TOKENS, 'utf8').split('\n').slice(0, -1).map((line) => /^\d+,\d+,(\S+) $/.exec(line)?.[1]);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

// Words of languages that come without stop words.
const WORDS = {
  ar: 'والكتاب المدرسة يكتبون', ca: 'canviarem continuament amb', el: 'ελληνικα γραμματα μεγαλυτεροσ', eu: 'etxearen bizitzeko', ga: 'scoileanna mhatair',
  hi: 'लडकियों किताबें', hy: 'գրքերի մարդկանց', lt: 'lietuviškai knygomis', ne: 'केटाहरुको', sr: 'књигама школама', ta: 'மரங்களை வீடுகளில்', tr: 'kitaplarımız evlerinden',
  yi: 'ביכער שרייבן',
};

test('every module stems as the native library does', { skip }, () => {
  const codes = readdirSync(FOLDER).map((file) => /^omendb-lang-(..)\.wasm$/.exec(file)?.[1]).filter(Boolean);
  assert.ok(codes.length >= 27, codes.join(' '));
  for (const code of codes) {
    const language = load(code);
    const known = language.stops.filter((word) => !word.includes("'"));
    assert.ok(known.length > 50 || WORDS[code] !== undefined, code);
    assert.deepEqual([...known].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))), known, code);
    // Stop words are full of endings: put one behind the other, they make whatever the stemmer looks for.
    const words = [...known, ...known.flatMap((a, i) => known.filter((_, j) => (i * 7 + j) % 5 === 0).map((b) => a + b)), ...(WORDS[code]?.split(' ') ?? [])]
      .filter((word) => Buffer.byteLength(word) <= 60);
    const want = nativeStems(code, words);
    let changed = 0;
    for (const [i, word] of words.entries()) {
      const stem = language.stem(word);
      if (want[i] !== undefined) assert.equal(stem, want[i], `${code}: ${word}`);
      if (stem !== word) changed++;
    }
    assert.ok(changed > 0, `${code} stems nothing`);
  }
});

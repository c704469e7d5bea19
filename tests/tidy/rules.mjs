// The rules of the house, each a function of a source tree that answers a list of complaints ("file:line: what").
// tidy.test.mjs runs them over the repository, and over small trees that break them.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The rooms of src/, from the ground up: a file includes from its own room and from those below. */
export const ROOMS = ['base', 'kernel', 'quant', 'store', 'column', 'text', 'index', 'query', 'db', 'api'];

/** Headers of the C language that need no host. */
const FREE_HEADERS = new Set([
  'float.h', 'limits.h', 'stdarg.h', 'stdatomic.h', 'stdbool.h', 'stddef.h', 'stdint.h', 'string.h',
]);
const PINNED_HEADERS = /^(zstd|zstd_errors|xxhash|yyjson)\.h$/;

const SOURCE = /\.(c|h|ts|mts|js|mjs|cjs|sh|cmake|css|html)$|(^|\/)(dev|CMakeLists\.txt)$/;
const SKIPPED = new Set(['node_modules', 'dist', 'build', '.git', 'prebuilds', 'fixtures', 'corpus', 'generated']);

/** All source files below `root`, as paths with forward slashes. */
export function sources(root, folder = '') {
  const found = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!SKIPPED.has(entry.name)) found.push(...sources(root, path));
    } else if (entry.isFile() && SOURCE.test(path)) {
      found.push(path);
    }
  }
  return found.sort();
}

const read = (root, path) => readFileSync(join(root, path), 'utf8');
const isC = (path) => /\.[ch]$/.test(path);

/** Replaces comments and literals by spaces, so that line numbers stay right. Good enough for C and JavaScript alike. */
export function withoutComments(text) {
  const blank = (match) => match.replace(/[^\n]/g, ' ');
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, blank);
}

function* includes(text) {
  // Comments go first, but the quoted names of includes must stay.
  const lines = text.replace(/\/\*[\s\S]*?\*\//g, (match) => match.replace(/[^\n]/g, ' ')).split('\n');
  for (const [index, line] of lines.entries()) {
    const match = /^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)"|(.+))/.exec(line);
    if (match) yield { line: index + 1, system: match[1], local: match[2], other: match[3] };
  }
}

/** Includes in src/ go downwards only, name real files, and leave src/ only towards include/. */
export function includesGoDown(root) {
  const complaints = [];
  for (const path of sources(root, 'src').filter(isC)) {
    const room = path.split('/')[1];
    const floor = ROOMS.indexOf(room);
    if (floor < 0) complaints.push(`${path}:1: '${room}' is not a room of src/`);
    for (const { line, system, local, other } of includes(read(root, path))) {
      const at = `${path}:${line}`;
      if (other !== undefined) complaints.push(`${at}: computed include '${other.trim()}'`);
      if (local === undefined) continue;
      if (!local.includes('/')) {
        const beside = join(root, path, '..', local);
        if (!existsSync(join(root, 'include', local)) && !existsSync(beside)) {
          complaints.push(`${at}: "${local}" is neither public nor beside the file`);
        }
        continue;
      }
      const target = ROOMS.indexOf(local.split('/')[0]);
      if (local.split('/').includes('..')) complaints.push(`${at}: "${local}" climbs out of its room`);
      else if (target < 0) complaints.push(`${at}: "${local}" is outside of src/`);
      else if (target > floor) complaints.push(`${at}: "${local}" lies above ${room}`);
      else if (!existsSync(join(root, 'src', local))) complaints.push(`${at}: there is no src/${local}`);
    }
  }
  return complaints;
}

/** src/ includes no header of the host's; the pinned libraries are wrapped in base/, Snowball in text/. */
export function noHostHeaders(root) {
  const complaints = [];
  for (const path of sources(root, 'src').filter(isC)) {
    for (const { line, system, local } of includes(read(root, path))) {
      const name = system ?? local;
      if (name === undefined) continue;
      if (name === 'omen_snowball.h' && path === 'src/text/stem.c') continue;
      if (PINNED_HEADERS.test(name)) {
        if (!path.startsWith('src/base/')) complaints.push(`${path}:${line}: ${name} is wrapped by src/base; use that`);
      } else if (system !== undefined && !FREE_HEADERS.has(name)) {
        complaints.push(`${path}:${line}: <${name}> belongs to the host`);
      }
    }
  }
  return complaints;
}

const HOST_CALLS =
  'malloc calloc realloc free aligned_alloc posix_memalign strdup alloca printf fprintf sprintf snprintf vsnprintf ' +
  'puts putchar fopen fread fwrite fclose fseek mmap munmap fsync fdatasync unlink gettimeofday clock_gettime ' +
  'rand srand random getenv exit abort assert qsort bsearch pthread_create ' +
  'exp expf exp2 exp2f log logf log2 log2f log10 pow powf sin sinf cos cosf tan tanf fma fmaf setjmp longjmp';
const FORBIDDEN_CALL = new RegExp(String.raw`(?<![\w.]|->)(${HOST_CALLS.split(' ').join('|')})\s*\(`, 'g');

/**
 * src/ calls nothing of the C library's that needs a host, nor libm, whose bits differ between machines. Short names
 * that a file may well use for a function of its own (open, read, time) are left to noOutsideSymbols.
 */
export function noHostCalls(root) {
  const complaints = [];
  for (const path of sources(root, 'src').filter(isC)) {
    for (const [index, line] of withoutComments(read(root, path)).split('\n').entries()) {
      for (const match of line.matchAll(FORBIDDEN_CALL)) {
        complaints.push(`${path}:${index + 1}: ${match[1]}() belongs to the host`);
      }
    }
  }
  return complaints;
}

/** No source file above 800 lines. */
export function shortFiles(root, limit = 800) {
  const complaints = [];
  for (const path of sources(root)) {
    const text = read(root, path);
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    if (lines > limit) complaints.push(`${path}:${lines}: longer than ${limit} lines; look for the second noun`);
  }
  return complaints;
}

// Written in pieces, so that this file does not complain about itself.
const LEFT_OVER = new RegExp(String.raw`\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|')})\b`);

/** Nothing is left for later. */
export function nothingLeftOver(root) {
  const complaints = [];
  for (const path of sources(root)) {
    for (const [index, line] of read(root, path).split('\n').entries()) {
      const match = LEFT_OVER.exec(line);
      if (match) complaints.push(`${path}:${index + 1}: ${match[1]}`);
    }
  }
  return complaints;
}

/** Every file ends in a newline; no tabs, no trailing blanks in C and scripts. */
export function cleanLines(root) {
  const complaints = [];
  for (const path of sources(root)) {
    const text = read(root, path);
    if (text !== '' && !text.endsWith('\n')) complaints.push(`${path}:1: does not end in a newline`);
    for (const [index, line] of text.split('\n').entries()) {
      if (/[ \t\r]$/.test(line)) complaints.push(`${path}:${index + 1}: trailing blank`);
      if (line.includes('\t')) complaints.push(`${path}:${index + 1}: tab`);
    }
  }
  return complaints;
}

// What the compiler itself calls, and what the platform defines for the core (see kernel/kernel.h and api/api.h).
const COMPILER = /^(memcpy|memmove|memset|memcmp|memchr|strlen|strcmp|strncmp|_GLOBAL_OFFSET_TABLE_|__tls_get_addr|__stack_chk_fail|__(u?(div|mod|mul)|ashl|ashr|lshr|clz|ctz|popcount|float|fix)\w*|__aarch64_\w+)$/;
const PINNED = /^(ZSTD_|XXH|yyjson_|unsafe_yyjson_|omen_snowball_)/;
const PLATFORM = new Set([
  'omen_kernels_offer', 'omen_platform_host', 'omen_platform_opened', 'omen_platform_closing', 'omen_platform_nap',
]);

const nm = (archive, ...options) =>
  execFileSync('nm', ['--format=posix', ...options, archive], { encoding: 'utf8', maxBuffer: 1 << 26 });

/** The objects of src/ ask nothing of the outside but memory moves, the pinned libraries and the platform's kernels. */
export function noOutsideSymbols(archive) {
  const names = (text) => text.split('\n').filter((line) => / [A-Za-z]( |$)/.test(line)).map((line) => line.split(' ')[0]);
  const defined = new Set(names(nm(archive, '--defined-only', '--extern-only')));
  const complaints = [];
  let member = '';
  for (const line of nm(archive, '--undefined-only').split('\n')) {
    const header = /\[(.+)\]:$/.exec(line);
    if (header) member = header[1];
    const name = / [Uvw]( |$)/.test(line) ? line.split(' ')[0] : '';
    if (name === '' || defined.has(name) || COMPILER.test(name) || PINNED.test(name) || PLATFORM.has(name)) continue;
    complaints.push(`${member}: ${name} comes from outside of src/`);
  }
  return complaints;
}

/** Public symbols of src/ all begin with omen_. */
export function ownNames(archive) {
  return nm(archive, '--defined-only', '--extern-only').split('\n')
    .filter((line) => / [TDBRVW]( |$)/.test(line))
    .map((line) => line.split(' ')[0])
    .filter((name) => !name.startsWith('omen_'))
    .map((name) => `${name} is global and does not begin with omen_`);
}

// `node cmake/dev/coverage.mjs branches.json unreachable.txt`: a table of the branches taken, a line a file, from `llvm-cov export -skip-expansions`:
// of src/store, of all that parses what comes from outside, and of what reads sections. The last line of each group is its sum.
//
// In a group that is `strict` every branch must be taken, or stand in unreachable.txt with the reason why no test can take it. A branch is one
// outcome of one condition: an `if (a && b)` has four. It is named by what stands in the source, so that lines may move:
//
//     src/store/pool.c  omen_block_release  OMEN_ASSERT(n->pins > 0)  true
//         why: the reason, in one line or several
//
// file, function, condition (blanks as one; of a macro: its call as it stands there), and the outcome that does not come about, two blanks
// between them. Several lines may share the reason that follows. A condition that stands several times in a function is listed as many times.
// What is not taken and not listed, and what is listed and taken, or not there any more, is an error.
// A group that has a `floor` instead must have at least that share taken of its branches that are not listed, in percent: what was measured last. It is
// raised as tests are added, and never lowered. What is listed of such a group must be as true as in a strict one.
// An outcome of an OMEN_ASSERT that is not taken is no branch: it says that what is above cannot break, and stops the program if it is wrong.
import { readFileSync } from 'node:fs';

const GROUPS = [
  { name: 'src/store', pattern: /^src\/store\//, strict: true },
  {
    // Texts, messages and payloads.
    name: 'parsers',
    strict: true,
    pattern: /^src\/(column\/(filter|facets_request)|db\/(ask|schema|manifest_body|backup_record)|api\/(call|arguments|options|message)|base\/(json|key|utf8)|text\/query)[^/]*\.[ch]$/,
  },
  {
    // What reads the sections of segments and of indexes, and packed bytes.
    name: 'decoders',
    floor: 97.8,
    pattern:
      /^src\/(index\/(audit|codes|disk|disk_blocks|disk_search|disk_verify|graph|hnsw|index|ivf|ivf_scan)|text\/(bm25_list|fields|part_text|postings|postings_check|terms)|column\/(columns_(bind|dict|reader|scan)|facets_part|keys|keys_(find|many)|multi|part|part_(check|reader|vectors)|values)|quant\/(pq|rabitq|sq8)|base\/compress)\.[ch]$/,
  },
];

const sources = new Map();
/** The lines of a source file. */
function linesOf(file) {
  if (!sources.has(file)) sources.set(file, readFileSync(file, 'utf8').split('\n'));
  return sources.get(file);
}

/** The text between two places (lines and columns from 1; the end is not part of it), blanks as one. Columns count bytes; the sources are ASCII where code is. */
function textBetween(file, [line, column, endLine, endColumn]) {
  const lines = linesOf(file).slice(line - 1, endLine);
  lines[lines.length - 1] = lines[lines.length - 1].slice(0, endColumn - 1);
  lines[0] = lines[0].slice(column - 1);
  return lines.join(' ').replace(/\s+/g, ' ').trim();
}

/** The call of a macro whose name stands at a place, with its arguments. */
function callAt(file, [line, column, endLine, endColumn]) {
  const name = textBetween(file, [line, column, endLine, endColumn]);
  const rest = [linesOf(file)[endLine - 1].slice(endColumn - 1), ...linesOf(file).slice(endLine, endLine + 20)].join('\n');
  if (!/^\s*\(/.test(rest)) return name;
  let depth = 0;
  let quote = '';
  for (let i = 0; i < rest.length; i++) {
    const c = rest[i];
    if (quote) {
      if (c === '\\') i++;
      else if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return (name + rest.slice(0, i + 1)).replace(/\s+/g, ' ');
  }
  return name;
}

/** Of a macro without conditions of its own only the beginning is told. */
function callFrom(file, [line, column]) {
  const [name] = /^\w*/.exec(linesOf(file)[line - 1].slice(column - 1));
  return callAt(file, [line, column, line, column + name.length]);
}

const relative = (path) => path.replace(/^.*\/(?=(src|include|native|tests|build)\/)/, '');

/** Every condition of every function, with how often it was true and false; what several objects have of one inline function is added up. */
function conditionsOf(functions) {
  const all = new Map();
  for (const { name, filenames, branches, regions } of functions) {
    const expansions = new Map(regions.filter((r) => r[7] === 1).map((r) => [r[6], r]));
    const seen = new Map();
    for (const [l, c, el, ec, yes, no, fileId] of branches) {
      // Outwards, to where the macro is called.
      let id = fileId;
      let call;
      while (expansions.has(id)) {
        call = expansions.get(id);
        id = call[5];
      }
      const file = filenames[id];
      const place = call ?? [l, c, el, ec];
      const text = call ? callAt(file, call) : textBetween(file, place) || callFrom(file, place);
      const inner = call ? `${filenames[fileId]}:${l}:${c}` : '';
      const base = [relative(file), name.replace(/^.*:/, ''), place[0], place[1], inner].join(' ');
      const nth = seen.get(base) ?? 0;
      seen.set(base, nth + 1);
      const key = `${base} ${nth}`;
      const known = all.get(key) ?? { file: relative(file), name: name.replace(/^.*:/, ''), line: place[0], text, counts: { true: 0, false: 0 } };
      known.counts.true += yes;
      known.counts.false += no;
      all.set(key, known);
    }
  }
  return [...all.values()];
}

/** The list of what cannot be reached: name of a branch -> how many times. */
function readList(path) {
  const list = new Map();
  let open = 0;
  for (const [i, line] of readFileSync(path, 'utf8').split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    if (line.startsWith(' ')) {
      open = 0;
      continue;
    }
    const parts = line.trim().split(/ {2,}/);
    if (parts.length !== 4 || !/^(true|false)$/.test(parts[3])) throw new Error(`${path}:${i + 1}: not "file  function  condition  true" (or false), two blanks between them`);
    const name = parts.join('  ');
    list.set(name, (list.get(name) ?? 0) + 1);
    open++;
  }
  if (open > 0) throw new Error(`${path}: the last branches have no reason below them`);
  return list;
}

const [file, listFile] = process.argv.slice(2);
const list = readList(listFile);
const conditions = conditionsOf(JSON.parse(readFileSync(file, 'utf8')).data[0].functions);
const share = (taken, of) => (of === 0 ? 100 : Math.floor((10000 * taken) / of) / 100).toFixed(2);
const errors = [];
for (const { name, pattern, strict, floor } of GROUPS) {
  const files = new Map();
  const untaken = new Map();
  for (const c of conditions.filter((c) => pattern.test(c.file)).sort((a, b) => a.line - b.line)) {
    const sum = files.get(c.file) ?? { taken: 0, all: 0 };
    for (const outcome of ['true', 'false']) {
      if (c.text.startsWith('OMEN_ASSERT(') && c.counts[outcome] === 0) continue;
      sum.all++;
      if (c.counts[outcome] > 0) {
        sum.taken++;
      } else {
        const id = [c.file, c.name, c.text, outcome].join('  ');
        untaken.set(id, [...(untaken.get(id) ?? []), c.line]);
      }
    }
    files.set(c.file, sum);
  }
  let taken = 0;
  let all = 0;
  for (const [path, sum] of [...files].sort()) {
    console.log(`${path.padEnd(36)} ${String(sum.taken).padStart(5)} of ${String(sum.all).padStart(5)}  ${share(sum.taken, sum.all).padStart(6)} %`);
    taken += sum.taken;
    all += sum.all;
  }
  console.log(`${name}: ${share(taken, all)} % of ${all} branches`);
  if (all === 0) errors.push(`${name} has no branches: nothing was counted`);
  if (strict || floor !== undefined) {
    let listed = 0;
    for (const [id, lines] of untaken) {
      const known = Math.min(lines.length, list.get(id) ?? 0);
      listed += known;
      if (strict && known < lines.length) errors.push(`not taken: ${id}    (line ${lines.join(', ')}${known > 0 ? `; listed ${known} times` : ''})`);
    }
    for (const [id, times] of list) {
      if (pattern.test(id.split('  ')[0]) && times > (untaken.get(id)?.length ?? 0)) errors.push(`listed as unreachable, but taken or not there: ${id}`);
    }
    const reached = share(taken, all - listed);
    console.log(`${name}: ${reached} % of the ${all - listed} that can be reached; ${listed} cannot (${listFile.replace(/^.*\/(?=cmake\/)/, '')})${strict ? '' : `; at least ${floor} % must be`}`);
    if (!strict && Number(reached) < floor) errors.push(`${name}: ${reached} % of the branches that can be reached are taken, less than the ${floor} % that were: not taken are\n  ${[...untaken.keys()].join('\n  ')}`);
  }
  console.log('');
}
if (errors.length > 0) {
  console.error(`${errors.join('\n')}\n${errors.length} errors: write a test that takes the branch, remove it, or say in the list why nothing can reach it`);
  process.exitCode = 1;
}

// `node cmake/dev/coverage.mjs summary.json`: a table of the branches taken, a line a file, from `llvm-cov export
// -summary-only`: of src/store, and of all that parses what comes from outside. The last line of each group is its sum.
import { readFileSync } from 'node:fs';

const GROUPS = [
  ['src/store', /^src\/store\//],
  ['parsers', /^src\/(column\/(filter|facets_request)|db\/(ask|schema|manifest_body)|api\/(call|arguments|options|message)|base\/(json|utf8)|text\/query)[^/]*\.[ch]$/],
];

const [file] = process.argv.slice(2);
const { files } = JSON.parse(readFileSync(file, 'utf8')).data[0];
const of = (branches) => (branches.count === 0 ? 100 : (100 * branches.covered) / branches.count);
let empty = false;
for (const [name, pattern] of GROUPS) {
  const rows = files
    .map(({ filename, summary }) => ({ path: filename.replace(/^.*\/(?=src\/)/, ''), branches: summary.branches }))
    .filter(({ path, branches }) => pattern.test(path) && branches.count > 0)
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, branches } of rows) {
    console.log(`${path.padEnd(36)} ${String(branches.covered).padStart(5)} of ${String(branches.count).padStart(5)}  ${of(branches).toFixed(2).padStart(6)} %`);
  }
  const sum = rows.reduce((all, { branches }) => ({ covered: all.covered + branches.covered, count: all.count + branches.count }), { covered: 0, count: 0 });
  empty ||= sum.count === 0;
  console.log(`${name}: ${of(sum).toFixed(2)} % of ${sum.count} branches\n`);
}
if (empty) {
  console.error('a group has no branches: nothing was counted');
  process.exitCode = 1;
}

// Splits a linked module in two: what is needed at once, and what can be reached only through functions and tables that a list names (src/base/later.h).
//
//   node split-wasm.mjs LINKED LIST FIRST SECOND
//
// LINKED is made by wasm-ld with --emit-relocs: its relocations name every function and every piece of data that each function and each piece of data
// refers to, so nothing is guessed. All that the exports reach without going through a name of the list stays in FIRST, the rest moves. FIRST
// keeps memory, table and stack, and a stub for each function of the list that calls it through the table; SECOND imports all of that from the
// exports of FIRST (module "omendb"), brings its own data, and puts its functions into the table when it is instantiated. Addresses of data and places
// in the table are those that the linker chose, in both. The memory is imported under a name that the linked module's hash is part of, so parts of
// different builds do not link.
//
// The binary format: https://webassembly.github.io/spec/core/binary/. Relocations and symbols: the tool conventions of WebAssembly, "Linking".
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

const FUNCTION = 0, TABLE = 1, MEMORY = 2, GLOBAL = 3; // kinds of imports and exports
const SECTION = { type: 1, import: 2, function: 3, table: 4, memory: 5, global: 6, export: 7, start: 8, element: 9, code: 10, data: 11, dataCount: 12 };
const RELOCATION = { functionLeb: 0, tableSleb: 1, tableI32: 2, memoryLeb: 3, memorySleb: 4, memoryI32: 5, typeLeb: 6, globalLeb: 7, tableNumber: 20 };
const SYMBOL = { function: 0, data: 1, global: 2, section: 3, tag: 4, table: 5 };
const UNDEFINED = 0x10, EXPLICIT_NAME = 0x40, ABSOLUTE = 0x200;

class Refused extends Error {}
const refuse = (what) => {
  throw new Refused(what);
};

/* ---- reading ---- */

class Reader {
  constructor(bytes, at = 0, end = bytes.length) {
    Object.assign(this, { bytes, at, end });
  }
  u8() {
    return this.at < this.end ? this.bytes[this.at++] : refuse("the module ends too early");
  }
  unsigned() {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.u8();
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  }
  signed() {
    let value = 0, shift = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 127) * shift;
      shift *= 128;
      if (byte < 128) return byte & 64 ? value - shift : value;
    }
  }
  take(length) {
    const from = this.at;
    if (from + length > this.end) refuse("the module ends too early");
    this.at += length;
    return this.bytes.subarray(from, this.at);
  }
  name() {
    return Buffer.from(this.take(this.unsigned())).toString();
  }
  limits() {
    const flags = this.unsigned();
    const least = this.unsigned();
    return { least, most: flags & 1 ? this.unsigned() : undefined };
  }
  list(read) {
    return Array.from({ length: this.unsigned() }, () => read(this));
  }
}

function read(bytes) {
  if (Buffer.compare(bytes.subarray(0, 8), Buffer.from([0, 97, 115, 109, 1, 0, 0, 0])) !== 0) refuse("it is no WebAssembly module");
  const order = [], byId = new Map(), custom = new Map();
  for (const r = new Reader(bytes, 8); r.at < r.end; ) {
    const id = r.u8(), length = r.unsigned(), at = r.at;
    r.take(length);
    const section = { id, at, bytes: bytes.subarray(at, at + length) };
    if (id === 0) {
      const inside = new Reader(section.bytes);
      custom.set(inside.name(), inside);
    } else byId.set(id, section);
    order.push(section);
  }
  const inside = (id) => new Reader(byId.get(id)?.bytes ?? Buffer.from([0]));
  const m = { raw: byId, custom, sections: order };

  m.types = inside(SECTION.type).list((r) => {
    if (r.u8() !== 0x60) refuse("it has types that are none of functions");
    return { parameters: r.list((p) => p.u8()), results: r.list((p) => p.u8()) };
  });
  m.imports = inside(SECTION.import).list((r) => {
    const entry = { module: r.name(), name: r.name(), kind: r.u8() };
    if (entry.kind !== FUNCTION) refuse(`it imports ${entry.name}, which is no function`);
    return { ...entry, type: r.unsigned() };
  });
  const own = inside(SECTION.function).list((r) => r.unsigned());
  m.typeOf = [...m.imports.map(({ type }) => type), ...own];
  const tables = inside(SECTION.table).list((r) => ({ type: r.u8(), ...r.limits() }));
  if (tables.length !== 1) refuse("it has not one table");
  m.table = tables[0];
  m.memory = inside(SECTION.memory).list((r) => r.limits())[0];
  if (byId.has(SECTION.start)) refuse("it has a start function");
  if (new Reader(byId.get(SECTION.global).bytes).unsigned() !== 1) refuse("it has globals besides the stack's");
  m.exports = inside(SECTION.export).list((r) => ({ name: r.name(), kind: r.u8(), index: r.unsigned() }));
  m.slots = [];
  inside(SECTION.element).list((r) => {
    if (r.unsigned() !== 0 || r.u8() !== 0x41) refuse("it has elements of an unknown kind");
    const from = r.signed();
    r.u8();
    r.list((e) => e.unsigned()).forEach((f, i) => (m.slots[from + i] = f));
  });
  m.bodies = inside(SECTION.code).list((r) => {
    const length = r.unsigned(), at = r.at;
    return { at, bytes: Buffer.from(r.take(length)), relocations: [] };
  });
  m.segments = inside(SECTION.data).list((r) => {
    if (r.unsigned() !== 0 || r.u8() !== 0x41) refuse("it has data of an unknown kind");
    const address = r.signed();
    r.u8();
    const length = r.unsigned(), at = r.at;
    return { address, at, bytes: Buffer.from(r.take(length)) };
  });
  readSymbols(m);
  readRelocations(m);
  return m;
}

function readSymbols(m) {
  const r = m.custom.get("linking") ?? refuse("it has no symbols; link it with --emit-relocs");
  m.symbols = [];
  if (r.unsigned() !== 2) refuse("its symbols are of an unknown version");
  while (r.at < r.end) {
    const kind = r.u8(), length = r.unsigned(), part = new Reader(r.bytes, r.at, r.at + length);
    r.take(length);
    if (kind !== 8) continue;
    m.symbols = part.list((s) => {
      const type = s.u8(), flags = s.unsigned();
      if (type === SYMBOL.data) {
        const name = s.name();
        if (flags & UNDEFINED) return { type, name };
        const segment = s.unsigned(), offset = s.unsigned(), size = s.unsigned();
        return { type, name, segment: flags & ABSOLUTE ? undefined : segment, offset, size };
      }
      if (type === SYMBOL.section) return { type, index: s.unsigned() };
      const index = s.unsigned();
      return { type, index, name: flags & UNDEFINED && !(flags & EXPLICIT_NAME) ? undefined : s.name() };
    });
  }
}

/** Hands each relocation to the function or the segment that it lies in. */
function readRelocations(m) {
  const withAddend = new Set([RELOCATION.memoryLeb, RELOCATION.memorySleb, RELOCATION.memoryI32]);
  const known = new Set(Object.values(RELOCATION));
  const each = (name, take) => {
    const r = m.custom.get(name);
    if (r === undefined) return;
    r.unsigned();
    r.list(() => {
      const type = r.u8(), at = r.unsigned(), index = r.unsigned();
      if (!known.has(type)) refuse(`it has a relocation of the unknown type ${type}`);
      if (withAddend.has(type)) r.signed();
      take({ type, at, index });
    });
  };
  let body = 0;
  each("reloc.CODE", (relocation) => {
    while (relocation.at >= m.bodies[body].at + m.bodies[body].bytes.length) body++;
    m.bodies[body].relocations.push(relocation);
  });
  m.dataRelocations = [];
  each("reloc.DATA", (relocation) => m.dataRelocations.push(relocation));
}

/* ---- what refers to what ---- */

/** Pieces of data: what symbols cover, those that overlap as one. Symbols of zeroed memory have none. */
function pieces(m) {
  const all = [];
  m.symbols.forEach((s, symbol) => {
    if (s.type === SYMBOL.data && s.segment < m.segments.length && s.size > 0) all.push({ symbol, segment: s.segment, from: s.offset, to: s.offset + s.size });
  });
  all.sort((a, b) => a.segment - b.segment || a.from - b.from);
  const merged = [], ofSymbol = new Map();
  for (const one of all) {
    const last = merged.at(-1);
    if (last !== undefined && last.segment === one.segment && one.from < last.to) last.to = Math.max(last.to, one.to);
    else merged.push({ segment: one.segment, from: one.from, to: one.to, functions: [], data: [] });
    ofSymbol.set(one.symbol, merged.length - 1);
  }
  return { merged, ofSymbol };
}

function graph(m) {
  const { merged, ofSymbol } = pieces(m);
  const note = ({ type, index }, node) => {
    if (type === RELOCATION.functionLeb || type === RELOCATION.tableSleb || type === RELOCATION.tableI32) node.functions.push(m.symbols[index].index);
    else if (type === RELOCATION.memoryLeb || type === RELOCATION.memorySleb || type === RELOCATION.memoryI32) {
      if (ofSymbol.has(index)) node.data.push(ofSymbol.get(index));
    }
  };
  const functions = m.bodies.map(({ relocations }) => {
    const node = { functions: [], data: [] };
    for (const relocation of relocations) note(relocation, node);
    return node;
  });
  for (const relocation of m.dataRelocations) {
    const segment = m.segments.findIndex(({ at, bytes }) => relocation.at >= at && relocation.at < at + bytes.length);
    const offset = relocation.at - m.segments[segment].at;
    const piece = merged.find((p) => p.segment === segment && p.from <= offset && offset < p.to);
    if (piece === undefined) refuse(`nothing is known of what lies at ${m.segments[segment].address + offset}`);
    note(relocation, piece);
  }
  return { functions, data: merged, pieceOf: ofSymbol };
}

/** What a list names. Whoever takes a name away must take it from the list, too. */
function named(m, { pieceOf }, text) {
  const found = { functions: new Set(), data: new Set() };
  for (const name of text.replace(/#.*/g, "").split(/\s+/).filter(Boolean)) {
    const symbols = [...m.symbols.keys()].filter((i) => m.symbols[i].name === name && (pieceOf.has(i) || (m.symbols[i].type === SYMBOL.function && m.symbols[i].index >= m.imports.length)));
    if (symbols.length !== 1) refuse(`there ${symbols.length === 0 ? "is no" : `are ${symbols.length} of the name`} "${name}"; does it say OMEN_LATER where it is declared?`);
    const [symbol] = symbols;
    if (pieceOf.has(symbol)) found.data.add(pieceOf.get(symbol));
    else found.functions.add(m.symbols[symbol].index);
  }
  return found;
}

/** All that is reached from functions and data, without those of `not`. */
function reach(m, { functions, data }, from, not) {
  const reached = { functions: new Set(), data: new Set() };
  const todo = [...from.functions];
  const visit = (node) => {
    todo.push(...node.functions);
    node.data.forEach(touch);
  };
  const touch = (piece) => {
    if (reached.data.has(piece) || not.data.has(piece)) return;
    reached.data.add(piece);
    visit(data[piece]);
  };
  from.data.forEach(touch);
  for (let f; (f = todo.pop()) !== undefined; ) {
    if (reached.functions.has(f) || not.functions.has(f)) continue;
    reached.functions.add(f);
    if (f >= m.imports.length) visit(functions[f - m.imports.length]);
  }
  return reached;
}

/* ---- writing ---- */

function unsigned(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value & 127) | 128);
  bytes.push(value);
  return bytes;
}

function signed(value) {
  const bytes = [];
  for (;;) {
    const byte = value & 127;
    value >>= 7;
    if ((value === 0 && !(byte & 64)) || (value === -1 && byte & 64)) return [...bytes, byte];
    bytes.push(byte | 128);
  }
}

const text = (s) => [...unsigned(Buffer.byteLength(s)), ...Buffer.from(s)];
const joined = (parts) => Buffer.concat(parts.map((p) => Buffer.from(p)));
const list = (parts) => joined([unsigned(parts.length), ...parts]);
const section = (id, body) => joined([[id], unsigned(body.length), body]);
const limits = ({ least, most }) => (most === undefined ? [0, ...unsigned(least)] : [1, ...unsigned(least), ...unsigned(most)]);
const constant = (value) => [0x41, ...signed(value), 0x0b];
const importOf = (module, name, kind, rest) => joined([text(module), text(name), [kind], rest]);
const exportOf = (name, kind, index) => joined([text(name), [kind], unsigned(index)]);

/** A body whose references to functions are made those of another module. Their places are padded to five bytes. */
function moved({ at, bytes, relocations }, m, indexOf) {
  const patched = Buffer.from(bytes);
  for (const { type, at: place, index } of relocations) {
    if (type !== RELOCATION.functionLeb) continue;
    let value = indexOf(m.symbols[index].index);
    for (let i = 0; i < 5; i++, value = Math.floor(value / 128)) patched[place - at + i] = (value & 127) | (i < 4 ? 128 : 0);
  }
  return joined([unsigned(patched.length), patched]);
}

/** A body that hands its parameters to the function in a place of the table. */
function stub(type, parameters, slot) {
  const gets = parameters.flatMap((_, i) => [0x20, ...unsigned(i)]);
  const body = [0, ...gets, 0x41, ...signed(slot), 0x11, ...unsigned(type), 0, 0x0b];
  return joined([unsigned(body.length), body]);
}

/** Runs of places of the table whose functions `has` has. */
function elements(slots, has, indexOf) {
  const runs = [];
  slots.forEach((f, slot) => {
    if (!has(f)) return;
    const last = runs.at(-1);
    if (last !== undefined && last.from + last.functions.length === slot) last.functions.push(f);
    else runs.push({ from: slot, functions: [f] });
  });
  return list(runs.map(({ from, functions }) => joined([[0], constant(from), list(functions.map((f) => unsigned(indexOf(f))))])));
}

/** Function names, for tools. */
function names(m, indexes) {
  const of = new Map();
  for (const s of m.symbols) if (s.type === SYMBOL.function && s.name !== undefined) of.set(s.index, s.name);
  const map = list([...indexes].sort((a, b) => a[1] - b[1]).map(([f, index]) => joined([unsigned(index), text(of.get(f) ?? `f${f}`)])));
  return section(0, joined([text("name"), [1], unsigned(map.length), map]));
}

/** a, b, ..., z, A, ..., aa, ... */
function shortName(i) {
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return (i >= letters.length ? shortName(Math.floor(i / letters.length) - 1) : "") + letters[i % letters.length];
}

const head = (m) => [Buffer.from([0, 97, 115, 109, 1, 0, 0, 0]), section(SECTION.type, m.raw.get(SECTION.type).bytes)];

function split(linked, listed) {
  const m = read(linked);
  const all = graph(m);
  const later = named(m, all, listed);
  const entries = later.functions;
  const roots = m.exports.filter(({ kind }) => kind === FUNCTION).map(({ index }) => index);
  const stays = reach(m, all, { functions: roots, data: [] }, later);
  const moves = reach(m, all, later, stays);
  const defined = [...m.bodies.keys()].map((i) => i + m.imports.length);

  for (const f of entries) if (!m.slots.includes(f)) m.slots[m.table.least++] = f;
  if (m.table.most !== undefined) m.table.most = m.table.least;
  const build = createHash("sha256").update(linked).digest("hex").slice(0, 12);
  const table = { ...m.table, bytes: [m.table.type, ...limits(m.table)] };

  // What the second part asks of the first.
  const asked = new Map();
  for (const f of moves.functions) for (const g of all.functions[f - m.imports.length].functions) if (!moves.functions.has(g) && !asked.has(g)) asked.set(g, asked.size);

  const firstFunctions = defined.filter((f) => !moves.functions.has(f) || entries.has(f));
  const firstIndex = new Map([...m.imports.map((_, i) => [i, i]), ...firstFunctions.map((f, i) => [f, m.imports.length + i])]);
  const inFirst = (f) => firstIndex.get(f) ?? refuse(`function ${f} is not where it is called`);
  const zeroed = m.segments.map(({ bytes }) => Buffer.from(bytes));
  for (const piece of moves.data) zeroed[all.data[piece].segment].fill(0, all.data[piece].from, all.data[piece].to);
  const first = joined([
    ...head(m),
    section(SECTION.import, m.raw.get(SECTION.import).bytes),
    section(SECTION.function, list(firstFunctions.map((f) => unsigned(m.typeOf[f])))),
    section(SECTION.table, list([table.bytes])),
    section(SECTION.memory, list([limits(m.memory)])),
    section(SECTION.global, m.raw.get(SECTION.global).bytes),
    section(SECTION.export, list([
      ...m.exports.map(({ name, kind, index }) => exportOf(name, kind, kind === FUNCTION ? inFirst(index) : index)),
      exportOf(`memory ${build}`, MEMORY, 0),
      exportOf("table", TABLE, 0),
      exportOf("stack", GLOBAL, 0),
      ...[...asked].map(([f, i]) => exportOf(shortName(i), FUNCTION, inFirst(f))),
    ])),
    section(SECTION.element, elements(m.slots, (f) => f !== undefined && !moves.functions.has(f), inFirst)),
    section(SECTION.code, list(firstFunctions.map((f) =>
      moves.functions.has(f) ? stub(m.typeOf[f], m.types[m.typeOf[f]].parameters, m.slots.indexOf(f)) : moved(m.bodies[f - m.imports.length], m, inFirst)))),
    section(SECTION.data, list(m.segments.map(({ address }, i) => joined([[0], constant(address), unsigned(zeroed[i].length), zeroed[i]])))),
    names(m, firstIndex),
  ]);

  const secondFunctions = defined.filter((f) => moves.functions.has(f));
  const secondIndex = new Map([...[...asked.keys()].map((f, i) => [f, i]), ...secondFunctions.map((f, i) => [f, asked.size + i])]);
  const inSecond = (f) => secondIndex.get(f) ?? refuse(`function ${f} is not where it is called`);
  const runs = [];
  for (const piece of [...moves.data].sort((a, b) => a - b)) {
    const { segment, from, to } = all.data[piece];
    const last = runs.at(-1);
    // Two neighbours have only padding between them.
    if (last !== undefined && last.piece === piece - 1 && last.segment === segment) Object.assign(last, { piece, to });
    else runs.push({ piece, segment, from, to });
  }
  const second = joined([
    ...head(m),
    section(SECTION.import, list([
      importOf("omendb", `memory ${build}`, MEMORY, limits(m.memory)),
      importOf("omendb", "table", TABLE, table.bytes),
      importOf("omendb", "stack", GLOBAL, [0x7f, 1]),
      ...[...asked].map(([f, i]) => importOf("omendb", shortName(i), FUNCTION, unsigned(m.typeOf[f]))),
    ])),
    section(SECTION.function, list(secondFunctions.map((f) => unsigned(m.typeOf[f])))),
    section(SECTION.element, elements(m.slots, (f) => moves.functions.has(f), inSecond)),
    section(SECTION.code, list(secondFunctions.map((f) => moved(m.bodies[f - m.imports.length], m, inSecond)))),
    section(SECTION.data, list(runs.map(({ segment, from, to }) => {
      const { address, bytes } = m.segments[segment];
      return joined([[0], constant(address + from), unsigned(to - from), bytes.subarray(from, to)]);
    }))),
    names(m, secondIndex),
  ]);
  const said = `${secondFunctions.length} of ${defined.length} functions moved, ${asked.size} asked back, ${runs.reduce((n, { from, to }) => n + to - from, 0)} bytes of data`;
  return { first, second, said };
}

const [, , linked, listed, first, second] = process.argv;
if (second === undefined) {
  console.error("usage: node split-wasm.mjs LINKED LIST FIRST SECOND");
  process.exit(2);
}
try {
  const parts = split(readFileSync(linked), readFileSync(listed, "utf8"));
  writeFileSync(first, parts.first);
  writeFileSync(second, parts.second);
  if (process.env["OMEN_SPLIT_VERBOSE"]) console.log(parts.said);
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(`${linked} cannot be split: ${error.message}`);
  process.exit(1);
}

// Runs a WASI command under Node: `node cmake/run-wasi.mjs file.wasm [argument...]`. ctest uses it as the emulator of
// the wasi-command preset. The working directory is the command's "." and "/"; OMEN_* variables are handed over.
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { WASI } from 'node:wasi';

const [file, ...args] = process.argv.slice(2);
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('OMEN_')));
const wasi = new WASI({ version: 'preview1', args: [file, ...args], env, preopens: { '.': '.', '/': '/' } });
const module = await WebAssembly.compile(await readFile(file));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
const { memory } = instance.exports, given = memory.buffer.byteLength;
process.exitCode = wasi.start(instance);
if (memory.buffer.byteLength > given) {
  console.error(`memory grew to ${memory.buffer.byteLength / 2 ** 20} MiB, which node:wasi does not survive: raise OMEN_WASI_MEMORY in cmake/wasm.cmake`);
  process.exitCode = 1;
}

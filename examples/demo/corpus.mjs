/**
 * The demo's texts: descriptions of Debian packages, asked of apt.
 *
 * `apt-cache dumpavail` knows every package with its one-line summary; the paragraphs below it lie in the Translation-en lists, which many
 * systems do not keep. So apt is asked to fetch its lists into a folder of our own (`Dir::State::Lists`); the system's are not touched.
 * What comes out is kept as one JSON file, so that later runs need neither apt nor a network.
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Sections of the archive that hold answers to everyday questions, and those that `--all` adds. */
export const SECTIONS = ["education", "games", "graphics", "math", "sound", "utils", "video"];
export const MORE_SECTIONS = [...SECTIONS, "comm", "editors", "gnome", "hamradio", "kde", "mail", "net", "science", "text", "web", "x11"];

/** A package: what becomes a record of the database. @typedef {{ name: string, section: string, summary: string, text: string, homepage?: string }} Package */

/** Parts of other packages: they repeat the words of the program they belong to. */
const PARTS =
  /^(lib|gir1\.|fonts-|python3?-|ruby-|golang-|node-|puppet-|r-(cran|bioc)-|ocaml-|lua-|elpa-|task-|octave-)|-(bin|common|core|data|dbg|dbgsym|dev|doc|docs|examples?|extra-data|headers|help|l10n|lang|locales?|music|plugin-[a-z0-9-]+|plugins?|server|sounds|tests?|tools-data|udeb)$|-(addins?|data|doc|help|l10n|levels|lang|locale|songs|sounds|themes?)(-|$)/;
const HOLLOW = /\b(transitional|dummy|meta-?package|development files|debug symbols|architecture-independent|shared (data|files)|data files)\b/i;
/** Sentences that say how a package is packed rather than what it does. */
const BOILERPLATE =
  /^(this (is a|is the|package (contains|provides|includes|installs|ships|depends|is (a|part))) ?.*(package|files|binar(y|ies)|documentation|meta).*|(for more|see also|see the|homepage:|http).*)$/i;

/** Reads the paragraphs of a Debian control file: "Key: value", continued on lines that begin with a space. */
export function* paragraphs(text) {
  for (const paragraph of text.split(/\n{2,}/)) {
    const fields = {};
    let key;
    for (const line of paragraph.split("\n")) {
      if (line.startsWith(" ") || line.startsWith("\t")) {
        if (key !== undefined) fields[key] += `\n${line.slice(1)}`;
        continue;
      }
      const colon = line.indexOf(":");
      if (colon <= 0) continue;
      key = line.slice(0, colon);
      fields[key] = line.slice(colon + 1).trim();
    }
    if (fields.Package !== undefined) yield fields;
  }
}

/** Running text of a description's lines: paragraphs (" ." parts them) joined; lists and pictures made of signs are left out. */
export function cleanText(lines) {
  const kept = [];
  for (const paragraph of lines.split(/\n\s*\.\s*(?:\n|$)/)) {
    const words = [];
    for (const line of paragraph.split("\n")) {
      if (/^\s*([-*+•o]|\d+[.)])\s/.test(line) && words.length === 0) words.push(line.replace(/^\s*([-*+•o]|\d+[.)])\s+/, ""));
      else words.push(line.trim().replace(/^[-*+•]\s+/, "; "));
    }
    const joined = words.join(" ").replace(/\s+/g, " ").replace(/ ;/g, ";").trim();
    const letters = joined.replace(/[^\p{L}]/gu, "").length;
    if (letters > joined.length / 2 && !BOILERPLATE.test(joined)) kept.push(joined);
  }
  return kept.join(" ");
}

/** Packages of the text of `apt-cache dumpavail`; `long` has descriptions by name and checksum. Sorted by name, each once. */
export function selectPackages(available, long, sections) {
  const wanted = new Set(sections);
  const byName = new Map();
  for (const fields of paragraphs(available)) {
    const section = (fields.Section ?? "").replace(/^.*\//, "");
    const [short, ...inline] = (fields["Description-en"] ?? fields.Description ?? "").split("\n");
    if (!wanted.has(section) || PARTS.test(fields.Package) || HOLLOW.test(short) || short === "") continue;
    const [summary, ...rest] = long.get(`${fields.Package} ${fields["Description-md5"]}`)?.split("\n") ?? [short, ...inline];
    byName.set(fields.Package, {
      name: fields.Package,
      section,
      summary: summary.trim(),
      text: cleanText(rest.join("\n")).slice(0, 1200),
      ...(fields.Homepage === undefined ? {} : { homepage: fields.Homepage }),
    });
  }
  // Several builds of one program share their description: the shortest name stands for all.
  const byText = new Map();
  for (const one of byName.values()) {
    const key = one.text === "" ? `${one.name}\n${one.summary}` : one.text.slice(0, 300);
    const other = byText.get(key);
    if (other === undefined || one.name.length < other.name.length || (one.name.length === other.name.length && one.name < other.name)) byText.set(key, one);
  }
  return [...byText.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The packages of `sections`, from the file of an earlier run or from apt.
 * @param {{ folder: string, sections: string[], refresh?: boolean, say?: (line: string) => void }} options
 * @returns {Promise<Package[]>}
 */
export async function loadPackages({ folder, sections, refresh = false, say = () => {} }) {
  const file = join(folder, `packages-${sections.length}.json`);
  if (!refresh) {
    try {
      const kept = JSON.parse(await readFile(file, "utf8"));
      if (kept.sections.join() === sections.join()) return kept.packages;
    } catch (error) {
      if (error.code !== "ENOENT" && !(error instanceof SyntaxError)) throw error;
    }
  }
  const packages = await askApt(join(folder, "apt"), sections, say);
  if (!packages.some(({ text }) => text !== "")) return packages; // Without a network: the next run asks again.
  await mkdir(folder, { recursive: true });
  await writeFile(`${file}.new`, JSON.stringify({ sections, packages }));
  await rename(`${file}.new`, file);
  return packages;
}

async function askApt(folder, sections, say) {
  const lists = join(folder, "lists");
  await mkdir(join(lists, "partial"), { recursive: true });
  await mkdir(join(folder, "cache/archives/partial"), { recursive: true });
  const own = ["-o", `Dir::State::Lists=${lists}`, "-o", `Dir::Cache=${join(folder, "cache")}`, "-o", "Acquire::Languages=en", "-o", "APT::Sandbox::User="];
  const options = { encoding: "utf8", maxBuffer: 2 ** 30, env: { ...process.env, LC_ALL: "C" } };

  say("asking apt for the package lists (into a folder of the demo's own)");
  let why = "";
  await run("apt-get", [...own, "-q", "update"], options).catch((error) => {
    if (error.code === "ENOENT") throw new Error("the demo takes its texts from apt, and there is no apt-get here: run it on Debian or Ubuntu (a container will do)");
    why = (error.stderr ?? error.message).trim().split("\n").at(-1);
  });
  // One unreachable source of several is no reason to stop: what counts is what has arrived.
  let { stdout } = await run("apt-cache", [...own, "dumpavail"], options);
  if (selectPackages(stdout, new Map(), sections).length === 0) {
    say(`apt could not fetch lists${why === "" ? "" : ` (${why})`}; taking the system's own, with short descriptions where it has no long ones`);
    ({ stdout } = await run("apt-cache", ["dumpavail"], options));
  }
  const long = new Map();
  for (const place of [lists, "/var/lib/apt/lists"]) {
    if (long.size > 0) break;
    for (const name of await readdir(place).catch(() => [])) {
      if (!/_i18n_Translation-en(\.|$)/.test(name)) continue;
      // Lists are kept compressed as the system likes; apt's own helper opens them all.
      const { stdout: text } = await run("/usr/lib/apt/apt-helper", ["cat-file", join(place, name)], options);
      for (const fields of paragraphs(text)) long.set(`${fields.Package} ${fields["Description-md5"]}`, fields["Description-en"] ?? "");
    }
  }
  const packages = selectPackages(stdout, long, sections);
  if (packages.length === 0) {
    throw new Error(`apt knows no packages of the sections ${sections.join(", ")}${why === "" ? "" : `: ${why}`}; run "apt-get update" and try again`);
  }
  return packages;
}

/** Options of `open`: from the code, then OMENDB_* variables, then a JSON file, and refused when they are not ours. */
import { OmenError } from "./errors.js";
import type { DatabaseOptions, OpenOptions } from "./types.js";

/** Options that a variable or a file may set; what a value must be. */
const KINDS = {
  profile: ["developer", "production", "edge"],
  durability: ["memory", "os", "group", "full"],
  engine: ["auto", "wasm", "native"],
  storage: "name",
  create: "create",
  tabs: ["share", "exclusive"],
  ownerTimeoutMs: "milliseconds",
  persist: "persist",
  readOnly: "boolean",
  manualMaintenance: "boolean",
  poolBytes: "bytes",
  memtableBytes: "bytes",
  memoryBytes: "bytes",
  indexBytes: "bytes",
  databaseId: "hex",
} as const;
type Setting = keyof typeof KINDS;
export type Settings = { [Name in Setting]?: string | number | boolean };

const CODE_ONLY = ["config", "encryption", "languages", "log", "signal"];
const UNITS: { [unit: string]: number } = { "": 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

const invalid = (from: string, name: string, value: unknown, wanted: string): OmenError =>
  new OmenError("OMEN_ERR_INVALID", `${from}: ${name} is ${typeof value === "string" ? JSON.stringify(value) : String(value)}; it must be ${wanted}`);

/** Bytes of a number or of text such as "64MiB". */
export function parseBytes(value: unknown, name: string, from: string): number {
  let bytes: number = Number.NaN;
  if (typeof value === "number") bytes = value;
  else if (typeof value === "string") {
    const [, digits, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$/.exec(value) ?? [];
    bytes = Math.round(Number(digits) * (UNITS[(unit ?? "?").toLowerCase()] ?? Number.NaN));
  }
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw invalid(from, name, value, 'a number of bytes, or text such as "64MiB"');
  return bytes;
}

function checked(name: Setting, value: unknown, from: string): string | number | boolean {
  const kind = KINDS[name];
  if (typeof kind === "object") {
    if (!(kind as readonly unknown[]).includes(value)) throw invalid(from, name, value, kind.map((one) => `"${one}"`).join(", "));
    return value as string;
  }
  switch (kind) {
    case "boolean":
      if (typeof value !== "boolean") throw invalid(from, name, value, "true or false");
      return value;
    case "create":
      if (typeof value !== "boolean" && value !== "replace") throw invalid(from, name, value, 'true, false or "replace"');
      return value;
    case "persist":
      if (typeof value !== "boolean" && value !== "ask") throw invalid(from, name, value, 'true, false or "ask"');
      return value;
    case "milliseconds": {
      const ms = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      if (typeof ms !== "number" || !Number.isInteger(ms) || ms < 100 || ms > 3_600_000) throw invalid(from, name, value, "a number of milliseconds from 100 to 3,600,000");
      return ms;
    }
    case "bytes":
      return parseBytes(value, name, from);
    case "hex":
      if (typeof value !== "string" || !/^[0-9a-fA-F]{32}$/.test(value)) throw invalid(from, name, value, "32 hex digits");
      return value.toLowerCase();
    case "name":
      if (typeof value !== "string") throw invalid(from, name, value, "the name of a storage");
      return value;
  }
}

const knownNames = (): string => [...Object.keys(KINDS), ...CODE_ONLY].join(", ");

/** Settings of the variables OMENDB_POOL_BYTES and so on; `read` answers undefined for what is not set. */
export function settingsFromEnvironment(read: (name: string) => string | undefined): Settings & { config?: string } {
  const settings: Settings & { config?: string } = {};
  for (const name of Object.keys(KINDS) as Setting[]) {
    const variable = `OMENDB_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
    const text = read(variable);
    if (text === undefined || text === "") continue;
    const value = ["boolean", "create", "persist"].includes(KINDS[name] as string) ? ({ true: true, 1: true, false: false, 0: false } as { [text: string]: boolean })[text.toLowerCase()] ?? text : text;
    settings[name] = checked(name, value, `the variable ${variable}`);
  }
  const config = read("OMENDB_CONFIG");
  if (config !== undefined && config !== "") settings.config = config;
  return settings;
}

function settingsOf(object: unknown, from: string, except: readonly string[]): Settings {
  if (typeof object !== "object" || object === null || Array.isArray(object)) throw new OmenError("OMEN_ERR_INVALID", `${from} must hold a JSON object`);
  const settings: Settings = {};
  for (const [name, value] of Object.entries(object)) {
    if (except.includes(name) || value === undefined) continue;
    if (!Object.hasOwn(KINDS, name)) throw new OmenError("OMEN_ERR_INVALID", `${from}: there is no option "${name}"; there are ${knownNames()}`);
    settings[name as Setting] = checked(name as Setting, value, from);
  }
  return settings;
}

/** Settings of a JSON file; `profiles.<name>` in it applies when that profile is in use. */
export function settingsFromFile(text: string, file: string): { common: Settings; profiles: { [profile: string]: Settings } } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new OmenError("OMEN_ERR_JSON", `${file}: ${(error as Error).message}`, { cause: error });
  }
  const common = settingsOf(json, file, ["profiles"]);
  const profiles: { [profile: string]: Settings } = {};
  const given = (json as { profiles?: unknown }).profiles ?? {};
  if (typeof given !== "object" || given === null) throw new OmenError("OMEN_ERR_INVALID", `${file}: "profiles" must hold an object for each profile`);
  for (const [profile, settings] of Object.entries(given)) {
    checked("profile", profile, `${file}: profiles`);
    profiles[profile] = settingsOf(settings, `${file}: profiles.${profile}`, []);
  }
  return { common, profiles };
}

/** What `open` needs of its platform to find settings. */
export interface SettingsSource {
  environment?(name: string): string | undefined;
  readText(file: string | URL): Promise<string>;
}

/** All settings, the strongest source first: code, environment, file. */
export async function resolveSettings(options: OpenOptions, source: SettingsSource): Promise<Settings> {
  if (typeof options !== "object" || options === null || Array.isArray(options)) throw new OmenError("OMEN_ERR_INVALID", 'open: the options must be an object, such as { durability: "full" }');
  const code = settingsOf(options, "open", [...CODE_ONLY, ...(typeof options.storage === "object" ? ["storage"] : [])]);
  const { config: variable, ...environment } = settingsFromEnvironment((name) => source.environment?.(name));
  const config = options.config ?? variable;
  if (config === undefined) return { ...environment, ...code };
  let text: string;
  try {
    text = await source.readText(config);
  } catch (error) {
    throw new OmenError("OMEN_ERR_NOT_FOUND", `the configuration ${String(config)} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const { common, profiles } = settingsFromFile(text, String(config));
  const profile = code.profile ?? environment.profile ?? common.profile;
  return { ...common, ...(profile === undefined ? {} : profiles[String(profile)]), ...environment, ...code };
}

/** The part of the settings that goes to the core with `open`. */
export function coreOptions(settings: Settings): DatabaseOptions {
  const { engine: _engine, storage: _storage, tabs: _tabs, ownerTimeoutMs: _timeout, persist: _persist, ...options } = settings;
  return { ...options, ...(options.create === "replace" ? { create: true } : {}) } as DatabaseOptions;
}

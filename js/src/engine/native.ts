/** The native engine, where the package holds an addon for this machine. */
import { OmenError } from "../errors.js";
import type { Engine } from "./engine.js";

/** Loads the addon. @throws OmenError `OMEN_ERR_UNSUPPORTED` where none fits */
export async function loadNative(): Promise<Engine> {
  throw new OmenError("OMEN_ERR_UNSUPPORTED", 'this package holds no native engine; use engine: "wasm"');
}

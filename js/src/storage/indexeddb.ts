/** Storage in a browser. */
import { OmenError } from "../errors.js";
import type { StorageAdapter } from "./storage.js";

export function indexeddb(): StorageAdapter {
  const refuse = async (): Promise<never> => {
    throw new OmenError("OMEN_ERR_UNSUPPORTED", 'this version has no storage "indexeddb"; use storage: "memory"');
  };
  return { kind: "indexeddb", open: refuse, destroy: refuse };
}

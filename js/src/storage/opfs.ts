/** Storage in a browser. */
import { OmenError } from "../errors.js";
import type { StorageAdapter } from "./storage.js";

export function opfs(): StorageAdapter {
  const refuse = async (): Promise<never> => {
    throw new OmenError("OMEN_ERR_UNSUPPORTED", 'this version has no storage "opfs"; use storage: "memory"');
  };
  return { kind: "opfs", open: refuse, destroy: refuse };
}

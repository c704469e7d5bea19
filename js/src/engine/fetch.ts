/** Compiling the module from where it is served, for pages and workers. */
import { OmenError } from "../errors.js";
import { hasRelaxedSimd, hasSimd } from "./probe.js";

/** Compiles what a URL serves. @throws OmenError `OMEN_ERR_IO` */
export async function compileUrl(url: URL): Promise<WebAssembly.Module> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    // Streaming wants the type application/wasm; not every server says so.
    if (response.headers.get("content-type")?.startsWith("application/wasm")) return await WebAssembly.compileStreaming(response);
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (error) {
    throw new OmenError("OMEN_ERR_IO", `the module ${url.href} cannot be loaded: ${(error as Error).message}; is it served beside the script?`, { cause: error });
  }
}

/** Compiles the build that this runtime can load. @throws OmenError `OMEN_ERR_UNSUPPORTED`, `OMEN_ERR_IO` */
export async function compileFrom(plain: URL, relaxed: URL): Promise<WebAssembly.Module> {
  if (!hasSimd()) throw new OmenError("OMEN_ERR_UNSUPPORTED", "this runtime has no WebAssembly SIMD; use a newer one");
  return compileUrl(hasRelaxedSimd() ? relaxed : plain);
}

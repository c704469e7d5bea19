/** Errors: one class, stable codes. */
import { ERRORS, type ErrorCode } from "./codes.js";

export { ERRORS, type ErrorCode } from "./codes.js";

/**
 * Every failure of OmenDB. `code` is stable and meant for programs; `message` begins with the code and says what to do.
 *
 * @example
 * try { await open("notes"); }
 * catch (error) { if (error instanceof OmenError && error.code === "OMEN_ERR_BUSY") … }
 */
export class OmenError extends Error {
  override readonly name = "OmenError";
  /** The stable name, such as `"OMEN_ERR_BUSY"`. */
  readonly code: ErrorCode;
  /** The stable number behind the name. */
  readonly status: number;
  /** The message without the code. */
  readonly detail: string;

  /** @param detail what happened and what to do; the code's general meaning when it is left out */
  constructor(code: ErrorCode, detail?: string, options?: ErrorOptions) {
    const text = detail === undefined || detail === "" ? ERRORS[code].meaning : detail;
    super(`${code}: ${text}`, options);
    this.code = code;
    this.status = ERRORS[code].status;
    this.detail = text;
  }
}

const codes = new Map<number, ErrorCode>(Object.entries(ERRORS).map(([code, { status }]) => [status, code as ErrorCode]));

/** The code of a status number; `OMEN_ERR_INTERNAL` for one that this version does not know. */
export function codeOf(status: number): ErrorCode {
  return codes.get(status) ?? "OMEN_ERR_INTERNAL";
}

/** Names under which systems report that there is no room: Node's, Deno's and the browsers'. */
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG", "QuotaExceededError"]);

/**
 * Anything that was thrown, as an OmenError: what carries one of our codes keeps it, a full disk or quota is
 * `OMEN_ERR_FULL`, an `AbortError` is `OMEN_ERR_CANCELLED`, everything else is `OMEN_ERR_IO`. The original is the `cause`.
 */
export function asOmenError(error: unknown, doing?: string): OmenError {
  if (error instanceof OmenError) return error;
  const { code, name, message } = (typeof error === "object" && error !== null ? error : { message: String(error) }) as {
    code?: unknown;
    name?: unknown;
    message?: unknown;
  };
  const text = (doing === undefined ? "" : `${doing}: `) + String(message ?? name ?? error);
  const known = typeof code === "string" && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : undefined;
  if (known !== undefined) return new OmenError(known, text.startsWith(`${known}: `) ? text.slice(known.length + 2) : text, { cause: error });
  if (FULL.has(String(code)) || FULL.has(String(name))) return new OmenError("OMEN_ERR_FULL", text, { cause: error });
  if (name === "AbortError") return new OmenError("OMEN_ERR_CANCELLED", text, { cause: error });
  return new OmenError("OMEN_ERR_IO", text, { cause: error });
}

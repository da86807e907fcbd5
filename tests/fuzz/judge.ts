import { WrongIds } from "./attempts/attempt.ts";

/** The outcome of a case. Clear errors ("clear") and usable files ("fine") are good. */
export type Verdict = "fine" | "clear" | "foreign" | "hang" | "growth" | "ids";

/** All verdicts, the good ones first. */
export const verdicts: readonly Verdict[] = ["fine", "clear", "foreign", "hang", "growth", "ids"];

/** True for outcomes that are failures. */
export const isBad = (verdict: Verdict): boolean => verdict !== "fine" && verdict !== "clear";

/** Phrases of JavaScript's own errors, wrapped or not. */
const foreignWords =
  /Cannot read propert|Cannot destructure|is not iterable|is not a function|Invalid (array|string|typed array) length|Maximum call stack|undefined is not|Array buffer allocation|Cannot mix BigInt|Cannot convert|out of bounds of|\[object Object\]/;

/**
 * Classifies the error of an attempt. A clear error is an `Error`, or an instance of a class of Lowrank, and its
 * message names the damaged files' label or one of their names. After the files are accepted, errors need not name
 * them.
 */
export function judgeError(
  error: unknown,
  { names, accepted }: { names: readonly string[]; accepted: boolean },
): Verdict {
  if (error instanceof WrongIds) return "ids";
  if (!(error instanceof Error) || isNative(error)) return "foreign";
  const { message } = error;
  if (message.trim() === "" || foreignWords.test(message)) return "foreign";
  return accepted || names.some((name) => message.includes(name)) ? "clear" : "foreign";
}

/** Codes of Node's own errors, such as ENOENT and ERR_INVALID_ARG_TYPE. Codes of Lowrank have other names. */
const nodeCode = /^(ERR_|E[A-Z0-9]+$)/;

/** True for errors that JavaScript, WebAssembly or Node throw, not code of Lowrank. */
function isNative(error: Error): boolean {
  const natives = [TypeError, RangeError, ReferenceError, SyntaxError, EvalError, URIError, AggregateError];
  if (natives.some((Native) => error instanceof Native)) return true;
  return error instanceof DOMException || error instanceof WebAssembly.RuntimeError || isNodes(error);
}

function isNodes(error: Error): boolean {
  return "syscall" in error || ("code" in error && nodeCode.test(String(error.code)));
}

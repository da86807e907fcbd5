import { TemplateError } from "./templateError.ts";

/**
 * Maximum number of steps of a template; real templates take some dozens per message. The limit is not a time, so that
 * a template succeeds or fails independently of how busy the machine is.
 */
const mostSteps = 1_000_000;
/** Number of searched characters that count as one step. */
const charactersOfStep = 256;
/** Number of processed characters or elements that count as one step. */
const elementsOfStep = 16;
/** Maximum length, in characters, of a text that a template produces. */
const mostCharacters = 2 ** 24;
/** Maximum number of bits of an integer. */
const mostBits = 2 ** 16;
/** Maximum number of spaces that a filter or a format may insert before a text. */
const mostSpaces = 1000;

/**
 * Number of steps that the running template may still use. One variable suffices: rendering is synchronous, so only one
 * template runs at a time.
 */
let stepsLeft = Number.POSITIVE_INFINITY;

const limit = (message: string): TemplateError => new TemplateError("TEMPLATE_LIMIT", message);

/** Runs `render` with the full step limit. Afterwards restores the previous number of remaining steps. */
export function withStepLimit<T>(render: () => T): T {
  const before = stepsLeft;
  stepsLeft = mostSteps;
  try {
    return render();
  } finally {
    stepsLeft = before;
  }
}

/** Runs a part of a template. A stack overflow becomes a `TemplateError` with code `TEMPLATE_LIMIT`. */
export function withinStack<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    // The engines of Chromium and Safari throw RangeError, and Firefox throws InternalError.
    if (!(error instanceof RangeError) && (error as Error).name !== "InternalError") throw error;
    throw limit("it nests too deep, or makes a text that is too long");
  }
}

/** Uses `steps` steps. Throws `TEMPLATE_LIMIT` if fewer are left. */
export function spend(steps = 1): void {
  stepsLeft -= steps;
  if (stepsLeft < 0) throw limit(`it is not done after ${mostSteps} steps`);
}

/** Uses the steps for a search through `characters` characters. */
export const spendSearch = (characters: number): void => spend(characters / charactersOfStep);

/** Uses the steps for processing `count` characters or elements. */
export const spendEach = (count: number): void => spend(count / elementsOfStep);

/** Throws `TEMPLATE_LIMIT` if a text of `characters` characters is too long. */
export function checkLength(characters: number): void {
  if (characters > mostCharacters) throw limit(`it makes a text of more than ${mostCharacters} characters`);
}

/** Uses the steps for making a text of `characters` characters. Throws `TEMPLATE_LIMIT` if it is too long. */
export function spendText(characters: number): void {
  checkLength(characters);
  spend(characters / charactersOfStep);
}

/** Throws `TEMPLATE_LIMIT` if an integer of `bits` bits is too large. */
export function checkBits(bits: number): void {
  if (!(bits <= mostBits)) throw limit(`it makes an integer of more than ${mostBits} bits`);
}

/** Throws `TEMPLATE_LIMIT` if `spaces` is more than 1000. */
export function checkSpaces(spaces: number): void {
  if (spaces > mostSpaces) throw limit(`it indents by ${spaces} spaces, more than ${mostSpaces}`);
}

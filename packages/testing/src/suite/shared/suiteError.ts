/**
 * Thrown for a suite that cannot be run: an unknown key, a value of the wrong type, nothing to test.
 *
 * @example
 * ```ts
 * try {
 *   parseSuite({ heldOut: { data: "test.jsonl", maxlos: 1 } });
 * } catch (error) {
 *   if (error instanceof SuiteError) console.log(error.code, error.path); // invalid_suite [ "heldOut", "maxlos" ]
 * }
 * ```
 */
export class SuiteError extends Error {
  /** "SuiteError". */
  override readonly name: string = "SuiteError";
  /** "invalid_suite". */
  readonly code: string = "invalid_suite";
  /** Keys and indices that lead to the value; empty for the suite itself. */
  readonly path: readonly (string | number)[];

  /** `problem` follows the name of the value in the message. */
  constructor(path: readonly (string | number)[], problem: string) {
    super(`${nameOf(path)}${problem}`);
    this.path = path;
  }
}

/** Returns a path as text, such as "prompts[2].exact: "; "" for the suite itself. */
function nameOf(path: readonly (string | number)[]): string {
  if (path.length === 0) return "";
  const parts = path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`));
  return `${parts.join("")}: `;
}

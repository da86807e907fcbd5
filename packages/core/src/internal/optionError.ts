/**
 * Returns the text that names an option in a message: its name in the library, or the flag of a command. If `value` is
 * given, the text also contains the value, after the name.
 */
export type OptionNaming = (option: string, value?: string) => string;

const inLibrary: OptionNaming = (option, value) => (value === undefined ? option : `${option} "${value}"`);

/**
 * Thrown for an option that is missing or invalid, or does not fit the model, the data or other options.
 *
 * @example
 * ```ts
 * try {
 *   await wasm({ threads: 0 });
 * } catch (error) {
 *   if (error instanceof OptionError) console.log(error.code, error.option, error.value); // invalid_option threads 0
 * }
 * ```
 */
export class OptionError extends Error {
  override readonly name: string = "OptionError";
  readonly code: string = "invalid_option";
  /**
   * Name of the function or class that checked the option. The message begins with this name; "" if it begins with
   * other words.
   */
  readonly where: string;
  readonly option: string;
  readonly value: unknown;
  readonly #problem: (named: OptionNaming) => string;

  /**
   * `problem` is either the text that follows the option's name in the message, or a function that returns the message
   * without `where`.
   */
  constructor(where: string, option: string, value: unknown, problem: string | ((named: OptionNaming) => string)) {
    const text = typeof problem === "string" ? (named: OptionNaming) => `${named(option)} ${problem}` : problem;
    super(`${where && `${where}: `}${text(inLibrary)}`);
    this.where = where;
    this.option = option;
    this.value = value;
    this.#problem = text;
  }

  /**
   * Returns the error as plain data. A value that is an object becomes the name of its class, since tensors and modules
   * refer to whole models.
   */
  toJSON(): Record<string, unknown> {
    const { name, message, code, where, option, value } = this;
    const isObject = typeof value === "object" && value !== null;
    return { name, message, code, where, option, value: isObject ? value.constructor?.name : value };
  }

  /** Returns the message without `where`. `named` returns the text for each option that the message names. */
  describe(named: OptionNaming = inLibrary): string {
    return this.#problem(named);
  }
}

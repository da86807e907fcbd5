import type { CheckGroup, SuiteCheck } from "./suiteReport.ts";

/** Formats a number with four significant digits. */
export const digits = (value: number): string => String(Number(value.toPrecision(4)));

/** Returns a text in quotes, cut after 60 characters. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

/** Values of a check that compares a number with a limit. */
interface LimitCheck {
  readonly group: CheckGroup;
  readonly name: string;
  readonly value: number;
  /** The largest allowed value. */
  readonly most: number;
  /** The quantity in words, with its unit: "mean loss of a token (nats)". */
  readonly what: string;
  /** Follows the message of a failed check: the likely causes. */
  readonly hint: string;
}

/** Returns a check that passes if a value is a number of at most `most`. */
export function atMost({ group, name, value, most, what, hint }: LimitCheck): SuiteCheck {
  // NaN is not at most anything.
  const passed = value <= most;
  const found = `${what} is ${digits(value)}`;
  const message = passed
    ? `${found}, at most ${digits(most)}`
    : Number.isFinite(value)
      ? `${found}, more than ${digits(most)}; ${hint}`
      : `${found}, which is not a finite number; the adapter or the model has NaN or infinite values`;
  return { group, name, passed, value, limit: most, message };
}

/** Returns a check without a number. */
export function fact(
  group: CheckGroup,
  name: string,
  passed: boolean,
  message: string,
  values: { readonly value?: number | string; readonly limit?: number | string } = {},
): SuiteCheck {
  return { group, name, passed, value: values.value ?? null, limit: values.limit ?? null, message };
}

/** Returns the sum of an array's values. */
export function total(values: ArrayLike<number>): number {
  let found = 0;
  for (let i = 0; i < values.length; i++) found += values[i];
  return found;
}

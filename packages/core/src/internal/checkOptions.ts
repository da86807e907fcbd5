type KeyOf<T> = T extends unknown ? keyof T : never;

/**
 * An object with one key for each option of `T`. It does not compile if a key is missing, or if a key is not an option.
 */
export type OptionKeys<T> = { readonly [K in KeyOf<T>]-?: true };

/** Returns the names of all options from a table that holds a value for each of them, such as a default. */
export function keysOf<T extends object>(table: T): OptionKeys<T> {
  return Object.fromEntries(Object.keys(table).map((key) => [key, true])) as OptionKeys<T>;
}

/**
 * Throws for an unknown option, and suggests the most similar known one. Also throws if `options` is not an object. An
 * option that is undefined counts as omitted.
 */
export function checkOptions<T extends object>(name: string, options: T, keys: OptionKeys<T>): void {
  // Undefined means that no options were given.
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new Error(`${name}: options are an object, ${example(keys)}, and ${shown(options)} was given`);
  }
  for (const key in options) {
    if (Reflect.get(keys, key) !== true) throw unknownOption(name, key, Object.keys(keys));
  }
}

/** Returns the error for an unknown option. It suggests the most similar known option, or lists all. */
export function unknownOption(name: string, option: string, known: readonly string[]): Error {
  const camel = toCamelCase(option);
  const near = known.includes(camel) ? camel : nearestName(camel, known);
  const advice =
    near !== null ? `did you mean ${near}?` : known.length > 0 ? `there are ${known.join(", ")}` : "it has none";
  return new Error(`${name}: there is no option ${option}; ${advice}`);
}

function example(keys: object): string {
  return `{ ${Object.keys(keys).join(", ")} }`;
}

function shown(value: unknown): string {
  return Array.isArray(value) ? `the list [${value}]` : String(value);
}

/** Returns a snake_case name in camelCase: `lora_alpha` becomes `loraAlpha`. */
export function toCamelCase(name: string): string {
  return name.replace(/_([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Returns the Levenshtein distance of two texts: the number of letters to insert, delete or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[row.length - 1];
}

/**
 * Returns the known name that is most similar to a mistyped one, or null if more than half of the name's letters
 * differ.
 */
export function nearestName(name: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Math.ceil(name.length / 2) + 1;
  for (const candidate of known) {
    const d = distance(name, candidate);
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}

/**
 * The largest size (`mostOfSize`) and number of layers (`mostLayers`) that a config may set. A size must be a valid
 * tensor dimension. The limit for layers is lower, because code builds lists with an entry per layer.
 */
const [mostOfSize, mostLayers] = [2 ** 24, 10_000];

/** Typed access to the fields of a JSON object. Every error names the file, the key and the value. */
export class JsonFields {
  readonly where: string;
  readonly #object: Record<string, unknown>;

  constructor(value: unknown, where: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new Error(`${where}: expected a JSON object, found ${show(value)}`);
    }
    this.where = where;
    this.#object = value as Record<string, unknown>;
  }

  /** Returns the field unchanged; undefined if it is missing or null. */
  raw(key: string): unknown {
    return this.#object[key] ?? undefined;
  }

  /** Returns true if the field is present with the value null. Some configs distinguish this from a missing field. */
  isNull(key: string): boolean {
    return this.#object[key] === null;
  }

  /** Returns an integer. Throws if it is below `least`, which is 1 by default. */
  integer(key: string, fallback?: number, least = 1): number {
    const value = this.#required(key, fallback);
    if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
    throw this.bad(key, `a whole number of at least ${least}`);
  }

  /**
   * Returns a size of the model, at least 1: a width, or a number of heads, tokens or positions. Throws for values that
   * are too large.
   */
  size(key: string, fallback?: number): number {
    return this.#counted(key, fallback, mostOfSize);
  }

  /** Returns the number of layers of a model, at most 10,000. */
  layers(key: string, fallback?: number): number {
    return this.#counted(key, fallback, mostLayers);
  }

  /** Returns the epsilon of a norm, above 0 and at most 1. */
  epsilon(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (value > 0 && value <= 1) return value;
    throw this.bad(key, "a number above 0 and at most 1");
  }

  /** Returns a number above 0, such as rope_theta. */
  positive(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (value > 0) return value;
    throw this.bad(key, "a number above 0");
  }

  number(key: string, fallback?: number): number {
    const value = this.#required(key, fallback);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.bad(key, "a number");
  }

  /** Returns a number of at least 0 and below 1. */
  probability(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (value >= 0 && value < 1) return value;
    throw this.bad(key, "a probability of at least 0 and below 1");
  }

  boolean(key: string, fallback?: boolean): boolean {
    const value = this.#required(key, fallback);
    if (typeof value === "boolean") return value;
    throw this.bad(key, "true or false");
  }

  oneOf<T extends string>(key: string, supported: readonly T[], fallback?: T): T {
    const value = this.#required(key, fallback);
    if (supported.includes(value as T)) return value as T;
    throw this.bad(key, `${supported.map((s) => `"${s}"`).join(" or ")}, which are supported`);
  }

  /** Returns a token id; null if the field is null, and `fallback` if the field is missing. */
  tokenId(key: string, fallback: number | null): number | null {
    const value = this.#object[key] === undefined ? fallback : this.#object[key];
    return value === null ? null : this.integer(key, fallback ?? undefined, 0);
  }

  /**
   * Returns a list of token ids. The field may be a list, a single id, or null for an empty list. If it is missing,
   * returns `fallback`.
   */
  tokenIds(key: string, fallback: readonly number[]): number[] {
    const value = this.#object[key];
    if (value === undefined) return [...fallback];
    const ids = value === null ? [] : Array.isArray(value) ? value : [value];
    if (ids.every((id) => Number.isSafeInteger(id) && id >= 0)) return ids;
    throw this.bad(key, "a token id or a list of them");
  }

  /** Returns a nested object; undefined if it is missing or null. */
  object(key: string): JsonFields | undefined {
    const value = this.raw(key);
    return value === undefined ? undefined : new JsonFields(value, `${this.where}: ${key}`);
  }

  /** Returns the error for a field with an invalid value. `expected` describes valid values. */
  bad(key: string, expected: string): Error {
    return new Error(`${this.where}: ${key} is ${show(this.#object[key])}; expected ${expected}`);
  }

  #counted(key: string, fallback: number | undefined, most: number): number {
    const value = this.#required(key, fallback);
    if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most) return value as number;
    throw this.bad(key, `a whole number from 1 to ${most}`);
  }

  #required(key: string, fallback: unknown): unknown {
    const value = this.raw(key) ?? fallback;
    if (value === undefined) throw new Error(`${this.where}: ${key} is missing`);
    return value;
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

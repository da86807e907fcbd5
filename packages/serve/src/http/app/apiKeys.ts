import type { ServingRequest } from "../../api/api.ts";
import type { Caller } from "../../api/caller.ts";
import type { Spender } from "../../budgets/budgets.ts";
import { budgetsOf, checkBudgets, type KeyBudgets } from "../../budgets/keyBudgets.ts";

/** API key. `id` is the tenant; cached prefixes are shared only within a tenant. */
export interface ApiKey {
  readonly id: string;
  /** SHA-256 of the key in hexadecimal. */
  readonly sha256: string;
  /** Names of adapters that the key may use; `*` matches any characters. Default: all. */
  readonly adapters?: readonly string[];
  /** True if the key may use the base model. Default true. */
  readonly base?: boolean;
  /** True if the key may load and unload the adapters in its scope. Default false. */
  readonly admin?: boolean;
  /**
   * True if the key may use, load and unload the adapters of every tenant, and read `/metrics` and all of `/stats`.
   * Default false.
   */
  readonly operator?: boolean;
  /** Budgets of the key. Default: the server's budgets for every key. */
  readonly budgets?: Partial<KeyBudgets>;
}

/** Caller of an HTTP request, with the rights and budgets of the key. */
export interface HttpCaller extends Caller, Spender {}

/** Finds the caller by an Authorization header. Returns null if no key matches. */
export type FindCaller = (authorization: string | undefined) => Promise<HttpCaller | null>;

/**
 * Returns a function that finds the caller of a request. It compares every key completely, even after a match, so that
 * its duration reveals nothing about the keys.
 */
export function callerFinder(keys: readonly ApiKey[], serverBudgets: Partial<KeyBudgets> = {}): FindCaller {
  const known = keys.map((key) => {
    checkBudgets(`key ${key.id}`, key.budgets ?? {});
    const spender = { budgets: budgetsOf(key.budgets, serverBudgets), shared: keys.length > 1 };
    return { hash: readHash(key), caller: callerOf(key, spender) };
  });
  checkUnique(keys);
  for (const key of keys) checkRole(key);
  return async (authorization) => {
    const presented = /^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? "";
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(presented)));
    let found: HttpCaller | null = null;
    for (const { hash: expected, caller } of known) if (sameBytes(hash, expected)) found = caller;
    return presented === "" ? null : found;
  };
}

/** Compares two 32-byte hashes in constant time. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < 32; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

function readHash({ id, sha256 }: ApiKey): Uint8Array {
  if (!/^[0-9a-f]{64}$/i.test(sha256)) {
    throw new Error(`key ${id}: sha256 is no SHA-256 in hexadecimal; write what \`printf %s KEY | sha256sum\` prints`);
  }
  return Uint8Array.from(sha256.match(/../g) as string[], (pair) => Number.parseInt(pair, 16));
}

function checkUnique(keys: readonly ApiKey[]): void {
  if (keys.length === 0) throw new Error("keys: the list is empty, so nobody could call; add a key, or leave keys out");
  for (const field of ["id", "sha256"] as const) {
    const seen = new Set<string>();
    for (const key of keys) {
      const value = key[field].toLowerCase();
      if (seen.has(value))
        throw new Error(`key ${key.id}: its ${field} is the same as another key's; give each key a different one`);
      seen.add(value);
    }
  }
}

function checkRole({ id, adapters, base, operator }: ApiKey): void {
  if (!operator || (adapters === undefined && base !== false)) return;
  const field = adapters === undefined ? "base: false" : "adapters";
  throw new Error(
    `key ${id}: operator: true allows every adapter and the base model, but the key also has ${field}; leave ${field} out, or write admin: true instead of operator`,
  );
}

function callerOf(
  { id, adapters = ["*"], base = true, admin = false, operator = false }: ApiKey,
  spender: Pick<Spender, "budgets" | "shared">,
): HttpCaller {
  return { ...spender, tenant: id, operator, admin: admin || operator, base, adapters };
}

/** Returns the fields of an engine request that identify its caller, and the caller's limit on memory for adapters. */
export function requestUser({
  tenant,
  operator,
  budgets: { adapterMemory },
}: HttpCaller): Pick<ServingRequest, "tenant" | "operator" | "adapterMemory"> {
  return { tenant, operator, adapterMemory };
}

/** Called with a new list of keys before it replaces the old one. */
type TakeKeys = (keys: readonly ApiKey[]) => void;

/**
 * API keys that may change while a server runs. Pass one `LiveKeys` to `createApp`, and call `replace` when your keys
 * change. A removed key loses its access at once, even in the middle of an answer.
 *
 * @example
 * ```ts
 * const keys = new LiveKeys(await readKeys());
 * const app = createApp({ engine, keys });
 * keys.replace(await readKeys());
 * ```
 */
export class LiveKeys {
  #keys: readonly ApiKey[];
  readonly #takers = new Set<TakeKeys>();

  /** Throws for a list that is empty, has an invalid hash, or has two keys with the same id. */
  constructor(keys: readonly ApiKey[]) {
    callerFinder(keys);
    this.#keys = keys;
  }

  /** List of keys that are valid now. */
  get keys(): readonly ApiKey[] {
    return this.#keys;
  }

  /** Replaces all keys. If the list is invalid, throws as the constructor does, and keeps the old keys. */
  replace(keys: readonly ApiKey[]): void {
    callerFinder(keys);
    for (const take of this.#takers) take(keys);
    this.#keys = keys;
  }

  /** Registers `take`, which is then called with the new list before each replacement of the keys. */
  follow(take: TakeKeys): void {
    this.#takers.add(take);
  }
}

import { type ApiKey, callerFinder } from "./apiKeys.ts";

/** Called with a new list of keys before it replaces the old one. */
type TakeKeys = (keys: readonly ApiKey[]) => void;

/**
 * Keys that may change while a server runs: give one to `createApp`, and `replace` its list when
 * your keys change. A removed key loses its access at once, also in the middle of an answer.
 *
 * @example
 * const keys = new LiveKeys(await readKeys());
 * const app = createApp({ engine, keys });
 * keys.replace(await readKeys());
 */
export class LiveKeys {
  #keys: readonly ApiKey[];
  readonly #takers = new Set<TakeKeys>();

  /** Throws for a list that is empty, or has a wrong hash or two keys of one id. */
  constructor(keys: readonly ApiKey[]) {
    callerFinder(keys);
    this.#keys = keys;
  }

  /** The present keys. */
  get keys(): readonly ApiKey[] {
    return this.#keys;
  }

  /** Replaces all keys. Throws as the constructor does; the old keys then stay. */
  replace(keys: readonly ApiKey[]): void {
    callerFinder(keys);
    for (const take of this.#takers) take(keys);
    this.#keys = keys;
  }

  /** Lets an app follow the list. */
  follow(take: TakeKeys): void {
    this.#takers.add(take);
  }
}

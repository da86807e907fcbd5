import { type ApiKey, callerFinder } from "./apiKeys.ts";

/** Called with a new list of keys before it replaces the old one. */
type TakeKeys = (keys: readonly ApiKey[]) => void;

/**
 * API keys that may change while a server runs. Pass one to `createApp`, and call `replace` when your keys change. A
 * removed key loses its access at once, even in the middle of an answer.
 *
 * @example const keys = new LiveKeys(await readKeys()); const app = createApp({ engine, keys }); keys.replace(await
 * readKeys());
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

import type { OnWarning } from "@lowrank/peft";
import { ServingError } from "../api/api.ts";
import { type AdapterPlace, manifestName, unavailable } from "../storage/adapterPlace.ts";
import { pause, type StoreClock } from "../storage/storeClock.ts";
import { operatorText } from "../storage/storeFailure.ts";
import { limiter } from "./cache/limiter.ts";
import { type Manifest, manifestText, parseManifest } from "./manifest.ts";

/** Options for `ManifestWatch`. */
interface ManifestWatchOptions {
  readonly place: AdapterPlace;
  readonly clock: StoreClock;
  /** Milliseconds between checks. */
  readonly pollMs: number;
  /** Called after each check that found a valid manifest, even if it has not changed. */
  readonly onLook: () => void;
  readonly onWarning: OnWarning;
}

/** Maximum number of attempts to change the manifest. An attempt fails if another server writes first. */
const attempts = 20;

/** Milliseconds for which `fresh` waits for the storage before it uses the last valid manifest. */
const patienceMs = 2000;

/** Error of a manifest that cannot be parsed. Requests get it as `unavailable`. */
class BrokenManifest extends ServingError {
  constructor(detail: string) {
    super("unavailable", `the store's ${manifestName} is broken; ask its operator to repair it`, null, 5);
    this.cause = new Error(detail);
  }
}

/** Follows and edits the manifest of a storage, which other servers may also change. */
export class ManifestWatch {
  readonly #options: ManifestWatchOptions;
  /** Manifest that is used if the storage has none: all folders are served. */
  readonly #none: Manifest = { discover: true, adapters: {} };
  #manifest: Manifest | null = null;
  /**
   * Tag of the last manifest that was read, valid or not. Null if the storage had none; undefined before the first
   * read.
   */
  #tag: string | null | undefined = undefined;
  /** Error of the last check, if it failed. */
  #failure: Error | null = null;
  #looking: Promise<void> | null = null;
  #cancel: (() => void) | null = null;
  #closed = false;
  /** Runs this server's own changes one after the other, since they would conflict. */
  readonly #inTurn = limiter(1);

  constructor(options: ManifestWatchOptions) {
    this.#options = options;
  }

  /** Returns the last valid manifest. Throws `unavailable` if there was none yet. */
  async current(): Promise<Manifest> {
    if (this.#manifest === null) await this.refresh();
    if (this.#manifest !== null) return this.#manifest;
    throw this.#refusal();
  }

  /**
   * Reads the manifest and returns it. If the storage does not answer soon, returns the last valid manifest instead.
   * Use it if very recent changes matter.
   */
  async fresh(): Promise<Manifest> {
    const { clock } = this.#options;
    // A running check may have read an older manifest.
    const look = (this.#looking ?? Promise.resolve()).then(() => this.refresh());
    let stop = () => {};
    const late = new Promise<void>((resolve) => {
      stop = clock.after(patienceMs, resolve);
    });
    await Promise.race([look, late]).finally(() => stop());
    return this.current();
  }

  /** Last valid manifest; null if there was none yet. */
  get known(): Manifest | null {
    return this.#manifest;
  }

  /** Checks now, and then repeatedly. */
  start(): Promise<void> {
    const next = () => {
      if (this.#closed) return;
      this.#cancel = this.#options.clock.after(this.#options.pollMs, () => void this.refresh().finally(next), true);
    };
    return this.refresh().finally(next);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  /** Reads the manifest if it has changed. After a failure, warns and keeps the last valid one. */
  refresh(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /**
   * Writes the manifest that `change` returns. Calls `change` again if another server wrote first. Throws the errors of
   * `change`, and `unavailable` if writing fails.
   */
  edit(change: (manifest: Manifest) => Manifest): Promise<void> {
    return this.#inTurn(() => this.#edit(change));
  }

  async #edit(change: (manifest: Manifest) => Manifest): Promise<void> {
    const { place, clock } = this.#options;
    for (let attempt = 0; attempt < attempts; attempt++) {
      // A random delay, so that servers that waited together do not conflict again.
      if (attempt > 0) await pause(clock, Math.random() * Math.min(1000, 20 * 2 ** attempt));
      await this.#looking;
      await this.refresh();
      if (this.#failure || !this.#manifest) throw this.#refusal();
      const before = this.#tag ?? null;
      const next = change(this.#manifest);
      const text = manifestText(next);
      const tag = await place.writeManifest(text, before);
      if (tag === null) continue;
      // A running check may return the old manifest.
      await this.#looking;
      this.#accept(next, tag);
      return;
    }
    throw unavailable(`other servers kept writing the store's ${manifestName} first; try again`);
  }

  #refusal(): Error {
    return this.#failure ?? unavailable("the store has not answered yet");
  }

  #accept(manifest: Manifest, tag: string | null): void {
    this.#manifest = manifest;
    this.#tag = tag;
    this.#failure = null;
    this.#options.onLook();
  }

  async #look(): Promise<void> {
    const { place } = this.#options;
    try {
      // After a failure, read the manifest again, so that the reason stays known.
      const found = await place.readManifest(this.#failure === null ? (this.#tag ?? undefined) : undefined);
      if (found === "same") this.#options.onLook();
      else if (found === null) this.#accept(this.#none, null);
      else this.#accept(readManifest(found.text, place.label), found.tag);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    const before = this.#failure;
    this.#failure = error;
    if (before && operatorText(before) === operatorText(error)) return;
    const code = error instanceof BrokenManifest ? "broken-manifest" : "store-unavailable";
    const goes = this.#manifest ? "adapters are served as before" : "no adapter is served";
    this.#options.onWarning({ code, message: `${operatorText(error)}; until then ${goes}` });
  }
}

function readManifest(text: string, label: string): Manifest {
  try {
    return parseManifest(text);
  } catch (error) {
    throw new BrokenManifest(`${label}: ${manifestName} is broken: ${(error as Error).message}; repair it`);
  }
}

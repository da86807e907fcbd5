import type { OnWarning } from "@lowrank/peft";
import { ServingError } from "../api/api.ts";
import { type AdapterPlace, manifestName, unavailable } from "../storage/adapterPlace.ts";
import { pause, type StoreClock } from "../storage/storeClock.ts";
import { operatorText } from "../storage/storeFailure.ts";
import { limiter } from "./limiter.ts";
import { type Manifest, manifestText, parseManifest } from "./manifest.ts";

/** Options of a `ManifestWatch`. */
interface ManifestWatchOptions {
  readonly place: AdapterPlace;
  readonly clock: StoreClock;
  /** Milliseconds between two looks. */
  readonly pollMs: number;
  /** Called after each look that found a good manifest, the same one or another. */
  readonly onLook: () => void;
  readonly onWarning: OnWarning;
}

/** Attempts at a change that other servers come before. */
const attempts = 20;

/** Milliseconds that a fresh look is waited for. */
const patienceMs = 2000;

/** The error of a manifest that cannot be read: to those who need it, the store is away. */
class BrokenManifest extends ServingError {
  constructor(detail: string) {
    super("unavailable", `the store's ${manifestName} is broken; ask its operator to repair it`, null, 5);
    this.cause = new Error(detail);
  }
}

/** Follows the manifest of a place, whoever writes it, and changes it. */
export class ManifestWatch {
  readonly #options: ManifestWatchOptions;
  /** Stands for a manifest that is not there: all folders are served. */
  readonly #none: Manifest = { discover: true, adapters: {} };
  #manifest: Manifest | null = null;
  /** The tag of what was last read, good or not. Null: there was none. */
  #tag: string | null | undefined = undefined;
  /** The error of the last look, if it failed. */
  #failure: Error | null = null;
  #looking: Promise<void> | null = null;
  #cancel: (() => void) | null = null;
  #closed = false;
  /** This server's own changes: they would only be in each other's way. */
  readonly #inTurn = limiter(1);

  constructor(options: ManifestWatchOptions) {
    this.#options = options;
  }

  /** The last manifest that was good. Throws `unavailable` where there was none yet. */
  async current(): Promise<Manifest> {
    if (this.#manifest === null) await this.refresh();
    if (this.#manifest !== null) return this.#manifest;
    throw this.#refusal();
  }

  /**
   * The manifest as it is now, where the place answers soon; else the last one that was good. For
   * questions about what may have been written a moment ago.
   */
  async fresh(): Promise<Manifest> {
    const { clock } = this.#options;
    // A look that is under way may have read before.
    const look = (this.#looking ?? Promise.resolve()).then(() => this.refresh());
    let stop = () => {};
    const late = new Promise<void>((resolve) => {
      stop = clock.after(patienceMs, resolve);
    });
    await Promise.race([look, late]).finally(() => stop());
    return this.current();
  }

  /** The last manifest that was good; null where there was none yet. */
  get known(): Manifest | null {
    return this.#manifest;
  }

  /** Looks at once, and from then on again and again. */
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

  /** Reads the manifest if it changed. A failure leaves the last good one, with a warning. */
  refresh(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  /**
   * Writes what `change` makes of the manifest, which is called again where another server was
   * first. Throws what `change` throws, and `unavailable` where nothing can be written.
   */
  edit(change: (manifest: Manifest) => Manifest): Promise<void> {
    return this.#inTurn(() => this.#edit(change));
  }

  async #edit(change: (manifest: Manifest) => Manifest): Promise<void> {
    const { place, clock } = this.#options;
    for (let attempt = 0; attempt < attempts; attempt++) {
      // Others that waited for the same moment should not meet again.
      if (attempt > 0) await pause(clock, Math.random() * Math.min(1000, 20 * 2 ** attempt));
      await this.#looking;
      await this.refresh();
      if (this.#failure || !this.#manifest) throw this.#refusal();
      const before = this.#tag ?? null;
      const next = change(this.#manifest);
      const text = manifestText(next);
      const tag = await place.writeManifest(text, before);
      if (tag === null) continue;
      // A look under way may bring the manifest from before.
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
      // What was broken is read again: the reason must stay known.
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

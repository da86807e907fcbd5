import type { MetaBackend, MetaBuffer } from "@lowrank/core";

/** The memory at the worst moment of a run, in bytes, above what stood there before it. */
export interface Peak {
  readonly bytes: number;
  /** When it was. */
  readonly phase: string;
  /** Bytes of gradients of parameters at that moment. */
  readonly gradients: number;
  /** All other bytes at that moment: what ops keep for their gradients, and what they work on. */
  readonly activations: number;
  /** The activations by the op that made them, largest first. */
  readonly byOp: readonly { readonly op: string; readonly bytes: number }[];
}

/** What a run came to, in bytes above what stood there before it. */
export interface Traced {
  /** Handed out and not given back. */
  readonly held: number;
  /** The most activations at a time. */
  readonly mostActivations: number;
  /** The worst moment. */
  readonly peak: Peak;
}

/** What happens on a `meta` backend from now on. */
export class Trace {
  readonly #backend: MetaBackend;
  readonly #start: number;
  readonly #phases: { from: number; name: string }[] = [];
  readonly #gradients = new Map<MetaBuffer, number>();

  constructor(backend: MetaBackend) {
    this.#backend = backend;
    this.#start = backend.events.length;
  }

  /** Names what follows. */
  phase(name: string): void {
    this.#phases.push({ from: this.#backend.events.length, name });
  }

  /** Says that a buffer is a parameter's gradient, for which `bytes` are reckoned. */
  gradient(buffer: MetaBuffer, bytes: number): void {
    this.#gradients.set(buffer, bytes);
  }

  /** What happened so far. */
  read(): Traced {
    const { events } = this.#backend;
    const own = new Set<MetaBuffer>();
    const ops = new Map<string, number>();
    let [gradients, activations, mostActivations] = [0, 0, 0];
    let peak: Peak = { bytes: 0, phase: "", gradients, activations, byOp: [] };
    let worst = new Map<string, number>();
    let phase = -1;
    for (let i = this.#start; i < events.length; i++) {
      const { buffer, freed } = events[i];
      while (this.#phases[phase + 1]?.from <= i) phase++;
      if (!freed) own.add(buffer);
      else if (!own.has(buffer)) continue;
      const sign = freed ? -1 : 1;
      const asGradient = this.#gradients.get(buffer);
      if (asGradient !== undefined) {
        gradients += sign * asGradient;
      } else {
        activations += sign * buffer.planned;
        ops.set(buffer.op, (ops.get(buffer.op) ?? 0) + sign * buffer.planned);
      }
      mostActivations = Math.max(mostActivations, activations);
      const bytes = gradients + activations;
      if (bytes <= peak.bytes) continue;
      peak = { bytes, phase: this.#phases[phase]?.name ?? "", gradients, activations, byOp: [] };
      worst = new Map(ops);
    }
    const byOp = Array.from(worst, ([op, bytes]) => ({ op, bytes })).filter(({ bytes }) => bytes > 0);
    byOp.sort((a, b) => b.bytes - a.bytes);
    return { held: gradients + activations, mostActivations, peak: { ...peak, byOp } };
  }
}

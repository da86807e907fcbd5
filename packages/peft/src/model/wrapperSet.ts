import { Module } from "@lowrank/nn";
import type { ActiveAdapter } from "../layers/activeAdapter.ts";
import type { SavedModule } from "../layers/savedModule.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { Wrapper, Wrappers } from "../layers/wrapper.ts";
import type { Plan } from "./adapter/planAdapter.ts";

/**
 * Inserts and removes the adapters' wrappers in a base model. A module gets its wrapper with its first adapter and
 * loses it with the last.
 */
export class WrapperSet {
  readonly #model: Module;
  readonly #active: ActiveAdapter;
  readonly #wrappers = new Map<string, Wrapper>();

  constructor(model: Module, active: ActiveAdapter) {
    this.#model = model;
    this.#active = active;
  }

  /** The wrappers, by the path of the module that each replaces. */
  get byPath(): Wrappers {
    return this.#wrappers;
  }

  /** Adds a new adapter's tensors to the wrappers of the modules that it adapts. */
  add(name: string, { layers, saved, tokens }: Plan): void {
    const active = this.#active;
    for (const { path, base, layer, wrap } of layers) {
      const wrapper = this.#at(path, () => wrap?.(active) ?? new TunerLayer(base, active));
      wrapper.add(name, layer);
      if (layer.baseWeight) wrapper.holdBase(name, layer.baseWeight);
      wrapper.training = base.training;
      for (const part of Object.values(layer.modules ?? {})) if (part instanceof Module) part.train(base.training);
    }
    for (const { path, wrap, tiedTo = "" } of saved) {
      this.#at(path, () => wrap(active)).add(name, this.#wrappers.get(tiedTo) as SavedModule | undefined);
    }
    for (const { path, rows, owners, wrap } of tokens) this.#at(path, () => wrap(active)).add(name, rows, owners);
    for (const { path } of [...saved, ...tokens]) {
      const wrapper = this.#wrappers.get(path)!;
      wrapper.train(wrapper.wrapped.training);
    }
  }

  /** Writes the base weights that an adapter's initialisation sets, such as PiSSA's. `add` holds them back. */
  setBases(name: string): void {
    for (const wrapper of this.#wrappers.values()) if (wrapper instanceof TunerLayer) wrapper.setBase(name);
  }

  #at<W extends Wrapper>(path: string, make: () => W): W {
    const known = this.#wrappers.get(path);
    if (known) return known as W;
    const wrapper = make();
    this.#wrappers.set(path, wrapper);
    this.#model.setSubmodule(path, wrapper);
    return wrapper;
  }

  /**
   * Removes an adapter and frees its tensors. If a wrapper then has none of the adapters in `others`, puts the module
   * that it wraps back into the model.
   */
  remove(name: string, others: readonly string[]): void {
    for (const [path, wrapper] of this.#wrappers) {
      wrapper.remove(name);
      if (others.some((other) => wrapper.has(other))) continue;
      this.#model.setSubmodule(path, wrapper.wrapped);
      this.#wrappers.delete(path);
    }
  }

  /** Puts the wrappers (true) or the modules that they wrap (false) into the model. */
  set(on: boolean): void {
    for (const [path, wrapper] of this.#wrappers) this.#model.setSubmodule(path, on ? wrapper : wrapper.wrapped);
  }

  /** Sets whether the base layers contain merged weights. If so, the wrappers skip their adapters. */
  setMerged(merged: boolean): void {
    for (const wrapper of this.#wrappers.values()) if (wrapper instanceof TunerLayer) wrapper.merged = merged;
  }
}

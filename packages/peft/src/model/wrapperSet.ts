import { Module } from "@lowrank/nn";
import type { ActiveAdapter } from "../layers/activeAdapter.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import type { Wrapper, Wrappers } from "../layers/wrapper.ts";
import type { Plan } from "./planAdapter.ts";

/**
 * The wrappers on a base model. The first adapter on a module creates its wrapper, and removing the last one removes
 * it.
 */
export class WrapperSet {
  readonly #model: Module;
  readonly #active: ActiveAdapter;
  readonly #wrappers = new Map<string, Wrapper>();

  constructor(model: Module, active: ActiveAdapter) {
    this.#model = model;
    this.#active = active;
  }

  /** The wrappers, by path of the wrapped module. */
  get byPath(): Wrappers {
    return this.#wrappers;
  }

  /** Adds an adapter's parts to the wrappers of its modules. */
  add(name: string, { layers, saved, tokens }: Plan): void {
    const active = this.#active;
    for (const { path, base, layer } of layers) {
      const wrapper = this.#at(path, () => new TunerLayer(base, active));
      wrapper.add(name, layer);
      wrapper.training = base.training;
      for (const part of Object.values(layer.modules ?? {})) if (part instanceof Module) part.train(base.training);
    }
    for (const { path, wrap } of saved) this.#at(path, () => wrap(active)).add(name);
    for (const { path, rows, owners, wrap } of tokens) this.#at(path, () => wrap(active)).add(name, rows, owners);
    for (const { path } of [...saved, ...tokens]) {
      const wrapper = this.#wrappers.get(path)!;
      wrapper.train(wrapper.wrapped.training);
    }
  }

  #at<W extends Wrapper>(path: string, make: () => W): W {
    const known = this.#wrappers.get(path);
    if (known) return known as W;
    const wrapper = make();
    this.#wrappers.set(path, wrapper);
    this.#model.setSubmodule(path, wrapper);
    return wrapper;
  }

  /** Removes an adapter and frees its tensors. Replaces wrappers that contain none of the `others` by their modules. */
  remove(name: string, others: readonly string[]): void {
    for (const [path, wrapper] of this.#wrappers) {
      wrapper.remove(name);
      if (others.some((other) => wrapper.has(other))) continue;
      this.#model.setSubmodule(path, wrapper.wrapped);
      this.#wrappers.delete(path);
    }
  }

  /** Sets either the wrappers or the modules that they wrap into the model. */
  set(on: boolean): void {
    for (const [path, wrapper] of this.#wrappers) this.#model.setSubmodule(path, on ? wrapper : wrapper.wrapped);
  }

  /** Sets whether the layers contain merged weights, so that their adapters are skipped. */
  setMerged(merged: boolean): void {
    for (const wrapper of this.#wrappers.values()) if (wrapper instanceof TunerLayer) wrapper.merged = merged;
  }
}

import type { Edge, GraphNode } from "../engine/graph.ts";
import { recomputeChecks } from "../engine/onRecompute.ts";
import { readWatch } from "../engine/reads.ts";
import { type Storage, storageClock } from "../engine/storage.ts";
import type { Tensor } from "../engine/tensor.ts";
import { type Generator, type GeneratorState, generatorWatch } from "../random/random.ts";
import { reached } from "./autograd.ts";

// What `checkpoint` records about a function. It has its own file, so that a page without checkpoints does not load it.

/**
 * Runs `fn` (synchronously). Returns its result, and the storages that its ops read and that existed before the call.
 */
export function recordReads<T>(fn: () => T): { result: T; reads: ReadonlySet<Storage> } {
  const outer = readWatch.current;
  const found = new Set<Storage>();
  readWatch.current = { start: storageClock(), found };
  try {
    return { result: fn(), reads: found };
  } finally {
    readWatch.current = outer;
    for (const storage of found) if (outer && storage.id < outer.start) outer.found.add(storage);
  }
}

/** Runs `fn` (synchronously). Returns its result and the checks that were registered in it. */
export function collectRecomputeChecks<T>(fn: () => T): { result: T; checks: ReadonlySet<() => void> } {
  const outer = recomputeChecks.current;
  const checks = new Set<() => void>();
  recomputeChecks.current = checks;
  try {
    return { result: fn(), checks };
  } finally {
    recomputeChecks.current = outer;
    for (const check of checks) outer?.add(check);
  }
}

/**
 * Runs `fn` (synchronously). Returns its result, and the state that each generator had before `fn` first drew from it.
 * Generators that `fn` did not use are not listed.
 */
export function watchGenerators<T>(fn: () => T): { result: T; found: Map<Generator, GeneratorState> } {
  const outer = generatorWatch.current;
  const found = new Map<Generator, GeneratorState>();
  generatorWatch.current = found;
  try {
    return { result: fn(), found };
  } finally {
    generatorWatch.current = outer;
    for (const [generator, state] of found) if (outer && !outer.has(generator)) outer.set(generator, state);
  }
}

/**
 * Runs `fn` (synchronously) with each generator set to the given state, and restores the previous states afterwards.
 */
export function withGenerators<T>(states: ReadonlyMap<Generator, GeneratorState>, fn: () => T): T {
  const before = [...states].map(([generator]) => [generator, generator.state] as const);
  for (const [generator, state] of states) generator.state = state;
  try {
    return fn();
  } finally {
    for (const [generator, state] of before) generator.state = state;
  }
}

/**
 * Returns the edges through which gradients of `outputs` reach nodes that were created before `start` (a value of
 * `graphClock`). They come directly from an output or from a node that was created later. Each edge is listed once.
 */
export function edgesBefore(start: number, outputs: readonly Tensor[]): Edge[] {
  const places = new Map<GraphNode, Set<number>>();
  const note = ({ node, index }: Edge) => {
    if (node.id < start) places.set(node, (places.get(node) ?? new Set()).add(index));
  };
  const roots = outputs.flatMap(({ edge }) => edge ?? []);
  roots.forEach(note);
  const nodes = reached(
    roots.map(({ node }) => node),
    start,
  );
  for (const { id, op } of nodes) if (id >= start) for (const edge of op?.edges ?? []) if (edge) note(edge);
  return [...places].flatMap(([node, indices]) => [...indices].map((index) => ({ node, index })));
}

import { formatShape, Tensor } from "@lowrank/core";
import type { Module } from "./module.ts";

/**
 * Returns a text that shows a module and all its submodules as an indented tree. Consecutive equal items of a list
 * share a line.
 */
export function describeModule(module: Module): string {
  const own = settings(module);
  const children = grouped(
    Array.from(module.namedChildren(), ([name, child]) => ({ name, text: describeModule(child) })),
  );
  const { name } = module.constructor;
  if (children.length === 0) return `${name}(${own.join(", ")})`;
  const lines = [...own, ...children.map((line) => line.replaceAll("\n", "\n  "))];
  return `${name}(\n${lines.map((line) => `  ${line}\n`).join("")})`;
}

/**
 * Returns one line of text for each parameter, for each buffer, and for each setting (a field that is a number, string
 * or boolean).
 */
function settings(module: Module): string[] {
  return Object.entries(module).flatMap(([name, value]) => {
    if (value instanceof Tensor) return [`${name}: ${value.dtype} ${formatShape(value.shape)}`];
    if (name === "training" || !["number", "string", "boolean"].includes(typeof value)) return [];
    return [`${name}: ${JSON.stringify(value)}`];
  });
}

interface Child {
  readonly name: string;
  readonly text: string;
}

/** Returns a line for each child. Consecutive numbered children with the same text share a line. */
function grouped(children: readonly Child[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < children.length; ) {
    const { name, text } = children[i];
    let end = i + 1;
    while (/^\d+$/.test(name) && children[end]?.text === text) end++;
    const count = end - i;
    lines.push(count === 1 ? `(${name}): ${text}` : `(${name}-${children[end - 1].name}): ${count} x ${text}`);
    i = end;
  }
  return lines;
}

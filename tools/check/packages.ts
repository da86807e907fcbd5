/** A package: its purpose in a few words, and the packages that it may import. */
interface Package {
  readonly does: string;
  readonly imports: readonly string[];
}

/**
 * The packages, each with the packages that it may import. `pnpm check` enforces the list, and `pnpm docs:rooms` writes
 * it to docs/design as a table and a diagram. docs/design/imports.md gives the reasons.
 */
export const packages: Readonly<Record<string, Package>> = {
  core: { does: "tensors, ops, autograd, safetensors", imports: [] },
  files: { does: "model files on disk, in memory, at an address", imports: ["core"] },
  wasm: { does: "the SIMD backend", imports: ["core"] },
  webgpu: { does: "the GPU backend", imports: ["core"] },
  nn: { does: "modules, layers, optimizers", imports: ["core"] },
  models: { does: "architectures, GGUF, tokenizers, generation", imports: ["core", "files", "nn"] },
  peft: { does: "methods, PeftModel, reports, planner", imports: ["core", "files", "nn"] },
  train: { does: "datasets, Trainer, checkpoints", imports: ["core", "files", "nn", "models", "peft"] },
  testing: {
    does: "tests of adapters: properties, matchers, suites",
    imports: ["core", "files", "nn", "models", "peft", "train"],
  },
  serve: { does: "multi-LoRA engine, adapter store, HTTP", imports: ["core", "files", "nn", "models", "peft"] },
  nano: {
    does: "a small model and its tasks",
    imports: ["core", "files", "wasm", "nn", "models", "peft", "train"],
  },
  lowrank: {
    does: "all packages in one import, and the command",
    imports: ["core", "files", "wasm", "webgpu", "nn", "models", "peft", "train", "testing", "serve", "nano"],
  },
};

/** Returns the imports of a package that no other import of it leads to. */
export function directImports(name: string): string[] {
  const { imports } = packages[name];
  return imports.filter((one) => !imports.some((other) => packages[other].imports.includes(one)));
}

/** Returns the packages as a Mermaid diagram. An arrow means "imports". */
export function packageDiagram(): string {
  const names = Object.keys(packages).toReversed();
  const boxes = names.map((name) => `  ${name}["<b>${name}</b><br/>${packages[name].does}"]\n`);
  const arrows = names.flatMap((name) => directImports(name).map((other) => `  ${name} --> ${other}\n`));
  return `\`\`\`mermaid\nflowchart TD\n${boxes.join("")}${arrows.join("")}\`\`\`\n`;
}

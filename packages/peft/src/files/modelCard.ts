import type { PeftConfig } from "../config/peftConfig.ts";

/**
 * Returns the README.md of an adapter folder: metadata for the Hugging Face hub, and a note on how to load the adapter.
 */
export function modelCard({ baseModelNameOrPath, peftType, taskType }: PeftConfig): string {
  const base = baseModelNameOrPath || null;
  const head = [
    ...(base ? [`base_model: ${JSON.stringify(base)}`] : []),
    "library_name: peft",
    ...(taskType === "CAUSAL_LM" ? ["pipeline_tag: text-generation"] : []),
    "tags:",
    ...(base ? [`- ${JSON.stringify(`base_model:adapter:${base}`)}`] : []),
    `- ${peftType.toLowerCase()}`,
  ];
  // Escapes Markdown in the name.
  const of = base ? ` of ${base.replace(/[\\`*_{}[\]<>~&]/g, "\\$&")}` : "";
  return `---\n${head.join("\n")}\n---\n\n# A ${peftType} adapter${of}\n\nLoad it with \`PeftModel.fromPretrained\` of Lowrank, or \`PeftModel.from_pretrained\` of Hugging Face PEFT.\n`;
}

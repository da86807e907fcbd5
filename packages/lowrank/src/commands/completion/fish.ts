import type { CompletedCommand, Words } from "./programWords.ts";

/** Returns a fish script that completes commands, options and values. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(
    ({ name, summary }) => `complete -c lowrank -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
  );
  const rest = commands.flatMap(({ name, options, words }) => {
    const here = `complete -c lowrank -n '__fish_seen_subcommand_from ${name}'`;
    const flags = options.map(
      ({ flag, help, value }) => `${here} -l ${flag.slice(2)}${value ? taken(value) : ""} -d ${quoted(help)}`,
    );
    const alone = words.kind === "choices" ? [`${here} -f -a ${quoted(words.values.join(" "))}`] : [];
    return [...flags, ...(words.kind === "free" ? [`${here} -f`] : alone)];
  });
  return `# Completion of lowrank in fish: lowrank completion fish | source
complete -c lowrank -e
${[...names, ...rest].join("\n")}
`;
}

function taken(words: Words): string {
  if (words.kind === "choices") return ` -x -a ${quoted(words.values.join(" "))}`;
  return words.kind === "files" ? " -r -F" : " -x";
}

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

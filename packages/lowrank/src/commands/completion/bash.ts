import type { CompletedCommand, Words } from "./programWords.ts";

/** Returns a bash script that completes commands, options and values. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const values = commands.flatMap(({ name, options }) =>
    options.flatMap(({ flag, value }) => (value === null ? [] : [`    "${name} ${flag}") ${reply(value)}; return;;`])),
  );
  const words = commands.map(({ name, options, words }) => {
    const flags = options.map(({ flag }) => flag).join(" ");
    return `    ${name}) if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "${flags}" -- "$cur")); else ${reply(words)}; fi;;`;
  });
  return `# Completion of lowrank in bash: source <(lowrank completion bash)
_lowrank() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}" command="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")} --help --version" -- "$cur"))
    return
  fi
  case "$command $prev" in
${values.join("\n")}
  esac
  case "$command" in
${words.join("\n")}
  esac
}
complete -F _lowrank lowrank
`;
}

function reply(words: Words): string {
  if (words.kind === "choices") return `COMPREPLY=($(compgen -W "${words.values.join(" ")}" -- "$cur"))`;
  return words.kind === "files" ? 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))' : ":";
}

import { readFileSync } from "node:fs";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

/** Older resolution modes, which packages with only ES modules need not support. */
const olderWays = ["node10", "node16-cjs"];

/** Returns the problems that publint and Are The Types Wrong report for the archive of a package. */
export async function lintArchive(archive: string): Promise<string[]> {
  const bytes = readFileSync(archive);
  const tarball = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
  const wrong = analysis.types
    ? analysis.problems.filter(
        (problem) => !("resolutionKind" in problem && olderWays.includes(problem.resolutionKind)),
      )
    : ["there are none"];
  return [
    ...messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code),
    ...wrong.map((problem) => `types: ${JSON.stringify(problem)}`),
  ];
}

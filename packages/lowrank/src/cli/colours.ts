import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/**
 * Returns a text in a colour or style. Streams other than terminals get it only with FORCE_COLOR; NO_COLOR turns it off
 * on terminals.
 */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream): string {
  return styleText(style, text, { stream });
}

import { connect } from "node:net";
import { tenants } from "../../deploy/deployment.ts";
import { completions } from "../ask.ts";
import { expectOneOf, type Fault } from "../fault.ts";

/** Seconds within which a server must give up. */
const patience = 20;

/** nginx aborts a body that pauses; a replica aborts one that takes too long in total. */
export const slowBody: Fault = {
  name: "slow bodies",
  async run({ deployment, checks, random }) {
    const isDirect = random.below(2) === 0;
    const url = isDirect ? deployment.replicas[0].url : deployment.nginx.url;
    await checks.run("bodies that do not come are given up", async () => {
      const answer = await slowly(Number(new URL(url).port), isDirect ? 1 : patience);
      expectOneOf("the answer to a slow body", /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? answer, "408", "");
    });
  },
};

/** Sends a byte of a body every `seconds` and returns the complete response. */
function slowly(port: number, seconds: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1");
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`a body of a byte in ${seconds} s still had no answer after ${patience} s`));
    }, patience * 1000);
    socket.write(
      `POST ${completions} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
        `authorization: Bearer ${tenants[0].key}\r\ncontent-length: 1000\r\n\r\n{`,
    );
    const sending = setInterval(() => socket.write(" "), 1000 * seconds);
    socket.on("data", (data) => {
      answer += data;
      socket.end();
    });
    // A closed connection also means that the server gave up.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearInterval(sending);
      clearTimeout(late);
      resolve(answer);
    });
  });
}

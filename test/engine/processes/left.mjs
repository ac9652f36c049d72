// Connects to a process, which is then killed, and closes the connection at once; again and again. Prints each round when
// another connection of this process has been answered after that: all sockets share the threads of ZeroMQ.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { SocketClient } from "../../../dist/src/rpc/socket-client.js";
import { SocketServer } from "../../../dist/src/rpc/socket-server.js";

const [folder, rounds, role] = process.argv.slice(2);
const hello = { type: "hello" };

const serve = (name) =>
  SocketServer.bind(`ipc://${folder}/${name}`, (client) =>
    client.open({ message: () => client.send({ type: "welcome" }), closed: () => undefined }),
  );

async function greeted(name) {
  const client = new SocketClient(`ipc://${folder}/${name}`);
  const answer = new Promise((resolve) => client.open({ message: resolve, closed: () => undefined }));
  client.send(hello);
  await answer;
  return client;
}

if (role === "left") {
  await serve("left");
  console.log("up");
} else {
  await serve("own");
  for (let round = 0; round < Number(rounds); round++) {
    const script = [fileURLToPath(import.meta.url), folder, rounds, "left"];
    const other = spawn(process.execPath, script, { stdio: ["ignore", "pipe", "inherit"] });
    await once(other.stdout, "data");
    const client = await greeted("left");
    other.kill("SIGKILL");
    await once(other, "exit");
    await client.close();
    await (await greeted("own")).close();
    console.log(JSON.stringify({ round }));
  }
  process.exit(0);
}

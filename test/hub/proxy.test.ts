/** @file A network that is reached through a proxy only. */

import { readdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ID, needed, useBench } from "./fixture.ts";

const bench = useBench();
let proxy: Server;
let address: string;
/** Hosts that connections were asked for. */
const asked: string[] = [];

beforeEach(async () => {
  asked.length = 0;
  proxy = createServer((_, response) => response.writeHead(405).end());
  proxy.on("connect", (request, client) => {
    asked.push(request.url ?? "");
    // The proxy knows where the hub is; nobody else can find this host.
    const port = Number(new URL(`http://${request.url}`).port);
    const server = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      server.pipe(client).pipe(server);
    });
    for (const socket of [server, client]) socket.on("error", () => [server, client].map((one) => one.destroy()));
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
afterEach(async () => {
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
});

/** A SOCKS5 server without passwords: RFC 1928's greeting, one CONNECT, then bytes both ways. */
function createSocks(dial: (host: string, port: number) => Socket): TcpServer {
  return createTcpServer((client) => {
    client.on("error", () => client.destroy());
    client.once("data", () => {
      client.write(Buffer.from([5, 0]));
      client.once("data", (request) => {
        const isName = request[3] === 3;
        const end = isName ? 5 + (request[4] ?? 0) : 8;
        const host = isName ? request.toString("latin1", 5, end) : [...request.subarray(4, 8)].join(".");
        const server = dial(host, request.readUInt16BE(end));
        server.on("error", () => client.destroy());
        client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
        server.pipe(client).pipe(server);
      });
    });
  });
}

describe("a proxy", () => {
  it("that the environment names is used", async () => {
    const b = bench();
    const far = b.hub.endpoint.replace("127.0.0.1", "hub.invalid");
    const folder = await b.fetch(ID, { env: { HF_ENDPOINT: far, HTTP_PROXY: address } });
    expect(readdirSync(folder).sort()).toEqual([...needed].sort());
    const hosts = new Set(asked);
    expect(hosts).toEqual(new Set([new URL(far).host, new URL(b.hub.filesEndpoint).host]));
  });

  it("is left out for hosts that it is not for", async () => {
    const b = bench();
    await b.fetch(ID, { env: { HTTP_PROXY: address, NO_PROXY: "127.0.0.1" } });
    expect(asked).toEqual([]);
  });

  it("can be a SOCKS5 one", async () => {
    const b = bench();
    const hosts: string[] = [];
    const socks = createSocks((host, port) => {
      hosts.push(host);
      return connect(port, "127.0.0.1");
    });
    await new Promise<void>((resolve) => socks.listen(0, "127.0.0.1", resolve));
    const ALL_PROXY = `socks5://127.0.0.1:${(socks.address() as AddressInfo).port}`;
    const far = b.hub.endpoint.replace("127.0.0.1", "hub.invalid");
    const folder = await b.fetch(ID, { env: { HF_ENDPOINT: far, ALL_PROXY } });
    expect(readdirSync(folder).sort()).toEqual([...needed].sort());
    expect(new Set(hosts)).toEqual(new Set(["hub.invalid", "127.0.0.1"]));
    socks.close();
  });

  it("that is not there is named", async () => {
    const b = bench();
    const env = { HF_ENDPOINT: "http://hub.invalid", HTTP_PROXY: "http://127.0.0.1:9" };
    await expect(b.fetch(ID, { env })).rejects.toMatchObject({
      code: "hub-unreachable",
      message: expect.stringContaining("through the proxy http://127.0.0.1:9"),
    });
  });
});

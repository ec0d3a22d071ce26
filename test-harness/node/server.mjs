// An MCP server of the official TypeScript SDK, on the Express application that the SDK makes, for the table of bypasses.
//
// Prints {"port": ..., "seen": ...} when it listens. `port` serves /mcp; GET / at the port `seen` tells every request that
// came, as Express saw it or not: method, target, headers in order, body.
import { createServer } from "node:http";
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { z } from "zod";

const say = (text) => ({ content: [{ type: "text", text }] });
const texts = (...names) => Object.fromEntries(names.map((name) => [name, z.string().optional()]));

const mcp = () => {
  const server = new McpServer({ name: "typescript", version: "1.0.0" });
  const tool = (name, inputSchema, run) => server.registerTool(name, { description: name, inputSchema }, run);
  tool("echo", texts("text"), async ({ text }) => say(String(text)));
  tool("get_weather", texts("city"), async ({ city }) => say(`sunny in ${city}`));
  tool("test_simple_text", {}, async () => say("simple"));
  tool("code_edit", texts("path"), async ({ path }) => say(`edited ${path}`));
  tool("code_delete", texts("path"), async ({ path }) => say(`deleted ${path}`));
  tool("admin_reset", {}, async () => say("everything was reset"));
  return server;
};

// The gate checks the host; behind it the server is asked by the name that the client used.
const app = createMcpExpressApp({ allowedHosts: ["mcp.example.com", "127.0.0.1", "localhost"] });
app.post("/mcp", async (request, response) => {
  const server = mcp();
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => transport.close());
  await server.connect(transport);
  await transport.handleRequest(request, response, request.body);
});

const seen = [];
const listen = (handler) =>
  new Promise((resolve) => {
    const server = createServer(handler).listen(0, "127.0.0.1", () => resolve(server.address().port));
  });
const port = await listen((request, response) => {
  const headers = [];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    headers.push([request.rawHeaders[at].toLowerCase(), request.rawHeaders[at + 1]]);
  }
  const one = { method: request.method, target: request.url, headers, body: "" };
  seen.push(one);
  request.on("data", (piece) => (one.body += piece.toString("latin1")));
  app(request, response);
});
const witness = await listen((_, response) => response.end(JSON.stringify(seen)));
console.log(JSON.stringify({ port, seen: witness }));

// An MCP client behind the gate, with the official TypeScript SDK (`npm install @modelcontextprotocol/sdk`).
//
//     node client.mjs URL TOOL [ARGUMENTS]                                      logs in through a browser
//     CLIENT_SECRET=... node client.mjs URL TOOL [ARGUMENTS] CLIENT_ID ISSUER   as a machine, with client credentials
//
// The SDK does the rest: 401, metadata of the resource and of the issuer, registration, token. Each line of the output is
// one JSON object.
import { createServer } from "node:http";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { ClientCredentialsProvider } from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, tool, args = "{}", clientId, issuer] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));

/** Waits on this machine for the browser to come back. Keeps tokens while the program runs. */
class Browser {
  #saved = {};

  async open() {
    this.answer = new Promise((resolve) => {
      this.server = createServer((request, response) => {
        const { pathname, searchParams } = new URL(request.url, "http://127.0.0.1");
        response.end("You may close this page.\n");
        if (pathname === "/callback") resolve(searchParams);
      });
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.redirectUrl = `http://127.0.0.1:${this.server.address().port}/callback`;
    return this;
  }

  get clientMetadata() {
    return {
      client_name: "TypeScript example",
      redirect_uris: [this.redirectUrl],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
    };
  }

  state() { return (this.expected ??= crypto.randomUUID()); }
  clientInformation() { return this.#saved.client; }
  saveClientInformation(client) { this.#saved.client = client; }
  tokens() { return this.#saved.tokens; }
  saveTokens(tokens) { this.#saved.tokens = tokens; }
  codeVerifier() { return this.#saved.verifier; }
  saveCodeVerifier(verifier) { this.#saved.verifier = verifier; }
  redirectToAuthorization(page) { say({ open_in_a_browser: String(page) }); }

  async code() {
    const answer = await this.answer;
    this.server.close();
    if (answer.get("state") !== this.expected) throw new Error("the answer is not to this login");
    if (!answer.has("code")) throw new Error(answer.get("error"));
    return answer.get("code");
  }
}

const authProvider = clientId
  ? new ClientCredentialsProvider({ clientId, clientSecret: process.env.CLIENT_SECRET, expectedIssuer: issuer })
  : await new Browser().open();

const connect = async () => {
  const client = new Client({ name: "example", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  try {
    await client.connect(transport);
    return client;
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || clientId) throw error;
    await transport.finishAuth(await authProvider.code());
    return connect();
  }
};

const client = await connect();
say({ tools: (await client.listTools()).tools.map(({ name }) => name) });
try {
  const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
  say({ is_error: result.isError ?? false, text: result.content.map(({ text }) => text) });
} catch (error) {
  say({ error: error.code ?? null, kind: error.constructor.name, message: error.message, data: error.data ?? null });
}
await client.close();

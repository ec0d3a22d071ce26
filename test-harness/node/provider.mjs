// A certified OpenID provider for the tests: one client per algorithm (`RS256`, ...), client credentials, JWT access tokens.
//
// Prints {"issuer": ...} when it listens. POST /rotate signs with new keys and still publishes the old ones; POST /drop
// publishes the new ones alone. GET /fetches counts the reads of the key set.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
const pairs = {
  RS256: ["rsa", { modulusLength: 2048 }],
  PS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  ES384: ["ec", { namedCurve: "P-384" }],
  EdDSA: ["ed25519", {}],
};

let generation = 0;
const keys = () => {
  generation += 1;
  return ALGORITHMS.map((alg) => {
    const [kind, options] = pairs[alg];
    const jwk = generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" });
    return { ...jwk, alg, use: "sig", kid: `${alg}-${generation}` };
  });
};

const server = createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = (jwks) => {
  const one = new Provider(issuer, {
    jwks: { keys: jwks },
    clients: ALGORITHMS.map((alg) => ({
      client_id: alg,
      client_secret: `${alg}-secret`,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    })),
    enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
    extraTokenClaims: () => ({ roles: ["developer"] }),
    scopes: ["mcp"],
    ttl: { ClientCredentials: 600 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource, client) => ({
          scope: "mcp",
          audience: resource,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: client.clientId, kid: jwks.find(({ alg }) => alg === client.clientId).kid } },
        }),
      },
    },
  });
  return one.callback();
};

let current = keys();
let answer = provider(current);
let fetches = 0;
server.on("request", (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  const done = (body) => response.setHeader("content-type", "application/json").end(JSON.stringify(body));
  if (request.method === "POST" && pathname === "/rotate") {
    const old = current;
    current = keys();
    answer = provider([...current, ...old]);
    return done({ generation });
  }
  if (request.method === "POST" && pathname === "/drop") {
    answer = provider(current);
    return done({ generation });
  }
  if (pathname === "/fetches") return done({ fetches });
  if (pathname === "/jwks") {
    fetches += 1;
    response.setHeader("cache-control", "public, max-age=2");
  }
  return answer(request, response);
});
console.log(JSON.stringify({ issuer }));

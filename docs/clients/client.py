"""An MCP client behind the gate, with the official Python SDK (`pip install mcp`).

    python client.py URL TOOL [ARGUMENTS]                       logs in through a browser
    CLIENT_SECRET=... python client.py URL TOOL [ARGUMENTS] \\
        --client-id ID --issuer ISSUER                          as a machine, with client credentials

The SDK does the rest: 401, metadata of the resource and of the issuer, registration, token, and the call again.
Each line of the output is one JSON object.
"""

import argparse
import asyncio
import json
import os
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client, MCPError
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken


def say(**line):
    print(json.dumps(line), flush=True)


class Memory:
    """Keeps tokens while the program runs. A real client keeps them in the system's key store."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


class Browser:
    """Waits on this machine for the browser to come back with a code."""

    async def open(self):
        self.answer = asyncio.get_running_loop().create_future()
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/callback"

    async def serve(self, reader, writer):
        request = (await reader.readline()).decode()
        while (await reader.readline()).strip():
            pass
        path = request.split(" ")[1] if " " in request else ""
        if path.startswith("/callback?") and not self.answer.done():
            self.answer.set_result({name: values[0] for name, values in parse_qs(urlsplit(path).query).items()})
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nYou may close this page.\n")
        await writer.drain()
        writer.close()

    async def show(self, url):
        say(open_in_a_browser=url)

    async def wait(self):
        answer = await self.answer
        if "code" not in answer:
            raise PermissionError(answer.get("error", "no code"))
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))


async def provider(options, storage):
    if options.client_id:
        secret = os.environ["CLIENT_SECRET"]
        return ClientCredentialsOAuthProvider(
            options.url, storage, options.client_id, secret, issuer=options.issuer, scope=options.scope
        )
    browser = Browser()
    await browser.open()
    metadata = OAuthClientMetadata(
        client_name="Python example",
        redirect_uris=[browser.url],
        token_endpoint_auth_method="none",
        scope=options.scope,
    )
    return OAuthClientProvider(options.url, metadata, storage, browser.show, browser.wait)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("tool")
    parser.add_argument("arguments", nargs="?", default="{}")
    parser.add_argument("--client-id")
    parser.add_argument("--issuer")
    parser.add_argument("--scope")
    parser.add_argument("--mode", default="auto", help="auto, legacy, or a version such as 2026-07-28")
    options = parser.parse_args()
    storage = Memory()
    auth = await provider(options, storage)
    async with httpx2.AsyncClient(auth=auth, timeout=20) as http:
        async with Client(streamable_http_client(options.url, http_client=http), mode=options.mode) as client:
            say(protocol=client.protocol_version)
            say(tools=[tool.name for tool in (await client.list_tools()).tools])
            try:
                result = await client.call_tool(options.tool, json.loads(options.arguments))
                text = [part.text for part in result.content if part.type == "text"]
                say(is_error=result.is_error, text=text)
            except MCPError as error:
                say(error=error.error.code, message=error.error.message, data=error.error.data)
    if storage.tokens:
        say(refreshable=storage.tokens.refresh_token is not None)


asyncio.run(main())

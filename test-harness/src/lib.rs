//! Runs the built `toolgate.wasm` under a real Envoy, before a real MCP server, with a real issuer.
//!
//! Nothing here links the filter or the engine: what is tested is the artifact. Every server listens on a
//! free port, is waited for by polling, keeps its log to itself unless something fails, and ends with its handle.

pub mod audit;
pub mod bench;
pub mod bootstrap;
pub mod client;
pub mod docker;
pub mod dpop;
pub mod envoy;
pub mod foreign;
pub mod gate;
pub mod issuer;
pub mod jwks;
pub mod mcp_server;
pub mod mtls;
pub mod node;
pub mod observe;
pub mod opaque;
pub mod paths;
pub mod process;
pub mod provider;
pub mod raw;
pub mod scrape;
pub mod scripted;
pub mod serve;
pub mod shelf;
pub mod site;
pub mod tour;
pub mod typescript;

// SPDX-License-Identifier: Apache-2.0
//! JSON Schema of what is read by hand.

use super::{AuthorizationWire, SecretWire};
use alloc::borrow::Cow;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// An object that is kept as it is.
pub(super) struct AnyObject;

impl JsonSchema for AnyObject {
    fn schema_name() -> Cow<'static, str> {
        "AnyObject".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

impl JsonSchema for SecretWire {
    fn schema_name() -> Cow<'static, str> {
        "SecretWire".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret: only ever a name in the environment.",
            "type": "object",
            "properties": {
                "env": { "description": "The name of the environment variable.", "type": "string" }
            },
            "required": ["env"],
            "additionalProperties": false
        })
    }
}

impl JsonSchema for AuthorizationWire {
    fn schema_name() -> Cow<'static, str> {
        "AuthorizationWire".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let secret = generator.subschema_for::<SecretWire>();
        json_schema!({
            "description": "What becomes of the client's `Authorization`.",
            "anyOf": [
                { "enum": ["strip", "keep"] },
                {
                    "type": "object",
                    "properties": { "value": secret },
                    "required": ["value"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

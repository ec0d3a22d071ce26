// SPDX-License-Identifier: Apache-2.0
//! JSON Schema of what is read by hand.

use super::{PatternWire, Scalar};
use alloc::borrow::Cow;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

impl JsonSchema for PatternWire {
    fn schema_name() -> Cow<'static, str> {
        "PatternWire".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text with `*` and `?`, or `{ regex: EXPRESSION }` for the whole name.",
            "anyOf": [
                { "type": "string", "maxLength": 512 },
                {
                    "type": "object",
                    "properties": { "regex": { "type": "string", "maxLength": 512 } },
                    "required": ["regex"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A plain value.", "type": ["string", "number", "boolean"] })
    }
}

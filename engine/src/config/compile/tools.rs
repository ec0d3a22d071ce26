// SPDX-License-Identifier: Apache-2.0
//! What the configuration knows of a server's tools.

use super::{Compiler, Step, at, key, wrong};
use crate::config::wire::{Schemas, ServerWire, ToolWire};
use crate::config::{Credentials, Tool};
use crate::json::{DeError, Value};
use crate::mcp::Marks;
use crate::pin::Pin;
use crate::schema::Schema;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Compiler<'_> {
    /// The catalogue, sorted by name.
    pub(super) fn catalogue(
        &mut self,
        wire: &ServerWire,
        server: usize,
        credentials: &mut Credentials,
        issuers: usize,
    ) -> Result<Vec<Tool>, DeError> {
        let mut tools = BTreeMap::new();
        for (index, tool) in wire.tools.catalogue.iter().enumerate() {
            let here = [Step::Index(index)];
            at(named(tool), &here)?;
            let require = Compiler::tool_requirement(&tool.require, credentials, issuers);
            let require = at(require, &[Step::Index(index), key("require")])?;
            let known = Tool {
                require,
                name: Arc::from(tool.name.as_str()),
                class: tool.class.as_deref().map(Arc::from),
                marks: self.input_schema(server, index).map(Marks::of),
                schema: at(self.schema(wire, server, index), &[Step::Index(index), key("input_schema")])?,
                meter: at(self.meter(tool), &[Step::Index(index), key("metrics")])?,
                pin: at(tool.pin.as_deref().map(pin).transpose(), &[Step::Index(index), key("pin")])?,
            };
            if tools.insert(tool.name.clone(), known).is_some() {
                let error = DeError::new(format!("tool `{}` stands twice", tool.name));
                return at(Err(error), &[Step::Index(index), key("name")]);
            }
        }
        Ok(tools.into_values().collect())
    }

    fn input_schema(&self, server: usize, tool: usize) -> Option<Value<'_>> {
        let catalogue = self.root.get("servers")?.items().nth(server)?.get("tools")?.get("catalogue")?;
        catalogue.items().nth(tool)?.get("input_schema")
    }

    fn schema(&mut self, wire: &ServerWire, server: usize, tool: usize) -> Result<Option<Schema>, DeError> {
        let Some(written) = self.input_schema(server, tool) else { return Ok(None) };
        let schema = Schema::compile(written).map_err(|error| DeError::new(error.message().to_owned()))?;
        if wire.tools.schemas == Schemas::Off && Marks::of(written).is_empty() {
            self.warn(
                &[key("servers"), Step::Index(server), key("tools"), key("schemas")],
                "an `input_schema` has no effect while `schemas` is `off`",
            );
        }
        if !schema.unsupported().is_empty() {
            let keywords = schema.unsupported().join("`, `");
            let fate = match wire.tools.schemas {
                Schemas::Require => "so the tool cannot be called",
                Schemas::Off | Schemas::Check => "so more arguments fit than the schema says",
            };
            self.warn(
                &[key("servers"), Step::Index(server), key("tools"), key("catalogue")],
                &format!("a schema has keywords that are not checked here (`{keywords}`), {fate}"),
            );
        }
        Ok(Some(schema))
    }
}

fn named(tool: &ToolWire) -> Result<(), DeError> {
    let odd = tool.name.is_empty()
        || tool.name.len() > 128
        || tool.name.contains(';')
        || tool.name.chars().any(char::is_control);
    if odd {
        let error = DeError::new(format!("`{}` cannot name a tool here", tool.name));
        return Err(error.inside(key("name")));
    }
    if tool.name.trim() != tool.name {
        let error = wrong(
            format!(
                "white space stands before or behind `{}`, and no call would be of that tool",
                tool.name.trim()
            ),
            "take it out",
        );
        return Err(error.inside(key("name")));
    }
    if tool.name.contains(['*', '?']) {
        let error = wrong(
            format!("`{}` is no pattern here: it would name a tool that is called so", tool.name),
            "write an entry for each tool",
        );
        return Err(error.inside(key("name")));
    }
    Ok(())
}

fn pin(text: &str) -> Result<Pin, DeError> {
    let error = || {
        wrong(
            "a pin is `sha256:` and 64 lower-case hexadecimal digits".to_owned(),
            "print pins with `toolgate tools pin FILE`",
        )
    };
    Pin::parse(text).ok_or_else(error)
}
